"""Learning curves of `moga transfer` on devices whose full tables are known: one command for each group of devices.

    python tests/benchmarks/bench_transfer.py host RUN RUN RUN --json host.json
    python tests/benchmarks/bench_transfer.py phones --json phones.json
    python tests/benchmarks/bench_transfer.py qed_usc FOLDER --json qed_usc.json
    python tests/benchmarks/bench_transfer.py figure host.json phones.json qed_usc.json -o transfer.svg

`host`: runs of this computer; each that `moga fit --pairs 60` was run on is the new device in turn, the
others its sources. `phones`: the simulated phones of tests/phone, each target of one from tables of the other.
`qed_usc`: per-operator and whole-network times of real phones (github.com/qed-usc/mobile-ml-benchmark, MIT).
"""

import argparse
import ast
import csv
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "phone"))
from phone_simulator import graphs
from phone_simulator.latency import Truth
from phone_simulator.profiles import PIXEL_6, SNAPDRAGON_8_GEN_2, Profile
from phone_simulator.truth import request_of, truth_ms

from mogakit import records
from mogakit.export.artifact import Format, Precision
from mogakit.flows.deploy.export import export_parts
from mogakit.flows.measure.sampling import sample_networks, strata
from mogakit.luts.calibrate import fit_best
from mogakit.luts.error_metrics import kendall_tau, mape_percent
from mogakit.luts.fit_record import FitRecord
from mogakit.luts.table import LatencyTable, load
from mogakit.luts.transfer.build import source_of
from mogakit.luts.transfer.curve import Choosing, Device, learning_curve
from mogakit.luts.transfer.items import File, Items, Source, items_of_blocks, make_items
from mogakit.luts.transfer.model import Method
from mogakit.nets.spaces import SearchSpace, get_space

SIZES = (5, 10, 20, 50)
NUM_CALIBRATION = 20
SETTINGS = [
    *((method, Choosing.DESIGNED) for method in Method),
    (Method.PROCESS, Choosing.RANDOM),
    (Method.PROCESS, Choosing.NETWORKS),
]

Row = dict[str, object]


def networks_of(space: SearchSpace, items: Items, num: int, seed: int) -> list[File]:
    """Return random networks of every stratum."""
    rng = np.random.default_rng([seed, 11])
    drawn = {net.name: net for part in strata(space) for net in sample_networks(part, num, rng, space)}
    return [File(name=name, counts=items.counts(b.key for b in net.blocks), whole=True) for name, net in drawn.items()]


def singles_of(items: Items) -> list[File]:
    """Return every row as a file of its own."""
    eye = np.eye(len(items.keys))
    return [File(name=key, counts=eye[row], whole=False) for row, key in enumerate(items.keys)]


def curves(
    device: Device, full: tuple[float, float], repeats: int, settings: Sequence[tuple[Method, Choosing]]
) -> Iterator[Row]:
    """Yield the points of every method, beside the error of the device's full table."""
    for method, choosing in settings:
        if method is Method.LOW_RANK and len(device.sources) < 2:
            continue
        sizes = [
            size
            for size in SIZES
            if choosing is not Choosing.NETWORKS or size <= sum(each.whole for each in device.candidates)
        ]
        for point in learning_curve(device, method, sizes, choosing, repeats):
            row = asdict(point) | {"full_mape_percent": full[0], "full_tau": full[1]}
            print(
                f"{device.name:44s} {method:9s} {choosing:16s} {point.num:3d} ({point.num_networks:4.1f} nets) "
                f"{point.mape_percent:6.2f} %  x{point.mape_percent / full[0]:5.2f}  tau {point.tau:.3f}  "
                f"90 %: {100 * point.coverage:3.0f} %",
                flush=True,
            )
            yield row


# -- this computer


