"""ONNX files: operators by opset, nothing of this machine inside."""

import collections

import onnx
import pytest
import torch
from ordinary import ordinary_block
from torch import nn

from mogakit.errors import InputError
from mogakit.export import onnx as writer
from mogakit.export.artifact import Format, Precision
from mogakit.export.graph import Graph
from mogakit.export.lower import lower
from mogakit.export.run import run

BLOCK = "mb_i24e144o40_h56_k5s2_hswish_se36-relu-hsigmoid"
HEAD = "head_i16f24m32o10_h7_hswish"


def block_graph(key: str) -> Graph:
    return lower(*ordinary_block(key))


def operators(data: bytes) -> dict[str, int]:
    return dict(collections.Counter(node.op_type for node in onnx.load_from_string(data).graph.node))


def test_opset_17_keeps_hard_swish_and_hard_sigmoid_whole() -> None:
    assert operators(writer.write(block_graph(BLOCK))) == {
        "Conv": 5, "HardSwish": 2, "GlobalAveragePool": 1, "Relu": 1, "HardSigmoid": 1, "Mul": 1,
    }  # fmt: skip


def test_opset_13_spells_them_out_for_old_converters() -> None:
    data = writer.write(block_graph(BLOCK), opset=13)
    assert operators(data) == {"Conv": 5, "GlobalAveragePool": 1, "Relu": 1, "Add": 3, "Clip": 3, "Mul": 6}
    assert onnx.load_from_string(data).opset_import[0].version == 13


def test_the_last_layer_is_a_gemm_in_17_and_a_convolution_in_13() -> None:
    graph = block_graph(HEAD)
    assert operators(writer.write(graph))["Gemm"] == 1
    thirteen = operators(writer.write(graph, opset=13))
    assert "Gemm" not in thirteen
    assert thirteen["Conv"] == 3
    assert thirteen["Flatten"] == 1


def test_a_linear_layer_on_a_flattened_map_becomes_a_convolution_that_computes_the_same() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 4, 5), nn.ReLU(), nn.Linear(5, 2)).eval()
    graph = lower(module, (1, 3, 4, 4))
    x = torch.randn((1, 3, 4, 4), generator=torch.Generator().manual_seed(0))
    (expected,) = run(writer.write(graph), Format.ONNX, [x.numpy()])
    (found,) = run(writer.write(graph, opset=13), Format.ONNX, [x.numpy()])
    assert abs(expected - found).max() < 1e-6


def test_the_file_holds_nothing_of_the_machine_that_wrote_it() -> None:
    model = onnx.load_from_string(writer.write(block_graph(BLOCK)))
    assert not model.metadata_props
    assert not any(node.doc_string or node.metadata_props for node in model.graph.node)
    assert model.producer_name == "MoGA Kit"
    assert model.ir_version == 8


def test_names_and_shapes_are_those_of_torch() -> None:
    graph = onnx.load_from_string(writer.write(block_graph(BLOCK))).graph
    described = [
        (value.name, [size.dim_value for size in value.type.tensor_type.shape.dim])
        for value in (*graph.input, *graph.output)
    ]
    assert described == [("input", [1, 24, 56, 56]), ("output", [1, 40, 28, 28])]


def test_equal_graphs_give_equal_bytes() -> None:
    assert writer.write(block_graph(BLOCK)) == writer.write(block_graph(BLOCK))


@pytest.mark.parametrize("opset", [12, 18])
def test_other_opsets_are_rejected_with_the_legal_ones(opset: int) -> None:
    with pytest.raises(InputError, match=f"opset {opset} is not written; supported: 13, 17"):
        writer.write(block_graph(BLOCK), opset=opset)


def test_other_precisions_are_rejected() -> None:
    with pytest.raises(InputError, match="float32, not float16"):
        writer.write(block_graph(BLOCK), Precision.FLOAT16)
