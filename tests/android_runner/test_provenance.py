"""What computes is part of what a table is of: the tool, and every library that lies where it looks for them."""

import re
import struct
from pathlib import Path

import pytest
from phone_jobs import CPU, MakeJob, measure
from phone_simulator.binaries import Abi, Tool, elf_header, write_library, write_tool
from phone_simulator.phone import Phone

from mogakit.android_runner import deploy, tools
from mogakit.android_runner.elf import read_needed
from mogakit.android_runner.runner import PhoneOptions, open_phone
from mogakit.android_runner.tools import ToolMissing
from mogakit.bench.journal import Journal
from mogakit.bench.target import parse_target
from mogakit.errors import InputError

LIBRARIES = ("libonnxruntime.so", "libQnnHtp.so", "libhexagon_nn_skel.so", "libLiteRtDispatch.so", "libc++_shared.so")


def library(folder: Path, name: str, content: str) -> Path:
    path = write_library(folder, name)
    path.write_bytes(path.read_bytes() + content.encode())
    return path


@pytest.mark.parametrize(("name", "target"), list(zip(LIBRARIES, [CPU, "onnx/cpu/float32"] * 3, strict=False)))
def test_a_run_is_not_resumed_with_another_library(
    quick_phone: Phone, options: PhoneOptions, tmp_path: Path, name: str, target: str
) -> None:
    parsed = parse_target(target)
    first = tools.add(library(tmp_path / "a", name, "A"))
    with open_phone(quick_phone.serial, options) as runner, Journal(tmp_path / "run.db") as journal:
        journal.claim(parsed, runner.identity(parsed))
        assert f"library {name}={first.sha256[:12]}" in runner.identity(parsed).flags
    second = tools.add(library(tmp_path / "b", name, "B"))
    assert [tools.is_replaced(tool, tools.registered()) for tool in (first, second)] == [True, False]
    with (
        open_phone(quick_phone.serial, options) as runner,
        Journal(tmp_path / "run.db") as journal,
        pytest.raises(InputError, match=rf"another identity.*library {re.escape(name)}={second.sha256[:12]}"),
    ):
        journal.claim(parsed, runner.identity(parsed))


def test_a_tool_sees_its_own_libraries_and_nothing_that_another_computer_left(
    quick_phone: Phone, options: PhoneOptions, make_job: MakeJob, tmp_path: Path
) -> None:
    found: list[set[str]] = []
    for content in "AB":
        tools.add(library(tmp_path / content, "libonnxruntime.so", content))
        tools.add(library(tmp_path / content, f"lib{content}.so", content))
        with open_phone(quick_phone.serial, options) as runner:
            measure(runner, make_job("onnx/cpu/float32"))
        folders = quick_phone.host_path(f"{deploy.ROOT}/files").iterdir()
        linked_to = [[path.name for path in folder.iterdir() if path.is_symlink()] for folder in folders]
        found.append({" ".join(sorted(names)) for names in linked_to if names})
    first, second = "libA.so libonnxruntime.so", "libA.so libB.so libonnxruntime.so"
    assert found == [{first}, {first, second}]


# -- what a binary is linked against


def linked(path: Path, needed: tuple[str, ...], bits: int = 2, after: bytes = b"") -> Path:
    """Write an ELF file that has a dynamic section: one segment maps the file, at another address than its offset."""
    path.parent.mkdir(parents=True, exist_ok=True)
    wide = bits == 2
    word, base = ("Q" if wide else "I"), 0x40000
    header, entry = (64, 56) if wide else (52, 32)
    strings = b"\0" + b"".join(name.encode() + b"\0" for name in needed)
    at = header + 2 * entry
    starts = [1 + sum(len(name) + 1 for name in needed[:index]) for index in range(len(needed))]
    entries = [(1, start) for start in starts] + [(5, base + at), (0, 0)]
    dynamic = b"".join(struct.pack(f"<2{word}", *pair) for pair in entries)
    size = at + len(strings) + len(dynamic)

    def segment(kind: int, offset: int, num_bytes: int) -> bytes:
        place = (offset, base + offset, base + offset, num_bytes, num_bytes)
        return struct.pack("<IIQQQQQQ", kind, 4, *place, 8) if wide else struct.pack("<IIIIIIII", kind, *place, 4, 4)

    machine = 183 if wide else 40
    ident = b"\x7fELF" + bytes((bits, 1, 1)) + bytes(9)
    head = ident + struct.pack(f"<HHI3{word}I6H", 3, machine, 1, 0, header, 0, 0, header, entry, 2, 0, 0, 0)
    table = segment(1, 0, size) + segment(2, at + len(strings), len(dynamic))
    path.write_bytes(head + table + strings + dynamic + after)
    return path