def host_device(runs: Sequence[Path], new: Path) -> tuple[Device, tuple[float, float]]:
    """Return one run as a new device and the others as its sources; half of its fitted networks are its test."""
    table, space, items = _read_run(new)
    pairs = records.load(FitRecord, new / "fit.json").pairs
    files = [
        File(name=name, counts=items.counts(b.key for b in space.decode(one).blocks), whole=True)
        for name, one in zip(pairs.names, pairs.chromosomes, strict=True)
    ]
    times = dict(zip(pairs.names, pairs.measured_ms, strict=True))
    half = len(files) // 2
    pool, tests = files[:half], files[half:]
    reference = networks_of(space, items, 40, 1)
    sources = tuple(source_of(load(run / "lut.json"), items, reference) for run in runs if run != new)
    singles = [each for each in singles_of(items) if table.counts(table.rows[each.name])]
    errors = {each.name: 0.005 for each in pool}
    for each in singles:
        row = table.rows[each.name]
        assert row.alone_ms is not None and row.low_ms is not None and row.high_ms is not None
        times[each.name] = row.alone_ms
        errors[each.name] = max((row.high_ms - row.low_ms) / (2 * 1.96 * row.alone_ms), 0.003)
    tests_ms = np.array([times[each.name] for each in tests])
    device = Device(
        name=f"{new.name} from {', '.join(run.name for run in runs if run != new)}",
        items=items,
        sources=sources,
        candidates=(*pool, *singles),
        times_ms=times,
        errors=errors,
        reference=tuple(reference),
        tests=tuple(tests),
        tests_ms=tests_ms,
    )
    raw = lambda group: [table.overhead_ms + each.counts @ _rows(table, items) for each in group]  # noqa: E731
    calibration = fit_best(raw(pool[:NUM_CALIBRATION]), [times[each.name] for each in pool[:NUM_CALIBRATION]])
    found = np.array([calibration.apply(one) for one in raw(tests)])
    return device, (mape_percent(found, tests_ms), kendall_tau(found, tests_ms) or 0.0)


def _rows(table: LatencyTable, items: Items) -> np.ndarray:
    return np.array([table.rows[key].latency_ms or 0.0 for key in items.keys])


def _read_run(run: Path) -> tuple[LatencyTable, SearchSpace, Items]:
    table = load(run / "lut.json")
    space = get_space(table.space)
    return table, space, items_of_blocks([*space.fixed_blocks, *space.choice_blocks])


def host(runs: Sequence[Path], repeats: int) -> Iterator[Row]:
    """Let each run with fitted networks be the new device, from each other alone and from all of them."""
    for new in [run for run in runs if (run / "fit.json").is_file()]:
        others = [run for run in runs if run != new]
        groups = [[new, other] for other in others] + ([[new, *others]] if len(others) > 1 else [])
        for group in groups:
            device, full = host_device(group, new)
            yield from curves(device, full, repeats, SETTINGS)


# -- simulated phones

PHONE_TARGETS = ("tflite/cpu/float32", "tflite/cpu/float32,xnnpack=off", "tflite/cpu/int8", "tflite/gpu/float16")
PROCESS_NOISE = 0.015  # of a process and its drift, standard deviation


