"""Everything at once on this computer: export, profile, validate, search, ship, and a page to open.

A demonstration that was stopped goes on where it was: every step resumes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mogakit.bench.target import parse_target
from mogakit.export.bundle.layout import Bundle
from mogakit.flows.deploy.ship import ShipRequest, ship
from mogakit.flows.measure.devices import HOST, open_runner
from mogakit.flows.measure.profile import ProfileRequest, ProfileResult, profile
from mogakit.flows.measure.runs import RunFolder
from mogakit.flows.measure.validate import ValidateRequest, validate
from mogakit.flows.report import ReportRequest, report
from mogakit.flows.search.find import search
from mogakit.flows.search.plan import SearchPlan, table_input
from mogakit.luts.validation import Validation
from mogakit.nets.resolve import resolve
from mogakit.progress import Progress, silent
from mogakit.search.front import SearchResult, rows_of

SPACE = "moga"
TARGET = "tflite/cpu/float32"
NUM_MODELS = 10
"""Networks a stratum that the demonstration validates with; `moga validate` takes 30."""

Step = Callable[[int, int, str], Progress]
"""Called as each step begins with (number, of how many, title); returns the progress of that step."""


@dataclass(frozen=True)
class DemoResult:
    """What the demonstration made."""

    profile: ProfileResult
    validation: Validation
    search: SearchResult
    picks: tuple[str, ...]
    shipped: Bundle
    bundle: Path
    page: Path


def silent_steps(number: int, total: int, title: str) -> Progress:
    """Draw nothing."""
    return silent


def demo(folder: Path, seed: int = 0, step: Step = silent_steps) -> DemoResult:
    """Run every step in `folder`; what an earlier call finished is taken as it is.

    Raises:
        InputError: the folder holds something else.
        MeasurementError, ExportError: from the packages below; calling again goes on.
    """
    total = 5
    run = RunFolder(folder)
    with open_runner(HOST) as runner:
        progress = step(1, total, "export and profile")
        request = ProfileRequest(SPACE, parse_target(TARGET), folder, seed=seed, quick=True, resume=True)
        profiled = profile(request, runner, progress)
        progress = step(2, total, "validate")
        validated = validate(ValidateRequest(folder, NUM_MODELS, seed, quick=True, resume=True), runner, progress)
    plan = SearchPlan(space=SPACE, latencies=(table_input(run.table),), seed=seed)
    found = search(plan, folder / "search", True, step(3, total, "search"))
    picks = tuple(f"{SPACE}/{row['chromosome']}" for row in rows_of(found.front, found.picks))
    middle = picks[len(picks) // 2]
    bundle = folder / "bundle"
    shipped = ship(ShipRequest(resolve(middle), tables=(run.table,)), bundle, step(4, total, f"ship {middle}"))
    page = report(ReportRequest(folder), step(5, total, "page")).page
    return DemoResult(profiled, validated, found, picks, shipped, bundle, page)
