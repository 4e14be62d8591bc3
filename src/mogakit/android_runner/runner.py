"""`PhoneRunner`: a phone as a `bench.runner.Runner`. One short process of a tool is one window of the schedule."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from mogakit import files
from mogakit.android_runner import affinity, beside, commands, detached, discovery, settings, state, tools
from mogakit.android_runner.adb import Link
from mogakit.android_runner.adb_server import AdbServer
from mogakit.android_runner.agreement import check_agreement
from mogakit.android_runner.commands import Call, RunLength
from mogakit.android_runner.computing import ONCE, computation
from mogakit.android_runner.deploy import Wanted, deploy
from mogakit.android_runner.guard import Guard, GuardLimits
from mogakit.android_runner.lock import PhoneHold, phone_id, phone_lock
from mogakit.android_runner.model_files import model_files, wanted_file
from mogakit.android_runner.outcome import filled, read_run, status_of
from mogakit.android_runner.parsers import op_profile
from mogakit.android_runner.process import Launcher, ReconnectPolicy
from mogakit.android_runner.properties import PhoneProperties
from mogakit.android_runner.rounds import Rounds
from mogakit.android_runner.settings import SettingsRequest
from mogakit.android_runner.state import PhoneState
from mogakit.android_runner.target_history import TargetHistory
from mogakit.android_runner.targets import TargetRow, ToolKind, check_file, find_row
from mogakit.android_runner.toolbox import Toolbox, tool_path
from mogakit.android_runner.tools import Probe, ToolMissing
from mogakit.bench.agreement import DeviceAgreement
from mogakit.bench.measurement import Clock, Conditions, Delegation, DelegationKind, Identity, Measurement, Status
from mogakit.bench.runner import Job, OperatorTime, RunnerKind
from mogakit.bench.target import Hardware, Target
from mogakit.bench.warning import ConditionWarning
from mogakit.errors import DeviceError, InputError, MeasurementError
from mogakit.export import EXPORT_VERSION

SHELL_NOTE = "measured through adb: a shell binary is scheduled differently from an app"
_FRESH_S = 2.0  # a state read this long ago still holds
_ATTEMPTS = 2  # of a run that failed, or that ended hot


@dataclass(frozen=True, kw_only=True)
class PhoneOptions:
    """How a phone is measured.

    Attributes:
        length: of each process.
        reconnect_s: how long a phone that went away is waited for.
        settings: what may be changed on the phone while measuring.
        sleep: waits; a caller that wants to stop raises from it.
    """

    length: RunLength = field(default_factory=RunLength)
    limits: GuardLimits = field(default_factory=GuardLimits)
    reconnect_s: float = 120.0
    settings: SettingsRequest = field(default_factory=SettingsRequest)
    sleep: Callable[[float], None] = time.sleep


@contextmanager
def open_phone(
    serial: str, options: PhoneOptions | None = None, servers: Sequence[AdbServer] = ()
) -> Iterator["PhoneRunner"]:
    """Take a phone for one job: lock it, restore what a dead session left changed, end what it left running.

    Args:
        serial: adb serial or the phone's own, `SERIAL@host:port` for another adb server, `any` for the only one.

    Raises:
        DeviceError: no such phone, not ready, or another process measures on it.
    """
    options = options or PhoneOptions()
    link, found = discovery.choose(serial, servers)
    link = link.with_userland()
    serialno = found.serialno or link.serial
    with phone_lock(serialno, link) as hold:
        settings.restore(link, serialno)
        detached.sweep(link)
        with settings.applied(link, serialno, options.settings):
            try:
                yield PhoneRunner(link, found, options, hold)
            finally:
                _leave(link)


def _leave(link: Link) -> None:
    """End what may still run; a phone that is away is swept when it is next opened."""
    try:
        detached.sweep(link)
    except DeviceError:
        return


class PhoneRunner:
    """One phone over adb; see `bench.runner.Runner`. The phone is held by `open_phone`."""

    kind = RunnerKind.PHONE
    jobs_per_window: int | None = 1

    def __init__(
        self, link: Link, properties: PhoneProperties, options: PhoneOptions, hold: PhoneHold | None = None
    ) -> None:
        self.link = link
        self._hold = hold
        self.properties = properties
        self.options = options
        self._toolbox = Toolbox(link, properties.abis, options.reconnect_s)
        self._rounds = Rounds(options.length)
        self._guard = Guard(self.state, options.limits, options.sleep, options.settings.fixed_performance)
        self._last: tuple[float, PhoneState] | None = None
        self._history = TargetHistory(properties.name)
        reconnect = ReconnectPolicy(options.reconnect_s, options.sleep)
        self._launcher = Launcher(link, reconnect, lambda: self._guard.ready(self.state())[0])

    # -- what it is

    def identity(self, target: Target) -> Identity:
        """Return what a table measured on `target` now would be a table of.

        Raises:
            InputError, DeviceError: the target cannot be measured here; see `unsupported`.
        """
        row = find_row(target)
        brought = self._toolbox.get(row.tool)
        tool = brought.tool
        length = self.options.length
        flags = {
            "clock": str(Clock.WALL),
            "fixed_performance": "on" if self.options.settings.fixed_performance else "off",
            "min_s": f"{length.min_s:g}",
            "runs": str(length.num_runs),
            "threads": str(target.num_threads),
            "transport": "adb shell",
            **brought.provenance,
            **dict(target.options),
        }
        if row.reader is not None:  # it makes the number out of the tool's log
            reader = tools.host_tool(row.reader)
            flags["reader"] = f"{reader.name} {reader.sha256[:12]}"
        return Identity(
            device=f"{self.properties.fingerprint}/{phone_id(self.properties.serialno)}",
            device_name=f"{self.properties.name} ({self.properties.soc})",
            driver=self.properties.gpu_driver if row.hardware is Hardware.GPU else "",
            runtime=f"{tool.name} {tool.abi} {tool.sha256[:12]}",
            tool_sha256=tool.sha256,
            flags=tuple(f"{key}={value}" for key, value in sorted(flags.items())),
            affinity=affinity.mask_for(target, row, self.properties),
            export_version=EXPORT_VERSION,
        )

    def conditions(self) -> Conditions:
        """Read the phone's state."""
        return self.state().conditions()

    def state(self) -> PhoneState:
        """Read the phone's state in full, now."""
        found = self.link.retry_on_disconnect(self.options.reconnect_s, lambda: state.read(self.link))
        self._last = (time.monotonic(), found)
        return found

    def unsupported(self, target: Target) -> str | None:
        """Return why `target` cannot be measured here and what would fix it, or None where it can."""
        try:
            row = find_row(target)
            tool = self._toolbox.get(row.tool).tool
            mask = affinity.mask_for(target, row, self.properties)
        except (InputError, ToolMissing) as error:
            return str(error)
        if mask and "taskset" not in self.link.userland.has:
            return f"{self.link.serial} has no taskset, so no run can be held on one kind of core; name cpus=all"
        return tools.lacking(row, tool.abi)

    # -- measuring

    @contextmanager
    def session(self, jobs: Sequence[Job], round_number: int, seed: int) -> Iterator["PhoneSession"]:
        """Bring the files of `jobs` to the phone and open a pass over them.

        Raises:
            InputError: a file is not what its target runs (a float file for an int8 target), or the target does not
                say what its tool must know of the file.
            DeviceError: the phone is away, out of space, or in a state that only a person fixes; or what reads the
                tool's log on this computer is not registered.
        """
        wanted: list[Wanted] = []
        for job in jobs:
            row = find_row(job.target)
            check_file(job.target, row, job.artifact.format, job.artifact.precision, job.artifact.name)
            commands.driver_of(row.tool).check(job.artifact, job.target)
            if row.reader is not None:
                tools.host_tool(row.reader)  # before anything is measured that nothing could read
            wanted += model_files(job.artifact, row, self._toolbox.get(row.tool).probe)
        self.link.retry_on_disconnect(self.options.reconnect_s, lambda: deploy(self.link, wanted))
        self._guard.ready(self.state())
        yield PhoneSession(self, round_number)

    def measure(self, job: Job, round_number: int, window: int) -> Measurement:
        """Time one file in one process, again where that failed or ended hot.

        Raises:
            DeviceError: the phone went away for good, or a person must do something first.
            MeasurementError: none of the first files could be timed on this target.
        """
        if self._hold is not None:
            self._hold.check()
        for attempt in range(_ATTEMPTS):
            measured = self._measure_long_enough(job, round_number, window)
            if measured.status not in (Status.FAILED, Status.HOT) or attempt == _ATTEMPTS - 1:
                break
        self._history.add(measured)
        return measured

    def profile_operators(self, job: Job) -> tuple[OperatorTime, ...]:
        """Time the operators of one file in a run of their own, which is not a source of a latency.

        Raises:
            MeasurementError: the tool prints no operators, or failed.
        """
        self.link.retry_on_disconnect(
            self.options.reconnect_s,
            lambda: deploy(self.link, model_files(job.artifact, *self._row_and_probe(job.target))),
        )
        before, _ = self._guard.ready(self._fresh_state())
        call = replace(self._call(job), trial=True)  # no time of a file is taken from it
        finished = self._launcher.run(call, before, profiled=True)
        commands.read_output(call, finished)
        if call.row.tool is ToolKind.MACE_RUN:
            return op_profile.parse_mace_run(finished.output)
        return op_profile.parse_benchmark_model(finished.output)

    def agreement(self, job: Job) -> DeviceAgreement:
        """Run one file once on seeded input and compare its output with the reference's; nothing is timed.

        Raises:
            InputError: the file is not what its target runs.
            DeviceError: the phone went away for good, or a person must do something first.
        """
        return check_agreement(self, job)

    def compute(self, job: Job, inputs: Sequence[Path]) -> tuple[Call, detached.Finished]:
        """Run one file once on the contents of `inputs`; its output stands in the answers of the run.

        Raises:
            InputError: the file is not what its target runs.
            MeasurementError: the tool cannot do what is asked.
            DeviceError: the phone went away for good, or a person must do something first.
        """
        row, probe = self._row_and_probe(job.target)
        check_file(job.target, row, job.artifact.format, job.artifact.precision, job.artifact.name)
        values = [wanted_file(path, files.sha256_of(path)) for path in inputs]
        wanted = [*model_files(job.artifact, row, probe), *values]
        self.link.retry_on_disconnect(self.options.reconnect_s, lambda: deploy(self.link, wanted))
        call = replace(self._call(job), length=ONCE)
        ready, _ = self._guard.ready(self._fresh_state())
        return call, self._launcher.run(call, ready, computation=computation(call, [item.remote for item in values]))

    def _measure_long_enough(self, job: Job, round_number: int, window: int) -> Measurement:
        call = self._call(job)
        if not commands.driver_of(call.row.tool).counts_rounds:
            return self._measure_once(job, call, round_number, window)

        def once(length: RunLength, trial: bool) -> Measurement:
            return self._measure_once(job, replace(call, length=length, trial=trial), round_number, window)

        return self._rounds.measure(job, once)

    def _measure_once(self, job: Job, call: Call, round_number: int, window: int) -> Measurement:
        before, warnings = self._guard.ready(self._fresh_state())
        finished = self._launcher.run(call, before)
        after = state.parse(finished.answers) if "thermal" in finished.answers else self.state()
        self._last = (time.monotonic(), after)
        after = state.while_running(after, finished.answers.get(state.MEANWHILE, ""))
        cpu = affinity.first_of(call.taskset)
        heat = self._guard.heat(after)
        blank = Measurement(
            artifact_name=job.artifact.name,
            artifact_sha256=job.artifact.sha256,
            role=job.artifact.role,
            target=job.target,
            round=round_number,
            window=window,
            process=f"{before.boot_id[:8]}-{finished.pid or 0}",
            clock=Clock.WALL,
            status=Status.FAILED,
            delegation=Delegation(kind=DelegationKind.UNKNOWN),
            before=before.conditions(cpu, warnings),
            after=after.conditions(cpu, (*heat, *self._guard.accepted(after), *self._beside(call, before, after))),
        )
        try:
            timing, verdict = read_run(call, finished)
        except MeasurementError as error:
            return replace(
                blank, delegation=commands.verdict_of(call, finished.output, ended_well=False), error=str(error)
            )
        verdict = self._history.same_backend(job.target, verdict)
        hot = bool(heat or self._guard.heat(before))
        return filled(blank, timing, verdict, status_of(job.target, verdict, hot))

    def _beside(self, call: Call, before: PhoneState, after: PhoneState) -> tuple[ConditionWarning, ...]:
        return beside.warnings(self.properties, call.target, call.taskset, before, after)

    # -- pieces

    def _call(self, job: Job) -> Call:
        row, probe = self._row_and_probe(job.target)
        brought = self._toolbox.get(row.tool)
        remote = {item.source.name: item.remote for item in model_files(job.artifact, row, probe)}
        return Call(
            tool=tool_path(brought.tool),
            libs=brought.libs,
            target=job.target,
            row=row,
            artifact=job.artifact,
            model=remote,
            length=self.options.length,
            probe=probe,
            taskset=affinity.mask_for(job.target, row, self.properties),
            userland=self.link.userland,
        )

    def _row_and_probe(self, target: Target) -> tuple[TargetRow, Probe]:
        row = find_row(target)
        return row, self._toolbox.get(row.tool).probe

    def _fresh_state(self) -> PhoneState:
        if self._last is not None and time.monotonic() - self._last[0] < _FRESH_S:
            return self._last[1]
        return self.state()


@dataclass(frozen=True)
class PhoneSession:
    """One pass of short processes; see `bench.runner.Session`."""

    runner: PhoneRunner
    round_number: int

    def measure(self, jobs: Sequence[Job], window: int) -> Iterator[Measurement]:
        """Time `jobs` one after the other, each yielded as its process ends.

        Raises:
            DeviceError: the phone went away for good, or a person must do something first.
        """
        for job in jobs:
            yield self.runner.measure(job, self.round_number, window)
