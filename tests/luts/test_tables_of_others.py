"""Tables in the formats of other projects: mapped to spaces, written again, and read back to the same predictions.

The tables are made here, in the grammar of each project's own reader: published ones state no licence.
"""

import ast
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from made_tables import OFFSET_MS, OVERHEAD_MS, SCALE, table_of

from mogakit.bench.measurement import Status
from mogakit.errors import InputError, TableError
from mogakit.export.artifact import Role
from mogakit.flows.measure.predict import predict_networks
from mogakit.luts.calibrate import Calibration
from mogakit.luts.check import check_table
from mogakit.luts.foreign import hw_nas_bench, nn_meter, nni, ofa
from mogakit.luts.foreign.importing import Asked, ForeignFormat, Imported, import_foreign
from mogakit.luts.foreign.mapping import Names, blocks_of
from mogakit.luts.foreign.units import TimeUnit
from mogakit.luts.foreign.writing import ForeignOutput, write_foreign
from mogakit.luts.spaces import space_of
from mogakit.luts.table import Row, RowSource, load
from mogakit.nets.spaces import get_space

MS = Asked(unit=TimeUnit.MS)
FORMATS: dict[ForeignOutput, tuple[str, ...]] = {
    ForeignOutput.OFA: ("ofa-mobilenetv3", "ofa-mobilenetv3-w1.2", "ofa-mobilenetv3@160px", "proxylessnas", "moga"),
    ForeignOutput.NNI: ("proxylessnas", "ofa-mobilenetv3", "fbnet", "moga", "tunas-proxyless"),
    ForeignOutput.NN_METER: ("proxylessnas", "fbnet", "moga", "mnasnet"),
    ForeignOutput.HW_NAS_BENCH: ("fbnet", "fbnet-cifar"),
}
CASES = [(output, space) for output, spaces in FORMATS.items() for space in spaces]


def read_back(path: Path, output: ForeignOutput, space: str, unit: TimeUnit) -> Imported:
    target = path.with_suffix(".json.read")
    return import_foreign(ForeignFormat(output.value), [path], target, Asked(unit=unit, space=space))


@pytest.mark.parametrize(("output", "space"), CASES)
def test_what_is_written_reads_back_to_the_same_predictions(output: ForeignOutput, space: str, tmp_path: Path) -> None:
    table = table_of(space)
    written = write_foreign(table, output)
    path = tmp_path / "theirs"
    path.write_text(written.text)
    assert written.left_out == ()
    assert written.num_rows == len(table.rows)
    found = read_back(path, output, space, written.unit)
    assert found.coverage is not None
    assert found.coverage.missing == ()
    assert found.table is not None
    assert set(found.table.rows) == set(table.rows)
    known = get_space(space)
    rng = np.random.default_rng(1)
    for _ in range(20):
        network = known.decode(known.sample(rng))
        assert found.table.latency_ms(network) == pytest.approx(table.latency_ms(network), rel=1e-12)


@settings(max_examples=12, deadline=None)
@given(case=st.sampled_from(CASES), unit=st.sampled_from(list(TimeUnit)), seed=st.integers(0, 2**32 - 1))
def test_no_row_changes_on_the_way_there_and_back(
    tmp_path_factory: pytest.TempPathFactory, case: tuple[ForeignOutput, str], unit: TimeUnit, seed: int
) -> None:
    """Of a table without overhead and calibration, in any unit; spread and count, too, where the format has them."""
    output, space = case
    table = replace(table_of(space, seed), overhead=None, calibration=Calibration())
    path = tmp_path_factory.mktemp("there") / "theirs"
    path.write_text(write_foreign(table, output, unit).text)
    found = read_back(path, output, space, unit).table
    assert found is not None
    for key, row in table.rows.items():
        again = found.rows[key]
        assert again.latency_ms == pytest.approx(row.latency_ms, rel=1e-12)
        assert again.role is row.role
        if output in (ForeignOutput.OFA, ForeignOutput.NN_METER):
            assert again.std_ms == pytest.approx(row.std_ms, rel=1e-12)
        if output is ForeignOutput.OFA:
            assert again.count == row.count
    assert space_of(found) == get_space(space)


