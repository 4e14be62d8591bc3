"""The `.pb` and `.data` files: read by Google's protobuf, by our own reader, and rejected where they must be."""

import dataclasses

import numpy as np
import pytest
import torch
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from hypothesis import given, settings
from hypothesis import strategies as st
from ordinary import ordinary_block

from mogakit.errors import InputError, UnsupportedOperator
from mogakit.export.artifact import Format, Precision, TensorSpec
from mogakit.export.describe import describe_file
from mogakit.export.graph import Graph, Tensor
from mogakit.export.lower import lower
from mogakit.export.mace import wire
from mogakit.export.mace.check import checked
from mogakit.export.mace.naming import data_of, sibling
from mogakit.export.mace.netdef import Argument, Generation, RuntimeType
from mogakit.export.mace.plan import HSigmoid
from mogakit.export.mace.reader import read
from mogakit.export.mace.rules import problems
from mogakit.export.mace.writer import MaceFiles, write
from mogakit.export.nodes import Activate, Activation, Concat, Conv2d, Padding, Pool, PoolKind
from mogakit.export.run import run
from mogakit.nets.block import parse_key

BLOCK = parse_key("mb_i40e120o40_h28_k5s1_hswish_se30_res")

# mace/proto/mace.proto, written down once more for Google's own parser: name -> (number, type, label, message).
_OPTIONAL, _REPEATED = 1, 3
_FLOAT, _INT64, _INT32, _BOOL, _STRING, _MESSAGE, _BYTES, _UINT32 = 2, 3, 5, 8, 9, 11, 12, 13
_SCHEMA = {
    "Argument": [
        ("name", 1, _STRING, _OPTIONAL), ("f", 2, _FLOAT, _OPTIONAL), ("i", 3, _INT64, _OPTIONAL),
        ("s", 4, _BYTES, _OPTIONAL), ("floats", 5, _FLOAT, _REPEATED), ("ints", 6, _INT64, _REPEATED),
    ],
    "OutputShape": [("dims", 1, _INT64, _REPEATED)],
    "ConstTensor": [
        ("dims", 1, _INT64, _REPEATED), ("data_type", 2, _INT32, _OPTIONAL), ("name", 5, _STRING, _OPTIONAL),
        ("offset", 6, _INT64, _OPTIONAL), ("data_size", 7, _INT64, _OPTIONAL),
    ],
    "OperatorDef": [
        ("input", 1, _STRING, _REPEATED), ("output", 2, _STRING, _REPEATED), ("name", 3, _STRING, _OPTIONAL),
        ("type", 4, _STRING, _OPTIONAL), ("arg", 6, "Argument", _REPEATED),
        ("output_shape", 7, "OutputShape", _REPEATED), ("output_type", 8, _INT32, _REPEATED),
    ],
    "InputOutputInfo": [
        ("name", 1, _STRING, _OPTIONAL), ("dims", 3, _INT32, _REPEATED), ("data_type", 5, _INT32, _OPTIONAL),
        ("data_format", 6, _INT32, _OPTIONAL),
    ],
    "NetDef": [
        ("op", 1, "OperatorDef", _REPEATED), ("arg", 2, "Argument", _REPEATED),
        ("tensors", 3, "ConstTensor", _REPEATED), ("data_type", 4, _INT32, _OPTIONAL),
        ("name", 5, _STRING, _OPTIONAL), ("data_offset", 6, _INT32, _OPTIONAL),
        ("data_size", 7, _INT32, _OPTIONAL), ("input_info", 100, "InputOutputInfo", _REPEATED),
        ("output_info", 101, "InputOutputInfo", _REPEATED),
    ],
    "MultiNetDef": [
        ("version_code", 1, _INT32, _OPTIONAL), ("name", 2, _STRING, _OPTIONAL), ("net_def", 3, "NetDef", _REPEATED),
        ("input_tensor", 100, _STRING, _REPEATED), ("output_tensor", 101, _STRING, _REPEATED),
    ],
}  # fmt: skip


