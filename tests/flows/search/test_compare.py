"""Tables of networks by hardware: the paper's own, predicted ones and measured ones."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from tunas_networks import chromosome_from_oneofs

from mogakit.bench.host import HostRunner
from mogakit.bench.target import parse_target
from mogakit.cli.compare import command
from mogakit.errors import InputError
from mogakit.flows.lut import ForeignFormat, import_foreign
from mogakit.flows.search.compare import CompareRequest, compare
from mogakit.luts.table import load, save
from mogakit.nets.resolve import resolve
from mogakit.nets.spaces import format_chromosome
from mogakit.search.multi_hardware import PIXEL4_FACTORS_MS

DATA = Path(__file__).parents[2] / "search" / "data"
XNNPACK, PLAIN = DATA / "moga-xeon-xnnpack.json", DATA / "moga-xeon-plain.json"

# The test vector of TuNAS's own mobile_cost_model_test.py: 84 +- 1 ms.
TUNAS_INDICES = [
    *(0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 1, 1, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 2, 1, 0, 1, 1, 0, 2, 1),
    *(0, 2, 1, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 1, 1, 0, 2, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 1, 0, 0, 0),
]

# Multi-hardware paper, Table 1: MN-Norm avg and max
TABLE_1 = {
    "mobilenet-v1@1.25x": (1.36, 1.49),
    "mobilenet-v2@1.25x": (1.28, 1.62),
    "mobilenet-v3-large-minimalistic@1.25x": (1.00, 1.25),
    "proxyless-mobile": (1.14, 1.30),
    "mobilenet-edgetpu": (1.44, 1.61),
    "multi-avg": (1.06, 1.25),
    "multi-max": (0.91, 1.10),
}


def test_table_1_of_the_multi_hardware_paper():
    request = CompareRequest(
        models=(*TABLE_1, "mobilenet-v3-large"),
        published=("Pixel 4",),
        factors_ms=tuple(PIXEL4_FACTORS_MS.values()),
    )
    found = compare(request)
    assert len(found.columns) == 5
    *rows, v3 = found.networks
    for row, (avg, worst) in zip(rows, TABLE_1.values(), strict=True):
        assert (row.f_avg, row.f_max) == (pytest.approx(avg, abs=0.005), pytest.approx(worst, abs=0.005))
    assert (v3.f_avg, v3.f_max) == (None, None)
    assert v3.latencies_ms[:4] == (20.3, 13.2, 5.61, 4.51)
    assert "EdgeTPU" in next(iter(v3.reasons))


def test_a_published_latency_is_of_one_input_size():
    models = ("mobilenet-v2@1.25x", "mobilenet-v2@1.25x@192px")
    found = compare(CompareRequest(models=models, published=("Pixel 4",), factors_ms=tuple(PIXEL4_FACTORS_MS.values())))
    whole, small = found.networks
    assert all(latency is not None for latency in whole.latencies_ms)
    assert set(small.latencies_ms) == {None}
    assert set(small.reasons.values()) == {"latencies are published for 224 px only"}


def test_predictions_come_from_the_tables_and_the_reference_is_one():
    found = compare(CompareRequest(models=("moga-a", "moga-b"), tables=(XNNPACK, PLAIN), reference="moga-b"))
    predictor = load(XNNPACK)
    assert found.networks[0].latencies_ms[0] == predictor.latency_ms(resolve("moga-a"))
    assert found.networks[1].f_avg == found.networks[1].f_max == 1
    assert found.networks[0].top1 == 75.9


def test_the_imported_model_of_tunas_predicts_proxylessnas_mobile(tmp_path):
    tunas = Path(__file__).parents[2] / "luts" / "data" / "tunas"
    sources = [tunas / f"proxylessnas_search_{part}.b64" for part in ("kernel", "bias")]
    pixel1 = tmp_path / "pixel1.json"
    import_foreign(ForeignFormat.TUNAS, sources, pixel1)
    chromosome = format_chromosome(chromosome_from_oneofs(TUNAS_INDICES))
    words = ["proxyless-mobile", f"tunas-proxyless/{chromosome}", "mobilenet-v2", "--table", str(pixel1)]
    done = CliRunner().invoke(command, [*words, "--reference", "proxyless-mobile", "--json"], catch_exceptions=False)
    mobile, check, outside = json.loads(done.output)["networks"]
    assert mobile["latencies_ms"] == [pytest.approx(84.416, abs=1e-3)]
    assert check["latencies_ms"] == [pytest.approx(84.017, abs=1e-3)]
    assert check["f_avg"] == pytest.approx(84.017 / 84.416, abs=1e-4)
    assert outside["latencies_ms"] == [None]
    assert "model of space 'tunas-proxyless' does not know it" in next(iter(outside["reasons"].values()))


def test_a_column_measured_through_adb_says_so(tmp_path):
    table = load(XNNPACK)
    save(replace(table, identity=replace(table.identity, flags=("transport=adb shell",))), tmp_path / "phone.json")
    found = compare(CompareRequest(models=("moga-a",), tables=(XNNPACK, tmp_path / "phone.json"), reference="moga-b"))
    here, phone = (column.source for column in found.columns)
    assert "a shell binary is scheduled differently from an app" in phone
    assert "shell" not in here


def test_a_network_outside_the_table_has_no_number_and_a_reason():
    found = compare(CompareRequest(models=("mobilenet-v2",), tables=(XNNPACK,), reference="moga-a"))
    row = found.networks[0]
    assert row.latencies_ms == (None,)
    assert row.f_avg is None
    assert "no row for" in row.reasons["tflite/cpu/float32"]


def test_measured_and_predicted_stand_side_by_side():
    target = parse_target("tflite/cpu/float32")
    request = CompareRequest(models=("moga-c",), tables=(XNNPACK,), targets=(target,), reference="moga-c", quick=True)
    found = compare(request, HostRunner())
    predicted, measured = found.networks[0].latencies_ms
    assert [column.origin for column in found.columns] == ["predicted", "measured"]
    assert measured > 0
    assert found.networks[0].f_avg == pytest.approx(1)
    assert predicted == load(XNNPACK).latency_ms(resolve("moga-c"))


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (CompareRequest(models=("moga-a",)), "--table, --target or --published"),
        (CompareRequest(models=("no-such-net",), published=("Pixel 4",)), "unknown network"),
        (CompareRequest(models=("moga-a",), published=("Nokia 3310",)), "nothing is published"),
        (CompareRequest(models=("moga-a",), published=("Pixel 4",), factors_ms=(1.0,)), "1 factors for 5 columns"),
        (CompareRequest(models=("moga-a",), targets=(parse_target("tflite/cpu/float32"),)), "--device"),
    ],
)
def test_what_cannot_be_compared_is_rejected(request_, message):
    with pytest.raises(InputError, match=message):
        compare(request_)


def test_the_command_prints_a_table_and_json():
    arguments = ["moga-a", "mobilenet-v2", "--table", str(XNNPACK), "--reference", "moga-b"]
    text = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert text.exit_code == 0
    assert "predicted" in text.output
    assert "mobilenet-v2 on tflite/cpu/float32" in text.output
    document = json.loads(CliRunner().invoke(command, [*arguments, "--json"], catch_exceptions=False).stdout)
    assert document["networks"][0]["name"] == "moga-a"
    assert document["columns"][0]["factor_ms"] > 0


@pytest.mark.parametrize(
    ("text", "size", "classes"),
    [("mobilenet-v2@1.25x", 224, 1000), ("mobilenet-v2@0.5x@192px@10c", 192, 10), ("moga-a@96px", 96, 1000)],
)
def test_a_variant_is_found_by_its_own_name(text, size, classes):
    network = resolve(text)
    assert (network.name, network.input_size, network.num_classes) == (text, size, classes)


def test_factors_and_accuracies_travel_with_the_papers_table():
    models = (*TABLE_1, "mobilenet-v3-large")
    found = compare(CompareRequest(models=models, published=("multi-hardware/1",)))
    for row, (avg, worst) in zip(found.networks, TABLE_1.values(), strict=False):
        assert (row.f_avg, row.f_max) == (pytest.approx(avg, abs=0.005), pytest.approx(worst, abs=0.005))
    assert [row.top1 for row in found.networks] == [75.1, 75.3, 74.9, 74.9, 76.2, 75.8, 74.9, 75.3]
    assert {row.top1_source for row in found.networks} == {"multi-hardware paper (arXiv 2008.08178) Table 1"}
    assert "inferred" in found.reference


def test_accuracies_of_a_users_own_overrule_published_ones(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("network,accuracy\nmoga-a,76.5\nmobilenet-v2@0.5x,64.1\n")
    request = CompareRequest(models=("moga-a", "moga-b", "mobilenet-v2@0.5x"), published=("Pixel 1",), accuracies=path)
    rows = compare(request).networks
    assert [(one.top1, one.top1_source) for one in rows] == [
        (76.5, "table mine.csv"),
        (rows[1].top1, rows[1].top1_source),
        (64.1, "table mine.csv"),
    ]
    assert rows[1].top1 == 75.5 and "mine" not in rows[1].top1_source
    for text, words in (
        ("network,accuracy\nmoga-c,75\n", "names none of the networks compared"),
        ("network,accuracy\nmoga-a,7x\n", "line 2: '7x' is not a number"),
        ("network,accuracy\nmoga-a,nan\n", "percent from 0 to 100"),
        ("net,top1\nmoga-a,75\n", "network"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=words):
            compare(request)


def test_an_infinite_factor_leaves_a_hardware_out_and_stays_json():
    factors = [word for factor in ("54.7", "inf", "inf", "inf", "inf") for word in ("--factor", factor)]
    words = ["multi-avg", "--published", "multi-hardware/1", *factors]
    done = CliRunner().invoke(command, [*words, "--json"], catch_exceptions=False)
    found = json.loads(done.output, parse_constant=lambda word: pytest.fail(f"{word} in JSON"))
    assert [column["left_out"] for column in found["columns"]] == [False, True, True, True, True]
    assert [column["factor_ms"] for column in found["columns"]] == [54.7, None, None, None, None]
    assert found["networks"][0]["f_max"] == pytest.approx(31.0 / 54.7)
    assert found["networks"][0]["f_avg"] == pytest.approx(31.0 / 54.7 / 5)  # eq. 4 divides by the number of hardware
    assert "infinite: left out" in CliRunner().invoke(command, words, catch_exceptions=False).output


@pytest.mark.parametrize("words", [[], ["--published", "multi-hardware/1", "--factor", "1"]])
def test_a_table_alone_takes_nothing_to_compare_by(words):
    assert CliRunner().invoke(command, words).exit_code == 2
