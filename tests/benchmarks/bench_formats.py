"""Time every format and precision of the whole MoGA space and its three networks, and compare two runs byte by byte.

    python tests/benchmarks/bench_formats.py [--twice]

On two cores it must take less than three minutes; 44 seconds were measured on two quiet ones.
"""

import hashlib
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import click

from mogakit.export.artifact import Artifact, Format, Precision
from mogakit.export.writers import Options
from mogakit.flows.deploy.export import export_network, export_space
from mogakit.nets import zoo
from mogakit.nets.spaces import SlotSpace, get_space

ROUNDS: tuple[tuple[Precision, tuple[Format, ...], int], ...] = (
    (Precision.FLOAT32, (Format.TFLITE, Format.ONNX, Format.MACE), 17),
    (Precision.FLOAT32, (Format.ONNX,), 13),
    (Precision.FLOAT16, (Format.TFLITE, Format.MACE), 17),
    (Precision.INT8, (Format.TFLITE,), 17),
    (Precision.UINT8, (Format.TFLITE,), 17),
)


def export_everything(folder: Path) -> list[Artifact]:
    """Export and verify all of it."""
    space = get_space("moga")
    if not isinstance(space, SlotSpace):
        raise TypeError("the MoGA space has independent slots")
    made: list[Artifact] = []
    for precision, formats, opset in ROUNDS:
        started = time.perf_counter()
        options = Options(opset=opset)
        made += export_space(space, formats, precision, folder / "space", options=options)
        for name in ("moga-a", "moga-b", "moga-c"):
            made += export_network(zoo.get(name).network, formats, precision, folder / "nets", options=options)
        kinds = " ".join(formats)
        click.echo(f"{precision:8} {kinds:18} opset {opset}: {time.perf_counter() - started:6.1f} s")
    return made


def digest(folder: Path) -> str:
    """Return one checksum over the names and bytes of all files but the manifests, whose order is by path anyway."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            found.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return found.hexdigest()


@click.command()
@click.option("--twice", is_flag=True, help="Export a second time and compare the bytes.")
def main(twice: bool) -> None:
    """Print the time of each round, the worst agreement of each format, and whether two runs give the same bytes."""
    with tempfile.TemporaryDirectory() as folder:
        started, cpu = time.perf_counter(), time.process_time()
        made = export_everything(Path(folder) / "first")
        wall_s, cpu_s = time.perf_counter() - started, time.process_time() - cpu
        click.echo(f"total {wall_s:.1f} s of wall, {cpu_s:.1f} s of CPU time, {len(made)} artifacts")
        worst: dict[tuple[str, str], float] = defaultdict(float)
        for item in made:
            if item.agreement is not None:
                key = (item.format.value, item.precision.value)
                worst[key] = max(worst[key], item.agreement.relative)
        for (format, precision), value in worst.items():
            click.echo(f"  {format:7} {precision:8} worst difference from torch {value:.2g}")
        integers = sorted(float((item.notes or {})["sqnr_db"]) for item in made if item.precision is Precision.INT8)
        click.echo(f"  int8 signal to noise: {integers[0]:.1f} to {integers[-1]:.1f} dB")
        if twice:
            export_everything(Path(folder) / "second")
            same = digest(Path(folder) / "first") == digest(Path(folder) / "second")
            click.echo("the same bytes twice" if same else "THE BYTES DIFFER")


if __name__ == "__main__":
    main()
