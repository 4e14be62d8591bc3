"""Lower a torch module to a `Graph`: each recorded ATen call becomes a node (`rules`), then `fold` tidies."""

from torch import nn

from mogakit.errors import UnsupportedOperator
from mogakit.export import fold
from mogakit.export.builder import ONLY_BEFORE_CONVOLUTION, ONLY_BEFORE_RESHAPE, Builder, where
from mogakit.export.graph import Graph, Tensor
from mogakit.export.rules import RULES
from mogakit.export.trace import Argument, Call, Ref, trace


def lower(module: nn.Module, input_shape: tuple[int, ...]) -> Graph:
    """Lower `module`, in eval mode, for an input of `input_shape` (N, C, H, W).

    Raises:
        UnsupportedOperator: naming the module path, the operator, and the supported ones.
        InputError: the module is in training mode or does not take that shape.
    """
    recorded = trace(module, input_shape)
    builder = Builder()
    builder.names[0] = builder.unique("input")
    builder.shapes["input"] = tuple(input_shape)
    for call in _needed(recorded.calls, recorded.outputs):
        rule = RULES.get(call.operator)
        if rule is None:
            supported = ", ".join(sorted(RULES))
            raise UnsupportedOperator(
                f"{where(call)} uses the operator {call.operator!r}, which has no place in the exported graph; "
                f"supported operators: {supported}"
            )
        builder.names[call.result.number] = rule(builder, call)
    outputs = tuple(builder.names[ref.number] for ref in recorded.outputs)
    for name in outputs:
        if name in builder.padded:
            raise UnsupportedOperator(f"the module returns a padded tensor; {ONLY_BEFORE_CONVOLUTION}")
        if name in builder.turned:
            raise UnsupportedOperator(f"the module returns a permuted tensor; {ONLY_BEFORE_RESHAPE}")
    graph = Graph((Tensor("input", tuple(input_shape)),), tuple(builder.nodes), outputs, builder.constants)
    return fold.tidy(graph, recorded.names)


def _needed(calls: tuple[Call, ...], outputs: tuple[Ref, ...]) -> list[Call]:
    """Return the calls that the outputs depend on, in order; the rest may use any operator."""
    wanted = {ref.number for ref in outputs}
    needed = []
    for call in reversed(calls):
        if call.result.number in wanted:
            needed.append(call)
            wanted |= {ref.number for value in call.arguments.values() for ref in _refs(value)}
    return needed[::-1]


def _refs(value: Argument) -> list[Ref]:
    if isinstance(value, list):
        return [ref for item in value for ref in _refs(item)]
    return [value] if isinstance(value, Ref) else []
