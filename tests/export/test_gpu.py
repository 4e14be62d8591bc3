"""The GPU of this computer, or a software one: function only, never time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mogakit.errors import MeasurementError
from mogakit.export.artifact import Format, Precision, Role
from mogakit.export.gpu import GpuModel
from mogakit.export.pipeline import export_module
from mogakit.nets.block import parse_key
from mogakit.nets.modules import build_block

CHROMIUM = Path("/usr/lib/chromium")
SWIFTSHADER = CHROMIUM / "vk_swiftshader_icd.json"

COMPARE = """
import sys
import numpy as np
from pathlib import Path
from mogakit.export.artifact import Format
from mogakit.export.gpu import GpuModel
from mogakit.export.run import run
path, shape = Path(sys.argv[1]), tuple(map(int, sys.argv[2].split(',')))
x = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
model = GpuModel(path)
got, = model.run([x])
model.close()
wanted, = run(path, Format.TFLITE, [x])
print('relative', float(np.abs(got - wanted).max() / np.abs(wanted).max()))
"""


@pytest.fixture(scope="module")
def block_file(tmp_path_factory):
    module = build_block(parse_key("mb_i40e120o80_h28_k3s2_hswish_se30"))
    folder = tmp_path_factory.mktemp("gpu")
    shape = (1, 40, 28, 28)
    return export_module(module, "block", Role.CHOICE, Format.TFLITE, Precision.FLOAT32, shape, folder).path


@pytest.mark.skipif(not SWIFTSHADER.is_file(), reason="no software Vulkan driver: Debian's chromium-common has one")
def test_a_block_runs_wholly_on_the_gpu_and_agrees_with_the_cpu(block_file):
    # The Vulkan loader reads its environment when the process starts, hence a process of its own.
    environment = {**os.environ, "VK_ICD_FILENAMES": str(SWIFTSHADER), "LD_LIBRARY_PATH": str(CHROMIUM)}
    command = [sys.executable, "-c", COMPARE, str(block_file), "1,28,28,40"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert float(done.stdout.split()[-1]) <= 1e-5


def test_without_a_driver_the_error_says_what_to_install(block_file):
    program = f"from pathlib import Path; from mogakit.export.gpu import GpuModel; GpuModel(Path({str(block_file)!r}))"
    environment = {**os.environ, "VK_ICD_FILENAMES": "/nonexistent", "LD_LIBRARY_PATH": "/nonexistent"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=False)
    if done.returncode == 0:
        pytest.skip("this computer has a GPU that needs no driver file")
    assert "chromium-common" in done.stderr


def test_a_file_that_is_no_model_is_an_error(tmp_path):
    (tmp_path / "x.tflite").write_bytes(b"nothing")
    with pytest.raises(MeasurementError, match=r"x\.tflite"):
        GpuModel(tmp_path / "x.tflite")
