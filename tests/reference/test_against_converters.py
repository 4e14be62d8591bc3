"""The kit's files against those of other converters for the same networks: operators, numbers, integer quality."""

import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Records = Callable[[str], dict[str, dict[str, Any]]]

RECORDED = Path(__file__).parent.parent / "export" / "data"
"""What the converters gave when their results were recorded; `make test` compares with these."""


@pytest.mark.parametrize("tool", ["litert-torch", "tensorflow"])
def test_the_operators_are_the_same(records_of: Records, tool: str) -> None:
    theirs = records_of(tool)
    ours = records_of("kit")
    assert {name: record["operators"] for name, record in theirs.items()} == {
        name: record["operators"] for name, record in ours.items()
    }


@pytest.mark.parametrize("tool", ["litert-torch", "tensorflow"])
def test_the_numbers_are_those_of_torch(records_of: Records, tool: str) -> None:
    assert max(record["error"] for record in records_of(tool).values()) <= 1e-5


def test_the_integer_files_are_as_good_as_tensorflows(records_of: Records) -> None:
    theirs, ours = records_of("tensorflow"), records_of("kit")
    differences = [ours[name]["int8"]["sqnr_db"] - record["int8"]["sqnr_db"] for name, record in theirs.items()]
    assert abs(statistics.median(differences)) <= 0.5
    assert max(map(abs, differences)) <= 1.0


def test_the_gpu_delegate_would_take_every_float_file(records_of: Records) -> None:
    assert all(record["gpu_compatible"] for record in records_of("tensorflow").values())


@pytest.mark.parametrize("tool", ["litert-torch", "tensorflow"])
def test_the_recorded_results_still_hold(records_of: Records, tool: str) -> None:
    lines = (RECORDED / f"{tool}.jsonl").read_text().splitlines()
    recorded = {record["name"]: record for record in map(json.loads, lines)}
    for name, fresh in records_of(tool).items():
        if name not in recorded:
            continue  # not every network was recorded with litert-torch, which takes a minute for each
        assert fresh["operators"] == recorded[name]["operators"], name
        if "int8" in fresh:
            assert fresh["int8"]["sqnr_db"] == pytest.approx(recorded[name]["int8"]["sqnr_db"], abs=1.0), name
