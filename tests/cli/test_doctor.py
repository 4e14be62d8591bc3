"""`moga doctor` names every dependency and what to do about what is missing."""

import json

import pytest
from click.testing import CliRunner

from mogakit.cli.main import cli
from mogakit.flows.doctor import State, examine


def test_every_core_dependency_and_optional_program_is_looked_at() -> None:
    seen = {finding.what: finding for finding in examine()}
    assert {"Python", "torch", "ai-edge-litert", "onnxruntime", "adb", "edgetpu_compiler", "SNPE_ROOT"} <= set(seen)
    assert seen["Python"].state is State.OK
    assert all(finding.remedy for finding in seen.values() if finding.state in (State.MISSING, State.OPTIONAL))


def test_json_holds_the_same_findings() -> None:
    result = CliRunner().invoke(cli, ["doctor", "--json"])
    assert result.exit_code == 0
    assert {each["what"] for each in json.loads(result.stdout)} == {finding.what for finding in examine()}


def test_an_sdk_variable_that_names_no_folder_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNPE_ROOT", "/nowhere/snpe")
    finding = next(each for each in examine() if each.what == "SNPE_ROOT")
    assert (finding.state, finding.seen) == (State.OPTIONAL, "/nowhere/snpe is no folder")