GENUINE = {
    "proxylessnas": (
        ofa.proxylessnas_names,
        (
            "Conv-input:224x224x3-output:112x112x32",
            "expanded_conv-input:112x112x16-output:56x56x24-expand:3-kernel:5-stride:2-idskip:0",
            "expanded_conv-input:7x7x192-output:7x7x320-expand:6-kernel:5-stride:1-idskip:0",
            "Conv_1-input:7x7x320-output:7x7x1280",
            "Logits-input:7x7x1280-output:1000",
        ),
    ),
    "ofa-mobilenetv3-w1.2": (
        ofa.mobilenetv3_names,
        (
            "Conv-input:224x224x3-output:112x112x24",
            "expanded_conv-input:112x112x24-output:112x112x24-expand:24-kernel:3-stride:1-idskip:1-se:0-hs:0",
            "expanded_conv-input:56x56x32-output:28x28x48-expand:128-kernel:7-stride:2-idskip:0-se:1-hs:0",
            "expanded_conv-input:7x7x192-output:7x7x192-expand:1152-kernel:3-stride:1-idskip:1-se:1-hs:1",
            "AvgPool2D-input:7x7x1152-output:1x1x1152",
            "Conv_2-input:1x1x1152-output:1x1x1536",
            "Logits-input:1x1x1536-output:1000",
        ),
    ),
    "fbnet": (
        hw_nas_bench.fbnet_names,
        (
            "ConvNorm_H224_W224_Cin3_Cout16_kernel3_stride2_group1",
            "ConvBlock_H112_W112_Cin16_Cout16_exp1_kernel3_stride1_group2",
            "ConvBlock_H112_W112_Cin16_Cout24_exp6_kernel5_stride2_group1",
            "Skip_H112_W112_Cin16_Cout24_stride2",
            "ConvNorm_H7_W7_Cin352_Cout1984_kernel1_stride1_group1",
            "AvgP_H7_W7_Cin1984_Cout1984_kernel7_stride1",
            "FC_Cin1984_Cout1000",
        ),
    ),
}


@pytest.mark.parametrize("space", GENUINE)
def test_blocks_have_the_keys_that_the_authors_readers_ask_for(space: str) -> None:
    names, wanted = GENUINE[space]
    known = {name for block in blocks_of(get_space(space)) for group in names(block) for name in group}
    assert set(wanted) <= known


@pytest.mark.parametrize(("space", "count"), [("ofa-mobilenetv3-w1.2", 96), ("proxylessnas", 70)])
def test_a_space_has_as_many_keys_as_the_authors_table(space: str, count: int) -> None:
    """The published tables have 96 entries a resolution, and 72 of which two are of other networks."""
    names = GENUINE[space][0]
    assert len({name for block in blocks_of(get_space(space)) for name in names(block)[0]}) == count


def in_yaml(space: str, names: Names, leave_out: int = 0) -> str:
    """Return a table in their grammar with a mean that follows from the place of the entry."""
    keys = [name for block in blocks_of(get_space(space)) for name in names(block)[0]]
    entries = {key: {"mean": 1.0 + at / 8, "std": 0.25, "count": 50} for at, key in enumerate(keys)}
    return yaml.safe_dump(dict(list(entries.items())[: len(entries) - leave_out]))


