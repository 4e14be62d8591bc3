"""Cost models find a linear device exactly, choose their penalty honestly, and keep what a table already knows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mogakit.bench.measurement import Identity
from mogakit.errors import InputError, TableError
from mogakit.export.artifact import Role
from mogakit.luts.build import build_table
from mogakit.luts.curves import learning_curves
from mogakit.luts.linear import Pairs, fit_on_table, fit_one_hot, load_model, one_hot, save_model
from mogakit.luts.ridge import fit_ridge
from mogakit.luts.table import LatencyTable, Row
from mogakit.luts.validation import check_networks, stratum_report
from mogakit.nets.resolve import resolve
from mogakit.nets.spaces import SlotSpace, get_space


@pytest.fixture(scope="module")
def device(make_device: Callable[..., Any]) -> Any:
    return make_device(noise=0.005)


@pytest.fixture(scope="module")
def table(device: Any, files_of: Callable[..., Any], identity: Identity) -> LatencyTable:
    return build_table(device.measure(files_of(device, 0)), identity, name="RUN/lut.json", space="moga")


@pytest.fixture(scope="module")
def hidden(space: SlotSpace) -> np.ndarray:
    """Return what each (slot, choice) costs beyond its block alone: what only whole networks show."""
    return np.random.default_rng(3).normal(0, 0.03, (len(space.slots), 12))


@pytest.fixture(scope="module")
def pairs(device: Any, space: SlotSpace, hidden: np.ndarray) -> Pairs:
    rng = np.random.default_rng(9)
    chromosomes = tuple(space.sample(rng) for _ in range(400))
    truth = [
        device.network_ms(space.decode(one)) + sum(hidden[slot][gene] for slot, gene in enumerate(one))
        for one in chromosomes
    ]
    measured = np.array(truth) * np.exp(rng.normal(0, 0.003, len(truth)))
    names = tuple(space.decode(one).name for one in chromosomes)
    return Pairs(
        space="moga", chromosomes=chromosomes, measured_ms=tuple(float(value) for value in measured), names=names
    )


def test_one_hot_has_one_column_a_choice() -> None:
    features = one_hot((2, 3), [(0, 2), (1, 0)])
    assert features.tolist() == [[1, 0, 0, 0, 1], [0, 1, 1, 0, 0]]


def test_leave_one_out_is_what_refitting_gives() -> None:
    rng = np.random.default_rng(0)
    plain, penalised = np.ones((20, 1)), rng.normal(size=(20, 30))
    y = 5 + penalised @ rng.normal(size=30) * 0.1 + rng.normal(size=20) * 0.05
    strength = np.array([0.3])
    found = fit_ridge(plain, penalised, y, relative=True, strengths=strength)
    centred = penalised / y[:, None]
    basis = (1 / y / np.linalg.norm(1 / y))[:, None]
    unit = np.mean(np.sum((centred - basis @ (basis.T @ centred)) ** 2, axis=0))
    design = np.concatenate([plain, penalised], axis=1)
    penalty = np.diag([0.0] + [0.3 * unit] * 30)
    for index in range(20):
        rest = np.arange(20) != index
        weighted = design[rest] / y[rest, None]
        weights = np.linalg.solve(weighted.T @ weighted + penalty, weighted.T @ np.ones(19))
        assert found.held_out[index] == pytest.approx(design[index] @ weights, rel=1e-8)
    full = np.linalg.solve(
        (design / y[:, None]).T @ (design / y[:, None]) + penalty, (design / y[:, None]).T @ np.ones(20)
    )
    assert np.concatenate([found.plain_weights, found.weights]) == pytest.approx(full, rel=1e-7)


def test_on_the_residual_of_a_table_far_fewer_pairs_are_needed(pairs: Pairs, table: LatencyTable) -> None:
    few = pairs.take(range(100))
    alone = fit_one_hot(few, table.target, table.identity)
    together = fit_on_table(few, table)
    assert together.loo_mape_percent < 0.5 * alone.loo_mape_percent
    assert together.loo_mape_percent < 2.0
    assert together.table == "RUN/lut.json"
    assert len(together.networks) == together.num_pairs == 100


def test_with_many_pairs_both_find_the_device(pairs: Pairs, table: LatencyTable, space: SlotSpace) -> None:
    train, test = pairs.take(range(350)), pairs.take(range(350, 400))
    for model in (fit_one_hot(train, table.target, table.identity), fit_on_table(train, table)):
        predicted = np.array([model.latency_ms(space.decode(one)) for one in test.chromosomes])
        assert np.mean(np.abs(predicted / np.array(test.measured_ms) - 1)) < 0.01


def test_models_stay_additive(pairs: Pairs, table: LatencyTable, space: SlotSpace) -> None:
    model = fit_on_table(pairs, table)
    costs = model.slot_costs(space)
    chromosome = pairs.chromosomes[7]
    total = sum(slot[gene] for slot, gene in zip(costs, chromosome, strict=True))
    assert total == pytest.approx(model.latency_ms(space.decode(chromosome)))
    assert model.latency_ms(space.decode(chromosome)) == pytest.approx(total)
    with pytest.raises(InputError, match="is of space moga"):
        model.slot_costs(get_space("fairnas"))


def test_a_model_survives_its_file(pairs: Pairs, table: LatencyTable, tmp_path: Path) -> None:
    model = fit_on_table(pairs.take(range(30)), table)
    save_model(model, tmp_path / "model.json")
    assert load_model(tmp_path / "model.json") == model
    with pytest.raises(TableError, match="moga fit"):
        load_model(tmp_path / "absent.json")
    (tmp_path / "other.json").write_text('{"rows": []}')
    with pytest.raises(TableError, match="expected a cost model"):
        load_model(tmp_path / "other.json")


def test_validation_scores_models_on_networks_they_were_not_fitted_on(
    pairs: Pairs, table: LatencyTable, space: SlotSpace
) -> None:
    model = fit_on_table(pairs.take(range(30)), table)
    estimates = {
        name: Row(key=name, role=Role.NETWORK, latency_ms=latency_ms)
        for name, latency_ms in zip(pairs.names[:60], pairs.measured_ms[:60], strict=True)
    }
    networks = {name: (resolve(name), ("all",)) for name in estimates}
    checked = check_networks(table, networks, estimates, [model])
    assert [bool(one.models_ms) for one in checked] == [False] * 30 + [True] * 30
    report = stratum_report("all", "all choices", checked, 0)
    assert report is not None
    assert report.models[model.name].num == 30
    assert report.raw.num == 60
    assert report.models[model.name].mape_percent.value < 1.0


def test_wrong_chromosomes_and_too_few_pairs_are_rejected(pairs: Pairs, table: LatencyTable) -> None:
    model = fit_one_hot(pairs.take(range(30)), None, table.identity)
    with pytest.raises(InputError, match="takes 14 genes, given 3"):
        model.predict_chromosome((0, 0, 0))
    with pytest.raises(InputError, match="gene 0 is 12"):
        model.predict_chromosome((12, *[0] * 13))
    with pytest.raises(InputError, match="at least 5"):
        fit_on_table(pairs.take(range(4)), table)


def test_learning_curves_fall_and_the_table_wins_early(pairs: Pairs, table: LatencyTable) -> None:
    points = learning_curves(pairs, table, [3, 20, 200], num_repeats=3)
    error = {(point.model, point.num_pairs): point.mape_percent for point in points}
    assert ("one-hot", 3) not in error
    assert error["table, scale", 20] <= error["table", 20] + 0.5
    assert error["table+one-hot", 20] < error["one-hot", 20]
    assert error["table+one-hot", 200] < error["table+one-hot", 20]
    assert error["one-hot", 200] < error["one-hot", 20]
    with pytest.raises(InputError, match="fewer than 10 to test on"):
        learning_curves(pairs, table, [395])
