"""Equal states are equal bytes, whatever the name of the file and wherever the state came from."""

import resource
from pathlib import Path

import pytest
import torch

from mogakit.training.checkpoint import read_checkpoint, save_checkpoint


def state() -> dict[str, object]:
    """Return a state as an optimiser and a loop leave one: equal texts and tuples that are one object, or are not."""
    name = "".join(["st", "ep"])
    pair = (0.9, 0.999)
    tensors = {f"layer.{index}": {name: torch.tensor(3.0), "step": torch.ones(4)} for index in range(3)}
    return {
        "model": tensors,
        "groups": [{"betas": pair, "name": name}, {"betas": pair, "name": "step"}],
        "run": {"a": None},
    }


def test_a_state_that_was_read_is_written_as_the_same_bytes(tmp_path: Path) -> None:
    first, second, other = tmp_path / "a.pt", tmp_path / "other-name.pt", tmp_path / "c.pt"
    save_checkpoint(first, state())
    save_checkpoint(second, read_checkpoint(first))
    save_checkpoint(other, state())
    assert first.read_bytes() == second.read_bytes() == other.read_bytes()


def test_a_full_disk_is_an_error_of_the_system_and_leaves_the_checkpoint_before(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    save_checkpoint(path, state())
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            save_checkpoint(path, {**state(), "more": torch.zeros(1000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [each.name for each in tmp_path.iterdir()] == ["a.pt"]
    assert path.read_bytes() == before
