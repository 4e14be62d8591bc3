"""Measuring: files and networks, a table for a space, its validation, cost models."""

from collections.abc import Sequence
from pathlib import Path

from mogakit.bench.target import parse_target
from mogakit.flows.measure.bench import BenchRequest, BenchResult, bench
from mogakit.flows.measure.devices import HOST, open_runner
from mogakit.flows.measure.fit import FitRequest, FitResult, fit_run
from mogakit.flows.measure.profile import ProfileRequest, profile
from mogakit.flows.measure.transfer import TransferRequest
from mogakit.flows.measure.transfer import transfer as transfer_table
from mogakit.flows.measure.validate import ValidateRequest, validate
from mogakit.library.given import NetworkLike, RunLike, SpaceLike, choice, name_of, run_folder, space_name, table_file
from mogakit.library.progress import progress_for
from mogakit.library.run import Run
from mogakit.luts.calibrate import CalibrationChoice
from mogakit.luts.validation import Validation
from mogakit.nets.network import Network
from mogakit.progress import Progress


def measure_files(
    models: str | Path | NetworkLike | Sequence[str | Path | NetworkLike],
    *,
    targets: str | Sequence[str] = (),
    device: str = HOST,
    quick: bool = False,
    rounds: int | None = None,
    folder: str | Path | None = None,
    resume: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
) -> BenchResult:
    """Time model files and networks, interleaved; no table is needed.

    Args:
        models: files (`x.tflite`, `x.onnx`, ...), network names or `Network`s; one or several.
        targets: such as `tflite/cpu/float32`; empty for each file's own on this computer's CPU.
        device: `host`, a phone's serial, or a device of your own (`register_device`).
        quick: one short round, for a first look.
        rounds: fresh processes; None for the kit's choice.
        folder: where exported files and samples stay; None for a temporary one.
        resume: continue with what `folder` holds.
        seed: of the order in which things are measured.
        progress: called with (done, total, note); None for a bar in a notebook and nothing elsewhere.

    Returns:
        One timing a file and target: milliseconds with a 95 % bootstrap interval, and what ran the file.

    Raises:
        InputError: a model or target does not exist or fit.
        DeviceError, MeasurementError, ExportError: from the device, the runtime, the export.

    Source: docs/measuring.md argues the schedule and the statistic.

    Examples:
        >>> result = mk.measure_files("digits/0-0-0-0-0-0", quick=True)
        >>> [(each.model, str(each.target)) for each in result.timings]
        [('digits/0-0-0-0-0-0', 'tflite/cpu/float32')]
    """
    given = [models] if isinstance(models, str | Path | Network) else list(models)
    asked = [targets] if isinstance(targets, str) else targets
    request = BenchRequest(
        models=tuple(str(each) if isinstance(each, str | Path) else name_of(each) for each in given),
        targets=tuple(parse_target(text) for text in asked) or None,
        folder=None if folder is None else Path(folder),
        seed=seed,
        quick=quick,
        resume=resume,
        rounds=rounds,
    )
    with open_runner(device) as runner:
        return bench(request, runner, progress_for("measure", progress))


def profile_space(
    space: SpaceLike,
    folder: str | Path,
    *,
    target: str = "tflite/cpu/float32",
    device: str = HOST,
    input_size: int | None = None,
    quick: bool = False,
    resume: bool = False,
    rounds: int | None = None,
    budget_s: float | None = None,
    calibration: str | None = None,
    num_blocks: int | None = None,
    networks: Sequence[str] = (),
    seed: int = 0,
    progress: Progress | None = None,
) -> Run:
    """Measure a latency table: every block of a space, the overhead of a run, and some whole networks to calibrate.

    Args:
        space: name of a space, `package.module:name`, or a space of your own.
        folder: of the run; every measurement is kept there at once, so a killed run loses at most the one in flight.
        target: `runtime/hardware/precision` with options.
        device: `host`, a phone's serial, or a device of your own.
        input_size: of images in pixels; None for the space's own.
        quick: fewer rounds and networks.
        resume: continue with the run in `folder`; what is measured is not measured again.
        rounds: None for the kit's choice.
        budget_s: seconds after which no new round starts.
        calibration: `affine`, `scale`, `none` or `best`; None for what the run has, `best` at first.
        num_blocks: choice blocks to measure where channels and depth are chosen too; the others are inferred. None for
            the kit's choice.
        networks: names of networks whose blocks are measured as well, so that the table predicts these too.
        seed: of the order and of the networks.
        progress: as in `measure_files`.

    Returns:
        The run, whose `table` predicts any network of the space in milliseconds.

    Raises:
        InputError: the target does not run on the device, a network does not exist, or `folder` holds another run.
        DeviceError, MeasurementError, ExportError: what was finished is kept for `resume`.

    Source: MoGA (arXiv 1908.01314) for the table; docs/measuring.md for what it leaves open.

    Examples:
        >>> run = mk.profile_space("digits", "another", quick=True)
        >>> len(run.table.rows)
        62
    """
    request = ProfileRequest(
        space=space_name(space),
        target=parse_target(target),
        folder=Path(folder),
        device=device,
        seed=seed,
        quick=quick,
        resume=resume,
        rounds=rounds,
        budget_s=budget_s,
        input_size=input_size,
        calibration=None if calibration is None else choice(CalibrationChoice, calibration),
        num_blocks=num_blocks,
        networks=tuple(networks),
    )
    with open_runner(device) as runner:
        profile(request, runner, progress_for("profile", progress))
    return Run(Path(folder))