@pytest.mark.parametrize(
    ("space", "names"),
    [
        ("ofa-mobilenetv3", ofa.mobilenetv3_names),
        ("ofa-mobilenetv3-w1.2", ofa.mobilenetv3_names),
        ("ofa-mobilenetv3-w1.2@192px", ofa.mobilenetv3_names),
        ("ofa-proxylessnas", ofa.proxylessnas_names),
        ("proxylessnas", ofa.proxylessnas_names),
    ],
)
def test_the_space_and_resolution_of_a_table_are_found(space: str, names: Names, tmp_path: Path) -> None:
    path = tmp_path / "lut.yaml"
    path.write_text(in_yaml(space, names))
    found = import_foreign(ForeignFormat.OFA, [path], tmp_path / "lut.json", MS)
    assert found.coverage is not None
    assert (found.coverage.space, found.coverage.missing, found.coverage.unused) == (space, (), ())
    table = load(tmp_path / "lut.json")
    assert {row.role for row in table.rows.values()} == {Role.FIXED, Role.CHOICE}
    head = table.rows[get_space(space).fixed_blocks[-1].key]
    assert head.source is RowSource.COMPOSED
    content = yaml.safe_load(path.read_text())
    assert head.latency_ms == pytest.approx(sum(content[key]["mean"] for key in names(_head(space))[0]))
    assert head.std_ms == pytest.approx(0.25 * len(names(_head(space))[0]) ** 0.5)
    assert "composed" in table.row_sources


def _head(space: str):
    return get_space(space).fixed_blocks[-1]


def test_what_does_not_map_is_listed_and_predicts_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lut.yaml"
    path.write_text(in_yaml("proxylessnas", ofa.proxylessnas_names, leave_out=3) + "MaxPool-input:7x7: {mean: 3.0}\n")
    found = import_foreign(ForeignFormat.OFA, [path], tmp_path / "lut.json", MS)
    assert found.coverage is not None
    assert found.coverage.unused == ("MaxPool-input:7x7",)
    assert 1 <= len(found.coverage.missing) <= 3
    assert found.coverage.num_mapped + len(found.coverage.missing) == found.coverage.num_blocks
    table = load(tmp_path / "lut.json")
    for key in found.coverage.missing:
        row = table.rows[key]
        assert (row.latency_ms, row.status) == (None, Status.FAILED)
        with pytest.raises(TableError, match="the imported file has no entry for it"):
            table.sum_rows([key])
    assert "no-number" in {finding.kind for finding in check_table(table)}
    inferred = import_foreign(ForeignFormat.OFA, [path], tmp_path / "all.json", replace(MS, infer=True))
    assert inferred.table is not None
    for key in found.coverage.missing:
        row = inferred.table.rows[key]
        assert row.source is RowSource.INFERRED
        assert row.low_ms is not None and row.high_ms is not None and row.latency_ms is not None
        assert row.low_ms < row.latency_ms < row.high_ms


