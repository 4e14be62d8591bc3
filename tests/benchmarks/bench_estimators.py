"""Compare ways to make one number from samples, on the journal of a validation: which predicts networks best?

    python tests/benchmarks/bench_estimators.py RUN/validation.db --input-size 224

A validation times all blocks and many networks in the same windows. For each estimator the sum of rows is calibrated
(affine) on 20 networks drawn at random and scored on the others, 60 times over; networks with and without 7x7 kernels
are scored apart. These are the figures of docs/measuring.md.
"""

import itertools
from dataclasses import replace
from pathlib import Path

import click
import numpy as np

from mogakit.bench.journal import Journal
from mogakit.bench.measurement import Status
from mogakit.cli.output import print_table
from mogakit.errors import InputError
from mogakit.export.artifact import Role
from mogakit.luts.calibrate import CalibrationKind, fit
from mogakit.luts.error_metrics import kendall_tau
from mogakit.luts.estimate import estimate_files
from mogakit.luts.statistic import Centre, CommonMode, Statistic
from mogakit.nets.network import Network
from mogakit.nets.resolve import resolve

NUM_FITTED, NUM_SPLITS = 20, 60
CENTRES = ((Centre.MEAN, 0.0), (Centre.TRIMMED_MEAN, 0.10), (Centre.TRIMMED_MEAN, 0.25), (Centre.MEDIAN, 0.0))
OF_SUMMARIES = ((Centre.MEAN, 0.0), (Centre.MEDIAN, 0.0))


def network_of(name: str, input_size: int) -> Network:
    """Return a measured network by the name of its file (`moga-a@96px` at other resolutions)."""
    return resolve(name.partition("@")[0], input_size=input_size)


def held_out_errors(predicted: np.ndarray, measured: np.ndarray, seed: int) -> np.ndarray:
    """Return the mean absolute relative error of each network over the splits in which it was held out, in percent."""
    rng = np.random.default_rng(seed)
    sums, counts = np.zeros(len(measured)), np.zeros(len(measured))
    for _ in range(NUM_SPLITS):
        order = rng.permutation(len(measured))
        fitted, held = order[:NUM_FITTED], order[NUM_FITTED:]
        names = [str(index) for index in fitted]
        calibration = fit(CalibrationKind.AFFINE, predicted[fitted], measured[fitted], names)
        calibrated = np.array([calibration.apply(value) for value in predicted[held]])
        sums[held] += 100 * np.abs(calibrated / measured[held] - 1)
        counts[held] += 1
    return sums / np.maximum(counts, 1)


@click.command()
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--input-size", default=224, show_default=True)
@click.option("--seed", default=0, show_default=True)
def main(path: Path, input_size: int, seed: int) -> None:
    """Print one line for each estimator."""
    with Journal(path) as journal:
        taken = [replace(one, status=Status.OK) for one in journal.measurements(statuses=[Status.OK, Status.DRIFTED])]
    names = sorted({one.artifact_name for one in taken if one.role is Role.NETWORK})
    networks = [network_of(name, input_size) for name in names]
    if len(names) <= NUM_FITTED:
        raise InputError(f"{path} holds {len(names)} networks; more than {NUM_FITTED} are needed")
    large = np.array([any(block.kernel >= 7 for block in network.blocks) for network in networks])
    lines = []
    if any(one.samples_ms for one in taken):
        choices = itertools.product(CommonMode, CENTRES, (Centre.MEDIAN, Centre.POOLED))
    else:  # of a phone, whose runs are summaries
        choices = itertools.product((CommonMode.NONE,), OF_SUMMARIES, (Centre.MEDIAN, Centre.MEAN, Centre.UNDISTURBED))
    for mode, (centre, trim), over in choices:
        statistic = Statistic(within_run=centre, trim=trim, across_runs=over, cold_share=0.25, common_mode=mode)
        rows = estimate_files(taken, statistic, seed)
        predicted = np.array([sum(rows[block.key].latency_ms or 0.0 for block in net.blocks) for net in networks])
        measured = np.array([rows[name].latency_ms or 0.0 for name in names])
        errors = held_out_errors(predicted, measured, seed)
        line: list[object] = [f"{centre} {trim:.0%}" if trim else str(centre), str(over), str(mode)]
        for part in (large, ~large):
            some = part.sum() > 1
            tau = kendall_tau(predicted[part], measured[part]) if some else None
            line += [round(float(errors[part].mean()), 2) if some else None, None if tau is None else round(tau, 3)]
        lines.append(line)
    columns = ("in a process", "processes", "speed of", "MAPE % 7x7", "tau", "MAPE % without", "tau ")
    print_table(f"{len(names)} networks, {path}", columns, lines)


if __name__ == "__main__":
    main()
