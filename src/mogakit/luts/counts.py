"""Cost models of spaces whose genes are not independent slots: latency as a sum over the blocks that a network has.

What a layer costs depends on the filters before it, so one number for each gene cannot say it (one-hot genes err by a
third on sums over blocks). A number for each block can; TuNAS couples filters in, filters out and layer alike.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from mogakit import __version__
from mogakit.bench.measurement import Identity
from mogakit.bench.target import Target
from mogakit.luts.block_model import BlockModel
from mogakit.luts.calibrate import CalibrationKind, fit
from mogakit.luts.error_metrics import FloatArray, mape_percent
from mogakit.luts.infer import measured_of
from mogakit.luts.linear import CostModel, ModelKind, Pairs, checked_space, fit_on_table, fit_one_hot
from mogakit.luts.ridge import fit_ridge
from mogakit.luts.table import LatencyTable, Origin
from mogakit.nets.block import Block
from mogakit.nets.network import count_madds
from mogakit.nets.spaces import SearchSpace

_FOLDS = 10
"""Parts of the networks that are left out in turn to judge a model on a table."""


def fit_without_table(pairs: Pairs, target: Target | None, identity: Identity) -> CostModel:
    """Fit a model on measured networks alone: one-hot genes of independent slots, counts of blocks elsewhere.

    Raises:
        InputError: fewer than five pairs.
    """
    space = checked_space(pairs)
    return (
        fit_one_hot(pairs, target, identity)
        if space.slotted is not None
        else _fit_counts(pairs, space, target, identity)
    )


def fit_with_table(pairs: Pairs, table: LatencyTable) -> CostModel:
    """Fit what measured networks say beyond a table of their space's blocks.

    Raises:
        InputError: fewer than five pairs, or too few measured rows.
        TableError: the table lacks a block of the space.
    """
    space = checked_space(pairs)
    return fit_on_table(pairs, table) if space.slotted is not None else _fit_on_blocks(pairs, space, table)


def _networks(pairs: Pairs, space: SearchSpace) -> list[tuple[Block, ...]]:
    return [space.decode(one).blocks for one in pairs.chromosomes]


def _fit_counts(pairs: Pairs, space: SearchSpace, target: Target | None, identity: Identity) -> CostModel:
    """Fit `intercept + MAdds + shape of each block + block`, the last two penalised, by relative least squares.

    The shape of a block is its key without the channels: few networks see a given block, many see its shape.
    """
    known = [*space.fixed_blocks, *space.choice_blocks]
    columns = {name: place for place, name in enumerate(dict.fromkeys(_names(known)))}
    networks = _networks(pairs, space)
    counted = np.zeros((len(networks), len(columns)))
    for row, blocks in enumerate(networks):
        for name, count in Counter(_names(blocks)).items():
            counted[row, columns[name]] = count
    madds = np.array([sum(count_madds(block) for block in blocks) / 1e9 for blocks in networks])
    measured = np.array(pairs.measured_ms)
    found = fit_ridge(np.stack([np.ones_like(madds), madds], axis=1), counted, measured)
    intercept_ms, of_madds = (float(weight) for weight in found.plain_weights)
    blocks_ms = {
        block.key: of_madds * count_madds(block) / 1e9
        + float(sum(found.weights[columns[name]] for name in _names([block])))
        for block in known
    }
    return _cost_model(
        ModelKind.COUNTS, pairs, blocks_ms, intercept_ms, target, identity, found.held_out, strength=found.strength
    )


def _names(blocks: Sequence[Block]) -> list[str]:
    """Return for every block its key, and its shape: the key without the channels, with the rounded expansion."""
    names = []
    for block in blocks:
        expansion = round((block.expanded_channels or 0) / block.in_channels)
        shape = (
            block.op,
            block.input_size,
            block.kernel,
            block.stride,
            expansion,
            block.se is not None,
            block.residual,
        )
        names += [block.key, "/".join(map(str, shape))]
    return names


def _fit_on_blocks(pairs: Pairs, space: SearchSpace, table: LatencyTable) -> CostModel:
    """Correct a table's blocks by whole networks: an affine calibration, then the process behind the inferred rows."""
    measured = np.array(pairs.measured_ms)
    if len(measured) < _FOLDS:
        folds = [np.array([place]) for place in range(len(measured))]
    else:
        folds = np.array_split(np.random.default_rng(0).permutation(len(measured)), _FOLDS)
    prior = BlockModel(measured_of(table.rows, table.counts))
    held_out = np.zeros_like(measured)
    for fold in folds:
        inside = np.setdiff1d(np.arange(len(measured)), fold)
        model, scale = _posterior(prior, pairs.take(inside.tolist()), space, table)
        for place in fold:
            means_ms, _ = model.predict(space.decode(pairs.chromosomes[place]).blocks)
            held_out[place] = scale * (table.overhead_ms + float(means_ms.sum()))
    model, scale = _posterior(prior, pairs, space, table)
    known = [*space.fixed_blocks, *space.choice_blocks]
    means_ms, _ = model.predict(known)
    blocks_ms = {block.key: scale * float(ms) for block, ms in zip(known, means_ms, strict=True)}
    return _cost_model(
        ModelKind.TABLE_COUNTS,
        pairs,
        blocks_ms,
        scale * table.overhead_ms,
        table.target,
        table.identity,
        held_out,
        table=table.name,
    )


def _posterior(prior: BlockModel, pairs: Pairs, space: SearchSpace, table: LatencyTable) -> tuple[BlockModel, float]:
    """Return the blocks given the pairs, and the factor by which networks differ from sums of blocks."""
    networks = _networks(pairs, space)
    measured = np.array(pairs.measured_ms)
    raw = np.array([table.sum_rows(block.key for block in blocks) for blocks in networks])
    scale = fit(CalibrationKind.SCALE, raw, measured).scale
    left = measured / scale - table.overhead_ms
    spread = float(np.std(left - (raw - table.overhead_ms))) / np.sqrt(2)
    return prior.given_networks(networks, left.tolist(), [spread] * len(networks)), scale


def _cost_model(
    kind: ModelKind,
    pairs: Pairs,
    blocks_ms: dict[str, float],
    intercept_ms: float,
    target: Target | None,
    identity: Identity,
    held_out: FloatArray,
    *,
    strength: float | None = None,
    table: str = "",
) -> CostModel:
    measured = np.array(pairs.measured_ms)
    return CostModel(
        name=str(kind),
        kind=kind,
        space=pairs.space,
        target=target,
        identity=identity,
        intercept_ms=intercept_ms,
        coefficients_ms=(),
        blocks_ms=blocks_ms,
        origin=Origin(made_by=f"mogakit {__version__}"),
        strength=strength,
        num_pairs=len(measured),
        loo_mape_percent=mape_percent(held_out, measured),
        loo_rmse_ms=float(np.sqrt(np.mean((held_out - measured) ** 2))),
        table=table,
        networks=pairs.names,
        input_size=pairs.input_size,
    )
