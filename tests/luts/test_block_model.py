"""Blocks that were not measured are inferred from those that were, with error bars that hold."""

import numpy as np
import pytest

from mogakit.bench.measurement import Status
from mogakit.errors import InputError
from mogakit.export.artifact import Role
from mogakit.luts.block_model import BlockModel, Measured, nearest
from mogakit.luts.counts import fit_with_table, fit_without_table
from mogakit.luts.infer import infer_rows
from mogakit.luts.linear import ModelKind, Pairs
from mogakit.luts.statistic import HOST_STATISTIC
from mogakit.luts.table import UNKNOWN_IDENTITY, LatencyTable, Origin, Row, RowSource
from mogakit.nets.block import Block, Op
from mogakit.nets.network import block_layers
from mogakit.nets.spaces import get_space

SPACE = get_space("multi-hardware")
BLOCKS = SPACE.choice_blocks


def true_ms(block: Block) -> float:
    """A device of its own: depthwise convolutions cost eight times a multiply, widths off 64 cost more, 5x5 is slow."""
    total = 0.002
    for layer in block_layers(block):
        rate = 8.0 if layer.groups > 1 else 1.0 + 0.15 * (layer.kernel == 5)
        padded = -(-layer.out_channels // 64) * 64 / layer.out_channels
        total += layer.madds / 2e7 * rate * (1 + 0.3 * (padded - 1)) + layer.num_weights / 4e7
    return total


def measured(num: int, seed: int = 0, noise: float = 0.005) -> Measured:
    rng = np.random.default_rng(seed)
    chosen = [BLOCKS[place] for place in rng.permutation(len(BLOCKS))[:num]]
    times = {block: true_ms(block) * float(rng.normal(1.0, noise)) for block in chosen}
    return Measured(times, {block: noise * ms for block, ms in times.items()})


def errors(model: BlockModel, num: int = 300) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(99)
    others = [BLOCKS[place] for place in rng.permutation(len(BLOCKS))[:num]]
    truth = np.array([true_ms(block) for block in others])
    found_ms, deviation_ms = model.predict(others)
    return found_ms / truth - 1, (found_ms - truth) / np.maximum(deviation_ms, 0.002 * truth)


def test_more_blocks_give_smaller_errors_and_the_process_beats_the_physical_terms() -> None:
    few, many = BlockModel(measured(40)), BlockModel(measured(160))
    rng = np.random.default_rng(99)
    others = [BLOCKS[place] for place in rng.permutation(len(BLOCKS))[:300]]
    physical = np.abs(many.mean_ms(others) / np.array([true_ms(block) for block in others]) - 1).mean()
    by_few, by_many = (float(np.abs(errors(model)[0]).mean()) for model in (few, many))
    assert by_many < by_few < 0.12
    assert by_many < 0.02
    assert by_many < 0.8 * physical


def test_error_bars_hold() -> None:
    _, scaled = errors(BlockModel(measured(120)))
    assert 0.85 <= np.mean(np.abs(scaled) < 1.96) <= 1.0


def test_a_measured_block_keeps_its_time_and_networks_correct_the_rest() -> None:
    given = measured(60)
    model = BlockModel(given)
    block = next(iter(given.blocks_ms))
    found_ms, _ = model.predict([block])
    assert found_ms[0] == pytest.approx(given.blocks_ms[block], rel=0.01)
    rng = np.random.default_rng(5)
    networks = [SPACE.decode(SPACE.sample(rng)).blocks for _ in range(120)]
    times = [sum(map(true_ms, blocks)) for blocks in networks]
    taught = model.given_networks(networks[:100], times[:100], [0.002 * ms for ms in times[:100]])
    before, after = (
        np.mean(
            [
                abs(each.predict(blocks)[0].sum() / ms - 1)
                for blocks, ms in zip(networks[100:], times[100:], strict=True)
            ]
        )
        for each in (model, taught)
    )
    assert after < before


def test_too_few_blocks_are_rejected() -> None:
    with pytest.raises(InputError, match="at least 8"):
        BlockModel(measured(7))


def row(block: Block, ms: float | None, status: Status = Status.OK) -> Row:
    spread = None if ms is None else 0.01 * ms
    low, high = (None, None) if ms is None or spread is None else (ms - spread, ms + spread)
    return Row(key=block.key, role=Role.CHOICE, latency_ms=ms, low_ms=low, high_ms=high, status=status)


def test_what_is_like_a_block_that_did_not_run_gets_no_number() -> None:
    given = measured(80)
    rows = {
        block.key: row(block, None, Status.FALLBACK) if block.op is Op.FUSED else row(block, ms)
        for block, ms in given.blocks_ms.items()
    }
    wanted = [block for block in BLOCKS if block.key not in rows][:400]
    found = infer_rows(rows, wanted, lambda each: each.latency_ms is not None and each.status is Status.OK)
    assert found.keys() == {block.key for block in wanted}
    assert all(each.source is RowSource.INFERRED for each in found.values())
    for block in wanted:
        inferred = found[block.key]
        if block.op is Op.FUSED:
            assert (inferred.latency_ms, inferred.status) == (None, Status.FALLBACK)
            assert "most like it" in (inferred.error or "")
        else:
            assert inferred.low_ms < inferred.latency_ms < inferred.high_ms


def test_the_nearest_block_is_of_the_same_kind() -> None:
    like = nearest(BLOCKS[:200], BLOCKS)
    assert list(BLOCKS[:200]) == like


def pairs_of(num: int, seed: int, noise: float = 0.003) -> Pairs:
    rng = np.random.default_rng(seed)
    chromosomes = [SPACE.sample(rng) for _ in range(num)]
    times = [sum(map(true_ms, SPACE.decode(one).blocks)) + 0.05 for one in chromosomes]
    return Pairs(
        space=SPACE.name,
        chromosomes=tuple(chromosomes),
        measured_ms=tuple(ms * float(rng.normal(1.0, noise)) for ms in times),
    )


def test_counts_of_blocks_predict_sums_over_blocks() -> None:
    train, test = pairs_of(800, 1), pairs_of(60, 2, noise=0.0)
    model = fit_without_table(train, None, UNKNOWN_IDENTITY)
    assert model.kind is ModelKind.COUNTS
    found = [model.predict_chromosome(one) for one in test.chromosomes]
    assert np.mean(np.abs(np.array(found) / np.array(test.measured_ms) - 1)) < 0.045
    assert min(found) > 0  # absent layers are not charged


def test_networks_on_a_table_beat_both() -> None:
    given = measured(120)
    rows = {block.key: row(block, ms) for block, ms in given.blocks_ms.items()}
    rows |= {block.key: row(block, true_ms(block)) for block in SPACE.fixed_blocks}
    counts = lambda each: each.latency_ms is not None  # noqa: E731
    rows |= infer_rows(rows, BLOCKS, counts)
    table = LatencyTable(
        name="t", space=SPACE.name, target=None, identity=UNKNOWN_IDENTITY, statistic=HOST_STATISTIC, rows=rows,
        origin=Origin(made_by="test"),
    )  # fmt: skip
    train, test = pairs_of(30, 3), pairs_of(60, 4, noise=0.0)
    model = fit_with_table(train, table)
    assert model.kind is ModelKind.TABLE_COUNTS

    def error(values: list[float]) -> float:
        return float(np.mean(np.abs(np.array(values) / np.array(test.measured_ms) - 1)))

    networks = [SPACE.decode(one) for one in test.chromosomes]
    on_table = error([model.latency_ms(network) for network in networks])
    assert on_table < 0.02
    assert on_table <= error([table.latency_ms(network) for network in networks])
    assert sum(part.latency_ms for part in model.predict(networks[0]).parts) + model.intercept_ms == pytest.approx(
        model.latency_ms(networks[0])
    )
