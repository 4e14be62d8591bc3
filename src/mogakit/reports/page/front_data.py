"""The front as data for the page's script: metrics, networks, the exact front thinned out, and what each choice is."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from mogakit.luts.table import LatencyTable
from mogakit.nets.spaces import SearchSpace
from mogakit.reports.run import NamedSearch
from mogakit.search.front import Front

MAX_POINTS = 600
MAX_EXACT = 1500


def front_data(search: NamedSearch, space: SearchSpace, table: LatencyTable) -> dict[str, Any]:
    """Return plain JSON values for `front.js`.

    Networks beyond `MAX_POINTS` are left out evenly along the front; picks never are.
    """
    front = search.result.front
    kept = _thinned(front, MAX_POINTS, search.result.picks)
    exact = [] if search.exact is None else _rows(search.exact, _thinned(search.exact, MAX_EXACT, ()))
    return {
        "space": front.space,
        "metrics": [
            {"name": metric.name, "unit": metric.unit, "proxy": metric.is_proxy, "source": metric.source}
            for metric in front.metrics
        ],
        "objectives": [{"metric": one.metric, "maximise": one.maximise} for one in front.objectives],
        "networks": [
            {"c": front.chromosomes[index], "v": values} for index, values in zip(kept, _rows(front, kept), strict=True)
        ],
        "total": len(front),
        "picks": list(search.result.picks),
        "exact": exact,
        "slots": _slots(space, table),
    }


def embed(data: Any) -> str:
    """Return JSON that may stand inside a script element: no tag can begin in it."""
    return json.dumps(data, allow_nan=False, separators=(",", ":"), sort_keys=True).replace("<", "\\u003c")


def _thinned(front: Front, limit: int, always: Sequence[str]) -> list[int]:
    if len(front) <= limit:
        return list(range(len(front)))
    even = set(np.linspace(0, len(front) - 1, limit).round().astype(int).tolist())
    even |= {index for index, chromosome in enumerate(front.chromosomes) if chromosome in set(always)}
    return sorted(even)


def _rows(front: Front, indices: Sequence[int]) -> list[list[float | None]]:
    return [[None if value is None else float(f"{value:.7g}") for value in front.values[index]] for index in indices]


def _slots(space: SearchSpace, table: LatencyTable) -> list[dict[str, Any]]:
    """Return what each gene chooses between; empty where the genes are no independent slots."""
    if space.slotted is None:
        return []
    slots = []
    for slot in space.slotted.slots:
        choices = []
        for block in slot:
            row = table.rows.get(block.key)
            expanded = block.expanded_channels or block.in_channels
            choices.append(
                {
                    "k": block.kernel,
                    "e": round(expanded / block.in_channels, 2),
                    "se": block.se is not None,
                    "ms": None if row is None or row.latency_ms is None else float(f"{row.latency_ms:.4g}"),
                }
            )
        first = slot[0]
        slots.append({"size": first.output_size, "out": first.out_channels, "choices": choices})
    return slots
