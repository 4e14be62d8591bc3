"""The one driver under every training loop: steps, progress, throughput, scalars, checkpoints, resuming.

A loop gives its step and its state; whatever it trains, a run that was killed goes on to the same bits on a CPU.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from mogakit.progress import Progress, silent
from mogakit.training.checkpoint import Ticker, read_checkpoint_of, save_checkpoint
from mogakit.training.throughput import Throughput
from mogakit.training.world import World

Batch_contra = TypeVar("Batch_contra", contravariant=True)
B = TypeVar("B")

Scalars = Callable[[str, float, int], None]
"""Receives (name, value, step); TensorBoard's `add_scalar` fits."""


@dataclass(frozen=True)
class StepReport:
    """What a step was.

    Attributes:
        note: for people, beside the progress.
        values: by the scalar's name; NaN where the step had none.
    """

    note: str
    values: Mapping[str, float]


class TrainingLoop(Protocol[Batch_contra]):
    """What the driver asks of a loop."""

    def take(self, batch: Batch_contra, step: int) -> StepReport:
        """Take one step, `step` of them having been taken before."""

    def state_dict(self) -> dict[str, Any]:
        """Return everything that later steps depend on, as tensors and plain values."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned; further keys are the driver's."""


@dataclass(frozen=True, kw_only=True)
class Course:
    """How far a run goes, and who follows it.

    Attributes:
        run: what must be equal for a checkpoint to be continued, as plain values.
        num_steps: of the whole run.
        batch_size: images of a step over all processes.
        world: the processes; only the first reports and writes checkpoints.
        checkpoint: file that is written every `checkpoint_interval_s` seconds and at the end; None for none.
        family: what the names of scalars begin with: `train` for `train/loss`.
    """

    run: Mapping[str, Any]
    num_steps: int
    batch_size: int
    world: World
    checkpoint: Path | None
    checkpoint_interval_s: float
    progress: Progress = silent
    scalars: Scalars | None = None
    family: str = "train"


def drive(loop: TrainingLoop[B], batches: Callable[[int, int], Iterator[B]], course: Course) -> float | None:
    """Take the steps that are left, from the checkpoint where there is one.

    Args:
        batches: from (first step, last step) to one batch for each step between, this process's share.

    Returns:
        Images per second of this process's steps after the first few; None where it took no more.

    Raises:
        CheckpointError: the checkpoint is of another run.
    """
    first = _resume(loop, course)
    ticker, throughput = Ticker(course.checkpoint_interval_s), Throughput()
    for step, batch in enumerate(batches(first, course.num_steps), first):
        report = loop.take(batch, step)
        done = step + 1
        throughput.count(course.batch_size)
        if not course.world.is_first:
            continue
        course.progress(done, course.num_steps, f"{report.note}, {throughput}")
        if course.scalars is not None:
            _tell(course.scalars, course.family, report, throughput, done)
        if course.checkpoint is not None and (ticker.due() or done == course.num_steps):
            save_checkpoint(course.checkpoint, {"run": dict(course.run), "step": done, **loop.state_dict()})
            throughput.restart()
    return throughput.images_per_second


def _resume(loop: TrainingLoop[Any], course: Course) -> int:
    """Load the checkpoint where there is one; return the number of steps done."""
    if course.checkpoint is None or not course.checkpoint.exists():
        return 0
    state = read_checkpoint_of(course.checkpoint, dict(course.run))
    loop.load_state_dict(state)
    return int(state["step"])


def _tell(scalars: Scalars, family: str, report: StepReport, throughput: Throughput, done: int) -> None:
    """Report a step's values, and the speed once it is known."""
    speed = throughput.images_per_second
    for name, value in {**report.values, "images_per_second": math.nan if speed is None else speed}.items():
        if not math.isnan(value):
            scalars(f"{family}/{name}", value, done)
