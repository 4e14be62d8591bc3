"""Everything at once on this computer: export, profile, validate, search, ship, and a page to open."""

from dataclasses import dataclass
from pathlib import Path

from mogakit.bench.target import parse_target
from mogakit.export.bundle.layout import Bundle
from mogakit.flows.demo.steps import Step, silent_steps
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
from mogakit.search.front import SearchResult, rows_of

SPACE = "moga"
TARGET = "tflite/cpu/float32"
NUM_STEPS = 5
NUM_MODELS = 10
"""Networks a stratum that the demonstration validates with; `moga validate` takes 30."""


@dataclass(frozen=True, kw_only=True)
class HostDemo:
    """What the demonstration made."""

    profile: ProfileResult
    validation: Validation
    search: SearchResult
    picks: tuple[str, ...]
    shipped: Bundle
    bundle: Path
    page: Path


def run_host_demo(folder: Path, seed: int = 0, step: Step = silent_steps) -> HostDemo:
    """Run every step in `folder`; what an earlier call finished is taken as it is.

    Raises:
        InputError: the folder holds something else.
        MeasurementError, ExportError: a step failed; calling again goes on.
    """
    run = RunFolder(folder)
    with open_runner(HOST) as runner:
        progress = step(1, NUM_STEPS, "export and profile")
        request = ProfileRequest(
            space=SPACE, target=parse_target(TARGET), folder=folder, seed=seed, quick=True, resume=True
        )
        profiled = profile(request, runner, progress)
        progress = step(2, NUM_STEPS, "validate")
        validated = validate(
            ValidateRequest(folder=folder, num_models=NUM_MODELS, seed=seed, quick=True, resume=True), runner, progress
        )
    plan = SearchPlan(space=SPACE, latencies=(table_input(run.table),), seed=seed)
    found = search(plan, folder / "search", True, step(3, NUM_STEPS, "search"))
    picks = tuple(f"{SPACE}/{row['chromosome']}" for row in rows_of(found.front, found.picks))
    middle = picks[len(picks) // 2]
    bundle = folder / "bundle"
    shipped = ship(
        ShipRequest(network=resolve(middle), tables=(run.table,)), bundle, step(4, NUM_STEPS, f"ship {middle}")
    )
    page = report(ReportRequest(folder=folder), step(5, NUM_STEPS, "page")).page
    return HostDemo(
        profile=profiled, validation=validated, search=found, picks=picks, shipped=shipped, bundle=bundle, page=page
    )
