"""`moga transfer`: a table of a new device that costs few measurements, and what can be done with it.

The devices are made up (runners whose truth is known); files, journals, schedule, model and tables are real.
"""

import json
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_up import TARGET, MadeUpRunner

from mogakit.bench.measurement import Status
from mogakit.bench.runner import RunnerKind
from mogakit.errors import DeviceError, InputError
from mogakit.export.artifact import Artifact
from mogakit.flows.lut import check_latencies
from mogakit.flows.measure.predict import predict_networks
from mogakit.flows.measure.profile import ProfileRequest, profile
from mogakit.flows.measure.transfer import TransferRequest, TransferResult, transfer
from mogakit.flows.measure.validate import ValidateRequest, validate
from mogakit.flows.search.find import search
from mogakit.flows.search.plan import Method, SearchPlan, table_input
from mogakit.luts.check import Severity
from mogakit.luts.table import RowSource, load
from mogakit.nets.block import parse_key
from mogakit.nets.network import block_layers
from mogakit.nets.spaces import get_space

SPACE = get_space("digits", 8)


def new_ms(key: str) -> float:
    """Return what a block costs on the new device, which is fast at depthwise convolutions and slow at the others."""
    block = parse_key(key)
    costs = {True: 4e-7, False: 3e-6}
    return 0.02 + sum(costs[layer.groups > 1] * layer.madds for layer in block_layers(block))


