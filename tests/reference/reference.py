"""Let one converter convert networks and blocks, and write down what it made: one line of JSON a name.

    python tests/reference/reference.py kit -o kit.jsonl mb_i24e72o24_h56_k3s1_relu_res moga-a
    python tests/reference/reference.py litert-torch -o tests/export/data/litert-torch.jsonl --everything

Each converter runs in a process of its own, since their private calibration modules do not load beside each other.
Names already in the file are not converted again, so a recording can be stopped and resumed.
"""

import collections
import contextlib
import io
import json
import math
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from torch import nn

from mogakit.export import axes, integer, quality, tflite, verify
from mogakit.export.artifact import Format, Precision
from mogakit.export.calibration import Synthetic
from mogakit.export.lower import lower
from mogakit.export.run import run
from mogakit.export.tflite_model import operators_in
from mogakit.nets import zoo
from mogakit.nets.block import parse_key
from mogakit.nets.modules import build_block, build_network
from mogakit.nets.spaces import SlotSpace, get_space

CALIBRATION = Synthetic(num_inputs=8)
QUALITY = Synthetic(num_inputs=8, seed=1)
"""Inputs on which integer files are compared with float ones: others than those they were calibrated on."""

Record = dict[str, Any]


def everything() -> list[str]:
    """Return the keys of the MoGA space's blocks and the names of the zoo."""
    space = get_space("moga")
    assert isinstance(space, SlotSpace)
    return [block.key for block in (*space.choice_blocks, *space.fixed_blocks)] + list(zoo.names())


def build(name: str) -> tuple[nn.Module, tuple[int, ...]]:
    """Return the seeded module that a name stands for, and its input shape."""
    if name in zoo.names():
        network = zoo.get(name).network
        return build_network(network), network.input_shape
    block = parse_key(name)
    return build_block(block), (1, block.in_channels, block.input_size, block.input_size)


def counted(data: bytes) -> dict[str, int]:
    """Count a file's operators."""
    return dict(sorted(collections.Counter(operators_in(data)).items()))


def relative_error(module: nn.Module, shape: tuple[int, ...], compute: Callable[[np.ndarray], np.ndarray]) -> float:
    """Compare a channels-last function with torch, as every export is, and return the error on normal inputs."""
    reference = verify.Reference(module, verify.check_inputs(shape))
    found = {
        kind: [axes.to_channels_first(compute(axes.to_channels_last(value)))]
        for kind, (value,) in reference.usable.items()
    }
    verify.agreement(reference, found, "reference")  # within what the arithmetic allows, on every kind of input
    kind = verify.Distribution.NORMAL
    (expected,) = reference.expected[kind]
    return float(np.max(np.abs(found[kind][0] - expected)) / np.max(np.abs(expected)))


