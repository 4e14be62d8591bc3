"""The simulated benchmark_model says what Google's own one says, line by line: numbers and loaders' words aside."""

import re
from collections import Counter
from pathlib import Path

import pytest
from phone_simulator.adb_server import AdbServer
from phone_simulator.binaries import Tool, write_tool
from phone_simulator.faults import Fault
from phone_simulator.fixtures import MakePhone
from phone_simulator.flagtables import CLASSIC
from phone_simulator.phone import Phone
from phone_simulator.profiles import PIXEL_6

from mogakit.export.artifact import Format, Precision
from mogakit.flows.deploy.export import export_parts
from mogakit.nets.spaces import get_space

SAMPLES = Path(__file__).parent / "data" / "benchmark_model_android"
RUN = "--num_runs=5 --min_secs=0.1 --num_threads=1"

# what glibc's loader says where bionic's says something else, and what only hangs on the phone's other libraries
DLOPEN = re.compile(r"(?<=on this device - ).*|(?<=libhexagon_interface\.so, Error: ).*")
ABSENT = re.compile(r"OpenCL library with dlopen|nnapi error|NNAPI accelerators available|VERBOSE: Replacing")
"""Attempts to open libraries, which a phone's vendor decides, and the number of nodes, which is the file's."""


def run_tool(server: AdbServer, phone: Phone, folder: Path, flags: str) -> str:
    """Push the tool and a block, run it, and return both of its streams."""
    blocks = get_space("moga").choice_blocks[-12:-11]
    (artifact,) = export_parts(blocks, (), [Format.TFLITE], Precision.FLOAT32, folder / "files")
    device = server.client().device(phone.serial)
    device.sync.push(write_tool(folder, Tool.BENCHMARK_MODEL, "2026"), "/data/local/tmp/benchmark_model", 0o755)
    device.sync.push(artifact.path, "/data/local/tmp/block.tflite")
    answer = device.shell2(f"/data/local/tmp/benchmark_model {flags}", v2=True, timeout=30.0)
    return str(answer.stdout) + str(answer.stderr)


def skeleton(text: str) -> Counter[str]:
    """Return the lines with every number replaced; standard output and error may be mixed in any order."""
    lines = (DLOPEN.sub("...", line) for line in text.splitlines() if line.strip() and not ABSENT.search(line))
    bare = (re.sub(r"(?<![A-Za-z])[\d.]+(e\+\d+)?", "#", line) for line in lines)
    stats = (re.sub(r"count=#.*", "count=#", line) for line in bare)
    return Counter(re.sub(r"\[[^]]*\.tflite\]|\S*\.tflite'?", "FILE", line) for line in stats)


@pytest.mark.parametrize(
    ("sample", "flags", "fault"),
    [
        ("cpu_xnnpack", "--use_xnnpack=true", None),
        ("unknown_flag", "--no_such_flag=1", None),
        ("gpu_opencl", "--use_gpu=true --gpu_backend=cl", None),
        ("gpu_fell_back_to_opengl", "--use_gpu=true", Fault.NO_OPENCL),
        ("gpu_cl_forced_refused", "--use_gpu=true --gpu_backend=cl", Fault.NO_OPENCL),
        ("hexagon_missing", "--use_hexagon=true", None),
        ("nnapi_missing", "--use_nnapi=true --nnapi_accelerator_name=google-edgetpu", Fault.DELEGATE_NOT_CREATED),
    ],
)
def test_it_prints_the_lines_of_the_real_tool(
    adb_server: AdbServer, make_phone: MakePhone, tmp_path: Path, sample: str, flags: str, fault: Fault | None
) -> None:
    phone = make_phone(PIXEL_6, time_scale=0.0)
    if fault is not None:
        phone.faults.add(fault)
    said = run_tool(adb_server, phone, tmp_path, f"--graph=/data/local/tmp/block.tflite {RUN} {flags}")
    assert skeleton(said) == skeleton((SAMPLES / f"{sample}.txt").read_text())


def test_a_missing_file_is_reported_as_by_the_real_tool(
    adb_server: AdbServer, make_phone: MakePhone, tmp_path: Path
) -> None:
    phone = make_phone(PIXEL_6, time_scale=0.0)
    said = run_tool(adb_server, phone, tmp_path, f"--graph=/data/local/tmp/nothere.tflite {RUN}")
    assert skeleton(said) == skeleton((SAMPLES / "no_file.txt").read_text())


def test_its_flags_and_their_defaults_are_those_of_the_real_tools_help() -> None:
    text = (SAMPLES / "help.txt").read_text()
    real = {}
    for name, default, kind in re.findall(r"^\t--([\w-]+)=(.*?)\s*\t(\w+)\toptional", text, re.MULTILINE):
        value = {"bool": lambda v: v == "true", "int32": int, "float": float, "string": str}[kind](default)
        real.setdefault(name, value)
    assert CLASSIC["2025"] == real
