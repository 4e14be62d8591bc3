"""Checkpoints of a training run: written beside and renamed, read without unpickling anything but tensors."""

import io
import pickle
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from mogakit import records
from mogakit.errors import CheckpointError, InputError
from mogakit.files import replacing
from mogakit.nets.weights import digest_of

_CHECKSUM = "sha256"
"""Key of the digest over all else that a checkpoint holds."""


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint atomically; the one before stays whole until the new one is. Equal states give equal bytes."""
    # Into memory: given a path, torch writes its name into the archive, and this one is another every time; and on a
    # full disk it raises errors of its own.
    packed = io.BytesIO()
    torch.save({**_plain(state), _CHECKSUM: digest_of(state)}, packed)
    with replacing(path) as temporary:
        temporary.write_bytes(packed.getbuffer())


def _plain(value: Any) -> Any:
    """Return a state of which no two parts are one object but equal texts: a pickle writes an object once.

    A state that came from a checkpoint shares other texts and tuples than one that was made.
    """
    if isinstance(value, dict):
        return {_plain(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return (list if isinstance(value, list) else tuple)(_plain(one) for one in value)
    return sys.intern(value) if type(value) is str else value


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint, rejecting everything that is not tensors and plain values.

    Raises:
        CheckpointError: it is absent, damaged, or holds objects.
    """
    try:
        records.check_zip(path, "checkpoint of a training", "remove it to start from scratch")
    except InputError as error:
        raise CheckpointError(str(error)) from error
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError, KeyError, TypeError, IndexError) as error:
        raise CheckpointError(f"{path} is not a readable checkpoint of tensors and plain values: {error}") from error
    if not isinstance(state, dict):
        raise CheckpointError(f"{path} holds a {type(state).__name__}, not the dictionary of a training run")
    stated = state.pop(_CHECKSUM, None)
    if stated is not None and stated != digest_of(state):  # release 0.1 wrote none
        raise CheckpointError(f"{path} is damaged: its checksum does not match; remove it to start from scratch")
    return state


def read_checkpoint_of(path: Path, run: dict[str, Any]) -> dict[str, Any]:
    """Read the checkpoint of the run that `run` describes.

    Raises:
        CheckpointError: as `read_checkpoint`, or it is of another run.
    """
    state = read_checkpoint(path)
    if state.get("run") != run:
        raise CheckpointError(f"{path} is of another run ({state.get('run')}), this one is {run}: give another -o")
    return state


@dataclass
class Ticker:
    """Says when `interval_s` seconds have passed since it last said so."""

    interval_s: float
    last: float = field(default_factory=time.monotonic)

    def due(self) -> bool:
        """Return whether it is time, and restart the clock if so."""
        now = time.monotonic()
        if now - self.last < self.interval_s:
            return False
        self.last = now
        return True
