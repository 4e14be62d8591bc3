"""Names of networks at other scales are taken apart as the zoo puts them together."""

import pytest

from mogakit.errors import InputError
from mogakit.nets import zoo
from mogakit.nets.variant import Variant, parse_variant


@pytest.mark.parametrize(("width", "size"), [(1.0, 224), (0.75, 224), (1.0, 192), (1.25, 160)])
def test_a_name_of_the_zoo_is_read_back(width: float, size: int) -> None:
    name = zoo.get("mobilenet-v2", width=width, input_size=size, num_classes=100).network.name
    assert parse_variant(name) == Variant("mobilenet-v2", width, size)


@pytest.mark.parametrize("text", ["mobilenet-v2@wide", "mobilenet-v2@x", "mobilenet-v2@192.5px"])
def test_what_is_no_scale_is_rejected(text: str) -> None:
    with pytest.raises(InputError, match="is not a scale"):
        parse_variant(text)
