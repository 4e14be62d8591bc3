"""Tables and models of others reproduce what their sources publish, and keep unknown what they do not say."""

import gzip
from pathlib import Path

import pytest
from tunas_networks import chromosome_from_oneofs, chromosome_of

from mogakit.errors import InputError, TableError
from mogakit.luts.foreign.ofa import import_ofa
from mogakit.luts.foreign.operators import (
    column_names,
    import_operators,
    operator_key,
    read_networks,
    read_operators,
    study,
)
from mogakit.luts.foreign.reading import Given
from mogakit.luts.foreign.tunas import SPACE, import_tunas
from mogakit.luts.foreign.units import TimeUnit
from mogakit.luts.linear import CostModel
from mogakit.luts.statistic import Centre
from mogakit.luts.table import UNKNOWN, load, save
from mogakit.nets import zoo
from mogakit.nets.spaces import get_space

DATA = Path(__file__).parent / "data"

# The test vector of TuNAS's own mobile_cost_model_test.py: 84 +- 1 ms.
TUNAS_INDICES = [
    *(0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 1, 1, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 2, 1, 0, 1, 1, 0, 2, 1),
    *(0, 2, 1, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 1, 1, 0, 2, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 1, 0, 0, 0),
]


@pytest.fixture(scope="module")
def tunas() -> CostModel:
    return import_tunas(DATA / "tunas/proxylessnas_search_kernel.b64", DATA / "tunas/proxylessnas_search_bias.b64")


