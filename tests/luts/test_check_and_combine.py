"""Suspicious rows are found, unlike tables do not merge, and a difference is told from noise."""

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mogakit.bench.measurement import Identity, Status
from mogakit.errors import TableError
from mogakit.luts.build import build_table
from mogakit.luts.calibrate import Calibration
from mogakit.luts.check import Severity, Suspicion, check_table
from mogakit.luts.combine import Difference, diff, differing_fields, merge
from mogakit.luts.csvfile import to_csv
from mogakit.luts.statistic import PHONE_STATISTIC
from mogakit.luts.table import UNKNOWN_IDENTITY, LatencyTable, Origin, Row
from mogakit.nets.spaces import SlotSpace


@pytest.fixture(scope="module")
def table(make_device: Callable[..., Any], files_of: Callable[..., Any], identity: Identity) -> LatencyTable:
    device = make_device(noise=0.01)
    return build_table(device.measure(files_of(device, 12)), identity, name="mine", space="moga")


def kinds(table: LatencyTable, *others: LatencyTable) -> set[Suspicion]:
    return {finding.kind for finding in check_table(table, others)}


def with_row(table: LatencyTable, key: str, **changes: Any) -> LatencyTable:
    return replace(table, rows={**table.rows, key: replace(table.rows[key], **changes)})


def test_a_clean_table_has_nothing_suspicious(table: LatencyTable) -> None:
    assert check_table(table) == []


def test_numbers_copied_from_another_device_are_found(table: LatencyTable, space: SlotSpace) -> None:
    """As in DynamicOFA's table of a Jetson, 6 of whose 96 rows are those of a Samsung phone."""
    other_device = replace(table.identity, device="phone", device_name="a phone")
    rows = {key: replace(row, latency_ms=1.37 * (row.latency_ms or 0)) for key, row in table.rows.items()}
    copied = sorted(rows)[:6]
    rows.update({key: table.rows[key] for key in copied})
    other = replace(table, name="theirs", identity=other_device, rows=rows)
    (finding,) = check_table(other, [table])
    assert finding.kind is Suspicion.EQUAL_ACROSS_DEVICES
    assert finding.severity is Severity.ERROR
    assert finding.keys == tuple(copied)
    assert "6 of 123 common rows" in finding.message
    assert Suspicion.EQUAL_ACROSS_DEVICES not in kinds(table, table)


@pytest.mark.parametrize(("share", "found"), [(0.02, False), (0.3, False), (0.7, True), (1.0, True)])
def test_whole_microseconds_that_chance_makes_equal_are_no_suspicion(
    table: LatencyTable, share: float, found: bool
) -> None:
    """As two phones of one model have them where a tool prints no more digits; a copied table has most of them."""
    whole = {key: replace(row, latency_ms=round(row.latency_ms or 0, 3)) for key, row in table.rows.items()}
    ours = replace(table, rows=whole)
    keys = sorted(whole)[: round(share * len(whole))]
    rows = {key: replace(row, latency_ms=round(1.05 * (row.latency_ms or 0), 3)) for key, row in whole.items()}
    rows |= {key: whole[key] for key in keys}
    theirs = replace(
        table, name="theirs", identity=replace(table.identity, device="phone", device_name="a phone"), rows=rows
    )
    assert (Suspicion.EQUAL_ACROSS_DEVICES in kinds(theirs, ours)) == found
    assert Suspicion.EQUAL_IN_TABLE not in kinds(ours)


def test_a_larger_kernel_that_is_faster_beyond_noise_is_told(table: LatencyTable, space: SlotSpace) -> None:
    three, five = space.slots[7][0].key, space.slots[7][2].key
    fast = with_row(table, five, latency_ms=0.001, low_ms=0.0009, high_ms=0.0011)
    found = [finding for finding in check_table(fast) if finding.kind is Suspicion.NOT_MONOTONE]
    assert (three, five) in [finding.keys for finding in found]
    assert "kernel 5 is faster than kernel 3" in found[0].message or "kernel 5" in " ".join(f.message for f in found)
    within_noise = with_row(table, five, latency_ms=0.001, low_ms=0.0009, high_ms=100.0)
    assert Suspicion.NOT_MONOTONE not in kinds(within_noise)


