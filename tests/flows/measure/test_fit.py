"""`moga fit`: whole networks are measured in batches, models fitted, and nothing is measured twice.

The device is made up (a runner whose truth is known); files, journals, schedule and fits are real.
"""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_up import TARGET, MadeUpRunner, block_ms

from mogakit.errors import DeviceError, InputError, TableError
from mogakit.flows.measure.fit import FitRequest, FitResult, fit_run
from mogakit.flows.measure.profile import ProfileRequest, profile
from mogakit.flows.measure.validate import ValidateRequest, validate
from mogakit.flows.search.find import search
from mogakit.flows.search.plan import Method, SearchPlan, table_input
from mogakit.luts.linear import ModelKind, load_model
from mogakit.luts.table import RowSource, load
from mogakit.nets.block import Activation, Block, Op
from mogakit.nets.spaces import StagedSpace, register_space
from mogakit.nets.spaces.staged import LayerChoice, Shortcut, Stage


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run whose table is measured."""
    folder = tmp_path_factory.mktemp("fit") / "RUN"
    profile(
        ProfileRequest(space="digits", target=TARGET, folder=folder, device="made-up", quick=True, input_size=8),
        MadeUpRunner(),
    )
    return folder


@pytest.fixture(scope="module")
def first(run: Path) -> tuple[FitResult, MadeUpRunner]:
    runner = MadeUpRunner(windows_left=7)
    request = FitRequest(folder=run, num_pairs=20, quick=True)
    with pytest.raises(DeviceError):
        fit_run(request, runner)
    runner.windows_left = 10**6
    with pytest.raises(InputError, match="--resume"):
        fit_run(request, runner)
    return fit_run(FitRequest(folder=run, num_pairs=20, quick=True, resume=True), runner), runner


def test_models_are_fitted_on_the_measured_networks(run: Path, first: tuple[FitResult, MadeUpRunner]) -> None:
    result, _ = first
    assert len(result.pairs.names) == 20
    assert result.failed == ()
    assert result.on_table.loo_mape_percent < 2.0
    assert load_model(run / "cost-model.json") == result.on_table
    assert load_model(run / "cost-model-one-hot.json") == result.one_hot
    written = json.loads((run / "fit.json").read_text())
    assert written["models"]["table+one-hot"]["loo_mape_percent"] == result.on_table.loo_mape_percent
    assert {point["num_pairs"] for point in written["curves"]} == {5, 10}


def test_what_was_measured_before_the_device_went_away_is_not_measured_again(
    first: tuple[FitResult, MadeUpRunner],
) -> None:
    _, runner = first
    assert len(runner.measured) == len(set(runner.measured))


def test_files_of_a_measured_batch_are_removed(run: Path, first: tuple[FitResult, MadeUpRunner]) -> None:
    assert sorted(path.name for path in (run / "fit").iterdir()) == ["batch-000.db", "fit.json"]


def test_a_fit_grows_by_whole_batches(run: Path, first: tuple[FitResult, MadeUpRunner]) -> None:
    earlier, _ = first
    runner = MadeUpRunner()
    grown = fit_run(FitRequest(folder=run, num_pairs=25, quick=True, resume=True), runner)
    assert grown.pairs.names[:20] == earlier.pairs.names
    assert len(set(grown.pairs.names)) == 25
    fresh = {name for name, *_ in runner.measured if name.startswith("digits/")}
    assert fresh == set(grown.pairs.names[20:])
    with pytest.raises(InputError, match="multiple of 20"):
        fit_run(FitRequest(folder=run, num_pairs=40, quick=True, resume=True), runner)


def test_no_model_is_fitted_on_networks_that_ran_on_other_hardware(run: Path, tmp_path: Path) -> None:
    copied = tmp_path / "RUN"
    shutil.copytree(run, copied, ignore=shutil.ignore_patterns("fit*", "cost-model*"))
    result = fit_run(FitRequest(folder=copied, num_pairs=20, quick=True), MadeUpRunner(falls_back=True))
    assert result.failed and not set(result.failed) & set(result.pairs.names)
    assert len(result.failed) + len(result.pairs.names) == 20
    assert result.on_table.loo_mape_percent < 2.0


def test_another_device_is_rejected(run: Path) -> None:
    with pytest.raises(TableError, match="driver"):
        fit_run(FitRequest(folder=run, resume=True), MadeUpRunner(driver="v2"))
    with pytest.raises(InputError, match="at least 5"):
        fit_run(FitRequest(folder=run, num_pairs=3), MadeUpRunner())


def staged_space() -> StagedSpace:
    """Return a space for images of 8 pixels whose filters and depth are chosen, with 96 choice blocks."""
    choices = tuple(
        LayerChoice(op=op, kernel=kernel, expansion=expansion)
        for op in (Op.MB, Op.FUSED)
        for kernel in (3, 5)
        for expansion in (2, 4)
    )
    stem = Stage(filters=(8,), stride=1, choices=(LayerChoice(op=Op.CONV, kernel=3, shortcut=Shortcut.NONE),))
    body = [Stage(filters=filters, stride=2, choices=choices, depths=(1, 2, 3)) for filters in ((8, 16), (16, 24, 32))]
    head = Block(Op.HEAD, 16, 10, 2, activation=Activation.RELU, norm_eps=1e-3, features=32)
    return StagedSpace(
        name="staged-8px",
        stages=(stem, *body),
        head=head,
        input_size=8,
        activation=Activation.RELU,
        norm_eps=1e-3,
    )


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run of a space of which thirty blocks are measured."""
    register_space(staged_space())
    folder = tmp_path_factory.mktemp("staged") / "RUN"
    request = ProfileRequest(
        space="staged-8px", target=TARGET, folder=folder, device="made-up", quick=True, num_blocks=30
    )
    profile(request, MadeUpRunner())
    return folder


