"""Where the time of whole networks goes, operator by operator: profiled runs of their own, beside a run's table.

Profiling slows a run down and the sum of operators is less than a run takes, so none of these times is a latency. They
are written to RUN/operators.json and drawn by `moga report`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mogakit import records
from mogakit.bench import operator_times
from mogakit.bench.runner import Job, OperatorTime, Runner
from mogakit.bench.target import Target
from mogakit.errors import InputError
from mogakit.flows.deploy.export import export_network
from mogakit.flows.measure.devices import HOST, file_kind
from mogakit.flows.measure.runs import RunFolder
from mogakit.nets.resolve import resolve
from mogakit.progress import Progress, silent

FILE_NAME = "operators.json"
PROFILED = ("moga-a", "moga-b", "moga-c", "mobilenet-v3-large")
"""The networks of MoGA Figure 1, at the run's input size; those that the run was given besides are profiled as well."""

_SCHEMA = 1


@dataclass(frozen=True)
class OperatorProfile:
    """One network's operators on one target, in the order of execution."""

    network: str
    target: str
    operators: tuple[OperatorTime, ...]

    def by_type_ms(self) -> dict[str, float]:
        """Return the time of each type of operator, the longest first."""
        total: dict[str, float] = {}
        for operator in self.operators:
            total[operator.op_type] = total.get(operator.op_type, 0.0) + operator.avg_ms
        return dict(sorted(total.items(), key=lambda item: -item[1]))


@records.stored("operator-profiles", version=1, made_by="moga profile RUN --per-op NET")
@dataclass(frozen=True)
class OperatorProfiles:
    """The profiles of a run, as they were asked for."""

    profiles: tuple[OperatorProfile, ...]


def check_profilable(device: str, target: Target) -> None:
    """Make sure that operators can be timed on `target` of `device`; to be asked before hours of measuring.

    Raises:
        InputError: the device has no tool that times operators, or the target's tool prints none.
    """
    if device == HOST:
        reason = operator_times.unsupported(target)
        if reason is not None:
            raise InputError(f"--per-op: {reason}")
        return
    # here, since this computer's own targets need no table of phones
    from mogakit.android_runner.commands import DRIVERS, driver_of
    from mogakit.android_runner.targets import find_row

    tool = find_row(target).tool
    if driver_of(tool).profile is None:
        able = ", ".join(kind for kind, driver in DRIVERS.items() if driver.profile is not None)
        raise InputError(
            f"{tool}, which measures {target}, prints no times of single operators ({able} do); leave out --per-op"
        )


def profile_operators(
    folder: Path, runner: Runner, names: Sequence[str] | None = None, progress: Progress = silent
) -> list[OperatorProfile]:
    """Profile networks on the target of the run in `folder` and write RUN/operators.json.

    Args:
        names: of the networks; None for `PROFILED` and those of the run.

    Raises:
        InputError: the folder holds no run, or `runner` has no tool that times operators.
        MeasurementError: the tool failed, or prints no times of single operators.
    """
    run = RunFolder(folder)
    settings = run.read_settings()
    target = settings.parsed_target
    kind, precision = file_kind(target)
    found = []
    if names is None:
        networks = [resolve(name, input_size=settings.input_size) for name in PROFILED]
        networks += [resolve(name) for name in settings.networks]
    else:
        networks = [resolve(name) for name in names]
    for index, network in enumerate(networks):
        (artifact,) = export_network(network, [kind], precision, run.files, subfolder="network")
        found.append(OperatorProfile(network.name, str(target), runner.profile_operators(Job(artifact, target))))
        progress(index + 1, len(networks), f"operators of {network.name}")
    records.save(OperatorProfiles(tuple(found)), folder / FILE_NAME)
    return found


def read_profiles(folder: Path) -> list[OperatorProfile]:
    """Return the profiles of a run, or nothing where none were taken.

    Raises:
        InputError: the file does not hold profiles.
    """
    path = folder / FILE_NAME
    if not path.exists():
        return []
    return list(records.load(OperatorProfiles, path).profiles)
