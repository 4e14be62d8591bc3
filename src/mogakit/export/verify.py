"""Compare what a file computes with what torch computes, before the file counts as exported.

A file and torch add the same float32 numbers in another order, and both are off from the exact result: by 1e-7 of the
output's scale over a block, by 1e-5 over a deep network whose batch norms have ordinary statistics. How much is a
property of the network and of the input, so the tolerance is too: where the two differ by more than `FLOOR`, the module
is run in float64, and the file may be as far from that as `MULTIPLE` times torch's own float32 result (plus `FLOOR`).
A single float32 run can be lucky. Before a file is rejected, torch's error is therefore taken as the largest of several
runs that differ in nothing but rounding, with weights moved by up to two units in the last place.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import combinations

import numpy as np
import torch
from torch import nn

from mogakit.errors import ExportError
from mogakit.export import exact
from mogakit.export.artifact import Agreement
from mogakit.export.nodes import FloatArray, Shape
from mogakit.export.run import Array
from mogakit.export.trace import one_thread

FLOOR = 2e-6
"""Share of an output's scale that is rounding in any network: sixteen units in the last place of its largest number."""

FLOOR_CONSTANT = 1e-4
"""The same on a constant input. There, sums add equal numbers, and their rounding errors all point one way: the mean of
a map of 56x56 is off by 5e-6 in XNNPACK, which adds one after the other, and by 8e-7 in torch, which adds in pairs."""

MULTIPLE = 4.0
"""How many times torch's own error a file may be off. Measured over 20 networks, 5 kinds of input and two formats: 0.2
to 3 times, and up to 8 where one float32 run of torch was lucky."""

LAST_PLACES = 2.0**-22
"""Two units in the last place of a float32, relative: how far weights are moved to sample rounding."""

NUM_SAMPLES = 3
HALF_BITS = 11
USELESS = 0.5
"""An allowed difference from which on an input is too ill-conditioned to say anything on a file."""

Outputs = list[Array]


class Distribution(StrEnum):
    """What the numbers of a check input look like."""

    NORMAL = "normal"  # a normalised image
    UNIT = "image 0..1"
    BYTES = "image 0..255"
    CONSTANT = "constant"
    NEGATIVE = "negative"


INSIDE = (Distribution.NORMAL, Distribution.BYTES, Distribution.CONSTANT)
"""What a part of a network is checked on: both signs, large numbers, and no variance at all."""


def check_inputs(
    *shapes: Shape, kinds: Sequence[Distribution] = tuple(Distribution)
) -> dict[Distribution, tuple[FloatArray, ...]]:
    """Return one set of seeded inputs of `shapes` for each distribution."""
    rng = np.random.default_rng(0)
    drawn = [rng.standard_normal(shape, dtype=np.float32) for shape in shapes]
    # Drawing is the costly part: the other distributions are made from the same draw.
    images = [np.clip(0.5 + 0.25 * value, 0, 1, dtype=np.float32) for value in drawn]
    made = {
        Distribution.NORMAL: tuple(drawn),
        Distribution.UNIT: tuple(images),
        Distribution.BYTES: tuple(np.round(255 * (1 - value)) for value in images),
        Distribution.CONSTANT: tuple(np.full(shape, 0.5, np.float32) for shape in shapes),
        Distribution.NEGATIVE: tuple(-np.abs(value) for value in drawn),
    }
    return {kind: made[kind] for kind in kinds}


def normal_input(shape: Shape) -> FloatArray:
    """Return one seeded standard normal input: what a normalised image looks like to a network."""
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


def torch_outputs(module: nn.Module, inputs: Sequence[FloatArray]) -> Outputs:
    """Return the flat list of tensors that `module` makes of one set of inputs; no memory is shared with torch."""
    with torch.inference_mode(), one_thread():
        return _arrays(module(*(torch.tensor(value) for value in inputs)))


def _arrays(returned: object) -> Outputs:
    return [np.array(tensor.numpy()) for tensor in _flat(returned)]


