"""Which blocks the tests of the real tool take: a few, or what MOGA_ANDROID_SAMPLE names (a number, or all)."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from mogakit.export.artifact import Artifact, Format, Precision
from mogakit.flows.deploy.export import export_parts
from mogakit.nets.block import Block
from mogakit.nets.spaces import get_space

DEFAULT_SAMPLE = 2
T = TypeVar("T")


def sampled(names: Sequence[T], most: int | None = None) -> list[T]:
    """Return as many as were asked for, and not more than `most`, evenly over the list."""
    asked = os.environ.get("MOGA_ANDROID_SAMPLE", str(DEFAULT_SAMPLE))
    count = len(names) if asked == "all" else min(int(asked), len(names))
    count = count if most is None else min(count, most)
    return [names[index * len(names) // count] for index in range(count)]


def blocks(most: int | None = None) -> list[Block]:
    """Return some of the 123 blocks of the MoGA space, fixed ones among them where all are asked for."""
    space = get_space("moga")
    return sampled([*space.choice_blocks, *space.fixed_blocks], most)


def files_of(wanted: Sequence[Block], precision: Precision, folder: Path) -> list[Artifact]:
    """Export blocks to TFLite."""
    fixed = set(get_space("moga").fixed_blocks)
    choices = [block for block in wanted if block not in fixed]
    return export_parts(choices, [block for block in wanted if block in fixed], [Format.TFLITE], precision, folder)
