"""From the measurements of a run to one value for each file, with its spread: blocks, chains and networks alike.

The same estimator serves the table and the networks that validate it, so that both carry the same statistic.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

import numpy as np

from mogakit.bench import statistics
from mogakit.bench.measurement import Measurement, Status, counts
from mogakit.bench.warning import worst_of_each_kind
from mogakit.errors import TableError
from mogakit.export.artifact import Role
from mogakit.luts import undisturbed
from mogakit.luts.centre import Estimator, RunSamples
from mogakit.luts.error_metrics import FloatArray
from mogakit.luts.local_speed import divide_out_local_speed
from mogakit.luts.statistic import Centre, CommonMode, Statistic
from mogakit.luts.table import Row, RowConditions

MIN_SHARED_FILES = 5
"""A process takes part in the common mode when it timed this many files that another process timed too."""
_MIXED_ROLES = (Role.CHOICE, Role.FIXED)
"""What stands for a part of a network has a cold share; networks and chains are timed warm, as an app runs them."""

Group = tuple[str, int]
"""A stretch of time with one machine speed: (process, window), the window -1 where a whole process counts as one."""


def estimate_files(
    measurements: Iterable[Measurement], statistic: Statistic, seed: int = 0, accepted: Collection[Status] = ()
) -> dict[str, Row]:
    """Return one row for each file, by its name; `latency_ms` is the file run by itself, no overhead subtracted.

    Args:
        measurements: of one target and identity, in any order.
        statistic: which centres, which share of cold calls, which common mode.
        seed: of the bootstrap.
        accepted: statuses besides `ok` that may stand for the target; a row is made of others only where there is
            nothing better, and says so.

    Raises:
        TableError: no measurement at all, several targets, or two different files under one name.
    """
    taken = sorted(measurements, key=lambda one: (one.artifact_name, one.round, one.window, one.process))
    if not taken:
        raise TableError("there is no measurement to build a table from; `moga profile -o RUN` takes them")
    targets = sorted({str(one.target) for one in taken})
    if len(targets) > 1:
        raise TableError(f"a table is of one target, these measurements are of {', '.join(targets)}; choose one")
    statistic = resolved(taken, statistic, accepted)
    by_name: dict[str, list[Measurement]] = {}
    for one in of_one_backend(taken):
        by_name.setdefault(one.artifact_name, []).append(one)
    usable = {name: _usable(name, group, accepted, statistic) for name, group in by_name.items()}
    good = [one for group in usable.values() for one in group]
    factors = speed_factors(good, statistic.common_mode)
    if statistic.common_mode is CommonMode.MOMENT:
        usable = {name: [] for name in by_name}
        for one in divide_out_local_speed(good, factors):
            usable[one.artifact_name].append(one)
        factors = {}

    def row(name: str, group: Sequence[Measurement], index: int) -> Row:
        if not usable[name]:
            return _with_delegation(_failed(name, group), group)
        cold_share = statistic.cold_share if group[0].role in _MIXED_ROLES else 0.0
        runs = _runs(usable[name], factors, statistic)
        estimator, rng = Estimator(statistic, cold_share), np.random.default_rng([seed, index])
        return _with_delegation(_row(name, usable[name], runs, estimator, rng), usable[name])

    return {name: row(name, group, index) for index, (name, group) in enumerate(sorted(by_name.items()))}


def resolved(measurements: Iterable[Measurement], statistic: Statistic, accepted: Collection[Status] = ()) -> Statistic:
    """Return `statistic` with what it leaves to the measurements: how far undisturbed runs reach, or else the median.

    Args:
        measurements: of one target; files may share a name.
    """
    if statistic.across_runs is not Centre.UNDISTURBED or statistic.reach is not None:
        return statistic
    files: dict[tuple[str, str], list[Measurement]] = {}
    for one in of_one_backend(list(measurements)):
        files.setdefault((one.artifact_name, one.artifact_sha256), []).append(one)
    usable = [_usable(name, group, accepted, statistic) for (name, _), group in files.items()]
    plain = Estimator(statistic, 0.0)
    runs = [np.array([plain.run_value(run) for run in _runs(group, {}, statistic)]) for group in usable]
    threshold = undisturbed.outlier_threshold(runs)
    return replace(statistic, across_runs=Centre.MEDIAN) if threshold is None else replace(statistic, reach=threshold)


def speed_factors(measurements: Sequence[Measurement], mode: CommonMode) -> dict[Group, float]:
    """Return how much slower than typical each process (or window, also for `MOMENT`) ran everything; 1 is undisturbed.

    Groups that timed fewer than `MIN_SHARED_FILES` files which other groups timed too are left out: nothing is divided
    out of them (a phone's process times one file).
    """
    if mode is CommonMode.NONE:
        return {}
    means: dict[tuple[Group, tuple[str, bool]], list[float]] = {}
    for one in measurements:
        for samples, is_cold in ((one.samples_ms, False), (one.cold_ms, True)):
            if samples:
                means.setdefault((_group(one, mode), (one.artifact_name, is_cold)), []).append(float(np.mean(samples)))
    groups_of: dict[str, set[Group]] = {}
    for group, (name, _) in means:
        groups_of.setdefault(name, set()).add(group)
    shared: dict[Group, set[str]] = {}
    for group, (name, _) in means:
        if len(groups_of[name]) > 1:
            shared.setdefault(group, set()).add(name)
    kept = sorted(group for group, names in shared.items() if len(names) >= MIN_SHARED_FILES)
    cells = [(group, item, float(np.mean(times))) for (group, item), times in means.items() if group in set(kept)]
    if len(kept) < 2:
        return {}
    items = sorted({item for _, item, _ in cells})
    factors = statistics.common_mode(
        np.array([time for _, _, time in cells]),
        np.array([kept.index(group) for group, _, _ in cells]),
        np.array([items.index(item) for _, item, _ in cells]),
    )
    return {group: float(factor) for group, factor in zip(kept, factors, strict=True)}


def _group(one: Measurement, mode: CommonMode) -> Group:
    return (one.process, -1 if mode is CommonMode.PROCESS else one.window)


def of_one_backend(measurements: Sequence[Measurement]) -> list[Measurement]:
    """Mark as fallback what ran on another backend than the one that the target used first.

    A runner sees to that within a job; this holds where one was resumed, and the phone's driver chose otherwise.
    """
    sound = [one for one in measurements if one.status not in (Status.FAILED, Status.FALLBACK)]
    named = [one for one in sound if one.delegation.delegate_backend is not None]
    first = min(named, key=lambda one: (one.before.at, one.round, one.window), default=None)
    backend = None if first is None else first.delegation.delegate_backend

    def held(one: Measurement) -> Measurement:
        delegation = one.delegation.held_to(backend)
        return one if delegation is one.delegation else replace(one, delegation=delegation, status=Status.FALLBACK)

    return [one if one.status is Status.FAILED else held(one) for one in measurements]


def _usable(
    name: str, group: Sequence[Measurement], accepted: Collection[Status], statistic: Statistic
) -> list[Measurement]:
    """Return the measurements that make the number: the good ones, else the accepted, else those that are marked."""
    hashes = sorted({one.artifact_sha256 for one in group})
    if len(hashes) > 1:
        raise TableError(
            f"{name} was measured as {len(hashes)} different files ({', '.join(sha[:12] for sha in hashes)}); "
            "a table is made from one: measure into a new folder"
        )
    # what drifted is then judged by its times: slow runs are left out, and the others are as good as any
    judged = statistic.across_runs is Centre.UNDISTURBED
    timed = [one for one in group if one.status is not Status.FAILED and (one.samples_ms or one.summary)]
    good = [one for one in timed if one.status is Status.OK or (judged and one.status is Status.DRIFTED)]
    if good or not timed:
        return good
    pool = [one for one in timed if counts(one.status, accepted)] or timed
    commonest = Counter(one.status for one in pool).most_common(1)[0][0]
    return [one for one in pool if one.status is commonest]


def _failed(name: str, group: Sequence[Measurement]) -> Row:
    errors = [one.error for one in group if one.error]
    return Row(
        key=name,
        role=group[0].role,
        latency_ms=None,
        status=Status.FAILED,
        error=errors[-1] if errors else "no run gave a time",
        artifact_sha256=group[0].artifact_sha256,
        conditions=merge_conditions(group),
    )


def _row(
    name: str,
    usable: Sequence[Measurement],
    runs: Sequence[RunSamples],
    estimator: Estimator,
    rng: np.random.Generator,
) -> Row:
    value = estimator.value(runs)
    low, high = estimator.interval(runs, rng)
    warm = np.concatenate([run.warm_ms for run in runs])
    cold = np.concatenate([run.cold_ms for run in runs])
    outliers = statistics.tukey_outliers(warm) if len(warm) else None
    stds = [one.summary.std_ms for one in usable if one.summary and one.summary.std_ms is not None]
    statuses = {one.status for one in usable}
    counted = estimator.counted(runs)
    return Row(
        key=name,
        role=usable[0].role,
        latency_ms=value,
        alone_ms=value,
        low_ms=low,
        high_ms=high,
        mad_ms=statistics.mad(warm) if len(warm) else None,
        p10_ms=statistics.percentile(warm, 10) if len(warm) else None,
        p90_ms=statistics.percentile(warm, 90) if len(warm) else None,
        std_ms=float(np.std(warm)) if len(warm) else (float(np.median(stds)) if stds else None),
        cold_mean_ms=float(cold.mean()) if len(cold) else None,
        warm_mean_ms=float(warm.mean()) if len(warm) else None,
        count=sum(run.num_calls for run in counted),
        num_rounds=len(counted),
        run_means_ms=tuple(estimator.run_value(run) for run in counted),
        init_ms=_median([one.init_ms for one in usable]),
        first_run_ms=_median([one.first_run_ms for one in usable]),
        peak_memory_mb=max((one.peak_memory_mb for one in usable if one.peak_memory_mb is not None), default=None),
        num_outliers_mild=outliers.mild if outliers else None,
        num_outliers_severe=outliers.severe if outliers else None,
        status=Status.OK if Status.OK in statuses else usable[0].status,
        error=None,
        artifact_sha256=usable[0].artifact_sha256,
        conditions=merge_conditions(usable),
    )


def _with_delegation(row: Row, taken: Sequence[Measurement]) -> Row:
    """Let a row tell what ran it, what the tool said about that, and whether the answer was right."""

    def joined(texts: Iterable[str | None]) -> str:
        return " / ".join(sorted({text for text in texts if text}))

    known = [one.delegation for one in taken]
    agreement = next((one.agreement for one in taken if one.agreement is not None), None)
    return replace(
        row,
        delegation=joined(str(one) for one in known),
        backend=joined(one.backend for one in known),
        reason=joined(one.reason for one in known),
        agreement=agreement,
        error=str(agreement) if row.status is Status.WRONG_OUTPUT else row.error,
    )


def _runs(measurements: Sequence[Measurement], factors: dict[Group, float], statistic: Statistic) -> list[RunSamples]:
    """Return the samples of each process, the machine's speed divided out."""
    processes: dict[tuple[int, str], list[Measurement]] = {}
    for one in measurements:
        processes.setdefault((one.round, one.process), []).append(one)
    return [_run_samples(processes[key], factors, statistic) for key in sorted(processes)]


def _run_samples(run: Sequence[Measurement], factors: dict[Group, float], statistic: Statistic) -> RunSamples:
    warm: list[FloatArray] = []
    cold: list[FloatArray] = []
    summaries: list[float] = []
    for one in run:
        factor = factors.get(_group(one, statistic.common_mode), 1.0)
        warm.append(np.asarray(one.samples_ms, dtype=np.float64) / factor)
        cold.append(np.asarray(one.cold_ms, dtype=np.float64) / factor)
        if not one.samples_ms and one.summary:
            centre = one.summary.centre_ms if statistic.within_run is Centre.MEDIAN else one.summary.mean_ms
            summaries.append(centre / factor)
    summary_ms = float(np.mean(summaries)) if summaries else None
    num_calls = sum(len(one.samples_ms) or (one.summary.count if one.summary else 0) for one in run)
    return RunSamples(np.concatenate(warm), np.concatenate(cold), summary_ms, num_calls)


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None


def merge_conditions(measurements: Sequence[Measurement]) -> RowConditions:
    """Return the span of conditions over some measurements."""
    states = [state for one in measurements for state in (one.before, one.after)]

    def known(read: "list[float | None]") -> list[float]:
        return [value for value in read if value is not None]

    moments = sorted(state.at for state in states if state.at)
    temperatures = known([state.temperature_c for state in states])
    loads = known([state.load_1min for state in states])
    clocks = known([state.cpu_frequency_mhz for state in states])
    worst = worst_of_each_kind(warning for state in states for warning in state.warnings)
    return RowConditions(
        first_at=moments[0] if moments else None,
        last_at=moments[-1] if moments else None,
        max_temperature_c=max(temperatures, default=None),
        max_load_1min=max(loads, default=None),
        min_cpu_frequency_mhz=min(clocks, default=None),
        max_cpu_frequency_mhz=max(clocks, default=None),
        warnings=tuple(warning for warning, _ in worst),
    )
