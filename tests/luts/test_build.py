"""From samples to a table: rows, overhead, common mode and calibration recover what a known device does."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mogakit.bench.measurement import Delegation, DelegationKind, Identity, Measurement, Status
from mogakit.errors import TableError
from mogakit.export.artifact import Role
from mogakit.luts.build import build_table
from mogakit.luts.calibrate import CalibrationKind
from mogakit.luts.error_metrics import score
from mogakit.luts.estimate import estimate_files, speed_factors
from mogakit.luts.overhead import fit_overhead, parse_chain_name
from mogakit.luts.statistic import HOST_STATISTIC, PHONE_STATISTIC, CommonMode
from mogakit.luts.table import OverheadVerdict, Row
from mogakit.luts.validation import check_networks, left_out
from mogakit.nets.spaces import SlotSpace

MakeDevice = Callable[..., Any]
FilesOf = Callable[[Any, int], list[tuple[str, Role, float]]]
PLAIN = replace(HOST_STATISTIC, cold_share=0.0)


def test_a_table_predicts_networks_of_an_additive_device(
    space: SlotSpace, files_of: FilesOf, make_device: MakeDevice, identity: Identity
) -> None:
    device = make_device(overhead_ms=1.5, noise=0.02)
    taken = device.measure(files_of(device, 12))
    table = build_table(taken, identity, name="t", space="moga", statistic=PLAIN)
    assert table.overhead_ms == pytest.approx(1.5, rel=0.05)
    assert len(table.rows) == 120 + 3
    rng = np.random.default_rng(77)
    unseen = [space.decode(space.sample(rng)) for _ in range(30)]
    report = score([table.predict_raw(net) for net in unseen], [device.network_ms(net) for net in unseen])
    assert report.mape_percent.value < 1.0
    assert report.kendall_tau.value > 0.95


def test_overhead_is_subtracted_from_rows_and_added_once(
    files_of: FilesOf, space: SlotSpace, make_device: MakeDevice, identity: Identity
) -> None:
    device = make_device(overhead_ms=3.0, noise=0.001)
    table = build_table(device.measure(files_of(device, 0)), identity, name="t", statistic=PLAIN)
    block = space.choice_blocks[0]
    row = table.rows[block.key]
    assert row.alone_ms == pytest.approx(3.0 + device.block_ms(block), rel=0.01)
    assert row.latency_ms == pytest.approx(row.alone_ms - table.overhead_ms)
    assert row.low_ms <= row.latency_ms <= row.high_ms
    network = space.decode((0,) * 14)
    assert table.latency_ms(network) == pytest.approx(device.network_ms(network), rel=0.01)


def test_speed_of_each_process_is_divided_out(files_of: FilesOf, space: SlotSpace, make_device: MakeDevice) -> None:
    device = make_device(speed_sd=0.1, noise=0.005)
    taken = device.measure(files_of(device, 0), rounds=4)
    factors = speed_factors(taken, CommonMode.PROCESS)
    assert np.percentile(np.log(list(factors.values())), 25) == pytest.approx(0, abs=1e-9)
    plain = estimate_files(taken, replace(PLAIN, common_mode=CommonMode.NONE))
    normalised = estimate_files(taken, PLAIN)

    def spread(rows: dict[str, Row]) -> float:
        return float(np.mean([np.std(row.run_means_ms) / np.mean(row.run_means_ms) for row in rows.values()]))

    assert spread(plain) > 0.02
    assert spread(normalised) < 0.003
    by_window = estimate_files(taken, replace(PLAIN, common_mode=CommonMode.WINDOW))
    assert spread(by_window) < 0.003


def test_phones_whose_processes_time_one_file_have_no_common_mode(files_of: FilesOf, make_device: MakeDevice) -> None:
    device = make_device()
    taken = [
        replace(one, process=f"{one.round}-{index}") for index, one in enumerate(device.measure(files_of(device, 0)))
    ]
    assert speed_factors(taken, CommonMode.PROCESS) == {}


def test_a_quarter_of_the_cold_call_counts_for_blocks_only(files_of: FilesOf, make_device: MakeDevice) -> None:
    device = make_device(noise=1e-6, cold=1.4)
    rows = estimate_files(device.measure(files_of(device, 1)), HOST_STATISTIC)
    for row in rows.values():
        expected = 1.1 if row.role in (Role.CHOICE, Role.FIXED) else 1.0
        assert row.latency_ms == pytest.approx(expected * row.warm_mean_ms, rel=1e-4)
        assert row.cold_mean_ms == pytest.approx(1.4 * row.warm_mean_ms, rel=1e-4)


def test_of_a_few_summaries_the_median_makes_the_row(
    files_of: FilesOf, make_device: MakeDevice, identity: Identity
) -> None:
    device = make_device(overhead_ms=0.8, noise=0.01)
    taken = device.measure(files_of(device, 0), rounds=5, summaries=True)
    key = taken[0].artifact_name
    throttled = [
        replace(one, summary=replace(one.summary, mean_ms=10 * one.summary.mean_ms))
        if one.artifact_name == key and one.round == 2 and one.summary
        else one
        for one in taken
    ]
    row = build_table(throttled, identity, name="t", statistic=PHONE_STATISTIC).rows[key]
    whole = build_table(taken, identity, name="t", statistic=PHONE_STATISTIC).rows[key]
    assert row.latency_ms == pytest.approx(whole.latency_ms, rel=0.02)
    assert row.mad_ms is None
    assert (row.count, row.num_rounds) == (100, 5)


def test_marked_measurements_stand_in_only_where_there_are_no_good_ones(
    files_of: FilesOf, make_device: MakeDevice
) -> None:
    device = make_device(noise=1e-6)
    name, role, truth_ms = files_of(device, 0)[0]
    good = device.measure([(name, role, truth_ms)])
    hot = device.measure([(name, role, 2 * truth_ms)], status=Status.HOT)
    hot = [replace(one, round=one.round + 3) for one in hot]
    assert estimate_files(good + hot, PLAIN)[name].latency_ms == pytest.approx(truth_ms, rel=1e-3)
    only_hot = estimate_files(hot, PLAIN)[name]
    assert only_hot.latency_ms == pytest.approx(2 * truth_ms, rel=1e-3)
    assert only_hot.status is Status.HOT


def test_a_file_that_never_ran_is_a_row_without_a_number(
    files_of: FilesOf, make_device: MakeDevice, identity: Identity
) -> None:
    device = make_device()
    listed = files_of(device, 0)
    failed = [
        replace(one, status=Status.FAILED, samples_ms=(), cold_ms=(), summary=None, error="no kernel")
        for one in device.measure(listed[:1])
    ]
    table = build_table(failed + device.measure(listed[1:]), identity, name="t")
    row = table.rows[listed[0][0]]
    assert row.latency_ms is None
    assert (row.status, row.error) == (Status.FAILED, "no kernel")
    partial = [
        replace(
            one,
            status=Status.PARTIAL,
            delegation=Delegation(kind=DelegationKind.PARTIAL, nodes_delegated=62, nodes_total=71, num_partitions=3),
        )
        for one in device.measure(listed[:1])
    ]
    row = estimate_files(partial, PLAIN)[listed[0][0]]
    assert (row.status, row.delegation) == (Status.PARTIAL, "partial 62/71 nodes, 3 partition(s)")


def on_cpu(one: Measurement) -> Measurement:
    """Return the same measurement, of the CPU in place of the GPU: six times as slow."""
    slow = tuple(6 * sample for sample in one.samples_ms)
    none = Delegation(kind=DelegationKind.NONE, reason="no OpenCL library")
    return replace(one, status=Status.FALLBACK, delegation=none, samples_ms=slow, cold_ms=slow)


def test_a_fallback_makes_no_overhead_and_no_calibration(
    space: SlotSpace, files_of: FilesOf, make_device: MakeDevice, identity: Identity
) -> None:
    device = make_device(overhead_ms=1.5, noise=0.002)
    taken = device.measure(files_of(device, 12))
    chains = sorted({one.artifact_name for one in taken if one.role is Role.CHAIN})
    networks = sorted({one.artifact_name for one in taken if one.role is Role.NETWORK})
    fallen = {chains[0], networks[0], space.slots[0][3].key}
    marked = [on_cpu(one) if one.artifact_name in fallen else one for one in taken]
    table = build_table(marked, identity, name="t", space="moga", statistic=PLAIN)
    assert table.overhead is not None
    assert table.overhead.num_chains == len(chains) - 1
    assert table.overhead_ms == pytest.approx(1.5, rel=0.05)
    row = table.rows[space.slots[0][3].key]
    assert (row.status, row.reason) == (Status.FALLBACK, "no OpenCL library")
    uses_it = {net for net in networks if space.slots[0][3] in space.decode(chromosome_of(net)).blocks}
    assert set(table.calibration.networks) == set(networks[1:]) - uses_it
    assert (table.calibration.raw_mape_percent or 0) < 1
    estimates = estimate_files(marked, PLAIN)
    every = {net: (space.decode(chromosome_of(net)), ("all",)) for net in networks if net not in uses_it}
    assert {one.name for one in check_networks(table, every, estimates)} == set(every) - {networks[0]}
    (why,) = left_out(table, every, estimates)
    assert why == (
        f"{networks[0]} is not scored: its time does not stand for tflite/cpu/float32: fallback (no OpenCL library)"
    )


def chromosome_of(name: str) -> tuple[int, ...]:
    return tuple(map(int, name.removeprefix("moga/").split("-")))


def test_partial_delegation_is_in_calibration_and_overhead_where_it_was_accepted(
    files_of: FilesOf, make_device: MakeDevice, identity: Identity
) -> None:
    device = make_device(overhead_ms=1.5, noise=0.002)
    taken = device.measure(files_of(device, 6), status=Status.PARTIAL)
    rejected = build_table(taken, identity, name="t", statistic=PLAIN)
    assert (rejected.overhead, rejected.calibration.num_networks) == (None, 0)
    accepted = build_table(taken, identity, name="t", statistic=PLAIN, accepted=[Status.PARTIAL])
    assert accepted.accepted == (Status.PARTIAL,)
    assert accepted.calibration.num_networks == 6
    assert accepted.overhead_ms == pytest.approx(1.5, rel=0.05)


def test_opengl_in_a_resumed_job_does_not_count_beside_opencl(files_of: FilesOf, make_device: MakeDevice) -> None:
    device = make_device(noise=1e-6)
    first, second = files_of(device, 0)[:2]
    whole = {
        backend: Delegation(
            kind=DelegationKind.FULL, nodes_delegated=5, nodes_total=5, num_partitions=1, backend=backend
        )
        for backend in ("OpenCL", "OpenGL")
    }
    by_cl = [replace(one, delegation=whole["OpenCL"]) for one in device.measure([first])]
    later = [
        replace(one, delegation=whole["OpenGL"], round=one.round + 3, before=replace(one.before, at="2026-11-22"))
        for one in device.measure([(name, role, 2 * time) for name, role, time in (first, second)])
    ]
    rows = estimate_files(later + by_cl, PLAIN)
    assert rows[first[0]].latency_ms == pytest.approx(first[2], rel=1e-3)
    assert (rows[first[0]].status, rows[first[0]].backend) == (Status.OK, "OpenCL")
    assert rows[second[0]].status is Status.FALLBACK
    assert rows[second[0]].reason == "OpenGL was used after OpenCL in the same job; they are not one target"


def test_mixtures_are_rejected(files_of: FilesOf, make_device: MakeDevice, identity: Identity) -> None:
    device = make_device()
    listed = files_of(device, 0)[:1]
    other = device.measure(listed, target="onnx/cpu/float32")
    with pytest.raises(TableError, match="one target"):
        estimate_files(device.measure(listed) + other, PLAIN)
    changed = [replace(one, artifact_sha256="0" * 64, round=9) for one in device.measure(listed)]
    with pytest.raises(TableError, match="2 different files"):
        estimate_files(device.measure(listed) + changed, PLAIN)
    with pytest.raises(TableError, match="no measurement"):
        build_table([], identity, name="t")
    with pytest.raises(TableError, match="is a block or fixed part"):
        build_table(device.measure([("moga-a", Role.NETWORK, 5.0)]), identity, name="t")


def test_calibration_is_fitted_on_the_networks_of_the_run_and_names_them(
    space: SlotSpace, files_of: FilesOf, make_device: MakeDevice, identity: Identity
) -> None:
    device = make_device(noise=0.002)
    listed = [
        (name, role, 1.08 * truth_ms + 0.3 if role is Role.NETWORK else truth_ms)
        for name, role, truth_ms in files_of(device, 12)
    ]
    table = build_table(device.measure(listed), identity, name="t", statistic=PLAIN)
    assert table.calibration.kind is CalibrationKind.AFFINE
    assert table.calibration.scale == pytest.approx(1.08, rel=0.05)
    assert table.calibration.num_networks == 12
    assert all(name.startswith("moga/") for name in table.calibration.networks)
    assert table.calibration.loo_mape_percent < 1
    scaled = build_table(device.measure(listed), identity, name="t", statistic=PLAIN, calibration=CalibrationKind.SCALE)
    assert scaled.calibration.kind is CalibrationKind.SCALE


def chains(times_ms: dict[int, tuple[float, ...]]) -> list[Row]:
    return [
        Row(key=f"chain-{copies}xblock", role=Role.CHAIN, latency_ms=runs[0], alone_ms=runs[0], run_means_ms=runs)
        for copies, runs in times_ms.items()
    ]


def test_overhead_is_the_intercept_with_its_interval() -> None:
    overhead = fit_overhead(chains({1: (1.70, 1.71), 2: (2.40, 2.41), 4: (3.81, 3.80), 8: (6.60, 6.61)}))
    assert overhead is not None
    assert overhead.verdict is OverheadVerdict.USED
    assert overhead.value_ms == pytest.approx(1.0, abs=0.02)
    assert overhead.low_ms < 1.0 < overhead.high_ms
    assert overhead.slopes_ms["block"] == pytest.approx(0.7, abs=0.01)
    assert overhead.r2 > 0.999
    assert overhead.num_chains == 4


def test_overhead_that_cannot_be_told_from_zero_is_zero() -> None:
    overhead = fit_overhead(chains({1: (0.70, 0.71), 2: (1.40, 1.41), 4: (2.81, 2.80), 8: (5.60, 5.61)}))
    assert overhead is not None
    assert overhead.verdict is OverheadVerdict.ZERO
    assert overhead.value_ms == 0
    assert abs(overhead.intercept_ms) < 0.05


def test_overhead_of_times_that_are_no_line_is_rejected() -> None:
    overhead = fit_overhead(chains({1: (5.0,) * 3, 2: (7.5,) * 3, 4: (6.0,) * 3, 8: (10.0,) * 3}))
    assert overhead is not None
    assert overhead.r2 < 0.99
    assert overhead.verdict is OverheadVerdict.REFUSED
    assert overhead.value_ms == 0


def test_chains_too_few_or_misnamed() -> None:
    assert fit_overhead([]) is None
    assert fit_overhead(chains({1: (1.0,), 2: (2.0,)})) is None
    with pytest.raises(TableError, match="supported: chain-"):
        fit_overhead([Row(key="block", role=Role.CHAIN, latency_ms=1.0, alone_ms=1.0)])
    assert parse_chain_name("chain-12xmb_i16_k3") == (12, "mb_i16_k3")
    assert parse_chain_name("mb_i16_k3") is None