class Phones:
    """Exact times of the MoGA space's files on simulated phones."""

    def __init__(self, folder: Path) -> None:
        self.space = get_space("moga")
        self.items = items_of_blocks([*self.space.fixed_blocks, *self.space.choice_blocks])
        self.models = {
            precision: {
                artifact.name: graphs.read_model(artifact.path)
                for artifact in export_parts(
                    self.space.choice_blocks, self.space.fixed_blocks, [Format.TFLITE], precision, folder / precision
                )
            }
            for precision in (Precision.FLOAT32, Precision.INT8)
        }
        self.reference = networks_of(self.space, self.items, 40, 1)

    def rows(self, profile: Profile, target: str) -> tuple[np.ndarray, float]:
        """Return the rows net of the overhead, and the overhead."""
        truth = Truth(profile, seed=5)
        overhead = profile.units[request_of(truth, target).unit].overhead_ms
        models = self.models[Precision.INT8 if "int8" in target else Precision.FLOAT32]
        return np.array([truth_ms(truth, models[key], target) - overhead for key in self.items.keys]), overhead

    def device(
        self, name: str, new: tuple[Profile, str], sources: Sequence[tuple[Profile, str]], like: bool
    ) -> tuple[Device, tuple[float, float]]:
        """Return a phone and target as a new device, one process a file, and the error of its full table."""
        rng = np.random.default_rng(3)
        rows, overhead = self.rows(*new)
        known = []
        for profile, target in sources:
            theirs, their_overhead = self.rows(profile, target)
            noisy = theirs * rng.normal(1.0, PROCESS_NOISE / 3**0.5, len(theirs))
            known.append(Source(name=f"{profile.name} {target}", latencies_ms=noisy, overhead_ms=their_overhead))
        pool, tests = networks_of(self.space, self.items, 30, 2), networks_of(self.space, self.items, 40, 4)
        residual = next(block for block in self.space.choice_blocks if block.residual)
        chain = File(name="chain-8", counts=8 * self.items.counts([residual.key]), whole=False)
        candidates = [*pool, *singles_of(self.items), chain]
        exact = {each.name: overhead + float(each.counts @ rows) for each in [*candidates, *tests]}
        times = {name: ms * rng.normal(1.0, PROCESS_NOISE) for name, ms in exact.items()}
        device = Device(
            name=name,
            items=self.items,
            sources=tuple(known),
            candidates=tuple(candidates),
            times_ms=times,
            errors=dict.fromkeys(times, PROCESS_NOISE),
            reference=tuple(self.reference),
            tests=tuple(tests),
            tests_ms=np.array([exact[each.name] * rng.normal(1.0, PROCESS_NOISE / 3**0.5) for each in tests]),
            like=like,
        )
        full = rows * rng.normal(1.0, PROCESS_NOISE / 3**0.5, len(rows))
        sums = lambda group: [overhead + float(each.counts @ full) for each in group]  # noqa: E731
        calibration = fit_best(sums(pool[:NUM_CALIBRATION]), [times[each.name] for each in pool[:NUM_CALIBRATION]])
        found = np.array([calibration.apply(one) for one in sums(tests)])
        return device, (mape_percent(found, device.tests_ms), kendall_tau(found, device.tests_ms) or 0.0)


def phones(repeats: int) -> Iterator[Row]:
    """Let each target of a phone be new, from the same and from all targets of the other; a GPU also from a CPU."""
    with tempfile.TemporaryDirectory() as folder:
        made = Phones(Path(folder))
        for new, other in ((PIXEL_6, SNAPDRAGON_8_GEN_2), (SNAPDRAGON_8_GEN_2, PIXEL_6)):
            for target in PHONE_TARGETS:
                short = f"{new.name} {target}"
                everything = [(other, each) for each in PHONE_TARGETS]
                yield from curves(
                    *made.device(f"{short} from the same of {other.name}", (new, target), [(other, target)], True),
                    repeats,
                    SETTINGS,
                )
                yield from curves(
                    *made.device(f"{short} from all of {other.name}", (new, target), everything, True),
                    repeats,
                    SETTINGS,
                )
            gpu, cpu = PHONE_TARGETS[3], PHONE_TARGETS[0]
            yield from curves(
                *made.device(f"{new.name} {gpu} from its own {cpu}", (new, gpu), [(new, cpu)], False), repeats, SETTINGS
            )


# -- real phones

PHONE_COLUMNS = ("pixel4", "mi8se")
UNITS = ("1large|float", "1large|quant", "gpu|float")


