"""The phone's changing state: clock, heat, battery, screen and settings, and the texts that dumpsys makes of them."""

import math
import time
import uuid
from dataclasses import dataclass, field

from phone_simulator.profiles import Profile

AMBIENT_C = 25.0
_DEGREES_PER_WATT = 4.0
_COOLING_S = 180.0
_IDLE_WATTS = 0.4
THROTTLE_C = 41.0
"""Above it the phone slows down, by 3 % a degree, and says so."""
_STATUS_STEP_C = 4.0


class Clock:
    """The phone's time. `scale` is how long a second of it lasts here; 0 means that computing takes no time here."""

    def __init__(self, scale: float) -> None:
        self.scale = scale
        self._begun = time.monotonic()
        self._skipped_s = 0.0

    def now_s(self) -> float:
        """Return the phone's seconds since it was made."""
        here = time.monotonic() - self._begun
        return here / self.scale if self.scale > 0 else here + self._skipped_s

    def skip(self, seconds: float) -> None:
        """Let phone time pass that takes no time here (`scale` 0)."""
        self._skipped_s += seconds if self.scale == 0 else 0.0


@dataclass
class State:
    """What the phone feels like now. Fields may be set by a test; `None` means that the model decides."""

    profile: Profile
    clock: Clock
    temperature_c: float = AMBIENT_C + _DEGREES_PER_WATT * _IDLE_WATTS
    forced_status: int | None = None  # somebody ran `cmd thermalservice override-status N`
    forced_throttling: float | None = None  # scaling_max_freq over cpuinfo_max_freq, whatever the temperature
    battery_percent: int = 84
    battery_faked: bool = False
    usb_powered: bool = True
    awake: bool = True
    stay_on: bool = False
    fixed_performance: bool = False
    offline_cpus: frozenset[int] = frozenset()
    hides_clocks: bool = False  # as some makers do: nothing of cpufreq and of the cores' capacity can be read
    has_battery: bool = True  # a board has none, and says that its level is 0
    busy_cores: float = 0.1  # what other programs keep at work, from the first core on
    settings: dict[str, dict[str, str]] = field(
        default_factory=lambda: {
            "global": {"low_power": "0", "stay_on_while_plugged_in": "0"},
            "system": {},
            "secure": {"android_id": uuid.uuid4().hex[:16]},
        }
    )
    _updated_s: float = 0.0
    _worked_s: dict[int, float] = field(default_factory=dict)

    def pass_time(self, watts: float = _IDLE_WATTS) -> None:
        """Bring the temperature up to now, `watts` having been spent since the last call."""
        now = self.clock.now_s()
        passed, busy = max(0.0, now - self._updated_s), self.busy_cores
        for cpu in range(sum(len(cluster.cpus) for cluster in self.profile.clusters)):
            self._worked_s[cpu] = self._worked_s.get(cpu, 0.0) + passed * min(1.0, max(0.0, busy - cpu))
        left = math.exp(-max(0.0, now - self._updated_s) / _COOLING_S)
        goal = AMBIENT_C + _DEGREES_PER_WATT * watts
        self.temperature_c = goal + (self.temperature_c - goal) * left
        self._updated_s = now

    def heat_to(self, celsius: float) -> None:
        """Make the phone this hot now; it cools by itself."""
        self.pass_time()
        self.temperature_c = celsius

    @property
    def slowdown(self) -> float:
        """Return by what factor computing takes longer than when cool."""
        factor = 1.0 if self.forced_throttling is None else 1.0 / self.forced_throttling
        if self.fixed_performance:
            factor *= 1.25
        return factor * (1.0 + 0.03 * max(0.0, self.temperature_c - THROTTLE_C))

    @property
    def thermal_status(self) -> int:
        """Return Android's number: 0 none, 1 light, 2 moderate, 3 severe."""
        if self.forced_status is not None:
            return self.forced_status
        if self.temperature_c <= THROTTLE_C:
            return 0
        return min(3, 1 + int((self.temperature_c - THROTTLE_C) / _STATUS_STEP_C))

    @property
    def power_save(self) -> bool:
        """Whether battery saver is on."""
        return self.settings["global"].get("low_power") == "1"

    def frequency_limit(self, max_khz: int) -> int:
        """Return `scaling_max_freq` of a core whose fastest clock is `max_khz`."""
        return int(max_khz / max(1.0, self.slowdown))

    # -- texts

    def ticks_text(self) -> str:
        """Return the lines of /proc/stat that count how long each core worked, as of the last `pass_time`."""
        lines = []
        for cpu, worked_s in self._worked_s.items():
            worked = round(100 * worked_s)
            idle = round(100 * self._updated_s) - worked
            lines.append(f"cpu{cpu} {worked} 0 0 {idle} 0 0 0 0 0 0\n")
        return "cpu  0 0 0 0 0 0 0 0 0 0\n" + "".join(lines) + "intr 4711\nctxt 815\n"

    def battery_text(self) -> str:
        """Return what `dumpsys battery` prints."""
        if not self.has_battery:
            return (
                "Current Battery Service state:\n  AC powered: true\n  USB powered: false\n  status: 1\n  health: 1\n"
                "  present: false\n  level: 0\n  scale: 100\n  voltage: 0\n  temperature: 0\n  technology: \n"
            )
        android = int(self.profile.props["ro.build.version.sdk"])
        lines = ["Current Battery Service state:"]
        if self.battery_faked:
            lines.append("  (UPDATES STOPPED -- use 'reset' to restart)")
        lines += ["  AC powered: false", f"  USB powered: {str(self.usb_powered).lower()}", "  Wireless powered: false"]
        if android >= 33:
            lines.append("  Dock powered: false")
        lines += [
            "  Max charging current: 500000",
            "  Max charging voltage: 5000000",
            f"  Charge counter: {42000 * self.battery_percent}",
            f"  status: {2 if self.usb_powered else 3}",
            "  health: 2",
            "  present: true",
            f"  level: {self.battery_percent}",
            "  scale: 100",
            "  voltage: 4063",
            f"  temperature: {round(self.temperature_c * 10)}",
            "  technology: Li-ion",
        ]
        if self.profile.props["ro.product.manufacturer"] == "samsung":
            lines += ["  charge counter: 0", "  current now: 210", "  batteryMiscEvent: 0", "  mSavedBatteryAsoc: 97"]
        return "\n".join(lines) + "\n"

    def thermal_text(self) -> str:
        """Return what `dumpsys thermalservice` prints; the cached temperatures lag, as they do."""

        def rows(lag: float) -> list[str]:
            status = self.thermal_status
            values = [0.0 if name == "SUBBAT" else self.temperature_c - lag for name, _ in self.profile.sensors]
            return [
                f"\tTemperature{{mValue={value:.1f}, mType={kind}, mName={name}, mStatus={status}}}"
                for value, (name, kind) in zip(values, self.profile.sensors, strict=True)
            ]

        lines = [
            f"IsStatusOverride: {str(self.forced_status is not None).lower()}",
            "ThermalEventListeners:",
            "\tcallbacks: 2",
            f"Thermal Status: {self.thermal_status}",
            "Cached temperatures:",
            *rows(1.7),
            "HAL Ready: true",
            "HAL connection:",
            "\tThermalHAL 2.0 connected: yes",
            "Current temperatures from HAL:",
            *rows(0.0),
            "Current cooling devices from HAL:",
            "\tCoolingDevice{mValue=0, mType=3, mName=thermal-cpufreq-0}",
            "Temperature static thresholds from HAL:",
            "\tTemperatureThreshold{mType=3, mName=LRB, "
            "mHotThrottlingThresholds=[NaN, 41.0, 45.0, 49.0, NaN, NaN, 60.0], "
            "mColdThrottlingThresholds=[NaN, NaN, NaN, NaN, NaN, NaN, NaN]}",
        ]
        return "\n".join(lines) + "\n"

    def power_text(self) -> str:
        """Return what `dumpsys power` prints, in part."""
        return (
            "POWER MANAGER (dumpsys power)\n\nPower Manager State:\n  mDirty=0x0\n"
            f"  mWakefulness={'Awake' if self.awake else 'Asleep'}\n  mWakefulnessChanging=false\n"
            f"  mIsPowered={str(self.usb_powered).lower()}\n  mPlugType=2\n  mBatteryLevel={self.battery_percent}\n"
            f"  mStayOn={str(self.stay_on).lower()}\n  mBatterySaverEnabled={str(self.power_save).lower()}\n"
        )

    def display_text(self) -> str:
        """Return what `dumpsys display` prints, in part."""
        return f"DISPLAY MANAGER (dumpsys display)\n  mScreenState={'ON' if self.awake else 'OFF'}\n"

    def surfaceflinger_text(self) -> str:
        """Return what `dumpsys SurfaceFlinger` prints, in part."""
        head = "Build configuration: [sf HAS_CONTEXT_PRIORITY=1]\n------------RE GLES------------\n"
        return f"{head}GLES: {self.profile.gles}\n"
