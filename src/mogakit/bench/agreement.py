"""Whether a device computes the right answer: what a tool there made of a given input, against what is computed here.

A latency of a wrong answer is worth nothing, and a delegate or driver that computes one says so nowhere. So a file is
run once on seeded input, outside every timing window, and its output is compared with the reference runtime's.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mogakit.bench.target import Hardware, Target
from mogakit.export.artifact import Precision

Array = NDArray[Any]


class Verdict(StrEnum):
    """What came of a check."""

    AGREES = "agrees"
    WRONG_OUTPUT = "wrong-output"
    NOT_CHECKED = "not-checked"


@dataclass(frozen=True)
class Limits:
    """How far an output may be from the reference.

    Attributes:
        relative: largest error over the output's scale (largest magnitude; of integers the span).
        sqnr_db: least ratio of the output's energy around its mean to that of the error; None where it is not asked.
        source: where the numbers come from.
    """

    relative: float
    sqnr_db: float | None
    source: str

    def __str__(self) -> str:
        floor = "" if self.sqnr_db is None else f" and at least {self.sqnr_db:g} dB"
        return f"up to {self.relative:g} of the output's scale{floor}"


_FLOAT32 = Limits(
    1e-3, None, "ours: 7e-7 was measured with XNNPACK, OpenGL and OpenCL; a GPU's own sums may be coarser"
)
_FLOAT16 = Limits(5e-2, None, "ours: 5e-4 was measured over a block on OpenGL, and a network has some fifty layers")
_INTEGER = Limits(0.10, 20.0, "ours: kernels of other processors round differently by a step here and there")

LIMITS: dict[Precision, Limits] = {
    Precision.FLOAT32: _FLOAT32,
    Precision.FLOAT16: _FLOAT16,
    Precision.INT8: _INTEGER,
    Precision.UINT8: _INTEGER,
    Precision.INT8_FLOAT_IO: _INTEGER,
    Precision.INT16X8: _INTEGER,
    Precision.DYNAMIC_RANGE: _FLOAT16,
    Precision.MIXED: _INTEGER,
}
"""By the precision of the target, in which the device computes."""

_QUANTISES = (Hardware.DSP, Hardware.HTP, Hardware.EDGETPU, Hardware.NPU)
"""Hardware whose tools may quantise a float file on loading."""


@dataclass(frozen=True, kw_only=True)
class DeviceAgreement:
    """One file's output on one target, compared with the reference.

    Attributes:
        relative: largest error over the output's scale, the worst output counts.
        sqnr_db: of the output around its mean; None where the output is equal or constant.
        top1_equal: whether the largest value is at the same place; None where the output is not a vector.
        limit: what was allowed, in words.
        reference: what computed the expected output here, with its version.
        reason: why it was not checked, or what is wrong; empty where it agrees.
    """

    verdict: Verdict
    relative: float | None = None
    sqnr_db: float | None = None
    top1_equal: bool | None = None
    limit: str = ""
    reference: str = ""
    reason: str = ""

    @property
    def wrong(self) -> bool:
        """Return whether what was measured with this output must not count."""
        return self.verdict is Verdict.WRONG_OUTPUT

    def __str__(self) -> str:
        if self.verdict is Verdict.NOT_CHECKED:
            return f"not checked: {self.reason}"
        if self.relative is None:
            return f"wrong output: {self.reason}"
        sqnr = "" if self.sqnr_db is None else f", {self.sqnr_db:.1f} dB"
        top1 = "" if self.top1_equal is None else f", top-1 {'equal' if self.top1_equal else 'differs'}"
        head = "wrong output" if self.wrong else "agrees"
        return f"{head}: error {self.relative:.2g} of the output's scale{sqnr}{top1} ({self.limit} is allowed)"


def not_checked(reason: str) -> DeviceAgreement:
    """Return the record of a file whose output could not be had."""
    return DeviceAgreement(verdict=Verdict.NOT_CHECKED, reason=reason)


def limits_for(target: Target) -> Limits:
    """Return how far a target's output may be from the reference."""
    return _INTEGER if target.hardware in _QUANTISES else LIMITS[target.precision]


def judge(expected: Sequence[Array], found: Sequence[Array], limits: Limits, reference: str) -> DeviceAgreement:
    """Compare outputs with the reference's.

    Args:
        expected: the reference's outputs.
        found: the device's, of the same shapes and types.
        reference: what computed `expected`.
    """
    wrong = DeviceAgreement(verdict=Verdict.WRONG_OUTPUT, limit=str(limits), reference=reference)
    if not all(np.isfinite(value).all() for value in found):
        return _with_reason(wrong, "the output holds infinities or NaN")
    relative = max(_relative(ours, theirs) for ours, theirs in zip(expected, found, strict=True))
    ratios = [_sqnr_db(ours, theirs) for ours, theirs in zip(expected, found, strict=True)]
    known = [ratio for ratio in ratios if ratio is not None]
    sqnr_db = min(known, default=None)
    too_far = relative > limits.relative or (
        limits.sqnr_db is not None and sqnr_db is not None and sqnr_db < limits.sqnr_db
    )
    made = DeviceAgreement(
        verdict=Verdict.WRONG_OUTPUT if too_far else Verdict.AGREES,
        relative=relative if math.isfinite(relative) else None,
        sqnr_db=sqnr_db,
        top1_equal=_top1_equal(expected[0], found[0]),
        limit=str(limits),
        reference=reference,
    )
    if not too_far:
        return made
    return _with_reason(made, f"the output differs from {reference} on the same input")


def _with_reason(made: DeviceAgreement, reason: str) -> DeviceAgreement:
    return DeviceAgreement(**{**vars(made), "reason": reason})


def _relative(expected: Array, found: Array) -> float:
    ours, theirs = expected.astype(np.float64), found.astype(np.float64)
    error = float(np.abs(ours - theirs).max(initial=0.0))
    is_integer = np.issubdtype(expected.dtype, np.integer)
    scale = float(np.ptp(ours)) if is_integer else float(np.abs(ours).max(initial=0.0))
    if scale == 0.0:
        return 0.0 if error == 0.0 else math.inf
    return error / scale


def _sqnr_db(expected: Array, found: Array) -> float | None:
    ours, theirs = expected.astype(np.float64), found.astype(np.float64)
    signal, noise = float(np.square(ours - ours.mean()).sum()), float(np.square(ours - theirs).sum())
    return 10.0 * math.log10(signal / noise) if signal > 0.0 and noise > 0.0 else None


def _top1_equal(expected: Array, found: Array) -> bool | None:
    if expected.ndim < 1 or expected.shape[-1] < 2 or expected.size != expected.shape[-1]:
        return None
    return bool(expected.reshape(-1).argmax() == found.reshape(-1).argmax())
