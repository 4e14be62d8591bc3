"""What a phone is: model, system on a chip, GPU and driver, CPU clusters, Android version. Nothing here changes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mogakit.android_runner import script
from mogakit.android_runner.adb import Link

_PROPERTY = re.compile(r"^\[([^\]]+)\]: \[(.*)\]\s*$")
_CPU_FILE = re.compile(r"cpu/cpu(\d+)/(?:cpufreq/)?(cpuinfo_max_freq|cpu_capacity):\s*(\d+)")
_GLES = re.compile(r"GLES: ([^,]+), ([^,]+), (.+)$")
_CPU_FOLDER = "/sys/devices/system/cpu"

SECTIONS = {
    "getprop": "getprop",
    "cpu": f'grep -H "" {_CPU_FOLDER}/cpu[0-9]*/cpufreq/cpuinfo_max_freq {_CPU_FOLDER}/cpu[0-9]*/cpu_capacity',
    "online": f"cat {_CPU_FOLDER}/online || grep ^processor /proc/cpuinfo",
    "android_id": "settings get secure android_id",
    "gles": "dumpsys SurfaceFlinger | grep GLES:",
}


@dataclass(frozen=True)
class Cluster:
    """Cores of one kind, fastest cluster first in `PhoneProperties.clusters`."""

    cpus: tuple[int, ...]
    max_mhz: float
    capacity: int | None  # 0 to 1024 as the kernel rates it

    @property
    def mask(self) -> str:
        """Return the cores as the hexadecimal mask that `taskset` takes."""
        return f"{sum(1 << cpu for cpu in self.cpus):x}"


@dataclass(frozen=True, kw_only=True)
class PhoneProperties:
    """A phone's unchanging description; what it does not say is an empty string or an empty tuple.

    Attributes:
        android_id: Android's own number of this phone and user, until a factory reset.
        clusters: empty where the phone hides its clocks.
        online_cpus: the cores that were on when it was asked.
    """

    serialno: str
    manufacturer: str
    model: str
    soc: str
    abis: tuple[str, ...]
    android: str
    sdk: int | None
    fingerprint: str
    gpu: str
    gpu_driver: str
    clusters: tuple[Cluster, ...]
    online_cpus: tuple[int, ...]
    android_id: str = ""

    @property
    def name(self) -> str:
        """Return what a person calls the phone."""
        if self.model.lower().startswith(self.manufacturer.lower()):
            return self.model
        return f"{self.manufacturer} {self.model}".strip()


def read(link: Link) -> PhoneProperties:
    """Ask a phone what it is.

    Raises:
        LinkLost: it went away.
    """
    return parse(script.split(link.shell(script.build(SECTIONS)).stdout))


def parse(sections: Mapping[str, str]) -> PhoneProperties:
    """Read the answers to `SECTIONS`."""
    lines = sections.get("getprop", "").splitlines()
    props = {match.group(1): match.group(2) for line in lines if (match := _PROPERTY.match(line))}
    gpu, driver = _gpu(sections.get("gles", ""), props)
    maker, chip = props.get("ro.soc.manufacturer", ""), props.get("ro.soc.model", "")
    abis = props.get("ro.product.cpu.abilist") or props.get("ro.product.cpu.abi", "")
    sdk = props.get("ro.build.version.sdk", "")
    return PhoneProperties(
        serialno=props.get("ro.serialno") or props.get("ro.boot.serialno", ""),
        manufacturer=props.get("ro.product.manufacturer", ""),
        model=props.get("ro.product.model", ""),
        soc=f"{maker} {chip}".strip() or props.get("ro.board.platform", "") or props.get("ro.hardware", ""),
        abis=tuple(abi for abi in abis.split(",") if abi),
        android=props.get("ro.build.version.release", ""),
        sdk=int(sdk) if sdk.isdecimal() else None,
        fingerprint=props.get("ro.build.fingerprint", ""),
        gpu=gpu,
        gpu_driver=driver,
        clusters=clusters(sections.get("cpu", "")),
        online_cpus=cpu_list(sections.get("online", "")),
        android_id=_android_id(sections.get("android_id", "")),
    )


def clusters(text: str) -> tuple[Cluster, ...]:
    """Group cores of equal capacity and top clock, fastest first; empty where the phone hides its clocks."""
    capacity: dict[int, int] = {}
    max_khz: dict[int, int] = {}
    for cpu, name, value in _CPU_FILE.findall(text):
        (max_khz if name == "cpuinfo_max_freq" else capacity)[int(cpu)] = int(value)
    groups: dict[tuple[int, int], list[int]] = {}
    for cpu, khz in max_khz.items():
        groups.setdefault((capacity.get(cpu, -1), khz), []).append(cpu)
    ranked = sorted(groups.items(), key=lambda item: item[0], reverse=True)
    return tuple(
        Cluster(tuple(sorted(cpus)), khz / 1000.0, rated if rated >= 0 else None) for (rated, khz), cpus in ranked
    )


def cpu_list(text: str) -> tuple[int, ...]:
    """Read the kernel's list of cores, `0-3,5`, or the lines of /proc/cpuinfo that name those that are on."""
    named = re.findall(r"^processor\s*:\s*(\d+)\s*$", text, re.MULTILINE)
    if named:
        return tuple(map(int, named))
    cpus: list[int] = []
    for part in text.strip().split(","):
        first, dash, last = part.partition("-")
        if first.isdecimal():
            cpus.extend(range(int(first), (int(last) if dash and last.isdecimal() else int(first)) + 1))
    return tuple(cpus)


def _android_id(text: str) -> str:
    found = re.fullmatch(r"[0-9a-f]{8,16}", text.strip())
    return found.group() if found else ""


def _gpu(gles: str, props: dict[str, str]) -> tuple[str, str]:
    """Return the GPU's name and its driver; phones that draw with Vulkan may print no GLES line."""
    for line in gles.splitlines():
        match = _GLES.search(line)
        if match:
            return match.group(2).strip(), match.group(3).strip()
    name = props.get("ro.hardware.egl") or props.get("ro.hardware.vulkan", "")
    return name, ""
