"""Let the readers of other projects read tables that this kit wrote, and compare with its own (`make readers`).

The packages are old and ask for versions that no longer install together, so each reader's module is loaded alone, with
stand-ins for what its package imports around it; the reader's own code is untouched. HW-NAS-Bench has no package; its
sum stands in `tests/luts/test_tables_of_others.py`.
"""

import importlib.metadata
import importlib.util
import json
import os
import random
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import nn

from mogakit.luts.foreign.writing import ForeignOutput, write_foreign
from mogakit.nets.block import Activation, Block
from mogakit.nets.modules import NetworkModule
from mogakit.nets.network import Network, count_params
from mogakit.nets.spaces import get_space

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
from made_tables import table_of

NUM_NETWORKS = 200


def load(distribution: str, path: str, **stand_ins: dict[str, Any]) -> Any:
    """Load one module of an installed package, with stand-ins for what it imports of it."""
    for name, content in stand_ins.items():
        parts = name.split("__")
        for end in range(1, len(parts) + 1):
            sys.modules.setdefault(".".join(parts[:end]), types.ModuleType(".".join(parts[:end])))
        vars(sys.modules[".".join(parts)]).update(content)
    place = importlib.metadata.distribution(distribution).locate_file(path)
    spec = importlib.util.spec_from_file_location(f"reader_{Path(path).stem}", str(place))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def latency_tables() -> Any:
    """Return Once-for-All's module of latency tables."""
    nothing = {"download_url": None, "make_divisible": None, "MyNetwork": type("MyNetwork", (), {})}
    missing = {} if "ofa.utils" in sys.modules else nothing
    module = load("ofa", "ofa/nas/efficiency_predictor/latency_lookup_table.py", ofa__utils=missing)
    module.yaml = types.SimpleNamespace(load=yaml.safe_load)  # theirs names no loader, which PyYAML 6 wants
    return module


def once_for_all(folder: Path) -> None:
    """Their predictors sum what this kit predicts, for networks of three spaces."""
    module = latency_tables()
    readers = {
        "ofa-mobilenetv3": module.MBv3LatencyTable,
        "ofa-mobilenetv3-w1.2@160px": module.MBv3LatencyTable,
        "proxylessnas": module.ProxylessNASLatencyTable,
        "ofa-proxylessnas": module.ProxylessNASLatencyTable,
    }
    for name, reader in readers.items():
        table, space = table_of(name), get_space(name)
        path = folder / "table.yaml"
        path.write_text(write_foreign(table, ForeignOutput.OFA).text)
        theirs = reader(url=str(path))
        rng, worst = np.random.default_rng(0), 0.0
        for _ in range(NUM_NETWORKS):
            network = space.decode(space.sample(rng))
            found = theirs.predict_network_latency_given_config(their_config(network), network.input_size)
            worst = max(worst, abs(found / table.latency_ms(network) - 1))
        report(f"ofa, {reader.__name__}, {name}: {NUM_NETWORKS} networks", worst)


SUPERNETS = {
    "ofa-mobilenetv3": ("ofa_mbv3", "OFAMobileNetV3", 1.0),
    "ofa-mobilenetv3-w1.2": ("ofa_mbv3", "OFAMobileNetV3", 1.2),
    "ofa-proxylessnas": ("ofa_proxyless", "OFAProxylessNASNets", 1.3),
}


