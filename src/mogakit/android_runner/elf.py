"""What a binary was built for, read from its ELF header (System V ABI, chapter 4)."""

import platform
import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mogakit import records
from mogakit.errors import InputError

# e_machine and class (1: 32 bit, 2: 64 bit) to Android's name of the ABI
_ABIS = {
    (183, 2): "arm64-v8a",
    (40, 1): "armeabi-v7a",
    (62, 2): "x86_64",
    (3, 1): "x86",
    (243, 2): "riscv64",
    (164, 1): "hexagon",
}
_MACHINES = {"x86_64": "x86_64", "aarch64": "arm64-v8a", "armv7l": "armeabi-v7a", "i686": "x86", "riscv64": "riscv64"}
"""What Linux calls this computer's processor, to Android's name."""
SCRIPT = "script"
_EXECUTABLE = 2
_SHARED = 3  # also a position-independent executable, as every Android program is
_LOAD, _DYNAMIC = 1, 2  # p_type of what is mapped, and of the dynamic section
_DT_NEEDED, _DT_STRTAB = 1, 5
_LONGEST_NAME = 256
_INTERPRETER = 3  # p_type of the program header that names the dynamic loader


@dataclass(frozen=True)
class ElfInfo:
    """A binary's target: `abi` in Android's names; `interpreter` is empty for a library or a static program."""

    abi: str
    is_program: bool
    interpreter: str

    @property
    def for_android(self) -> bool:
        """Return False for a program that asks for a glibc or musl loader, which no phone has."""
        return not self.interpreter or self.interpreter.startswith("/system/")


def read_elf(path: Path) -> ElfInfo:
    """Read the header of a binary.

    Raises:
        InputError: the file is not an ELF binary, is cut short, or is built for a processor that phones do not have.
    """
    records.check_file(path, "program or library")
    with path.open("rb") as file:
        head = file.read(65536)
    if len(head) < 20 or head[:4] != b"\x7fELF":
        raise InputError(
            f"{path} is not an ELF binary; give an Android build of the tool, e.g. android_aarch64_benchmark_model"
        )
    bits = head[4]
    order = "<" if head[5] == 1 else ">"
    kind, machine = struct.unpack_from(order + "HH", head, 16)
    abi = _ABIS.get((machine, bits))
    if abi is None or kind not in (_EXECUTABLE, _SHARED):
        supported = ", ".join(_ABIS.values())
        raise InputError(
            f"{path} is an ELF file for machine {machine}, type {kind}; supported: programs for {supported}"
        )
    interpreter = _interpreter(head, bits, order)
    return ElfInfo(abi, kind == _EXECUTABLE or bool(interpreter), interpreter)


def read_host_program(path: Path) -> ElfInfo:
    """Read the header of a program that this computer can run; the ABI of a script is `script`.

    Raises:
        InputError: the file is neither a script nor an ELF program for this computer.
    """
    records.check_file(path, "program or library")
    with path.open("rb") as file:
        head = file.read(4)
    if head[:2] == b"#!":
        return ElfInfo(SCRIPT, is_program=True, interpreter="")
    own = _MACHINES.get(platform.machine()) if platform.system() == "Linux" else None
    here = f"this computer ({platform.system()} {platform.machine()})"
    advice = f"{path.name} is run on {here}: give the SDK's build for it (bin/x86_64-linux-clang) or a script"
    if head != b"\x7fELF":
        raise InputError(f"{path} is neither an ELF program nor a script that begins with #!; {advice}")
    info = read_elf(path)
    if info.abi != own or info.interpreter.startswith("/system/"):
        system = " and Android" if info.interpreter.startswith("/system/") else ""
        raise InputError(f"{path} is built for {info.abi}{system}; {advice}")
    return info


def read_needed(path: Path) -> tuple[str, ...]:
    """Return the libraries that a binary is linked against (`DT_NEEDED`), in its order.

    Empty for a static binary, and for a file whose headers point outside it.
    """
    with path.open("rb") as file, suppress(struct.error):
        head = file.read(64)
        if len(head) < 52 or head[:4] != b"\x7fELF":
            return ()
        wide, order = head[4] == 2, "<" if head[5] == 1 else ">"
        offset = struct.unpack_from(order + ("Q" if wide else "I"), head, 32 if wide else 28)[0]
        entry_size, count = struct.unpack_from(order + "HH", head, 54 if wide else 42)
        file.seek(offset)
        table = file.read(entry_size * count)
        segments = [_segment(table, index * entry_size, wide, order) for index in range(count)]
        dynamic = next((one for one in segments if one.kind == _DYNAMIC), None)
        if dynamic is None:
            return ()
        file.seek(dynamic.offset)
        pair = struct.Struct(order + ("qQ" if wide else "iI"))
        content = file.read(dynamic.num_bytes)
        entries = [pair.unpack_from(content, at) for at in range(0, len(content) - pair.size + 1, pair.size)]
        address = next((value for tag, value in entries if tag == _DT_STRTAB), None)
        if address is None:
            return ()
        loads = (one for one in segments if one.kind == _LOAD)
        holder = next((one for one in loads if 0 <= address - one.address < one.num_bytes), None)
        if holder is None:
            return ()
        start = holder.offset + address - holder.address
        return tuple(_text_at(file, start + value) for tag, value in entries if tag == _DT_NEEDED)
    return ()


@dataclass(frozen=True)
class _Segment:
    kind: int
    offset: int
    address: int
    num_bytes: int


def _segment(table: bytes, at: int, wide: bool, order: str) -> _Segment:
    """Read one program header; its fields stand in another order in a 32-bit file."""
    if wide:
        kind, _, offset, address, _, num_bytes = struct.unpack_from(order + "IIQQQQ", table, at)
    else:
        kind, offset, address, _, num_bytes = struct.unpack_from(order + "IIIII", table, at)
    return _Segment(kind, offset, address, num_bytes)


def _text_at(file: BinaryIO, offset: int) -> str:
    file.seek(offset)
    return file.read(_LONGEST_NAME).partition(b"\0")[0].decode("utf-8", "replace")


def _interpreter(head: bytes, bits: int, order: str) -> str:
    """Return the dynamic loader's path from the program headers, or "" where there is none within reach."""
    wide = bits == 2
    if len(head) < (64 if wide else 52):
        return ""
    offset = struct.unpack_from(order + ("Q" if wide else "I"), head, 32 if wide else 28)[0]
    entry_size, count = struct.unpack_from(order + "HH", head, 54 if wide else 42)
    for index in range(count):
        at = offset + index * entry_size
        if at + (56 if wide else 32) > len(head):
            return ""
        if struct.unpack_from(order + "I", head, at)[0] != _INTERPRETER:
            continue
        start = struct.unpack_from(order + ("Q" if wide else "I"), head, at + (8 if wide else 4))[0]
        size = struct.unpack_from(order + ("Q" if wide else "I"), head, at + (32 if wide else 16))[0]
        return head[start : start + size].rstrip(b"\0").decode("ascii", "replace")
    return ""
