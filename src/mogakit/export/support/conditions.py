"""Whether an operator fulfils what a source asks of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mogakit.export.foreign.tflite import ABSENT, Graph, Operator, Tensor
from mogakit.export.support.entry import Condition

_BYTES = ("INT8", "UINT8")
_INDICES = ("INT32", "INT64", "BOOL")
_RELUS, _SIGN_BIT = (0, 1, 2, 3), 5  # ActivationFunctionType: NONE, RELU, RELU_N1_TO_1, RELU6
_REFLECT = 0
_SHORT = 16_000


@dataclass(frozen=True)
class View:
    """What the rules look at: an operator, its graph, and which of its tensors never change."""

    operator: Operator
    graph: Graph
    static: frozenset[int]

    @property
    def inputs(self) -> list[Tensor]:
        """Return the inputs that are there."""
        return [self.graph.tensors[index] for index in self.operator.inputs if index != ABSENT]

    @property
    def outputs(self) -> list[Tensor]:
        """Return the outputs."""
        return [self.graph.tensors[index] for index in self.operator.outputs]

    @property
    def runtime(self) -> list[Tensor]:
        """Return the inputs and outputs that change from run to run."""
        changing = [index for index in self.operator.inputs if index != ABSENT and index not in self.static]
        return [self.graph.tensors[index] for index in (*changing, *self.operator.outputs)]

    @property
    def num_runtime_inputs(self) -> int:
        """Return how many inputs are not constants."""
        return sum(index != ABSENT and index not in self.static for index in self.operator.inputs)

    def input(self, position: int) -> Tensor | None:
        """Return an input, None where it is absent."""
        if position >= len(self.operator.inputs) or self.operator.inputs[position] == ABSENT:
            return None
        return self.graph.tensors[self.operator.inputs[position]]

    def is_static(self, position: int) -> bool:
        """Return whether an input is a constant, or unpacked from one; an absent one is."""
        return position >= len(self.operator.inputs) or self.operator.inputs[position] in (self.static | {ABSENT})

    def integers(self, position: int) -> list[int] | None:
        """Return a constant input (axes, paddings) as a flat list, None where there is none."""
        found = self.input(position)
        return None if found is None else found.integers()

    def option(self, name: str, default: float = 0) -> float:
        """Return an option, `default` where the operator has no such option."""
        return self.operator.options.get(name, default)

    @property
    def strides(self) -> tuple[float, float]:
        """Return the strides, 1 where it has none."""
        return self.option("stride_h", 1), self.option("stride_w", 1)

    @property
    def dilations(self) -> tuple[float, float]:
        """Return the dilations, 1 where it has none."""
        return self.option("dilation_h", 1), self.option("dilation_w", 1)

    @property
    def rank(self) -> int:
        """Return the number of dimensions of the first input that is not a constant."""
        changing = [index for index in self.operator.inputs if index != ABSENT and index not in self.static]
        return len(self.graph.tensors[changing[0]].shape) if changing else 0


def static_tensors(graph: Graph) -> frozenset[int]:
    """Return the tensors that never change: constants, and those unpacked from one (float16, sparse)."""
    found = {index for index, tensor in enumerate(graph.tensors) if tensor.data is not None and not tensor.is_variable}
    for operator in graph.operators:
        if operator.name in ("DEQUANTIZE", "DENSIFY") and set(operator.inputs) <= found:
            found.update(operator.outputs)
    return frozenset(found)


def _types(tensors: Sequence[Tensor]) -> set[str]:
    return {tensor.type for tensor in tensors}


def _computed(view: View) -> set[str]:
    """Return the types of what an operator computes on: not of its axes and sizes."""
    return _types([tensor for tensor in (*view.inputs, *view.outputs) if tensor.type not in _INDICES])


def _byte_weights(view: View) -> bool:
    weights = view.input(1)
    others = [tensor for tensor in view.runtime if tensor.type not in _INDICES]
    return weights is not None and weights.data is not None and weights.type == "INT8" and _types(others) == {"FLOAT32"}


def _converts(view: View, taken: Sequence[str], made: Sequence[str]) -> bool:
    return _types(view.inputs) <= set(taken) and _types(view.outputs) <= set(made)


def _ratio(view: View) -> float:
    """Return the input's scale over the output's, 1 where either has none."""
    ends = view.input(0), next(iter(view.outputs), None)
    scales = [tensor.scales[0] if tensor is not None and tensor.scales else 0.0 for tensor in ends]
    return scales[0] / scales[1] if all(scales) else 1.0


def _slope_fits(view: View) -> bool:
    slope, ratio = view.option("alpha") * _ratio(view), _ratio(view)
    return 1 / 256 <= ratio <= 128 and (1 / 256 <= slope <= 128 or -128 < slope <= -1 / 256)


def _axes(view: View, position: int) -> list[int] | None:
    """Return constant axes, counted from the front."""
    found = view.integers(position)
    return None if found is None else sorted(axis + view.rank if axis < 0 else axis for axis in found)


def _pads_only_map(view: View) -> bool:
    amounts = view.integers(1)
    if amounts is None or len(view.inputs) != 2 or len(amounts) != 8:
        return False
    return amounts[0] == amounts[1] == amounts[6] == amounts[7] == 0


def _leaves_batch(view: View) -> bool:
    """Return whether axes, paddings or the axis option leave the first dimension alone."""
    if view.operator.name in ("PAD", "PADV2", "MIRROR_PAD"):
        amounts = view.integers(1)
        return amounts is not None and not any(amounts[:2])
    if view.operator.name in ("PACK", "CONCATENATION"):
        return view.option("axis") != 0
    axes = _axes(view, 0 if view.operator.name == "SPLIT" else 1)
    return axes is not None and 0 not in axes


def _flattens(view: View) -> bool:
    if not view.inputs or not view.outputs:
        return False
    kept, made = ([size for size in tensor.shape if size != 1] for tensor in (view.inputs[0], view.outputs[0]))
    return kept == made


def _broadcasts(view: View) -> bool:
    """Return whether two shapes broadcast and one is nowhere smaller: the delegate multiplies no outer products."""
    if len(view.inputs) != 2:
        return False
    first, second = (tensor.shape for tensor in view.inputs)
    if min(len(first), len(second)) <= 1 and len(first) != len(second):
        return True
    pairs = list(zip(reversed(first), reversed(second), strict=False))
    fits = all(left == right or 1 in (left, right) for left, right in pairs)
    if len(first) == len(second):
        return fits and not (any(a < b for a, b in pairs) and any(b < a for a, b in pairs))
    return fits


def _is_pair_tensor(view: View) -> bool:
    pads = view.input(1)
    return pads is not None and pads.shape in ((3, 2), (4, 2))


def _small_output(view: View) -> bool:
    sizes = view.integers(1)
    return sizes is not None and len(sizes) == 2 and max(sizes) < 66


def _one_vector(view: View) -> bool:
    shape = view.inputs[0].shape if view.inputs else ()
    return bool(shape) and all(size == 1 for size in shape[:-1]) and shape[-1] <= _SHORT


def _alpha_of_channels(view: View) -> bool:
    alpha = view.input(1)
    return alpha is not None and all(size == 1 for size in alpha.shape[:-1])


def _gathers_rows(view: View) -> bool:
    table, indices = view.input(0), view.input(1)
    if table is None or indices is None:
        return False
    return table.type != "INT32" and indices.type == "INT32" and len(indices.shape) == 1


def _ranks(view: View) -> list[int]:
    return [len(tensor.shape) for tensor in (*view.inputs, *view.outputs)]


def _reads_no_index(view: View) -> bool:
    return _types(view.runtime) <= {"FLOAT32", "FLOAT16", *_BYTES} and max(_ranks(view), default=0) <= 4


def _multiplier_fits(view: View) -> bool:
    return view.option("depth_multiplier", 1) == 1 or (bool(view.inputs) and view.inputs[0].shape[-1:] == (1,))


_C = Condition
RULES: dict[Condition, Callable[[View], bool]] = {
    _C.NONE: lambda view: True,
    _C.FLOAT: lambda view: _computed(view) == {"FLOAT32"},
    _C.BYTES: lambda view: _computed(view) in ({"INT8"}, {"UINT8"}),
    _C.SIGNED_BYTES: lambda view: _computed(view) == {"INT8"},
    _C.FLOAT_AND_BYTE_WEIGHTS: _byte_weights,
    _C.FLOAT_TO_BYTES: lambda view: _converts(view, ["FLOAT32"], _BYTES),
    _C.BYTES_TO_FLOAT: lambda view: _converts(view, _BYTES, ["FLOAT32"]),
    _C.HALF_CONSTANT: lambda view: _converts(view, ["FLOAT16"], ["FLOAT32"]) and view.is_static(0),
    _C.BYTES_IN: lambda view: _types(view.inputs) <= set(_BYTES),
    _C.SAME_SIGN: lambda view: _computed(view) in ({"INT8"}, {"UINT8"}) and 1 / 256 <= _ratio(view) <= 128,
    _C.NO_TEXT: lambda view: "STRING" not in _types([*view.inputs, *view.outputs]),
    _C.GPU_TYPES: _reads_no_index,
    _C.INDEX_TYPES: lambda view: "INT16" not in _types(view.runtime) and max(_ranks(view), default=0) <= 4,
    _C.NOT_INT16: lambda view: "INT16" not in _types(view.inputs),
    _C.INDICES_INT32: _gathers_rows,
    _C.NO_ACTIVATION: lambda view: view.option("activation") == 0,
    _C.RELU_FUSED: lambda view: view.option("activation") in _RELUS,
    _C.ACTIVATION_NOT_SIGN_BIT: lambda view: view.option("activation") != _SIGN_BIT,
    _C.STRIDE_AT_MOST_3: lambda view: max(view.strides) <= 3,
    _C.STRIDE_1_OR_WINDOW: lambda view: (
        max(view.strides) == 1 or max(view.option("filter_height", 1), view.option("filter_width", 1)) > 1
    ),
    _C.DILATION_1: lambda view: max(view.dilations) == 1,
    _C.DILATION_1_OR_STRIDE_1: lambda view: max(view.dilations) == 1 or max(view.strides) == 1,
    _C.SAME_DILATION: lambda view: view.dilations[0] == view.dilations[1],
    _C.DEPTH_MULTIPLIER_1: lambda view: view.option("depth_multiplier", 1) == 1 and max(view.strides) <= 3,
    _C.DEPTH_MULTIPLIER_1_OR_ONE_CHANNEL: _multiplier_fits,
    _C.BETA_1: lambda view: view.option("beta", 1) == 1,
    _C.BLOCK_ABOVE_1: lambda view: view.option("block_size", 2) > 1,
    _C.REFLECTS: lambda view: view.option("mode") == _REFLECT,
    _C.DEFAULT_WEIGHTS_FORMAT: lambda view: view.option("weights_format") == 0,
    _C.DROPS_DIMENSIONS: lambda view: not view.option("keep_num_dims"),
    _C.ONE_ALIGNMENT: lambda view: not (view.option("align_corners") and view.option("half_pixel_centers")),
    _C.NO_MASKS: lambda view: not any(view.option(f"{kind}_mask") for kind in ("ellipsis", "new_axis", "shrink_axis")),
    _C.NO_ADDED_AXES: lambda view: not (view.option("ellipsis_mask") or view.option("new_axis_mask")),
    _C.STEPS_OF_1: lambda view: set(view.integers(3) or ()) == {1},
    _C.SLOPE_IN_RANGE: _slope_fits,
    _C.STATIC_WEIGHTS: lambda view: view.is_static(1) and view.is_static(2),
    _C.STATIC_SIZE_AND_WEIGHTS: lambda view: all(map(view.is_static, (0, 1, 3))),
    _C.STATIC_BIAS: lambda view: view.is_static(2),
    _C.HAS_BIAS: lambda view: view.input(2) is not None,
    _C.STATIC_SETTINGS: lambda view: all(
        view.is_static(position) for position, index in enumerate(view.operator.inputs) if _is_setting(view, index)
    ),
    _C.TWO_INPUTS: lambda view: len(view.inputs) == 2,
    _C.ONE_RUNTIME_INPUT: lambda view: view.num_runtime_inputs == 1,
    _C.AT_MOST_2_RUNTIME_INPUTS: lambda view: view.num_runtime_inputs <= 2,
    _C.AT_MOST_4_INPUTS: lambda view: len(view.inputs) <= 4,
    _C.AT_MOST_5_INPUTS: lambda view: len(view.inputs) <= 5,
    _C.AT_MOST_4_OUTPUTS: lambda view: len(view.outputs) <= 4,
    _C.PADS_BY_PAIRS: _is_pair_tensor,
    _C.MEAN_OVER_HEIGHT_AND_WIDTH: lambda view: _axes(view, 1) == [1, 2],
    _C.PADS_HEIGHT_AND_WIDTH: _pads_only_map,
    _C.BATCH_UNTOUCHED: _leaves_batch,
    _C.FLATTENS: _flattens,
    _C.AT_MOST_4_DIMENSIONS: lambda view: max(_ranks(view), default=0) <= 4,
    _C.THREE_OR_FOUR_DIMENSIONS: lambda view: view.rank in (3, 4),
    _C.BROADCASTS: _broadcasts,
    _C.SMALL_OUTPUT: _small_output,
    _C.SHORT_VECTOR: _one_vector,
    _C.ALPHA_OF_CHANNELS: _alpha_of_channels,
}


def _is_setting(view: View, index: int) -> bool:
    return index != ABSENT and view.graph.tensors[index].type in _INDICES
