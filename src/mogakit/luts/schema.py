"""The version of a stored latency table, and the steps from every older one to it."""

from collections.abc import Callable, Mapping
from typing import Any

from mogakit.errors import TableError

SCHEMA_VERSION = 1
"""Raised whenever a field is added without a default, renamed, or changes its meaning; then `UPGRADES` gains a step."""

Document = dict[str, Any]
Upgrade = Callable[[Document], Document]

UPGRADES: dict[int, Upgrade] = {}
"""`UPGRADES[n]` turns a document of version n into one of version n + 1."""


def upgrade(
    document: Document,
    where: str,
    upgrades: Mapping[int, Upgrade] | None = None,
    current: int = SCHEMA_VERSION,
) -> Document:
    """Bring a stored document to version `current`, one step at a time.

    Args:
        document: parsed JSON of a table; not modified.
        where: file name for the message.
        upgrades: steps by the version they start from; `UPGRADES` where absent.
        current: version to arrive at.

    Raises:
        TableError: it holds no version, a newer one than this kit knows, or one that no step starts from.
    """
    steps = UPGRADES if upgrades is None else upgrades
    version = document.get("schema_version")
    if not isinstance(version, int) or isinstance(version, bool):
        raise TableError(f"{where} holds no whole number as schema_version, so it is not a latency table of this kit")
    if version > current:
        raise TableError(f"{where} has schema version {version}; this kit reads up to {current}. Upgrade moga-kit")
    document = dict(document)
    while version < current:
        if version not in steps:
            raise TableError(
                f"{where} has schema version {version}, which cannot be upgraded; supported: {sorted(steps)}"
            )
        document = dict(steps[version](document))
        version += 1
        document["schema_version"] = version
    return document
