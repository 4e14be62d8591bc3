"""A network of your own: as code, as a file, as a torch module; exported, compared with torch, and measured.

From the command line: `moga bench own_network:network --quick` in this folder, or `moga show mine.json`.
"""

from pathlib import Path

from torch import nn

import mogakit as mk

FOLDER = Path("example-runs")


def network(input_size: int = 64, num_classes: int = 10) -> mk.Network:
    """Return a small network; a function is asked for the size and classes that the command line gives."""
    stem = mk.Block("conv", 3, 16, input_size, kernel=3, stride=2, activation="hswish")
    body = [
        mk.Block("mb", 16, 24, 32, kernel=3, stride=2, activation="relu", expanded_channels=48),
        mk.Block("mb", 24, 24, 16, kernel=5, activation="hswish", expanded_channels=72, residual=True),
    ]
    head = mk.Block("head", 24, num_classes, 16, activation="hswish", features=96)
    return mk.Network("mine", (stem, *body, head))


def main() -> None:
    mine = network()
    print(mine, f"{mk.count_params(mine)} parameters, {mk.count_madds(mine) / 1e6:.2f} M multiply-adds")

    # As a file that every command and function takes, with where it comes from.
    path = mk.save_network(mine, FOLDER / "mine.json", source="examples/own_network.py")
    assert mk.get_network(str(path)) == mine

    # Each file is run once and compared with torch before it is kept.
    for file in mk.export_files(mine, FOLDER / "files", formats=["tflite", "onnx"]):
        print(f"{file.path}: {file.num_bytes} bytes, differs from torch by {file.agreement.relative:.1e}")

    # A module that is not made of blocks is exported, too.
    module = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))
    (file,) = mk.export_files(module.eval(), FOLDER / "modules", input_shape=(1, 3, 32, 32), name="plain")

    result = mk.measure_files([mine, file.path], quick=True)
    print(result.to_pandas()[["model", "target", "latency_ms"]])


if __name__ == "__main__":
    main()