def int8_quality(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> Record:
    """Return the SQNR over all pairs of (float output, integer output), raw and with the mean over inputs removed."""
    wanted, got = (np.stack(column).astype(np.float64) for column in zip(*pairs, strict=True))
    raw = quality.sqnr_db(wanted, got)
    centered = quality.sqnr_db(wanted - wanted.mean(0), got - got.mean(0))
    return {"sqnr_db": round(raw, 3), "sqnr_centered_db": round(centered, 3)}


def inputs_of(data: Synthetic, shape: tuple[int, ...]) -> list[np.ndarray]:
    """Return a data set's inputs in channels-last order."""
    return list(islice(data.batches(tflite.channels_last(shape)), data.num_inputs))


def run_floats(data: bytes, value: np.ndarray) -> np.ndarray:
    """Run a float file in LiteRT."""
    return run(data, Format.TFLITE, [value])[0]


def run_integers(data: bytes, value: np.ndarray) -> np.ndarray:
    """Run an integer file in LiteRT, from float32 to float32."""
    return integer.load(data)([value])[0]


def by_kit(name: str) -> Record:
    """Convert with the kit."""
    from mogakit.export.quantize import calibrate, quantize

    module, shape = build(name)
    data = tflite.write(lower(module, shape))
    integers = quantize(data, calibrate(data, CALIBRATION), Precision.INT8)
    pairs = [(run_floats(data, value), run_integers(integers, value)) for value in inputs_of(QUALITY, shape)]
    error = relative_error(module, shape, lambda value: run_floats(data, value))
    return {"operators": counted(data), "error": error, "int8": int8_quality(pairs)}


def by_litert_torch(name: str) -> Record:
    """Convert with litert-torch, channels last at both ends."""
    import litert_torch

    module, shape = build(name)
    turned = litert_torch.to_channel_last_io(
        module, args=[0], outputs=[0] if len(shape) == 4 and _is_map(module) else None
    )
    example = (torch.zeros(tflite.channels_last(shape)),)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        litert_torch.convert(turned.eval(), example).export(str(path))
        data = path.read_bytes()
    error = relative_error(module, shape, lambda value: run_floats(data, value))
    return {"operators": counted(data), "error": error}


def _is_map(module: nn.Module) -> bool:
    """Say whether a module returns maps: everything here but a head and a network does."""
    return type(module).__name__ == "BodyModule"


def by_tensorflow(name: str) -> Record:
    """Convert a Keras model with TFLiteConverter, float and int8, and ask its analyzer of the kit's file on a GPU."""
    import tensorflow as tf
    from keras_model import keras_model

    module, shape = build(name)
    model = keras_model(module, shape)
    data = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    quantizing = tf.lite.TFLiteConverter.from_keras_model(model)
    quantizing.optimizations = [tf.lite.Optimize.DEFAULT]
    quantizing.representative_dataset = lambda: ([value] for value in inputs_of(CALIBRATION, shape))
    quantizing.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    quantizing.inference_input_type = quantizing.inference_output_type = tf.int8
    floats, integers = tensorflow_runner(tf, data), tensorflow_runner(tf, quantizing.convert())
    pairs = [(floats(value), integers(value)) for value in inputs_of(QUALITY, shape)]
    return {
        "operators": counted(data),
        "error": relative_error(module, shape, floats),
        "int8": int8_quality(pairs),
        "gpu_compatible": gpu_compatible(tf, tflite.write(lower(module, shape))),
    }


def tensorflow_runner(tf: Any, data: bytes) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function of a file from float32 to float32, whatever its ends are."""
    interpreter = tf.lite.Interpreter(model_content=data, num_threads=1)
    interpreter.allocate_tensors()
    taken, given = interpreter.get_input_details()[0], interpreter.get_output_details()[0]

    def compute(value: np.ndarray) -> np.ndarray:
        scale, zero = taken["quantization"]
        if taken["dtype"] != np.float32:
            limits = np.iinfo(taken["dtype"])
            value = np.clip(np.round(value / scale) + zero, limits.min, limits.max).astype(taken["dtype"])
        interpreter.set_tensor(taken["index"], np.ascontiguousarray(value))
        interpreter.invoke()
        found = interpreter.get_tensor(given["index"])
        scale, zero = given["quantization"]
        return found if given["dtype"] == np.float32 else (found.astype(np.float32) - zero) * np.float32(scale)

    return compute


def gpu_compatible(tf: Any, data: bytes) -> bool:
    """Return what TensorFlow's analyzer says of a file and the GPU delegate."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        tf.lite.experimental.Analyzer.analyze(model_content=data, gpu_compatibility=True)
    text = said.getvalue()
    if "GPU COMPATIBILITY WARNING" in text:
        return False
    if "Your model looks compatible with GPU delegate" not in text:
        raise click.ClickException(f"the analyzer said neither yes nor no: {text[-400:]}")
    return True


TOOLS = {"kit": by_kit, "litert-torch": by_litert_torch, "tensorflow": by_tensorflow}

PACKAGES = {"kit": "moga-kit", "litert-torch": "litert-torch", "tensorflow": "tensorflow"}


def read_records(path: Path) -> dict[str, Record]:
    """Read a file of records by name."""
    if not path.is_file():
        return {}
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {record.pop("name"): record for record in records}


@click.command()
@click.argument("tool", type=click.Choice(list(TOOLS)))
@click.argument("names", nargs=-1)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
@click.option("--everything", "every", is_flag=True, help="All MoGA blocks and all networks of the zoo.")
def main(tool: str, names: tuple[str, ...], output: Path, every: bool) -> None:
    """Convert NAMES with TOOL and append a line for each to the output."""
    torch.set_num_threads(1)
    known = read_records(output)
    made_by = f"{PACKAGES[tool]} {version(PACKAGES[tool])}"
    wanted = [name for name in (everything() if every else names) if name not in known]
    with output.open("a", encoding="utf-8") as file:
        for name in wanted:
            record = TOOLS[tool](name)
            record["error"] = float(f"{record['error']:.3g}")
            if not all(math.isfinite(value) for value in (record["error"], *record.get("int8", {}).values())):
                raise click.ClickException(f"{tool} gave {record} for {name}")
            file.write(json.dumps({"name": name, "made_by": made_by, **record}) + "\n")
            file.flush()
            click.echo(f"{tool}: {name} {record['error']:.1e} {record.get('int8', '')}", file=sys.stderr)


if __name__ == "__main__":
    main()