def transfer(
    sources: RunLike | Sequence[RunLike],
    folder: str | Path,
    *,
    device: str = HOST,
    target: str = "tflite/cpu/float32",
    space: SpaceLike | None = None,
    input_size: int | None = None,
    budget_s: float | None = None,
    num_measurements: int | None = None,
    quick: bool = False,
    resume: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
) -> Run:
    """Make a table of a new device from tables of others and few measurements on it, chosen where they tell most.

    Args:
        sources: runs of other devices or targets, or their folders; one or several.
        folder: of the new run.
        device: `host`, a phone's serial, or a device of your own.
        target: of the new table: `runtime/hardware/precision` with options.
        space: None for that of the first source.
        input_size: of images in pixels; None for the space's own.
        budget_s: seconds that this call may take; None for 120, or as long as `num_measurements` take.
        num_measurements: blocks, chains and networks to time; None for as many as the budget allows.
        quick: shorter runs, whose times are less sure.
        resume: continue the transfer in `folder`, killed or with a new budget.
        seed: of the networks and of the order.
        progress: as in `measure_files`.

    Returns:
        The run. Rows of its `table` say whether they were measured or transferred, with a 95 % interval in
        milliseconds each; `table.transferred` has sources and measurements, `table.relative_error(network)` the
        relative standard deviation of a prediction.

    Raises:
        InputError: no source says anything of the space's blocks, the target does not run on the device, or `folder`
            holds another run.
        TableError: a source has no table.
        DeviceError, MeasurementError, ExportError: what was finished is kept for `resume`.

    Source: docs/transfer.md has the model and its learning curves.

    Examples:
        >>> new = mk.transfer("run", "transferred", target="tflite/cpu/float32,xnnpack=off", num_measurements=6)
        >>> len(new.table.transferred.measured), len(new.table.rows)
        (6, 62)
    """
    given = [sources] if isinstance(sources, str | Path | Run) else list(sources)
    request = TransferRequest(
        sources=tuple(table_file(one) for one in given),
        target=parse_target(target),
        folder=Path(folder),
        device=device,
        space=None if space is None else space_name(space),
        input_size=input_size,
        budget_s=budget_s,
        num_measurements=num_measurements,
        seed=seed,
        quick=quick,
        resume=resume,
    )
    with open_runner(device) as runner:
        transfer_table(request, runner, progress_for("transfer", progress))
    return Run(Path(folder))


def validate_table(
    run: RunLike,
    *,
    num_networks: int = 30,
    quick: bool = False,
    resume: bool = False,
    rounds: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Validation:
    """Measure networks that a run's calibration has not seen, and score the stored table with them.

    Args:
        run: a run or its folder; it is measured on the device that it was profiled on.
        num_networks: random networks of each stratum.
        quick: fewer rounds.
        resume: continue with what is measured already.
        rounds: None for the kit's choice.
        seed: of the order and of the networks.
        progress: as in `measure_files`.

    Returns:
        Errors by stratum (MAPE in percent, RMSE in milliseconds, Kendall's tau, each with a 95 % interval), the noise
        floor, and the drift of the device since the table was made.

    Raises:
        InputError: there is no run, or a validation that `resume` does not continue with.
        TableError: the table is of another device or version than is here now.
        DeviceError, MeasurementError, ExportError: what was finished is kept for `resume`.

    Source: docs/measuring.md says what limits the error.

    Examples:
        >>> validation = mk.validate_table("run", num_networks=5, quick=True, resume=True)
        >>> validation
        <Validation: lut.json on tflite/cpu/float32, calibrated; ...>
        >>> len(validation.to_pandas()) == len(validation.networks)
        True
    """
    folder = run_folder(run)
    request = ValidateRequest(
        folder=folder, num_models=num_networks, seed=seed, quick=quick, resume=resume, rounds=rounds
    )
    with open_runner(Run(folder).settings.device) as runner:
        return validate(request, runner, progress_for("validate", progress))


def fit_cost_model(
    run: RunLike,
    *,
    num_networks: int = 100,
    quick: bool = False,
    resume: bool = False,
    rounds: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> FitResult:
    """Measure whole networks of a run's space and fit linear cost models on them.

    Args:
        run: a run or its folder.
        num_networks: (network, latency) pairs to measure, at least 5.
        quick: fewer rounds.
        resume: continue with what is measured already.
        rounds: None for the kit's choice.
        seed: of the order and of the networks.
        progress: as in `measure_files`.

    Returns:
        The model on the table's residual and the one without a table, with leave-one-out errors in percent.

    Raises:
        InputError: there is no run, too few networks are asked for, or a fit that `resume` does not continue with.
        TableError: the table is of another device or version than is here now.
        DeviceError, MeasurementError, ExportError: what was finished is kept for `resume`.

    Source: the linear cost model of TuNAS (arXiv 2008.06120), by ridge regression.

    Examples:
        >>> fitted = mk.fit_cost_model("run", num_networks=6, quick=True, rounds=1, resume=True)
        >>> len(fitted.pairs.names), fitted.on_table.space
        (6, 'digits')
    """
    folder = run_folder(run)
    request = FitRequest(folder=folder, num_pairs=num_networks, seed=seed, quick=quick, resume=resume, rounds=rounds)
    with open_runner(Run(folder).settings.device) as runner:
        return fit_run(request, runner, progress_for("fit", progress))
