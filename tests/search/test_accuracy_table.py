"""Accuracies that others measured: CSV or JSON, by chromosome or by a benchmark's own names."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mogakit.errors import InputError
from mogakit.flows.search.find import search
from mogakit.flows.search.plan import SearchPlan
from mogakit.nets.spaces import get_space
from mogakit.search.accuracy_table import load_accuracy_table
from mogakit.search.sources import accuracy_metric

NB201 = get_space("nas-bench-201")
FIRST = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"
SECOND = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
GENES = {(3,) * 6: 93.5, (0,) * 6: 10.0}

TEXTS: dict[str, tuple[str, str | None]] = {
    "strings.csv": (f"arch,accuracy\n{FIRST},93.5\n{SECOND},10\n", None),
    "chosen.csv": (f"arch_str,cifar10,cifar100\n{FIRST},93.5,70\n{SECOND},10,1\n", "cifar10"),
    "chromosomes.csv": ("chromosome,accuracy\n3-3-3-3-3-3,93.5\n0-0-0-0-0-0,10\n", None),
    "mapping.json": (json.dumps({FIRST: 93.5, "nas-bench-201/0-0-0-0-0-0": 10}), None),
    "several.json": (json.dumps({FIRST: {"a": 93.5, "b": 1}, SECOND: {"a": 10, "b": 2}}), "a"),
    "list.json": (
        json.dumps([{"arch": FIRST, "accuracy": 93.5}, {"op_idx_list": [0] * 6, "accuracy": 10}]),
        None,
    ),
    "benchmark.json": (
        json.dumps({"cifar10": {"top1": [93.5, 10.0], "config": [{"arch_str": FIRST}, {"arch_str": SECOND}]}}),
        "cifar10/top1",
    ),
}


@pytest.mark.parametrize("name", TEXTS)
def test_every_form_holds_the_same_accuracies(name: str, tmp_path: Path) -> None:
    text, column = TEXTS[name]
    path = tmp_path / name
    path.write_text(text)
    assert load_accuracy_table(path, NB201, column).values == GENES
    given = f"table:{path}" + ("" if column is None else f",column={column}")
    metric = accuracy_metric(given, NB201)
    values = metric.evaluate(np.array([[3] * 6, [0] * 6, [1] * 6]))
    assert values[:2].tolist() == [93.5, 10.0]
    assert np.isnan(values[2])
    assert column is None or column in metric.source


@pytest.mark.parametrize(
    ("name", "text", "column", "message"),
    [
        ("a.csv", f"arch,cifar10\n{FIRST},1\n", None, "no column accuracy; it has arch, cifar10"),
        ("a.csv", f"arch,accuracy\n{FIRST[:-1]},1\n", None, "line 2: .* is not an architecture"),
        ("a.csv", f"arch,accuracy\n{FIRST},high\n", None, "line 2"),
        ("a.csv", f"arch,accuracy\n{FIRST},inf\n", None, "line 2: accuracy is 'inf'"),
        ("a.csv", f"arch,accuracy\n{FIRST},1\n{FIRST},2\n", None, "line 3.*twice"),
        ("a.json", json.dumps({FIRST: {"a": 1}}), None, "has no 'accuracy'; it has a: choose with column="),
        ("a.json", json.dumps([{"accuracy": 1}]), None, "entry 0 names no network"),
        ("a.json", json.dumps([{"arch": 3, "accuracy": 1}]), None, "3 is not a chromosome"),
        ("a.json", json.dumps([{"op_idx_list": [0, 7, 0, 0, 0, 0], "accuracy": 1}]), None, "gene 1 .* is 7"),
        ("a.json", json.dumps({FIRST: None}), None, "entry|NoneType"),
        ("a.json", "3", None, "neither an object nor a list"),
        ("a.json", json.dumps({"c": {"x": [1], "config": []}}), "c/x", "lists of equal length"),
        ("a.json", json.dumps({"c": {"x": [1], "config": [{}]}}), "c/x", "config 0 names no network"),
    ],
)
def test_what_is_no_such_table_is_rejected(
    name: str, text: str, column: str | None, message: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        load_accuracy_table(path, NB201, column)


def test_strings_of_a_benchmark_name_no_networks_of_other_spaces(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"arch,accuracy\n{FIRST},1\n")
    with pytest.raises(InputError, match="is not a chromosome"):
        load_accuracy_table(path, get_space("moga"))


def test_a_benchmark_is_searched_without_training_anything(tmp_path: Path) -> None:
    """Accuracy from a table of NAS-Bench-201, latency from one of its whole networks: the front of what both know."""
    from mogakit.flows.search.plan import table_input
    from mogakit.luts.foreign.importing import Asked, ForeignFormat, import_foreign
    from mogakit.luts.foreign.units import TimeUnit

    rng = np.random.default_rng(0)
    chromosomes = sorted({NB201.sample(rng) for _ in range(60)})
    strings = [NB201.format_architecture(each) for each in chromosomes]  # type: ignore[attr-defined]
    content: dict[str, Any] = {
        "cifar10": {
            "pixel3_latency": rng.uniform(1, 9, len(strings)).tolist(),
            "accuracy": rng.uniform(50, 95, len(strings)).tolist(),
            "config": [{"arch_str": text} for text in strings],
        }
    }
    path = tmp_path / "hw.json"
    path.write_text(json.dumps(content))
    asked = Asked(unit=TimeUnit.MS, column="cifar10/pixel3_latency")
    import_foreign(ForeignFormat.HW_NAS_BENCH, [path], tmp_path / "lut.json", asked)
    plan = SearchPlan(
        space="nas-bench-201",
        accuracy=f"table:{path},column=cifar10/accuracy",
        latencies=(table_input(tmp_path / "lut.json"),),
        objectives=("accuracy", "latency"),
    )
    found = search(plan, tmp_path / "S")
    pairs = list(zip(content["cifar10"]["accuracy"], content["cifar10"]["pixel3_latency"], strict=True))
    best = {
        f"{'-'.join(map(str, chromosome))}"
        for chromosome, (accuracy, latency) in zip(chromosomes, pairs, strict=True)
        if not any(a >= accuracy and b <= latency and (a, b) != (accuracy, latency) for a, b in pairs)
    }
    assert set(found.front.chromosomes) == best
