"""Tools are the user's: registered by what their ELF header says, fetched from their makers, never guessed."""

import http.server
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mogakit import records
from mogakit.android_runner import fetch, tools
from mogakit.android_runner.elf import read_elf
from mogakit.android_runner.home import home
from mogakit.android_runner.targets import ToolKind, find_row
from mogakit.bench.target import parse_target
from mogakit.errors import InputError
from mogakit.progress import silent


def elf(machine: int, bits: int = 2, extra: bytes = b"", interpreter: str = "") -> bytes:
    """Return a small ELF file: header, one program header where there is an interpreter, and `extra`."""
    wide = bits == 2
    header_size, entry_size = (64, 56) if wide else (52, 32)
    name = interpreter.encode() + b"\0"
    offset = header_size + entry_size
    if wide:
        program = struct.pack("<IIQQQQQQ", 3, 4, offset, 0, 0, len(name), len(name), 1)
    else:
        program = struct.pack("<8I", 3, offset, 0, 0, len(name), len(name), 4, 1)
    address = "Q" if wide else "I"
    rest = struct.pack(
        f"<HHI3{address}I6H",
        3,
        machine,
        1,
        0,
        header_size,
        0,
        0,
        header_size,
        entry_size,
        int(bool(interpreter)),
        0,
        0,
        0,
    )
    data = b"\x7fELF" + bytes((bits, 1, 1)) + bytes(9) + rest
    return data + (program + name if interpreter else b"") + extra


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOGA_HOME", str(tmp_path / "home"))


def binary(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("machine", "bits", "abi"),
    [(183, 2, "arm64-v8a"), (40, 1, "armeabi-v7a"), (62, 2, "x86_64"), (3, 1, "x86"), (164, 1, "hexagon")],
)
@pytest.mark.parametrize(
    ("interpreter", "android"), [("/system/bin/linker64", True), ("/lib/ld-linux-aarch64.so.1", False), ("", True)]
)
def test_the_header_tells_the_abi_and_the_system(
    tmp_path: Path, machine: int, bits: int, abi: str, interpreter: str, android: bool
) -> None:
    info = read_elf(binary(tmp_path, "x", elf(machine, bits, interpreter=interpreter)))
    assert (info.abi, info.interpreter, info.for_android) == (abi, interpreter, android)


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"#!/bin/sh\n" * 10, elf(8), b"MZ" + bytes(100)])
def test_what_is_no_binary_for_a_phone_is_rejected(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(InputError):
        tools.add(binary(tmp_path, "benchmark_model", content))
    assert tools.registered() == []


def test_a_tool_is_kept_under_its_hash_and_found_by_abi(tmp_path: Path) -> None:
    old = tools.add(binary(tmp_path, "android_aarch64_benchmark_model", elf(183, extra=b"old")))
    new = tools.add(binary(tmp_path, "benchmark_model", elf(183, extra=b"new")))
    arm = tools.add(binary(tmp_path, "benchmark_model", elf(40, 1)))
    assert (old.name, old.kind, old.abi) == ("benchmark_model", ToolKind.BENCHMARK_MODEL, "arm64-v8a")
    assert old.path.read_bytes() == elf(183, extra=b"old")
    best = tools.candidates(ToolKind.BENCHMARK_MODEL, ("arm64-v8a", "armeabi-v7a"))
    assert [tool.sha256 for tool in best] == [new.sha256, old.sha256, arm.sha256]
    assert tools.candidates(ToolKind.BENCHMARK_MODEL, ("armeabi-v7a",)) == [arm]


def test_adding_the_same_binary_twice_registers_it_once(tmp_path: Path) -> None:
    path = binary(tmp_path, "mace_run", elf(183))
    tools.add(path)
    tools.add(path)
    assert [tool.kind for tool in tools.registered()] == [ToolKind.MACE_RUN]


def test_a_wrong_abi_is_rejected_by_name(tmp_path: Path) -> None:
    tools.add(binary(tmp_path, "mace_run", elf(62)))
    with pytest.raises(
        tools.ToolMissing, match=r"the phone runs arm64-v8a, armeabi-v7a; registered is mace_run for x86_64"
    ):
        tools.candidates(ToolKind.MACE_RUN, ("arm64-v8a", "armeabi-v7a"))


@pytest.mark.parametrize("kind", list(ToolKind))
def test_a_missing_tool_says_where_its_makers_publish_it(kind: ToolKind) -> None:
    with pytest.raises(tools.ToolMissing) as caught:
        tools.candidates(kind, ("arm64-v8a",))
    assert tools.MAKERS[kind] in str(caught.value)


def test_an_unknown_name_is_rejected_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"mace_run, onnxruntime_perf_test, snpe-diagview, snpe-net-run"):
        tools.add(binary(tmp_path, "my_tool", elf(183)))


