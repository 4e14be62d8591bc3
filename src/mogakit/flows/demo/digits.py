"""From a supernet to shipped networks, on scikit-learn's digits, in minutes on a CPU.

It shows that the parts fit together. It proves nothing about architectures: the images have 64 pixels, and almost every
network of the space reads them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mogakit import records
from mogakit.bench.target import parse_target
from mogakit.export.artifact import Format, Precision
from mogakit.flows.demo.steps import Step, silent_steps
from mogakit.flows.deploy.export import export_network
from mogakit.flows.measure.devices import HOST, open_runner
from mogakit.flows.measure.profile import ProfileRequest, profile
from mogakit.flows.report import ReportRequest, report
from mogakit.flows.search.find import search
from mogakit.flows.search.plan import Method, SearchPlan, table_input
from mogakit.flows.train.classifier import TrainRequest, TrainSummary, run_training
from mogakit.flows.train.supernet import (
    RankResult,
    SupernetRequest,
    SupernetSummary,
    rank_supernet,
    run_supernet_training,
)
from mogakit.nets.resolve import resolve
from mogakit.progress import Progress
from mogakit.reports.run import Note
from mogakit.search.front import SearchResult, rows_of
from mogakit.search.surrogate import SurrogateSettings
from mogakit.training.loop import Settings

SPACE = DATA = RECIPE = "digits"
TARGET = "tflite/cpu/float32"
NUM_STEPS = 5
RESULT, PAGE = "digits.json", "digits.html"

PROVES_NOT = (
    "What this does not prove: digits of 8 x 8 pixels do not tell architectures apart, one supernet with one seed is "
    "no sample, the validation images are 300, and a warm start is a deviation from FairNAS and MoGA. Where ordering "
    "by parameters alone reaches the supernet's tau, the supernet has shown nothing that counting would not."
)


@dataclass(frozen=True, kw_only=True)
class Efforts:
    """How much the demonstration does; the defaults take minutes.

    Attributes:
        warm_epochs, fair_epochs: of the supernet.
        num_fit, num_check: networks that the supernet is asked about; see `SurrogateSettings`.
        alone_epochs: of each network that is trained alone; None takes the recipe's.
        num_ranked: networks trained alone, twice each, for the ranking.
    """

    warm_epochs: float = 8.0
    fair_epochs: float = 8.0
    num_fit: int = 100
    num_check: int = 60
    alone_epochs: float | None = None
    num_ranked: int = 12


DEFAULT_EFFORTS = Efforts()


@dataclass(frozen=True, kw_only=True)
class Pick:
    """A network taken from the front, its prediction, and what it was when trained alone."""

    network: str
    supernet_top1_percent: float
    predicted_ms: float
    alone: TrainSummary
    exported: tuple[str, ...]

    @property
    def bundle(self) -> Path:
        """Return where its bundle belongs: beside its own weights, so that no pick's bundle replaces another's."""
        return Path(self.alone.checkpoint).parent / "bundle"


@records.stored(
    "supernet-demo",
    version=1,
    implied_version=1,
    made_by="moga demo --supernet",
    title="result of the supernet demonstration",
)
@dataclass(frozen=True, kw_only=True)
class DigitsDemo:
    """Everything that the demonstration found."""

    supernet: SupernetSummary
    search_how: str
    picks: tuple[Pick, ...]
    ranking: RankResult
    proves_not: str
    page: str


def run_digits_demo(
    folder: Path, seed: int = 0, efforts: Efforts = DEFAULT_EFFORTS, step: Step = silent_steps
) -> DigitsDemo:
    """Train a supernet, measure a table, search on both, train three picks alone, export them, and rank.

    Every step resumes where a killed demonstration was.

    Raises:
        CheckpointError: the folder holds a demonstration with another seed or other efforts.
    """
    progress = step(1, NUM_STEPS, "supernet: warm path, then strict fairness")
    supernet = run_supernet_training(
        SupernetRequest(
            space=SPACE,
            data=DATA,
            recipe=RECIPE,
            folder=folder / "supernet",
            settings=Settings(seed=seed, epochs=efforts.fair_epochs, checkpoint_interval_s=10.0),
            warm_epochs=efforts.warm_epochs,
            resume=True,
        ),
        progress,
    )
    progress = step(2, NUM_STEPS, "latency table on this computer")
    with open_runner(HOST) as runner:
        request = ProfileRequest(
            space=SPACE,
            target=parse_target(TARGET),
            folder=folder / "run",
            seed=seed,
            quick=True,
            resume=True,
            input_size=8,
        )
        table = profile(request, runner, progress)
    progress = step(3, NUM_STEPS, "search on the supernet's accuracy and the table")
    plan = SearchPlan(
        space=SPACE,
        accuracy=f"supernet:{supernet.checkpoint}",
        latencies=(table_input(table.path),),
        objectives=("accuracy", "latency"),
        method=Method.FIT_FRONT,
        surrogate=SurrogateSettings(efforts.num_fit, efforts.num_check),
        seed=seed,
    )
    found = search(plan, folder / "run" / "search", True, progress)
    progress = step(4, NUM_STEPS, "three picks trained alone, and exported")
    alone = Settings(seed=seed, epochs=efforts.alone_epochs, checkpoint_interval_s=10.0)
    picks = _train_picks(found, folder, alone, progress)
    progress = step(5, NUM_STEPS, "ranking: networks trained alone, twice each")
    ranking = rank_supernet(Path(supernet.checkpoint), efforts.num_ranked, RECIPE, alone, folder, progress)
    notes = (_picks_note(picks), _ranking_note(ranking))
    page = report(ReportRequest(folder=folder / "run", output=folder / PAGE, notes=notes)).page
    result = DigitsDemo(
        supernet=supernet,
        search_how=found.front.how,
        picks=picks,
        ranking=ranking,
        proves_not=PROVES_NOT,
        page=str(page),
    )
    records.save(result, folder / RESULT)
    return result


def _picks_note(picks: Sequence[Pick]) -> Note:
    rows = tuple(
        (
            pick.network,
            f"{pick.supernet_top1_percent:.1f} %",
            f"{pick.alone.score.top1_percent:.1f} % +- {pick.alone.score.top1_standard_error:.1f}",
            f"{1000 * pick.predicted_ms:.1f} \N{MICRO SIGN}s",
        )
        for pick in picks
    )
    head = ("network", "top-1 in the supernet", "top-1 alone", "predicted latency")
    text = "Three networks of the front, trained alone from scratch; 300 validation images."
    return Note(title="Picks trained alone", warning=PROVES_NOT, text=text, head=head, rows=rows)


def _ranking_note(ranking: RankResult) -> Note:
    rows = tuple(
        (each.figure, f"{each.tau:.3f} (p {each.p_value:.3f})", f"{each.ceiling:.3f}", f"{each.params_only:.3f}")
        for each in (ranking.by_likelihood, ranking.by_top1)
    )
    number = len(ranking.by_top1.networks)
    text = (
        f"{number} networks equally spaced in parameters, each trained alone with two seeds. Ceiling: the order of one "
        "seed against that of the other. Params alone: ordering by their number of parameters."
    )
    return Note(
        title="Does the supernet order them right?",
        warning=PROVES_NOT,
        text=text,
        head=("by", "tau", "ceiling", "params alone"),
        rows=rows,
    )


def _train_picks(found: SearchResult, folder: Path, settings: Settings, progress: Progress) -> tuple[Pick, ...]:
    picks = []
    rows = rows_of(found.front, found.picks)
    for index, row in enumerate(rows):
        name = f"{SPACE}/{row['chromosome']}"
        home = folder / "picks" / str(row["chromosome"])
        summary = run_training(
            TrainRequest(network=name, data=DATA, recipe=RECIPE, folder=home, settings=settings, resume=True), progress
        )
        artifacts = export_network(
            resolve(name), [Format.TFLITE, Format.ONNX], Precision.FLOAT32, home / "files", Path(summary.checkpoint)
        )
        picks.append(
            Pick(
                network=name,
                supernet_top1_percent=float(row["accuracy"] or 0.0),
                predicted_ms=float(row["latency"] or 0.0),
                alone=summary,
                exported=tuple(str(artifact.path) for artifact in artifacts),
            )
        )
        progress(index + 1, len(rows), name)
    return tuple(picks)
