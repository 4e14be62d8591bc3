"""`moga bench`: any file, any network, at once."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from mogakit.bench.host import HostRunner
from mogakit.bench.target import parse_target
from mogakit.cli.bench import command
from mogakit.errors import InputError
from mogakit.export.artifact import Format, Precision, Role
from mogakit.export.pipeline import export_module
from mogakit.flows.measure.bench import BenchRequest, bench
from mogakit.nets.block import Activation, Block, Op
from mogakit.nets.modules import build_block

BLOCK = Block(
    Op.MB,
    8,
    8,
    16,
    kernel=3,
    expanded_channels=24,
    activation=Activation.RELU,
    residual=True,
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[Format, Path]:
    folder = tmp_path_factory.mktemp("files")
    return {
        kind: export_module(
            build_block(BLOCK), f"mine-{kind}", Role.NETWORK, kind, Precision.FLOAT32, (1, 8, 16, 16), folder
        ).path
        for kind in (Format.TFLITE, Format.ONNX)
    }


def test_files_of_both_runtimes_are_timed_together(files: dict[Format, Path]) -> None:
    result = bench(BenchRequest(models=tuple(map(str, files.values())), quick=True), HostRunner())
    assert [str(timing.target) for timing in result.timings] == ["tflite/cpu/float32", "onnx/cpu/float32"]
    for timing in result.timings:
        row = timing.row
        assert row.latency_ms is not None and 0 < row.latency_ms < 50
        assert row.low_ms is not None and row.high_ms is not None and row.low_ms <= row.latency_ms <= row.high_ms
        assert row.count == 2 * 20
        assert row.cold_mean_ms is not None and row.init_ms is not None and row.first_run_ms is not None


def test_one_file_on_two_targets_and_the_same_file_twice(files: dict[Format, Path]) -> None:
    targets = (parse_target("tflite/cpu/float32"), parse_target("tflite/cpu/float32,xnnpack=off"))
    model = str(files[Format.TFLITE])
    result = bench(BenchRequest(models=(model, model), targets=targets, quick=True), HostRunner())
    assert [timing.target for timing in result.timings] == [*targets, *targets]
    assert result.timings[0].row == result.timings[2].row


def test_a_network_by_name_is_exported_and_kept_for_the_next_time(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    options = ["mobilenet-v3-large-minimalistic", "--quick", "-o", str(folder), "--json"]
    said = CliRunner().invoke(command, options)
    assert said.exit_code == 0, said.output
    (timing,) = json.loads(said.stdout)["timings"]
    assert timing["model"] == "mobilenet-v3-large-minimalistic"
    assert timing["clock"] == "thread-cpu"
    assert timing["delegation"].startswith("full")
    with pytest.raises(InputError, match="--resume"):
        CliRunner().invoke(command, options, catch_exceptions=False)
    again = CliRunner().invoke(command, [*options, "--resume"])
    assert json.loads(again.stdout)["outcome"]["num_measured"] == 0


def test_resuming_needs_a_folder_to_resume_from(files: dict[Format, Path]) -> None:
    with pytest.raises(InputError, match=r"--resume .* add -o FOLDER"):
        bench(BenchRequest(models=(str(files[Format.TFLITE]),), quick=True, resume=True), HostRunner())


def test_the_table_for_people_holds_time_memory_and_delegation(files: dict[Format, Path]) -> None:
    said = CliRunner().invoke(command, [str(files[Format.TFLITE]), "--quick", "--clock", "wall"])
    assert said.exit_code == 0, said.output
    assert "clock: wall" in said.stdout.replace("\n", " ")
    assert "tflite/cpu/float32" in said.stdout
    assert "Stopped:" in said.stdout


@pytest.mark.parametrize(
    ("models", "targets", "hint"),
    [
        ((), (), "at least one model"),
        (("no-such-net",), (), "unknown network"),
        (("gone.tflite",), (), "there is no file"),
        (("{tflite}",), ("onnx/cpu/float32",), "no target runs that"),
        (("{tflite}",), ("tflite/cpu/int8",), "is a float32 file"),
        (("{tflite}",), ("tflite/cpu/float32,threads=2,accelerator=x",), "no meaning"),
    ],
)
def test_what_cannot_be_timed_is_rejected_with_advice(
    files: dict[Format, Path], models: tuple[str, ...], targets: tuple[str, ...], hint: str
) -> None:
    named = tuple(model.format(tflite=files[Format.TFLITE]) for model in models)
    request = BenchRequest(models=named, targets=tuple(map(parse_target, targets)) or None, quick=True)
    with pytest.raises(InputError, match=hint):
        bench(request, HostRunner())
