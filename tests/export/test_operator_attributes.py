"""Attributes of operators, drawn at random: what a file computes is what torch computes for every one of them."""

import itertools
import math
from functools import lru_cache

import numpy as np
import pytest
import torch
import torch.nn.functional as fn
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from operator_cases import Function
from torch import nn

from mogakit.export import onnx, tflite
from mogakit.export.artifact import Format
from mogakit.export.lower import lower
from mogakit.export.run import run
from mogakit.export.tflite.layout import moves, permuted, physical, reshaped, standard

EXAMPLES = settings(max_examples=12, deadline=None, derandomize=True)
pairs = st.tuples(st.integers(1, 4), st.integers(1, 4))


def check(module: nn.Module, shape: tuple[int, ...]) -> None:
    """Compare both formats with torch on a normal input."""
    generator = torch.Generator().manual_seed(0)
    for value in module.state_dict().values():
        value.uniform_(-1, 1, generator=generator)
    x = torch.randn(shape, generator=generator)
    with torch.no_grad():
        wanted = module.eval()(x).numpy()
    graph = lower(module, shape)
    last = x.permute(0, 2, 3, 1).numpy() if x.ndim == 4 else x.numpy()
    (ours,) = run(tflite.write(graph), Format.TFLITE, [np.ascontiguousarray(last)])
    (theirs,) = run(onnx.write(graph), Format.ONNX, [x.numpy()])
    scale = max(float(np.abs(wanted).max()), 1e-3)
    np.testing.assert_allclose(
        ours.transpose(0, 3, 1, 2) if ours.ndim == 4 else ours, wanted, rtol=0, atol=3e-6 * scale
    )
    np.testing.assert_allclose(theirs, wanted, rtol=0, atol=3e-6 * scale)


@EXAMPLES
@given(
    groups=st.sampled_from([1, 2, 3, 6]),
    kernel=pairs,
    stride=st.integers(1, 3),
    padding=pairs,
    outputs=st.integers(1, 3),
)
def test_a_grouped_convolution(
    groups: int, kernel: tuple[int, int], stride: int, padding: tuple[int, int], outputs: int
) -> None:
    check(nn.Conv2d(6, groups * outputs, kernel, stride, padding, groups=groups), (1, 6, 7, 9))


@EXAMPLES
@given(
    groups=st.sampled_from([1, 2]), kernel=pairs, stride=pairs, padding=st.integers(0, 3), extra=st.integers(0, 2),
    dilation=st.integers(1, 2),
)  # fmt: skip
def test_a_transposed_convolution(
    groups: int, kernel: tuple[int, int], stride: tuple[int, int], padding: int, extra: int, dilation: int
) -> None:
    assume(extra < max(min(stride), dilation))
    sizes = [
        (n - 1) * s - 2 * padding + dilation * (k - 1) + extra + 1
        for n, s, k in zip((4, 5), stride, kernel, strict=True)
    ]
    assume(min(sizes) > 0)
    check(nn.ConvTranspose2d(4, 6, kernel, stride, padding, extra, groups, dilation=dilation), (1, 4, 4, 5))


@EXAMPLES
@given(
    kernel=pairs, stride=pairs, padding=st.integers(0, 2), ceil=st.booleans(), counts=st.booleans(),
    divisor=st.sampled_from([None, None, 3]), largest=st.booleans(),
)  # fmt: skip
def test_pooling(
    kernel: tuple[int, int], stride: tuple[int, int], padding: int, ceil: bool, counts: bool, divisor: int | None,
    largest: bool,
) -> None:  # fmt: skip
    assume(2 * padding <= min(kernel))
    if largest:
        check(nn.MaxPool2d(kernel, stride, padding, ceil_mode=ceil), (1, 3, 7, 8))
    else:
        check(nn.AvgPool2d(kernel, stride, padding, ceil, counts, divisor), (1, 3, 7, 8))


@EXAMPLES
@given(size=st.tuples(st.integers(1, 12), st.integers(1, 12)), largest=st.booleans())
def test_adaptive_pooling(size: tuple[int, int], largest: bool) -> None:
    check(nn.AdaptiveMaxPool2d(size) if largest else nn.AdaptiveAvgPool2d(size), (1, 3, 7, 8))


