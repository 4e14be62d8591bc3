"""`moga report`: what it writes and says."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from mogakit.cli.report import command
from mogakit.errors import InputError
from mogakit.export.artifact import Role
from mogakit.luts.statistic import PHONE_STATISTIC
from mogakit.luts.table import UNKNOWN_IDENTITY, LatencyTable, Origin, Row, save
from mogakit.nets.spaces import SlotSpace, get_space


@pytest.fixture
def run(tmp_path: Path) -> Path:
    space = get_space("digits")
    assert isinstance(space, SlotSpace)
    blocks = [*space.choice_blocks, *space.fixed_blocks]
    rows = {
        block.key: Row(key=block.key, role=Role.CHOICE, latency_ms=0.1 + 0.01 * index)
        for index, block in enumerate(blocks)
    }
    table = LatencyTable(
        name="t",
        space="digits",
        target=None,
        identity=UNKNOWN_IDENTITY,
        statistic=PHONE_STATISTIC,
        rows=rows,
        origin=Origin(made_by="import"),
    )
    save(table, tmp_path / "RUN" / "lut.json")
    return tmp_path / "RUN"


def test_page_and_figures_are_written(run: Path) -> None:
    figures = run / "figures"
    done = CliRunner().invoke(command, [str(run), "--figures", str(figures), "--json"], catch_exceptions=False)
    told = json.loads(done.output)
    assert told["parts"] == ["table"]
    assert (run / "report.html").stat().st_size == told["num_bytes"]
    assert sorted(map(str, figures.iterdir())) == sorted(told["figures"])
    assert (figures / "table.svg").exists()
    assert told["record"] == str(run / "report.json")
    named = {one["name"] for one in json.loads((run / "report.json").read_text(encoding="utf-8"))["figures"]}
    assert named == {path.stem for path in figures.iterdir()}


def test_what_is_absent_is_named(run: Path, tmp_path: Path) -> None:
    invoke = CliRunner().invoke
    for arguments, message in (
        ([str(tmp_path / "nothing")], "moga profile"),
        ([str(run), "--comparison", str(tmp_path / "x.json")], "x.json does not exist"),
        ([str(run), "--search", str(tmp_path / "nothing")], "nothing does not exist"),
    ):
        found = invoke(command, arguments)
        assert found.exit_code == 2
        assert message in found.output


def test_figures_are_written_by_the_papers_number(run: Path) -> None:
    words = [str(run), "--figure", "multi-hardware/7", "--network", "digits/0-1-2-3-4-5", "--json"]
    told = json.loads(CliRunner().invoke(command, words, catch_exceptions=False).output)
    assert [Path(path).name for path in told["figures"]] == ["architectures.svg", "architectures.png"]
    assert told["captions"] == ["Networks block by block."]
    assert Path(told["figures"][0]).parent == run / "figures"


def test_a_network_outside_the_table_is_named_where_it_is_left_out(run: Path) -> None:
    words = [str(run), "--figure", "moga/1", "--network", "digits/0-1-2-3-4-5", "--network", "moga-a", "--json"]
    told = json.loads(CliRunner().invoke(command, words, catch_exceptions=False).output)
    assert "Left out, since the table lacks rows of theirs: moga-a" in told["captions"][0]


@pytest.mark.parametrize(
    ("number", "message"),
    [("moga/99", "unknown figure 'moga/99'"), ("multi-hardware/4", "needs fits"), ("moga/7", "needs two searches")],
)
def test_a_figure_that_cannot_be_drawn_says_what_it_needs(run: Path, number: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        CliRunner().invoke(command, [str(run), "--figure", number], catch_exceptions=False)