def new_phone() -> MadeUpRunner:
    return MadeUpRunner(cost=new_ms, overhead_ms=0.3, name="new-phone", kind=RunnerKind.PHONE, jobs_per_window=1)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run whose table is measured on another device."""
    folder = tmp_path_factory.mktemp("transfer") / "SOURCE"
    request = ProfileRequest(space="digits", target=TARGET, folder=folder, device="made-up", quick=True, input_size=8)
    profile(request, MadeUpRunner())
    return folder


def request_of(source: Path, folder: Path, **others: object) -> TransferRequest:
    given: dict[str, object] = {"device": "new-phone", "input_size": 8, "num_measurements": 20, **others}
    return TransferRequest(sources=(source,), target=TARGET, folder=folder, **given)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def done(source: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[TransferResult, Path, MadeUpRunner]:
    """Return a transfer of twenty measurements during which the device went away once."""
    folder = tmp_path_factory.mktemp("transferred") / "NEW"
    runner = new_phone()
    runner.windows_left = 9
    with pytest.raises(DeviceError):
        transfer(request_of(source, folder), runner)
    runner.windows_left = 10**6
    with pytest.raises(InputError, match="--resume"):
        transfer(request_of(source, folder), runner)
    return transfer(request_of(source, folder, resume=True), runner), folder, runner


def test_few_measurements_give_every_row_a_number_with_an_interval(
    done: tuple[TransferResult, Path, MadeUpRunner],
) -> None:
    result, folder, _ = done
    table = load(folder / "lut.json")
    assert table == result.table
    assert {row.key for row in table.rows.values()} == {
        block.key for block in (*SPACE.fixed_blocks, *SPACE.choice_blocks)
    }
    sources = [row.source for row in table.rows.values()]
    assert sources.count(RowSource.TRANSFERRED) > 40 and sources.count(RowSource.MEASURED) > 3
    assert all(row.low_ms < row.latency_ms < row.high_ms for row in table.rows.values())
    assert table.overhead_ms == pytest.approx(0.3, rel=0.15)
    errors = [abs(row.latency_ms / new_ms(key) - 1) for key, row in table.rows.items()]
    assert np.mean(errors) < 0.06
    holds = [row.low_ms <= new_ms(row.key) <= row.high_ms for row in table.rows.values()]
    assert np.mean(holds) > 0.85


def test_the_table_says_where_it_comes_from(done: tuple[TransferResult, Path, MadeUpRunner]) -> None:
    table = done[0].table
    about = table.transferred
    assert about is not None
    assert len(about.measured) == 20
    assert [each.device_name for each in about.sources] == ["made up"]
    assert table.identity.device == "new-phone"
    assert set(table.calibration.networks) == {name for name in about.measured if name.startswith("digits/")}
    assert "transferred" in table.row_sources
    assert not [each for each in check_latencies(done[1]) if each.severity is Severity.ERROR]
    assert json.loads((done[1] / "lut.json").read_text())["transferred"]["method"] == "process"


def test_what_was_measured_before_the_device_went_away_is_not_measured_again(
    done: tuple[TransferResult, Path, MadeUpRunner],
) -> None:
    measured = done[2].measured
    sentinel = max({name for name, *_ in measured}, key=lambda name: sum(one[0] == name for one in measured))
    others = [name for name, *_ in measured if name != sentinel]
    assert len(others) == len(set(others)) == 19


def test_predictions_have_an_error_bar_that_holds(done: tuple[TransferResult, Path, MadeUpRunner]) -> None:
    result, folder, _ = done
    rng = np.random.default_rng(5)
    networks = [SPACE.decode(SPACE.sample(rng)) for _ in range(60)]
    report = predict_networks(networks, folder)
    assert report.error is not None and report.error.source == "transfer"
    truth = [1.1 * (0.3 + sum(new_ms(block.key) for block in net.blocks)) for net in networks]
    found = list(zip(report.networks, truth, strict=True))
    assert np.mean([abs(each.latency_ms / ms - 1) for each, ms in found]) < 0.025
    assert np.mean([each.low_ms < ms < each.high_ms for each, ms in found]) > 0.8
    assert result.expected_percent < 3 < result.sources_percent


def test_a_validation_takes_the_place_of_the_expectation_and_a_search_takes_the_table(
    done: tuple[TransferResult, Path, MadeUpRunner], tmp_path: Path
) -> None:
    folder = tmp_path / "NEW"
    shutil.copytree(done[1], folder)
    found = validate(ValidateRequest(folder=folder, num_models=8, quick=True), new_phone())
    assert found.strata[0].calibrated.mape_percent.value < 3.0
    error = predict_networks([SPACE.decode((0,) * 6)], folder).error
    assert error is not None and error.source == "validation"
    plan = SearchPlan(space="digits", latencies=(table_input(folder / "lut.json"),), method=Method.EXACT)
    assert len(search(plan, tmp_path / "search").front) > 3


def test_a_new_budget_continues_and_the_rest_can_be_profiled(
    done: tuple[TransferResult, Path, MadeUpRunner], source: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "NEW"
    shutil.copytree(done[1], folder)
    runner = new_phone()
    more = transfer(request_of(source, folder, resume=True, num_measurements=24), runner)
    assert more.table.transferred is not None and len(more.table.transferred.measured) == 24
    assert len({name for name, *_ in runner.measured}) <= 5
    request = ProfileRequest(
        space="digits", target=TARGET, folder=folder, device="new-phone", quick=True, input_size=8, resume=True
    )
    table = profile(request, new_phone()).table
    assert {row.source for row in table.rows.values()} == {RowSource.MEASURED}
    assert table.transferred is None


def test_another_source_and_a_table_without_a_space_are_rejected(
    done: tuple[TransferResult, Path, MadeUpRunner], source: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.json"
    document = json.loads((source / "lut.json").read_text())
    del document["checksum"]
    other.write_text(json.dumps(document | {"space": ""}))
    with pytest.raises(InputError, match="--space"):
        transfer(request_of(other, tmp_path / "x"), new_phone())
    with pytest.raises(InputError, match="same tables"):
        transfer(replace(request_of(other, done[1], resume=True), space="digits"), new_phone())
    with pytest.raises(InputError, match="at least one table"):
        transfer(replace(request_of(source, tmp_path / "y"), sources=()), new_phone())


def test_what_ran_elsewhere_is_not_believed(source: Path, tmp_path: Path) -> None:
    runner = new_phone()
    runner.falls_back = True
    result = transfer(request_of(source, tmp_path / "NEW", num_measurements=15), runner)
    assert all(name.startswith("digits/") for name in result.failed)
    assert result.table.transferred is not None
    assert set(result.failed).isdisjoint(result.table.transferred.measured)
    errors = [abs(row.latency_ms / new_ms(key) - 1) for key, row in result.table.rows.items()]
    assert np.mean(errors) < 0.12


def test_a_computer_times_earlier_files_again_beside_new_ones(source: Path, tmp_path: Path) -> None:
    runner = MadeUpRunner(cost=new_ms, name="another-computer")
    result = transfer(request_of(source, tmp_path / "NEW", device="host", num_measurements=12, quick=True), runner)
    assert result.num_batches == 3
    windows = {name: len({one for one in runner.measured if one[0] == name}) for name, *_ in runner.measured}
    assert len(windows) == 12
    errors = [abs(row.latency_ms / new_ms(key) - 1) for key, row in result.table.rows.items()]
    assert np.mean(errors) < 0.1


def test_a_budget_ends_it(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a clock that only measuring moves, two seconds a file."""
    now = [0.0]

    class Slow(MadeUpRunner):
        """Takes two seconds a file."""

        def truth_ms(self, artifact: Artifact) -> float:
            now[0] += 2.0
            return super().truth_ms(artifact)

    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    runner = Slow(cost=new_ms, overhead_ms=0.3, name="new-phone", kind=RunnerKind.PHONE, jobs_per_window=1)
    result = transfer(request_of(source, tmp_path / "NEW", num_measurements=None, budget_s=60.0), runner)
    assert 15 <= len(result.table.transferred.measured) <= 30  # type: ignore[union-attr]
    assert 40 < result.seconds <= 60
    with pytest.raises(InputError, match="longer --budget"):
        transfer(request_of(source, tmp_path / "short", num_measurements=None, budget_s=0.0), runner)


def test_a_row_like_one_that_fell_back_gets_no_number(source: Path, tmp_path: Path) -> None:
    """Blocks of one kernel run on other hardware: where one was seen to, those like it hold no number."""

    runner = replace(new_phone(), elsewhere=lambda key: "_k5" in key)
    result = transfer(request_of(source, tmp_path / "NEW", num_measurements=20), runner)
    rows = result.table.rows.values()
    assert {row.status for row in rows if not result.table.counts(row)} == {Status.FALLBACK}
    with_number = [
        np.mean([result.table.counts(row) for row in rows if ("_k5" in row.key) is k5]) for k5 in (True, False)
    ]
    assert with_number[0] < 0.4 < with_number[1]
