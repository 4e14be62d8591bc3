"""Files that stand for a measuring tool's binary: a valid ELF header, and which tool in which version they play."""

import json
import struct
from enum import StrEnum
from pathlib import Path

_MARK = b"simulated tool: "
_SIZE = 8192


class Tool(StrEnum):
    """The tools that can be played, by the names of their binaries."""

    BENCHMARK_MODEL = "benchmark_model"
    MACE_RUN = "mace_run"
    ORT_PERF_TEST = "onnxruntime_perf_test"
    SNPE_THROUGHPUT = "snpe-throughput-net-run"
    SNPE_NET_RUN = "snpe-net-run"


class Abi(StrEnum):
    """Instruction sets, as Android calls them."""

    ARM64 = "arm64-v8a"
    ARM = "armeabi-v7a"
    X86_64 = "x86_64"
    X86 = "x86"


_MACHINES = {Abi.ARM64: (2, 183), Abi.ARM: (1, 40), Abi.X86_64: (2, 62), Abi.X86: (1, 3)}

VERSIONS: dict[Tool, tuple[str, ...]] = {
    Tool.BENCHMARK_MODEL: ("2020", "2024", "2026", "litert"),
    Tool.MACE_RUN: ("1.0.4", "1.1.1"),
    Tool.ORT_PERF_TEST: ("1.15", "1.22"),
    Tool.SNPE_THROUGHPUT: ("2.20",),
    Tool.SNPE_NET_RUN: ("2.20",),
}
"""Per tool the versions whose output differs, oldest first; "litert" is the newer tool that is called the same."""


def elf_header(abi: Abi) -> bytes:
    """Return the first bytes of a little-endian, position-independent executable of `abi`."""
    bits, machine = _MACHINES[abi]
    ident = b"\x7fELF" + bytes((bits, 1, 1)) + bytes(9)
    address = "Q" if bits == 2 else "I"
    sizes = (64, 56, 0, 64, 0, 0) if bits == 2 else (52, 32, 0, 40, 0, 0)
    return ident + struct.pack(f"<HHI3{address}I6H", 3, machine, 1, 0, sizes[0], 0, 0, *sizes)


def tool_bytes(tool: Tool, version: str = "", abi: Abi = Abi.ARM64) -> bytes:
    """Return the bytes of a stand-in for `tool` (latest version where none is named)."""
    return (elf_header(abi) + mark(tool, version, abi)).ljust(_SIZE, b"\0")


def mark(tool: Tool, version: str, abi: Abi) -> bytes:
    """Return what makes a binary a stand-in for a tool (latest version where none is named)."""
    version = version or {Tool.BENCHMARK_MODEL: "2026"}.get(tool, VERSIONS[tool][-1])
    if version not in VERSIONS[tool]:
        raise ValueError(f"{tool} is played in versions {VERSIONS[tool]}, not {version!r}")
    text = {"tool": tool, "version": version, "abi": abi, "strings": " use_npu" if version == "litert" else ""}
    return _MARK + json.dumps(text).encode() + b"\n"


def write_tool(folder: Path, tool: Tool, version: str = "", abi: Abi = Abi.ARM64) -> Path:
    """Write a stand-in for `tool` into `folder`, executable, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / str(tool)
    path.write_bytes(tool_bytes(tool, version, abi))
    path.chmod(0o755)
    return path


def write_library(folder: Path, name: str, abi: Abi = Abi.ARM64) -> Path:
    """Write a stand-in for a shared library, such as `libQnnTFLiteDelegate.so`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes((elf_header(abi) + name.encode()).ljust(_SIZE, b"\0"))
    return path


def identify(data: bytes) -> dict[str, str] | None:
    """Return which tool, version and ABI a stand-in plays, or None for any other file."""
    start = data.rfind(_MARK)
    if start < 0:
        return None
    found: dict[str, str] = json.loads(data[start + len(_MARK) :].split(b"\n")[0])
    return found
