"""How a phone is at one moment: heat, throttling, battery, screen, clocks; read in one trip."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from mogakit.android_runner import script
from mogakit.android_runner.adb import Link
from mogakit.bench.measurement import Conditions
from mogakit.bench.warning import ConditionWarning

THERMAL_NAMES = ("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")
MIN_C, MAX_C = -40.0, 120.0  # what no sensor of a working phone reports is not believed
_SKIN = 3  # mType of the sensor under the case
_CPU_FOLDER = "/sys/devices/system/cpu"
_SENSOR = re.compile(r"Temperature\{mValue=([-\d.]+|NaN), mType=(-?\d+), mName=([^,]*), mStatus=(\d+)\}")
_CLOCK = re.compile(r"cpu/cpu(\d+)/cpufreq/(cpuinfo_max_freq|scaling_max_freq|scaling_cur_freq):\s*(\d+)")
_TICKS = re.compile(r"^cpu(\d+)((?: \d+){7,})", re.MULTILINE)
_IDLE, _IO_WAIT, _ACCOUNTED = 3, 4, 8  # columns of /proc/stat; guests, behind these, are counted as user already
_HZ = 100  # of /proc/stat, whatever the kernel's own
_GOVERNOR = re.compile(r"scaling_governor:\s*(\w+)")
_FILES = ("cpuinfo_max_freq", "scaling_max_freq", "scaling_cur_freq", "scaling_governor")

SECTIONS = {
    "ticks": "grep ^cpu /proc/stat",  # first: what the other questions cost is not the run's
    "boot": "cat /proc/sys/kernel/random/boot_id",
    "thermal": "dumpsys thermalservice",
    "battery": "dumpsys battery",
    "wakefulness": "dumpsys power | grep mWakefulness=",
    "low_power": "settings get global low_power",
    "clocks": 'grep -H "" ' + " ".join(f"{_CPU_FOLDER}/cpu[0-9]*/cpufreq/{name}" for name in _FILES),
    "load": "cat /proc/loadavg",
}


MEANWHILE = "meanwhile"
"""Name of the question by which the clocks come back that were read while a tool ran."""


@dataclass(frozen=True, kw_only=True)
class PhoneState:
    """One reading; None where the phone does not tell.

    Attributes:
        thermal_status: Android's throttling status, 0 (none) to 6 (shutdown).
        thermal_overridden: somebody set the status by hand, so it says nothing.
        caps_khz: top clock that each core is allowed now; below `max_khz` a core is throttled.
        battery_faked: `dumpsys battery set` is in force, so the battery's values say nothing.
        ticks: of each core since the phone started, in hundredths of a second: how long it worked, and in all.
    """

    at: str
    boot_id: str
    thermal_status: int | None
    thermal_overridden: bool
    skin_c: float | None
    battery_c: float | None
    battery_percent: float | None
    battery_faked: bool
    screen_on: bool | None
    power_save: bool | None
    max_khz: dict[int, int]
    caps_khz: dict[int, int]
    current_khz: dict[int, int]
    governor: str | None
    load_1min: float | None
    ticks: dict[int, tuple[int, int]] = field(default_factory=dict)

    @property
    def temperature_c(self) -> float | None:
        """Return the case's temperature, or the battery's where there is no such sensor."""
        return self.battery_c if self.skin_c is None else self.skin_c

    @property
    def capped_cpus(self) -> tuple[int, ...]:
        """Return the cores that may not reach their top clock."""
        return tuple(cpu for cpu, cap in self.caps_khz.items() if cap < self.max_khz.get(cpu, cap))

    def conditions(self, cpu: int | None = None, warnings: tuple[ConditionWarning, ...] = ()) -> Conditions:
        """Return the reading as a record; `cpu` is the core whose clock is kept (the fastest one where None)."""
        clocks = self.current_khz
        chosen = clocks.get(cpu) if cpu is not None else max(clocks.values(), default=None)
        status = self.thermal_status
        return Conditions(
            at=self.at,
            cpu_frequency_mhz=None if chosen is None else chosen / 1000.0,
            governor=self.governor,
            load_1min=self.load_1min,
            temperature_c=self.temperature_c,
            thermal_status=None if status is None else THERMAL_NAMES[min(status, len(THERMAL_NAMES) - 1)],
            battery_percent=self.battery_percent,
            power_save=self.power_save,
            screen_on=self.screen_on,
            warnings=warnings,
        )


def read(link: Link) -> PhoneState:
    """Ask a phone how it is.

    Raises:
        LinkLost: it went away.
    """
    return parse(script.split(link.shell(script.build(SECTIONS)).stdout))


def parse(sections: Mapping[str, str]) -> PhoneState:
    """Read the answers to `SECTIONS`, taken just now."""
    clocks: dict[str, dict[int, int]] = {name: {} for name in _FILES}
    for cpu, name, value in _CLOCK.findall(sections.get("clocks", "")):
        clocks[name][int(cpu)] = int(value)
    governor = _GOVERNOR.search(sections.get("clocks", ""))
    status, overridden, skin_c = _thermal(sections.get("thermal", ""))
    battery = sections.get("battery", "")
    if re.search(r"^\s*present: false", battery, re.MULTILINE):
        battery = ""  # a board: what it says of a battery that it does not have is level 0
    level, scale = _battery_number(battery, "level"), _battery_number(battery, "scale")
    tenths = _battery_number(battery, "temperature")
    wakefulness = re.search(r"mWakefulness=(\w+)", sections.get("wakefulness", ""))
    low_power = sections.get("low_power", "").strip()
    load = sections.get("load", "").split()
    return PhoneState(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        boot_id=sections.get("boot", "").strip(),
        thermal_status=status,
        thermal_overridden=overridden,
        skin_c=skin_c,
        battery_c=None if tenths is None or not _possible(tenths / 10.0) else tenths / 10.0,
        battery_percent=None if level is None else 100.0 * level / (scale or 100.0),
        battery_faked="UPDATES STOPPED" in battery,
        screen_on=None if wakefulness is None else wakefulness.group(1) == "Awake",
        power_save={"1": True, "0": False}.get(low_power),
        max_khz=clocks["cpuinfo_max_freq"],
        caps_khz=clocks["scaling_max_freq"],
        current_khz=clocks["scaling_cur_freq"],
        governor=None if governor is None else governor.group(1),
        load_1min=float(load[0]) if load and re.fullmatch(r"\d+\.?\d*", load[0]) else None,
        ticks={int(cpu): _worked(values.split()) for cpu, values in _TICKS.findall(sections.get("ticks", ""))},
    )


def busy_cores(before: PhoneState, after: PhoneState, least_s: float = 1.0) -> dict[int, float]:
    """Return which share of the time between two readings each core worked; empty where that is not known.

    Args:
        least_s: what is shorter says nothing: asking takes its own part of it.
    """
    shares = {}
    for cpu, (worked, passed) in after.ticks.items():
        earlier = before.ticks.get(cpu)
        if earlier is None or passed - earlier[1] < least_s * _HZ or worked < earlier[0]:
            continue  # it was off, restarted, or is asked too soon
        shares[cpu] = (worked - earlier[0]) / (passed - earlier[1])
    return shares


def while_running(after: PhoneState, clocks: str) -> PhoneState:
    """Return a state read after a run with the clocks and caps that held during it, where they were read.

    A core is idle again as soon as a tool has ended, and its clock then says nothing of the run. A cap that held in
    the run counts even where it is gone by now.
    """
    seen = parse({"clocks": clocks})
    if not seen.current_khz:
        return after
    caps = {cpu: min(cap, after.caps_khz.get(cpu, cap)) for cpu, cap in seen.caps_khz.items()}
    return replace(after, current_khz=seen.current_khz, caps_khz={**after.caps_khz, **caps})


def _thermal(text: str) -> tuple[int | None, bool, float | None]:
    """Return status, whether it is overridden, and the hottest skin sensor (`dumpsys thermalservice`, Android 10+).

    The cached temperatures lag, so those under `Current temperatures from HAL` count; 0.0 and NaN are absent sensors.
    """
    status = re.search(r"Thermal Status: (\d+)", text)
    _, found, current = text.partition("Current temperatures from HAL:")
    if not found or re.search(r"HAL Ready: false", text):
        current = ""  # only what was cached at some time: it may be hours old
    current = current.partition("Current cooling devices")[0]
    skins = [float(value) for value, kind, _, _ in _SENSOR.findall(current) if int(kind) == _SKIN]
    real = [value for value in skins if value != 0.0 and _possible(value)]
    return (
        None if status is None else int(status.group(1)),
        bool(re.search(r"IsStatusOverride: true", text)),
        max(real, default=None),
    )


def _worked(columns: list[str]) -> tuple[int, int]:
    """Return how many ticks of a line of /proc/stat a core worked, and how many passed."""
    values = [int(text) for text in columns[:_ACCOUNTED]]
    return sum(values) - values[_IDLE] - values[_IO_WAIT], sum(values)


def _possible(celsius: float) -> bool:
    """Return whether a phone can be this warm: some sensors report milli-degrees, or nonsense while they start."""
    return math.isfinite(celsius) and MIN_C <= celsius <= MAX_C


def _battery_number(text: str, key: str) -> float | None:
    """Return the first value of a key: some makers append further lines with the same keys and other meanings."""
    match = re.search(rf"^\s*{key}: (-?\d+)", text, re.MULTILINE)
    return None if match is None else float(match.group(1))
