"""The measuring tools that the user has: registered by path or fetched from their makers, never shipped with the kit.

A registered binary is copied to `$MOGA_HOME/tools/<sha256>/<file name>`, so that what measured can be found again.
"""

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path

from mogakit import files, records
from mogakit.android_runner.elf import read_elf, read_host_program, read_needed
from mogakit.android_runner.home import home
from mogakit.android_runner.targets import HostTool, TargetRow, ToolKind, all_rows, own_tool
from mogakit.errors import DeviceError, InputError

LIBRARY = "library"
_SAME_NAME: tuple[str, ...] = (ToolKind.BENCHMARK_MODEL, ToolKind.BENCHMARK_LITERT)
_SCHEMA = 1
_LITERT_MARKS = (b"use_npu", b"benchmark_litert")  # flags and sources that only the newer tool has

_SYSTEM_LIBRARIES = frozenset(
    f"lib{name}.so"
    for name in (
        *("c", "m", "dl", "stdc++", "log", "z", "android", "jnigraphics", "nativewindow", "nativehelper", "binder_ndk"),
        *("EGL", "GLESv1_CM", "GLESv2", "GLESv3", "vulkan", "neuralnetworks", "sync", "icu"),
        *("OpenSLES", "OpenMAXAL", "aaudio", "amidi", "mediandk", "camera2ndk"),
    )
)
"""What every Android offers to native programs (developer.android.com/ndk/guides/stable_apis)."""

_SDK = "Qualcomm's AI Runtime (SNPE) SDK, bin/{folder}; accept its licence there"

MAKERS: dict[ToolKind | HostTool, str] = {
    ToolKind.BENCHMARK_MODEL: "https://ai.google.dev/edge/litert/models/measurement; moga tools fetch benchmark_model",
    ToolKind.BENCHMARK_LITERT: "https://ai.google.dev/edge/litert; moga tools fetch benchmark_model_litert",
    ToolKind.MACE_RUN: "https://github.com/XiaoMi/mace: build it with tools/cmake/cmake-build-arm64-v8a.sh and the NDK",
    ToolKind.ORT_PERF_TEST: "https://onnxruntime.ai/docs/build/android.html: build.sh --android --build_shared_lib",
    ToolKind.SNPE_THROUGHPUT: _SDK.format(folder="aarch64-android"),
    ToolKind.SNPE_NET_RUN: _SDK.format(folder="aarch64-android"),
    HostTool.SNPE_DIAGVIEW: _SDK.format(folder="x86_64-linux-clang") + "; runs on this computer",
}

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class Tool:
    """One registered binary.

    Attributes:
        kind: a `ToolKind`, a `HostTool`, or `library` for what lies beside a tool on the phone.
        abi: in Android's names; `script` for a script of this computer.
        source: the path or address that it came from.
        versioned: False for a build that its makers replace under the same address; then only the hash names it.
    """

    kind: str
    name: str
    abi: str
    sha256: str
    num_bytes: int
    source: str
    added_at: str
    versioned: bool = True
    for_android: bool = True

    @property
    def path(self) -> Path:
        """Return where the kit keeps the binary."""
        return home() / "tools" / self.sha256 / self.name

    @property
    def runs_here(self) -> bool:
        """Return whether it is a program of this computer, not of a phone."""
        return self.kind in list(HostTool)


@records.stored("tool-registry", version=1, made_by="moga tools add PATH", title="registry of tools")
@dataclass(frozen=True)
class Registry:
    """Every registered binary, in the order in which they were added."""

    tools: tuple[Tool, ...]


@records.stored("tool-probe", version=1, implied_version=1, made_by="moga devices", title="answer of a tool to --help")
@dataclass(frozen=True)
class Probe:
    """What a tool's `--help` said on a phone; `flags` without dashes, empty where it lists none."""

    kind: str
    flags: tuple[str, ...]
    old_containers: bool = False  # mace_run up to 1.0.4, which has `-device`


