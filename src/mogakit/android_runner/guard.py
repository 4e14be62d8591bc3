"""When a phone may be measured: reject what only a person can fix, wait for what passes, mark what would not pass."""

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mogakit.android_runner.adb_server import adb_command
from mogakit.android_runner.state import THERMAL_NAMES, PhoneState
from mogakit.bench.warning import ConditionWarning, WarningKind
from mogakit.errors import DeviceError

MIN_BATTERY_PERCENT = 30.0  # below it many phones lower their clocks
MAX_BATTERY_C = 40.0
MAX_SKIN_C = 42.0
COOL_BAND_C = 3.0  # cooled down: this close to the temperature at the beginning
_COOL_IT = "let the phone cool, out of its case"


_HOPELESS = 3  # so many waits in a row that changed nothing
_TELL_S = 60.0  # how often a wait says that it goes on
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class GuardLimits:
    """How patient the guard is; seconds."""

    max_wait_s: float = 600.0
    poll_s: float = 5.0


class Guard:
    """Watches one phone through a session. `read` gives its state now, `sleep` waits (and may raise to stop)."""

    def __init__(
        self,
        read: Callable[[], PhoneState],
        limits: GuardLimits,
        sleep: Callable[[float], None] = time.sleep,
        fixed_performance: bool = False,
    ) -> None:
        self._read = read
        self._limits = limits
        self._sleep = sleep
        self._fixed_performance = fixed_performance
        self._start_c: float | None = None
        self._accepted_caps: dict[int, int] = {}
        self._hopeless = 0

    def ready(self, state: PhoneState) -> tuple[PhoneState, tuple[ConditionWarning, ...]]:
        """Return a state in which a run may begin, and the warnings under which it does.

        Raises:
            DeviceError: a person must do something first (charge, reset an override, end the battery saver), or waiting
                has changed nothing several times.
        """
        reject(state)
        if self._start_c is None:
            self._start_c = state.temperature_c
        problems = self.heat(state)
        if not problems:
            return state, self.accepted(state)
        self._check_hope(problems)
        deadline = time.monotonic() + self._limits.max_wait_s
        told = -math.inf
        while problems or self._above_band(state):
            if time.monotonic() >= deadline:
                return self._after_waiting(state, problems)
            if time.monotonic() - told >= _TELL_S:
                told = time.monotonic()
                self._tell(state, problems, deadline - told)
            self._sleep(self._limits.poll_s)
            state = self._read()
            reject(state)
            problems = self.heat(state)
        self._hopeless = 0
        return state, self.accepted(state)

    def heat(self, state: PhoneState) -> tuple[ConditionWarning, ...]:
        """Return what makes a time taken in this state a throttled one; empty where nothing does."""
        problems = []
        if state.thermal_status:
            name = THERMAL_NAMES[min(state.thermal_status, len(THERMAL_NAMES) - 1)]
            problems.append(_warning(WarningKind.THERMAL_STATUS, name, THERMAL_NAMES[0]))
        if state.skin_c is not None and state.skin_c > MAX_SKIN_C:
            problems.append(_warning(WarningKind.CASE_TEMPERATURE, state.skin_c, MAX_SKIN_C))
        if state.battery_c is not None and state.battery_c > MAX_BATTERY_C:
            problems.append(_warning(WarningKind.BATTERY_TEMPERATURE, state.battery_c, MAX_BATTERY_C))
        if not self._fixed_performance:  # that mode lowers the caps on purpose
            capped = [cpu for cpu in state.capped_cpus if state.caps_khz[cpu] < self._accepted_caps.get(cpu, math.inf)]
            if capped:
                problems.append(_warning(WarningKind.CAPPED_CLOCKS, _capped(state, capped)))
        return tuple(problems)

    def accepted(self, state: PhoneState) -> tuple[ConditionWarning, ...]:
        """Return what must stand beside every time taken in this state: caps that did not go away by waiting."""
        capped = [cpu for cpu in state.capped_cpus if cpu in self._accepted_caps]
        if not capped:
            return ()
        advice = "the caps were taken for its own setting"
        return (_warning(WarningKind.CAPS_ACCEPTED, _capped(state, capped), advice=advice),)

    def _check_hope(self, problems: Sequence[ConditionWarning]) -> None:
        if self._hopeless >= _HOPELESS:
            raise DeviceError(
                f"{_HOPELESS} waits of {self._limits.max_wait_s:g} s ended as they began: {_text(problems)}. "
                "Cool the phone (out of its case and of the sun, screen off), then run the same command "
                "with --resume: what was measured is kept. A longer wait: --max-wait SECONDS"
            )

    def _tell(self, state: PhoneState, problems: Sequence[ConditionWarning], left_s: float) -> None:
        """Log what is waited for and until when; on standard error, above a bar where one is drawn."""
        why = (
            _text(problems)
            or f"{state.temperature_c:.1f} C, to be below {self._start_c or 0.0:.1f} + {COOL_BAND_C:g} C"
        )
        until = (datetime.now().astimezone() + timedelta(seconds=left_s)).strftime("%H:%M:%S")
        _log.warning("waiting for the phone, until %s at most: %s", until, why)

    def _above_band(self, state: PhoneState) -> bool:
        """Return whether the phone is still much warmer than when the session began."""
        now_c = state.temperature_c
        return self._start_c is not None and now_c is not None and now_c > self._start_c + COOL_BAND_C

    def _after_waiting(
        self, state: PhoneState, problems: tuple[ConditionWarning, ...]
    ) -> tuple[PhoneState, tuple[ConditionWarning, ...]]:
        """Decide after the longest wait: caps on a cool phone are its maker's setting, anything else marks the run."""
        if problems and not state.thermal_status and not self._above_band(state) and state.capped_cpus:
            self._accepted_caps = {cpu: state.caps_khz[cpu] for cpu in state.capped_cpus}
            if not self.heat(state):
                return state, self.accepted(state)
            self._accepted_caps = {}
        self._hopeless += 1
        if problems or self._start_c is None:
            return state, problems
        limit_c = self._start_c + COOL_BAND_C
        return state, (_warning(WarningKind.STILL_WARM, state.temperature_c, limit_c),)


