"""Images per second of stand-alone training and of a supernet step, beside a plain torch loop and the roofline.

    python tests/benchmarks/bench_training.py                   on a GPU: MoGA-A and the MoGA supernet at 224 px, bf16
    python tests/benchmarks/bench_training.py --batch-size 8 --steps 4 --input-size 64 --no-supernet     on a CPU

The plain loop is what the kit's loop would be with nothing around it: the same module, batch, optimiser, L2 and moving
average, on one batch that is on the device already. What `moga train` has on top is stacking and moving a batch a step
(the images are made beforehand), the schedule, progress, and the loss as a number. Neither counts its first two steps.

The roofline is what the device's peak arithmetic allows: three times the forward MAdds (forward, and two products
backward), two FLOP each.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from synthetic_images import open_synthetic

from mogakit.nets import zoo
from mogakit.nets.modules import NetworkModule
from mogakit.nets.network import Network, count_madds
from mogakit.nets.spaces import get_space
from mogakit.search.supernet.fairness import Strategy
from mogakit.search.supernet.train import SupernetSettings, train_supernet
from mogakit.training.data import Batch, read_batch
from mogakit.training.loop import Settings, initialise, to_device, train
from mogakit.training.optim import MovingAverage, apply_update, build_optimizer
from mogakit.training.recipes import Recipe, get_recipe
from mogakit.training.throughput import NUM_WARM_UP_STEPS
from mogakit.training.world import World

PEAK_TFLOPS = {"H200": 989.0, "H100": 989.0, "A100": 312.0, "V100": 125.0}
"""Dense bfloat16 (V100: float16) peaks from NVIDIA's data sheets."""


def plain_loop(network: Network, recipe: Recipe, batch: Batch, steps: int, bfloat16: bool) -> float:
    """Return images/s of the recipe's update without the kit's loop around it."""
    module = NetworkModule(replace(network, dropout=recipe.dropout))
    initialise(module, 0)
    module.to(batch.images.device, memory_format=torch.channels_last).train()
    optimizer = build_optimizer(module, recipe)
    average = MovingAverage(module, recipe.ema_decay) if recipe.ema_decay else None
    rate = recipe.learning_rate * len(batch.labels) / recipe.batch_size

    def step() -> None:
        with torch.autocast(batch.images.device.type, dtype=torch.bfloat16, enabled=bfloat16):
            loss = cross_entropy(module(batch.images), batch.labels, label_smoothing=recipe.label_smoothing)
        loss.backward()
        apply_update(optimizer, rate)
        if average is not None:
            average.update(module)

    return steps * len(batch.labels) / timed(step, steps, batch.images.device)


def timed(step: Callable[[], None], steps: int, device: torch.device) -> float:
    """Return the seconds of `steps` calls, after as many as `moga train` does not count either."""
    for _ in range(NUM_WARM_UP_STEPS):
        step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(steps):
        step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--input-size", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each, in turn; the medians are compared")
    parser.add_argument("--no-supernet", action="store_true", help="leave the supernet away")
    given = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    bfloat16 = device.type == "cuda"
    if device.type == "cpu":
        print("no GPU here: the ratios below are a CPU's, and say nothing of a GPU")
    world, size, batch = World(0, 1, device), given.input_size, given.batch_size
    data = open_synthetic(batch * 4, size, 1000), open_synthetic(batch, size, 1000)
    network, recipe = zoo.get("moga-a", input_size=size).network, get_recipe("moga")
    options = Settings(batch_size=batch, epochs=(given.steps + NUM_WARM_UP_STEPS) / 4, bfloat16=bfloat16)
    whole = to_device(read_batch(data[0], range(batch), 0, 0, augment=False), world, channels_last=True)
    pairs = [
        (
            plain_loop(network, recipe, whole, given.steps, bfloat16),
            train(network, data, recipe, options, world).images_per_second or 0.0,
        )
        for _ in range(given.rounds)
    ]
    plain, ours = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratios = sorted(second / first for first, second in pairs)
    madds = count_madds(network)
    print(f"{name}; MoGA-A at {size} px, batch {batch}, {'bfloat16' if bfloat16 else 'float32'}")
    print(f"  plain torch loop  {plain:10.1f} images/s")
    print(f"  moga train        {ours:10.1f} images/s, {statistics.median(ratios):.2f} of the plain loop", end="")
    print(f" ({ratios[0]:.2f} to {ratios[-1]:.2f} in {given.rounds} rounds of {given.steps} steps)")
    peak = next((value for chip, value in PEAK_TFLOPS.items() if chip in name), None)
    if peak is not None:
        roof = peak * 1e12 / (6 * madds)
        print(f"  roofline          {roof:10.1f} images/s at {peak} TFLOP/s; reached {100 * ours / roof:.1f} %")
    if given.no_supernet:
        return
    recipe = get_recipe("moga-supernet")
    for strategy in (Strategy.FAIR, Strategy.SINGLE):
        space = get_space("moga", size)
        settings = SupernetSettings(strategy=strategy, training=options)
        speed = train_supernet(space, data[0], recipe, settings, world).images_per_second
        paths = 12 if strategy is Strategy.FAIR else 1
        print(f"  supernet, {strategy:7} {speed:10.1f} images/s of a step, {speed * paths:.1f} image passes/s")


if __name__ == "__main__":
    main()
