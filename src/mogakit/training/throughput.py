"""Images per second of training steps alone."""

from dataclasses import dataclass, field
from time import monotonic

NUM_WARM_UP_STEPS = 2
"""First steps of a process that do not count: threads start, memory is laid out, kernels are chosen."""


@dataclass(kw_only=True)
class Throughput:
    """A clock that runs while steps are made: waiting for images is in, start-up, checkpoints and validation are not.

    Attributes:
        num_skipped: first steps that do not count.
    """

    num_skipped: int = NUM_WARM_UP_STEPS
    _num_steps: int = 0
    _num_images: int = 0
    _elapsed_s: float = 0.0
    _since_s: float = field(default_factory=lambda: monotonic())

    def count(self, num_images: int) -> None:
        """Say that a step over `num_images` has ended; the next one begins."""
        now_s = monotonic()
        self._num_steps += 1
        if self._num_steps > self.num_skipped:
            self._num_images += num_images
            self._elapsed_s += now_s - self._since_s
        self._since_s = now_s

    def restart(self) -> None:
        """Say that what happened since the last step was none, and that the next one begins."""
        self._since_s = monotonic()

    @property
    def images_per_second(self) -> float | None:
        """Return the mean over the steps that count; None where there are none."""
        return self._num_images / self._elapsed_s if self._elapsed_s > 0 else None

    def __str__(self) -> str:
        """Return the speed for people."""
        speed = self.images_per_second
        return "speed not known yet" if speed is None else f"{speed:.0f} images/s"