def _flat(returned: object) -> Iterator[torch.Tensor]:
    if isinstance(returned, torch.Tensor):
        yield returned
    elif isinstance(returned, dict):
        yield from _flat(list(returned.values()))
    elif isinstance(returned, list | tuple):
        for item in returned:
            yield from _flat(item)


@dataclass
class Reference:
    """What torch makes of the check inputs, in float32 at once and in float64 where it is asked for.

    Attributes:
        expected: float32 outputs, by distribution; only those of numbers that are all finite.
    """

    module: nn.Module
    inputs: dict[Distribution, tuple[FloatArray, ...]]
    expected: dict[Distribution, Outputs] = field(init=False)
    _exact: dict[tuple[Distribution, str], Outputs] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        with np.errstate(invalid="ignore"):
            made = {kind: torch_outputs(self.module, values) for kind, values in self.inputs.items()}
        self.expected = {kind: outputs for kind, outputs in made.items() if all(map(_finite, outputs))}
        if not self.expected:
            raise ExportError(
                "torch itself gives infinities or NaN on every check input "
                f"({', '.join(self.inputs)}): look for NaN in the weights, or for the input's range"
            )

    @property
    def usable(self) -> dict[Distribution, tuple[FloatArray, ...]]:
        """Return the inputs of which torch makes finite numbers."""
        return {kind: self.inputs[kind] for kind in self.expected}

    def in_float64(self, kind: Distribution) -> Outputs:
        """Return the module's outputs in float64."""
        return self._float64(kind, "exact", exact.exactly)

    def own_errors(self, kind: Distribution, half: bool) -> Iterator[Outputs]:
        """Yield what float32 runs give that differ in rounding (`half`: runs with weights rounded to float16)."""
        if half:
            yield self._float64(kind, "half", exact.rounded(HALF_BITS))
        else:
            yield self.expected[kind]
        share = 2.0**-HALF_BITS if half else LAST_PLACES
        for seed in range(NUM_SAMPLES):
            yield self._float64(kind, f"{seed} {half}", exact.nudged(seed, share))

    def _float64(self, kind: Distribution, label: str, widen: exact.Widen) -> Outputs:
        if (kind, label) not in self._exact:
            inputs = [torch.tensor(value) for value in self.inputs[kind]]
            with one_thread():
                self._exact[kind, label] = _arrays(exact.run_float64(self.module, inputs, widen))
        return self._exact[kind, label]


def _finite(value: Array) -> bool:
    return bool(np.isfinite(value).all())


@dataclass(frozen=True, kw_only=True)
class _Judged:
    """One output on one input: differences over `scale`, and what was allowed."""

    kind: Distribution
    index: int
    error: float
    allowed: float
    scale: float
    own: float | None = None


def agreement(
    reference: Reference,
    found: dict[Distribution, Outputs],
    checked_with: str,
    *,
    half: bool = False,
) -> Agreement:
    """Measure how far a file's outputs are from torch's, and hold it against what the arithmetic allows.

    The scale of an output is the largest magnitude torch gives for it on that input.

    Args:
        found: the file's outputs for each input of the reference, in torch's layout.
        checked_with: runtime and version.
        half: the file's weights are rounded to float16, and so is the torch that it is compared with.

    Raises:
        ExportError: shapes differ, the file gives something that is not a number, is further off than allowed, or
            none of its outputs depends on the input, so that nothing was compared.
    """
    for kind, expected in reference.expected.items():
        _check_shapes(expected, found[kind], checked_with, kind)
    scales = _scales(reference)
    judged: list[_Judged] = []
    for kind, expected in reference.expected.items():
        for index in range(len(expected)):
            item = _judge(reference, found, kind, index, scales[kind][index], half)
            if item.error > item.allowed:
                raise ExportError(_message(item, checked_with))
            judged.append(item)
    useful = [item for item in judged if item.allowed < USELESS]
    _check_depends(reference, useful, checked_with)
    worst = max(useful, key=lambda item: item.error)
    return Agreement(
        max_abs_error=max(item.error * item.scale for item in useful),
        relative=worst.error,
        num_inputs=len({item.kind for item in useful}),
        checked_with=checked_with,
        torch_relative=worst.own,
    )


