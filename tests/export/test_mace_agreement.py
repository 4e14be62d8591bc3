"""What MACE files compute, by the independent interpreter, against torch."""

import numpy as np
import pytest
import torch

from mogakit.errors import ExportError, InputError
from mogakit.export.artifact import Precision
from mogakit.export.graph import Graph
from mogakit.export.lower import lower
from mogakit.export.mace.agreement import per_operator
from mogakit.export.mace.check import checked
from mogakit.export.mace.interpreter import load
from mogakit.export.mace.netdef import Generation, RuntimeType
from mogakit.export.mace.writer import write
from mogakit.export.nodes import Activate, Activation
from mogakit.nets import zoo
from mogakit.nets.modules import build_block, build_network
from mogakit.nets.spaces import get_space

SPACE = get_space("moga")
BLOCKS = (*SPACE.choice_blocks[::15], *SPACE.fixed_blocks)


@pytest.mark.parametrize("block", BLOCKS, ids=[block.key for block in BLOCKS])
def test_every_operator_of_a_block_agrees_with_torch(block):
    shape = (1, block.in_channels, block.input_size, block.input_size)
    graph = lower(build_block(block), shape)
    x = np.random.default_rng(1).standard_normal(shape, dtype=np.float32)
    found = per_operator(graph, checked(write(graph)), {"input": x})
    assert len(found) >= 2
    assert max(item.relative for item in found) <= 1e-5


@pytest.mark.parametrize("name", ["moga-a", "mnasnet-a1", "mobilenet-v3-large", "mobilenet-v1"])
def test_a_whole_network_agrees_with_torch_and_so_does_each_of_its_operators(name):
    network = zoo.get(name, input_size=96).network
    module = build_network(network)
    graph = lower(module, network.input_shape)
    files = write(graph, name=name)
    x = np.random.default_rng(2).standard_normal(network.input_shape, dtype=np.float32)
    with torch.no_grad():
        wanted = module(torch.from_numpy(x)).numpy()
    interpreter = load(files.pb[Generation.NET, RuntimeType.GPU], files.data)
    (got,) = interpreter.run([x.transpose(0, 2, 3, 1)])
    assert got.shape == (1, 1, 1, 1000)
    assert np.abs(got.reshape(1, -1) - wanted).max() <= 1e-5 * np.abs(wanted).max()
    assert max(item.relative for item in per_operator(graph, interpreter, {"input": x})) <= 1e-5


def test_half_precision_agrees_as_far_as_eleven_bits_go():
    block = SPACE.choice_blocks[50]
    shape = (1, block.in_channels, block.input_size, block.input_size)
    graph = lower(build_block(block), shape)
    x = np.random.default_rng(1).standard_normal(shape, dtype=np.float32).transpose(0, 2, 3, 1)
    (full,), (half,) = (checked(write(graph, kind)).run([x]) for kind in (Precision.FLOAT32, Precision.FLOAT16))
    assert 1e-6 < np.abs(full - half).max() / np.abs(full).max() < 2e-3


def test_a_graph_that_is_not_the_files_own_is_noticed():
    shape = (1, 16, 112, 112)
    graph = lower(build_block(SPACE.fixed_blocks[1]), shape)
    foreign = Graph(
        graph.inputs, (Activate(name="x", inputs=("input",), shape=shape, function=Activation.RELU),), ("x",)
    )
    with pytest.raises(ExportError, match="share no tensor"):
        per_operator(foreign, checked(write(graph)), {"input": np.zeros(shape, np.float32)})


def test_inputs_of_another_shape_are_rejected_with_the_right_one():
    graph = lower(build_block(SPACE.fixed_blocks[1]), (1, 16, 112, 112))
    interpreter = checked(write(graph))
    with pytest.raises(InputError, match=r"\(1, 112, 112, 16\) \(NHWC\)"):
        interpreter.run([np.zeros((1, 16, 112, 112), np.float32)])
    with pytest.raises(InputError, match="1 inputs, 0 were given"):
        interpreter.run([])


def test_a_model_in_memory_needs_its_weights():
    graph = lower(build_block(SPACE.fixed_blocks[1]), (1, 16, 112, 112))
    with pytest.raises(InputError, match=r"needs its \.data"):
        load(write(graph).pb[Generation.NET, RuntimeType.CPU])
