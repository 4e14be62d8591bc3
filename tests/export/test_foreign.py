"""Files of other makers: what is read off them without a runtime, and that damage is an error with a reason."""

import random
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given, settings
from hypothesis import strategies as st

from mogakit.errors import InputError
from mogakit.export.artifact import Format, Precision
from mogakit.export.describe import describe_file, open_file
from mogakit.export.foreign import tflite
from mogakit.export.foreign.read import read_model

CASES = Path(__file__).parent / "data" / "cases"
TFLITE, ONNX = CASES / "tflite", CASES / "onnx"


@pytest.mark.parametrize(
    ("name", "precision"),
    [
        ("drq.tflite", Precision.DYNAMIC_RANGE),
        ("float_uint8_input.tflite", Precision.FLOAT32),
        ("int8_floatio.tflite", Precision.INT8_FLOAT_IO),
        ("int16x8.tflite", Precision.INT16X8),
        ("dec_int8.tflite", Precision.INT8),
        ("embed30.tflite", Precision.FLOAT32),
        ("fp16_io32.onnx", Precision.FLOAT16),
        ("bool_in.onnx", Precision.FLOAT32),
    ],
)
def test_precision_is_what_the_operators_compute_in(name: str, precision: Precision) -> None:
    assert describe_file(CASES / name.rpartition(".")[2] / name).precision is precision


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("tflite/hw_dyn.tflite", (1, -1, -1, 3)),
        ("tflite/batch_dyn.tflite", (-1, 64, 64, 3)),
        ("onnx/hw_dyn.onnx", (1, 3, -1, -1)),
        ("onnx/two_inputs.onnx", (1, 64)),
    ],
)
def test_free_sizes_are_told_apart_from_ones(name: str, sizes: tuple[int, ...]) -> None:
    assert describe_file(CASES / name).inputs[0].shape == sizes


@pytest.mark.parametrize(("name", "index"), [("tflite/embed30.tflite", 0), ("onnx/embed30.onnx", 0)])
def test_the_table_that_row_numbers_index_is_found(name: str, index: int) -> None:
    (entry,) = open_file(CASES / name)[1]
    assert entry.inputs[index].num_rows == 30


def test_every_signature_is_an_entry_point_with_its_own_inputs() -> None:
    entries = open_file(TFLITE / "two_signatures.tflite")[1]
    found = {entry.signature: sorted(item.alias for item in entry.inputs) for entry in entries}
    assert found == {"decode": ["x", "y"], "encode": ["x"]}


def test_external_data_are_hashed_and_counted(tmp_path: Path) -> None:
    for name in ("ext.onnx", "ext.onnx.data"):
        shutil.copy(ONNX / name, tmp_path / name)
    first = describe_file(tmp_path / "ext.onnx")
    assert first.num_bytes == 223 + 864
    assert set(first.companions or {}) == {"ext.onnx", "ext.onnx.data"}
    weights = bytearray((tmp_path / "ext.onnx.data").read_bytes())
    weights[0] ^= 1
    (tmp_path / "ext.onnx.data").write_bytes(weights)
    assert describe_file(tmp_path / "ext.onnx").sha256 != first.sha256
    (tmp_path / "ext.onnx.data").unlink()
    with pytest.raises(InputError, match=r"its weights lie in ext\.onnx\.data, which is not beside it"):
        describe_file(tmp_path / "ext.onnx")