def _message(item: _Judged, checked_with: str) -> str:
    own = (
        ""
        if item.own is None
        else f"; torch's own float32 result is off by {item.own:.2g} from a float64 run of the same module"
    )
    return (
        f"differs from torch by {item.error:.2g} of the scale of output {item.index} in {checked_with} on the "
        f"{item.kind} input{own}; allowed is {item.allowed:.2g}"
    )


def _check_shapes(expected: Outputs, found: Outputs, checked_with: str, kind: Distribution) -> None:
    if len(expected) != len(found):
        raise ExportError(f"{checked_with} gives {len(found)} outputs, torch gives {len(expected)}")
    for index, (ours, theirs) in enumerate(zip(expected, found, strict=True)):
        if ours.shape != theirs.shape:
            raise ExportError(f"output {index} has shape {theirs.shape} in {checked_with}, and {ours.shape} in torch")
        if not _finite(theirs):
            raise ExportError(f"output {index} holds infinities or NaN in {checked_with} on the {kind} input")


SHARE_OF_LARGEST = 1e-3
"""An output that is all but zero on one input is measured against this share of its scale on the others."""


def _scales(reference: Reference) -> dict[Distribution, list[float]]:
    found = {
        kind: [float(np.abs(value).max(initial=0)) for value in outputs] for kind, outputs in reference.expected.items()
    }
    largest = [max(column) for column in zip(*found.values(), strict=True)]
    return {
        kind: [max(one, SHARE_OF_LARGEST * top) for one, top in zip(row, largest, strict=True)]
        for kind, row in found.items()
    }


def _judge(
    reference: Reference,
    found: dict[Distribution, Outputs],
    kind: Distribution,
    index: int,
    scale: float,
    half: bool,
) -> _Judged:
    """Compare one output on one input; the float64 run and its samples are made only as far as they are needed."""
    given, floor = found[kind][index], FLOOR_CONSTANT if kind is Distribution.CONSTANT else FLOOR
    error = _relative(given, reference.expected[kind][index], scale)
    if error <= floor:
        return _Judged(kind=kind, index=index, error=error, allowed=floor, scale=scale)
    wanted = reference.in_float64(kind)[index]
    error, own, allowed = _relative(given, wanted, scale), 0.0, floor
    for sample in reference.own_errors(kind, half):
        own = max(own, _relative(sample[index], wanted, scale))
        allowed = floor + MULTIPLE * own
        if error <= allowed:
            break
    return _Judged(kind=kind, index=index, error=error, allowed=allowed, scale=scale, own=own)


def _relative(one: Array, other: Array, scale: float) -> float:
    error = float(np.abs(one - other).max(initial=0))
    return error / scale if scale > 0 else (0.0 if error == 0 else float("inf"))


def _check_depends(reference: Reference, useful: Sequence[_Judged], checked_with: str) -> None:
    """Check that each output differs between two inputs by more than both allowed differences together.

    A file that gives a constant would pass otherwise, and prove nothing of the layers before it: it would lie within
    what is allowed of torch's result on either input. What a third input allows has no part in that.
    """
    for index in range(len(next(iter(reference.expected.values())))):
        mine = [item for item in useful if item.index == index]
        if not any(_differ(reference, one, other) for one, other in combinations(mine, 2)):
            raise ExportError(
                f"output {index} is the same on every check input, within what rounding allows: comparing it with "
                f"{checked_with} proves nothing. Give the module weights and batch-norm statistics that let its input "
                "through (a trained checkpoint)"
            )


def _differ(reference: Reference, one: _Judged, other: _Judged) -> bool:
    """Return whether no constant is within what is allowed of torch's result on both inputs."""
    change = reference.expected[one.kind][one.index] - reference.expected[other.kind][other.index]
    return float(np.abs(change).max(initial=0)) > one.allowed * one.scale + other.allowed * other.scale
