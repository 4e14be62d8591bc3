"""Prediction adds up, explains itself, and names what is missing."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mogakit.bench.measurement import Identity, Status
from mogakit.errors import InputError, TableError
from mogakit.luts.build import build_table
from mogakit.luts.calibrate import Calibration, CalibrationKind
from mogakit.luts.linear import CostModel, Pairs, fit_on_table
from mogakit.luts.model import LatencyModel
from mogakit.luts.table import LatencyTable
from mogakit.nets.resolve import resolve
from mogakit.nets.spaces import SlotSpace, get_space

MakeDevice = Callable[..., Any]
FilesOf = Callable[[Any, int], list[tuple[str, Any, float]]]


@pytest.fixture(scope="module")
def table(files_of: FilesOf, make_device: MakeDevice, identity: Identity) -> LatencyTable:
    device = make_device(overhead_ms=1.0)
    built = build_table(device.measure(files_of(device, 0)), identity, name="RUN/lut.json", space="moga")
    return built.with_calibration(Calibration(kind=CalibrationKind.AFFINE, scale=1.1, offset_ms=0.25, num_networks=8))


def test_a_prediction_is_overhead_once_plus_parts_then_calibrated(table: LatencyTable, space: SlotSpace) -> None:
    network = space.decode((3,) * 14)
    told = table.predict(network)
    assert len(told.parts) == len(network.blocks)
    total = table.overhead_ms + sum(table.rows[block.key].latency_ms or 0 for block in network.blocks)
    assert told.raw_ms == pytest.approx(total)
    assert table.predict_raw(network) == pytest.approx(total)
    assert table.latency_ms(network) == pytest.approx(1.1 * total + 0.25)
    assert told.latency_ms == table.latency_ms(network)
    assert told.doubtful == ()


def test_slot_costs_of_a_chromosome_sum_to_its_prediction(table: LatencyTable, space: SlotSpace) -> None:
    predictor = table
    costs = predictor.slot_costs(space)
    rng = np.random.default_rng(0)
    for _ in range(20):
        chromosome = space.sample(rng)
        total = sum(slot[gene] for slot, gene in zip(costs, chromosome, strict=True))
        assert total == pytest.approx(predictor.latency_ms(space.decode(chromosome)), rel=1e-12)


def test_a_missing_row_names_key_nearest_keys_table_and_command(table: LatencyTable, space: SlotSpace) -> None:
    key = space.slots[6][3].key
    bare = replace(table, rows={other: row for other, row in table.rows.items() if other != key})
    network = space.decode((3,) * 14)
    with pytest.raises(TableError) as caught:
        bare.latency_ms(network)
    message = str(caught.value)
    assert key in message
    assert "nearest: " in message
    assert space.slots[6][1].key in message or space.slots[6][5].key in message or space.slots[6][2].key in message
    assert "RUN/lut.json" in message
    assert "moga profile --space moga" in message
    assert "--target tflite/cpu/float32" in message
    assert bare.missing(block.key for block in network.blocks) == [key]


@pytest.mark.parametrize("status", [Status.FAILED, Status.FALLBACK])
def test_a_row_that_does_not_stand_for_the_target_is_not_used(
    table: LatencyTable, space: SlotSpace, status: Status
) -> None:
    key = space.slots[6][3].key
    row = replace(table.rows[key], status=status, error="delegate not created")
    marked = replace(table, rows={**table.rows, key: row})
    with pytest.raises(TableError, match=f"marked {status}: delegate not created"):
        marked.latency_ms(space.decode((3,) * 14))
    with pytest.raises(TableError):
        marked.slot_costs(space)
    costs = marked.slot_costs(space, unsupported_ms=math.inf)
    assert math.isinf(costs[6][3])
    assert np.isfinite(costs[6][[0, 1, 2]]).all()


def marked_table(table: LatencyTable, key: str, status: Status) -> LatencyTable:
    row = replace(table.rows[key], status=status, delegation="partial 62/71 nodes, 3 partition(s), OpenCL")
    return replace(table, rows={**table.rows, key: row})


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (Status.PARTIAL, "-o RUN --resume --accept-partial"),
        (Status.UNKNOWN_DELEGATION, "-o RUN --resume --accept-unknown"),
        (Status.HOT, "-o RUN --resume --rounds N"),
    ],
)
def test_what_the_hardware_did_not_run_whole_is_rejected_with_the_way_out(
    table: LatencyTable, space: SlotSpace, status: Status, remedy: str
) -> None:
    key = space.slots[6][3].key
    marked = marked_table(table, key, status)
    with pytest.raises(TableError) as caught:
        marked.predict(space.decode((3,) * 14))
    message = str(caught.value)
    assert key in message
    assert f"marked {status}: partial 62/71 nodes, 3 partition(s), OpenCL" in message
    assert message.endswith(remedy)
    assert math.isinf(marked.slot_costs(space, unsupported_ms=math.inf)[6][3])


@pytest.mark.parametrize("status", [Status.PARTIAL, Status.UNKNOWN_DELEGATION])
def test_what_a_person_accepted_is_used_and_told(table: LatencyTable, space: SlotSpace, status: Status) -> None:
    key = space.slots[6][3].key
    accepting = replace(marked_table(table, key, status), accepted=(status,))
    told = accepting.predict(space.decode((3,) * 14))
    assert told.doubtful == (key,)
    assert told.raw_ms == table.predict_raw(space.decode((3,) * 14))


def test_a_row_that_drifted_is_of_the_hardware_asked_for_and_is_told(table: LatencyTable, space: SlotSpace) -> None:
    key = space.slots[6][3].key
    assert marked_table(table, key, Status.DRIFTED).predict(space.decode((3,) * 14)).doubtful == (key,)


@pytest.fixture(scope="module")
def cost_model(table: LatencyTable, space: SlotSpace) -> CostModel:
    rng = np.random.default_rng(1)
    chromosomes = tuple(space.sample(rng) for _ in range(8))
    measured_ms = tuple(table.latency_ms(space.decode(one)) for one in chromosomes)
    return fit_on_table(Pairs(space="moga", chromosomes=chromosomes, measured_ms=measured_ms, input_size=224), table)


@pytest.mark.parametrize("kind", ["table", "cost_model"])
def test_every_latency_model_obeys_the_same_laws(kind: str, space: SlotSpace, request: pytest.FixtureRequest) -> None:
    model: LatencyModel = request.getfixturevalue(kind)
    costs = model.slot_costs(space)
    rng = np.random.default_rng(2)
    for _ in range(20):
        chromosome = space.sample(rng)
        network = space.decode(chromosome)
        predicted = model.predict(network)
        assert predicted.latency_ms == pytest.approx(model.latency_ms(network), rel=1e-12)
        assert predicted.raw_ms == pytest.approx(
            predicted.overhead_ms + sum(part.latency_ms for part in predicted.parts), rel=1e-12
        )
        assert {part.key for part in predicted.parts} <= {block.key for block in network.blocks}
        assert sum(slot[gene] for slot, gene in zip(costs, chromosome, strict=True)) == pytest.approx(
            predicted.latency_ms, rel=1e-9
        )
        assert predicted.loo_mape_percent == (
            model.calibration.loo_mape_percent if kind == "table" else model.loo_mape_percent
        )
        assert model.unpredictable(network) is None
    stranger = resolve("mobilenet-v1")
    assert model.unpredictable(stranger)
    with pytest.raises((TableError, InputError)):
        model.predict(stranger)
    assert model.name in model.described


def test_a_table_has_no_slot_costs_where_genes_are_not_slots(table: LatencyTable) -> None:
    assert table.slot_costs(get_space("mnasnet")) is None
