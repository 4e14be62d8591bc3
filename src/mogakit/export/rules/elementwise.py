"""Functions of one or two numbers: activations, arithmetic with broadcasting."""

import math

import torch

from mogakit.export.builder import Builder, NotInThisForm, array
from mogakit.export.nodes import Activation, BinaryKind, Elu, LeakyRelu, PRelu
from mogakit.export.rules.rule import Rule, constant, traced
from mogakit.export.trace import Argument, Call, Ref


def _activation(function: Activation) -> Rule:
    return lambda builder, call: builder.activate(function, builder.read(call))


def _gelu(builder: Builder, call: Call) -> str:
    approximate = call.arguments["approximate"] == "tanh"
    return builder.activate(Activation.GELU_TANH if approximate else Activation.GELU, builder.read(call))


def _leaky_relu(builder: Builder, call: Call) -> str:
    x, slope = builder.read(call), float(call.arguments["negative_slope"])
    return builder.add_node(LeakyRelu(name="", inputs=(x,), shape=call.shape, slope=slope))


def _elu(builder: Builder, call: Call) -> str:
    """ELU, and with two scales SELU and CELU: scale * (x where positive, else alpha * (exp(x * input_scale) - 1))."""
    alpha = float(call.arguments["alpha"])
    if call.operator == "celu":
        scale, inner = 1.0, 1 / alpha
    else:
        scale, inner = float(call.arguments["scale"]), float(call.arguments["input_scale"])
    x = builder.read(call)
    made = builder.add_node(Elu(name="", inputs=(builder.scaled(x, inner),), shape=call.shape, alpha=alpha * inner))
    return builder.scaled(made, scale / inner)


def _prelu(builder: Builder, call: Call) -> str:
    slopes = array(constant(call, "weight", "slopes")).reshape(-1)
    x = builder.read(call)
    if slopes.size == 1:
        return builder.add_node(LeakyRelu(name="", inputs=(x,), shape=call.shape, slope=float(slopes[0])))
    return builder.add_node(PRelu(name="", inputs=(x,), shape=call.shape, slopes=slopes))


def _softplus(builder: Builder, call: Call) -> str:
    beta, threshold = float(call.arguments["beta"]), float(call.arguments["threshold"])
    if threshold < 15:  # above it torch returns x itself, which differs from the function by exp(-threshold)
        raise NotInThisForm(f"its threshold is {threshold:g}; supported are 15 and more")
    x = builder.scaled(builder.read(call), beta)
    return builder.scaled(builder.activate(Activation.SOFTPLUS, x), 1 / beta)


def _log_sigmoid(builder: Builder, call: Call) -> list[str | None]:
    minus = builder.activate(Activation.NEG, builder.read(call))
    return [builder.activate(Activation.NEG, builder.activate(Activation.SOFTPLUS, minus)), None]


def _clamp(low: str | None, high: str | None) -> Rule:
    """Build the rule of an operator that clamps, from the names of its bounds."""

    def rule(builder: Builder, call: Call) -> str:
        bounds = [None if name is None else call.arguments[name] for name in (low, high)]
        if any(isinstance(bound, Ref) for bound in bounds):
            raise NotInThisForm("it clamps to bounds that depend on the input; supported are numbers")
        x = builder.read(call)
        if not any(isinstance(bound, torch.Tensor) and bound.numel() > 1 for bound in bounds):
            lowest, highest = (
                (-math.inf if bounds[0] is None else bounds[0]),
                (math.inf if bounds[1] is None else bounds[1]),
            )
            return builder.clamp(x, float(lowest), float(highest))
        for bound, kind in zip(bounds, (BinaryKind.MAXIMUM, BinaryKind.MINIMUM), strict=True):
            x = x if bound is None else builder.binary(kind, x, builder.operand(bound))
        return x

    return rule