def _text(problems: Sequence[ConditionWarning]) -> str:
    return "; ".join(map(str, problems))


def _warning(
    kind: WarningKind, value: float | str | None, limit: float | str | None = None, advice: str = _COOL_IT
) -> ConditionWarning:
    return ConditionWarning(kind=kind, value=value, limit=limit, advice=advice)


def _capped(state: PhoneState, cpus: Sequence[int]) -> str:
    """Return which cores are capped and to what: those of one cap together."""
    by_cap: dict[tuple[int, int], list[int]] = {}
    for cpu in cpus:
        by_cap.setdefault((state.caps_khz[cpu], state.max_khz[cpu]), []).append(cpu)
    parts = [
        f"{', '.join(map(str, held))} at {cap / 1000:.0f} of {top / 1000:.0f} MHz"
        for (cap, top), held in by_cap.items()
    ]
    return "; ".join(parts)


def reject(state: PhoneState) -> None:
    """Raise for what waiting does not fix.

    Raises:
        DeviceError: what it is, and the command or act that fixes it.
    """
    if state.thermal_overridden:
        raise DeviceError(
            f"the phone's thermal status is overridden; run: {adb_command()} shell cmd thermalservice reset"
        )
    if state.battery_faked:
        raise DeviceError(f"the phone's battery values are faked; run: {adb_command()} shell dumpsys battery reset")
    if state.battery_percent is not None and state.battery_percent < MIN_BATTERY_PERCENT:
        raise DeviceError(
            f"battery at {state.battery_percent:.0f} %, below {MIN_BATTERY_PERCENT:g} %; charge the phone, then run "
            "the same command with --resume"
        )
    if state.power_save:
        raise DeviceError(
            f"the battery saver is on; switch it off, or: {adb_command()} shell settings put global low_power 0"
        )
