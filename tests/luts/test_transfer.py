"""A table of a new device from tables of others and few measurements."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mogakit.errors import InputError
from mogakit.luts.physical_terms import block_terms
from mogakit.luts.transfer.curve import Choosing, Device, learning_curve
from mogakit.luts.transfer.design import choose
from mogakit.luts.transfer.items import File, Measured, Source, items_of_blocks
from mogakit.luts.transfer.model import Method, TransferModel
from mogakit.luts.transfer.posterior import fit
from mogakit.nets.spaces import get_space

SPACE = get_space("moga")
ITEMS = items_of_blocks([*SPACE.fixed_blocks, *SPACE.choice_blocks])
NUM = len(ITEMS.keys)
COSTS = {"MAdds of dense": 0.05, "MAdds of depthwise": 0.15, "MAdds of vector": 0.3, "weights": 0.1, "values": 0.2}


def rows_of(factors: dict[str, float], seed: int, own: float = 0.05, of_layers: float = 0.08) -> np.ndarray:
    """Return what a made-up device's rows cost: terms, fast and slow layer shapes, and what is of single rows."""
    rng = np.random.default_rng(seed)
    costs = np.array([_of(COSTS, name, 1e-3) * _of(factors, name, 1.0) for name in ITEMS.terms])
    layers = (
        ITEMS.layer_terms
        @ costs
        * np.exp(rng.normal(0, of_layers, int(ITEMS.shape_of_layer.max()) + 1))[ITEMS.shape_of_layer]
    )
    rows = np.zeros(NUM)
    np.add.at(rows, ITEMS.row_of_layer, layers)
    return rows * np.exp(rng.normal(0, own, NUM))


def _of(table: dict[str, float], name: str, otherwise: float) -> float:
    return next((value for start, value in table.items() if name.startswith(start)), otherwise)


def networks(num: int, seed: int) -> list[File]:
    rng = np.random.default_rng(seed)
    drawn = [SPACE.decode(SPACE.sample(rng)) for _ in range(num)]
    return [File(name=net.name, counts=ITEMS.counts(b.key for b in net.blocks), whole=True) for net in drawn]


def single(key: str) -> File:
    return File(name=key, counts=ITEMS.counts([key]), whole=False)


SINGLES = [single(key) for key in ITEMS.keys]
POOL, REFERENCE, TESTS = networks(30, 1), networks(40, 2), networks(100, 3)


def timed(
    files: Sequence[File], rows: np.ndarray, overhead: float = 0.0, ratio: float = 1.0, noise: float = 0.005
) -> list[Measured]:
    rng = np.random.default_rng(9)
    times = [(ratio if file.whole else 1.0) * (overhead + float(file.counts @ rows)) for file in files]
    return [
        Measured(file, ms * float(np.exp(rng.normal(0, noise))), noise * ms)
        for file, ms in zip(files, times, strict=True)
    ]


