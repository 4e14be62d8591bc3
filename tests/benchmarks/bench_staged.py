"""Compare latency models of a space whose channels and depth are chosen, from a run that was profiled and validated.

    moga profile --space multi-hardware -o RUN && moga validate RUN --models 60
    python tests/benchmarks/bench_staged.py RUN --picture staged.png

Every model is scored on the networks of the validation, which none has seen, after the speed at which the machine ran
then (from the rows that the validation measured again) is divided out. Models of blocks learn from the first blocks
of the design that the run measured; their cost is the time that those took. Models of whole networks learn from made-
up pairs: networks drawn at random, whose latency is the run's own table with 1 % of noise, since nobody waits for
nine thousand; their cost is the time that one network of the validation takes, times their number. These are the
figures of docs/staged.md.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from mogakit.bench.journal import Journal
from mogakit.cli.output import print_table
from mogakit.errors import InputError
from mogakit.export.artifact import Role
from mogakit.flows.measure.runs import RunFolder
from mogakit.flows.measure.sampling import blocks_to_measure
from mogakit.luts.block_model import BlockModel, Measured
from mogakit.luts.counts import fit_without_table
from mogakit.luts.error_metrics import FloatArray, kendall_tau, mape_percent
from mogakit.luts.infer import measured_of
from mogakit.luts.latencies import load_latencies
from mogakit.luts.linear import CostModel, Pairs, fit_one_hot
from mogakit.luts.table import LatencyTable
from mogakit.luts.validation import Validation, load_validation
from mogakit.nets.block import Block
from mogakit.nets.network import Network
from mogakit.nets.resolve import resolve
from mogakit.nets.spaces import SearchSpace, get_space

NUM_BLOCKS = (20, 40, 60, 80, 120, 160, 200, 240)
NUM_PAIRS = (100, 300, 1000, 3000, 9000)
NOISE = 0.01


@dataclass(frozen=True)
class Point:
    """One model fitted on so many measurements, which would take `minutes`."""

    model: str
    num: int
    minutes: float
    mape_percent: float
    tau: float


class Judge:
    """The networks of a validation, at the speed that the machine had when the table was made."""

    def __init__(self, validation: Validation) -> None:
        """Take the measured networks of the space itself."""
        speed = validation.drift.speed_ratio or 1.0
        self.networks = [resolve(one.name) for one in validation.networks]
        self.measured_ms = np.array([one.measured_ms for one in validation.networks]) / speed

    def score(self, model: str, num: int, minutes: float, predict: Callable[[Network], float]) -> Point:
        """Return how a model does on the networks."""
        predicted = np.array([predict(network) for network in self.networks])
        return Point(
            model,
            num,
            minutes,
            mape_percent(predicted, self.measured_ms),
            kendall_tau(predicted, self.measured_ms),
        )


def measured_minutes(folder: RunFolder) -> tuple[dict[str, float], float]:
    """Return the minutes that each file of a profile took, and the mean of a network's."""
    minutes: dict[str, float] = {}
    networks: dict[str, float] = {}
    with Journal(folder.journal) as journal:
        for one in journal.measurements():
            taken = sum(one.samples_ms) / 60000.0
            into = networks if one.role is Role.NETWORK else minutes
            into[one.artifact_name] = into.get(one.artifact_name, 0.0) + taken
    return minutes, float(np.mean(list(networks.values())))


def block_points(
    table: LatencyTable, space: SearchSpace, minutes: dict[str, float], judge: Judge, seed: int
) -> list[Point]:
    """Score physical terms alone, and with the process, fitted on the first blocks of the design."""
    known = measured_of(table.rows, table.counts)
    design = [block for block in blocks_to_measure(space, max(NUM_BLOCKS), seed) if block in known.blocks_ms]
    points = []
    for num in NUM_BLOCKS:
        if num > len(design):
            break
        taken = {*design[:num], *space.fixed_blocks} & known.blocks_ms.keys()
        part = Measured(
            blocks_ms={block: known.blocks_ms[block] for block in taken},
            blocks_std_ms={block: known.blocks_std_ms[block] for block in taken},
        )
        model = BlockModel(part)
        spent = sum(minutes.get(block.key, 0.0) for block in taken)

        def terms(network: Network, model: BlockModel = model) -> float:
            return table.overhead_ms + float(model.mean_ms(network.blocks).sum())

        def process(network: Network, model: BlockModel = model, part: Measured = part) -> float:
            return table.overhead_ms + _sum_ms(network.blocks, model, part)

        points.append(judge.score("physical terms of blocks", num, spent, terms))
        points.append(judge.score("table: measured blocks, others by the process", num, spent, process))
    return points


