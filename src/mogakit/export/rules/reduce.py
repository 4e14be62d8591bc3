"""Sums, means, extremes and variances over any axes."""

from mogakit.export.builder import Builder, NotInThisForm
from mogakit.export.nodes import Activation, BinaryKind, GlobalMean, ReduceKind
from mogakit.export.rules.rule import Made, Rule
from mogakit.export.trace import Argument, Call


def _axes(value: Argument) -> list[int] | None:
    return [int(value)] if isinstance(value, int) else list(value) if value else None


def _mean(builder: Builder, call: Call) -> str:
    x, axes = builder.read(call), _axes(call.arguments.get("dim"))
    keep = bool(call.arguments.get("keepdim"))
    if len(builder.shape(x)) == 4 and axes is not None and {axis % 4 for axis in axes} == {2, 3}:
        return builder.add_node(GlobalMean(name="", inputs=(x,), shape=call.shape, keep_dims=keep))
    return builder.reduce(ReduceKind.MEAN, x, axes, keep)


def _reduction(kind: ReduceKind) -> Rule:
    """Build the rule of `sum`, `amax` and `amin`; the maximum with a place has no place in a format."""

    def rule(builder: Builder, call: Call) -> Made:
        made = builder.reduce(
            kind, builder.read(call), _axes(call.arguments.get("dim")), bool(call.arguments.get("keepdim"))
        )
        return [made, None] if len(call.results) > 1 else made

    return rule


def _variance(builder: Builder, call: Call) -> Made:
    x, axes = builder.read(call), _axes(call.arguments["dim"])
    keep, correction = bool(call.arguments["keepdim"]), call.arguments["correction"]
    shape = builder.shape(x)
    over = {axis % len(shape) for axis in (axes or range(len(shape)))}
    count = 1
    for axis in over:
        count *= shape[axis]
    degrees = count - (1 if correction is None else float(correction))
    if degrees <= 0:
        raise NotInThisForm(f"it takes the variance of {count} numbers")
    mean = builder.reduce(ReduceKind.MEAN, x, over, True)
    centred = builder.binary(BinaryKind.SUB, x, mean)
    variance = builder.reduce(ReduceKind.MEAN, builder.mul(centred, centred), over, keep)
    variance = builder.scaled(variance, count / degrees)
    if call.operator.startswith("std"):
        variance = builder.activate(Activation.SQRT, variance)
    if not call.operator.endswith("_mean"):
        return variance
    return [variance, mean if keep else builder.reshape(mean, builder.shape(variance))]


RULES: dict[str, Rule] = {
    "mean": _mean,
    "sum": _reduction(ReduceKind.SUM),
    "amax": _reduction(ReduceKind.MAX),
    "amin": _reduction(ReduceKind.MIN),
    "max": _reduction(ReduceKind.MAX),
    "min": _reduction(ReduceKind.MIN),
    "var": _variance,
    "std": _variance,
    "var_mean": _variance,
    "std_mean": _variance,
}
