"""`Target`: on what a file is run. Written `runtime/hardware/precision`, with options after commas.

tflite/cpu/float32                    one thread, XNNPACK
tflite/cpu/float32,xnnpack=off        plain kernels
tflite/cpu/int8,threads=4
tflite/gpu/float16,backend=cl         on a phone: OpenCL, never OpenGL
tflite/nnapi/int8,accelerator=google-edgetpu
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from mogakit.errors import KeySyntaxError
from mogakit.export.artifact import Precision


class Runtime(StrEnum):
    """What runs a file."""

    TFLITE = "tflite"
    ONNX = "onnx"
    MACE = "mace"
    SNPE = "snpe"


class Hardware(StrEnum):
    """What computes. `NNAPI` names an interface: its `accelerator` option says which hardware answers."""

    CPU = "cpu"
    GPU = "gpu"
    DSP = "dsp"
    HTP = "htp"
    NPU = "npu"
    EDGETPU = "edgetpu"
    NNAPI = "nnapi"


@dataclass(frozen=True)
class Target:
    """A runtime on a hardware in a precision, with options in sorted order. `str(target)` parses back to it."""

    runtime: Runtime
    hardware: Hardware
    precision: Precision
    options: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        tail = "".join(f",{name}={value}" for name, value in self.options)
        return f"{self.runtime}/{self.hardware}/{self.precision}{tail}"

    def option(self, name: str, default: str) -> str:
        """Return the value of an option, or `default` where the target does not name it."""
        return dict(self.options).get(name, default)

    @property
    def num_threads(self) -> int:
        """Return the number of CPU threads (option `threads`, one where it is absent)."""
        return int(self.option("threads", "1"))


OPTIONS: dict[str, str] = {
    "threads": "a whole number of CPU threads, 1 where absent",
    "xnnpack": "on (where absent) or off: TFLite's plain kernels",
    "backend": "cl or gl: the GPU interface that must really be used",
    "accelerator": "name of an NNAPI accelerator, e.g. google-edgetpu",
    "delegate": "name of an external delegate, e.g. qnn",
    "tool": "on a phone, litert: the newer CompiledModel benchmark_model, the classic one where absent; net-run: "
    "snpe-net-run, snpe-throughput-net-run where absent",
    "input": "shape of a .dlc's input for tool=net-run, which the file does not tell, e.g. 1x224x224x3",
    "shape": "on this computer: sizes of every input, 1x224x224x3, those of several joined by +",
    "range": "on this computer: lowest and highest value of every input, 0:255, joined by +; - for the default",
    "signature": "on this computer: name of a TFLite file's signature",
    "values": "on this computer: hash of the files that the inputs' values come from",
    "cpus": "cluster that CPU runs are pinned to: big (where absent), little, all, or a mask such as f0",
}
_SHAPE = re.compile(r"[1-9][0-9]{0,6}(?:x[1-9][0-9]{0,6})*")


def parse_target(text: str) -> Target:
    """Parse `runtime/hardware/precision[,name=value...]`.

    Raises:
        KeySyntaxError: a part is missing or unknown; the message lists the legal ones.
    """
    head, *tail = text.strip().split(",")
    parts = head.split("/")
    if len(parts) != 3:
        raise KeySyntaxError(f"target {text!r} is not of the form runtime/hardware/precision, e.g. tflite/cpu/float32")
    vocabularies: tuple[type[StrEnum], ...] = (Runtime, Hardware, Precision)
    for part, vocabulary in zip(parts, vocabularies, strict=True):
        if part not in list(vocabulary):
            legal = ", ".join(vocabulary)
            raise KeySyntaxError(f"{part!r} in target {text!r} is no {vocabulary.__name__.lower()}; legal are: {legal}")
    options: dict[str, str] = {}
    for item in tail:
        name, equals, value = item.partition("=")
        if not equals or name not in OPTIONS or not value:
            legal = "; ".join(f"{key}: {meaning}" for key, meaning in OPTIONS.items())
            raise KeySyntaxError(f"{item!r} in target {text!r} is no option; legal are: {legal}")
        options[name] = value
    if not options.get("threads", "1").isdecimal() or options.get("threads") == "0":
        raise KeySyntaxError(f"threads={options['threads']} in target {text!r} is not a whole number above zero")
    if options.get("xnnpack", "on") not in ("on", "off"):
        raise KeySyntaxError(f"xnnpack={options['xnnpack']} in target {text!r} is neither on nor off")
    if not _SHAPE.fullmatch(options.get("input", "1")):
        raise KeySyntaxError(f"input={options['input']} in target {text!r} is no shape; write one as 1x224x224x3")
    return Target(Runtime(parts[0]), Hardware(parts[1]), Precision(parts[2]), tuple(sorted(options.items())))
