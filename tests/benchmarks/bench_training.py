"""Images per second of a supernet step and of stand-alone training, beside a plain torch loop and the roofline.

    python tests/benchmarks/bench_training.py                   on a GPU: MoGA-A and the MoGA supernet at 224 px, bf16
    python tests/benchmarks/bench_training.py --batch-size 8    on a CPU: slow, for the ratios only

The plain loop is what anyone would write: the same module, batch and optimiser, nothing else. The roofline is what the
device's peak arithmetic allows: three times the forward MAdds (forward, and two products backward), two FLOP each.
"""

import argparse
import time
from collections.abc import Callable

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from mogakit.nets import zoo
from mogakit.nets.modules import NetworkModule
from mogakit.nets.network import count_madds
from mogakit.nets.spaces import get_space
from mogakit.search.supernet.fairness import Strategy
from mogakit.search.supernet.train import SupernetSettings, train_supernet
from mogakit.search.training.data import open_synthetic
from mogakit.search.training.loop import Settings, train
from mogakit.search.training.recipes import get_recipe
from mogakit.search.training.world import World

PEAK_TFLOPS = {"H200": 989.0, "H100": 989.0, "A100": 312.0, "V100": 125.0}
"""Dense bfloat16 (V100: float16) peaks from NVIDIA's data sheets."""


def plain_loop(module: nn.Module, images: torch.Tensor, labels: torch.Tensor, steps: int, bfloat16: bool) -> float:
    """Return images/s of a loop without any of the kit."""
    optimizer = torch.optim.SGD(module.parameters(), lr=0.01, momentum=0.9)
    module.train()

    def step() -> None:
        with torch.autocast(images.device.type, dtype=torch.bfloat16, enabled=bfloat16):
            loss = cross_entropy(module(images), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return steps * len(labels) / timed(step, steps, images.device)


def timed(step: Callable[[], None], steps: int, device: torch.device) -> float:
    """Return the seconds of `steps` calls, after two that do not count."""
    for _ in range(2):
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
    given = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    bfloat16 = device.type == "cuda"
    if device.type == "cpu":
        print("no GPU here: the ratios below are a CPU's, and say nothing of a GPU")
    world, size, batch = World(0, 1, device), given.input_size, given.batch_size
    data = open_synthetic(batch * 4, size, 1000), open_synthetic(batch, size, 1000)
    network = zoo.get("moga-a", input_size=size).network
    options = Settings(batch_size=batch, epochs=given.steps / 4, bfloat16=bfloat16)
    images = torch.from_numpy(data[0].images[:batch]).to(device, memory_format=torch.channels_last)
    labels = torch.from_numpy(data[0].labels[:batch]).to(device)
    module = NetworkModule(network).to(device, memory_format=torch.channels_last)
    plain = plain_loop(module, images, labels, given.steps, bfloat16)
    ours = train(network, data, get_recipe("moga"), options, world).images_per_second
    madds = count_madds(network)
    print(f"{name}; MoGA-A at {size} px, batch {batch}, {'bfloat16' if bfloat16 else 'float32'}")
    print(f"  plain torch loop  {plain:10.1f} images/s")
    print(f"  moga train        {ours:10.1f} images/s, {ours / plain:.2f} of the plain loop")
    peak = next((value for chip, value in PEAK_TFLOPS.items() if chip in name), None)
    if peak is not None:
        roof = peak * 1e12 / (6 * madds)
        print(f"  roofline          {roof:10.1f} images/s at {peak} TFLOP/s; reached {100 * ours / roof:.1f} %")
    recipe = get_recipe("moga-supernet")
    for strategy in (Strategy.FAIR, Strategy.SINGLE):
        space = get_space("moga", size)
        settings = SupernetSettings(strategy=strategy, training=options)
        speed = train_supernet(space, data[0], recipe, settings, world).images_per_second
        paths = 12 if strategy is Strategy.FAIR else 1
        print(f"  supernet, {strategy:7} {speed:10.1f} images/s of a step, {speed * paths:.1f} image passes/s")


if __name__ == "__main__":
    main()
