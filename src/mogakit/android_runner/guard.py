"""When a phone may be measured: reject what only a person can fix, wait for what passes, mark what would not pass."""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mogakit.android_runner.state import THERMAL_NAMES, PhoneState
from mogakit.bench.warning import ConditionWarning, WarningKind
from mogakit.errors import DeviceError

MIN_BATTERY_PERCENT = 30.0  # below it many phones lower their clocks
MAX_BATTERY_C = 40.0
MAX_SKIN_C = 42.0
COOL_BAND_C = 3.0  # cooled down: this close to the temperature at the beginning
_COOL_IT = "let the phone cool, out of its case"


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

    def ready(self, state: PhoneState) -> tuple[PhoneState, tuple[ConditionWarning, ...]]:
        """Return a state in which a run may begin, and the warnings under which it does.

        Raises:
            DeviceError: a person must do something first (charge, reset an override, end the battery saver).
        """
        reject(state)
        if self._start_c is None:
            self._start_c = state.temperature_c
        problems = self.heat(state)
        if not problems:
            return state, ()
        deadline = time.monotonic() + self._limits.max_wait_s
        while problems or self._above_band(state):
            if time.monotonic() >= deadline:
                return self._after_waiting(state, problems)
            self._sleep(self._limits.poll_s)
            state = self._read()
            reject(state)
            problems = self.heat(state)
        return state, ()

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
                problems.append(_warning(WarningKind.CAPPED_CLOCKS, _listed(capped)))
        return tuple(problems)

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
                advice = "the caps were taken for its own setting"
                return state, (_warning(WarningKind.CAPS_ACCEPTED, _listed(state.capped_cpus), advice=advice),)
            self._accepted_caps = {}
        if problems or self._start_c is None:
            return state, problems
        limit_c = self._start_c + COOL_BAND_C
        return state, (_warning(WarningKind.STILL_WARM, state.temperature_c, limit_c),)


def _warning(
    kind: WarningKind, value: float | str | None, limit: float | str | None = None, advice: str = _COOL_IT
) -> ConditionWarning:
    return ConditionWarning(kind=kind, value=value, limit=limit, advice=advice)


def _listed(cpus: Iterable[int]) -> str:
    return ", ".join(map(str, cpus))


def reject(state: PhoneState) -> None:
    """Raise for what waiting does not fix.

    Raises:
        DeviceError: what it is, and the command or act that fixes it.
    """
    if state.thermal_overridden:
        raise DeviceError("the phone's thermal status is overridden; run: adb shell cmd thermalservice reset")
    if state.battery_faked:
        raise DeviceError("the phone's battery values are faked; run: adb shell dumpsys battery reset")
    if state.battery_percent is not None and state.battery_percent < MIN_BATTERY_PERCENT:
        raise DeviceError(
            f"battery at {state.battery_percent:.0f} %, below {MIN_BATTERY_PERCENT:g} %; charge the phone, then run "
            "the same command with --resume"
        )
    if state.power_save:
        raise DeviceError("the battery saver is on; switch it off, or: adb shell settings put global low_power 0")
