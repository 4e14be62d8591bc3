"""`moga lut` on real files: what it prints, writes and refuses."""

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mogakit.bench.measurement import Identity
from mogakit.bench.target import parse_target
from mogakit.cli.lut import command
from mogakit.errors import InputError, TableError
from mogakit.export.artifact import Role
from mogakit.flows import lut as flow
from mogakit.luts.linear import load_model
from mogakit.luts.table import HOST_STATISTIC, LatencyTable, Origin, Row, load, save
from mogakit.nets.spaces import SlotSpace, get_space

DATA = Path(__file__).parents[1] / "luts" / "data"


def moga(*words: object) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words], catch_exceptions=False)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Return a run's folder with a table."""
    space = get_space("moga")
    assert isinstance(space, SlotSpace)
    rows = [
        Row(
            block.key,
            Role.CHOICE,
            0.1234567 + 0.01 * index,
            alone_ms=0.1234567 + 0.01 * index,
            low_ms=0.12 + 0.01 * index,
            high_ms=0.13 + 0.01 * index,
            count=60,
            num_rounds=3,
        )
        for index, block in enumerate(space.choice_blocks)
    ]
    identity = Identity("cpu/2/6.1/ab", "a computer", "", "ai-edge-litert 2.3.0", "", ("threads=1",), "", "1")
    table = LatencyTable(
        "RUN/lut.json",
        "moga",
        parse_target("tflite/cpu/float32"),
        identity,
        HOST_STATISTIC,
        {row.key: row for row in rows},
        Origin("mogakit 0.1.0"),
    )
    folder = tmp_path / "RUN"
    save(table, folder / "lut.json")
    return folder


def changed(run: Path, **identity: str) -> Path:
    table = load(run / "lut.json")
    path = run.parent / "other.json"
    save(replace(table, name="other", identity=replace(table.identity, **identity)), path)
    return path


def test_show_prints_where_a_table_comes_from_and_its_slowest_rows(run: Path) -> None:
    shown = moga("show", run, "--limit", 2)
    assert shown.exit_code == 0
    for word in ("tflite/cpu/float32", "ai-edge-litert 2.3.0", "25% cold", "120 rows"):
        assert word in shown.output
    document = json.loads(moga("show", run / "lut.json", "--json").output)
    assert document["schema_version"] == 1
    assert len(document["rows"]) == 120


def test_check_exits_with_one_where_numbers_were_copied(run: Path) -> None:
    assert moga("check", run).exit_code == 0
    other = changed(run, device="phone", device_name="a phone")
    found = moga("check", run, "--against", other, "--json")
    assert found.exit_code == 1
    first = json.loads(found.output)[0]
    assert (first["kind"], len(first["keys"])) == ("equal-across-devices", 120)


def test_diff_of_a_table_with_itself_is_empty(run: Path) -> None:
    assert "0 of 120 rows differ" in moga("diff", run, run).output
    assert {one["difference"] for one in json.loads(moga("diff", run, run, "--json").output)} == {"same"}


def test_merge_refuses_unlike_tables_until_forced(run: Path) -> None:
    output = run.parent / "merged.json"
    assert moga("merge", run, run / "lut.json", "-o", output).exit_code == 0
    output.unlink()
    other = changed(run, driver="v2")
    with pytest.raises(TableError, match="driver"):
        moga("merge", run, other, "-o", output)
    assert not output.exists()
    forced = moga("merge", run, other, "-o", output, "--force")
    assert "driver" in forced.output
    assert load(output).origin.forced == ("driver",)
    with pytest.raises(InputError, match="at least two"):
        flow.merge_tables([run], output)


def test_export_writes_csv(run: Path) -> None:
    output = run.parent / "table.csv"
    assert "120 rows" in moga("export", run, "-o", output).output
    lines = output.read_text().splitlines()
    assert len(lines) == 121
    assert lines[0].startswith("target,device,overhead_ms,key,role,latency_ms")


def test_import_of_the_tunas_model(tmp_path: Path) -> None:
    sources = [DATA / f"tunas/proxylessnas_search_{part}.b64" for part in ("kernel", "bias")]
    done = moga("import", "--format", "tunas", *sources, "-o", tmp_path / "pixel1.json")
    assert "144 coefficients, 92.136 ms" in done.output
    assert load_model(tmp_path / "pixel1.json").space == "tunas-proxyless"
    with pytest.raises(InputError, match="takes 2 file"):
        moga("import", "--format", "tunas", sources[0], "-o", tmp_path / "x.json")


def test_import_of_operators_shows_the_study(tmp_path: Path) -> None:
    operators = tmp_path / "ops.csv"
    operators.write_bytes(gzip.decompress((DATA / "qed_usc/cnn_ops_gpu.csv.gz").read_bytes()))
    networks = DATA / "qed_usc/cnn_end_to_end.csv"
    output = tmp_path / "pixel4.json"
    words = ("import", "--format", "operators", operators, networks, "-o", output)
    with pytest.raises(InputError, match=r"--column.*pixel4\|gpu\|float, mi8se\|gpu\|float"):
        moga(*words)
    done = moga(*words, "--column", "pixel4|gpu|float")
    assert "median 0.833" in done.output
    assert "affine calibration, held out: MAPE 2." in done.output
    assert load(output).calibration.num_networks == 102
    study = json.loads(moga(*words, "--column", "pixel4|gpu|float", "--json").output)["study"]
    assert study["held_out"][1]["mape_percent"] < 2.4


def test_import_of_yaml_is_checked_at_once(tmp_path: Path) -> None:
    source = tmp_path / "lut.yaml"
    source.write_text("a-kernel:3: {mean: 1.25, std: 0.1, count: 4}\n")
    done = moga("import", "--format", "ofa", source, "-o", tmp_path / "t.json", "--target", "tflite/cpu/float32")
    assert "few-samples" in done.output
    assert "unknown-provenance" in done.output
    assert str(load(tmp_path / "t.json").target) == "tflite/cpu/float32"


def test_a_folder_without_a_table_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="moga profile"):
        flow.load_table(tmp_path)
