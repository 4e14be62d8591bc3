"""Files by the converters of the formats' own makers: litert-torch for TFLite, torch.onnx for ONNX.

They take networks that the kit's writers do not, and take longer: a few seconds a network instead of a tenth. Their
files are compared with torch as the kit's own are, and stand in the same manifest, which names converter and version.
Both get the module in one form: inputs by position, outputs as a flat tuple, and for TFLite channels last at either end
as in the kit's own files.

Both capture the module with `torch.export`. Given an exported program, torch.onnx does not fall back on captures that
follow one branch of those that depend on the data.
"""

import importlib
import io
import logging
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import onnx
import torch
from torch import nn

from mogakit.errors import ExportError, InputError
from mogakit.export.artifact import Converter, Format
from mogakit.export.axes import to_channels_first, to_channels_last
from mogakit.export.foreign import describe_onnx, describe_tflite
from mogakit.export.foreign.model import ModelFile
from mogakit.export.nodes import Shape
from mogakit.export.run import Array, load, runtime_of
from mogakit.export.trace import check_module, example_inputs, flat, names_in, one_thread, returned_by
from mogakit.export.writers import Inputs, Run, Written
from mogakit.files import scratch

NOTE = "converter"
"""Under this name the notes of an artifact say who converted it."""

OPSET = 18
"""Of what torch.onnx writes: the one that its translations are written in; lower ones it would convert to."""


@dataclass(frozen=True)
class Maker:
    """One converter.

    Attributes:
        packages: the installed packages whose versions decide what it writes, its own first.
        extra: of moga-kit, with which pip installs them.
        convert: from a module and example inputs to a file.
        describe: reads the file, as it reads anyone's.
    """

    packages: tuple[str, ...]
    extra: str
    convert: Callable[[nn.Module, tuple[torch.Tensor, ...]], bytes]
    describe: Callable[[bytes], ModelFile]

    def versions(self) -> str:
        """Return the packages with their versions, `litert-torch 0.10.0`.

        Raises:
            PackageNotFoundError: one is not installed.
        """
        return ", ".join(f"{name} {version(name)}" for name in self.packages)


def suffix(converter: Converter) -> str:
    """Return how a converter's file ends, so that it lies beside the kit's own: `.litert-torch.tflite`."""
    return f".{converter.replace('.', '-')}.{converter.writes}"


def notes(converter: Converter) -> dict[str, str]:
    """Return what an artifact says of its converter.

    Raises:
        InputError: it is not installed.
    """
    maker = MAKERS[converter]
    try:
        return {NOTE: maker.versions()}
    except PackageNotFoundError as error:
        raise InputError(
            f"the converter {converter} needs the package {error.name}, which is not installed: "
            f"pip install 'moga-kit[{maker.extra}]'"
        ) from error


def write(module: nn.Module, converter: Converter, *input_shapes: Shape) -> Written:
    """Convert a module in eval mode, for inputs of `input_shapes`.

    Raises:
        InputError: the converter is not installed, the module is in training mode or does not take the shapes.
        ExportError: the converter does not take the module.
    """
    said = notes(converter)
    maker, is_tflite = MAKERS[converter], converter.writes is Format.TFLITE
    check_module(module)
    data = example_inputs(*input_shapes)
    with torch.no_grad(), one_thread():
        names = names_in(returned_by(module, data))
        given = tuple(torch.from_numpy(to_channels_last(value.numpy()).copy()) for value in data) if is_tflite else data
        with _quietly(), _failing(said[NOTE]):
            converted = maker.convert(_Plain(module, names, channels_last=is_tflite).eval(), given)
    (entry,) = maker.describe(converted).entries
    inputs = tuple(item.spec for item in entry.inputs)
    return Written(files={suffix(converter): converted}, inputs=inputs, outputs=entry.outputs, notes=said)


def opened(written: Written, converter: Converter) -> Run:
    """Load a converter's file; it takes and gives float32 in torch's layout."""
    run = load(written.main, converter.writes)
    if converter.writes is Format.ONNX:
        return run

    def turned(inputs: Inputs) -> list[Array]:
        return [to_channels_first(value) for value in run([to_channels_last(value) for value in inputs])]

    return turned