def add(path: Path, source: str | None = None, versioned: bool = True) -> Tool:
    """Register a binary: a tool by its file name, anything called `*.so` as a library.

    Raises:
        InputError: no such file, no ELF binary for a phone (for a `HostTool`: for this computer), or a name that
            belongs to no tool.
    """
    if not path.is_file():
        raise InputError(f"{path} is not a file; give the path of a tool's binary for Android")
    kind = kind_of(path)
    runs_here = kind in list(HostTool)
    info = read_host_program(path) if runs_here else read_elf(path)
    tool = Tool(
        kind=kind,
        name=path.name if kind == LIBRARY else _file_name(kind),
        abi=info.abi,
        sha256=files.sha256_of(path),
        num_bytes=path.stat().st_size,
        source=source or str(path.resolve()),
        added_at=datetime.now(UTC).isoformat(timespec="seconds"),
        versioned=versioned,
        for_android=info.for_android and not runs_here,
    )
    with files.replacing(tool.path) as temporary:
        shutil.copyfile(path, temporary)
    if runs_here:
        tool.path.chmod(0o755)
    _write([*(known for known in registered() if (known.sha256, known.name) != (tool.sha256, tool.name)), tool])
    return tool


def kind_of(path: Path) -> str:
    """Tell which tool a binary is, by its name and, for the two of one name, by the flags written in it.

    Raises:
        InputError: the name belongs to no tool.
    """
    name = path.name
    if fnmatch(name, "*.so") or fnmatch(name, "*.so.*"):
        return LIBRARY
    added = [row.tool for row in all_rows() if row.tool not in list(ToolKind)]
    known: list[str] = [*(kind for kind in ToolKind if kind not in _SAME_NAME), *HostTool, *added]
    for kind in known:
        if kind in name:
            return kind
    if "benchmark_model" in name or "benchmark_litert" in name:
        content = path.read_bytes()
        newer = any(mark in content for mark in _LITERT_MARKS)
        return ToolKind.BENCHMARK_LITERT if newer else ToolKind.BENCHMARK_MODEL
    supported = ", ".join(sorted({_file_name(kind) for kind in (*ToolKind, *HostTool, *added)}))
    raise InputError(f"{name} is not a tool that the kit knows; supported names hold one of {supported}, or end in .so")


def registered() -> list[Tool]:
    """Return the registered binaries in the order in which they were added.

    Raises:
        InputError: the registry is damaged; the message says which file to look at.
    """
    path = _registry_path()
    if not path.exists():
        return []
    found = list(records.load(Registry, path).tools)
    for tool in found:
        if not files.is_name(tool.name) or not _SHA256.fullmatch(tool.sha256):
            raise InputError(
                f"{path} names {tool.name!r} with the hash {tool.sha256[:80]!r}, which would lie outside the folder of "
                "tools; remove that entry, or the file, and add the tools again"
            )
    return found


class ToolMissing(DeviceError):  # noqa: N818 - named for what it says
    """A tool or library that a target needs is not registered, or not for the phone's ABI."""


def maker_of(kind: str) -> str:
    """Return where the makers of a tool publish it; of a user's own, what its `OwnTarget` says."""
    if kind in MAKERS:
        return MAKERS[ToolKind(kind) if kind in list(ToolKind) else HostTool(kind)]
    own = own_tool(kind)
    return "unknown" if own is None or not own.maker else str(own.maker)


def candidates(kind: str, abis: tuple[str, ...]) -> list[Tool]:
    """Return the registered tools that may be of a kind and run on the phone, best first.

    Best is the ABI that the phone prefers, then the newest. Of the two tools of one name, either may turn out to be the
    other when it is asked for its `--help`, so both are returned, likely ones first.

    Raises:
        ToolMissing: none is registered, or none for the phone's ABIs; the message says where its makers publish it.
    """
    family = _SAME_NAME if kind in _SAME_NAME else (kind,)
    found = [tool for tool in registered() if tool.kind in family]
    if not any(tool.kind == kind for tool in found):
        found = [tool for tool in found if remembered_probe(tool.sha256) is None]
    if not found:
        raise ToolMissing(f"{kind} is not registered; moga tools add PATH. Its makers publish it: {maker_of(kind)}")
    fitting = [tool for tool in reversed(found) if tool.abi in abis]
    if not fitting:
        have = ", ".join(f"{tool.name} for {tool.abi}" for tool in found)
        raise ToolMissing(
            f"the phone runs {', '.join(abis) or 'no ABI that it names'}; registered is {have}. "
            f"Register a build for the phone: {maker_of(kind)}"
        )
    return sorted(fitting, key=lambda tool: (tool.kind != kind, abis.index(tool.abi)))


