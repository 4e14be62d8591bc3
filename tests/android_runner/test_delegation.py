"""A CPU time under the name of an accelerator is never full delegation."""

from pathlib import Path

import pytest

from mogakit.android_runner import delegation
from mogakit.android_runner.delegation import GPU, HEXAGON, NNAPI, QNN, XNNPACK, Delegate
from mogakit.bench.measurement import DelegationKind as Kind

DATA = Path(__file__).parent / "data"


@pytest.mark.parametrize(
    ("delegate", "lines", "kind", "nodes", "partitions", "backend"),
    [
        (
            GPU,
            "Explicitly applied GPU delegate, and the model graph will be completely executed by the delegate.",
            Kind.FULL,
            None,
            None,
            "GPU",
        ),
        (
            GPU,
            "VERBOSE: Replacing 31 out of 31 node(s) with delegate (TfLiteGpuDelegateV2) node, yielding 1 partitions "
            "for subgraph 0 (main).\nINFO: Initialized OpenGL-based API.\nINFO: Explicitly applied GPU delegate, and "
            "the model graph will be completely executed by the delegate.",
            Kind.FULL,
            (31, 31),
            1,
            "OpenGL",
        ),
        (
            NNAPI,
            "Explicitly applied NNAPI delegate, and the model graph will be partially executed by the delegate w/ 44 "
            "delegate kernels.",
            Kind.PARTIAL,
            None,
            44,
            "NNAPI",
        ),
        (
            NNAPI,
            "Though NNAPI delegate is explicitly applied, the model graph will not be executed by the delegate.",
            Kind.NONE,
            None,
            None,
            None,
        ),
        (GPU, "WARN: GPU acceleration is unsupported on this platform.", Kind.NONE, None, None, None),
        (
            XNNPACK,
            "Replacing 269 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 13 partitions.",
            Kind.UNKNOWN,
            (269, None),
            13,
            "XNNPACK",
        ),
        (
            GPU,
            "VERBOSE: Replacing 60 out of 71 node(s) with delegate (TfLiteGpuDelegateV2) node, yielding 3 partitions "
            "for subgraph 0.\nVERBOSE: Replacing 11 out of 12 node(s) with delegate (TfLiteXNNPackDelegate) node, "
            "yielding 1 partitions for subgraph 0.",
            Kind.PARTIAL,
            (60, 71),
            3,
            "GPU",
        ),
        (
            QNN,
            "INFO: EXTERNAL delegate created.\nINFO: TfLiteQnnDelegate delegate: 0 nodes delegated out of 31 nodes "
            "with 0 partitions.\nThough EXTERNAL delegate is explicitly applied, the model graph will not be executed "
            "by the delegate.",
            Kind.NONE,
            (0, 31),
            0,
            None,
        ),
        (
            HEXAGON,
            "WARN: Could not create Hexagon delegate: platform may not support delegate or required libraries are "
            "missing",
            Kind.NONE,
            None,
            None,
            None,
        ),
        (
            GPU,
            "Explicitly applied GPU delegate, and the model graph will be completely executed by the delegate.\n"
            "Node number 390 (TfLiteGpuDelegateV2) failed to prepare.\n"
            "Restored original execution plan after delegate application failure.",
            Kind.NONE,
            None,
            None,
            None,
        ),
        (
            GPU,
            "Following operations are not supported by GPU delegate:\nARG_MAX: Operation is not supported.\n"
            "164 operations will run on the GPU, and the remaining 2 operations will run on the CPU.",
            Kind.PARTIAL,
            (164, 166),
            1,
            "GPU",
        ),
        (
            GPU,
            "Applied GPU delegate, and the model graph will be completely executed w/ the delegate.",
            Kind.FULL,
            None,
            None,
            "GPU",
        ),
        (GPU, "", Kind.NONE, None, None, None),
    ],
)
def test_the_worst_line_counts(
    delegate: Delegate,
    lines: str,
    kind: Kind,
    nodes: tuple[int, int | None] | None,
    partitions: int | None,
    backend: str | None,
) -> None:
    verdict = delegation.tflite_verdict(lines, delegate)
    assert verdict.kind is kind
    assert (verdict.nodes_delegated, verdict.nodes_total) == (nodes or (None, None))
    assert (verdict.num_partitions, verdict.backend) == (partitions, backend)
    assert (kind is not Kind.NONE) or verdict.reason


def test_a_missing_opencl_library_is_named() -> None:
    text = (
        'ERROR: Can not open OpenCL library on this device - dlopen failed: library "libOpenCL.so" not found\n'
        "ERROR: Falling back to OpenGL\nINFO: Initialized OpenGL-based API.\n"
        "Explicitly applied GPU delegate, and the model graph will be completely executed by the delegate.\n"
    )
    verdict = delegation.tflite_verdict(text, GPU)
    assert (verdict.kind, verdict.backend) == (Kind.FULL, "OpenGL")
    assert "libOpenCL.so" in (verdict.reason or "")


def test_a_repeated_line_counts_its_nodes_once() -> None:
    line = "Replacing 31 out of 31 node(s) with delegate (TfLiteGpuDelegateV2) node, yielding 1 partitions.\n"
    assert delegation.tflite_verdict(line * 3, GPU).nodes_delegated == 31


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("NNAPI accelerators available: [google-edgetpu,nnapi-reference]", ("google-edgetpu", "nnapi-reference")),
        ("INFO: NNAPI accelerators available: [nnapi-reference]", ("nnapi-reference",)),
        ("nothing about it", None),
    ],
)
def test_accelerators(text: str, names: tuple[str, ...] | None) -> None:
    assert delegation.accelerators(text) == names


def test_ignored_flags_are_found() -> None:
    text = "WARN: Unconsumed cmdline flags: --gpu_wait_type=active --x=1\n"
    assert delegation.ignored_flags(text) == "--gpu_wait_type=active --x=1"


@pytest.mark.parametrize(
    ("name", "hardware", "kind"),
    [
        ("mace_run_cpu_run.txt", "cpu", Kind.NOT_ASKED),
        ("mace_run_gpu_pocl_benchmark.txt", "gpu", Kind.FULL),
        ("mace_run_cpu_run.txt", "gpu", Kind.NONE),
        ("mace_run_v1.0.4_cpu_run.txt", "gpu", Kind.NONE),
    ],
)
def test_where_mace_run_ran(name: str, hardware: str, kind: Kind) -> None:
    assert delegation.mace_verdict((DATA / name).read_text(), hardware).kind is kind


def test_mace_operators_that_fall_back_make_it_partial() -> None:
    text = (DATA / "mace_run_gpu_pocl_benchmark.txt").read_text()
    text = "W mace/core/net.cc:1] Op /x/MatMul(MatMul) fall back to CPU\n" + text
    verdict = delegation.mace_verdict(text, "gpu")
    assert (verdict.kind, "1 operator" in (verdict.reason or "")) == (Kind.PARTIAL, True)
