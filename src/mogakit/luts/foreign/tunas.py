"""The linear latency model that TuNAS published for its ProxylessNAS space on a Pixel 1 CPU.

Source: github.com/google-research/google-research `tunas/cost_model_data.py` (base64 of big-endian float32: 144
coefficients and one bias, milliseconds) and `mobile_cost_model.py` (the order of the features). For each layer there is
one coefficient for each (kernel, expansion), expansion running fastest, and after them one for leaving the layer out.
The coefficients are centred: they may be negative, and only sums mean anything.
"""

import base64
import binascii
from dataclasses import replace
from pathlib import Path

import numpy as np

from mogakit import files, records
from mogakit.errors import InputError, TableError
from mogakit.luts.error_metrics import FloatArray
from mogakit.luts.linear import CostModel, ModelKind
from mogakit.luts.table import UNKNOWN_IDENTITY, Origin
from mogakit.nets.spaces import get_space

SPACE = "tunas-proxyless"
NUM_COEFFICIENTS = 144
_KERNELS, _EXPANSIONS = 3, 2
_UNKNOWN = ("runtime and its version", "number of runs", "date and conditions", "number of pairs it was fitted on")


def import_tunas(kernel: Path, bias: Path) -> CostModel:
    """Read the model as coefficients of space `tunas-proxyless`.

    Args:
        kernel: file with the base64 of the coefficients. bias: file with that of the bias.

    Raises:
        TableError: a file is absent, no base64, or of another length.
    """
    coefficients, constant = _floats(kernel, NUM_COEFFICIENTS), _floats(bias, 1)
    genes: list[tuple[float, ...]] = []
    position = 0
    for count in get_space(SPACE).num_choices:
        layer = coefficients[position : position + count]
        genes.append(tuple(float(layer[_place(gene, count)]) for gene in range(count)))
        position += count
    return CostModel(
        name="tunas-pixel1-cpu",
        kind=ModelKind.IMPORTED,
        space=SPACE,
        target=None,
        identity=replace(UNKNOWN_IDENTITY, device_name="Google Pixel 1, CPU (as the source has it)"),
        intercept_ms=float(constant[0]),
        coefficients_ms=tuple(genes),
        origin=Origin(
            made_by="import of a TuNAS linear model",
            source=kernel.name,
            source_sha256=files.sha256_of(kernel),
            unknown=_UNKNOWN,
        ),
    )


def _place(gene: int, count: int) -> int:
    """Return where TuNAS keeps the coefficient of a gene's value: kernel slowest, where the space has it fastest."""
    if count == _KERNELS or gene == _KERNELS * _EXPANSIONS:
        return gene
    expansion, kernel = divmod(gene, _KERNELS)
    return _EXPANSIONS * kernel + expansion


def _floats(path: Path, expected: int) -> FloatArray:
    try:
        raw = base64.b64decode(records.read_bytes(path, "file of TuNAS's coefficients in base64"))
    except InputError as error:
        raise TableError(str(error)) from error
    except binascii.Error as error:
        raise TableError(f"{path} is not base64: {error}") from error
    if len(raw) != 4 * expected:
        raise TableError(
            f"{path} holds {len(raw)} bytes; {expected} float32 are {4 * expected}. Give kernel, then bias"
        )
    found = np.frombuffer(raw, dtype=">f4").astype(np.float64)
    if not np.isfinite(found).all():
        raise TableError(f"{path} holds numbers that are not finite")
    return found
