"""One process of a tool on one phone, through whatever happens to cable, server and phone meanwhile."""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace

from mogakit.android_runner import commands, detached, state
from mogakit.android_runner.adb import Link
from mogakit.android_runner.adb_server import LinkLost, ShellTimeout
from mogakit.android_runner.commands import Call
from mogakit.android_runner.computing import Computation
from mogakit.android_runner.state import PhoneState
from mogakit.android_runner.targets import ToolKind
from mogakit.bench.target import Target
from mogakit.errors import DeviceError

_CLOCKS = "clocks"  # in the run's folder: read once, when the run is well under way
_MAX_REBOOTS = 1  # a phone that restarts again is not fit for measuring


@dataclass(frozen=True)
class ReconnectPolicy:
    """How long things may take; seconds. `sleep` waits, and may raise to stop."""

    reconnect_s: float
    sleep: Callable[[float], None] = time.sleep


class Launcher:
    """Runs tools on one phone, one at a time, and learns how long a run takes so as to disturb it little."""

    def __init__(self, link: Link, reconnect: ReconnectPolicy, recovered: Callable[[], PhoneState]) -> None:
        """`recovered` reads the phone's state, and waits until it may be measured, after it restarted."""
        self._link = link
        self._reconnect = reconnect
        self._recovered = recovered
        self._expected_s: dict[Target, float] = {}
        self._collected = ""  # folder of the last run, removed with the next launch

    def run(
        self, call: Call, before: PhoneState, profiled: bool = False, computation: Computation | None = None
    ) -> detached.Finished:
        """Run a tool once; where the phone restarts meanwhile, wait for it and run again.

        Args:
            profiled: with times of single operators.
            computation: on given input, whose output is wanted; nothing is learned of how long a timed run takes.

        Raises:
            MeasurementError: the tool cannot do what is asked.
            DeviceError: the phone did not come back, or restarted again.
        """
        driver = commands.driver_of(call.row.tool)
        command = commands.shell_command(call, profiled, computation.arguments if computation else ())
        preludes = (driver.prelude(call), computation.prelude if computation else "")
        prelude = " && ".join(text for text in preludes if text)
        questions = {
            state.MEANWHILE: f"cat {_CLOCKS}",
            **state.SECTIONS,
            **(computation.questions if computation else {}),  # before the driver's, which remove what is left
            **driver.questions,
        }
        least_s = _least_s(call)
        learned_s = self._expected_s.get(call.target, max(least_s, call.length.expected_s))
        expected_s = least_s if call.trial else learned_s
        for _ in range(_MAX_REBOOTS + 1):
            run = self._launch(command, prelude, before.boot_id, 0.0 if computation else 0.6 * least_s)
            try:
                finished = detached.wait(
                    self._link,
                    run,
                    questions,
                    expected_s,
                    call.length.deadline_s,
                    self._reconnect.reconnect_s,
                    self._reconnect.sleep,
                )
            except detached.Rebooted:
                before = self._after_reboot()
                continue
            self._collected = run.folder
            if finished.exit_code is not None and computation is None and not call.trial:
                factor = 0.8 if finished.num_polls == 1 else 1.1
                self._expected_s[call.target] = max(least_s, factor * expected_s)
            return finished
        raise DeviceError(f"{self._link.serial} restarted twice in the middle of a run; it is not fit for measuring")

    def _launch(self, command: str, prelude: str, boot_id: str, read_clocks_s: float) -> detached.Run:
        """Start a run; where the link is lost meanwhile, start it again, which ends what may have begun."""
        run_id = uuid.uuid4().hex[:12]
        meanwhile = f"sleep {read_clocks_s:.2f}; {state.SECTIONS['clocks']} >{_CLOCKS}" if read_clocks_s else ""

        def launch() -> detached.Run:
            return detached.launch(self._link, run_id, command, boot_id, prelude, self._collected, meanwhile)

        try:
            return launch()
        except (LinkLost, ShellTimeout):
            self._link.wait_until_ready(self._reconnect.reconnect_s)
            run = self._link.retry_on_disconnect(self._reconnect.reconnect_s, launch)
            return replace(run, boot_id="")  # it may have restarted meanwhile: this run is of whatever boot it is

    def _after_reboot(self) -> PhoneState:
        """Wait until a restarted phone has finished starting, and return a state in which it may be measured."""
        deadline = time.monotonic() + self._reconnect.reconnect_s
        ask = "getprop sys.boot_completed"
        while True:
            answer = self._link.retry_on_disconnect(
                self._reconnect.reconnect_s, lambda: self._link.shell(ask).stdout.strip()
            )
            if answer == "1":
                return self._recovered()
            if time.monotonic() > deadline:
                raise DeviceError(f"{self._link.serial} restarted and did not finish starting")
            self._reconnect.sleep(1.0)


def _least_s(call: Call) -> float:
    """Return how long a run lasts at least, in which the phone is left alone."""
    counted = commands.driver_of(call.row.tool).counts_rounds and not call.trial
    timed = call.row.tool in (ToolKind.BENCHMARK_MODEL, ToolKind.BENCHMARK_LITERT)
    return call.length.warmup_min_s + call.length.min_s if timed or counted else 0.05
