"""A graph is checked when it is made."""

import numpy as np
import pytest

from mogakit.export.graph import Graph, Tensor
from mogakit.export.nodes import Activate, Activation, Add, Padding

INPUT = Tensor("input", (1, 2, 4, 4))


def relu(name: str, source: str) -> Activate:
    return Activate(name=name, inputs=(source,), shape=INPUT.shape, function=Activation.RELU)


def test_a_node_may_read_inputs_constants_and_earlier_nodes() -> None:
    shift = Add(name="shifted", inputs=("relu", "three"), shape=INPUT.shape)
    graph = Graph((INPUT,), (relu("relu", "input"), shift), ("shifted",), {"three": np.full(1, 3, np.float32)})
    assert graph.shapes() == {"input": (1, 2, 4, 4), "three": (1,), "relu": (1, 2, 4, 4), "shifted": (1, 2, 4, 4)}
    assert graph.readers()["relu"] == (shift,)
    assert "shifted" not in graph.readers()


def test_a_node_that_reads_what_is_not_there_yet_is_rejected() -> None:
    with pytest.raises(ValueError, match="'late', which is neither an input nor before it"):
        Graph((INPUT,), (relu("early", "late"), relu("late", "input")), ("early",))


def test_a_name_used_twice_is_rejected() -> None:
    with pytest.raises(ValueError, match="'input' is used twice"):
        Graph((INPUT,), (relu("input", "input"),), ("input",))
    with pytest.raises(ValueError, match="share a name"):
        Graph((INPUT,), (), ("input",), {"input": np.zeros(1, np.float32)})


def test_an_output_that_no_node_makes_is_rejected() -> None:
    with pytest.raises(ValueError, match="output 'nowhere'"):
        Graph((INPUT,), (relu("relu", "input"),), ("nowhere",))


def test_padding_is_false_where_there_is_none() -> None:
    assert not Padding()
    assert Padding(1, 2, 1, 2)