@pytest.mark.parametrize("place", ["../ext.onnx.data", "/etc/passwd", "a/../../b"])
def test_external_data_outside_of_the_models_folder_are_rejected(tmp_path: Path, place: str) -> None:
    model = onnx.load(ONNX / "ext.onnx", load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = place
    (tmp_path / "a.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match="outside of the model's folder"):
        describe_file(tmp_path / "a.onnx")


def test_suffixes_are_read_in_any_case(tmp_path: Path) -> None:
    shutil.copy(TFLITE / "drq.tflite", tmp_path / "DRQ.TFLITE")
    shutil.copy(ONNX / "hw_dyn.onnx", tmp_path / "a.Onnx")
    assert describe_file(tmp_path / "DRQ.TFLITE").precision is Precision.DYNAMIC_RANGE
    assert describe_file(tmp_path / "a.Onnx").format is Format.ONNX


@pytest.mark.parametrize("name", ["embed30", "hw_dyn", "two_inputs"])
def test_onnx_runtimes_own_format_is_read_like_the_onnx_file_it_was_made_of(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"{name}.ort"
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(path)
    options.add_session_config_entry("session.save_model_format", "ORT")
    onnxruntime.InferenceSession(str(ONNX / f"{name}.onnx"), options, providers=["CPUExecutionProvider"])
    found, source = read_model(path), read_model(ONNX / f"{name}.onnx")
    assert (found.format, found.precision, found.entries) == (source.format, source.precision, source.entries)


@pytest.mark.parametrize("path", sorted(TFLITE.glob("*.tflite")), ids=lambda path: path.name)
def test_the_reader_sees_what_the_makers_schema_sees(path: Path) -> None:
    if path.stem == "truncated":
        return
    theirs = schema.ModelT.InitFromPackedBuf(bytearray(path.read_bytes()), 0)
    ours = tflite.read(path.read_bytes())
    assert len(ours.graphs) == len(theirs.subgraphs)
    for graph, other in zip(ours.graphs, theirs.subgraphs, strict=True):
        assert [tensor.name for tensor in graph.tensors] == [tensor.name.decode() for tensor in other.tensors]
        assert [list(tensor.shape) for tensor in graph.tensors] == [
            [] if tensor.shape is None else list(tensor.shape) for tensor in other.tensors
        ]
        for operator, their in zip(graph.operators, other.operators, strict=True):
            assert list(operator.inputs) == list(their.inputs)
            assert list(operator.outputs) == list(their.outputs)
            for field, name in (
                ("strideH", "stride_h"),
                ("dilationHFactor", "dilation_h"),
                ("alpha", "alpha"),
            ):
                if name in operator.options:
                    assert operator.options[name] == getattr(their.builtinOptions, field)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("empty.tflite", b"", "the file is empty, so it is not a TFLite model"),
        ("empty.onnx", b"", "the file is empty, so it is not an ONNX model"),
        ("empty.ort", b"", "the file is empty"),
        ("text.tflite", b"<html>404 not found</html>", "does not carry the identifier TFL3"),
        ("lfs.onnx", b"version https://git-lfs.github.com/spec/v1\n", "not an ONNX model"),
        ("half.tflite", (TFLITE / "drq.tflite").read_bytes()[:60000], "damaged or truncated"),
        ("cut.tflite", (TFLITE / "truncated.tflite").read_bytes(), "damaged or truncated"),
        ("cut.onnx", (ONNX / "hw_dyn.onnx").read_bytes()[:-100], "damaged, truncated"),
    ],
)
def test_what_is_no_model_is_an_error_that_says_why(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=reason):
        describe_file(tmp_path / name)


def damaged(data: bytes, seed: int) -> bytes:
    """Change a few bytes, at any place or in the tables, which lie at either end; sometimes cut the file."""
    rng = random.Random(seed)
    changed = bytearray(data)
    for _ in range(rng.randint(1, 12)):
        place = rng.choice([rng.randrange(len(changed)), rng.randrange(min(400, len(changed)))])
        changed[place] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)])
    return bytes(changed[: rng.randrange(8, len(changed))] if rng.random() < 0.2 else changed)


@pytest.mark.parametrize("name", ["tflite/embed30.tflite", "tflite/two_signatures.tflite", "onnx/embed30.onnx"])
@settings(max_examples=150, deadline=2000)
@given(seed=st.integers(0, 2**32))
def test_a_damaged_file_is_read_or_is_an_input_error(name: str, seed: int) -> None:
    data = damaged((CASES / name).read_bytes(), seed)
    try:
        if name.endswith("tflite"):
            tflite.read(data)
        else:
            from mogakit.export.foreign.describe_onnx import describe

            describe(data, CASES)
    except InputError as error:
        assert str(error)


def test_tables_that_share_each_other_without_end_are_given_up() -> None:
    model = schema.ModelT.InitFromPackedBuf(bytearray((TFLITE / "embed30.tflite").read_bytes()), 0)
    data = bytearray((TFLITE / "embed30.tflite").read_bytes())
    words = np.frombuffer(data, "<u4")
    assert len(model.subgraphs[0].operators) == 5 and words.size  # a list of five, stretched over the rest of the file
    hits = 0
    for place in range(0, len(data) - 4, 4):
        if int.from_bytes(data[place : place + 4], "little") == 5:
            stretched = bytearray(data)
            count = (len(data) - place) // 4 - 1
            stretched[place : place + 4] = count.to_bytes(4, "little")
            try:
                tflite.read(bytes(stretched))
            except InputError:
                hits += 1
    assert hits
