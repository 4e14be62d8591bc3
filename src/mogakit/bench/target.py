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

from mogakit.errors import MAX_SUGGESTIONS, InputError, KeySyntaxError, closest
from mogakit.export.artifact import Format, Precision


class Runtime(StrEnum):
    """What runs a file."""

    TFLITE = "tflite"
    ONNX = "onnx"
    MACE = "mace"
    SNPE = "snpe"


FORMATS = {
    Runtime.TFLITE: Format.TFLITE,
    Runtime.ONNX: Format.ONNX,
    Runtime.MACE: Format.MACE,
    Runtime.SNPE: Format.DLC,
}
"""The file format that each runtime runs."""


class Hardware(StrEnum):
    """What computes. `NNAPI` names an interface: its `accelerator` option says which hardware answers."""

    CPU = "cpu"
    GPU = "gpu"
    DSP = "dsp"
    HTP = "htp"
    NPU = "npu"
    EDGETPU = "edgetpu"
    NNAPI = "nnapi"


_F32, _F16, _INT8, _UINT8 = Precision.FLOAT32, Precision.FLOAT16, Precision.INT8, Precision.UINT8
INTEGER_FILES: dict[Precision, tuple[Precision, ...]] = {
    _INT8: (_INT8, _UINT8, Precision.INT8_FLOAT_IO),
    _UINT8: (_UINT8,),
}
"""What integer hardware is given: the ends of a file make no other computation of it."""

_AS_IT_IS: dict[Precision, tuple[Precision, ...]] = {
    **{precision: (precision,) for precision in Precision},  # a CPU runs a file as what it is
    **INTEGER_FILES,
    _F32: (_F32, _F16),  # and half weights in float32
}
CPU_FILES: dict[Runtime, dict[Precision, tuple[Precision, ...]]] = {
    Runtime.TFLITE: _AS_IT_IS,
    Runtime.ONNX: _AS_IT_IS,
    Runtime.MACE: {_F32: (_F32,), _F16: (_F16,)},
    Runtime.SNPE: {},
}
"""Which precisions a CPU target may have, by runtime, and of which precisions its files may then be.

The first of these is the one that a network is exported in. Whether the kit writes it, `export.writers` says; what
other hardware takes stands in the rows of `android_runner.targets`.
"""


def cpu_files(target: "Target") -> tuple[Precision, ...]:
    """Return the precisions of file that a CPU target runs, the one to export first.

    Raises:
        InputError: the runtime has no such target.
    """
    known = CPU_FILES[target.runtime]
    if target.precision not in known:
        supported = ", ".join(f"{target.runtime}/cpu/{precision}" for precision in known) or "no CPU target"
        raise InputError(f"{target} is not a target of {target.runtime}; supported: {supported}")
    return known[target.precision]


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
_THREADS = re.compile(r"[1-9][0-9]{0,2}", re.ASCII)
_SHAPE = re.compile(r"[1-9][0-9]{0,6}(?:x[1-9][0-9]{0,6})*")


def parse_target(text: str) -> Target:
    """Parse `runtime/hardware/precision[,name=value...]`.

    Raises:
        KeySyntaxError: a part is missing or unknown; the message lists the supported ones.
    """
    head, *tail = text.strip().split(",")
    parts = head.split("/")
    if len(parts) != 3:
        raise KeySyntaxError(
            f"target {text!r} is not of the form runtime/hardware/precision[,option=value]; {_suggest(parts)}"
        )
    vocabularies: tuple[type[StrEnum], ...] = (Runtime, Hardware, Precision)
    for part, vocabulary in zip(parts, vocabularies, strict=True):
        if part not in list(vocabulary):
            raise KeySyntaxError(
                f"unknown {vocabulary.__name__.lower()} {part!r} in target {text!r} (supported: "
                f"{', '.join(vocabulary)}); {_suggest(parts)}"
            )
    options: dict[str, str] = {}
    for item in tail:
        name, equals, value = item.partition("=")
        if not equals or name not in OPTIONS or not value:
            near = closest(name, OPTIONS)
            listed = "; ".join(f"{key}: {OPTIONS[key]}" for key in near or OPTIONS)
            hint = f"did you mean {listed}?" if near else f"supported: {listed}"
            raise KeySyntaxError(f"unknown option {item!r} in target {text!r}; {hint}")
        options[name] = value
    if not _THREADS.fullmatch(options.get("threads", "1")):
        given = options["threads"]
        raise KeySyntaxError(f"threads={given} in target {text!r} is not a whole number above zero (up to 999)")
    if options.get("xnnpack", "on") not in ("on", "off"):
        raise KeySyntaxError(f"xnnpack={options['xnnpack']} in target {text!r} is neither on nor off")
    if not _SHAPE.fullmatch(options.get("input", "1")):
        raise KeySyntaxError(f"input={options['input']} in target {text!r} is not a shape; write one as 1x224x224x3")
    return Target(Runtime(parts[0]), Hardware(parts[1]), Precision(parts[2]), tuple(sorted(options.items())))


COMMON_TARGETS = (
    "tflite/cpu/float32",
    "tflite/cpu/int8",
    "tflite/gpu/float16",
    "tflite/gpu/float32",
    "tflite/edgetpu/int8",
    "tflite/dsp/int8",
    "tflite/npu/int8",
    "tflite/nnapi/int8,accelerator=google-edgetpu",
    "tflite/htp/int8,delegate=qnn",
    "onnx/cpu/float32",
    "mace/cpu/float32",
    "mace/gpu/float16",
    "mace/gpu/float32",
    "snpe/gpu/float32",
    "snpe/dsp/int8",
)
"""Targets to suggest, in the order of what is asked for most."""

_OTHER_WORDS = {
    "fp32": "float32",
    "f32": "float32",
    "float": "float32",
    "single": "float32",
    "fp16": "float16",
    "f16": "float16",
    "half": "float16",
    "i8": "int8",
    "u8": "uint8",
    "quant": "int8",
    "quantized": "int8",
    "lite": "tflite",
    "litert": "tflite",
    "tensorflow": "tflite",
    "tensorflowlite": "tflite",
    "onnxruntime": "onnx",
    "ort": "onnx",
    "qnn": "htp",
    "tpu": "edgetpu",
    "hexagon": "dsp",
    "xnnpack": "cpu",
}
"""What others call a runtime, a hardware or a precision."""


def _suggest(parts: list[str]) -> str:
    """Return what was probably meant: every word that is known put in its place, the rest from common targets."""
    words = [_known(part) for part in parts if part]
    understood = [word for word in words if word is not None]
    (runtime, hardware, precision) = (
        next((word for word in understood if word in list(vocabulary)), None)
        for vocabulary in (Runtime, Hardware, Precision)
    )
    if runtime and hardware and precision:
        return f"did you mean {runtime}/{hardware}/{precision}?"
    fitting = [target for target in COMMON_TARGETS if set(understood) <= set(target.split(",")[0].split("/"))]
    if not fitting and runtime and precision:  # such as tflite/npu/int8, of which no target is common
        fitting = [target for target in COMMON_TARGETS if target.startswith(runtime)]
    return (
        f"did you mean {', '.join(fitting[:MAX_SUGGESTIONS])}?"
        if understood and fitting
        else f"e.g. {COMMON_TARGETS[0]}"
    )


def _known(word: str) -> str | None:
    """Return the word of a vocabulary that a person means, or None."""
    lower = word.casefold().strip().replace("-", "").replace("_", "")
    vocabulary = [*Runtime, *Hardware, *Precision]
    near = closest(_OTHER_WORDS.get(lower, lower), vocabulary)
    return near[0] if near else None
