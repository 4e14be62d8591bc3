"""SSDLite detectors: a backbone of the zoo, four extra feature maps, and a pair of separable predictors on each map.

The layout is that of TensorFlow's Object Detection API (github.com/tensorflow/models, research/object_detection:
`models/ssd_mobilenet_v{1,2,3}_feature_extractor.py`, `models/feature_map_generators.py`,
`predictors/heads/{box,class}_head.py`), with which MobileNetV2 (arXiv 1801.04381, section 6.2), MnasNet and MobileNetV3
were measured on COCO:

    stride 16   what the first block of stride 32 expands to, or takes where it expands nothing      3 anchors
    stride 32   the last convolution before the pool                                               6 anchors
    four more   1x1 to half of 512, 256, 256, 128 channels, then separable 3x3 of stride 2         6 anchors each

A predictor is a depthwise 3x3 with batch norm and ReLU6, then a 1x1 with a bias; every map has one for boxes and one
for classes. Class 0 is the background.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import accumulate
from operator import mul

from mogakit.errors import InputError
from mogakit.nets.block import Activation, Block, Op
from mogakit.nets.layer import Layer
from mogakit.nets.network import Network, block_layers
from mogakit.nets.resolve import resolve

PREFIX = "ssdlite-"
INPUT_SIZE = 320
"""Height and width in pixels at which the MnasNet paper's Table 2 compares detectors."""

COCO_CLASSES = 80
NUM_CODES = 4
"""Numbers that describe a box against its anchor; see `boxes.encode`."""

NORM_EPS = 1e-3
EXTRA_CHANNELS = (512, 256, 256, 128)
MIN_CHANNELS = 16
ANCHORS_PER_PIXEL = (3, 6, 6, 6, 6, 6)
_FEATURE_STRIDE = 32


@dataclass(frozen=True)
class FeatureMap:
    """A square map with predictors on it: `num_anchors` boxes at each of its `size` x `size` pixels."""

    channels: int
    size: int
    num_anchors: int


@dataclass(frozen=True, kw_only=True)
class Detector:
    """An SSDLite detector.

    Attributes:
        name: `ssdlite-` and the name of its backbone.
        body: the backbone's blocks, its head reduced to the convolution before the pool.
        tap: the block of `body` whose expansion (or, without one, whose input) is the map of stride 16.
        extras: a 1x1 `conv` and a `sep` of stride 2 for each extra map, in turn.
        num_classes: classes of objects, without the background.
    """

    name: str
    body: tuple[Block, ...]
    tap: int
    extras: tuple[Block, ...]
    num_classes: int

    @property
    def input_size(self) -> int:
        """Height and width of the input image in pixels."""
        return self.body[0].input_size

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """Shape of the input for one image, NCHW."""
        return (1, self.body[0].in_channels, self.input_size, self.input_size)

    @property
    def num_slots(self) -> int:
        """Scores of an anchor: the background's and one a class."""
        return self.num_classes + 1

    @property
    def feature_maps(self) -> tuple[FeatureMap, ...]:
        """The maps that are predicted from, finest first."""
        block = self.body[self.tap]
        sources = [(_tapped_channels(block), block.input_size)]
        sources += [(one.out_channels, one.output_size) for one in (self.body[-1], *self.extras[1::2])]
        return tuple(FeatureMap(*source, count) for source, count in zip(sources, ANCHORS_PER_PIXEL, strict=True))

    @property
    def num_anchors(self) -> int:
        """Number of boxes that the network gives for an image."""
        return sum(each.size**2 * each.num_anchors for each in self.feature_maps)


def _tapped_channels(block: Block) -> int:
    return block.expanded_channels if block.op is Op.MB and block.expanded_channels else block.in_channels