def _google_message(name):
    file = descriptor_pb2.FileDescriptorProto(name=f"mace_{name}.proto", package="mace", syntax="proto2")
    for message, fields in _SCHEMA.items():
        added = file.message_type.add(name=message)
        for field, number, kind, label in fields:
            if isinstance(kind, str):
                added.field.add(name=field, number=number, type=_MESSAGE, label=label, type_name=f".mace.{kind}")
            else:
                added.field.add(name=field, number=number, type=kind, label=label)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"mace.{name}"))


@pytest.fixture(scope="module")
def graph() -> Graph:
    return lower(*ordinary_block(BLOCK))


@pytest.fixture(scope="module")
def made(graph) -> MaceFiles:
    return write(graph, name="block")


def _relu_graph(**changes):
    """One 3x3 convolution with ReLU on 4 channels of 8x8."""
    weight = np.arange(4 * 4 * 9, dtype=np.float32).reshape(4, 4, 3, 3) / 100
    conv = Conv2d(name="conv", inputs=("input",), shape=(1, 4, 8, 8), weight=weight, bias=np.ones(4, np.float32),
                  padding=Padding(1, 1, 1, 1), activation=Activation.RELU)  # fmt: skip
    return Graph((Tensor("input", (1, 4, 8, 8)),), (dataclasses.replace(conv, **changes),), ("conv",))


def test_varints_are_those_of_the_protocol_buffer_documentation():
    assert wire.varint(1) == b"\x01"
    assert wire.varint(150) == b"\x96\x01"
    assert wire.varint(300) == b"\xac\x02"
    assert wire.varint(-2) == b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"


def test_an_argument_is_these_bytes():
    assert Argument("axis", (1, 2)).encode() == b"\x0a\x04axis\x30\x01\x30\x02"
    assert Argument("max_limit", 6.0).encode() == b"\x0a\x09max_limit\x15\x00\x00\xc0\x40"
    assert Argument("activation", "RELU").encode() == b"\x0a\x0aactivation\x22\x04RELU"


@pytest.mark.parametrize("runtime", list(RuntimeType))
def test_googles_parser_reads_what_our_reader_reads(made, runtime):
    multi = _google_message("MultiNetDef").FromString(made.pb[Generation.MULTI, runtime])
    net = _google_message("NetDef").FromString(made.pb[Generation.NET, runtime])
    assert multi.net_def[0].SerializeToString() == net.SerializeToString()
    assert list(multi.input_tensor) == ["input"] and list(multi.output_tensor) == ["output"]

    ours = read(made.pb[Generation.MULTI, runtime], made.data)
    assert [op.name for op in net.op] == [op.name for op in ours.ops]
    for theirs, op in zip(net.op, ours.ops, strict=True):
        assert (list(theirs.input), theirs.type, tuple(theirs.output_shape[0].dims)) == (
            op.inputs,
            op.type,
            op.output_shape,
        )
        assert {argument.name for argument in theirs.arg} == set(op.settings)
    arguments = {argument.name: argument for argument in net.arg}
    assert arguments["runtime_type"].i == int(runtime)
    assert arguments["opencl_mem_type"].i == 2
    assert net.data_size == len(made.data)
    assert all(tensor.offset % 4 == 0 for tensor in net.tensors)


def test_both_runtimes_share_the_weights_and_differ_in_one_byte(made):
    cpu, gpu = (made.pb[Generation.NET, runtime] for runtime in RuntimeType)
    assert len(cpu) == len(gpu)
    assert sum(one != other for one, other in zip(cpu, gpu, strict=True)) == 1


def test_equal_graphs_give_equal_bytes(graph, made):
    assert write(graph, name="block") == made