@pytest.mark.parametrize("kind", ["ofa", "nni", "nn-meter", "hw-nas-bench"])
def test_a_unit_is_asked_for_and_never_guessed(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "theirs"
    path.write_text("")
    with pytest.raises(InputError, match=r"states no unit.*--unit ms, us or s"):
        import_foreign(ForeignFormat(kind), [path], tmp_path / "x.json", Asked())
    assert not (tmp_path / "x.json").exists()


@pytest.mark.parametrize(("unit", "factor"), [(TimeUnit.MS, 1.0), (TimeUnit.US, 1e-3), (TimeUnit.S, 1e3)])
def test_times_are_milliseconds_whatever_the_unit_of_the_file(unit: TimeUnit, factor: float, tmp_path: Path) -> None:
    path = tmp_path / "lut.yaml"
    path.write_text("a: {mean: 2.0, var: 4.0}\n")
    table = import_foreign(ForeignFormat.OFA, [path], tmp_path / "x.json", Asked(unit=unit)).table
    assert table is not None
    assert (table.rows["a"].latency_ms, table.rows["a"].std_ms) == (2.0 * factor, 2.0 * factor)
    assert f"unit (given as {unit} by who imported it)" in table.origin.unknown


def test_a_table_of_another_space_says_what_was_looked_for(tmp_path: Path) -> None:
    path = tmp_path / "lut.yaml"
    path.write_text(in_yaml("proxylessnas", ofa.proxylessnas_names))
    with pytest.raises(TableError, match=r"no entry for any block of 'digits'.*Conv-input:8x8x3"):
        import_foreign(ForeignFormat.OFA, [path], tmp_path / "x.json", replace(MS, space="digits"))
    path.write_text("a: {mean: 1.0}\n")
    with pytest.raises(InputError, match="name the space"):
        import_foreign(ForeignFormat.OFA, [path], tmp_path / "x.json", replace(MS, infer=True))


def test_lines_of_nni_are_what_its_reader_takes() -> None:
    """Its `_load_from_json_file`: a literal a line, looked up by name, (width, height, in, out, stride) and `float`."""
    text = write_foreign(table_of("proxylessnas"), ForeignOutput.NNI).text
    entries = [ast.literal_eval(line) for line in text.splitlines()]
    by_shape = {(entry["op_name"], entry["op_data_shape"]): entry["op_latency"] for entry in entries}
    assert {entry["op_dtype"] for entry in entries} == {"float"}
    assert (("mb_k5_e6_res", (14, 14, 80, 80, 1))) in by_shape
    assert (("mb_k7_e3", (112, 112, 16, 24, 2))) in by_shape


@pytest.mark.parametrize("name", ["mb_k5_e6_res", "mb_k5_e6", "ir_k5_e6", "k5_e6", "5x5_MBConv6"])
def test_operations_are_known_by_the_names_that_others_give_them(name: str, tmp_path: Path) -> None:
    path = tmp_path / "lut.txt"
    record = {"op_name": name, "op_data_shape": (14, 14, 80, 80, 1), "op_dtype": "float", "op_latency": 500.0}
    path.write_text(f"{record}\n\n")
    asked = Asked(unit=TimeUnit.US, space="proxylessnas")
    table = import_foreign(ForeignFormat.NNI, [path], tmp_path / "x.json", asked).table
    assert table is not None
    assert table.rows["mb_i80e480o80_h14_k5s1_relu6_res_eps1e-3"].latency_ms == 0.5


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("__import__('os').getcwd()", "line 1 is not a record"),
        ("{'op_name': 'skip'}", "line 1 is not a record"),
        (
            "{'op_name': 'a', 'op_data_shape': (1, 2), 'op_dtype': 'float', 'op_latency': 1}",
            r"op_data_shape is \(1, 2\)",
        ),
        (
            "{'op_name': 'a', 'op_data_shape': (7, 7, 8, 8, 1), 'op_dtype': 'float', 'op_latency': 'fast'}",
            "is not a number",
        ),
        (
            "{'op_name': 'a', 'op_data_shape': (7, 7, 8, 8, 1), 'op_dtype': 'float', 'op_latency': 1" + 400 * "0" + "}",
            "is 10+, which is not a number",
        ),
        ("", "name the data type with --column.*no entries"),
    ],
)
def test_lines_that_are_no_record_are_rejected(line: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "lut.txt"
    path.write_text(line)
    with pytest.raises(TableError, match=message):
        import_foreign(ForeignFormat.NNI, [path], tmp_path / "x.json", MS)


def test_of_several_data_types_one_is_chosen(tmp_path: Path) -> None:
    path = tmp_path / "lut.txt"
    record = {"op_name": "k3_e6", "op_data_shape": (14, 14, 80, 80, 1), "op_dtype": "float", "op_latency": 5}
    path.write_text(f"{record}\n{record | {'op_dtype': 'int8', 'op_latency': 2}}\n")
    with pytest.raises(TableError, match=r"--column.*float, int8"):
        import_foreign(ForeignFormat.NNI, [path], tmp_path / "x.json", MS)
    table = import_foreign(ForeignFormat.NNI, [path], tmp_path / "x.json", replace(MS, column="int8")).table
    assert table is not None
    assert [row.latency_ms for row in table.rows.values()] == [2.0]
    path.write_text(f"{record}\n{record}\n")
    with pytest.raises(TableError, match="twice"):
        import_foreign(ForeignFormat.NNI, [path], tmp_path / "x.json", MS)


def test_the_json_of_nn_meter_is_what_its_reader_takes() -> None:
    """Its `Latency`: text of a mean and a deviation around `+-`."""
    content = json.loads(write_foreign(table_of("moga"), ForeignOutput.NN_METER).text)
    case = content["mb_i40e240o40_h28_k5s1_relu_res"]["block"]
    assert case["shapes"] == [[28, 28, 40]]
    mean, deviation = (float(word) for word in case["latency"].split("+-"))
    assert 0 < deviation < mean


KERNELS = {
    "conv-bn-relu": {
        "a": {"config": {"HW": 56, "CIN": 24, "COUT": 72, "KERNEL_SIZE": 1, "STRIDES": 1}, "latency": "2.0 +- 0.1"},
        "b": {"config": {"HW": 56, "CIN": 72, "COUT": 24, "KERNEL_SIZE": 1, "STRIDES": 1}, "latency": "1.0 +- 0.1"},
        "c": {"config": {"HW": 56, "CIN": 24, "COUT": 72, "KERNEL_SIZE": 1, "STRIDES": 1}, "latency": "4.0 +- 0.1"},
    },
    "dwconv-bn-relu": {
        "a": {"config": {"HW": 56, "CIN": 72, "COUT": 72, "KERNEL_SIZE": 3, "STRIDES": 1}, "latency": "0.5 +- 0.1"}
    },
    "add": {"a": {"config": {"HW": 56, "CIN": 24}, "latency": "0.25 +- 0.0"}},
    "channelshuffle": {"a": {"config": {"HW": 56, "CIN": 24}, "latency": "9.0 +- 0.0"}},
}


def test_kernels_of_nn_meter_are_composed_to_blocks(tmp_path: Path) -> None:
    path = tmp_path / "profiled.json"
    path.write_text(json.dumps(KERNELS))
    asked = replace(MS, space="proxylessnas")
    found = import_foreign(ForeignFormat.NN_METER, [path], tmp_path / "x.json", asked)
    assert found.table is not None and found.coverage is not None
    row = found.table.rows["mb_i24e72o24_h56_k3s1_relu6_res_eps1e-3"]
    assert (row.latency_ms, row.source) == (3.0 + 0.5 + 1.0 + 0.25, RowSource.COMPOSED)  # the median of 2 and 4 is 3
    assert found.coverage.num_mapped == 1
    assert any("biased low" in note for note in found.notes)
    lacking = found.incomplete["mb_i24e144o24_h56_k3s1_relu6_res_eps1e-3"]
    assert lacking[0] == "conv 24-144 56x56 k1 s1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "holds no measured model"),
        ('{"a": {"b": {"latency": "fast"}}}', "supported: 'mean"),
        ('{"a": {"b": {"latency": true}}}', "not a number"),
        ("{", "not JSON"),
    ],
)
def test_json_that_is_no_measurement_of_nn_meter_is_rejected(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "profiled.json"
    path.write_text(text)
    with pytest.raises(TableError, match=message):
        import_foreign(ForeignFormat.NN_METER, [path], tmp_path / "x.json", MS)


def test_identities_of_fbnet_are_absent_layers_and_what_that_costs_is_said(tmp_path: Path) -> None:
    content = json.loads(write_foreign(table_of("fbnet"), ForeignOutput.HW_NAS_BENCH).text)
    assert list(content) == ["a_phone_latency"]
    skip = "Skip_H28_W28_Cin32_Cout32_stride1"
    assert content["a_phone_latency"][skip] == 0.0
    content["a_phone_latency"][skip] = 0.75
    content["a_phone_energy"] = {"a": 1.0}
    path = tmp_path / "fbnet.json"
    path.write_text(json.dumps(content))
    found = import_foreign(ForeignFormat.HW_NAS_BENCH, [path], tmp_path / "x.json", MS)
    assert found.coverage is not None
    assert found.coverage.space == "fbnet"
    assert skip in found.coverage.unused
    assert any("cost up to 0.75 ms in the file and nothing here" in note for note in found.notes)


def their_sum(table: dict[str, float], operations: list[int]) -> float:
    """HW-NAS-Bench's own sum over FBNet's layers for ImageNet, from the text of `fbnet_get_metrics`."""
    layers, filters, strides = (1, 4, 4, 4, 4, 4, 1), (16, 24, 32, 64, 112, 184, 352), (1, 2, 2, 2, 1, 2, 1)
    blocks = [(1, 3, 1), (1, 3, 2), (3, 3, 1), (6, 3, 1), (1, 5, 1), (1, 5, 2), (3, 5, 1), (6, 5, 1)]
    total = table["ConvNorm_H224_W224_Cin3_Cout16_kernel3_stride2_group1"]
    size, before, genes = 112, 16, iter(operations)
    for count, after, first_stride in zip(layers, filters, strides, strict=True):
        for layer in range(count):
            stride, gene = (first_stride if layer == 0 else 1), next(genes)
            where = f"H{size}_W{size}_Cin{before}_Cout{after}"
            if gene == 8:
                total += table[f"Skip_{where}_stride{stride}"]
            else:
                expansion, kernel, group = blocks[gene]
                total += table[f"ConvBlock_{where}_exp{expansion}_kernel{kernel}_stride{stride}_group{group}"]
            size, before = size // stride, after
    total += table["ConvNorm_H7_W7_Cin352_Cout1984_kernel1_stride1_group1"]
    return total + table["AvgP_H7_W7_Cin1984_Cout1984_kernel7_stride1"] + table["FC_Cin1984_Cout1000"]


@settings(max_examples=20, deadline=None)
@given(genes=st.lists(st.integers(0, 8), min_size=22, max_size=22))
def test_a_chromosome_of_fbnet_costs_what_hw_nas_bench_sums_for_it(genes: list[int]) -> None:
    table = table_of("fbnet")
    entries = json.loads(write_foreign(table, ForeignOutput.HW_NAS_BENCH).text)["a_phone_latency"]
    network = get_space("fbnet").decode(tuple(genes))
    assert their_sum(entries, genes) == pytest.approx(table.latency_ms(network), rel=1e-9)


NB201 = {
    "cifar10": {
        "pixel3_latency": [3.5, 0.0],
        "edgegpu_energy": [24.2, 1.0],
        "config": [
            {"arch_str": "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|none~2|"},
            {"arch_str": "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"},
        ],
    },
    "ImageNet16-120": {
        "pixel3_latency": [1.5],
        "config": [{"arch_str": "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"}],
    },
}


def test_whole_networks_of_nas_bench_201_have_their_measured_time(tmp_path: Path) -> None:
    path = tmp_path / "nb201.json"
    path.write_text(json.dumps(NB201))
    with pytest.raises(TableError, match=r"--column.*cifar10/pixel3_latency, ImageNet16-120/pixel3_latency"):
        import_foreign(ForeignFormat.HW_NAS_BENCH, [path], tmp_path / "x.json", MS)
    asked = replace(MS, column="cifar10/pixel3_latency")
    table = import_foreign(ForeignFormat.HW_NAS_BENCH, [path], tmp_path / "x.json", asked).table
    assert table is not None
    space = get_space("nas-bench-201")
    assert table.latency_ms(space.decode((4, 2, 1, 2, 1, 0))) == 3.5
    assert table.predict(space.decode((0,) * 6)).latency_ms == 0.0
    other = space.decode((3,) * 6)
    assert "no row for it" in (table.unpredictable(other) or "")
    with pytest.raises(TableError, match="has no row for nas-bench-201/3-3-3-3-3-3"):
        table.latency_ms(other)
    (known,) = predict_networks(["nas-bench-201/4-2-1-2-1-0"], tmp_path / "x.json").networks
    assert (known.latency_ms, [part.key for part in known.parts]) == (3.5, ["nas-bench-201/4-2-1-2-1-0"])
    (unknown,) = predict_networks([other.name], tmp_path / "x.json").networks
    assert (unknown.latency_ms, unknown.command) == (None, f"moga bench {other.name} --target TARGET")
    assert table.slot_costs(get_space("moga")) is None
    again = tmp_path / "again.json"
    again.write_text(write_foreign(table, ForeignOutput.HW_NAS_BENCH, TimeUnit.US).text)
    assert json.loads(again.read_text())["cifar10"]["unknown_latency"] == [3500.0, 0.0]
    back = import_foreign(ForeignFormat.HW_NAS_BENCH, [again], tmp_path / "z.json", Asked(unit=TimeUnit.US)).table
    assert back is not None
    assert {key: row.latency_ms for key, row in back.rows.items()} == {k: r.latency_ms for k, r in table.rows.items()}
    with pytest.raises(TableError, match="holds whole networks, and files of ofa hold blocks"):
        write_foreign(table, ForeignOutput.OFA)
    small = import_foreign(
        ForeignFormat.HW_NAS_BENCH, [path], tmp_path / "y.json", replace(MS, column="ImageNet16-120/pixel3_latency")
    ).table
    assert small is not None
    assert small.latency_ms(get_space("nas-bench-201@16px").decode((0,) * 6)) == 1.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda one: one["cifar10"]["pixel3_latency"].pop(), "one time for each of 2"),
        (lambda one: one["cifar10"]["config"].__setitem__(0, {}), "config 0 of cifar10 has no arch_str"),
        (lambda one: one["cifar10"]["config"].__setitem__(0, {"arch_str": "|a~0|"}), "not an architecture"),
        (lambda one: one["cifar10"]["config"].__setitem__(0, one["cifar10"]["config"][1]), "twice"),
        (lambda one: one["cifar10"]["pixel3_latency"].__setitem__(0, "fast"), "not a number"),
        (lambda one: one.clear(), "holds no latency"),
    ],
)
def test_json_that_is_no_dump_of_hw_nas_bench_is_rejected(
    change: Callable[[dict], object], message: str, tmp_path: Path
) -> None:
    content = json.loads(json.dumps(NB201))
    change(content)
    path = tmp_path / "nb201.json"
    path.write_text(json.dumps(content))
    asked = replace(MS, column="cifar10/pixel3_latency")
    with pytest.raises(TableError, match=message):
        import_foreign(ForeignFormat.HW_NAS_BENCH, [path], tmp_path / "x.json", asked)


