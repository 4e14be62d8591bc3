"""Torch modules of SSDLite detectors, and their weights from a classifier's checkpoint.

A detector gives two tensors for N images: `boxes` (N, anchors, 4), codes against `boxes.anchors`, and
`scores` (N, anchors, 1 + classes), each between 0 and 1 by itself (the API's `score_converter: SIGMOID`).
"""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from mogakit.errors import CheckpointError
from mogakit.nets.block import Activation, Op
from mogakit.nets.detection.boxes import Floats, anchors
from mogakit.nets.detection.network import NORM_EPS, NUM_CODES, Detector, FeatureMap
from mogakit.nets.modules import BodyModule, ConvNorm, build_network, fill_weights
from mogakit.nets.network import Network
from mogakit.nets.weights import read_state


class Predictor(nn.Module):
    """Separable 3x3: depthwise with batch norm and ReLU6, 1x1 with a bias."""

    def __init__(self, channels: int, num_values: int) -> None:
        super().__init__()
        act = Activation.RELU6
        self.depthwise = ConvNorm(channels, channels, 3, 1, channels, activation=act, norm_eps=NORM_EPS)
        self.project = nn.Conv2d(channels, num_values, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, H, W) to (N, num_values, H, W)."""
        result: Tensor = self.project(self.depthwise(x))
        return result


class PredictorPair(nn.Module):
    """The two predictors of one feature map."""

    def __init__(self, source: FeatureMap, num_slots: int) -> None:
        super().__init__()
        self.box = Predictor(source.channels, source.num_anchors * NUM_CODES)
        self.label = Predictor(source.channels, source.num_anchors * num_slots)
        self.score = nn.Sigmoid()
        self.num_slots = num_slots

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map (N, channels, H, W) to boxes (N, H * W * anchors, 4) and scores (N, H * W * anchors, 1 + classes)."""
        # The sigmoid stands before the reshape, so that a format without reshape can end there.
        return _rows(self.box(x), NUM_CODES), _rows(self.score(self.label(x)), self.num_slots)

    def raw(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map as `forward` does, but to the logits of the scores."""
        return _rows(self.box(x), NUM_CODES), _rows(self.label(x), self.num_slots)


class DetectorModule(nn.Module):
    """The module of `detector`; `body[i]` is the module of `detector.body[i]`, `extras[i]` of `detector.extras[i]`."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector
        self.body = nn.ModuleList(BodyModule(block) for block in detector.body)
        self.extras = nn.ModuleList(BodyModule(block) for block in detector.extras)
        self.predictors = nn.ModuleList(PredictorPair(each, detector.num_slots) for each in detector.feature_maps)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map images (N, 3, H, W) to `boxes` (N, anchors, 4) and `scores` (N, anchors, 1 + classes)."""
        pairs = zip(self.predictors, self.feature_maps(x), strict=True)
        boxes, scores = zip(*(predictor(one) for predictor, one in pairs), strict=True)
        return {"boxes": torch.cat(boxes, 1), "scores": torch.cat(scores, 1)}

    def raw(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map images to boxes as `forward` does, and to the logits of the scores: what a loss is computed from."""
        found = []
        for predictor, one in zip(self.predictors, self.feature_maps(x), strict=True):
            if isinstance(predictor, PredictorPair):
                found.append(predictor.raw(one))
        boxes, logits = zip(*found, strict=True)
        return torch.cat(boxes, 1), torch.cat(logits, 1)

    def feature_maps(self, x: Tensor) -> Iterator[Tensor]:
        """Yield the maps that are predicted from, finest first."""
        for index, block in enumerate(self.body):
            if index != self.detector.tap:
                x = block(x)
                continue
            if isinstance(block, BodyModule) and self.detector.body[index].op is Op.MB:
                # The block without its shortcut, which a block of stride 2 does not have.
                x = block.expand(x)
                yield x
                x = block.project(block.se(block.depthwise(x)))
            else:
                yield x
                x = block(x)
        yield x
        for index, block in enumerate(self.extras):
            x = block(x)
            if index % 2:
                yield x


def _rows(x: Tensor, num_values: int) -> Tensor:
    """Map (N, anchors * values, H, W) to (N, H * W * anchors, values)."""
    return x.permute(0, 2, 3, 1).reshape(x.shape[0], -1, num_values)


def build_detector(detector: Detector, seed: int = 0) -> DetectorModule:
    """Build a detector in eval mode with the deterministic weights of `modules.fill_weights`."""
    with torch.device("meta"):
        module = DetectorModule(detector)
    module.to_empty(device="cpu")
    fill_weights(module, seed)
    return module.eval()


def build_model(model: Network | Detector, seed: int = 0) -> nn.Module:
    """Build a classifier or a detector in eval mode with deterministic weights."""
    return build_detector(model, seed) if isinstance(model, Detector) else build_network(model, seed)


def detector_anchors(detector: Detector) -> Floats:
    """Return the anchors of a detector, (anchors, 4), in the order of its outputs."""
    return anchors([each.size for each in detector.feature_maps])


def load_backbone(module: DetectorModule, path: Path) -> int:
    """Take the backbone's weights from a checkpoint of the classifier, in the kit's own layout.

    The convolution before the pool is taken as well, if the detector has it. Returns the number of tensors taken.

    Raises:
        CheckpointError: the file is not a checkpoint, or lacks a tensor of the backbone or has it in another shape.
        OSError: the file cannot be read.
    """
    state = read_state(path)
    taken = {}
    for name, value in module.body.state_dict().items():
        index, _, rest = name.partition(".")
        candidates = [f"blocks.{index}.{rest}"]
        if int(index) == len(module.body) - 1 and rest.startswith("conv."):
            leaf = rest.removeprefix("conv.")  # the head's convolution, or the expansion of the last bottleneck
            candidates += [f"blocks.{index}.features.{leaf}", f"blocks.{index}.expand.{leaf}"]
        found = next((state[key] for key in candidates if key in state and state[key].shape == value.shape), None)
        if found is None:
            raise CheckpointError(
                f"{path} does not fit the backbone of {module.detector.name}: {' or '.join(candidates)} of shape "
                f"{'x'.join(map(str, value.shape)) or 'scalar'} is missing. Give a checkpoint of the classifier"
            )
        taken[name] = found
    module.body.load_state_dict(taken, strict=True)
    return len(taken)