def test_every_file_would_run_where_it_is_named_for(made):
    checked(made)
    for (generation, runtime), pb in made.pb.items():
        model = read(pb, made.data)
        multi, gpu = generation is Generation.MULTI, runtime is RuntimeType.GPU
        assert problems(model, multi=multi, gpu=gpu) == []
        assert problems(model, multi=not multi, gpu=gpu) != []
    cpu_file = read(made.pb[Generation.MULTI, RuntimeType.CPU], made.data)
    assert "runtime_type 0" in problems(cpu_file, multi=True, gpu=True)[0]


def test_nothing_is_left_that_falls_back_from_the_gpu(made):
    types = {op.type for op in read(made.pb[Generation.MULTI, RuntimeType.GPU], made.data).ops}
    assert types <= {"Conv2D", "DepthwiseConv2d", "FullyConnected", "BatchNorm", "Eltwise", "Reduce", "Activation"}


@pytest.mark.parametrize(
    ("argument", "op_type", "said"),
    [
        ("has_data_format", "Eltwise", "has_data_format is missing"),
        ("padding_values", "Conv2D", "pads SAME"),
        ("keepdims", "Reduce", "keepdims only"),
    ],
)
def test_the_rules_name_what_a_file_lacks(made, argument, op_type, said):
    model = read(made.pb[Generation.MULTI, RuntimeType.GPU], made.data)
    ops = [
        dataclasses.replace(op, settings={k: v for k, v in op.settings.items() if (op.type, k) != (op_type, argument)})
        for op in model.ops
    ]
    found = problems(dataclasses.replace(model, ops=ops), multi=True, gpu=True)
    assert found and all(said in text and op_type in text for text in found)


def test_the_forms_of_h_sigmoid_are_counted_and_exact(graph, made):
    # One gate follows a linear convolution and is folded; the three h-swish are BatchNorm, RELUX and a product each.
    assert made.notes == {"h_sigmoid": "batch_norm_relux 3, folded 1"}
    native = write(graph, h_sigmoid=HSigmoid.NATIVE)
    assert native.notes == {"h_sigmoid": "native 4"}
    assert list(native.pb) == [(Generation.MULTI, RuntimeType.CPU)]
    x = np.random.default_rng(0).standard_normal((1, 28, 28, 40), dtype=np.float32)
    (portable,), (own,) = checked(made).run([x]), checked(native).run([x])
    assert np.abs(portable - own).max() <= 1e-6 * np.abs(own).max()


def test_half_precision_halves_the_weights_and_keeps_every_tensor_aligned(graph, made):
    half = write(graph, Precision.FLOAT16)
    assert 0.5 <= len(half.data) / len(made.data) < 0.52
    model = read(half.pb[Generation.NET, RuntimeType.GPU], half.data)
    assert {value.dtype for value in model.constants.values()} == {np.dtype("<f2")}
    assert {op.settings["T"] for op in model.ops} == {3}
    assert model.inputs[0].dtype == model.outputs[0].dtype == "float32"


def test_integer_precisions_are_rejected_with_what_is_legal(graph):
    with pytest.raises(InputError, match=r"float32, float16 weights, not int8"):
        write(graph, Precision.INT8)


def test_weights_of_another_model_are_rejected(made):
    damaged = bytearray(made.data)
    damaged[10] ^= 1
    with pytest.raises(InputError, match="do not belong together"):
        read(made.pb[Generation.MULTI, RuntimeType.CPU], bytes(damaged))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_file_that_is_cut_or_flipped_never_escapes_as_another_error(data):
    files = write(_relu_graph(), name="tiny")
    pb = bytearray(files.pb[Generation.MULTI, RuntimeType.CPU])
    cut = data.draw(st.integers(0, len(pb) - 1))
    with pytest.raises(InputError):
        read(bytes(pb[:cut]), files.data)
    pb[cut] ^= 1 << data.draw(st.integers(0, 7))
    try:
        read(bytes(pb), files.data)
    except InputError:
        return


def test_a_file_of_another_kind_is_no_mace_model():
    for raw in (b"", b"TFL3 is not this", bytes(64)):
        with pytest.raises(InputError, match="not a MACE model"):
            read(raw, b"")