def operator_items(folder: Path) -> tuple[Items, dict[str, dict[str, float]], dict[str, list[str]]]:
    """Return operators as items, their mean times by phone in ms, and the operators of each network."""
    times: dict[str, dict[str, list[float]]] = {phone: {} for phone in PHONE_COLUMNS}
    layers, numbers, kinds = {}, {}, {}
    networks: dict[str, list[str]] = {}
    operations: dict[str, int] = {}
    with (folder / "cnn_ops_gpu.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            feature = ast.literal_eval(row["feature"])
            key = f"{row['operation']} {sorted(feature.items())}"
            networks.setdefault(row["model"], []).append(key)
            for phone in PHONE_COLUMNS:
                times[phone].setdefault(key, []).append(float(row[f"{phone}|gpu|float"]) / 1e3)
            if key not in layers:
                layers[key], numbers[key] = _operator(row["operation"], feature)
                kinds[key] = [operations.setdefault(row["operation"], len(operations)), _number(feature, "Stride")]
    keys = list(layers)
    items = make_items(
        keys,
        [layers[key] for key in keys],
        [numbers[key] for key in keys],
        [[int(one) for one in kinds[key]] for key in keys],
    )
    means = {phone: {key: float(np.mean(found)) for key, found in per.items()} for phone, per in times.items()}
    return items, means, networks


def _number(feature: dict[str, object], name: str, default: float = 1.0) -> float:
    text = str(feature.get(name, default))
    try:
        return float(text)
    except ValueError:
        return default


def _operator(operation: str, feature: dict[str, object]) -> tuple[list[tuple[str, dict[str, float]]], list[float]]:
    """Return an operator's terms and the numbers by which it is near others."""
    size, out = _number(feature, "Input_shape"), _number(feature, "Output_shape")
    channels, filters = _number(feature, "Input_channel"), _number(feature, "Filter", _number(feature, "Input_channel"))
    kernel, flops = _number(feature, "Kernel"), _number(feature, "FLOPS", 0.0)
    depthwise = "DEPTHWISE" in operation or _number(feature, "Group") > 1
    convolution = "CONV" in operation
    name = f"{'depthwise' if depthwise else 'dense'} {kernel:g}" if convolution else operation.lower()
    terms = {
        f"MAdds of {name}": flops / 2e6,
        f"values of {'depthwise' if depthwise else 'dense' if convolution else operation.lower()}": (
            channels * size**2 + filters * out**2
        )
        / 1e6,
        "layers": 1.0,
    }
    if convolution or "FULLY" in operation:
        terms["weights"] = channels * filters * kernel**2 / max(_number(feature, "Group"), 1) / 1e6
    numbers = [np.log2(max(each, 1)) for each in (size, out, channels, filters, kernel)]
    return [(f"{operation} {sorted(feature.items())}", terms)], numbers


def end_to_end(
    folder: Path,
) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, float]], dict[str, tuple[float, float]]]:
    """Return mean times in ms and relative standard deviations, by column and network, and FLOPs and size."""
    means: dict[str, dict[str, float]] = {}
    spreads: dict[str, dict[str, float]] = {}
    amounts = {}
    with (folder / "cnn_end_to_end.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            amounts[row["model"]] = (float(row["FLOPS"]), float(row["size"]))
            for phone in PHONE_COLUMNS:
                for unit in UNITS:
                    mean = float(row[f"{phone}|{unit}|mean"]) / 1e3
                    means.setdefault(f"{phone} {unit}", {})[row["model"]] = mean
                    spreads.setdefault(f"{phone} {unit}", {})[row["model"]] = (
                        float(row[f"{phone}|{unit}|std"]) / 1e3 / mean
                    )
    return means, spreads, amounts


def operators_device(folder: Path, new: str, other: str, seed: int) -> tuple[Device, tuple[float, float]]:
    """Return one phone's GPU, whose operators are rows and whose networks are measured whole, from the other's."""
    items, means, networks = operator_items(folder)
    measured, spreads, _ = end_to_end(folder)
    names = sorted(name for name in networks if name in measured[f"{new} gpu|float"])
    rng = np.random.default_rng([seed, 21])
    shuffled = [names[place] for place in rng.permutation(len(names))]
    files = {name: File(name=f"network {name}", counts=items.counts(networks[name]), whole=True) for name in names}
    pool, tests = shuffled[:70], shuffled[70:]
    theirs = np.array([means[other][key] for key in items.keys])
    own = np.array([means[new][key] for key in items.keys])
    singles = [each for each in singles_of(items) if own[items.index[each.name]] > 0]
    offered = [replace(singles[place], once=0.0) for place in rng.permutation(len(singles))[:300]]
    times = {files[name].name: measured[f"{new} gpu|float"][name] for name in names}
    # times of single operators hold no overhead of a run: kernels are timed inside one
    overhead, ratio, spread = _affine_of(
        theirs, [files[name] for name in pool], [measured[f"{other} gpu|float"][name] for name in pool]
    )
    device = Device(
        name=f"qed_usc {new} GPU operators from {other}",
        items=items,
        sources=(
            Source(
                name=other,
                latencies_ms=np.where(theirs > 0, theirs, np.nan),
                overhead_ms=overhead,
                ratio=ratio,
                spread=spread,
            ),
        ),
        candidates=tuple([files[name] for name in pool] + offered),
        times_ms=times | {each.name: float(own[items.index[each.name]]) for each in offered},
        errors={files[name].name: max(spreads[f"{new} gpu|float"][name] / 7, 0.005) for name in names}
        | {each.name: 0.02 for each in offered},
        reference=tuple(files[name] for name in pool),
        tests=tuple(files[name] for name in tests),
        tests_ms=np.array([measured[f"{new} gpu|float"][name] for name in tests]),
    )
    raw = lambda group: [float(files[name].counts @ own) for name in group]  # noqa: E731
    truth = lambda group: [measured[f"{new} gpu|float"][name] for name in group]  # noqa: E731
    calibration = fit_best(raw(pool[:NUM_CALIBRATION]), truth(pool[:NUM_CALIBRATION]))
    found = np.array([calibration.apply(one) for one in raw(tests)])
    return device, (mape_percent(found, np.array(truth(tests))), kendall_tau(found, truth(tests)) or 0.0)


def _affine_of(rows: np.ndarray, files: Sequence[File], times: Sequence[float]) -> tuple[float, float, float]:
    sums = [float(each.counts @ rows) for each in files]
    calibration = fit_best(sums, times)
    scale = calibration.scale
    return max(calibration.offset_ms / scale, 0.0), scale, 1.25 * (calibration.loo_mape_percent or 1.5) / 100


def networks_device(folder: Path, new: str, sources: Sequence[str], seed: int) -> tuple[Device, tuple[float, float]]:
    """Return a phone and unit of which whole networks are the rows, from other phones and units."""
    measured, spreads, amounts = end_to_end(folder)
    names = sorted(amounts)
    rng = np.random.default_rng([seed, 22])
    shuffled = [names[place] for place in rng.permutation(len(names))]
    layers = [
        [(name, {"MAdds of networks": amounts[name][0] / 2e6, "weights": amounts[name][1] / 4e6, "once": 1.0})]
        for name in names
    ]
    numbers = [[np.log2(amounts[name][0]) / 2, np.log2(amounts[name][1]) / 2] for name in names]
    items = make_items(names, layers, numbers, [[0] for _ in names])
    singles = {each.name: each for each in singles_of(items)}
    pool, tests = shuffled[:60], shuffled[60:]
    device = Device(
        name=f"qed_usc {new} networks from {', '.join(sources)}",
        items=items,
        sources=tuple(
            Source(name=one, latencies_ms=np.array([measured[one][name] for name in names])) for one in sources
        ),
        candidates=tuple(singles[name] for name in pool),
        times_ms=measured[new],
        errors={name: max(spreads[new][name] / 7, 0.003) for name in names},
        reference=tuple(singles[name] for name in tests),
        tests=tuple(singles[name] for name in tests),
        tests_ms=np.array([measured[new][name] for name in tests]),
    )
    noise = 100 * float(np.mean([spreads[new][name] for name in tests])) * 0.8
    return device, (max(noise, 0.01), 1.0)


def qed_usc(folder: Path, repeats: int) -> Iterator[Row]:
    """Let one phone be new: its GPU from the other's operators, and every unit from the other's whole networks."""
    for new, other in (("mi8se", "pixel4"), ("pixel4", "mi8se")):
        yield from curves(*operators_device(folder, new, other, 0), min(repeats, 2), SETTINGS)
        for unit in UNITS:
            for sources in ([f"{other} {unit}"], [f"{other} {each}" for each in UNITS]):
                found = networks_device(folder, f"{new} {unit}", sources, 0)
                yield from curves(*found, repeats, [each for each in SETTINGS if each[1] is not Choosing.NETWORKS])


def summary(path: Path) -> Iterator[str]:
    """Yield the medians over devices as rows of a Markdown table; coverage is a mean."""
    rows = json.loads(path.read_text(encoding="utf-8"))
    groups = {(row["method"], row["choosing"]) for row in rows}
    order = [(str(method), str(choosing)) for method, choosing in SETTINGS]
    for method, choosing in sorted(groups, key=order.index):
        cells = []
        for size in SIZES:
            found = [row for row in rows if (row["method"], row["choosing"], row["num"]) == (method, choosing, size)]
            if found:
                mape = np.median([row["mape_percent"] for row in found])
                ratio = np.median([row["mape_percent"] / row["full_mape_percent"] for row in found])
                tau, inside = np.median([row["tau"] for row in found]), np.mean([row["coverage"] for row in found])
                cells.append(f"{mape:.1f} ({ratio:.1f}x), {tau:.2f}, {100 * inside:.0f}")
        yield f"| {method}, {choosing} | {' | '.join(cells)} |"


def figure(paths: Sequence[Path], output: Path) -> None:
    """Draw the median error over devices against the number of measurements, a panel for each file."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.ticker import NullLocator, ScalarFormatter

    chart, panels = pyplot.subplots(1, len(paths), figsize=(4.2 * len(paths), 3.8), layout="constrained")
    styles = {Choosing.DESIGNED: "-", Choosing.RANDOM: "--", Choosing.NETWORKS: ":"}
    colours = dict(zip(Method, ("tab:gray", "tab:olive", "tab:orange", "tab:green", "tab:blue"), strict=True))
    for panel, path in zip(np.atleast_1d(panels), paths, strict=True):
        rows = json.loads(path.read_text(encoding="utf-8"))
        for method, choosing in SETTINGS:
            mine = [row for row in rows if (row["method"], row["choosing"]) == (method, choosing)]
            sizes = sorted({row["num"] for row in mine})
            errors = [np.median([row["mape_percent"] for row in mine if row["num"] == size]) for size in sizes]
            panel.plot(
                sizes, errors, styles[choosing], color=colours[method], marker=".", label=f"{method}, {choosing}"
            )
        full = np.median([row["full_mape_percent"] for row in rows])
        panel.axhline(full, color="black", linewidth=0.8, label="full table")
        panel.set(xscale="log", yscale="log", title=path.stem, xlabel="measurements", xticks=SIZES)
        for axis in (panel.xaxis, panel.yaxis):
            axis.set_major_formatter(ScalarFormatter())
            axis.set_minor_locator(NullLocator())
        panel.set_yticks([0.5, 1, 2, 5, 10, 20])
    np.atleast_1d(panels)[0].set_ylabel("error on unseen networks (MAPE, %)")
    handles, labels = np.atleast_1d(panels)[0].get_legend_handles_labels()
    if len(paths) > 1:
        handles, labels = np.atleast_1d(panels)[1].get_legend_handles_labels()
    chart.legend(handles, labels, loc="outside lower center", ncols=5, fontsize=8, frameon=False)
    chart.savefig(output, metadata={"Date": None} if output.suffix == ".svg" else None)


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["host", "phones", "qed_usc", "figure", "summary"])
    parser.add_argument(
        "paths", nargs="*", type=Path, help="runs, the folder of the data, or JSON files of this program"
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path("transfer.svg"), help="of `figure`")
    asked = parser.parse_args()
    if asked.what == "figure":
        figure(asked.paths, asked.output)
        return
    if asked.what == "summary":
        for path in asked.paths:
            print(path.stem, *summary(path), sep="\n")
        return
    if asked.what == "host":
        rows = list(host(asked.paths, asked.repeats))
    elif asked.what == "phones":
        rows = list(phones(asked.repeats))
    else:
        rows = list(qed_usc(asked.paths[0], asked.repeats))
    if asked.json:
        asked.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