def once_for_all_networks(folder: Path) -> None:
    """Networks of their supernets are those of the same chromosome here: weights, outputs, latency by their table."""
    once_for_all_package()
    for name, (module_name, class_name, width) in SUPERNETS.items():
        module = importlib.import_module(f"ofa.imagenet_classification.elastic_nn.networks.{module_name}")
        torch.manual_seed(0)
        random.seed(0)
        elastic: dict[str, Any] = {"ks_list": [3, 5, 7], "expand_ratio_list": [3, 4, 6], "depth_list": [2, 3, 4]}
        supernet = getattr(module, class_name)(width_mult=width, dropout_rate=0, **elastic)
        for layer in supernet.modules():
            if isinstance(layer, nn.BatchNorm2d):
                for values, low, high in (
                    (layer.running_mean, -0.1, 0.1),
                    (layer.running_var, 0.5, 1.5),
                    (layer.weight.data, 0.5, 1.5),
                    (layer.bias.data, -0.2, 0.2),
                ):
                    values.uniform_(low, high)
        table = table_of(name)
        (folder / "table.yaml").write_text(write_foreign(table, ForeignOutput.OFA).text)
        reader = "MBv3LatencyTable" if "mbv3" in module_name else "ProxylessNASLatencyTable"
        theirs = getattr(latency_tables(), reader)(url=str(folder / "table.yaml"))
        worst_output, worst_latency = 0.0, 0.0
        for _ in range(5):
            network = get_space(name).decode(their_chromosome(supernet.sample_active_subnet()))
            subnet, mine = supernet.get_active_subnet(True).eval(), NetworkModule(network).eval()
            assert sum(weight.numel() for weight in subnet.parameters()) == count_params(network)
            given = list(subnet.state_dict().values())
            own = mine.state_dict()
            assert len(given) == len(own)
            mine.load_state_dict(
                {key: new.reshape(old.shape) for (key, old), new in zip(own.items(), given, strict=True)}
            )
            images = torch.rand(2, 3, 224, 224)
            with torch.no_grad():
                wanted, found = subnet(images), mine(images)
            worst_output = max(worst_output, float((wanted - found).abs().max() / wanted.abs().max()))
            latency = theirs.predict_network_latency_given_config(supernet.get_active_net_config(), 224)
            worst_latency = max(worst_latency, abs(latency / table.latency_ms(network) - 1))
        report(f"ofa, {class_name}, {name}: outputs of 5 networks, equal parameters", worst_output, 1e-5)
        report(f"ofa, {class_name}, {name}: latency of their configurations by their table", worst_latency)


