"""Whole networks narrow an overhead that chains found, and never make one up."""

import numpy as np
import pytest

from mogakit.export.artifact import Role
from mogakit.luts.overhead import fit_overhead, refine_by_networks
from mogakit.luts.table import Overhead, OverheadVerdict, Row

TRUE_MS = 2.0
KEYS = [f"block-{number}" for number in range(30)]


def row(key: str, runs_ms: np.ndarray, role: Role = Role.CHOICE) -> Row:
    mean = float(np.mean(runs_ms))
    half = 1.96 * float(np.std(runs_ms, ddof=1)) / len(runs_ms) ** 0.5
    return Row(
        key=key,
        role=role,
        latency_ms=mean,
        alone_ms=mean,
        low_ms=mean - half,
        high_ms=mean + half,
        run_means_ms=tuple(map(float, runs_ms)),
    )


def measured(seed: int, overhead_ms: float, gain: float = 1.0) -> tuple[Overhead, Overhead]:
    """Return the overhead by chains alone and with networks, of a device with 1 % noise; `gain` scales networks."""
    rng = np.random.default_rng(seed)
    costs = dict(zip(KEYS, rng.uniform(0.2, 0.8, len(KEYS)), strict=True))

    def runs(true_ms: float, num: int = 4) -> np.ndarray:
        return np.asarray(true_ms * rng.normal(1.0, 0.01, num))

    chains = [
        row(f"chain-{n}x{KEYS[0]}", runs(overhead_ms + n * costs[KEYS[0]]), Role.CHAIN) for n in (1, 2, 3, 4, 6, 8)
    ]
    by_chains = fit_overhead(chains)
    assert by_chains is not None
    alone = {key: row(key, runs(overhead_ms + cost)) for key, cost in costs.items()}
    networks = {f"net-{n}": [KEYS[int(i)] for i in rng.integers(0, len(KEYS), 17)] for n in range(8)}
    times = {
        name: float(np.mean(runs(overhead_ms + gain * sum(costs[key] for key in keys))))
        for name, keys in networks.items()
    }
    return by_chains, refine_by_networks(by_chains, alone, networks, times)


def test_networks_make_it_several_times_more_exact() -> None:
    pairs = [measured(seed, TRUE_MS) for seed in range(30)]
    by_chains = [abs(chains.value_ms - TRUE_MS) for chains, _ in pairs if chains.verdict is OverheadVerdict.USED]
    with_networks = [abs(both.value_ms - TRUE_MS) for chains, both in pairs if chains.verdict is OverheadVerdict.USED]
    assert np.mean(with_networks) < 0.5 * np.mean(by_chains)
    assert {both.num_networks for _, both in pairs} <= {0, 8}


def test_networks_are_not_turned_away_by_chance() -> None:
    pairs = [measured(seed, TRUE_MS) for seed in range(200)]
    assert all(both.num_networks == 8 for chains, both in pairs if chains.verdict is OverheadVerdict.USED)
    assert max(abs(both.value_ms / TRUE_MS - 1) for _, both in pairs) < 0.02


def test_they_make_none_up_where_chains_found_none() -> None:
    for seed in range(10):
        chains, both = measured(seed, 0.0)
        if chains.verdict is not OverheadVerdict.USED:
            assert both == chains


def test_networks_whose_times_do_not_add_up_are_not_believed() -> None:
    chains, both = measured(1, TRUE_MS, gain=1.5)
    assert both.value_ms == pytest.approx(chains.value_ms)
    assert both.num_networks == 0


def test_a_block_that_is_quick_beside_the_overhead_does_not_hide_it() -> None:
    rng = np.random.default_rng(3)
    chains = [
        row(f"chain-{n}x{KEYS[0]}", np.asarray((TRUE_MS + 0.002 * n) * rng.normal(1.0, 0.01, 4)), Role.CHAIN)
        for n in (1, 2, 3, 4, 6, 8)
    ]
    overhead = fit_overhead(chains)
    assert overhead is not None
    assert overhead.r2 < 0.9
    assert (overhead.verdict, overhead.value_ms) == (OverheadVerdict.USED, pytest.approx(TRUE_MS, rel=0.02))
