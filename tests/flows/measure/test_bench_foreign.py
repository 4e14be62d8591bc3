"""`moga bench` on files of other makers: nothing left open is filled in, and one file never ends the others."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result

from mogakit.cli.main import cli

CASES = Path(__file__).parents[2] / "export" / "data" / "cases"
TFLITE, ONNX = CASES / "tflite", CASES / "onnx"


def bench(*words: object) -> tuple[Result, list[dict]]:
    said = CliRunner().invoke(cli, ["bench", *map(str, words), "--quick", "--json"])
    return said, json.loads(said.stdout)["timings"] if said.stdout.startswith("{") else []


@pytest.fixture(scope="module")
def together() -> tuple[Result, dict[str, dict]]:
    """Time the files that need nothing more, and those that cannot be timed, in one run."""
    names = [
        "tflite/embed30.tflite",
        "onnx/embed30.onnx",
        "tflite/nms.tflite",
        "tflite/dyn_output.tflite",
        "onnx/nms.onnx",
        "onnx/zero_dim.onnx",
        "onnx/bool_in.onnx",
        "onnx/two_inputs.onnx",
        "onnx/ext.onnx",
        "onnx/fp16_io32.onnx",
        "tflite/hw_dyn.tflite",
        "tflite/batch_dyn.tflite",
        "onnx/hw_dyn.onnx",
        "tflite/two_signatures.tflite",
        "tflite/string_in.tflite",
        "tflite/truncated.tflite",
    ]
    said, timings = bench(*(CASES / name for name in names))
    return said, {f"{Path(one['model']).parent.name}/{Path(one['model']).name}": one for one in timings}


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("tflite/embed30.tflite", "tflite/cpu/float32,range=0:29"),
        ("onnx/embed30.onnx", "onnx/cpu/float32,range=0:29"),
        ("tflite/nms.tflite", "tflite/cpu/float32"),
        ("tflite/dyn_output.tflite", "tflite/cpu/float32"),
        ("onnx/nms.onnx", "onnx/cpu/float32"),
        ("onnx/zero_dim.onnx", "onnx/cpu/float32"),
        ("onnx/bool_in.onnx", "onnx/cpu/float32"),
        ("onnx/two_inputs.onnx", "onnx/cpu/float32"),
        ("onnx/ext.onnx", "onnx/cpu/float32"),
        ("onnx/fp16_io32.onnx", "onnx/cpu/float16"),
    ],
)
def test_what_can_be_timed_is_timed_and_says_what_was_run(together, name: str, target: str) -> None:
    timing = together[1][name]
    assert (timing["target"], timing["status"]) == (target, "ok")
    assert timing["latency_ms"] > 0


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("tflite/hw_dyn.tflite", "--shape keras_tensor_17=1x224x224x3"),
        ("tflite/batch_dyn.tflite", "--shape keras_tensor_10=1x64x64x3"),
        ("onnx/hw_dyn.onnx", "--shape x=1x3x224x224"),
        ("tflite/two_signatures.tflite", "--signature decode"),
        ("tflite/string_in.tflite", "input 's' holds string"),
        ("tflite/truncated.tflite", "damaged or truncated"),
    ],
)
def test_what_leaves_something_open_or_is_damaged_is_a_failed_row_that_says_what_to_do(
    together, name: str, reason: str
) -> None:
    said, timings = together
    assert said.exit_code == 1
    assert timings[name]["status"] == "failed" and timings[name]["latency_ms"] is None
    assert reason in timings[name]["error"]


def test_several_shapes_are_several_runs_and_each_says_its_own() -> None:
    said, timings = bench(TFLITE / "hw_dyn.tflite", "--shape", "1x64x64x3", "--shape", "keras_tensor_17=1x128x96x3")
    assert said.exit_code == 0, said.output
    assert [one["target"].partition(",")[2] for one in timings] == ["shape=1x64x64x3", "shape=1x128x96x3"]
    assert timings[0]["latency_ms"] < timings[1]["latency_ms"]


def test_the_signature_that_ran_is_in_the_result() -> None:
    said, timings = bench(TFLITE / "two_signatures.tflite", "--signature", "encode", "--signature", "decode")
    assert said.exit_code == 0, said.output
    assert {one["target"].partition(",")[2] for one in timings} == {"signature=encode", "signature=decode"}


def test_an_inputs_values_come_from_a_file_and_give_it_its_shape(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((1, 3, 40, 48), np.float32))
    said, (timing,) = bench(ONNX / "hw_dyn.onnx", "--input", tmp_path / "x.npy")
    assert said.exit_code == 0, said.output
    assert "shape=1x3x40x48,values=" in timing["target"]
    np.save(tmp_path / "x.npy", np.ones((1, 4), np.int32))
    said, (timing,) = bench(ONNX / "two_inputs.onnx", "--input", f"a={tmp_path / 'x.npy'}")
    assert said.exit_code == 1
    assert "holds int32 1x4, and input 'a' takes float32 1x64" in timing["error"]


def test_row_numbers_out_of_range_are_that_files_failure() -> None:
    said, timings = bench(ONNX / "embed30.onnx", ONNX / "two_inputs.onnx", "--input-range", "ids=100:200")
    assert said.exit_code == 1
    assert [one["status"] for one in timings] == ["failed", "ok"]
    assert "fails when it is run" in timings[0]["error"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--shape", "nose=1x1"), "no file has an input called nose; inputs of the files: keras_tensor_17"),
        (("--signature", "decode"), "no file has a signature called decode"),
        (("--shape", "x=1x2xq"), "is not a shape"),
        (("--input-range", "5"), "is not a range"),
        (("--input", "gone.npy"), "there is no file gone.npy"),
    ],
)
def test_what_fits_no_file_is_a_usage_error(words: tuple[str, ...], reason: str) -> None:
    said, _ = bench(TFLITE / "hw_dyn.tflite", *words)
    assert said.exit_code != 0
    assert reason in str(said.exception)


def test_a_shape_that_does_not_fit_the_fixed_sizes_is_that_files_failure() -> None:
    _, (timing,) = bench(TFLITE / "hw_dyn.tflite", "--shape", "1x64x64x4")
    assert "is 1x?x?x3 (? is free), which 1x64x64x4 does not fit" in timing["error"]


def test_two_models_with_one_graph_and_other_weights_are_two_models(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        for name in ("ext.onnx", "ext.onnx.data"):
            shutil.copy(ONNX / name, tmp_path / folder / name)
    weights = tmp_path / "b" / "ext.onnx.data"
    weights.write_bytes(bytes(weights.stat().st_size))
    _, timings = bench(tmp_path / "a" / "ext.onnx", tmp_path / "b" / "ext.onnx")
    assert len({one["sha256"] for one in timings}) == 2
    assert [one["num_bytes"] for one in timings] == [1087, 1087]


def test_half_weights_stand_beside_single_ones_on_a_cpu(tmp_path: Path) -> None:
    from torch import nn

    from mogakit.export import tflite
    from mogakit.export.artifact import Precision
    from mogakit.export.lower import lower

    graph = lower(nn.Conv2d(3, 8, 3).eval(), (1, 3, 8, 8))
    for precision in (Precision.FLOAT32, Precision.FLOAT16):
        (tmp_path / f"{precision}.tflite").write_bytes(tflite.write(graph, precision))
    files = sorted(tmp_path.glob("*.tflite"))
    said, timings = bench(*files, "--target", "tflite/cpu/float32")
    assert said.exit_code == 0, said.output
    assert [one["precision"] for one in timings] == ["float16", "float32"]


def test_what_the_runtime_says_of_a_file_is_in_its_row(tmp_path: Path) -> None:
    model = onnx.load(ONNX / "two_inputs.onnx")
    model.graph.node[0].op_type = "NoSuchOperator"
    onnx.save(model, tmp_path / "odd.onnx")
    (tmp_path / "empty.tflite").write_bytes(b"")
    said, (odd, empty, good) = bench(tmp_path / "odd.onnx", tmp_path / "empty.tflite", ONNX / "two_inputs.onnx")
    assert said.exit_code == 1 and good["status"] == "ok"
    assert "NoSuchOperator" in odd["error"]
    assert "the file is empty" in empty["error"]
