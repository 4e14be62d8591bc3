"""What a real mace_run would reject, get wrong or move from the GPU to the CPU, read off a file.

Each rule was seen on mace_run v1.0.4 or master by leaving one thing out of a file that works.
"""

from mogakit.export.mace.reader import Model, Op

_NEEDS_LAYOUT = {"Activation", "Eltwise", "Reduce", "Concat", "BiasAdd", "Squeeze", "Softmax", "BatchNorm"}
_ON_GPU = {
    "Activation", "BatchNorm", "BiasAdd", "Concat", "Conv2D", "DepthwiseConv2d", "Eltwise", "FullyConnected", "Pooling",
    "Reduce", "Softmax", "Squeeze",
}  # fmt: skip
_ACTIVATIONS = {"NOOP", "RELU", "RELUX", "PRELU", "TANH", "SIGMOID", "LEAKYRELU", "ELU"}
_GPU_RUNTIME = 2


def problems(model: Model, *, multi: bool, gpu: bool) -> list[str]:
    """Return why mace_run would not run all of `model` as asked; empty where it would.

    Args:
        model: as read from a `.pb` and its `.data`.
        multi: the mace_run is v1.1.1 or later (MultiNetDef); otherwise it is v1.0.4 or earlier (NetDef).
        gpu: it runs on the GPU: chosen by the file for `multi`, by `--device` before.
    """
    found: list[str] = []
    if multi != model.is_multi:
        reads, holds = ("MultiNetDef", "NetDef") if multi else ("NetDef", "MultiNetDef")
        found.append(f"this mace_run reads a {reads}, the file is a {holds}")
    runtime = model.settings.get("runtime_type")
    if multi and runtime is None:
        found.append("the net names no runtime_type, without which v1.1.1 and later abort")
    if multi and runtime is not None and (runtime == _GPU_RUNTIME) != gpu:
        found.append(f"the file asks for runtime_type {runtime}, the run for the {'GPU' if gpu else 'CPU'}")
    if gpu and model.settings.get("opencl_mem_type") != 2:
        found.append("opencl_mem_type is not 2 (image): the GPU's buffer mode lacks most operators")
    for op in model.ops:
        found += [f"operator {op.name!r} ({op.type}): {text}" for text in _op_problems(op, multi, gpu)]
    return found


def _op_problems(op: Op, multi: bool, gpu: bool) -> list[str]:
    found: list[str] = []
    settings = op.settings
    if op.type in _NEEDS_LAYOUT and settings.get("has_data_format") != 1:
        found.append("has_data_format is missing; the CPU aborts and the GPU falls back")
    if op.type in ("Conv2D", "DepthwiseConv2d", "Pooling") and "padding_values" not in settings:
        found.append("padding_values is missing; MACE pads SAME")
    activation = settings.get("activation", "NOOP")
    if activation == "HARDSIGMOID":
        if gpu or not multi:
            found.append("HARDSIGMOID runs only on the CPU of v1.1.1 and later")
    elif activation not in _ACTIVATIONS:
        found.append(f"no MACE version has the activation {activation}")
    if gpu:
        if op.type not in _ON_GPU:
            found.append("falls back to the CPU")
        if op.type == "Reduce" and (settings.get("axis") not in ([1, 2], [3]) or settings.get("keepdims") != 1):
            found.append("the GPU reduces over (1, 2) or 3 with keepdims only")
        if op.type == "Concat" and settings.get("axis") != 3:
            found.append("the GPU joins along the channels only")
    return found
