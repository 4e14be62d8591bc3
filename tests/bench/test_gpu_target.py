"""The target tflite/gpu/float32 on this computer: timed by the wall clock, and honest about a software driver."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mogakit.bench.host import HostRunner
from mogakit.bench.measurement import Clock
from mogakit.bench.target import parse_target
from mogakit.export.artifact import Format, Precision, Role
from mogakit.export.gpu import vulkan_drivers
from mogakit.export.pipeline import export_module
from mogakit.nets.block import parse_key
from mogakit.nets.modules import build_block

CHROMIUM = Path("/usr/lib/chromium")
SWIFTSHADER = CHROMIUM / "vk_swiftshader_icd.json"
GPU = parse_target("tflite/gpu/float32")

LOAD = """
import sys
from pathlib import Path
from mogakit.bench.engines import load
from mogakit.bench.target import parse_target
engine = load(Path(sys.argv[1]), parse_target('tflite/gpu/float32'), 0)
outputs = engine.invoke()
print(engine.delegation.kind, engine.delegation.backend, outputs[0].shape)
"""


def test_the_gpu_is_timed_by_the_wall_clock_and_named_in_the_identity(monkeypatch):
    monkeypatch.setenv("VK_ICD_FILENAMES", "/opt/vk_swiftshader_icd.json")
    runner = HostRunner()
    assert runner.unsupported(GPU) is None
    assert runner.clock(GPU) is Clock.WALL
    assert runner.identity(GPU).driver == "vk_swiftshader_icd.json (software)"
    assert runner.identity(parse_target("tflite/cpu/float32")).driver == ""


def test_drivers_are_named_as_the_loader_would_find_them():
    assert vulkan_drivers({"VK_DRIVER_FILES": "/x/nvidia_icd.json:/y/lvp_icd.json"}) == (
        "nvidia_icd.json, lvp_icd.json (software)"
    )
    assert vulkan_drivers({})  # whatever is installed, or `unknown`


@pytest.mark.skipif(not SWIFTSHADER.is_file(), reason="no software Vulkan driver: Debian's chromium-common has one")
def test_a_file_is_loaded_and_called_on_a_software_gpu(tmp_path):
    module = build_block(parse_key("sep_i16o16_h112_k3s1_relu"))
    shape = (1, 16, 112, 112)
    path = export_module(module, "b", Role.FIXED, Format.TFLITE, Precision.FLOAT32, shape, tmp_path).path
    environment = {**os.environ, "VK_ICD_FILENAMES": str(SWIFTSHADER), "LD_LIBRARY_PATH": str(CHROMIUM)}
    command = [sys.executable, "-c", LOAD, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-1] == "full Vulkan: vk_swiftshader_icd.json (software) (1, 112, 112, 16)"
