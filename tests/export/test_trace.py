"""What depends on the data itself is rejected with the name of its module, never baked in."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mogakit.errors import UnsupportedOperator
from mogakit.export.lower import lower

READS: dict[str, Callable[[Tensor], Any]] = {
    "if": lambda x: x * 2 if x.sum() > 0 else x - 1,
    "while": lambda x: x if bool((x > 5).any()) else x + 1,
    "float": lambda x: x / float(x.abs().max()),
    "int": lambda x: x * int(x.mean() * 100),
    "item": lambda x: x + x.std().item(),
    "tolist": lambda x: x * x.mean((0, 2, 3)).tolist()[0],
    "numpy": lambda x: x * float(x.detach().numpy().max()),
    "np.asarray": lambda x: x * float(np.asarray(x.detach()).max()),
    "equal": lambda x: x if torch.equal(x, x.relu()) else x + 1,
    "python max": lambda x: max(x.mean(), x.std()) * x,
}


class Reader(nn.Module):
    """Reads a value of its input."""

    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(x)


@pytest.mark.parametrize("name", READS)
def test_a_value_read_back_from_the_input_is_rejected_with_its_module(name: str) -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 1), Reader(READS[name])).eval()
    with pytest.raises(UnsupportedOperator, match=r"module '1' \(Reader\) reads a value back"):
        lower(module, (1, 3, 8, 8))


def test_values_of_constants_and_shapes_may_be_read() -> None:
    scale = torch.tensor(0.5)
    module = Reader(lambda x: x * float(scale) + x.shape[1] if scale > 0 and x.dim() == 4 else x).eval()
    assert [node.shape for node in lower(module, (1, 3, 8, 8)).nodes][-1] == (1, 3, 8, 8)