def _grouped():
    weight = np.ones((4, 2, 3, 3), np.float32)
    return _relu_graph(weight=weight, groups=2)


def _top_heavy():
    return _relu_graph(padding=Padding(2, 0, 1, 1))


def _joined_rows():
    tensors = (Tensor("a", (1, 4, 8, 8)), Tensor("b", (1, 4, 8, 8)))
    return Graph(tensors, (Concat(name="out", inputs=("a", "b"), shape=(1, 4, 16, 8), axis=2),), ("out",))


def _dilated_and_strided():
    return _relu_graph(dilation=(2, 2), stride=(2, 2), padding=Padding(2, 2, 2, 2), shape=(1, 4, 4, 4))


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (_grouped, "2 groups"),
        (_top_heavy, "stores totals only"),
        (_joined_rows, "joins channels only"),
        (_dilated_and_strided, "dilated and strided"),
    ],
)
def test_what_mace_cannot_say_is_rejected_by_name(build, said):
    with pytest.raises(UnsupportedOperator, match=said):
        write(build())


def test_operators_beyond_the_zoo_agree_with_torch():
    nodes = (
        Pool(name="max", inputs=("input",), shape=(1, 6, 5, 5), kind=PoolKind.MAX, kernel=(3, 3), stride=(2, 2),
             padding=Padding(1, 1, 1, 1)),
        Pool(name="avg", inputs=("input",), shape=(1, 6, 5, 5), kind=PoolKind.AVERAGE, kernel=(3, 3), stride=(2, 2),
             padding=Padding(1, 1, 1, 1)),
        Concat(name="both", inputs=("max", "avg"), shape=(1, 12, 5, 5), axis=1),
        Activate(name="out", inputs=("both",), shape=(1, 12, 5, 5), function=Activation.SILU),
    )  # fmt: skip
    graph = Graph((Tensor("input", (1, 6, 9, 9)),), nodes, ("out",))
    x = np.random.default_rng(0).standard_normal((1, 6, 9, 9), dtype=np.float32)
    (got,) = checked(write(graph)).run([x.transpose(0, 2, 3, 1)])
    given_ = torch.from_numpy(x)
    pooled = torch.cat(
        (
            torch.nn.functional.max_pool2d(given_, 3, 2, 1),
            torch.nn.functional.avg_pool2d(given_, 3, 2, 1, count_include_pad=False),
        ),
        1,
    )
    wanted = torch.nn.functional.silu(pooled).numpy().transpose(0, 2, 3, 1)
    assert np.abs(got - wanted).max() <= 1e-6


def test_names_of_the_four_files_lead_to_each_other(tmp_path):
    first = tmp_path / "a.b.float16.multi-cpu.pb"
    assert sibling(first, Generation.NET, RuntimeType.GPU).name == "a.b.float16.net-gpu.pb"
    assert data_of(first).name == "a.b.float16.data"
    assert data_of(tmp_path / "other.pb").name == "other.data"
    with pytest.raises(InputError, match=r"multi-cpu\.pb"):
        sibling(tmp_path / "other.pb", Generation.NET, RuntimeType.GPU)


def test_a_file_on_disk_is_described_and_run_like_any_other(tmp_path, made):
    main = tmp_path / "block.multi-cpu.pb"
    main.write_bytes(made.pb[Generation.MULTI, RuntimeType.CPU])
    (tmp_path / "block.data").write_bytes(made.data)
    found = describe_file(main)
    assert (found.format, found.precision) == (Format.MACE, Precision.FLOAT32)
    assert found.inputs == (TensorSpec("input", (1, 28, 28, 40), "float32"),)
    assert list(found.companions) == ["block.data"]
    x = np.random.default_rng(0).standard_normal((1, 28, 28, 40), dtype=np.float32)
    (direct,) = checked(made).run([x])
    assert (run(main, Format.MACE, [x])[0] == direct).all()
    with pytest.raises(InputError, match="two files"):
        run(main.read_bytes(), Format.MACE, [x])
