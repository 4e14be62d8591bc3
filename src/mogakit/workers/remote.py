"""What runs on a worker of a cluster: a call, after the worker has shown that it would compute the same as the client.

A number must not depend on who computed it. So a worker compares the sources of the kit and the versions of the
packages that decide numbers and bytes with the client's, and imports the modules that the client was asked to use.
"""

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import metadata, resources
from pathlib import Path
from typing import TypeVar

from mogakit import plugins
from mogakit.errors import ClusterError

R = TypeVar("R")

DECIDING = ("ai-edge-litert", "flatbuffers", "matplotlib", "numpy", "onnx", "onnxruntime", "torch")
"""Packages whose version decides what is computed or written."""

_one_at_a_time = threading.Lock()
"""Held while a call runs: torch's random generator and number of threads belong to the process."""


@dataclass(frozen=True)
class Terms:
    """What the client and a worker must have in common.

    Attributes:
        versions: of the kit's sources, as a hash, and of `DECIDING`.
        modules: which the client imported for what they register.
    """

    versions: dict[str, str]
    modules: tuple[str, ...]


def terms() -> Terms:
    """Return the terms of this process."""
    return Terms(versions(), plugins.used())


@cache
def versions() -> dict[str, str]:
    """Return a hash of the kit's sources and the versions of the packages that decide what is computed."""
    digest = hashlib.sha256()
    root = Path(str(resources.files("mogakit")))
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode("utf-8"))
        digest.update(path.read_bytes())
    return {"mogakit's sources": digest.hexdigest()[:16], **{name: metadata.version(name) for name in DECIDING}}


def run(asked: Terms, function: Callable[..., R], *arguments: object) -> R:
    """Run one call on a worker, one at a time in each process.

    Raises:
        ClusterError: the worker is not what the client is; the message names what differs.
        InputError: a module that the client uses cannot be imported here.
    """
    agree(asked)
    with _one_at_a_time:
        return function(*arguments)


def agree(asked: Terms) -> None:
    """Check that this process would compute what the client would; import the modules that it uses.

    Raises:
        ClusterError, InputError: as in `run`.
    """
    ours = versions()
    differing = [
        f"{name} {ours[name]} instead of {theirs}" for name, theirs in asked.versions.items() if ours[name] != theirs
    ]
    if differing:
        raise ClusterError(
            f"a worker has {', '.join(differing)}, so it might compute another number: install the same versions on "
            "every worker and restart it"
        )
    for module in asked.modules:
        plugins.use(module)