def test_thin_wide_marked_and_missing_numbers_are_told(table: LatencyTable, space: SlotSpace) -> None:
    key = space.slots[3][4].key
    value = table.rows[key].latency_ms or 0.0
    assert Suspicion.FEW_SAMPLES in kinds(with_row(table, key, count=3))
    assert Suspicion.FEW_SAMPLES in kinds(with_row(table, key, num_rounds=2))
    assert Suspicion.WIDE_INTERVAL in kinds(with_row(table, key, low_ms=0.5 * value, high_ms=1.5 * value))
    assert Suspicion.NOT_POSITIVE in kinds(with_row(table, key, latency_ms=-0.1))
    assert Suspicion.NO_NUMBER in kinds(with_row(table, key, latency_ms=None, error="no kernel"))
    assert Suspicion.OVERHEAD in kinds(replace(table, overhead=None))
    twin = space.slots[3][5].key
    assert Suspicion.EQUAL_IN_TABLE in kinds(with_row(table, key, latency_ms=table.rows[twin].latency_ms))
    marked = with_row(table, key, status=Status.PARTIAL, delegation="partial 62/71 nodes")
    partial = check_table(marked)
    assert [(one.kind, one.severity) for one in partial] == [(Suspicion.STATUS, Severity.ERROR)]
    assert "62/71" in partial[0].message
    (accepted,) = check_table(replace(marked, accepted=(Status.PARTIAL,)))
    assert (accepted.severity, "count all the same" in accepted.message) == (Severity.WARNING, True)
    fallback = check_table(with_row(table, key, status=Status.FALLBACK))
    assert fallback[0].severity is Severity.ERROR


def test_unknown_provenance_is_told() -> None:
    foreign = LatencyTable(
        name="theirs",
        space="",
        target=None,
        identity=UNKNOWN_IDENTITY,
        statistic=PHONE_STATISTIC,
        rows={"a": Row(key="a", role=None, latency_ms=1.5)},
        origin=Origin(made_by="import"),
    )
    assert Suspicion.UNKNOWN_PROVENANCE in kinds(foreign)


def halves(table: LatencyTable) -> tuple[LatencyTable, LatencyTable]:
    keys = sorted(table.rows)
    first = replace(table, name="first", rows={key: table.rows[key] for key in keys[:70]})
    return first, replace(table, name="second", rows={key: table.rows[key] for key in keys[60:]})


def test_tables_of_one_identity_merge(table: LatencyTable) -> None:
    merged = merge(*halves(table))
    assert merged.rows == table.rows
    assert merged.calibration == table.calibration
    assert merged.origin.forced == ()
    first, second = halves(table)
    assert merge(first, second.with_calibration(Calibration())).calibration == Calibration()


def test_where_both_have_a_row_the_surer_one_stays(table: LatencyTable) -> None:
    first, second = halves(table)
    key = sorted(table.rows)[65]
    unsure = with_row(first, key, latency_ms=9.0, low_ms=0.0, high_ms=18.0)
    assert merge(unsure, second).rows[key] == table.rows[key]
    assert merge(second, with_row(first, key, latency_ms=None)).rows[key] == table.rows[key]


def test_a_row_that_counts_stays_before_a_surer_one_that_does_not(table: LatencyTable) -> None:
    first, second = halves(table)
    key = sorted(table.rows)[65]
    value = table.rows[key].latency_ms
    fallback = with_row(first, key, status=Status.FALLBACK, low_ms=value, high_ms=value)
    assert merge(fallback, second).rows[key] == table.rows[key]


def test_what_one_table_accepted_counts_in_the_merged_one_only_where_both_did(table: LatencyTable) -> None:
    first, second = halves(table)
    accepting = replace(first, accepted=(Status.PARTIAL,))
    assert merge(accepting, second).accepted == ()
    assert merge(accepting, replace(second, accepted=(Status.PARTIAL,))).accepted == (Status.PARTIAL,)