def their_chromosome(drawn: dict[str, list[int]]) -> tuple[int, ...]:
    """Write a draw of a supernet (kernels, expansions, depths) as a chromosome; ProxylessNAS's last unit is a layer."""
    places = {3: 0, 4: 1, 6: 2}
    layers = [3 * places[e] + (k - 3) // 2 for e, k in zip(drawn["e"], drawn["ks"], strict=True)]
    genes = [gene for unit in range(5) for gene in (drawn["d"][unit] - 2, *layers[4 * unit : 4 * unit + 4])]
    return (*genes, *layers[20:])


def once_for_all_package() -> None:
    """Let modules of the package be imported, without those that load images (torchvision)."""
    root = Path(str(importlib.metadata.distribution("ofa").locate_file("ofa")))
    for name in ("ofa", "ofa.utils", "ofa.imagenet_classification"):
        package = types.ModuleType(name)
        package.__path__ = [str(root.joinpath(*name.split(".")[1:]))]
        sys.modules[name] = package
    for part in ("pytorch_modules", "pytorch_utils", "my_modules", "common_tools"):
        found = vars(importlib.import_module(f"ofa.utils.{part}"))
        vars(sys.modules["ofa.utils"]).update({key: one for key, one in found.items() if not key.startswith("_")})


def their_config(network: Network) -> dict[str, Any]:
    """Write a network as Once-for-All's configurations do."""
    stem, *body, head = network.blocks
    found: dict[str, Any] = {
        "first_conv": {"out_channels": stem.out_channels},
        "blocks": [{"conv": their_layer(block), "shortcut": {} if block.residual else None} for block in body],
        "classifier": {"in_features": head.hidden or head.features, "out_features": head.out_channels},
    }
    mixed = {"in_channels": head.in_channels, "out_channels": head.features}
    if head.hidden is None:
        return {**found, "feature_mix_layer": mixed}
    hidden = {"in_channels": head.features, "out_channels": head.hidden}
    return {**found, "final_expand_layer": mixed, "feature_mix_layer": hidden}


def their_layer(block: Block) -> dict[str, Any]:
    middle = block.expanded_channels or block.in_channels
    return {
        "in_channels": block.in_channels,
        "out_channels": block.out_channels,
        "expand_ratio": middle // block.in_channels,
        "mid_channels": middle,
        "kernel_size": block.kernel,
        "stride": block.stride,
        "use_se": block.se is not None,
        "act_func": "h_swish" if block.activation is Activation.HSWISH else "relu6",
    }


def nni(folder: Path) -> None:
    """Their lookup table finds every operation of every layer, in microseconds."""
    counter = {"count_flops_params": None}
    module = load("nni", "nni/algorithms/nas/pytorch/fbnet/utils.py", nni__compression__pytorch__utils=counter)
    for name in ("proxylessnas", "fbnet"):
        table = table_of(name)
        (folder / "lut.txt").write_text(write_foreign(table, ForeignOutput.NNI).text)
        entries = [eval_line(line) for line in (folder / "lut.txt").read_text().splitlines()]  # in the table's order
        blocks = get_space(name).choice_blocks
        shapes = sorted({(b.in_channels, b.input_size, b.out_channels, b.stride) for b in blocks})
        operations: dict[tuple[int, ...], list[str]] = {shape: [] for shape in shapes}
        for entry in entries:
            width, _, before, after, stride = entry["op_data_shape"]
            if (before, width, after, stride) in operations:
                operations[before, width, after, stride].append(entry["op_name"])
        space = {
            "input_shape": [(before, size, size) for before, size, _, _ in shapes],
            "channel_size": [after for *_, after, _ in shapes],
            "strides": [stride for *_, stride in shapes],
            "fm_size": [size for _, size, _, _ in shapes],
            "stages": {f"stage_{at}": {"ops": operations[shape], "layer_num": 1} for at, shape in enumerate(shapes)},
        }
        primitives = {name: None for names in operations.values() for name in names}
        os.chdir(folder)  # it looks for lut.txt here
        config = module.NASConfig(perf_metric="latency", lut_load=True, model_dir=str(folder), search_space=space)
        theirs = module.LookUpTable(config, primitives)
        looked_up = [time for layer in theirs.lut_perf for time in layer.values()]
        _, mine_ms = table.block_costs(unsupported_ms=float("nan")) or (0.0, {})
        wanted = [1000 * mine_ms[block.key] for block in blocks]
        assert len(looked_up) == len(wanted), (len(looked_up), len(wanted))
        worst = float(np.max(np.abs(np.sort(looked_up) / np.sort(wanted) - 1)))
        report(f"nni, LookUpTable, {name}: {len(looked_up)} operations of {len(shapes)} layers", worst)


def eval_line(line: str) -> dict[str, Any]:
    import ast

    found: dict[str, Any] = ast.literal_eval(line)
    return found


def nn_meter(folder: Path) -> None:
    """Their reader gives each block's mean and deviation."""
    module = load("nn-meter", "nn_meter/builder/backend_meta/utils.py")
    table = table_of("moga")
    text = write_foreign(table, ForeignOutput.NN_METER).text
    theirs = module.read_profiled_results(json.loads(text))
    once_ms, mine_ms = table.block_costs(unsupported_ms=float("nan")) or (0.0, {})
    worst = 0.0
    for key, models in theirs.items():
        latency = models["block"]["latency"]
        wanted = mine_ms[key] + (once_ms if key.startswith("conv_i3") else 0.0)
        deviation = table.calibration.scale * (table.rows[key].std_ms or 0.0)
        worst = max(worst, abs(latency.avg / wanted - 1), abs(latency.std / deviation - 1))
    assert len(theirs) == len(table.rows)
    report(f"nn-meter, read_profiled_results, moga: {len(theirs)} blocks", worst)


def report(what: str, worst: float, limit: float = 1e-9) -> None:
    print(f"{what}, largest relative difference {worst:.1e}")
    if not worst < limit:
        raise SystemExit(f"{what}: the reader finds another time than this kit")


CHECKS = {"ofa": once_for_all, "ofa-networks": once_for_all_networks, "nni": nni, "nn-meter": nn_meter}

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        for reader in sys.argv[1:] or CHECKS:
            CHECKS[reader](Path(name))
