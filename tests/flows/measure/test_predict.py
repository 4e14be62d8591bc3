"""Predictions of networks with their parts, their error, and what is missing."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mogakit import records
from mogakit.bench.measurement import Status
from mogakit.errors import InputError
from mogakit.flows.measure.predict import predict_networks
from mogakit.luts.foreign.ofa import import_ofa
from mogakit.luts.foreign.reading import Given
from mogakit.luts.foreign.tunas import import_tunas
from mogakit.luts.foreign.units import TimeUnit
from mogakit.luts.linear import Pairs, fit_one_hot
from mogakit.luts.table import LatencyTable, load, save
from mogakit.luts.validation import CheckedNetwork, Drift, NoiseFloor, Validation, stratum_report
from mogakit.nets.resolve import resolve
from mogakit.nets.spaces import get_space

TABLE = Path(__file__).parents[2] / "search" / "data" / "moga-xeon-xnnpack.json"
TUNAS = Path(__file__).parents[2] / "luts" / "data" / "tunas"
MOGA_A = "moga/8-10-6-7-1-7-6-10-5-10-6-6-9-9"


@pytest.fixture(scope="module")
def table() -> LatencyTable:
    return load(TABLE)


def test_parts_overhead_and_calibration_add_up_to_the_prediction(table: LatencyTable) -> None:
    found = predict_networks(["moga-a", MOGA_A, resolve("moga-b")], TABLE)
    for predicted, name in zip(found.networks, ("moga-a", "moga-a", "moga-b"), strict=True):
        assert predicted.latency_ms == pytest.approx(table.latency_ms(resolve(name)))
        parts = sum(part.latency_ms or 0.0 for part in predicted.parts)
        assert predicted.calibration_ms is not None
        assert predicted.overhead_ms + parts + predicted.calibration_ms == pytest.approx(predicted.latency_ms)
        assert len(predicted.parts) == len(resolve(name).blocks)


def test_the_error_bar_is_of_leave_one_out_until_there_is_a_validation(table: LatencyTable, tmp_path: Path) -> None:
    save(table, tmp_path / "lut.json")
    before = predict_networks(["moga-a"], tmp_path / "lut.json")
    assert before.error is not None
    assert (before.error.source, before.error.num_networks) == ("leave-one-out", table.calibration.num_networks)
    assert before.error.mape_percent == table.calibration.loo_mape_percent
    records.save(_validation(table, 1.02), tmp_path / "validation.json")
    found = predict_networks(["moga-a"], tmp_path / "lut.json")
    assert found.error is not None
    assert (found.error.source, found.error.num_networks) == ("validation", 5)
    assert found.error.mape_percent == pytest.approx(2.0)
    one = found.networks[0]
    assert one.latency_ms is not None
    assert (one.low_ms, one.high_ms) == pytest.approx((0.98 * one.latency_ms, 1.02 * one.latency_ms))


def test_a_validation_of_another_device_is_not_its_error(table: LatencyTable, tmp_path: Path) -> None:
    save(table, tmp_path / "lut.json")
    other = replace(table, identity=replace(table.identity, device="phone"))
    records.save(_validation(other, 1.02), tmp_path / "validation.json")
    error = predict_networks(["moga-a"], tmp_path / "lut.json").error
    assert error is not None
    assert error.source == "leave-one-out"


def _validation(table: LatencyTable, factor: float) -> Validation:
    checked = [
        CheckedNetwork(
            name=f"n{index}",
            strata=("all",),
            measured_ms=10.0 + index,
            low_ms=None,
            high_ms=None,
            run_means_ms=(),
            raw_ms=factor * (10.0 + index),
            calibrated_ms=factor * (10.0 + index),
            fresh_raw_ms=None,
            fresh_calibrated_ms=None,
        )
        for index in range(5)
    ]
    stratum = stratum_report("all", "all choices", checked, 0)
    assert stratum is not None
    return Validation(
        table=table.name,
        space=table.space,
        target=str(table.target),
        identity=table.identity,
        seed=0,
        strata=(stratum,),
        networks=tuple(checked),
        noise=NoiseFloor(0, None, None),
        drift=Drift(0, None, None),
        stopped="rounds",
        warnings=(),
    )


def test_a_block_of_the_space_without_a_row_is_measured_by_profiling_again(table: LatencyTable, tmp_path: Path) -> None:
    key = resolve("moga-a").blocks[3].key
    save(replace(table, rows={each: row for each, row in table.rows.items() if each != key}), tmp_path / "lut.json")
    moga_a, moga_b = predict_networks(["moga-a", "moga-b"], tmp_path / "lut.json").networks
    assert moga_a.latency_ms is None
    assert [part.key for part in moga_a.parts if part.latency_ms is None] == [key]
    assert moga_a.command.startswith("moga profile --space moga")
    assert moga_b.latency_ms is not None  # the others are predicted all the same


def test_blocks_of_another_space_are_measured_with_the_network_itself() -> None:
    (found,) = predict_networks(["mobilenet-v2"], TABLE).networks
    assert found.latency_ms is None
    assert found.command == "moga bench mobilenet-v2 --target tflite/cpu/float32"


@pytest.mark.parametrize("status", [Status.PARTIAL, Status.FALLBACK, Status.FAILED])
def test_a_row_that_does_not_count_is_named_with_its_reason(
    table: LatencyTable, tmp_path: Path, status: Status
) -> None:
    key = resolve("moga-a").blocks[3].key
    row = replace(table.rows[key], status=status, reason="the delegate did not take it")
    save(replace(table, rows={**table.rows, key: row}), tmp_path / "lut.json")
    (found,) = predict_networks(["moga-a"], tmp_path / "lut.json").networks
    assert found.latency_ms is None
    (lacking,) = [part for part in found.parts if part.latency_ms is None]
    assert (lacking.key, lacking.status) == (key, status)
    assert "the delegate did not take it" in lacking.problem


def test_a_fitted_cost_model_predicts_with_its_leave_one_out_error(table: LatencyTable, tmp_path: Path) -> None:
    space = get_space("digits")
    rng = np.random.default_rng(0)
    chosen = tuple(space.sample(rng) for _ in range(30))
    pairs = Pairs(space="digits", chromosomes=chosen, measured_ms=tuple(1.0 + 0.1 * sum(one) for one in chosen))
    model = fit_one_hot(pairs, table.target, table.identity)
    records.save(model, tmp_path / "cost-model.json")
    found = predict_networks(["digits/0-1-2-3-4-5", "moga-a"], tmp_path / "cost-model.json")
    assert found.error is not None
    assert (found.error.source, found.error.num_networks) == ("leave-one-out", 30)
    known, unknown = found.networks
    assert known.latency_ms == pytest.approx(model.latency_ms(resolve("digits/0-1-2-3-4-5")))
    assert known.overhead_ms + sum(part.latency_ms or 0.0 for part in known.parts) == pytest.approx(known.latency_ms)
    assert unknown.latency_ms is None
    assert "digits" in unknown.problem


def test_an_imported_cost_model_predicts_without_an_error_bar(tmp_path: Path) -> None:
    model = import_tunas(*(TUNAS / f"proxylessnas_search_{part}.b64" for part in ("kernel", "bias")))
    records.save(model, tmp_path / "pixel1.json")
    found = predict_networks(["proxyless-mobile"], tmp_path / "pixel1.json")
    assert found.error is None
    assert found.networks[0].latency_ms == pytest.approx(model.latency_ms(resolve("proxyless-mobile")))
    assert found.networks[0].low_ms is None


def test_an_imported_table_of_foreign_rows_is_answered_with_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "ofa.yaml").write_text("Conv-input:224x224x3-output:112x112x32: {count: 9, mean: 1.5}\n")
    save(import_ofa(tmp_path / "ofa.yaml", Given(unit=TimeUnit.MS)), tmp_path / "ofa.json")
    (found,) = predict_networks(["moga-a"], tmp_path / "ofa.json").networks
    assert found.latency_ms is None
    assert "names its rows in another way" in found.problem
    assert found.command == "moga bench moga-a --target TARGET"


def test_an_unknown_network_is_an_error() -> None:
    with pytest.raises(InputError, match="did you mean moga-a"):
        predict_networks(["MoGA-A"], TABLE)
