"""Times of single operators are refused where no tool prints them, before anything is measured."""

import pytest
from phone_simulator.phone import Phone

from mogakit.android_runner.runner import PhoneOptions, open_phone
from mogakit.bench.host import HostRunner
from mogakit.bench.target import parse_target
from mogakit.errors import InputError
from mogakit.flows.operators import check_profilable


def test_this_computer_times_no_operators() -> None:
    with pytest.raises(InputError, match="phone's tools only; name one with --device, or leave out --per-op"):
        check_profilable(HostRunner(), parse_target("tflite/cpu/float32"))


def test_a_phone_times_operators_where_the_targets_tool_prints_them(quick_phone: Phone, options: PhoneOptions) -> None:
    with open_phone(quick_phone.serial, options) as runner:
        for target in ("tflite/gpu/float16", "mace/cpu/float32"):
            assert check_profilable(runner, parse_target(target)) is runner
        with pytest.raises(InputError, match=r"onnxruntime_perf_test, which .* \(benchmark_model, mace_run do\)"):
            check_profilable(runner, parse_target("onnx/cpu/float32"))