def _threshold(builder: Builder, call: Call) -> str:
    if call.arguments["threshold"] != 0 or call.arguments["value"] != 0:
        raise NotInThisForm("its threshold and value are not 0")
    return builder.activate(Activation.RELU, builder.read(call))


def _scaled(value: Argument, factor: float) -> Argument:
    """Multiply a constant by a factor in double precision."""
    return value.double() * factor if isinstance(value, torch.Tensor) else float(value) * factor


def _sum(sign: float) -> Rule:
    """Build the rule of `self + sign * alpha * other`."""

    def rule(builder: Builder, call: Call) -> str:
        left, right = call.arguments["self"], call.arguments["other"]
        factor = sign * float(call.arguments.get("alpha") or 1)
        if not isinstance(right, Ref):
            return builder.add(builder.operand(left), builder.operand(_scaled(right, factor)))
        if factor == -1.0 and isinstance(left, Ref):
            return builder.binary(BinaryKind.SUB, builder.operand(left), builder.operand(right))
        return builder.add(builder.scaled(builder.operand(right), factor), builder.operand(left))

    return rule


def _addition(builder: Builder, call: Call) -> str:
    """Keep the order of the operands where nothing scales one of them."""
    if call.arguments.get("alpha", 1) == 1:
        return builder.add(builder.read(call, "self"), builder.read(call, "other"))
    made = _sum(1.0)(builder, call)
    assert isinstance(made, str)
    return made


def _reversed_difference(builder: Builder, call: Call) -> str:
    """`other - alpha * self`."""
    x, alpha = builder.read(call), float(call.arguments["alpha"])
    other = call.arguments["other"]
    if isinstance(other, Ref) and alpha == 1.0:
        return builder.binary(BinaryKind.SUB, builder.operand(other), x)
    return builder.add(builder.scaled(x, -alpha), builder.operand(other))


def _product(builder: Builder, call: Call) -> str:
    return builder.mul(builder.read(call, "self"), builder.read(call, "other"))


def _quotient(builder: Builder, call: Call) -> str:
    other, mode = call.arguments["other"], call.arguments.get("rounding_mode")
    if mode == "trunc":
        raise NotInThisForm("it rounds towards zero")
    x = builder.read(call)
    if isinstance(other, Ref):
        made = builder.binary(BinaryKind.DIV, x, builder.operand(other))
    else:
        reciprocal = 1.0 / other.double() if isinstance(other, torch.Tensor) else 1.0 / float(other)
        made = builder.mul(x, builder.operand(reciprocal))
    return builder.activate(Activation.FLOOR, made) if mode == "floor" else made


def _reciprocal(builder: Builder, call: Call) -> str:
    return builder.binary(BinaryKind.DIV, builder.number(1.0), builder.read(call))


def _power(builder: Builder, call: Call) -> str:
    base, exponent = call.arguments["self"], call.arguments["exponent"]
    if isinstance(exponent, torch.Tensor) and exponent.numel() == 1:
        exponent = exponent.item()
    if isinstance(exponent, int | float) and isinstance(base, Ref):
        return power(builder, builder.operand(base), float(exponent))
    if isinstance(exponent, Ref) and not isinstance(base, Ref):
        logarithm = torch.as_tensor(base).double().log()
        return builder.activate(Activation.EXP, builder.mul(builder.operand(exponent), builder.operand(logarithm)))
    return builder.binary(BinaryKind.POW, builder.operand(base), builder.operand(exponent))


def power(builder: Builder, x: str, exponent: float) -> str:
    """Raise a tensor to a number, by products and roots where they say it."""
    match exponent:
        case 0.5:
            return builder.activate(Activation.SQRT, x)
        case -0.5:
            return builder.activate(Activation.RSQRT, x)
        case -1.0:
            return builder.binary(BinaryKind.DIV, builder.number(1.0), x)
        case 1.0:
            return x
        case 2.0:
            return builder.mul(x, x)
        case 3.0:
            return builder.mul(builder.mul(x, x), x)
        case 4.0:
            return power(builder, power(builder, x, 2.0), 2.0)
    return builder.binary(BinaryKind.POW, x, builder.number(exponent))


