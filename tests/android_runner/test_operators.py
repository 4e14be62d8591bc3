"""Times of single operators are rejected where no tool prints them, before anything is measured."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from mogakit.bench.target import parse_target
from mogakit.cli.main import cli
from mogakit.errors import InputError
from mogakit.flows.measure.operator_profiles import check_profilable


def test_a_phone_times_operators_where_the_targets_tool_prints_them() -> None:
    for target in ("tflite/gpu/float16", "mace/cpu/float32"):
        check_profilable("a-serial", parse_target(target))
    with pytest.raises(InputError, match=r"onnxruntime_perf_test, which .* \(benchmark_model, mace_run do\)"):
        check_profilable("a-serial", parse_target("onnx/cpu/float32"))


def test_a_profile_that_could_not_time_operators_is_rejected_before_it_begins(tmp_path: Path) -> None:
    target = "tflite/cpu/float32,xnnpack=off"
    words = ["profile", "--per-op", "--quick", "--input-size", "32", "--target", target, "-o", str(tmp_path / "run")]
    result = CliRunner().invoke(cli, words)
    assert isinstance(result.exception, InputError)
    assert "always uses XNNPACK; leave out xnnpack=off" in str(result.exception)
    assert not (tmp_path / "run").exists()