def ssdlite(backbone: Network, num_classes: int = COCO_CLASSES, width: float = 1.0) -> Detector:
    """Put SSDLite on a classifier.

    Args:
        backbone: at the detector's input size; its number of classes does not matter.
        num_classes: classes of objects, without the background.
        width: multiplier of the extra maps' channels (the Object Detection API's `depth_multiplier`).

    Raises:
        InputError: the backbone has no map of stride 32, or an argument is not positive.
    """
    if num_classes < 1 or width <= 0:
        raise InputError(f"a detector needs at least one class and a positive width, not {num_classes} and {width}")
    *body, head = backbone.blocks
    strides = list(accumulate((block.stride for block in body), mul))
    if _FEATURE_STRIDE not in strides:
        raise InputError(
            f"{backbone.name} shrinks its input {strides[-1]} times; SSDLite reads maps of stride 16 and "
            f"{_FEATURE_STRIDE}"
        )
    tap = strides.index(_FEATURE_STRIDE)
    if head.features is not None:
        body.append(
            Block(
                Op.CONV,
                head.in_channels,
                head.features,
                head.input_size,
                activation=head.activation,
                norm_eps=head.norm_eps,
                bias=head.bias,
            )
        )
    return Detector(
        name=f"{PREFIX}{backbone.name}",
        body=tuple(body),
        tap=tap,
        extras=_extras(body[-1], width),
        num_classes=num_classes,
    )


def _extras(last: Block, width: float) -> tuple[Block, ...]:
    """Return the blocks of the extra maps behind `last`."""
    channels, size = last.out_channels, last.output_size
    blocks: list[Block] = []
    for wanted in EXTRA_CHANNELS:
        half, full = (max(int(each * width), MIN_CHANNELS) for each in (wanted / 2, wanted))
        blocks.append(
            Block(
                Op.CONV,
                channels,
                half,
                size,
                activation=Activation.RELU6,
                norm_eps=NORM_EPS,
            )
        )
        blocks.append(
            Block(
                Op.SEP,
                half,
                full,
                size,
                kernel=3,
                stride=2,
                activation=Activation.RELU6,
                out_activation=Activation.RELU6,
                norm_eps=NORM_EPS,
            )
        )
        channels, size = full, blocks[-1].output_size
    return tuple(blocks)


def with_expansion_as_last_map(detector: Detector, width: float = 1.0) -> Detector:
    """Read the map of stride 32 from the last bottleneck's expansion, and drop what follows it.

    No text describes this form for MnasNet; it is the one whose counts are those that its paper gives (`PUBLISHED`).

    Raises:
        InputError: the backbone does not end in an inverted bottleneck.
    """
    *before, last = (block for block in detector.body if (block.op, block.kernel) != (Op.CONV, 1))
    if last.op is not Op.MB or last.expanded_channels is None:
        raise InputError(f"{detector.name} does not end in an inverted bottleneck, whose expansion could be read")
    expansion = Block(
        Op.CONV,
        last.in_channels,
        last.expanded_channels,
        last.input_size,
        activation=last.activation,
        norm_eps=last.norm_eps,
        bias=last.bias,
    )
    return replace(detector, body=(*before, expansion), extras=_extras(expansion, width))


def with_halved_last_stage(detector: Detector, width: float = 1.0) -> Detector:
    """Halve every channel between the two maps of the backbone, as MobileNetV3 (arXiv 1905.02244) section 6.3 does.

    The first map itself stays: it is computed from the stage before.
    """

    def half(count: int) -> int:
        return count // 2

    body = list(detector.body)
    channels = body[detector.tap].in_channels
    for index in range(detector.tap, len(body)):
        block = body[index]
        first = index == detector.tap
        expanded = block.expanded_channels
        se = block.se
        body[index] = replace(
            block,
            in_channels=channels,
            out_channels=half(block.out_channels),
            expanded_channels=expanded if first or expanded is None else half(expanded),
            se=se if first or se is None else replace(se, channels=half(se.channels)),
        )
        channels = body[index].out_channels
    return replace(detector, body=tuple(body), extras=_extras(body[-1], width))


EXPANSION_VARIANT = "+expansion"
HALVED_VARIANT = "+halved"
_NAME = re.compile(
    r"(?P<name>[^@]+)(?P<rest>(?:@(?P<width>\d+(?:\.\d+)?)x)?(?:@(?P<size>\d+)px)?(?:@(?P<classes>\d+)c)?)", re.ASCII
)
_VARIANTS = {EXPANSION_VARIANT: with_expansion_as_last_map, HALVED_VARIANT: with_halved_last_stage}