def _pair(kind: BinaryKind) -> Rule:
    return lambda builder, call: builder.binary(kind, builder.read(call), builder.read(call, "other"))


def _addcmul(builder: Builder, call: Call) -> str:
    product = builder.mul(builder.read(call, "tensor1"), builder.read(call, "tensor2"))
    return builder.add(builder.read(call), builder.scaled(product, float(call.arguments["value"])))


def _lerp(builder: Builder, call: Call) -> str:
    start, end = builder.read(call), builder.read(call, "end")
    difference = builder.binary(BinaryKind.SUB, end, start)
    return builder.add(start, builder.mul(difference, builder.read(call, "weight")))


def _where(builder: Builder, call: Call) -> str:
    """Choose by a constant mask: x * mask + y * (1 - mask), which needs finite operands."""
    mask = constant(call, "condition", "conditions").double()
    made = [
        builder.mul(builder.read(call, name), builder.operand(chosen))
        for name, chosen in (("self", mask), ("other", 1 - mask))
    ]
    return builder.add(*made)


def _masked_fill(builder: Builder, call: Call) -> str:
    mask = constant(call, "mask", "masks").double()
    value = call.arguments["value"]
    number = float(value.item() if isinstance(value, torch.Tensor) else value)
    limited = max(min(number, 1e9), -1e9)  # before a softmax, as good as an infinity
    kept = builder.mul(builder.read(call), builder.operand(1 - mask))
    return builder.add(kept, builder.operand(mask * limited))


def _identity(builder: Builder, call: Call) -> str:
    name = "self" if "self" in call.arguments else "input"
    traced(call, name)
    if call.arguments.get("dtype") not in (None, torch.float32):
        raise NotInThisForm(f"it converts to {call.arguments['dtype']}; supported is torch.float32")
    return builder.read(call, name)


_FUNCTIONS = {
    "relu": Activation.RELU,
    "relu6": Activation.RELU6,
    "hardswish": Activation.HSWISH,
    "hardsigmoid": Activation.HSIGMOID,
    "sigmoid": Activation.SIGMOID,
    "silu": Activation.SILU,
    "tanh": Activation.TANH,
    "mish": Activation.MISH,
    "exp": Activation.EXP,
    "log": Activation.LOG,
    "sqrt": Activation.SQRT,
    "rsqrt": Activation.RSQRT,
    "abs": Activation.ABS,
    "neg": Activation.NEG,
    "floor": Activation.FLOOR,
    "sin": Activation.SIN,
    "cos": Activation.COS,
}

RULES: dict[str, Rule] = {
    **{name: _activation(function) for name, function in _FUNCTIONS.items()},
    "gelu": _gelu,
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "celu": _elu,
    "_prelu_kernel": _prelu,
    "softplus": _softplus,
    "log_sigmoid_forward": _log_sigmoid,
    "threshold": _threshold,
    "hardtanh": _clamp("min_val", "max_val"),
    "clamp": _clamp("min", "max"),
    "clamp_min": _clamp("min", None),
    "clamp_max": _clamp(None, "max"),
    "add": _addition,
    "sub": _sum(-1.0),
    "rsub": _reversed_difference,
    "mul": _product,
    "div": _quotient,
    "reciprocal": _reciprocal,
    "pow": _power,
    "square": lambda builder, call: power(builder, builder.read(call), 2.0),
    "maximum": _pair(BinaryKind.MAXIMUM),
    "minimum": _pair(BinaryKind.MINIMUM),
    "addcmul": _addcmul,
    "lerp": _lerp,
    "where": _where,
    "masked_fill": _masked_fill,
    "clone": _identity,
    "detach": _identity,
    "alias": _identity,
    "dropout": _identity,
    "_to_copy": _identity,
    "lift_fresh": _identity,
}
