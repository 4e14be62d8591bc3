"""Times of single operators are rejected where no tool prints them, before anything is measured."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from mogakit.bench.host import HostRunner
from mogakit.bench.target import parse_target
from mogakit.cli.main import cli
from mogakit.errors import InputError
from mogakit.flows.measure.operator_profiles import check_profilable, profile_operators
from mogakit.flows.measure.runs import RunFolder, RunSettings


def test_this_computer_times_no_operators(tmp_path: Path) -> None:
    target = parse_target("tflite/cpu/float32")
    with pytest.raises(InputError, match=r"float32 on this computer: .* name one with --device, or leave out --per-op"):
        check_profilable("host", target)
    RunFolder(tmp_path).begin(
        RunSettings(
            space="moga", target=str(target), device="host", seed=0, num_calibration=4, num_passes=1, num_sentinels=1
        ),
        resume=False,
    )
    with pytest.raises(InputError, match="phone's tools only"):
        profile_operators(tmp_path, HostRunner())


def test_a_phone_times_operators_where_the_targets_tool_prints_them() -> None:
    for target in ("tflite/gpu/float16", "mace/cpu/float32"):
        check_profilable("a-serial", parse_target(target))
    with pytest.raises(InputError, match=r"onnxruntime_perf_test, which .* \(benchmark_model, mace_run do\)"):
        check_profilable("a-serial", parse_target("onnx/cpu/float32"))


def test_a_profile_that_could_not_time_operators_is_rejected_before_it_begins(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        cli, ["profile", "--per-op", "--quick", "--input-size", "32", "-o", str(tmp_path / "run")]
    )
    assert isinstance(result.exception, InputError)
    assert "phone's tools only" in str(result.exception)
    assert not (tmp_path / "run").exists()
