"""What a stranger finds at the top of the checkout."""

import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from mogakit.cli.main import COMMANDS, cli

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("room", ["export", "bench", "android_runner", "luts", "reports"])
def test_the_doors_at_the_top_lead_to_the_rooms(room: str) -> None:
    assert (ROOT / room).resolve() == ROOT / "src" / "mogakit" / room
    assert not (ROOT / room).readlink().is_absolute()


def test_every_core_dependency_is_bounded_and_pinned_for_the_tests() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = {line.partition("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines()}
    for requirement in project["dependencies"]:
        assert "==" in requirement or ("<" in requirement and ">=" in requirement), requirement
        name = requirement.split("=")[0].split(">")[0].split("<")[0]
        assert name.lower() in pinned, requirement


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_help_exists_and_explains_itself(name: str) -> None:
    result = CliRunner().invoke(cli, [name, "--help"])
    assert result.exit_code == 0
    assert len(result.output) > 200
