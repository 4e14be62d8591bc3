"""The page on tables names every field that is on disk."""

from dataclasses import fields
from pathlib import Path

import pytest

from mogakit.bench.measurement import Identity
from mogakit.luts.calibrate import Calibration
from mogakit.luts.statistic import Statistic
from mogakit.luts.table import LatencyTable, Origin, Overhead, Row

PAGE = (Path(__file__).parents[2] / "docs" / "tables.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("record", [LatencyTable, Identity, Statistic, Row, Overhead, Calibration, Origin])
def test_every_field_is_described(record: type) -> None:
    missing = [field.name for field in fields(record) if f"`{field.name}`" not in PAGE]
    assert missing == []
