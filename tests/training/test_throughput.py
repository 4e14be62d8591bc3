"""Images per second are those of training steps: not of start-up, checkpoints or validation."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from mogakit.nets.spaces import get_space
from mogakit.training import throughput
from mogakit.training.data import ArrayDataset, open_digits
from mogakit.training.loop import Settings, train
from mogakit.training.recipes import get_recipe
from mogakit.training.throughput import NUM_WARM_UP_STEPS, Throughput
from mogakit.training.world import World


@dataclass
class Clock:
    """A clock that moves when told."""

    now_s: float = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(throughput, "monotonic", made)
    return made


def test_the_first_steps_do_not_count(clock: Clock) -> None:
    measured = Throughput(num_skipped=2)
    for seconds in (100.0, 50.0):
        clock.now_s += seconds
        measured.count(8)
        assert measured.images_per_second is None
        assert str(measured) == "speed not known yet"
    for seconds in (1.0, 3.0):
        clock.now_s += seconds
        measured.count(8)
    assert measured.images_per_second == 4.0
    assert str(measured) == "4 images/s"


def test_what_happens_between_steps_does_not_count(clock: Clock) -> None:
    measured = Throughput(num_skipped=0)
    clock.now_s += 2
    measured.count(8)
    clock.now_s += 1000
    measured.restart()
    clock.now_s += 2
    measured.count(8)
    assert measured.images_per_second == 4.0


NETWORK, ALONE = get_space("digits").decode((0,) * 6), World(0, 1, torch.device("cpu"))


def test_validation_does_not_count(clock: Clock) -> None:
    """The second step, which is skipped, takes 500 seconds, the others one, and each validation image 1000."""
    training, validation, _ = open_digits(8)

    class SlowDataset(ArrayDataset):
        def read(self, index, rng):  # type: ignore[no-untyped-def]
            clock.now_s += 1000
            return super().read(index, rng)

    def tell(done: int, total: int, note: str) -> None:
        clock.now_s += 500 if done == NUM_WARM_UP_STEPS - 1 else 1

    slow = SlowDataset("slow", validation.images[:10], validation.labels[:10], 10)
    settings = Settings(batch_size=50, epochs=0.5)
    trained = train(NETWORK, (training, slow), get_recipe("digits"), settings, ALONE, progress=tell)
    assert (trained.num_steps, trained.images_per_second) == (10, 50.0)


def test_checkpoints_do_not_count(clock: Clock, tmp_path: Path) -> None:
    """The clock moves only between a step and its checkpoint, and there is one after every step."""

    def tell(done: int, total: int, note: str) -> None:
        clock.now_s += 1

    settings = Settings(batch_size=50, epochs=0.5, checkpoint_interval_s=0.0)
    data, recipe = open_digits(8)[:2], get_recipe("digits")
    trained = train(NETWORK, data, recipe, settings, ALONE, tmp_path / "run.pt", tell)
    assert trained.images_per_second is None


def test_a_run_without_steps_to_time_says_so(tmp_path: Path) -> None:
    data, recipe, path = open_digits(8)[:2], get_recipe("digits"), tmp_path / "run.pt"
    settings = Settings(batch_size=50, epochs=0.25)
    assert (train(NETWORK, data, recipe, settings, ALONE, path).images_per_second or 0) > 0
    assert train(NETWORK, data, recipe, settings, ALONE, path).images_per_second is None