@EXAMPLES
@given(
    size=st.tuples(st.integers(1, 16), st.integers(1, 16)),
    mode=st.sampled_from(["nearest", "nearest-exact", "bilinear", "bilinear aligned", "bicubic"]),
)
def test_resizing(size: tuple[int, int], mode: str) -> None:
    kind, _, aligned = mode.partition(" ")
    settings = {"align_corners": bool(aligned)} if kind in ("bilinear", "bicubic") else {}
    check(Function(lambda x: fn.interpolate(x, size, mode=kind, **settings)), (1, 3, 5, 6))


@EXAMPLES
@given(
    axes=st.sets(st.integers(0, 3), min_size=1),
    keep=st.booleans(),
    name=st.sampled_from(["mean", "sum", "amax", "var"]),
)
def test_a_reduction(axes: set[int], keep: bool, name: str) -> None:
    assume(name != "var" or axes != {0})
    check(Function(lambda x: getattr(x, name)(tuple(axes), keepdim=keep)), (1, 3, 4, 5))


@EXAMPLES
@given(axis=st.integers(-4, 3), start=st.integers(-6, 6), length=st.integers(1, 5), step=st.integers(1, 3))
def test_a_slice(axis: int, start: int, length: int, step: int) -> None:
    shape = (1, 5, 4, 6)
    size = shape[axis]
    first = max(start + size, 0) if start < 0 else start
    assume(first < size)
    index = [slice(None)] * 4
    index[axis] = slice(first, first + length, step)
    check(Function(lambda x: x[tuple(index)] * 2), shape)


@EXAMPLES
@given(data=st.data())
def test_permutations_and_reshapes_of_any_kind(data: st.DataObject) -> None:
    """A chain of both, with arithmetic in between, at ranks 1 to 5."""
    shape = (1, 4, 6, 2)
    steps = []
    for _ in range(data.draw(st.integers(1, 3))):
        axes = data.draw(st.permutations(range(len(shape))))
        shape = tuple(shape[axis] for axis in axes)
        target = data.draw(st.sampled_from(factorings(math.prod(shape))))
        steps.append((axes, target))
        shape = target

    def chain(x: torch.Tensor) -> torch.Tensor:
        for axes, target in steps:
            x = x.permute(axes).reshape(target) * 2
        return x

    check(Function(chain), (1, 4, 6, 2))


@lru_cache
def factorings(count: int) -> list[tuple[int, ...]]:
    """Return shapes of up to five axes with `count` elements."""
    sizes = [size for size in range(1, count + 1) if count % size == 0]
    return [
        shape for rank in range(1, 5) for shape in itertools.product(sizes, repeat=rank) if math.prod(shape) == count
    ]


@settings(max_examples=50, deadline=None, derandomize=True)
@given(data=st.data())
def test_an_order_of_axes_follows_permutations_and_reshapes(data: st.DataObject) -> None:
    """Numbers laid out in an order, then reshaped in memory as planned, lie as the reshaped tensor in the new order."""
    before = data.draw(st.sampled_from(factorings(24)))
    after = data.draw(st.sampled_from(factorings(24)))
    order = tuple(data.draw(st.permutations(range(len(before)))))
    values = np.arange(24).reshape(before)
    needed, left = reshaped(before, after, order)
    assert sorted(needed) == list(range(len(before)))
    in_memory = values.transpose(needed).reshape(physical(after, left))
    np.testing.assert_array_equal(in_memory, values.reshape(after).transpose(left))
    axes = data.draw(st.permutations(range(len(before))))
    turned = permuted(order, axes)
    np.testing.assert_array_equal(values.transpose(order), values.transpose(axes).transpose(turned))


@pytest.mark.parametrize(
    ("before", "after"), [((1, 8, 5, 5), (1, 2, 4, 5, 5)), ((1, 8, 5, 5), (1, 8, 25)), ((1, 8, 1, 1), (1, 8))]
)
def test_a_map_is_cut_and_flattened_where_it_lies(before: tuple[int, ...], after: tuple[int, ...]) -> None:
    needed, _ = reshaped(before, after, standard(4))
    assert not moves(before, needed, standard(4))