def checked_with(converter: Converter) -> str:
    """Return the runtime that runs a converter's file here, and its version."""
    return runtime_of(converter.writes)


class _Plain(nn.Module):
    """A module whose outputs are a flat tuple, channels last at both ends where that is asked for."""

    def __init__(self, network: nn.Module, names: Sequence[str], channels_last: bool) -> None:
        super().__init__()
        self.network = network
        self.names = tuple(names)
        self.channels_last = channels_last

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        if not self.channels_last:
            return tuple(flat(self.network(*inputs)))
        returned = self.network(*(value.permute(0, 3, 1, 2) if value.dim() == 4 else value for value in inputs))
        return tuple(value.permute(0, 2, 3, 1) if value.dim() == 4 else value for value in flat(returned))


def _by_litert_torch(module: nn.Module, data: tuple[torch.Tensor, ...]) -> bytes:
    litert_torch = importlib.import_module("litert_torch")
    with scratch() as folder:
        path = folder / "network.tflite"
        litert_torch.convert(module, data).export(str(path))
        return path.read_bytes()


def _by_torch_onnx(module: nn.Module, data: tuple[torch.Tensor, ...]) -> bytes:
    exported = torch.export.export(module, data, strict=False)
    count = len(exported.graph_signature.user_outputs)
    program = torch.onnx.export(
        exported,
        dynamo=True,
        opset_version=OPSET,
        input_names=_numbered("input", len(data)),
        output_names=list(module.names) if isinstance(module, _Plain) and module.names else _numbered("output", count),
        verbose=False,
    )
    if program is None:
        raise ExportError("torch.onnx gave no program")
    return _bare(program.model_proto)


def _numbered(word: str, count: int) -> list[str]:
    return [word] if count == 1 else [f"{word}_{number}" for number in range(count)]


def _bare(model: onnx.ModelProto) -> bytes:
    """Return the bytes of a model without what names this computer's files: stack traces, documentation strings."""
    model.producer_version = ""
    parts = [model, model.graph, *model.functions, *_nodes(model.graph), *model.graph.initializer]
    parts += [node for function in model.functions for node in function.node]
    parts += [*model.graph.value_info, *model.graph.input, *model.graph.output]
    for part in parts:
        part.ClearField("doc_string")
        part.ClearField("metadata_props")
    return bytes(model.SerializeToString(deterministic=True))


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Yield the nodes of a graph and of the graphs in them."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _nodes(inner)


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep progress and warnings of the converters' own code off the terminal."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


@contextmanager
def _failing(who: str) -> Iterator[None]:
    """Turn what a converter raises into an error of the kit, with the first lines of what it came from."""
    try:
        yield
    except _failures() as error:
        root: BaseException = error
        while root.__cause__ is not None:
            root = root.__cause__
        text = "\n".join(_COLOUR.sub("", str(root)).strip().splitlines()[:MAX_LINES]) or "no message"
        raise ExportError(f"{who} does not convert the network: {type(root).__name__}: {text}") from error


_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
MAX_LINES = 6
"""Of a converter's message: what follows are its own stack and dumps of the graph."""


def _failures() -> tuple[type[Exception], ...]:
    """Return the exceptions of converters: those of Python, and those of MLIR where it is loaded."""
    mlir = [
        kind
        for name, module in list(sys.modules.items())
        if name.endswith("mlir.ir")
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, Exception)
    ]
    return (RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError, ArithmeticError, *mlir)


def _describe_onnx(data: bytes) -> ModelFile:
    return describe_onnx.describe_graph(describe_onnx.parse(data).graph)


MAKERS: dict[Converter, Maker] = {
    Converter.LITERT_TORCH: Maker(("litert-torch",), "litert-torch", _by_litert_torch, describe_tflite.describe),
    Converter.TORCH_ONNX: Maker(("torch", "onnxscript"), "torch-onnx", _by_torch_onnx, _describe_onnx),
}
"""Every converter that is called."""
