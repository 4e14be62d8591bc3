"""Where an integer file of a network loses its precision, layer by layer."""

from itertools import islice
from pathlib import Path

from mogakit.errors import InputError
from mogakit.export import quality, tflite
from mogakit.export.artifact import Artifact, Format
from mogakit.export.calibration import CalibrationData, Synthetic
from mogakit.export.integer import form_of, quality_inputs
from mogakit.export.lower import lower
from mogakit.nets.modules import build_network
from mogakit.nets.network import Network
from mogakit.nets.published_weights import WeightsSource
from mogakit.nets.weights import load_weights

MAX_INPUTS = 8


def layer_quality(
    network: Network,
    artifact: Artifact,
    weights: Path | None = None,
    calibration: CalibrationData | None = None,
    seed: int = 0,
    *,
    weights_from: WeightsSource | None = None,
    ema: bool = False,
) -> quality.Quality:
    """Compare every tensor of an exported integer file with the float file of the same network.

    The float file is written again from the same weights; tensors are matched by name.

    Args:
        artifact: quantised TFLite, exported from `network` with `weights`, `weights_from`, `ema` and `seed`.
        calibration: what to run both on; noise where absent.

    Raises:
        InputError: the artifact is not a quantised TFLite file.
    """
    if artifact.format is not Format.TFLITE or not artifact.precision.is_quantised:
        raise InputError(
            f"{artifact.path.name} is {artifact.format} {artifact.precision}; layers are compared in quantised TFLite "
            "files only"
        )
    module = build_network(network, seed)
    if weights is not None:
        load_weights(module, weights, weights_from, ema=ema)
    graph = lower(module.eval(), network.input_shape)
    inputs, _ = quality_inputs(graph, calibration or Synthetic())
    return quality.compare(
        tflite.build(graph, form=form_of(artifact.precision)).data,
        artifact.path.read_bytes(),
        islice(inputs, MAX_INPUTS),
        per_layer=True,
    )
