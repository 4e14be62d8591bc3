"""Time the kit's export, and litert-torch on the same blocks in the same run where it is installed (extra `reference`).

    python tests/benchmarks/bench_export.py                  the whole MoGA space, then 8 blocks side by side
    python tests/benchmarks/bench_export.py --blocks 123     every block side by side

Each converter has a process of its own, so that neither pays for the other's imports or memory; the two take turns
block by block, so that both meet the same load.
"""

import importlib.util
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import click
import torch
from torch import nn

from mogakit.nets.block import parse_key
from mogakit.nets.modules import build_block
from mogakit.nets.spaces import SlotSpace, get_space

Convert = Callable[[nn.Module, torch.Tensor, Path], None]


def kit_converter() -> Convert:
    """Return the kit's way: TFLite and ONNX, both verified."""
    from mogakit.export.artifact import Format, Precision, Role
    from mogakit.export.pipeline import export, prepare

    def convert(module: nn.Module, x: torch.Tensor, path: Path) -> None:
        source = prepare(module, path.stem, Role.CHOICE, tuple(x.shape))
        for format in (Format.TFLITE, Format.ONNX):
            export(source, format, Precision.FLOAT32, path.parent)

    return convert


def litert_torch_converter() -> Convert:
    """Return litert-torch's way: TFLite alone, channels last, not verified."""
    import litert_torch

    def convert(module: nn.Module, x: torch.Tensor, path: Path) -> None:
        channels_last = litert_torch.to_channel_last_io(module, args=[0], outputs=[0])
        litert_torch.convert(channels_last.eval(), (x.permute(0, 2, 3, 1).contiguous(),)).export(str(path))

    return convert


CONVERTERS = {"kit": kit_converter, "litert-torch": litert_torch_converter}


def serve(name: str, folder: Path) -> None:
    """Convert the blocks whose keys come on standard input; answer each with its seconds and the peak memory so far."""
    torch.set_num_threads(1)
    began = time.perf_counter()
    convert = CONVERTERS[name]()
    click.echo(json.dumps({"import_s": time.perf_counter() - began}))
    for line in sys.stdin:
        block = parse_key(line.strip())
        module = build_block(block)
        x = torch.zeros(1, block.in_channels, block.input_size, block.input_size)
        began = time.perf_counter()
        convert(module, x, folder / f"{block.key}.tflite")
        answer = {"seconds": time.perf_counter() - began, "peak_mb": peak_mb(resource.RUSAGE_SELF)}
        click.echo(json.dumps(answer))


def peak_mb(who: int) -> float:
    """Return the peak resident memory: of this process, or of the largest child that ended."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(who).ru_maxrss * unit / 1e6


def cpu_of_children_s() -> float:
    """Return the CPU time of the children that ended: on a busy machine it says more than the wall clock."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextmanager
def server(name: str, folder: str) -> Iterator[subprocess.Popen[str]]:
    """Start this script as a converter."""
    command = [sys.executable, "-W", "ignore", __file__, "--serve", name, "--folder", folder]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True) as process:
        yield process
        process.communicate()


def answer_of(stream: IO[str] | None) -> dict[str, float]:
    """Read lines until one is an answer; converters talk."""
    for line in stream or ():
        if line.startswith("{"):
            answer: dict[str, float] = json.loads(line)
            return answer
    raise click.ClickException("the converter ended without an answer")


def side_by_side(keys: list[str], names: list[str]) -> None:
    """Let each converter convert each block in turn and print seconds a block."""
    seconds: dict[str, list[float]] = {name: [] for name in names}
    peaks = dict.fromkeys(names, 0.0)
    with tempfile.TemporaryDirectory() as folder, _all_servers(names, folder) as servers:
        imports = {name: answer_of(process.stdout)["import_s"] for name, process in servers.items()}
        for key in keys:
            for name, process in servers.items():
                assert process.stdin is not None
                process.stdin.write(key + "\n")
                process.stdin.flush()
                answer = answer_of(process.stdout)
                seconds[name].append(answer["seconds"])
                peaks[name] = answer["peak_mb"]
    for name in names:
        first, *rest = seconds[name]
        click.echo(
            f"{name:14} import {imports[name]:6.2f} s, first block {first:6.2f} s, "
            f"median of the others {statistics.median(rest):7.3f} s, peak {peaks[name]:6.0f} MB"
        )


@contextmanager
def _all_servers(names: list[str], folder: str) -> Iterator[dict[str, subprocess.Popen[str]]]:
    if not names:
        yield {}
        return
    with server(names[0], folder) as process, _all_servers(names[1:], folder) as others:
        yield {names[0]: process, **others}


@dataclass(frozen=True)
class Cost:
    """What one call of `moga export blocks` took, imports included."""

    num_files: int
    wall_s: float
    cpu_s: float
    peak_mb: float

    def __str__(self) -> str:
        return f"{self.num_files} files in {self.wall_s:.2f} s ({self.cpu_s:.2f} s of CPU), peak {self.peak_mb:.0f} MB"


def export_moga(folder: Path) -> Cost:
    """Run `moga export blocks` for the MoGA space in both formats."""
    command = [sys.executable, "-c", "from mogakit.cli.main import main; main()", "export", "blocks"]
    command += ["--space", "moga", "--format", "tflite", "--format", "onnx", "-o", str(folder), "--json"]
    began, cpu_began = time.perf_counter(), cpu_of_children_s()
    done = subprocess.run(command, check=True, capture_output=True)
    return Cost(
        num_files=len(json.loads(done.stdout)["artifacts"]),
        wall_s=time.perf_counter() - began,
        cpu_s=cpu_of_children_s() - cpu_began,
        peak_mb=peak_mb(resource.RUSAGE_CHILDREN),
    )


def test_the_moga_space_is_exported_and_verified_within_20_s_and_1500_mb(tmp_path: Path) -> None:
    """CPU seconds are held to the limit: the wall clock of a busy machine is not the kit's doing."""
    cost = export_moga(tmp_path / "out")
    click.echo(f"\nmoga export blocks: {cost}")
    assert cost.num_files == 246
    assert cost.cpu_s < 20
    assert cost.peak_mb < 1500
    click.echo(f"again: {export_moga(tmp_path / 'out')}")


@click.command()
@click.option("--blocks", "num_blocks", default=8, show_default=True, help="How many blocks side by side.")
@click.option("--serve", "served", type=click.Choice(list(CONVERTERS)), hidden=True)
@click.option("--folder", type=click.Path(path_type=Path), hidden=True)
def main(num_blocks: int, served: str | None, folder: Path) -> None:
    """Time the export of the MoGA space."""
    if served is not None:
        serve(served, folder)
        return
    with tempfile.TemporaryDirectory() as folder_name:
        for attempt in ("everything", "again"):
            click.echo(f"moga export blocks, {attempt}: {export_moga(Path(folder_name) / 'out')}")
    space = get_space("moga")
    assert isinstance(space, SlotSpace)
    keys = [block.key for block in space.choice_blocks]
    chosen = keys[:: max(1, len(keys) // max(num_blocks, 2))][: max(num_blocks, 2)]
    names = [name for name in CONVERTERS if name == "kit" or importlib.util.find_spec("litert_torch") is not None]
    if len(names) == 1:
        click.echo("litert-torch is not installed here (extra `reference`), so the kit stands alone")
    side_by_side(chosen, names)


if __name__ == "__main__":
    main()