@pytest.mark.parametrize("bits", [1, 2])
@pytest.mark.parametrize("needed", [(), ("libc.so",), ("liblog.so", "libonnxruntime.so", "libc++_shared.so")])
def test_the_libraries_of_a_binary_are_read(tmp_path: Path, bits: int, needed: tuple[str, ...]) -> None:
    path = linked(tmp_path / "libx.so", needed, bits)
    assert read_needed(path) == needed
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):  # a cut file is not a crash
        path.write_bytes(whole[:length])
        assert set(read_needed(path)) <= {*needed, *(name[:cut] for name in needed for cut in range(len(name)))}


def test_a_real_binary_of_this_computer_names_its_c_library() -> None:
    assert any(name.startswith("libc.so") for name in read_needed(Path("/bin/sh").resolve()))


def test_libraries_are_asked_for_by_name_before_the_first_run(
    quick_phone: Phone, options: PhoneOptions, tmp_path: Path
) -> None:
    stand_in = write_tool(tmp_path / "plain", Tool.ORT_PERF_TEST).read_bytes()
    tool = linked(tmp_path / "t" / "onnxruntime_perf_test", ("libc.so", "libonnxruntime.so"), after=stand_in)
    tools.add(tool)
    target = parse_target("onnx/cpu/float32")
    with open_phone(quick_phone.serial, options) as runner:
        assert "needs libonnxruntime.so" in (runner.unsupported(target) or "")
    tools.add(linked(tmp_path / "l" / "libonnxruntime.so", ("libm.so", "libc++_shared.so", "libvendor.so")))
    quick_phone.host_path("/vendor/lib64/libvendor.so").write_bytes(elf_header(Abi.ARM64))  # its maker put it there
    with open_phone(quick_phone.serial, options) as runner:
        assert "needs libc++_shared.so, which" in (runner.unsupported(target) or "")
        with pytest.raises(ToolMissing, match="moga tools add PATH for each"):
            runner.identity(target)
    assert not quick_phone.runs
    tools.add(write_library(tmp_path / "l", "libc++_shared.so"))
    with open_phone(quick_phone.serial, options) as runner:
        assert runner.unsupported(target) is None


# -- the probe


def test_a_tool_is_asked_as_it_is_run_and_a_failed_answer_is_not_kept(
    quick_phone: Phone, options: PhoneOptions, tmp_path: Path
) -> None:
    (tool,) = [one for one in tools.registered() if one.kind == Tool.ORT_PERF_TEST]
    tools.add(library(tmp_path, "libonnxruntime.so", "A"))
    quick_phone.linker_needs["onnxruntime_perf_test"] = "libhidden.so"  # opened by another library, in no header
    target = parse_target("onnx/cpu/float32")
    with open_phone(quick_phone.serial, options) as runner, pytest.raises(Exception, match=r"register libhidden\.so"):
        runner.identity(target)
    assert tools.remembered_probe(tool.sha256) is None
    tools.add(library(tmp_path, "libhidden.so", "A"))
    with open_phone(quick_phone.serial, options) as runner:
        runner.identity(target)
    found = tools.remembered_probe(tool.sha256)
    assert found is not None
    assert "e" in found.flags
    assert not list(quick_phone.host_path(f"{deploy.ROOT}/files").glob("*.part"))