def test_the_two_tools_of_one_name_are_told_apart(tmp_path: Path) -> None:
    newer = tools.add(binary(tmp_path, "benchmark_model", elf(183, extra=b"--use_npu=false")))
    assert newer.kind == ToolKind.BENCHMARK_LITERT
    help_text = "\t--use_npu=false\tbool\toptional\n\t--gpu-precision=auto\tstring\toptional\n"
    probe = tools.read_help(ToolKind.BENCHMARK_MODEL, help_text)
    assert (probe.kind, probe.flags) == (ToolKind.BENCHMARK_LITERT, ("use_npu", "gpu-precision"))
    assert tools.read_help(ToolKind.BENCHMARK_LITERT, "\t--use_gpu=false\tbool\n").kind == ToolKind.BENCHMARK_MODEL


def test_the_generation_of_mace_run_is_told_by_its_device_flag() -> None:
    assert tools.read_help(ToolKind.MACE_RUN, "    -device (CPU/GPU) type: string default: GPU\n").old_containers
    assert not tools.read_help(ToolKind.MACE_RUN, "    -round (round) type: int32 default: 1\n").old_containers


def test_libraries_of_a_target_and_those_that_are_missing(tmp_path: Path) -> None:
    row = find_row(parse_target("tflite/htp/int8,delegate=qnn"))
    assert tools.missing_libraries(row, "arm64-v8a") == ["libQnnTFLiteDelegate.so", "libQnnHtp.so"]
    for name, machine in (("libQnnTFLiteDelegate.so", 183), ("libQnnHtp.so", 183), ("libQnnHtpV73Skel.so", 164)):
        tools.add(binary(tmp_path, name, elf(machine, 1 if machine == 164 else 2, extra=name.encode())))
    names = [tool.name for tool in tools.libraries("arm64-v8a")]
    assert names == ["libQnnTFLiteDelegate.so", "libQnnHtp.so", "libQnnHtpV73Skel.so"]
    assert tools.missing_libraries(row, "arm64-v8a") == []
    assert tools.missing_libraries(row, "armeabi-v7a") == ["libQnnTFLiteDelegate.so", "libQnnHtp.so"]


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves one tool; `/short` breaks off, anything else is not found."""

    content = elf(183, extra=b"tool" * 200_000)

    def do_GET(self) -> None:
        if self.path not in ("/tool", "/short", "/html"):
            self.send_error(404)
            return
        body = b"<html>sorry</html>" if self.path == "/html" else self.content
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if self.path == "/short" else body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_fetching_shows_progress_and_records_hash_and_source(address: str) -> None:
    seen: list[tuple[int, int]] = []
    tool = fetch.fetch("benchmark_model", f"{address}/tool", lambda done, total, note: seen.append((done, total)))
    assert tool.path.read_bytes() == Handler.content
    assert (tool.source, tool.versioned) == (f"{address}/tool", False)
    assert seen[-1] == (len(Handler.content), len(Handler.content))
    assert len(seen) > 2
    assert tools.registered() == [tool]


@pytest.mark.parametrize(("page", "said"), [("/short", "broke off|IncompleteRead"), ("/nothing", "404")])
def test_a_failed_download_registers_nothing(address: str, page: str, said: str) -> None:
    with pytest.raises(fetch.FetchError, match=said):
        fetch.fetch("benchmark_model", address + page, silent)
    assert tools.registered() == []


@pytest.mark.parametrize(
    ("name", "sha256"), [("../../evil", "0" * 64), ("a/b", "0" * 64), ("ok", "../../.."), ("", "0")]
)
def test_a_registry_that_names_something_outside_is_rejected(name: str, sha256: str) -> None:
    tool = tools.Tool(
        kind="library",
        name=name,
        abi="arm64-v8a",
        sha256=sha256,
        num_bytes=1,
        source="x",
        added_at="2026-01-01T00:00:00",
    )
    records.save(tools.Registry((tool,)), home() / "tools" / "registry.json")
    with pytest.raises(InputError, match="outside the folder of tools"):
        tools.registered()


def test_a_download_that_never_ends_is_broken_off(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "MAX_BYTES", 10)
    with pytest.raises(fetch.FetchError, match="holds more than"):
        fetch.fetch("benchmark_model", f"{address}/tool", silent)
    assert tools.registered() == []


def test_a_page_instead_of_a_binary_is_rejected(address: str) -> None:
    with pytest.raises(InputError, match="not an ELF binary"):
        fetch.fetch("benchmark_model", f"{address}/html", silent)
    assert tools.registered() == []


def test_only_what_has_an_address_can_be_fetched() -> None:
    with pytest.raises(InputError, match="mace_run cannot be fetched; supported: benchmark_model"):
        fetch.fetch("mace_run", None, silent)
    with pytest.raises(InputError, match="not a web address"):
        fetch.fetch("benchmark_model", "file:///etc/passwd", silent)


def test_a_damaged_registry_is_named(tmp_path: Path) -> None:
    path = tmp_path / "home" / "tools" / "registry.json"
    path.parent.mkdir(parents=True)
    path.write_text("{")
    with pytest.raises(InputError, match=r"registry\.json is not JSON"):
        tools.registered()
