"""A table survives its file, equal tables are equal bytes, and older schemas are upgraded step by step."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mogakit import records
from mogakit.bench.measurement import Identity
from mogakit.bench.target import parse_target
from mogakit.bench.warning import ConditionWarning, WarningKind
from mogakit.errors import InputError, TableError
from mogakit.export.artifact import Role
from mogakit.luts.calibrate import Calibration, CalibrationKind
from mogakit.luts.statistic import HOST_STATISTIC
from mogakit.luts.table import (
    SCHEMA_VERSION,
    LatencyTable,
    Origin,
    Overhead,
    OverheadVerdict,
    Row,
    RowConditions,
    load,
    save,
)

LOADED = ConditionWarning(kind=WarningKind.LOAD, value=3.5, limit=1.0, advice="close other programs")


@pytest.fixture
def table(identity: Identity) -> LatencyTable:
    conditions = RowConditions(first_at="2026-11-21T00:00:00+00:00", max_temperature_c=41.5, warnings=(LOADED,))
    rows = [
        Row(
            key="conv_i3o16_h224_k3s2_hswish",
            role=Role.FIXED,
            latency_ms=1.25,
            alone_ms=1.26,
            low_ms=1.2,
            high_ms=1.3,
            run_means_ms=(1.2, 1.3),
            count=40,
        ),
        Row(
            key="mb_i16e48o24_h112_k3s2_relu",
            role=Role.CHOICE,
            latency_ms=None,
            error="no kernel",
            conditions=conditions,
        ),
    ]
    return LatencyTable(
        name="a table",
        space="moga",
        target=parse_target("tflite/cpu/float32"),
        identity=identity,
        statistic=HOST_STATISTIC,
        rows={row.key: row for row in rows},
        origin=Origin(made_by="mogakit 0.1.0"),
        overhead=Overhead(
            value_ms=0.01,
            verdict=OverheadVerdict.USED,
            intercept_ms=0.01,
            low_ms=0.008,
            high_ms=0.012,
            slopes_ms={"a": 1.0},
            r2=0.9999,
            num_chains=4,
        ),
        calibration=Calibration(
            kind=CalibrationKind.SCALE,
            scale=1.02,
            offset_ms=0.0,
            num_networks=3,
            loo_mape_percent=1.0,
            loo_rmse_ms=0.1,
            raw_mape_percent=2.0,
            networks=("x", "y", "z"),
        ),
    )


def test_a_table_comes_back_as_it_was_saved(table: LatencyTable, tmp_path: Path) -> None:
    path = tmp_path / "lut.json"
    save(table, path)
    assert load(path) == table
    first = path.read_bytes()
    save(load(path), path)
    assert path.read_bytes() == first
    assert json.loads(first)["target"] == "tflite/cpu/float32"


def test_a_table_of_before_rows_told_their_backend_is_read(table: LatencyTable, tmp_path: Path) -> None:
    path = tmp_path / "lut.json"
    save(table, path)
    old = json.loads(path.read_text())
    del old["checksum"], old["file_kind"], old["accepted"], old["calibration"]["loo_mape_percent_by_kind"]
    for row in old["rows"]:
        del row["backend"], row["reason"]
    path.write_text(json.dumps(old))
    assert load(path) == table


def test_files_that_are_no_table_are_rejected_with_what_is_wrong(table: LatencyTable, tmp_path: Path) -> None:
    path = tmp_path / "lut.json"
    with pytest.raises(TableError, match="moga profile"):
        load(path)
    for text, complaint in (
        ("{", "not JSON"),
        ("[]", "no JSON object"),
        ("{}", "schema_version"),
        ('{"schema_version": 99}', "schema version 99; this kit reads up to"),
        (f'{{"schema_version": {SCHEMA_VERSION}}}', "lacks"),
    ):
        path.write_text(text)
        with pytest.raises(TableError, match=complaint):
            load(path)


def test_a_misspelt_field_and_a_doubled_row_are_named(table: LatencyTable, tmp_path: Path) -> None:
    path = tmp_path / "lut.json"
    document = records.document(table)
    document["rows"][0]["latencyms"] = 1.0
    path.write_text(json.dumps(document))
    with pytest.raises(TableError, match="latencyms"):
        load(path)
    document = records.document(table)
    document["rows"].append(document["rows"][0])
    path.write_text(json.dumps(document))
    with pytest.raises(TableError, match="more than one row for conv_i3o16"):
        load(path)


def test_an_older_document_is_upgraded_one_step_at_a_time() -> None:
    steps = {
        1: lambda old: {**old, "unit": "ms"},
        2: lambda old: {"rows": [{"key": key, "latency_ms": value} for key, value in old["lut"].items()]},
    }
    old = {"schema_version": 1, "lut": {"a": 1.0}}
    kind = replace(records.kind_of(LatencyTable), version=3, upgrades=steps)
    new = records.upgrade(old, "lut.json", kind)
    assert new == {"schema_version": 3, "rows": [{"key": "a", "latency_ms": 1.0}]}
    assert old == {"schema_version": 1, "lut": {"a": 1.0}}
    with pytest.raises(InputError, match="cannot be upgraded"):
        records.upgrade({"schema_version": 0}, "lut.json", kind)
