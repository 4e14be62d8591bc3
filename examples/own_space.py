"""A search space and a block kind of your own: checked, profiled, searched and shipped.

From the command line: `moga profile --space own_space:space --quick -o RUN` in this folder.
"""

from collections.abc import Iterator
from pathlib import Path

from torch import Tensor, cat, nn

import mogakit as mk
from mogakit.nets.layer import Layer

FOLDER = Path("example-runs")


class Ghost:
    """GhostNet's module: half of the channels by a 1x1 convolution, the rest from these by a cheap depthwise one.

    `settings` of its blocks: `cheap`, the kernel of the depthwise convolution.
    """

    def module(self, block: mk.Block) -> nn.Module:
        """Return the torch module of a block; export reads its graph."""
        return GhostModule(block.in_channels, block.out_channels // 2, block.stride, dict(block.settings)["cheap"])

    def layers(self, block: mk.Block) -> Iterator[Layer]:
        """Yield what counts as parameters and multiply-adds."""
        half, size, kernel = block.out_channels // 2, block.output_size, dict(block.settings)["cheap"]
        yield Layer(role="primary", in_channels=block.in_channels, out_channels=half, output_size=size, norm=True)
        yield Layer(
            role="cheap", in_channels=half, out_channels=half, output_size=size, kernel=kernel, groups=half, norm=True
        )


class GhostModule(nn.Module):
    """Children are registered in the order in which they run."""

    def __init__(self, channels: int, half: int, stride: int, kernel: int) -> None:
        super().__init__()
        self.primary = nn.Sequential(nn.Conv2d(channels, half, 1, stride, bias=False), nn.BatchNorm2d(half), nn.ReLU())
        cheap = nn.Conv2d(half, half, kernel, 1, kernel // 2, groups=half, bias=False)
        self.cheap = nn.Sequential(cheap, nn.BatchNorm2d(half), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in, H, W) to (N, out, H', W')."""
        primary = self.primary(x)
        return cat([primary, self.cheap(primary)], 1)


mk.register_block_kind("ghost", Ghost())


def _choices(channels: int, out: int, size: int, stride: int) -> tuple[mk.Block, ...]:
    """Return the choices of a slot: two inverted bottlenecks and two ghost blocks."""
    common = {"stride": stride, "activation": "relu"}
    return (
        *(mk.Block("mb", channels, out, size, kernel=k, expanded_channels=3 * channels, **common) for k in (3, 5)),
        *(mk.Block("own", channels, out, size, kind="ghost", settings=(("cheap", k),), **common) for k in (3, 5)),
    )


def space(input_size: int = 32, num_classes: int = 10) -> mk.SlotSpace:
    """Return a space of 4^3 networks for images of `input_size` pixels."""
    stem = mk.Block("conv", 3, 8, input_size, kernel=3, stride=2, activation="relu")
    slots, before = [], stem
    for out, stride in ((16, 2), (16, 1), (24, 2)):
        slots.append(_choices(before.out_channels, out, before.output_size, stride))
        before = slots[-1][0]
    head = mk.Block("head", before.out_channels, num_classes, before.output_size, norm_eps=None)
    return mk.SlotSpace("ghosts", (stem,), tuple(slots), (head,))


def main() -> None:
    mine = space()
    mk.check_space(mine)  # the laws that every space keeps: encode and decode, names, rows, independence of slots
    run = mk.profile_space(mine, FOLDER / "ghosts", quick=True, resume=True)
    print(run.table)
    plan = mk.Plan(space=mine, tables=[run], limits=["params<=12k"], engine="exact")
    result = mk.run_search(plan, FOLDER / "ghosts-front", resume=True)
    print(result)
    fastest = f"{mine.name}/{result.picks[0]}"
    bundle = mk.ship_bundle(fastest, FOLDER / "ghosts-bundle", tables=[run])
    print(f"{fastest}: {len(bundle.artifacts)} files, {bundle.latencies[0].latency_ms:.4f} ms predicted")


if __name__ == "__main__":
    main()
