"""The trace of a run holds every visit at its time, and opens as Chrome's format says."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner

from mogakit.bench.host import HostRunner
from mogakit.bench.journal import Journal
from mogakit.bench.schedule_trace import schedule_trace
from mogakit.bench.target import parse_target
from mogakit.cli.main import cli
from mogakit.flows.measure.profile import ProfileRequest, profile

TARGET = parse_target("tflite/cpu/float32")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trace") / "RUN"
    profile(ProfileRequest(space="digits", target=TARGET, folder=folder, quick=True, rounds=1), HostRunner())
    return folder


def test_every_visit_is_a_slice_inside_its_window(run: Path, tmp_path: Path) -> None:
    with Journal(run / "journal.db") as journal:
        taken = journal.measurements(TARGET)
    events = schedule_trace(taken)["traceEvents"]
    windows = [one for one in events if one["ph"] == "X" and one["tid"] == 1]
    visits = sorted((one for one in events if one["ph"] == "X" and one["tid"] == 2), key=lambda one: one["ts"])
    assert len(visits) == sum(len(one.visited_at_ms) for one in taken)
    assert len(windows) == len({(one.round, one.window) for one in taken})
    for visit in visits:
        inside = [w for w in windows if w["ts"] - 1e5 <= visit["ts"] <= w["ts"] + w["dur"] + 1e5]
        assert inside and visit["dur"] > 0
    late = [after["ts"] - before["ts"] - before["dur"] for before, after in pairwise(visits)]
    assert sum(gap < -1e3 for gap in late) == 0, "one file runs at a time"
    assert {one["name"] for one in events if one["ph"] == "C"} >= {"load, 1 min"}


def test_the_command_writes_the_trace_and_rejects_what_is_no_run(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    ended = CliRunner().invoke(cli, ["lut", "trace", str(run), "-o", str(path), "--json"])
    assert ended.exit_code == 0
    events = json.loads(path.read_text())["traceEvents"]
    assert json.loads(ended.stdout)["events"] == len(events) > 100
    assert all({"ph", "name", "pid"} <= event.keys() for event in events)
    assert CliRunner().invoke(cli, ["lut", "trace", str(tmp_path), "-o", str(path)]).exit_code != 0
