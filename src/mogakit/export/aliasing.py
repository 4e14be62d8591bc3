"""What was written in place through views: which part of a tensor a later write replaced.

A module may fill a tensor part by part (`made[:, :4] = x`), or change one through a view of it (`x[..., 0] *= 2`). A
graph has no such thing: whoever reads the tensor afterwards reads its old value with the written parts put in.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch

from mogakit.errors import UnsupportedOperator

Box = tuple[tuple[int, int], ...]
"""(start, stop) for each axis."""


@dataclass(frozen=True)
class Piece:
    """A write that lies in a tensor: elements `source` of what was written replace elements `target` of the tensor.

    `number` is that of the written tensor in the trace.
    """

    number: int
    target: Box
    source: Box


@dataclass(kw_only=True)
class Aliases:
    """The traced tensors that lie in each storage, and those of them that were written in place, in order."""

    _lying: dict[int, dict[int, torch.Tensor]] = field(default_factory=dict)
    _written: dict[int, list[tuple[int, torch.Tensor]]] = field(default_factory=dict)

    def note(self, number: int, tensor: torch.Tensor, written: bool) -> None:
        """Note that a tensor has got a number in the trace, and whether by being written in place."""
        place = tensor.untyped_storage().data_ptr()
        self._lying.setdefault(place, {})[number] = tensor
        if written:
            self._written.setdefault(place, []).append((number, tensor))

    def shares(self, tensor: torch.Tensor) -> bool:
        """Return whether any traced tensor lies in the storage of `tensor`."""
        return tensor.untyped_storage().data_ptr() in self._lying

    def twin(self, tensor: torch.Tensor) -> int | None:
        """Return the number of the traced tensor of which `tensor` is another handle (`x.data`), or None."""
        found = None
        for number, other in self._lying.get(tensor.untyped_storage().data_ptr(), {}).items():
            if _same_place(tensor, other):
                found = number
        return found

    def later(self, tensor: torch.Tensor, number: int) -> list[Piece]:
        """Return what was written into a tensor after it got its number (-1: it is a constant), in order.

        Raises:
            UnsupportedOperator: what was written is not one block of the tensor.
        """
        pieces = []
        for written, other in self._written.get(tensor.untyped_storage().data_ptr(), ()):
            if written > number and other is not tensor and _bounds_meet(tensor, other):
                piece = _piece(written, tensor, other)
                pieces += [piece] if piece is not None else []
        return pieces


def _same_place(one: torch.Tensor, other: torch.Tensor) -> bool:
    return (one.storage_offset(), one.shape, one.stride()) == (other.storage_offset(), other.shape, other.stride())


def _bounds_meet(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Return whether two tensors of one storage can share an element."""
    (first, last), (start, stop) = (
        (each.storage_offset(), each.storage_offset() + sum((n - 1) * s for n, s in zip(each.shape, each.stride(),
                                                                                        strict=True)))
        for each in (one, other)
    )  # fmt: skip
    return bool(one.numel() and other.numel()) and first <= stop and start <= last


def _places(tensor: torch.Tensor) -> npt.NDArray[np.int64]:
    """Return where in its storage each element of a tensor lies."""
    found = np.full((), tensor.storage_offset(), np.int64)
    for size, stride in zip(tensor.shape, tensor.stride(), strict=True):
        found = found[..., None] + np.arange(size, dtype=np.int64) * stride
    return found


def _piece(number: int, tensor: torch.Tensor, written: torch.Tensor) -> Piece | None:
    ours, theirs = _places(tensor), _places(written)
    target, source = _box(np.isin(ours, theirs)), _box(np.isin(theirs, ours))
    if target is None or source is None:
        return None
    if not np.array_equal(_cut(ours, target).reshape(-1), _cut(theirs, source).reshape(-1)):
        raise UnsupportedOperator(
            "a tensor is read after it was changed in place through a view whose elements are not one block of it, in "
            "the same order; write that operator without the underscore or inplace=True"
        )
    return Piece(number, target, source)


def _cut(values: npt.NDArray[np.int64], box: Box) -> npt.NDArray[np.int64]:
    return values[tuple(slice(*ends) for ends in box)]


def _box(mask: npt.NDArray[np.bool_]) -> Box | None:
    """Return the smallest block that holds every true element; None where there is none."""
    if not mask.any():
        return None
    box = []
    for axis in range(mask.ndim):
        hit = np.flatnonzero(mask.any(tuple(other for other in range(mask.ndim) if other != axis)))
        box.append((int(hit[0]), int(hit[-1]) + 1))
    return tuple(box)