def is_detector(text: str) -> bool:
    """Return whether a name is one of a detector rather than of a classifier."""
    return text.startswith(PREFIX)


def get_detector(
    text: str, width: float = 1.0, input_size: int | None = None, num_classes: int | None = None
) -> Detector:
    """Return the detector that `text` names: `ssdlite-` and any network, as in `ssdlite-mobilenet-v2`.

    A variant may follow: `+expansion` for `with_expansion_as_last_map`, `+halved` for `with_halved_last_stage`. A
    detector's own name parses back: `ssdlite-mobilenet-v2@0.5x@256px@3c` says what the arguments would.

    Args:
        text: the name.
        width: width multiplier of a zoo network and of the extra maps.
        input_size: height and width of the image in pixels; 320 if None.
        num_classes: classes of objects, without the background; COCO's 80 if None.

    Raises:
        InputError: nothing is called so, or an argument does not fit.
    """
    if not is_detector(text):
        raise InputError(f"{text!r} is not a detector; their names begin with {PREFIX}, as in {PREFIX}mobilenet-v2")
    named = _NAME.fullmatch(text)
    if named is not None and named["rest"]:
        return get_detector(
            named["name"],
            float(named["width"] or width),
            int(named["size"]) if named["size"] else input_size,
            int(named["classes"]) if named["classes"] else num_classes,
        )
    base, plus, variant = text.removeprefix(PREFIX).partition("+")
    if plus and plus + variant not in _VARIANTS:
        raise InputError(f"{text!r} ends in an unknown variant; supported: {', '.join(_VARIANTS)}")
    size = INPUT_SIZE if input_size is None else input_size
    classes = COCO_CLASSES if num_classes is None else num_classes
    detector = ssdlite(resolve(base, width, size), classes, width)
    if plus:
        detector = _VARIANTS[plus + variant](detector, width)
    name = text + (f"@{width:g}x" if width != 1 else "") + (f"@{size}px" if size != INPUT_SIZE else "")
    return replace(detector, name=name + (f"@{classes}c" if classes != COCO_CLASSES else ""))


def resolve_model(
    text: str, width: float = 1.0, input_size: int | None = None, num_classes: int | None = None
) -> Network | Detector:
    """Return what `text` names: a detector (`get_detector`) or a classifier (`resolve`), with their errors."""
    find = get_detector if is_detector(text) else resolve
    return find(text, width, input_size, num_classes)


def predictor_layers(detector: Detector) -> Iterator[tuple[Layer, Layer]]:
    """Yield the depthwise and the pointwise layer of every predictor: boxes, then classes, of the finest map first."""
    for each in detector.feature_maps:
        for role, count in (("box", NUM_CODES), ("class", detector.num_slots)):
            depthwise = Layer(
                role=f"{role}.depthwise",
                in_channels=each.channels,
                out_channels=each.channels,
                output_size=each.size,
                kernel=3,
                groups=each.channels,
                norm=True,
            )
            pointwise = Layer(
                role=f"{role}.project",
                in_channels=each.channels,
                out_channels=each.num_anchors * count,
                output_size=each.size,
                bias=True,
            )
            yield depthwise, pointwise


def detector_layers(detector: Detector) -> Iterator[Layer]:
    """Yield every layer: backbone, extra maps, predictors."""
    for block in (*detector.body, *detector.extras):
        yield from block_layers(block)
    for pair in predictor_layers(detector):
        yield from pair


def count_params(detector: Detector) -> int:
    """Count trainable values: weights, biases, batch-norm scales and offsets."""
    return sum(layer.params for layer in detector_layers(detector))


def count_params_without_norm(detector: Detector) -> int:
    """Count trainable values without batch norm: the convention of the papers from Google."""
    return sum(layer.params - 2 * layer.out_channels * layer.norm for layer in detector_layers(detector))


def count_madds(detector: Detector) -> int:
    """Count multiply-accumulates for one image."""
    return sum(layer.madds for layer in detector_layers(detector))
