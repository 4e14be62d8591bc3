"""In which words operators that cannot be exported are listed: all of them, by the names that users write."""

from collections.abc import Sequence
from dataclasses import dataclass

from mogakit.export.artifact import Converter, Format
from mogakit.export.builder import where
from mogakit.export.rules import RULES
from mogakit.export.trace import Call

NUM_PLACES = 3
"""How many modules are named for one operator; the others are counted."""

_NAMES = {
    "_prelu_kernel": "nn.PReLU",
    "native_layer_norm": "nn.LayerNorm",
    "native_group_norm": "nn.GroupNorm",
    "native_batch_norm": "nn.BatchNorm",
    "_softmax": "torch.softmax",
    "_log_softmax": "torch.log_softmax",
    "max_pool2d_with_indices": "nn.MaxPool2d",
    "_adaptive_avg_pool2d": "nn.AdaptiveAvgPool2d",
    "constant_pad_nd": "torch.nn.functional.pad",
    "upsample_nearest2d": "torch.nn.functional.interpolate(mode='nearest')",
    "upsample_bilinear2d": "torch.nn.functional.interpolate(mode='bilinear')",
    "upsample_bicubic2d": "torch.nn.functional.interpolate(mode='bicubic')",
    "_scaled_dot_product_flash_attention_for_cpu": "torch.nn.functional.scaled_dot_product_attention",
    "_local_scalar_dense": "Tensor.item",
    "im2col": "nn.Unfold",
    "col2im": "nn.Fold",
    "grid_sampler_2d": "torch.nn.functional.grid_sample",
    "cat": "torch.cat",
    "convolution": "nn.Conv2d",
}
"""Names of ATen that are not torch's own with `torch.` before them."""


_LABELS = {Format.TFLITE: "TFLite", Format.ONNX: "ONNX"}


@dataclass(frozen=True)
class Problem:
    """A call that cannot be exported, and why; an empty reason means in no form."""

    call: Call
    reason: str


def spelled(call: Call) -> str:
    """Return the name under which users know an operator: the class of a layer of torch, else its function."""
    if call.module.startswith("nn.") and call.module not in ("nn.Sequential", "nn.ModuleList", "nn.Module"):
        return call.module
    return _NAMES.get(call.operator, f"torch.{call.operator.strip('_')}")


def message(problems: Sequence[Problem]) -> str:
    """List every problem once, with the modules it stands in, and say what can be done."""
    places: dict[tuple[str, str], list[str]] = {}
    for problem in problems:
        found = places.setdefault((spelled(problem.call), problem.reason), [])
        place = _place(problem.call)
        if place not in found:
            found.append(place)
    lines = []
    for (name, reason), found in places.items():
        shown = ", ".join(found[:NUM_PLACES]) + (
            f" and {len(found) - NUM_PLACES} more" if len(found) > NUM_PLACES else ""
        )
        lines.append(f"  {name} in {shown}: {reason or 'not supported'}")
    head = "1 operator" if len(lines) == 1 else f"{len(lines)} operators"
    return (
        f"{head} of the network cannot be exported:\n"
        + "\n".join(lines)
        + f"\nReplace them by supported ones ({supported()}), or let the formats' own makers convert the network: "
        + " or ".join(f"--converter {converter} ({_LABELS[converter.writes]})" for converter in Converter)
    )


def _place(call: Call) -> str:
    own = call.module and not call.module.startswith("nn.")
    return f"{where(call)} ({call.module})" if own and call.path else where(call)


def supported() -> str:
    """Return the operators of ATen that can be exported, in alphabetical order."""
    return ", ".join(sorted(RULES))
