"""How a list of options that several commands share is added to a command, and the option of converters."""

from collections.abc import Callable, Sequence
from functools import reduce
from pathlib import Path
from typing import Any, TypeVar

import click

from mogakit.cli.types import MODEL_SUFFIXES
from mogakit.export.artifact import Converter

F = TypeVar("F", bound=Callable[..., Any])

NETWORK_SUFFIX = ".json"
"""Of network files (`nets.network_file`, which is slow to load); a test compares them."""


def with_options(function: F, options: Sequence[Callable[[Any], Any]]) -> F:
    """Decorate with each of `options`; --help lists them in this order."""
    decorated: F = reduce(lambda inner, option: option(inner), reversed(options), function)
    return decorated


converter_option = click.option(
    "--converter",
    type=click.Choice([converter.value for converter in Converter]),
    help="Let this converter of the format's makers write the file: TFLite or ONNX, float32, for networks beyond the "
    "kit's writers. It has to be installed (pip install 'moga-kit[litert-torch]' or 'moga-kit[torch-onnx]').",
)


def only_files(models: Sequence[str]) -> bool:
    """Return whether all models are files, which no converter touches; network files are networks by name."""
    suffixes = {Path(model).suffix.lower() for model in models}
    return suffixes <= set(MODEL_SUFFIXES) - {NETWORK_SUFFIX}
