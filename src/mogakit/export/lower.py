"""Lower a torch module to a `Graph`: each recorded ATen call becomes nodes (`rules`), then `fold` tidies."""

from collections.abc import Sequence

from torch import nn

from mogakit.errors import UnsupportedOperator
from mogakit.export import fold, rejection
from mogakit.export.builder import Builder, NotInThisForm
from mogakit.export.graph import Graph, Tensor
from mogakit.export.nodes import Node
from mogakit.export.rejection import Problem
from mogakit.export.rules import RULES
from mogakit.export.trace import Argument, Call, Ref, trace


def lower(module: nn.Module, *input_shapes: tuple[int, ...]) -> Graph:
    """Lower `module`, in eval mode, for inputs of `input_shapes`, (N, C, H, W) each or any other.

    Raises:
        UnsupportedOperator: naming every operator of the module that cannot be exported, and where it stands.
        InputError: the module is in training mode or does not take these shapes.
    """
    recorded = trace(module, *input_shapes)
    builder = Builder()
    single = len(input_shapes) == 1
    inputs = [
        Tensor(builder.unique("input" if single else f"input_{number}"), tuple(shape))
        for number, shape in enumerate(input_shapes)
    ]
    builder.names.update((number, tensor.name) for number, tensor in enumerate(inputs))
    builder.shapes.update((tensor.name, tensor.shape) for tensor in inputs)
    problems: list[Problem] = []
    for call, wanted in _needed(recorded.calls, recorded.outputs):
        builder.path = call.path or call.operator
        try:
            made = _made(builder, call)
            missing = [place for place, ref in enumerate(call.results) if ref.number in wanted and made[place] is None]
            if missing:
                raise NotInThisForm(f"its result {missing[0]} is read; supported is result 0")
        except NotInThisForm as error:
            problems.append(Problem(call, str(error)))
            made = _placeholders(builder, call)
        builder.names.update(
            (ref.number, name) for ref, name in zip(call.results, made, strict=False) if name is not None
        )
    if problems:
        raise UnsupportedOperator(rejection.message(problems))
    outputs = tuple(builder.names[ref.number] for ref in recorded.outputs)
    graph = Graph(tuple(inputs), tuple(builder.nodes), outputs, builder.constants)
    return fold.tidy(graph, recorded.names)


def _made(builder: Builder, call: Call) -> Sequence[str | None]:
    rule = RULES.get(call.operator)
    if rule is None:
        raise NotInThisForm("")
    made = rule(builder, call)
    return [made] if isinstance(made, str) else made


def _placeholders(builder: Builder, call: Call) -> list[str]:
    """Stand in for the results of an operator that cannot be exported, so that the rest can be looked at."""
    return [builder.add_node(Node(name="", inputs=(), shape=shape)) for shape in call.shapes]


def _needed(calls: tuple[Call, ...], outputs: tuple[Ref, ...]) -> list[tuple[Call, set[int]]]:
    """Return the calls that the outputs depend on, in order, each with the numbers that are read.

    The rest may use any operator.
    """
    wanted = {ref.number for ref in outputs}
    needed = []
    for call in reversed(calls):
        if any(ref.number in wanted for ref in call.results):
            needed.append((call, wanted))
            wanted |= {ref.number for value in call.arguments.values() for ref in _refs(value)}
    return needed[::-1]


def _refs(value: Argument) -> list[Ref]:
    if isinstance(value, list):
        return [ref for item in value for ref in _refs(item)]
    return [value] if isinstance(value, Ref) else []
