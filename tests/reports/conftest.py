"""A run's folder with everything that a page may show: the device is made up, files and searches are real."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mogakit import files, records
from mogakit.bench.measurement import (
    Clock,
    Conditions,
    Delegation,
    DelegationKind,
    Identity,
    Measurement,
    Status,
)
from mogakit.bench.target import parse_target
from mogakit.bench.warning import ConditionWarning, WarningKind
from mogakit.export.artifact import Role
from mogakit.flows.report import ReportRequest, gather
from mogakit.flows.search.find import search
from mogakit.flows.search.plan import SearchPlan, table_input
from mogakit.luts import validation
from mogakit.luts.build import build_table
from mogakit.luts.curves import learning_curves
from mogakit.luts.estimate import estimate_files
from mogakit.luts.fit_record import FitRecord, ModelErrors
from mogakit.luts.linear import ModelKind, Pairs
from mogakit.luts.statistic import HOST_STATISTIC
from mogakit.luts.table import LatencyTable, save
from mogakit.nets.block import Block
from mogakit.nets.network import Network, count_madds
from mogakit.nets.resolve import resolve
from mogakit.nets.spaces import SlotSpace, get_space
from mogakit.reports.run import RunContent
from mogakit.search.evolution import Settings
from mogakit.search.variation import MutationKind

NASTY = "Pixel <script>alert('4')</script> & Co"
TARGET = parse_target("tflite/cpu/float32")
LOADED = ConditionWarning(kind=WarningKind.LOAD, value=3.5, limit=1.0, advice="keep the load < 1")
STATE = Conditions(at="2026-11-21T00:00:00+00:00", temperature_c=41.0, load_1min=0.3, warnings=(LOADED,))


def block_ms(block: Block) -> float:
    return 0.02 + 6e-8 * count_madds(block) * (3 if block.kernel == 7 else 1)


def truth_ms(network: Network) -> float:
    return 1.05 * sum(block_ms(block) for block in network.blocks)


def measure(times_ms: dict[str, tuple[Role, float]], seed: int) -> list[Measurement]:
    rng = np.random.default_rng(seed)
    return [
        Measurement(
            artifact_name=name,
            artifact_sha256=f"{index:064d}",
            role=role,
            target=TARGET,
            round=number,
            window=0,
            process=f"p{number}",
            clock=Clock.THREAD_CPU,
            status=Status.OK,
            delegation=Delegation(kind=DelegationKind.FULL, nodes_delegated=5, nodes_total=5, num_partitions=1),
            before=STATE,
            after=STATE,
            samples_ms=tuple(truth * np.exp(rng.normal(0, 0.01, 15))),
            cold_ms=tuple(truth * np.exp(rng.normal(0, 0.01, 15))),
        )
        for number in range(3)
        for index, (name, (role, truth)) in enumerate(times_ms.items())
    ]


@pytest.fixture(scope="session")
def space() -> SlotSpace:
    found = get_space("moga")
    assert isinstance(found, SlotSpace)
    return found


def make_table(space: SlotSpace, identity: Identity, seed: int) -> LatencyTable:
    blocks = {block.key: (Role.CHOICE, block_ms(block)) for block in space.choice_blocks}
    fixed = {block.key: (Role.FIXED, block_ms(block)) for block in space.fixed_blocks}
    rng = np.random.default_rng(seed)
    nets = [space.decode(space.sample(rng)) for _ in range(10)]
    measured = measure(blocks | fixed | {net.name: (Role.NETWORK, truth_ms(net)) for net in nets}, seed)
    return build_table(measured, identity, name="RUN/lut.json", space="moga", statistic=HOST_STATISTIC)


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory, space: SlotSpace) -> Path:
    """Return a run with table, validation, cost models and two searches."""
    folder = tmp_path_factory.mktemp("report") / "RUN"
    identity = Identity(
        device="cpu/2",
        device_name=NASTY,
        driver="",
        runtime="ai-edge-litert 2.3.0",
        tool_sha256="",
        flags=("threads=1",),
        affinity="",
        export_version="1",
    )
    table = make_table(space, identity, 1)
    save(table, folder / "lut.json")
    rng = np.random.default_rng(2)
    drawn = [space.decode(space.sample(rng)) for _ in range(20)]
    nets = {net.name: net for net in [*drawn, resolve("moga-a"), resolve("moga-b"), resolve("moga-c")]}
    times = {name: (Role.NETWORK, truth_ms(net)) for name, net in nets.items()}
    times |= {key: (Role.CHOICE, row.alone_ms or 0.0) for key, row in table.rows.items()}
    estimates = estimate_files(measure(times, 3), HOST_STATISTIC)
    strata = {name: (net, ("all", "published") if "/" not in name else ("all",)) for name, net in nets.items()}
    checked = validation.check_networks(table, strata, estimates)
    reports = [
        validation.stratum_report(name, title, checked, 0)
        for name, title in (("all", "all choices"), ("published", "published networks"))
    ]
    found = validation.Validation(
        table="lut.json",
        space="moga",
        target=str(TARGET),
        identity=identity,
        seed=0,
        strata=tuple(report for report in reports if report is not None),
        networks=tuple(checked),
        noise=validation.noise_floor(checked),
        drift=validation.drift(table, estimates),
        stopped="rounds",
        warnings=(),
    )
    validation.save_validation(found, folder / "validation.json")
    write_fit(folder, space, table)
    plan = SearchPlan(
        space="moga",
        latencies=(table_input(folder / "lut.json"),),
        settings=Settings(population=20, generations=10),
    )
    search(plan, folder / "search")
    search(replace(plan, settings=replace(plan.settings, mutation=MutationKind.RANDOM)), folder / "random-mutation")
    return folder


def write_fit(folder: Path, space: SlotSpace, table: LatencyTable) -> None:
    rng = np.random.default_rng(4)
    chromosomes = tuple(space.sample(rng) for _ in range(40))
    measured = tuple(truth_ms(space.decode(one)) * float(np.exp(rng.normal(0, 0.01))) for one in chromosomes)
    pairs = Pairs(
        space="moga",
        chromosomes=chromosomes,
        measured_ms=measured,
        names=tuple(space.decode(one).name for one in chromosomes),
    )
    curves = learning_curves(pairs, table, [5, 20], num_repeats=2)
    errors = {ModelKind.TABLE: ModelErrors(1.0, None)}
    found = FitRecord(table=table.name, pairs=pairs, failed=(), models=errors, curves=tuple(curves))
    records.save(found, folder / "fit.json")


@pytest.fixture(scope="session")
def other(run: Path, space: SlotSpace) -> Path:
    """Return a run of the same space on another target, with the same networks measured."""
    identity = Identity(
        device="cpu/2",
        device_name="a GPU",
        driver="",
        runtime="ai-edge-litert 2.3.0",
        tool_sha256="",
        flags=("threads=1",),
        affinity="",
        export_version="1",
    )
    table = replace(make_table(space, identity, 7), target=parse_target("tflite/gpu/float16"), name="gpu")
    folder = run.parent / "GPU"
    save(table, folder / "lut.json")
    write_fit(folder, space, table)
    return folder


@pytest.fixture(scope="session")
def comparison(run: Path) -> Path:
    """Return what `moga compare --json` prints for two hardware, one of which lacks a network."""
    columns = [
        {"name": name, "origin": "published", "source": "a paper", "factor_ms": factor}
        for name, factor in (("cpu", 36.8), ("edgetpu", 2.37))
    ]
    networks = [
        {
            "name": name,
            "params": 5_000_000,
            "madds": 300_000_000,
            "top1": top1,
            "latencies_ms": latencies,
            "reasons": {},
            "f_avg": f_avg,
            "f_max": f_avg,
        }
        for name, top1, latencies, f_avg in (
            ("multi-avg", 75.8, [39.0, 2.4], 1.06),
            ("mobilenet-v3-large", 75.2, [30.0, None], None),
            ("mobilenet-v2", 72.0, [32.0, 2.9], 1.0),
            ("mobilenet-v2@0.75x", None, [22.0, None], None),
            ("mobilenet-v2@0.75x@192px", None, [16.0, 2.0], 0.6),
            ("mobilenet-v2@0.75x@160px", None, [11.0, None], None),
        )
    ]
    path = run.parent / "compare.json"
    files.write_json(path, {"columns": columns, "networks": networks, "reference": "mobilenet-v1"})
    return path


@pytest.fixture(scope="session")
def content(run: Path, other: Path, comparison: Path) -> RunContent:
    """Return everything gathered."""
    return gather(ReportRequest(folder=run, against=(other,), comparison=comparison))
