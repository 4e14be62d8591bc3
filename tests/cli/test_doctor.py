"""`moga doctor` names every dependency and what to do about what is missing."""

import importlib.metadata
import json
import struct
from pathlib import Path

import pytest
from click.testing import CliRunner
from packaging.requirements import Requirement

from mogakit.android_runner import tools
from mogakit.cli.main import cli
from mogakit.flows.doctor import Finding, State, examine

HEADER = struct.pack("<HHI3Q I6H", 3, 183, 1, 0, 64, 0, 0, 64, 56, 0, 64, 0, 0)
ELF_ARM64 = (b"\x7fELF\x02\x01\x01" + bytes(9) + HEADER).ljust(512, b"\0")
"""The first bytes of a binary for 64-bit ARM."""


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
    assert (finding.state, finding.seen) == (State.OPTIONAL, "/nowhere/snpe is not a folder")


def test_the_extras_are_named_with_how_to_install_them() -> None:
    seen = {finding.what: finding for finding in examine()}
    for name in ("train", "reference"):
        finding = seen[f"extra {name}"]
        lines = importlib.metadata.requires("moga-kit") or []
        assert all(Requirement(line).name in finding.seen for line in lines if f'extra == "{name}"' in line)
        assert finding.state is State.OK or finding.remedy == f"pip install 'moga-kit[{name}]'"


def test_registered_phone_tools_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def phone_tools() -> Finding:
        return next(each for each in examine() if each.what == "phone tools")

    monkeypatch.setenv("MOGA_HOME", str(tmp_path / "home"))
    none = phone_tools()
    assert (none.state, none.seen) == (State.OPTIONAL, "none registered")
    assert "moga tools fetch benchmark_model" in none.remedy
    for name in ("mace_run", "libSNPE.so"):
        (tmp_path / name).write_bytes(ELF_ARM64)
        tools.add(tmp_path / name)
    assert (phone_tools().state, phone_tools().seen) == (State.OK, "mace_run (arm64-v8a), libSNPE.so (arm64-v8a)")
    (tmp_path / "home" / "tools" / "registry.json").write_text("{}")
    assert phone_tools().state is State.WARNING


def test_the_sdk_variables_say_what_they_are_for() -> None:
    serves = {finding.what: finding.serves for finding in examine()}
    assert "snpe/gpu and snpe/dsp" in serves["SNPE_ROOT"]
    assert "the same, where SNPE_ROOT is not set" in serves["QNN_SDK_ROOT"]
