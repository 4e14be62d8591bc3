"""`moga lut` on real files: what it prints, writes and rejects."""

import gzip
import json
import re
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
from mogakit.luts.statistic import HOST_STATISTIC
from mogakit.luts.table import LatencyTable, Origin, Row, RowSource, load, save
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
            key=block.key,
            role=Role.CHOICE,
            latency_ms=0.1234567 + 0.01 * index,
            alone_ms=0.1234567 + 0.01 * index,
            low_ms=0.12 + 0.01 * index,
            high_ms=0.13 + 0.01 * index,
            count=60,
            num_rounds=3,
        )
        for index, block in enumerate(space.choice_blocks)
    ]
    identity = Identity(
        device="cpu/2/6.1/ab",
        device_name="a computer",
        driver="",
        runtime="ai-edge-litert 2.3.0",
        tool_sha256="",
        flags=("threads=1",),
        affinity="",
        export_version="1",
    )
    table = LatencyTable(
        name="RUN/lut.json",
        space="moga",
        target=parse_target("tflite/cpu/float32"),
        identity=identity,
        statistic=HOST_STATISTIC,
        rows={row.key: row for row in rows},
        origin=Origin(made_by="mogakit 0.1.0"),
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
    shown = moga("show", run, "--rows", 2)
    assert shown.exit_code == 0
    for word in ("tflite/cpu/float32", "ai-edge-litert 2.3.0", "25% cold", "120 rows"):
        assert word in shown.output
    document = json.loads(moga("show", run / "lut.json", "--json").output)
    assert document["schema_version"] == 2
    assert len(document["rows"]) == 120


def test_show_tells_measured_rows_from_inferred_ones(run: Path) -> None:
    table = load(run / "lut.json")
    rows = {
        key: replace(row, source=RowSource.INFERRED if index < 7 else RowSource.MEASURED)
        for index, (key, row) in enumerate(table.rows.items())
    }
    save(replace(table, rows=rows), run / "lut.json")
    assert "113 measured, 7 inferred" in moga("show", run).output


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


@pytest.fixture
def pixel1(tmp_path: Path) -> Path:
    """Return the imported TuNAS model under the name that the help of `moga lut import` gives it."""
    sources = [DATA / f"tunas/proxylessnas_search_{part}.b64" for part in ("kernel", "bias")]
    moga("import", "--format", "tunas", *sources, "-o", tmp_path / "pixel1.json")
    return tmp_path / "pixel1.json"


def test_an_imported_model_is_shown_checked_and_known_by_its_content(pixel1: Path) -> None:
    shown = moga("show", pixel1, "--rows", 3)
    for word in ("tunas-proxyless", "Google Pixel 1", "92.136", "runtime and its version", "22 genes"):
        assert word in shown.output
    document = json.loads(moga("show", pixel1, "--json").output)
    assert len(document["coefficients_ms"]) == 22
    checked = moga("check", pixel1)
    assert checked.exit_code == 0
    assert "unknown-provenance" in checked.output
    assert "below zero" in checked.output
    with pytest.raises(InputError, match="leave out --against"):
        moga("check", pixel1, "--against", pixel1)


def test_a_model_is_checked_at_once_when_it_is_imported(tmp_path: Path) -> None:
    sources = [DATA / f"tunas/proxylessnas_search_{part}.b64" for part in ("kernel", "bias")]
    output = tmp_path / "pixel1.json"
    assert "unknown-provenance" in moga("import", "--format", "tunas", *sources, "-o", output).output
    found = json.loads(moga("import", "--format", "tunas", *sources, "-o", output, "--json").output)
    assert [one["severity"] for one in found["findings"]] == ["info", "info"]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"coefficients_ms": [[1.0]]}, "1 genes, and space tunas-proxyless has 22"),
        ({"space": "another"}, "its space is not known"),
    ],
)
def test_a_model_that_gives_no_latency_is_an_error(pixel1: Path, change: dict[str, object], complaint: str) -> None:
    edit(pixel1, change)
    found = moga("check", pixel1, "--json")
    assert found.exit_code == 1
    first = json.loads(found.output)[0]
    assert first["kind"] == "no-number"
    assert complaint in first["message"]


def edit(path: Path, change: dict[str, object]) -> None:
    """Change fields by hand, as the message about a wrong checksum says."""
    document = json.loads(path.read_text()) | change
    del document["checksum"]
    path.write_text(json.dumps(document))


def test_a_model_whose_number_is_infinite_is_rejected(pixel1: Path) -> None:
    edit(pixel1, {"intercept_ms": float("inf")})
    with pytest.raises(TableError, match="Infinity is not a number"):
        moga("check", pixel1, "--json")


def test_a_gene_with_too_few_coefficients_is_named(pixel1: Path) -> None:
    coefficients = json.loads(pixel1.read_text())["coefficients_ms"]
    coefficients[4].pop()
    edit(pixel1, {"coefficients_ms": coefficients})
    found = moga("check", pixel1, "--json")
    assert found.exit_code == 1
    assert json.loads(found.output)[0]["keys"] == ["gene 4"]


def test_what_is_neither_table_nor_model_says_what_writes_one(tmp_path: Path) -> None:
    absent = moga("show", tmp_path / "absent.json")
    assert absent.exit_code == 2
    assert re.search(r"moga profile.*moga fit", absent.output)
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(TableError, match=r"no JSON object; expected a latency table or cost model"):
        moga("check", tmp_path / "list.json")


def test_what_came_through_adb_says_so(run: Path) -> None:
    table = load(run / "lut.json")
    identity = replace(table.identity, flags=("threads=1", "transport=adb shell"))
    phone = run.parent / "phone.json"
    save(replace(table, identity=identity), phone)
    words = "a shell binary is scheduled differently from an app"
    assert words in " ".join(moga("show", phone, "--rows", 1).output.split())
    assert words not in moga("show", run, "--rows", 1).output
    assert f"second: measured through adb: {words}" in moga("diff", run, phone).output


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
    words = ("import", "--format", "ofa", source, "-o", tmp_path / "t.json", "--target", "tflite/cpu/float32")
    done = moga(*words, "--unit", "ms")
    assert "few-samples" in done.output
    assert "unknown-provenance" in done.output
    assert str(load(tmp_path / "t.json").target) == "tflite/cpu/float32"


def test_a_folder_without_a_table_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="moga profile"):
        flow.load_table(tmp_path)
