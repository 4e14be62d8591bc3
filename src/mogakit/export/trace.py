"""Record what a torch module computes, as calls of ATen operators.

The module is simply run once on real data under a dispatch mode that sees each operator below autograd: any Python code
works, composite functions arrive already split into a small vocabulary, and a block takes milliseconds, where
`torch.export` takes seconds. What reads a value back (`if x.sum() > 0`, `float(x.max())`, `x.tolist()`) would bake one
branch or one number into the file, and is rejected with the name of its module.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from mogakit.errors import InputError, UnsupportedOperator
from mogakit.export.aliasing import Aliases


@dataclass(frozen=True)
class Ref:
    """A tensor that depends on the module's input, by its number of appearance; 0 is the input itself."""

    number: int


Argument: TypeAlias = Any  # Ref, torch.Tensor (a constant), int, float, bool, None, or a list of them


@dataclass(frozen=True, eq=False, kw_only=True)
class Call:
    """One ATen call with at least one `Ref` among its arguments.

    Attributes:
        operator: name without overload and without the underscore of in-place variants, e.g. `relu`.
        arguments: by name, as in the operator's schema, defaults included.
        results: the tensors it returned, in order.
        shapes: of `results`.
        path: of the innermost module that was running, `blocks.3.conv`; empty at the top.
        module: class of that module, `nn.PReLU` for torch's own.
    """

    operator: str
    arguments: dict[str, Argument]
    results: tuple[Ref, ...]
    shapes: tuple[tuple[int, ...], ...]
    path: str
    module: str

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape of the first result."""
        return self.shapes[0] if self.shapes else ()


@dataclass(frozen=True, eq=False)
class Trace:
    """Every call that touched the input, in order; `outputs` are what the module returned.

    `names` are the keys where it returned a mapping of tensors, and empty otherwise.
    """

    calls: tuple[Call, ...]
    outputs: tuple[Ref, ...]
    names: tuple[str, ...] = ()


OVERWRITTEN = "overwritten"
"""A call that torch did not make: a tensor into which another was written in place (`aliasing.Piece`)."""

_OF_SHAPE_ONLY = {name for word in ("zeros", "ones", "full", "empty") for name in (f"{word}_like", f"new_{word}")} | {
    "new_empty_strided"
}
"""Operators that read no number of their argument: what they give is a constant."""


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves it untyped
    """Notes each operator that touches a traced tensor; the others computed constants and need no trace."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: list[Call] = []
        self.path: list[tuple[str, str]] = [("", "")]
        self._refs: dict[int, Ref] = {}
        self._alive: list[torch.Tensor] = []  # an id is only unique while its tensor lives
        self._aliases = Aliases()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Leave the dispatch function as it is: wrapped against torch.compile, its first call costs a second."""
        return False

    def mark(self, tensor: torch.Tensor, written: bool = False) -> Ref:
        """Give `tensor` the next number; one written in place gets a new number under the same identity."""
        ref = Ref(len(self._alive))
        self._alive.append(tensor)
        self._refs[id(tensor)] = ref
        self._aliases.note(ref.number, tensor, written)
        return ref

    def ref_of(self, tensor: torch.Tensor) -> Ref | None:
        """Return the latest number of `tensor`, or None where it does not depend on the input."""
        return self._refs.get(id(tensor))

    def read_back(self, reader: str) -> UnsupportedOperator:
        """Return the error for a value of a traced tensor that Python reads."""
        path, kind = self.path[-1]
        return UnsupportedOperator(
            f"{f'module {path!r} ({kind})' if path else 'the forward of the module itself'} reads a value back from a "
            f"tensor that depends on the input ({_READERS.get(reader, reader)}): a branch, a loop or a number that "
            "depends on the data has no place in a file. Compute it with operators on tensors (torch.where, clamp), or "
            "make it a constant"
        )

    def known(self, value: Argument) -> Argument:
        """Return an argument with every traced tensor in it as its `Ref`.

        Raises:
            UnsupportedOperator: what a tensor holds cannot be followed, since it was written in place through another.
        """
        if isinstance(value, torch.Tensor):
            return self._current(value)
        if isinstance(value, list | tuple):
            return [self.known(item) for item in value]
        return value

    def _current(self, tensor: torch.Tensor) -> Ref | torch.Tensor:
        """Return the number of what a tensor holds now: with what was written into it through others, or a constant."""
        ref = self.ref_of(tensor)
        if not self._aliases.shares(tensor):
            return ref or tensor
        if ref is None and (twin := self._aliases.twin(tensor)) is not None:
            return Ref(twin)
        for piece in self._aliases.later(tensor, -1 if ref is None else ref.number):
            before = tensor.clone() if ref is None else ref
            arguments = {"self": before, "part": Ref(piece.number), "target": piece.target, "source": piece.source}
            ref = self.mark(tensor)
            path, kind = self.path[-1]
            shapes = (tuple(tensor.shape),)
            self.calls.append(
                Call(operator=OVERWRITTEN, arguments=arguments, results=(ref,), shapes=shapes, path=path, module=kind)
            )
        return ref or tensor

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        schema = func._schema.arguments
        arguments = {argument.name: argument.default_value for argument in schema}
        arguments.update(zip((argument.name for argument in schema), args, strict=False))
        arguments.update(kwargs or {})
        arguments = {name: self.known(value) for name, value in arguments.items()}
        result = func(*args, **(kwargs or {}))
        operator = func._schema.name.removeprefix("aten::")
        if operator not in _OF_SHAPE_ONLY and any(_holds_ref(value) for value in arguments.values()):
            tensors = [item for item in _listed(result) if isinstance(item, torch.Tensor)]
            if func._schema.returns and not tensors:
                raise self.read_back(operator)
            written = bool(func._schema.is_mutable)
            operator = operator.removesuffix("_") if written else operator
            refs = tuple(self.mark(tensor, written) for tensor in tensors)
            shapes = tuple(tuple(tensor.shape) for tensor in tensors)
            path, kind = self.path[-1]
            call = Call(operator=operator, arguments=arguments, results=refs, shapes=shapes, path=path, module=kind)
            self.calls.append(call)
        return result


_READERS = {
    "_local_scalar_dense": "float(), int(), bool(), .item(), or an `if`",
    "equal": "torch.equal",
    "is_nonzero": "an `if`",
}
"""What users write, by the operator that it shows as."""

_PAST_DISPATCH = {torch.Tensor.numpy: ".numpy()", torch.Tensor.tolist: ".tolist()", torch.Tensor.__array__: "NumPy"}
"""What reads memory without an operator of torch."""


class _Readers(TorchFunctionMode):
    """Notices values that are read from a traced tensor without an operator."""

    def __init__(self, recorder: _Recorder) -> None:
        super().__init__()
        self._recorder = recorder

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        reader = _PAST_DISPATCH.get(func)
        if reader is not None and self._recorder.ref_of(args[0]) is not None:
            raise self._recorder.read_back(reader)
        return func(*args, **(kwargs or {}))


def _listed(result: Any) -> list[Any]:
    return list(result) if isinstance(result, list | tuple) else [result]


def _holds_ref(value: Argument) -> bool:
    if isinstance(value, list):
        return any(_holds_ref(item) for item in value)
    return isinstance(value, Ref)


@contextmanager
def _paths(module: nn.Module, recorder: _Recorder) -> Iterator[None]:
    """Keep `recorder.path` at the module that runs."""
    hooks = []
    for path, child in module.named_modules():

        def enter(_: nn.Module, __: Any, path: str = path, kind: str = _class_of(child)) -> None:
            recorder.path.append((path, kind))

        def leave(_: nn.Module, __: Any, ___: Any) -> None:
            recorder.path.pop()

        hooks += [child.register_forward_pre_hook(enter), child.register_forward_hook(leave, always_call=True)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _class_of(module: nn.Module) -> str:
    """Return the name by which users know a module's class, `nn.PReLU` for torch's own."""
    kind = type(module)
    return f"nn.{kind.__name__}" if kind.__module__.startswith("torch.nn.") else kind.__name__


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute on one thread: on the small tensors here a pool loses, and on a busy machine it crawls."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def trace(module: nn.Module, *input_shapes: tuple[int, ...]) -> Trace:
    """Run `module` once on seeded data of `input_shapes`, one for each of its inputs, and record its operators.

    Raises:
        UnsupportedOperator: a tensor is read after it was changed in place through a view, or a value of one is read
            back into Python.
        InputError: the module is in training mode, does not take these shapes, holds other numbers than float32, or
            returns something that is not made of tensors computed from its input.
    """
    check_module(module)
    data = example_inputs(*input_shapes)
    recorder = _Recorder()
    for tensor in data:
        recorder.mark(tensor)
    with torch.no_grad(), one_thread(), _paths(module, recorder):
        with _Readers(recorder), recorder:
            returned = returned_by(module, data)
        outputs = [recorder.known(tensor) for tensor in flat(returned)]
    known = tuple(ref for ref in outputs if isinstance(ref, Ref))
    if len(known) != len(outputs) or not any(ref.number >= len(data) for ref in known):
        raise InputError(f"{type(module).__name__} returns {type(returned).__name__}, not tensors made from its input")
    return Trace(tuple(recorder.calls), known, names_in(returned))


def check_module(module: nn.Module) -> None:
    """Check that a module is ready to be exported.

    Raises:
        InputError: it is in training mode, or holds other numbers than float32.
    """
    for path, child in module.named_modules():
        if child.training:
            raise InputError(f"{_named(module, path)} is in training mode; call .eval() before exporting")
    for path, parameter in module.named_parameters():
        if parameter.dtype != torch.float32:
            raise InputError(
                f"{path} holds {parameter.dtype}; supported: torch.float32: call .float() before exporting"
            )


def example_inputs(*shapes: tuple[int, ...]) -> tuple[torch.Tensor, ...]:
    """Return seeded data of the shapes given."""
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.rand(shape, generator=generator) for shape in shapes)


def returned_by(module: nn.Module, data: Sequence[torch.Tensor]) -> Any:
    """Return what a module returns.

    Raises:
        InputError: it does not take data of these shapes.
    """
    try:
        return module(*data)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        shapes = tuple(tuple(tensor.shape) for tensor in data)
        raise InputError(f"{type(module).__name__} does not run on {_shapes(shapes)}: {error}") from error


def _shapes(shapes: tuple[tuple[int, ...], ...]) -> str:
    if len(shapes) == 1:
        return f"an input of shape {shapes[0]}"
    return f"{len(shapes)} inputs of shapes {', '.join(map(str, shapes))}"


def flat(returned: Any) -> Iterator[torch.Tensor]:
    """Yield the tensors in what a module returned: a tensor, a list or tuple, or a mapping in its order."""
    if isinstance(returned, torch.Tensor):
        yield returned
    elif isinstance(returned, list | tuple):
        for item in returned:
            yield from flat(item)
    elif isinstance(returned, dict):
        for item in returned.values():
            yield from flat(item)


def names_in(returned: Any) -> tuple[str, ...]:
    """Return the keys of a mapping from names to tensors, nothing for anything else."""
    if isinstance(returned, dict) and all(isinstance(value, torch.Tensor) for value in returned.values()):
        return tuple(str(key) for key in returned)
    return ()


def _named(module: nn.Module, path: str) -> str:
    """Name a child module for a message; the top one has no path."""
    return f"{type(module).__name__}.{path}" if path else type(module).__name__
