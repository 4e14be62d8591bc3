"""What other converters made of the same networks, recorded by tests/reference (`make reference` runs them afresh)."""

import collections
import json
import statistics
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mogakit.export import integer, quality, tflite
from mogakit.export.artifact import Format, Precision
from mogakit.export.calibration import Synthetic
from mogakit.export.lower import lower
from mogakit.export.quantize import calibrate, quantize
from mogakit.export.run import run
from mogakit.export.support.entry import Hardware
from mogakit.export.support.report import check
from mogakit.export.support.usage import of_tflite
from mogakit.export.tflite_model import operators_in
from mogakit.nets import zoo
from mogakit.nets.block import parse_key
from mogakit.nets.modules import build_block, build_network
from mogakit.nets.spaces import SlotSpace, get_space

DATA = Path(__file__).parent / "data"


def recorded(tool: str) -> dict[str, dict[str, Any]]:
    lines = (DATA / f"{tool}.jsonl").read_text().splitlines()
    return {record["name"]: record for record in map(json.loads, lines)}


def kit_file(name: str) -> bytes:
    """Return the kit's float file of a block or network, with the weights that the others were given."""
    if name in zoo.names():
        network = zoo.get(name).network
        return tflite.write(lower(build_network(network), network.input_shape))
    block = parse_key(name)
    shape = (1, block.in_channels, block.input_size, block.input_size)
    return tflite.write(lower(build_block(block), shape))


def test_every_block_and_the_networks_were_recorded() -> None:
    space = get_space("moga")
    assert isinstance(space, SlotSpace)
    keys = {block.key for block in (*space.choice_blocks, *space.fixed_blocks)}
    assert set(recorded("tensorflow")) == keys | set(zoo.names())
    assert set(recorded("litert-torch")) >= keys | {"moga-a", "moga-b", "moga-c"}


@dataclass(frozen=True)
class Ours:
    """What the kit says of its own file."""

    operators: dict[str, int]
    runs_on_gpu: bool


@pytest.fixture(scope="module")
def ours() -> dict[str, Ours]:
    """Write every recorded block and network, and keep what is compared."""
    found = {}
    for name in recorded("tensorflow"):
        data = kit_file(name)
        operators = dict(collections.Counter(operators_in(data)))
        found[name] = Ours(operators, check(of_tflite(data), Hardware.TFLITE_GPU).runs)
    return found


@pytest.mark.parametrize("tool", ["tensorflow", "litert-torch"])
def test_our_files_have_the_operators_that_the_others_write(tool: str, ours: dict[str, Ours]) -> None:
    theirs = {name: record["operators"] for name, record in recorded(tool).items()}
    assert {name: ours[name].operators for name in theirs} == theirs


def test_the_kit_and_tensorflow_agree_on_what_the_gpu_delegate_takes(ours: dict[str, Ours]) -> None:
    theirs = {name: record["gpu_compatible"] for name, record in recorded("tensorflow").items()}
    assert {name: ours[name].runs_on_gpu for name in theirs} == theirs


def test_the_integer_files_are_as_good_as_tensorflows() -> None:
    """Every fifteenth block, with the calibration and test inputs of the recording."""
    theirs = {name: record["int8"]["sqnr_db"] for name, record in recorded("tensorflow").items()}
    differences = []
    for name in [name for name in theirs if name not in zoo.names()][::15]:
        data = kit_file(name)
        integers = quantize(data, calibrate(data, Synthetic(num_inputs=8)), Precision.INT8)
        block = parse_key(name)
        shape = (1, block.input_size, block.input_size, block.in_channels)
        inputs = list(islice(Synthetic(num_inputs=8, seed=1).batches(shape), 8))
        wanted = np.stack([run(data, Format.TFLITE, [value])[0] for value in inputs])
        got = np.stack([integer.load(integers)([value])[0] for value in inputs])
        differences.append(quality.sqnr_db(wanted, got) - theirs[name])
    assert abs(statistics.median(differences)) <= 0.5
    assert max(map(abs, differences)) <= 1.0
