"""What is installed on this machine, what would work on it, and what to install for the rest."""

import importlib.metadata
import os
import platform
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import psutil
from packaging.requirements import Requirement
from packaging.version import Version

from mogakit.errors import InputError


class State(StrEnum):
    """How a check ended."""

    OK = "ok"
    OPTIONAL = "optional"  # absent; only the named feature needs it
    WARNING = "warning"  # works, but measurements may suffer
    MISSING = "missing"  # the kit does not work without it


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the report: what was looked at, what was seen, what it is good for, and what to do."""

    what: str
    state: State
    seen: str
    serves: str
    remedy: str = ""


def examine() -> list[Finding]:
    """Run every check; none of them changes anything or needs the network."""
    findings = [_python(), *_packages(), *(_extra(name, serves) for name, serves in EXTRAS.items())]
    checks: tuple[Callable[[], Finding], ...] = (
        _cores,
        _load,
        _governor,
        _huge_pages,
        _adb,
        _vulkan,
        _phone_tools,
        lambda: _program("edgetpu_compiler", "`moga check` with the maker's own compiler", "Coral's Debian package"),
        lambda: _sdk(
            "SNPE_ROOT",
            "DLC files from networks by name: targets snpe/gpu and snpe/dsp, moga export --format dlc",
            "Qualcomm's Neural Processing (SNPE) or AI Runtime SDK",
        ),
        lambda: _sdk(
            "QNN_SDK_ROOT",
            "the same, where SNPE_ROOT is not set (libraries for delegate=qnn are registered: moga tools add)",
            "Qualcomm's AI Runtime (QNN) SDK",
        ),
    )
    return findings + [check() for check in checks]


def _python() -> Finding:
    version = platform.python_version()
    fits = Version("3.11") <= Version(version) < Version("3.14")
    return Finding(
        what="Python",
        state=State.OK if fits else State.MISSING,
        seen=version,
        serves="everything",
        remedy="" if fits else "install Python 3.11, 3.12 or 3.13",
    )


def _packages() -> list[Finding]:
    findings = []
    for line in importlib.metadata.requires("moga-kit") or []:
        requirement = Requirement(line)
        if requirement.marker is not None and "extra" in str(requirement.marker):
            continue
        findings.append(_package(requirement))
    return findings


EXTRAS = {
    "train": "COCO's mAP (moga detect), --tensorboard, and scikit-learn's digits (moga train, moga supernet)",
    "litert-torch": "--converter litert-torch: TFLite files of networks beyond the kit's writers",
    "torch-onnx": "--converter torch.onnx: ONNX files of networks beyond the kit's writers",
    "cluster": "work on several computers (--cluster)",
    "mlflow": "a copy of parameters, numbers and files in MLflow (--mlflow)",
    "reference": "comparing our files with TensorFlow's converter and litert-torch (make reference; about 3 GB)",
}
"""What each optional part of the package is good for."""


def _extra(name: str, serves: str) -> Finding:
    """Look at the packages of one extra; it takes all of them."""
    lines = map(Requirement, importlib.metadata.requires("moga-kit") or [])
    wanted = [line.name for line in lines if line.marker is not None and line.marker.evaluate({"extra": name})]
    versions = {package: _version(package) for package in wanted}
    absent = [package for package, version in versions.items() if version is None]
    seen = ", ".join(f"{package} {version or '(not installed)'}" for package, version in versions.items())
    if absent or not wanted:
        remedy = f"pip install 'moga-kit[{name}]'"
        return Finding(
            what=f"extra {name}",
            state=State.OPTIONAL,
            seen=seen or "unknown to the installed package",
            serves=serves,
            remedy=remedy,
        )
    return Finding(what=f"extra {name}", state=State.OK, seen=seen, serves=serves)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _package(requirement: Requirement) -> Finding:
    name, wanted = requirement.name, str(requirement.specifier)
    version = _version(name)
    if version is None:
        return Finding(
            what=name,
            state=State.MISSING,
            seen="not installed",
            serves="everything",
            remedy=f"pip install '{name}{wanted}'",
        )
    if requirement.specifier.contains(version, prereleases=True):
        return Finding(what=name, state=State.OK, seen=version, serves="everything")
    return Finding(
        what=name,
        state=State.WARNING,
        seen=f"{version}, tested are {wanted}",
        serves="everything",
        remedy=f"pip install '{name}{wanted}'",
    )


def _cores() -> Finding:
    count = psutil.cpu_count(logical=False) or psutil.cpu_count() or 1
    enough = count >= 2
    return Finding(
        what="CPU cores",
        state=State.OK if enough else State.WARNING,
        seen=f"{count} ({platform.machine()})",
        serves="a quiet core for the file being timed",
        remedy="" if enough else "measure with nothing else running: the one core is shared with the kit itself",
    )


LOAD_LIMIT_PER_CORE = 0.5
"""Above this one-minute load per core the wall clock is not to be trusted (thread CPU time still is)."""


def _load() -> Finding:
    load_1min = os.getloadavg()[0]
    per_core = load_1min / (psutil.cpu_count() or 1)
    quiet = per_core <= LOAD_LIMIT_PER_CORE
    return Finding(
        what="load",
        state=State.OK if quiet else State.WARNING,
        seen=f"{load_1min:.2f} over one minute, {per_core:.2f} a core",
        serves="steady timings",
        remedy="" if quiet else f"above {LOAD_LIMIT_PER_CORE} a core: close other programs before `moga profile`",
    )


def _governor() -> Finding:
    path = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    if not path.exists():
        return Finding(
            what="CPU governor",
            state=State.OPTIONAL,
            seen="not readable here",
            serves="steady clocks",
            remedy="nothing to do in a VM or on macOS",
        )
    governor = path.read_text().strip()
    steady = governor == "performance"
    return Finding(
        what="CPU governor",
        state=State.OK if steady else State.WARNING,
        seen=governor,
        serves="steady clocks",
        remedy="" if steady else "`sudo cpupower frequency-set -g performance` while measuring",
    )


def _huge_pages() -> Finding:
    path = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    if not path.exists():
        return Finding(
            what="huge pages",
            state=State.OPTIONAL,
            seen="not readable here",
            serves="less noise between processes",
            remedy="Linux only",
        )
    chosen = path.read_text().split("[")[1].split("]")[0]
    usable = chosen in ("always", "madvise")
    return Finding(
        what="huge pages",
        state=State.OK if usable else State.WARNING,
        seen=chosen,
        serves="less noise between processes: without them page placement alone costs 1 to 3 %",
        remedy="" if usable else f"`echo madvise | sudo tee {path}`",
    )


def _adb() -> Finding:
    import adbutils

    path = adbutils.adb_path()
    return Finding(what="adb", state=State.OK, seen=str(path), serves="phones on a cable; `moga devices` lists them")


def _phone_tools() -> Finding:
    """Look which measuring tools are registered; a damaged registry is a finding, not the end of the report."""
    from mogakit.android_runner import tools

    serves = "measuring on phones; the kit ships none of them"
    try:
        found = [f"{tool.name} ({tool.abi})" for tool in tools.registered()]
    except InputError as error:
        return Finding(
            what="phone tools", state=State.WARNING, seen="the registry does not read", serves=serves, remedy=str(error)
        )
    if not found:
        remedy = (
            "moga tools fetch benchmark_model, or moga tools add PATH; moga tools list says where makers publish them"
        )
        return Finding(what="phone tools", state=State.OPTIONAL, seen="none registered", serves=serves, remedy=remedy)
    return Finding(what="phone tools", state=State.OK, seen=", ".join(dict.fromkeys(found)), serves=serves)


def _vulkan() -> Finding:
    from ctypes.util import find_library

    library = find_library("vulkan")
    found = library is not None
    return Finding(
        what="Vulkan",
        state=State.OK if found else State.OPTIONAL,
        seen=library or "no loader found",
        serves="target tflite/gpu/float32 on this computer",
        remedy="" if found else "Debian: libvulkan1 and a driver; chromium brings a software one, for function only",
    )


def _program(name: str, serves: str, origin: str) -> Finding:
    path = shutil.which(name)
    return Finding(
        what=name,
        state=State.OK if path else State.OPTIONAL,
        seen=path or "not on PATH",
        serves=serves,
        remedy="" if path else f"comes with {origin}",
    )


def _sdk(variable: str, serves: str, origin: str) -> Finding:
    root = os.environ.get(variable, "")
    if root and Path(root).is_dir():
        return Finding(what=variable, state=State.OK, seen=root, serves=serves)
    seen = f"{root} is not a folder" if root else "not set"
    return Finding(
        what=variable, state=State.OPTIONAL, seen=seen, serves=serves, remedy=f"set it to the root of {origin}"
    )