def test_what_is_not_measured_of_a_staged_space_is_inferred_with_an_error_bar(staged: Path) -> None:
    table = load(staged / "lut.json")
    space = staged_space()
    measured = [row for row in table.rows.values() if row.source is RowSource.MEASURED]
    inferred = [row for row in table.rows.values() if row.source is RowSource.INFERRED]
    assert len(measured) == 30 + len(space.fixed_blocks)
    assert len(measured) + len(inferred) == len(space.choice_blocks) + len(space.fixed_blocks)
    errors = [abs(row.latency_ms / block_ms(row.key) - 1) for row in inferred]
    assert np.mean(errors) < 0.06
    speed = np.median([row.latency_ms / block_ms(row.key) for row in measured])  # the device's, in these two processes
    holds = [row.low_ms < speed * block_ms(row.key) < row.high_ms for row in inferred]
    assert np.mean(holds) > 0.85
    assert table.calibration.scale == pytest.approx(1.1, rel=0.05)


def test_a_table_of_a_staged_space_is_validated_searched_and_fitted(staged: Path, tmp_path: Path) -> None:
    found = validate(ValidateRequest(folder=staged, num_models=12, quick=True), MadeUpRunner())
    calibrated = found.strata[0].calibrated
    assert calibrated.mape_percent.value < 3.0
    fitted = fit_run(FitRequest(folder=staged, num_pairs=30, quick=True), MadeUpRunner())
    assert fitted.on_table.kind is ModelKind.TABLE_COUNTS
    assert fitted.on_table.loo_mape_percent < 2.0
    assert fitted.one_hot.kind is ModelKind.COUNTS
    for place, latencies in enumerate((staged / "lut.json", staged / "cost-model.json")):
        plan = SearchPlan(space="staged-8px", latencies=(table_input(latencies),), method=Method.EXACT)
        result = search(plan, tmp_path / str(place))
        assert result.quality.archive_percent == pytest.approx(100.0)
        assert len(result.front) > 10


def test_a_run_of_a_staged_space_goes_on_with_its_own_blocks(staged: Path) -> None:
    request = ProfileRequest(
        space="staged-8px", target=TARGET, folder=staged, device="made-up", quick=True, resume=True
    )
    runner = MadeUpRunner()
    profile(request, runner)
    assert runner.measured == []
    with pytest.raises(InputError, match="30 blocks, not of 40"):
        profile(replace(request, num_blocks=40), runner)
