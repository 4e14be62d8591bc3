"""The state of this computer before and after a window, and what is wrong with it for measuring.

Every warning names its threshold, the value found, and what to do. Nothing is changed on the machine.
"""

import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psutil

from mogakit.bench.measurement import Conditions
from mogakit.bench.warning import ConditionWarning, WarningKind, worst_of_each_kind

MAX_LOAD_PER_CORE = 0.5
MAX_STEAL_PERCENT = 2.0
MAX_TEMPERATURE_C = 85.0
_CPUFREQ = Path("/sys/devices/system/cpu/cpu0/cpufreq")
_BEST_GOVERNOR = "performance"
_HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")


@dataclass
class ConditionsReader:
    """Reads the state; steal time is counted from one reading to the next (the first one: since boot)."""

    _last_cpu_times: tuple[float, float] = field(default=(0.0, 0.0))

    def read(self) -> Conditions:
        """Return the state now. What the system does not tell is None."""
        load_1min = os.getloadavg()[0]
        steal_percent = self._steal_percent()
        temperature_c = _temperature_c()
        governor = _governor()
        battery = psutil.sensors_battery() if hasattr(psutil, "sensors_battery") else None
        return Conditions(
            at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            cpu_frequency_mhz=_frequency_mhz(),
            governor=governor,
            load_1min=round(load_1min, 2),
            steal_percent=steal_percent,
            temperature_c=temperature_c,
            battery_percent=None if battery is None else float(battery.percent),
            power_save=None if battery is None else not battery.power_plugged,
            warnings=_warnings(load_1min, steal_percent, temperature_c, governor, battery),
        )

    def _steal_percent(self) -> float | None:
        times = psutil.cpu_times()
        stolen = getattr(times, "steal", None)
        if stolen is None:
            return None
        total = float(sum(times))
        since_stolen, since_total = stolen - self._last_cpu_times[0], total - self._last_cpu_times[1]
        self._last_cpu_times = (stolen, total)
        return round(100 * since_stolen / since_total, 2) if since_total > 0 else 0.0


def _frequency_mhz() -> float | None:
    frequency = psutil.cpu_freq() if hasattr(psutil, "cpu_freq") else None
    return None if frequency is None or not frequency.current else round(float(frequency.current), 1)


def _governor() -> str | None:
    path = _CPUFREQ / "scaling_governor"
    return path.read_text().strip() if path.is_file() else None


def _temperature_c() -> float | None:
    readings = psutil.sensors_temperatures() if hasattr(psutil, "sensors_temperatures") else {}
    values = [reading.current for group in readings.values() for reading in group if reading.current]
    return float(max(values)) if values else None


def _warnings(
    load_1min: float, steal_percent: float | None, temperature_c: float | None, governor: str | None, battery: object
) -> tuple[ConditionWarning, ...]:
    found: list[ConditionWarning] = []

    def warn(kind: WarningKind, value: float | str | None, limit: float | str | None, advice: str) -> None:
        found.append(ConditionWarning(kind=kind, value=value, limit=limit, advice=advice))

    most_load = MAX_LOAD_PER_CORE * (os.cpu_count() or 1)
    if load_1min > most_load:
        advice = (
            "close other programs, or give more --rounds; times of several threads are on the wall clock "
            "and suffer most"
        )
        warn(WarningKind.LOAD, round(load_1min, 2), most_load, advice)
    if steal_percent is not None and steal_percent > MAX_STEAL_PERCENT:
        advice = "other guests are busy; measure at another hour, or give more --rounds"
        warn(WarningKind.STEAL, steal_percent, MAX_STEAL_PERCENT, advice)
    if temperature_c is not None and temperature_c > MAX_TEMPERATURE_C:
        advice = "it may slow down; let it cool, or measure with fewer programs running"
        warn(WarningKind.CPU_TEMPERATURE, temperature_c, MAX_TEMPERATURE_C, advice)
    if governor is not None and governor != _BEST_GOVERNOR:
        advice = "clocks move with the load; set it with: sudo cpupower frequency-set -g performance"
        warn(WarningKind.GOVERNOR, governor, _BEST_GOVERNOR, advice)
    if battery is not None and not getattr(battery, "power_plugged", True):
        warn(WarningKind.ON_BATTERY, None, None, "plug it in")
    return tuple(found)


def huge_pages_tunable() -> str | None:
    """Return the value of GLIBC_TUNABLES that puts a worker's memory on huge pages, or None where that cannot be.

    It needs Linux with transparent huge pages at `madvise` or `always`, and glibc 2.35 or newer. Where pages are placed
    is otherwise an error of each process that no repetition removes: 2.8 % of a small network's time against 0.5 %.
    """
    if platform.system() != "Linux" or not _HUGE_PAGES.is_file():
        return None
    if "[never]" in _HUGE_PAGES.read_text():
        return None
    library, version = platform.libc_ver()
    numbers = [int(part) for part in version.split(".")[:2] if part.isdecimal()]
    if library != "glibc" or numbers < [2, 35]:
        return None
    return "glibc.malloc.hugetlb=1"


def worst_warnings(states: Iterable[Conditions]) -> tuple[str, ...]:
    """Return one warning of each kind, the one with the highest value, and in how many of the states it was given."""
    states = list(states)
    worst = worst_of_each_kind(warning for state in states for warning in state.warnings)
    return tuple(f"{warning} (seen {count} of {len(states)} times)" for warning, count in worst)