@pytest.fixture(scope="session")
def operators(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("qed") / "cnn_ops_gpu.csv"
    path.write_bytes(gzip.decompress((DATA / "qed_usc/cnn_ops_gpu.csv.gz").read_bytes()))
    return path


NETWORKS = DATA / "qed_usc/cnn_end_to_end.csv"


def test_the_tunas_model_predicts_its_published_check(tunas: CostModel) -> None:
    assert sum(map(len, tunas.coefficients_ms)) == 144
    assert tunas.intercept_ms == pytest.approx(92.136, abs=1e-3)
    chromosome = chromosome_from_oneofs(TUNAS_INDICES)
    assert tunas.predict_chromosome(chromosome) == pytest.approx(84.0, abs=1.0)
    assert tunas.predict_chromosome(chromosome) == pytest.approx(84.017, abs=1e-3)
    assert tunas.latency_ms(get_space(SPACE).decode(chromosome)) == pytest.approx(84.017, abs=1e-3)


def test_the_tunas_model_predicts_proxylessnas_mobile(tunas: CostModel) -> None:
    chromosome = chromosome_of(zoo.get("proxyless-mobile").network)
    assert tunas.predict_chromosome(chromosome) == pytest.approx(84.42, abs=0.005)


def test_what_tunas_does_not_say_stays_unknown(tunas: CostModel) -> None:
    assert tunas.target is None
    assert tunas.identity.runtime == UNKNOWN
    assert "runtime and its version" in tunas.origin.unknown


def test_tunas_files_in_the_wrong_order_are_rejected(tmp_path: Path) -> None:
    kernel, bias = (DATA / f"tunas/proxylessnas_search_{part}.b64" for part in ("kernel", "bias"))
    with pytest.raises(TableError, match="Give kernel, then bias"):
        import_tunas(bias, kernel)
    with pytest.raises(TableError, match="no file"):
        import_tunas(tmp_path / "absent", bias)
    with pytest.raises(InputError, match="73 decisions"):
        chromosome_from_oneofs([0, 1])


MS = Given(unit=TimeUnit.MS)
OFA_YAML = """
Conv-input:224x224x3-output:112x112x24: {count: 200, mean: 1.5, std: 0.1}
expanded_conv-input:7x7x192-output:7x7x320-expand:6-kernel:5-stride:1-idskip:0: {count: 154, mean: 5.25, var: 0.25}
Logits-input:1x1x1280-output:1000: {mean: 0.25, count: 100}
"""


def test_ofa_yaml_keeps_its_keys_and_turns_variance_into_deviation(tmp_path: Path) -> None:
    path = tmp_path / "lut.yaml"
    path.write_text(OFA_YAML)
    table = import_ofa(path, Given(unit=TimeUnit.MS, device_name="Samsung Note10"))
    row = table.rows["expanded_conv-input:7x7x192-output:7x7x320-expand:6-kernel:5-stride:1-idskip:0"]
    assert (row.latency_ms, row.std_ms, row.count, row.role) == (5.25, 0.5, 154, None)
    assert table.target is None
    assert table.identity.device_name == "Samsung Note10"
    assert table.identity.device == UNKNOWN
    assert table.statistic.across_runs is Centre.UNKNOWN
    assert any("unit" in what for what in table.origin.unknown)
    assert table.sum_rows(table.rows) == pytest.approx(7.0)
    save(table, tmp_path / "lut.json")
    assert load(tmp_path / "lut.json") == table


def test_every_missing_foreign_key_is_named_at_once(tmp_path: Path) -> None:
    path = tmp_path / "lut.yaml"
    path.write_text(OFA_YAML)
    keys = ["Logits-input:1x1x1280-output:1000", "Conv-input:192x192x3-output:96x96x24", "Conv_1-input:7x7x320"]
    with pytest.raises(TableError) as caught:
        import_ofa(path, MS).sum_rows(keys)
    assert "Conv-input:192x192x3-output:96x96x24 (nearest: Conv-input:224x224x3-output:112x112x24" in str(caught.value)
    assert "Conv_1-input:7x7x320" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: [1, 2", "not YAML"),
        ("- 1", "holds no table"),
        ("a: 3.5", "supported: a mapping"),
        ("a: {std: 1.0}", "has no mean"),
        ("a: {mean: fast}", "which is not a number"),
        ("a: {mean: .nan}", "which is not a number"),
        ("a: {mean: 1, count: 1.0e+300}", "count of 'a' is 1e\\+300; supported: a whole number"),
        ("a: {mean: 1, count: -1}", "count of 'a' is -1"),
        ("!!python/object/apply:os.getcwd []", "not YAML"),
    ],
)
def test_yaml_that_is_no_table_is_rejected(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "lut.yaml"
    path.write_text(text)
    with pytest.raises(TableError, match=complaint):
        import_ofa(path, MS)


@pytest.mark.parametrize(
    ("column", "ratio", "affine_limit", "scale", "offset_ms"),
    [("pixel4|gpu|float", 0.833, 2.4, 1.07, 0.90), ("mi8se|gpu|float", 0.896, 1.4, 1.01, 2.49)],
)
def test_sums_of_operators_are_biased_and_affine_calibration_mends_it(
    operators: Path, column: str, ratio: float, affine_limit: float, scale: float, offset_ms: float
) -> None:
    found = study(operators, NETWORKS, column)
    assert found.num_networks == 102
    assert found.left_out == ()
    assert found.median_ratio == pytest.approx(ratio, abs=0.005)
    scaled, affine = found.held_out
    assert affine.mape_percent <= affine_limit
    assert scaled.mape_percent > 4 * affine.mape_percent
    assert found.raw.kendall_tau.value > 0.98
    assert found.calibration.scale == pytest.approx(scale, abs=0.01)
    assert found.calibration.offset_ms == pytest.approx(offset_ms, abs=0.02)


def test_operators_become_a_table_with_the_median_of_each_shape(operators: Path) -> None:
    table = import_operators(operators, "pixel4|gpu|float", NETWORKS)
    times, incomplete = read_operators(operators, "pixel4|gpu|float")
    assert len(times) == 5556
    assert not incomplete
    key = operator_key(
        "CONV_2D",
        "{'Input_shape': '224', 'Input_channel': 3, 'Output_shape': '112', 'Stride': '2', 'Kernel': '3', "
        "'Filter': '32', 'Group': '1', 'FLOPS': '1'}",
        "here",
    )
    occurrences = sorted(one.latency_ms for one in times if one.key == key)
    assert len(occurrences) > 3
    assert occurrences[0] <= table.rows[key].latency_ms <= occurrences[-1]
    assert table.calibration.num_networks == 102
    assert table.identity.device_name == "pixel4"
    assert table.identity.device == UNKNOWN


def test_a_network_without_all_its_operators_is_left_out(tmp_path: Path) -> None:
    ops, nets = tmp_path / "ops.csv", tmp_path / "nets.csv"
    lines = ["model,operation,feature,p|gpu|float"]
    lines += [f"net{i},CONV_2D,{{'Kernel': {i}}},{1000 * (i + 1)}" for i in range(12)]
    lines += ["net3,ADD,{'Kernel': 1},"]
    ops.write_text("\n".join(lines))
    rows = "\n".join(f"net{i},{1100 * (i + 1) + 500}" for i in range(12))
    nets.write_text(f"model,p|gpu|float|mean\n{rows}\nother,5\n")
    found = study(ops, nets, "p|gpu|float")
    assert found.left_out == ("net3", "other")
    assert found.calibration.scale == pytest.approx(1.1)
    assert found.calibration.offset_ms == pytest.approx(0.5)
    assert read_networks(nets, "p|gpu|float")["net0"] == pytest.approx(1.6)


def test_a_wrong_column_lists_the_legal_ones(operators: Path) -> None:
    with pytest.raises(TableError, match=r"pixel4\|gpu\|float"):
        read_operators(operators, "pixel5|gpu|float")
    assert column_names(operators) == ["pixel4|gpu|float", "mi8se|gpu|float"]
    assert "mi8se|1large|quant" in column_names(NETWORKS)
    with pytest.raises(TableError, match="not a dict"):
        operator_key("CONV_2D", "__import__('os').getcwd()", "line 3")