def errors(posterior, rows: np.ndarray, overhead: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    truth = np.array([overhead + float(file.counts @ rows) for file in TESTS])
    found, deviations = posterior.predict(TESTS)
    return found / truth - 1, np.log(truth / found) / deviations


SOURCE = Source(name="source", latencies_ms=rows_of({}, 0))
OTHER_KINDS = {"MAdds of depthwise": 4.0, "values": 0.5}


def test_terms_of_layers_add_up_to_those_of_their_block():
    for row, block in enumerate([*SPACE.fixed_blocks, *SPACE.choice_blocks][:40]):
        found = dict(zip(ITEMS.terms, ITEMS.row_terms[ITEMS.index[block.key]], strict=True))
        expected = block_terms(block)
        assert {name: value for name, value in found.items() if value} == pytest.approx(dict(expected)), row


def test_without_measurements_a_device_is_the_mean_of_its_sources():
    other = Source(name="other", latencies_ms=4.0 * SOURCE.latencies_ms)
    found = fit(TransferModel(ITEMS, [SOURCE, other], Method.SCALE), [])
    assert np.exp(found.rows_log) == pytest.approx(2.0 * SOURCE.latencies_ms, rel=1e-6)
    assert found.predict(TESTS)[1].min() > 0.5  # and nothing is known of its level


@settings(max_examples=10, deadline=None)
@given(factor=st.floats(0.01, 100), method=st.sampled_from(Method))
def test_a_device_that_is_only_slower_is_found_by_every_method(factor, method):
    rows = factor * SOURCE.latencies_ms
    found = fit(TransferModel(ITEMS, [SOURCE], method), timed(POOL[:3], rows, noise=1e-4))
    mean = np.abs(errors(found, rows)[0]).mean()
    assert mean < 0.02


def test_a_device_of_other_kinds_is_found_by_factors_of_kinds_and_not_by_one_factor():
    rows = rows_of(OTHER_KINDS, 0)
    measured = timed([*POOL[:6], *SINGLES[::9]], rows)
    mean = {
        method: np.abs(errors(fit(TransferModel(ITEMS, [SOURCE], method), measured), rows)[0]).mean()
        for method in (Method.SCALE, Method.KINDS, Method.PROCESS)
    }
    assert mean[Method.PROCESS] < 0.02
    assert mean[Method.KINDS] < 0.04
    assert mean[Method.SCALE] > 2 * mean[Method.KINDS]


def test_of_several_sources_that_which_is_alike_decides():
    like, unlike = rows_of(OTHER_KINDS, 0), rows_of({"MAdds of dense": 5.0}, 7)
    rows = 1.7 * like
    sources = [SOURCE, Source(name="unlike", latencies_ms=unlike), Source(name="like", latencies_ms=like)]
    found = fit(TransferModel(ITEMS, sources), timed([*POOL[:5], *SINGLES[::12]], rows))
    assert np.abs(errors(found, rows)[0]).mean() < 0.015


def test_a_measured_row_keeps_its_time_and_an_error_bar_shrinks():
    rows = rows_of(OTHER_KINDS, 5)
    model = TransferModel(ITEMS, [SOURCE])
    few, many = fit(model, timed(POOL[:3], rows)), fit(model, timed([*POOL[:3], *SINGLES], rows))
    assert np.exp(many.rows_log) == pytest.approx(rows, rel=0.03)
    assert many.predict(TESTS)[1].mean() < few.predict(TESTS)[1].mean()


@pytest.mark.parametrize("overhead", [0.0, 3.0])
def test_overhead_and_ratio_of_networks_are_told_apart_from_rows(overhead):
    rows = rows_of(OTHER_KINDS, 5)
    chain = File(name="chain", counts=8 * ITEMS.counts([ITEMS.keys[20]]), whole=False)
    files = [*POOL[:8], *SINGLES[::8], chain]
    found = fit(TransferModel(ITEMS, [SOURCE], like=False), timed(files, rows, overhead, 0.95))
    assert found.overhead_ms == pytest.approx(overhead, rel=0.1, abs=0.04)
    assert found.ratio == pytest.approx(0.95, abs=0.04)
    assert np.abs(errors(found, 0.95 * rows, 0.95 * overhead)[0]).mean() < 0.02


def test_error_bars_hold_on_devices_that_differ_in_everything():
    inside = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        factors = {name: float(np.exp(rng.normal(0, 0.4))) for name in COSTS}
        rows = rows_of(factors, 100 + seed)
        places = rng.permutation(NUM)[:7]
        measured = timed([*POOL[seed : seed + 4], *(SINGLES[place] for place in places)], rows, noise=0.01)
        inside.append(np.abs(errors(fit(TransferModel(ITEMS, [SOURCE]), measured), rows)[1]) < 1.645)
    assert 0.8 <= np.mean(inside) <= 0.995


def test_left_out_measurements_are_those_of_a_fit_without_them():
    """The closed form agrees with fits on all others, where the point of linearisation is about the same."""
    rows = rows_of(OTHER_KINDS, 5)
    measured = timed([*POOL[:6], *SINGLES[::10]], rows)
    model = TransferModel(ITEMS, [SOURCE])
    whole = fit(model, measured)
    for place in (0, 3, 8):
        without = fit(model, [*measured[:place], *measured[place + 1 :]])
        predicted, deviation = without.predict([measured[place].file])
        left_out = float(np.log(measured[place].latency_ms / predicted[0]))
        assert whole.held_out_logs[place] == pytest.approx(left_out, abs=float(deviation[0]))


def test_a_design_takes_what_tells_most_and_beats_chance():
    device = made_up_device()
    designed, chance = (
        learning_curve(device, Method.PROCESS, [10, 20], choosing, num_repeats=4)
        for choosing in (Choosing.DESIGNED, Choosing.RANDOM)
    )
    assert designed[1].mape_percent < designed[0].mape_percent
    for with_design, without in zip(designed, chance, strict=True):
        assert with_design.mape_percent < without.mape_percent
        assert 0 < with_design.num_networks < with_design.num
    assert designed[1].tau > 0.9


def test_a_design_leaves_out_what_is_known_and_says_what_remains():
    posterior = fit(TransferModel(ITEMS, [SOURCE]), [])
    chosen = choose(posterior, [*SINGLES, *POOL], REFERENCE, 12, known={POOL[0].name})
    names = [each.file.name for each in chosen]
    assert len(set(names)) == 12 and POOL[0].name not in names
    left = [each.share_left for each in chosen]
    assert left == sorted(left, reverse=True) and left[0] < 0.1
    assert [each.file.name for each in choose(posterior, SINGLES[:3], REFERENCE, 9)] != []
    assert len(choose(posterior, SINGLES[:3], REFERENCE, 9)) == 3


def made_up_device() -> Device:
    rows = rows_of(OTHER_KINDS, 5)
    taken = timed([*SINGLES, *POOL], rows, noise=0.01)
    return Device(
        name="made up",
        items=ITEMS,
        sources=(SOURCE,),
        candidates=(*SINGLES, *POOL),
        times_ms={each.file.name: each.latency_ms for each in taken},
        errors=dict.fromkeys((each.file.name for each in taken), 0.01),
        reference=tuple(REFERENCE),
        tests=tuple(TESTS),
        tests_ms=np.array([float(file.counts @ rows) for file in TESTS]),
    )


def test_sources_that_say_nothing_are_rejected():
    with pytest.raises(InputError, match="same space"):
        TransferModel(ITEMS, [Source(name="empty", latencies_ms=np.full(NUM, np.nan))])


def test_rows_that_a_source_lacks_are_filled_by_its_terms():
    rows = rows_of({}, 0, own=0.0, of_layers=0.0)
    holes = rows.copy()
    holes[::3] = np.nan
    found = fit(TransferModel(ITEMS, [Source(name="holes", latencies_ms=holes)]), timed(POOL[:3], rows))
    assert np.median(np.abs(np.exp(found.rows_log[::3]) / rows[::3] - 1)) < 0.02