def libraries(abi: str) -> list[Tool]:
    """Return the registered libraries that lie beside a tool of an ABI; those of Qualcomm's DSP always do.

    Of several of one name, the one that was added last.
    """
    found = [tool for tool in registered() if tool.kind == LIBRARY and tool.abi in (abi, "hexagon")]
    return list({tool.name: tool for tool in found}.values())


def is_replaced(tool: Tool, among: Sequence[Tool]) -> bool:
    """Return whether a library is not used any more, because another of its name and ABI was added later."""
    same = [other for other in among if (other.kind, other.name, other.abi) == (LIBRARY, tool.name, tool.abi)]
    return tool.kind == LIBRARY and bool(same) and same[-1] != tool


def unlinked(tool: Tool) -> list[str]:
    """Return the libraries that a tool is linked against and that are neither Android's nor registered.

    A library of a tool's counts as the tool itself. A phone's maker may have put one of them on the phone.
    """
    if not tool.for_android:
        return []
    beside = {item.name: item for item in libraries(tool.abi)}
    missing: list[str] = []
    waiting, seen = [tool], set[str]()
    while waiting:
        for name in read_needed(waiting.pop().path):
            if name in seen or name in _SYSTEM_LIBRARIES:
                continue
            seen.add(name)
            if name in beside:
                waiting.append(beside[name])
            else:
                missing.append(name)
    return sorted(missing)


def missing_libraries(row: TargetRow, abi: str) -> list[str]:
    """Return the names of the libraries that a target needs and that are not registered for an ABI."""
    names = [tool.name for tool in libraries(abi)]
    wanted = list(row.libraries)
    for present, further in row.with_library:
        wanted += further if present in names else ()
    return [pattern for pattern in wanted if not any(fnmatch(name, pattern) for name in names)]


def lacking(row: TargetRow, abi: str) -> str | None:
    """Return what a target needs beside its tool and what is not registered, in words; None where nothing is."""
    missing = missing_libraries(row, abi)
    if missing:
        return f"needs {', '.join(missing)} for {abi}; moga tools add PATH for each. {row.note}".rstrip()
    try:
        if row.reader is not None:
            host_tool(row.reader)
    except ToolMissing as error:
        return str(error)
    return None


def host_tool(kind: HostTool) -> Tool:
    """Return the program of this computer that was registered last.

    Raises:
        ToolMissing: none was.
    """
    found = [tool for tool in registered() if tool.kind == kind]
    if not found:
        raise ToolMissing(
            f"{kind}, which reads the tool's log on this computer, is not registered; moga tools add "
            f"$SNPE_ROOT/bin/x86_64-linux-clang/{kind}. Its makers publish it: {maker_of(kind)}"
        )
    return found[-1]


def read_help(kind: str, text: str) -> Probe:
    """Read what `--help` printed on the phone: which of two tools of one name it is, and its flags."""
    flags = tuple(dict.fromkeys(re.findall(r"(?m)^\s*-{1,2}([A-Za-z][\w-]*)", text)))
    if kind in (ToolKind.BENCHMARK_MODEL, ToolKind.BENCHMARK_LITERT) and flags:
        kind = ToolKind.BENCHMARK_LITERT if "use_npu" in flags else ToolKind.BENCHMARK_MODEL
    old = kind == ToolKind.MACE_RUN and "device" in flags
    return Probe(str(kind), flags, old)


def remembered_probe(sha256: str) -> Probe | None:
    """Return what a binary's `--help` said before, or None."""
    path = home() / "tools" / sha256 / "probe.json"
    return records.load(Probe, path) if path.exists() else None


def remember_probe(sha256: str, probe: Probe) -> None:
    """Keep what a binary's `--help` said."""
    records.save(probe, home() / "tools" / sha256 / "probe.json")


def _file_name(kind: str) -> str:
    return "benchmark_model" if kind == ToolKind.BENCHMARK_LITERT else str(kind)


def _registry_path() -> Path:
    return home() / "tools" / "registry.json"


def _write(tools: list[Tool]) -> None:
    records.save(Registry(tuple(tools)), _registry_path())
