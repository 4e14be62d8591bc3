"""The gate between two tables: a kind of block that became slower is found and named, noise is not."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from made_tables import table_of

from mogakit.cli.main import cli
from mogakit.errors import TableError
from mogakit.luts.changes import ALL_ROWS, kind_changes
from mogakit.luts.table import LatencyTable, save
from mogakit.nets.block import parse_key

NOISE = 0.005


def measured_again(table: LatencyTable, seed: int, factor: float = 1.0) -> LatencyTable:
    """Return the table as another hour would give it: 0.5 % of noise a row, blocks with 7x7 kernels times `factor`."""
    rng = np.random.default_rng(seed)
    rows = {}
    for key, row in table.rows.items():
        value = (row.latency_ms or 0.0) * (1 + rng.normal(0, NOISE)) * (factor if parse_key(key).kernel == 7 else 1)
        width = 1.96 * NOISE * value
        rows[key] = replace(row, latency_ms=value, low_ms=value - width, high_ms=value + width)
    return replace(table, rows=rows)


@pytest.mark.parametrize("seed", range(10))
def test_five_percent_in_one_kind_is_found_and_named_and_one_percent_is_not(seed: int) -> None:
    table = table_of("moga")
    before = measured_again(table, 2 * seed)
    for factor, failed in ((1.05, {"mb 7x7", "mb 7x7 with SE"}), (1.01, set()), (1.0, set()), (0.95, set())):
        changes = kind_changes(before, measured_again(table, 2 * seed + 1, factor), 5.0)
        assert {one.kind for one in changes if one.failed} - {ALL_ROWS} == failed, factor
        sevens = [one for one in changes if "7x7" in one.kind]
        assert all(one.low_percent - 0.3 <= 100 * (factor - 1) <= one.high_percent + 0.3 for one in sevens)


def test_what_cannot_be_told_from_noise_does_not_fail() -> None:
    """Three rows with 10 % of noise each may be 5 % slower, and may be faster."""
    table = table_of("moga")
    keys = sorted(table.rows)[:3]
    rows = {key: replace(table.rows[key], latency_ms=1.0, low_ms=0.8, high_ms=1.2) for key in keys}
    slower = {key: replace(row, latency_ms=1.04, low_ms=0.83, high_ms=1.25) for key, row in rows.items()}
    first, second = replace(table, rows=rows), replace(table, rows=slower)
    assert not any(one.failed for one in kind_changes(first, second, 3.0))


def test_tables_without_a_row_in_common_are_an_error() -> None:
    with pytest.raises(TableError, match="no row in common"):
        kind_changes(table_of("moga"), replace(table_of("moga"), rows={}), 5.0)


def test_the_command_ends_with_one_and_names_the_kind(tmp_path: Path) -> None:
    table = table_of("moga")
    paths = [tmp_path / "old.json", tmp_path / "new.json"]
    for path, factor in zip(paths, (1.0, 1.06), strict=True):
        save(measured_again(table, int(100 * factor), factor), path)
    words = ["lut", "diff", *map(str, paths), "--fail-above"]
    ended = CliRunner().invoke(cli, [*words, "5%"], env={"COLUMNS": "120"})
    assert ended.exit_code == 1
    assert "mb 7x7" in ended.output.splitlines()[-1]
    answer = CliRunner().invoke(cli, [*words, "5", "--json"])
    assert answer.exit_code == 1
    assert {"mb 7x7", "mb 7x7 with SE"} <= set(json.loads(answer.stdout)["failed"])
    assert CliRunner().invoke(cli, [*words, "9"]).exit_code == 0
    assert CliRunner().invoke(cli, [*words, "-1"]).exit_code == 2
