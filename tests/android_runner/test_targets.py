"""Targets are rows: what is asked for finds its tool and flags; what is not possible is rejected, with what is."""

import pytest

from mogakit.android_runner.targets import ROWS, ToolKind, check_file, find_row
from mogakit.bench.target import parse_target
from mogakit.errors import InputError
from mogakit.export.artifact import Format, Precision


@pytest.mark.parametrize(
    ("text", "tool", "flag"),
    [
        ("tflite/cpu/float32", ToolKind.BENCHMARK_MODEL, "--use_xnnpack=true"),
        ("tflite/cpu/float32,xnnpack=on", ToolKind.BENCHMARK_MODEL, "--use_xnnpack=true"),
        ("tflite/cpu/float32,xnnpack=off", ToolKind.BENCHMARK_MODEL, "--use_xnnpack=false"),
        ("tflite/cpu/int8,threads=4,cpus=all", ToolKind.BENCHMARK_MODEL, "--num_threads={threads}"),
        ("tflite/gpu/float16,backend=cl", ToolKind.BENCHMARK_MODEL, "--use_gpu=true"),
        ("tflite/gpu/float16,tool=litert", ToolKind.BENCHMARK_LITERT, "--require_full_delegation=true"),
        ("tflite/npu/int8", ToolKind.BENCHMARK_LITERT, "--use_npu=true"),
        ("tflite/nnapi/int8,accelerator=qti-dsp", ToolKind.BENCHMARK_MODEL, "--nnapi_accelerator_name={accelerator}"),
        ("tflite/edgetpu/int8", ToolKind.BENCHMARK_MODEL, "--nnapi_accelerator_name=google-edgetpu"),
        ("tflite/dsp/int8", ToolKind.BENCHMARK_MODEL, "--use_hexagon=true"),
        (
            "tflite/gpu/float16,delegate=qnn",
            ToolKind.BENCHMARK_MODEL,
            "--external_delegate_path={libs}/libQnnTFLiteDelegate.so",
        ),
        ("mace/cpu/float32", ToolKind.MACE_RUN, "--num_threads={threads}"),
        ("mace/gpu/float16", ToolKind.MACE_RUN, "--gpu_perf_hint=3"),
        ("onnx/cpu/float32", ToolKind.ORT_PERF_TEST, "cpu"),
        ("onnx/nnapi/float32", ToolKind.ORT_PERF_TEST, "session.disable_cpu_ep_fallback|1"),
        ("onnx/htp/int8", ToolKind.ORT_PERF_TEST, "qnn"),
        ("snpe/dsp/int8", ToolKind.SNPE_THROUGHPUT, "--use_dsp"),
        ("snpe/gpu/float32", ToolKind.SNPE_THROUGHPUT, "--use_gpu"),
        ("snpe/gpu/float16", ToolKind.SNPE_THROUGHPUT, "--use_gpu_fp16"),
        ("snpe/dsp/uint8,tool=net-run", ToolKind.SNPE_NET_RUN, "--use_dsp"),
        ("snpe/gpu/float32,tool=net-run,input=1x8", ToolKind.SNPE_NET_RUN, "--use_gpu"),
        ("snpe/gpu/float16,tool=net-run,input=1x8", ToolKind.SNPE_NET_RUN, "--use_gpu --gpu_mode float16"),
    ],
)
def test_a_target_finds_its_row(text: str, tool: ToolKind, flag: str) -> None:
    target = parse_target(text)
    row = find_row(target)
    assert row.tool is tool
    flags = " ".join((*row.flags_always, *row.flags.get(target.precision, ()), ""))
    assert f"{flag} " in flags


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tflite/nnapi/int8", "accelerator="),
        ("tflite/htp/int8", "delegate=qnn"),
        ("tflite/edgetpu/float32", "int8|uint8"),
        ("tflite/gpu/float16,cpus=big", "supported: "),
        ("mace/dsp/int8", "supported beginnings: "),
        ("onnx/cpu/float16", "float32|int8"),
    ],
)
def test_what_is_not_possible_is_rejected_with_the_legal_ones(text: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        find_row(parse_target(text))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("onnx/cpu/int8", "export it with --precision int8"),
        ("onnx/nnapi/int8", "export it with --precision int8"),
        ("onnx/htp/int8", "export it with --precision int8"),
        ("onnx/htp/uint8", "quantise one and give that file"),  # the kit writes none with such ends
    ],
)
def test_an_integer_onnx_target_takes_the_kits_file_or_the_users_own(text: str, advice: str) -> None:
    target = parse_target(text)
    row = find_row(target)
    check_file(target, row, Format.ONNX, Precision.UINT8, "theirs.onnx")
    if target.precision is Precision.INT8:
        check_file(target, row, Format.ONNX, Precision.INT8, "net.int8.onnx")
    with pytest.raises(InputError, match=f"is a float32 file and .* {advice}"):
        check_file(target, row, Format.ONNX, Precision.FLOAT32, "net.onnx")


def test_an_integer_target_refuses_a_float_file() -> None:
    target = parse_target("tflite/edgetpu/int8")
    with pytest.raises(
        InputError, match=r"is a float32 file and tflite/edgetpu/int8 needs int8 or uint8.*--precision int8"
    ):
        check_file(target, find_row(target), Format.TFLITE, Precision.FLOAT32, "net")
    with pytest.raises(InputError, match="--format tflite"):
        check_file(target, find_row(target), Format.ONNX, Precision.INT8, "net")
    check_file(target, find_row(target), Format.TFLITE, Precision.UINT8, "net")


def test_a_gpu_takes_a_float32_file_for_half_precision() -> None:
    target = parse_target("tflite/gpu/float16")
    check_file(target, find_row(target), Format.TFLITE, Precision.FLOAT32, "net")


def test_every_row_can_be_reached_and_no_integer_row_takes_float_files() -> None:
    for row in ROWS:
        for precision in row.files:
            named = [f"{name}={value}" for name, value in row.when if value]
            named += [f"{name}=x" for name in row.requires]
            text = ",".join([f"{row.runtime}/{row.hardware}/{precision}", *named])
            found = find_row(parse_target(text))
            assert precision in found.files
            if precision in (Precision.INT8, Precision.UINT8):
                integer_inside = {Precision.INT8, Precision.UINT8, Precision.INT8_FLOAT_IO}
                assert set(found.files[precision]) <= integer_inside
