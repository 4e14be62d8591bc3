"""Operators of a file, timed by the runtimes' own profilers on this computer."""

from collections import Counter
from pathlib import Path

import pytest

from mogakit.bench import operator_times
from mogakit.bench.host import HostRunner
from mogakit.bench.runner import Job
from mogakit.bench.target import parse_target
from mogakit.errors import InputError, MeasurementError
from mogakit.export.artifact import Artifact, Format, Precision
from mogakit.flows.deploy.export import export_network
from mogakit.nets.resolve import resolve

NETWORK = resolve("mobilenet-v2", 0.5, 64, 10)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Artifact]:
    folder = tmp_path_factory.mktemp("files")
    written = export_network(NETWORK, [Format.TFLITE, Format.ONNX], Precision.FLOAT32, folder)
    return {one.format.value: one for one in written} | {
        "int8": export_network(NETWORK, [Format.TFLITE], Precision.INT8, folder / "int8")[0]
    }


@pytest.mark.parametrize(
    ("file", "target", "convolution"),
    [
        ("tflite", "tflite/cpu/float32", "Convolution"),
        ("int8", "tflite/cpu/int8,threads=2", "Convolution"),
        ("onnx", "onnx/cpu/float32", "Conv"),
    ],
)
def test_every_convolution_of_a_network_is_timed(
    files: dict[str, Artifact], file: str, target: str, convolution: str
) -> None:
    """Stem, three convolutions a block (two where nothing expands), the last 1x1 and the linear layer."""
    found = HostRunner().profile_operators(Job(files[file], parse_target(target)))
    blocks = [block for block in NETWORK.blocks if block.op.value in ("mb", "sep")]
    expected = 1 + sum(3 if block.op.value == "mb" else 2 for block in blocks) + 2
    kinds = Counter(
        "product" if convolution in one.op_type or "Gemm" in one.op_type or "Fully" in one.op_type else "other"
        for one in found
    )
    assert kinds["product"] == expected
    assert all(one.avg_ms >= 0 and one.name for one in found)
    assert sum(one.avg_ms for one in found) > 0


def test_what_the_delegate_leaves_has_its_own_type(tmp_path: Path) -> None:
    columns = "0.000      0.096      0.093     0.153%     0.153%      0.000             20"
    text = f"""
=========== Run Order ===========
             [node type]    [start]    [first]   [avg ms]        [%]     [cdf%]   [mem KB] [times called]   [Name]
   Delegate/Convolution (NHWC, F32) IGEMM      {columns}   [Delegate]:0
                                     GELU      {columns.replace("0.093", "0.009")}   [y]:7

=========== Top by Computation Time ===========
                                     GELU      {columns}   [y]:7
"""
    rows = operator_times.parse_summary(text)
    assert [(one.op_type, one.name, one.avg_ms) for one in rows] == [
        ("Convolution (NHWC, F32) IGEMM", "[Delegate]:0", 0.093),
        ("GELU", "[y]:7", 0.009),
    ]


def test_a_file_that_does_not_run_is_an_error_with_its_reason(tmp_path: Path, files: dict[str, Artifact]) -> None:
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(files["tflite"].path.read_bytes()[:2000])
    job = Job(Artifact(**{**vars(files["tflite"]), "path": broken}), parse_target("tflite/cpu/float32"))
    with pytest.raises(MeasurementError, match="broken"):
        HostRunner().profile_operators(job)


def test_targets_without_a_profiler_are_rejected_by_name(files: dict[str, Artifact]) -> None:
    with pytest.raises(InputError, match="leave out xnnpack=off"):
        HostRunner().profile_operators(Job(files["tflite"], parse_target("tflite/cpu/float32,xnnpack=off")))
    with pytest.raises(InputError, match="cpu targets have one"):
        HostRunner().profile_operators(Job(files["tflite"], parse_target("tflite/gpu/float32")))
