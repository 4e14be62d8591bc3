"""MoGA Kit: latency tables for your own device, and what follows from them.

    import mogakit as mk

    run = mk.profile_space("moga", "run")                     # measure a table on this computer
    mk.predict("moga-a", run)                                 # milliseconds, with their parts
    mk.run_search(mk.Plan(tables=[run], limits=["latency<=12"]), "search")

A network described as data becomes files (`export`), files become measurements (`bench`, `android_runner`),
measurements become a latency table (`luts`), the table drives the search (`search`), and the found network ships.

The names in `__all__` are the library's promise; docs/reference/api.md describes them. They are loaded when they are
first used: `import mogakit` itself loads neither torch nor numpy.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

_HOMES = {
    # networks and spaces
    "Block": "mogakit.nets.block",
    "Network": "mogakit.nets.network",
    "SlotSpace": "mogakit.nets.spaces.base",
    "get_network": "mogakit.library.networks",
    "get_space": "mogakit.nets.spaces",
    "save_network": "mogakit.library.networks",
    "count_params": "mogakit.nets.network",
    "count_madds": "mogakit.nets.network",
    # files, measurements, tables
    "export_files": "mogakit.library.shipping",
    "measure_files": "mogakit.library.measuring",
    "profile_space": "mogakit.library.measuring",
    "transfer": "mogakit.library.measuring",
    "validate_table": "mogakit.library.measuring",
    "fit_cost_model": "mogakit.library.measuring",
    "Run": "mogakit.library.run",
    "load_run": "mogakit.library.run",
    "LatencyTable": "mogakit.luts.table",
    "CostModel": "mogakit.luts.linear",
    "load_table": "mogakit.library.networks",
    "predict": "mogakit.library.networks",
    # search, comparison
    "Plan": "mogakit.library.searching",
    "run_search": "mogakit.library.searching",
    "compare_networks": "mogakit.library.searching",
    "f_avg": "mogakit.search.multi_hardware",
    "f_max": "mogakit.search.multi_hardware",
    # shipping, reports
    "ship_bundle": "mogakit.library.shipping",
    "check_bundle": "mogakit.library.shipping",
    "write_report": "mogakit.library.reporting",
    "draw_figures": "mogakit.library.reporting",
    # your own
    "register_space": "mogakit.nets.spaces",
    "check_space": "mogakit.nets.spaces.laws",
    "register_block_kind": "mogakit.nets.kinds",
    "register_target": "mogakit.android_runner.own",
    "register_device": "mogakit.flows.measure.devices",
    # errors
    "MogaKitError": "mogakit.errors",
}
"""Where each public name is defined."""

__all__ = [
    "Block",
    "CostModel",
    "LatencyTable",
    "MogaKitError",
    "Network",
    "Plan",
    "Run",
    "SlotSpace",
    "check_bundle",
    "check_space",
    "compare_networks",
    "count_madds",
    "count_params",
    "draw_figures",
    "export_files",
    "f_avg",
    "f_max",
    "fit_cost_model",
    "get_network",
    "get_space",
    "load_run",
    "load_table",
    "measure_files",
    "predict",
    "profile_space",
    "register_block_kind",
    "register_device",
    "register_space",
    "register_target",
    "run_search",
    "save_network",
    "ship_bundle",
    "transfer",
    "validate_table",
    "write_report",
]

if TYPE_CHECKING:
    from mogakit.android_runner.own import register_target
    from mogakit.errors import MogaKitError
    from mogakit.flows.measure.devices import register_device
    from mogakit.library.measuring import fit_cost_model, measure_files, profile_space, transfer, validate_table
    from mogakit.library.networks import get_network, load_table, predict, save_network
    from mogakit.library.reporting import draw_figures, write_report
    from mogakit.library.run import Run, load_run
    from mogakit.library.searching import Plan, compare_networks, run_search
    from mogakit.library.shipping import check_bundle, export_files, ship_bundle
    from mogakit.luts.linear import CostModel
    from mogakit.luts.table import LatencyTable
    from mogakit.nets.block import Block
    from mogakit.nets.kinds import register_block_kind
    from mogakit.nets.network import Network, count_madds, count_params
    from mogakit.nets.spaces import SlotSpace, get_space, register_space
    from mogakit.nets.spaces.laws import check_space
    from mogakit.search.multi_hardware import f_avg, f_max


def __getattr__(name: str) -> Any:
    """Load a public name from its home, once (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, for completion."""
    return sorted({*__all__, "__version__"})