def test_what_a_format_cannot_name_is_left_out_or_an_error() -> None:
    written = write_foreign(table_of("moga"), ForeignOutput.HW_NAS_BENCH)
    assert "mb_i40e240o40_h28_k5s1_relu_se60_res" in written.left_out
    assert written.num_rows + len(written.left_out) == len(table_of("moga").rows)
    with pytest.raises(TableError, match="have the same name in the format nni"):
        write_foreign(table_of("mnasnet"), ForeignOutput.NNI)  # convolutions with squeeze-and-excitation and without
    operators = replace(
        table_of("moga"), rows={"CONV_2D Kernel=3": Row(key="CONV_2D Kernel=3", role=None, latency_ms=1)}
    )
    with pytest.raises(TableError, match="no row of table"):
        write_foreign(operators, ForeignOutput.NNI)
    headless = table_of("moga")
    rows = {key: row for key, row in headless.rows.items() if not key.startswith("conv_i3")}
    with pytest.raises(TableError, match="no stem is written that could carry it"):
        write_foreign(replace(headless, rows=rows), ForeignOutput.NN_METER)


def test_what_is_paid_once_is_in_the_stem_and_said() -> None:
    table = table_of("proxylessnas")
    written = write_foreign(table, ForeignOutput.OFA)
    once = SCALE * OVERHEAD_MS + OFFSET_MS
    stem = yaml.safe_load(written.text)["Conv-input:224x224x3-output:112x112x32"]
    row = table.rows["conv_i3o32_h224_k3s2_relu6_eps1e-3"]
    assert stem["mean"] == pytest.approx(SCALE * (row.latency_ms or 0) + once)
    assert any("the stem carries the 1.649 ms" in note for note in written.notes)
    assert "# unit: ms" in written.text


def test_small_numbers_are_numbers_in_yaml_1_1() -> None:
    text = ofa.to_yaml({"a": {"mean": 1e-07, "std": 1.5e-05, "count": 3}}, "a note")
    assert yaml.safe_load(text) == {"a": {"mean": 1e-07, "std": 1.5e-05, "count": 3}}


def test_the_names_of_formats_are_those_of_their_modules() -> None:
    assert nn_meter.BLOCK == "block"
    assert nni.DTYPE == "float"