def _sum_ms(blocks: tuple[Block, ...], model: BlockModel, part: Measured) -> float:
    means_ms, _ = model.predict(blocks)
    return float(sum(part.blocks_ms.get(block, mean) for block, mean in zip(blocks, means_ms, strict=True)))


def network_points(table: LatencyTable, space: SearchSpace, a_network: float, judge: Judge, seed: int) -> list[Point]:
    """Score models of whole networks, fitted on made-up pairs."""
    rng = np.random.default_rng(seed)
    chromosomes = [space.sample(rng) for _ in range(max(NUM_PAIRS))]
    truth: FloatArray = np.array([table.predict_raw(space.decode(one)) for one in chromosomes])
    noisy = truth * (1 + rng.normal(0, NOISE, len(truth)))
    points = []
    for num in NUM_PAIRS:
        pairs = Pairs(
            space=space.name,
            chromosomes=tuple(chromosomes[:num]),
            measured_ms=tuple(noisy[:num].tolist()),
            input_size=judge.networks[0].input_size,
        )
        fits: dict[str, Callable[[], CostModel]] = {
            "counts of blocks and shapes, ridge (made-up pairs)": lambda pairs=pairs: fit_without_table(
                pairs, table.target, table.identity
            ),
            "one number a gene, ridge (made-up pairs)": lambda pairs=pairs: fit_one_hot(
                pairs, table.target, table.identity
            ),
        }
        for name, make in fits.items():
            started = time.process_time()
            model = make()
            click.echo(f"{name}, {num} networks: fitted in {time.process_time() - started:.1f} s of CPU", err=True)
            points.append(judge.score(name, num, num * a_network, model.latency_ms))
    return points


def draw(points: list[Point], title: str, path: Path) -> None:
    """Draw error against minutes of measuring, one line a model."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedLocator, NullFormatter

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    for name in dict.fromkeys(point.model for point in points):
        mine = [point for point in points if point.model == name]
        axes.plot([point.minutes for point in mine], [point.mape_percent for point in mine], marker="o", label=name)
        for point in (mine[0], mine[-1]):
            axes.annotate(
                f"{point.num}", (point.minutes, point.mape_percent), xytext=(4, 4), textcoords="offset points"
            )
    axes.set(xscale="log", yscale="log", title=title)
    axes.set(xlabel="minutes of measuring", ylabel="MAPE on unseen networks, %")
    for axis, ticks in ((axes.xaxis, (0.1, 1, 10, 100, 1000)), (axes.yaxis, (1, 2, 3, 5, 10, 20, 50))):
        axis.set_major_locator(FixedLocator(ticks))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(NullFormatter())
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=120)


@click.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--picture", type=click.Path(path_type=Path), help="Also draw the learning curves.")
@click.option("--seed", default=0, show_default=True, help="Of the run's design and of the made-up pairs.")
def main(run: Path, picture: Path | None, seed: int) -> None:
    """Print one line for each model and number of measurements."""
    folder = RunFolder(run)
    table = load_latencies(folder.table)
    space = get_space(table.space)
    if not isinstance(table, LatencyTable) or space.slotted is not None:
        raise InputError(f"{run} is not a run of a space whose channels and depth are chosen")
    judge = Judge(load_validation(folder.validation))
    minutes, a_network = measured_minutes(folder)
    points = block_points(table, space, minutes, judge, seed) + network_points(table, space, a_network, judge, seed)
    rows = [(one.model, one.num, f"{one.minutes:.1f}", f"{one.mape_percent:.2f}", f"{one.tau:.3f}") for one in points]
    print_table(
        f"{len(judge.networks)} networks of {table.space} on {table.target}, none seen",
        ("model", "fitted on", "minutes", "MAPE %", "tau"),
        rows,
    )
    if picture is not None:
        draw(points, f"{table.space} on {table.target}: {len(judge.networks)} unseen networks", picture)


if __name__ == "__main__":
    main()