def test_opencl_and_opengl_do_not_merge(table: LatencyTable) -> None:
    def ran_on(part: LatencyTable, backend: str) -> LatencyTable:
        return replace(part, rows={key: replace(row, backend=backend) for key, row in part.rows.items()})

    first, second = halves(table)
    with pytest.raises(TableError, match=r"backends: OpenCL \| OpenGL"):
        merge(ran_on(first, "OpenCL"), ran_on(second, "OpenGL"))
    assert merge(ran_on(first, "OpenCL"), ran_on(second, "OpenGL"), force=True).origin.forced == ("backends",)
    assert len(merge(ran_on(first, "OpenCL"), second).rows) == len(table.rows)  # an older table does not say


def test_unlike_identities_do_not_merge_without_force(table: LatencyTable) -> None:
    first, second = halves(table)
    other = replace(second, identity=replace(second.identity, driver="v2", runtime="ai-edge-litert 2.4.0"))
    assert differing_fields(first, other) == ["driver", "runtime"]
    with pytest.raises(TableError, match=r"driver: .*v2.*runtime: ai-edge-litert 2\.3\.0 \| ai-edge-litert 2\.4\.0"):
        merge(first, other)
    forced = merge(first, other, force=True)
    assert forced.origin.forced == ("driver", "runtime")
    assert len(forced.rows) == len(table.rows)


def test_a_difference_is_told_from_noise(
    table: LatencyTable, make_device: Callable[..., Any], files_of: Callable[..., Any], identity: Identity
) -> None:
    device = make_device(noise=0.01)
    again = build_table(device.measure(files_of(device, 0), seed=1), identity, name="again")
    verdicts = {one.key: one for one in diff(table, again)}
    alike = np.mean([one.difference is Difference.SAME for one in verdicts.values()])
    assert alike > 0.9
    key = sorted(table.rows)[5]
    row = again.rows[key]
    slow = with_row(
        again, key, latency_ms=2 * row.latency_ms, low_ms=2 * row.low_ms, high_ms=2 * row.high_ms, run_means_ms=(1.0,)
    )
    one = next(one for one in diff(table, slow) if one.key == key)
    assert (one.difference, one.test) == (Difference.SLOWER, "interval overlap")
    assert one.ratio == pytest.approx(2.0, rel=0.05)


def test_with_seven_runs_each_a_rank_test_decides(table: LatencyTable) -> None:
    key = sorted(table.rows)[0]
    rng = np.random.default_rng(0)
    runs = tuple(rng.normal(1.0, 0.01, 8))
    first = with_row(table, key, latency_ms=1.0, run_means_ms=runs)
    second = with_row(table, key, latency_ms=0.9, run_means_ms=tuple(0.9 * run for run in runs))
    one = next(one for one in diff(first, second) if one.key == key)
    assert (one.difference, one.test) == (Difference.FASTER, "mann-whitney")
    assert one.p_value < 0.002


def test_rows_of_one_side_and_rows_without_number(table: LatencyTable) -> None:
    first, second = halves(table)
    by_key = {one.key: one.difference for one in diff(first, second)}
    assert by_key[sorted(table.rows)[0]] is Difference.ONLY_FIRST
    assert by_key[sorted(table.rows)[-1]] is Difference.ONLY_SECOND
    key = sorted(table.rows)[65]
    dead = {one.key: one.difference for one in diff(with_row(first, key, latency_ms=None), second)}
    assert dead[key] is Difference.NO_NUMBER


def test_csv_has_a_line_for_each_row(table: LatencyTable) -> None:
    records = list(csv.DictReader(io.StringIO(to_csv(table))))
    assert len(records) == len(table.rows)
    for record in records:
        assert float(record["latency_ms"]) == table.rows[record["key"]].latency_ms
        assert record["target"] == "tflite/cpu/float32"
        assert record["status"] == "ok"
