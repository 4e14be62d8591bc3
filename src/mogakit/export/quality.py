"""How far an integer file is from the float file it was made from: reported, never assumed."""

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

from mogakit.errors import ExportError, InputError
from mogakit.export.quantize import made_tensors
from mogakit.export.quiet import without_greetings

Array = NDArray[np.float32]


@dataclass(frozen=True)
class LayerQuality:
    """One tensor of both files; `sqnr_db` counts everything that went wrong up to it."""

    name: str
    sqnr_db: float


@dataclass(frozen=True, kw_only=True)
class Quality:
    """Agreement of a quantised file with its float file on the same inputs.

    Attributes:
        sqnr_db: 10 log10 of the energy of the float output over that of the difference, over all inputs.
        sqnr_centered_db: the same after the mean over inputs is taken away from both; a network whose output hardly
            depends on its input looks good without it.
        top1_agreement: share of inputs with the same largest output; None where the output is not a vector.
        max_abs_error: largest difference of one number; `relative` is that over the largest float output.
        layers: in the order of the file, only where asked for.
    """

    sqnr_db: float
    sqnr_centered_db: float | None
    top1_agreement: float | None
    num_inputs: int
    max_abs_error: float = 0.0
    relative: float = 0.0
    layers: tuple[LayerQuality, ...] = ()


def compare(float_model: bytes, quantized: bytes, inputs: Iterable[Array], *, per_layer: bool = False) -> Quality:
    """Run both TFLite files on `inputs` (float32, as the float file takes them) and compare what comes out.

    Raises:
        InputError: no input is given.
    """
    reference, candidate = _Runner(float_model, per_layer), _Runner(quantized, per_layer)
    energies: dict[str, tuple[float, float]] = {}
    layers = set(made_tensors(float_model)) if per_layer else set()

    def measured() -> Iterator[Array]:
        for given in inputs:
            yield given
            if per_layer:  # after both have run
                _add_energies(energies, reference.tensors(layers), candidate.tensors(layers))

    found = compare_runs(
        lambda given: [reference.run(given[0])], lambda given: [candidate.run(given[0])], ([one] for one in measured())
    )
    return replace(found, layers=tuple(LayerQuality(name, _ratio_db(*pair)) for name, pair in energies.items()))


Run = Callable[[Sequence[Array]], list[Array]]


def compare_runs(reference: Run, candidate: Run, inputs: Iterable[Sequence[Array]]) -> Quality:
    """Compare what two loaded files make of `inputs`, each a set of float32 arrays; several outputs count as one.

    Raises:
        InputError: no input is given.
    """
    pairs = [(_joined(reference(given)), _joined(candidate(given))) for given in inputs]
    if not pairs:
        raise InputError("at least one input is needed to compare two files")
    wanted, got = (np.stack(column).astype(np.float64) for column in zip(*pairs, strict=True))
    vector = wanted.reshape(len(pairs), -1)
    is_vector = max(wanted.shape[2:], default=1) > 1 and vector.shape[1] == wanted.shape[-1]
    agreement = float((vector.argmax(1) == got.reshape(vector.shape).argmax(1)).mean()) if is_vector else None
    worst, largest = float(np.abs(got - wanted).max()), float(np.abs(wanted).max())
    return Quality(
        sqnr_db=sqnr_db(wanted, got),
        sqnr_centered_db=sqnr_db(wanted - wanted.mean(0), got - got.mean(0)) if len(pairs) > 1 else None,
        top1_agreement=agreement,
        num_inputs=len(pairs),
        max_abs_error=worst,
        relative=worst / largest if largest > 0 else worst,
    )


def _joined(outputs: Sequence[Array]) -> Array:
    """Return one output as it is, several as all their numbers in one column."""
    if len(outputs) == 1:
        return outputs[0]
    return np.concatenate([value.reshape(1, -1, 1) for value in outputs], axis=1)


def in_floats(model: bytes) -> Run:
    """Open a TFLite file with one input; return what it makes of a float32 input, in float32."""
    runner = _Runner(model, keep_all=False)
    return lambda inputs: runner.run_all(inputs[0])


def sqnr_db(reference: NDArray[np.floating], got: NDArray[np.floating]) -> float:
    """Return the ratio of signal to quantisation noise in decibels; infinite where both agree exactly."""
    signal, noise = reference.astype(np.float64), got.astype(np.float64) - reference.astype(np.float64)
    return _ratio_db(float((signal**2).sum()), float((noise**2).sum()))


def _ratio_db(signal: float, noise: float) -> float:
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal else -math.inf


def _add_energies(energies: dict[str, tuple[float, float]], wanted: dict[str, Array], got: dict[str, Array]) -> None:
    for name, value in wanted.items():
        other = got.get(name)
        if other is not None and other.shape == value.shape:
            signal, noise = energies.get(name, (0.0, 0.0))
            difference = other.astype(np.float64) - value
            energies[name] = (
                signal + float((value.astype(np.float64) ** 2).sum()),
                noise + float((difference**2).sum()),
            )


class _Runner:
    """One TFLite file with float32 in and out, whatever its ends are."""

    def __init__(self, model: bytes, keep_all: bool) -> None:
        # The plain kernels keep every tensor readable; XNNPACK computes past them.
        resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES if keep_all else OpResolverType.AUTO
        with without_greetings():
            self._interpreter: Any = Interpreter(
                model_content=model,
                experimental_op_resolver_type=resolver,
                experimental_preserve_all_tensors=keep_all,
                num_threads=1,
            )
            try:
                self._interpreter.allocate_tensors()
            except RuntimeError as error:
                raise ExportError(f"LiteRT cannot run the integer file: {str(error).strip()[:300]}") from error
        self._input, self._outputs = self._interpreter.get_input_details()[0], self._interpreter.get_output_details()

    def run(self, given: Array) -> Array:
        """Return the output of one input; where there are several, all their numbers in one column."""
        return _joined(self.run_all(given))

    def run_all(self, given: Array) -> list[Array]:
        """Return every output of one input."""
        self._interpreter.set_tensor(self._input["index"], _to_integers(given, self._input))
        self._interpreter.invoke()
        return [_to_floats(self._interpreter.get_tensor(detail["index"]), detail) for detail in self._outputs]

    def tensors(self, names: Collection[str]) -> dict[str, Array]:
        """Return the tensors of the last run that have one of `names`."""
        return {
            detail["name"]: _to_floats(self._interpreter.get_tensor(detail["index"]), detail)
            for detail in self._interpreter.get_tensor_details()
            if detail["name"] in names
        }


def _to_integers(value: Array, detail: dict[str, Any]) -> NDArray[Any]:
    if detail["dtype"] == np.float32:
        return value
    scale, zero_point = detail["quantization"]
    limits = np.iinfo(detail["dtype"])
    steps = np.round(value / scale) + zero_point
    clipped: NDArray[Any] = np.clip(steps, limits.min, limits.max).astype(detail["dtype"])
    return clipped


def _to_floats(value: NDArray[Any], detail: dict[str, Any]) -> Array:
    if detail["dtype"] == np.float32:
        return np.asarray(value, np.float32)
    scale, zero_point = detail["quantization"]
    return np.asarray((value.astype(np.float32) - np.float32(zero_point)) * np.float32(scale), np.float32)
