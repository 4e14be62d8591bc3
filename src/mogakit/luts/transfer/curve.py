"""Learning curves of a transfer on a device whose full table is known: error against the number of measurements."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy import stats

from mogakit.luts.error_metrics import FloatArray, kendall_tau, mape_percent
from mogakit.luts.transfer.design import choose
from mogakit.luts.transfer.items import File, Items, Measured, Source
from mogakit.luts.transfer.model import Method, TransferModel
from mogakit.luts.transfer.posterior import Posterior, fit

Z90 = 1.645
"""Standard deviations from the middle of a normal distribution to the ends of its 90 % interval."""


class Choosing(StrEnum):
    """How the files to be measured are chosen."""

    DESIGNED = "designed"  # blocks and networks by expected reduction of variance
    RANDOM = "random"  # blocks and networks, as many of each
    NETWORKS = "random networks"  # as predictors do that are learned across devices


@dataclass(frozen=True, kw_only=True)
class Device:
    """A device whose table is known.

    Attributes:
        sources: tables of other devices.
        times_ms: of every file that may be measured, by name, as the device was measured to take. errors: their
            relative standard errors.
        candidates: those files. reference: networks that a design is to make certain.
        tests, tests_ms: networks that nothing is fitted on, and their measured times.
        like: whether a source runs on the same kind of hardware.
    """

    name: str
    items: Items
    sources: tuple[Source, ...]
    candidates: tuple[File, ...]
    times_ms: Mapping[str, float]
    errors: Mapping[str, float]
    reference: tuple[File, ...]
    tests: tuple[File, ...]
    tests_ms: FloatArray
    like: bool = True


@dataclass(frozen=True, kw_only=True)
class Point:
    """One method after `num` measurements, over repetitions.

    Attributes:
        mape_percent: mean error on unseen networks. tau, spearman: rank correlations with their
            times.
        coverage: share of networks whose time lies in its 90 % interval.
        num_networks: measurements that were of whole networks, on average.
    """

    device: str
    method: Method
    choosing: Choosing
    num: int
    mape_percent: float
    tau: float
    spearman: float
    coverage: float
    num_networks: float


def learning_curve(
    device: Device,
    method: Method,
    sizes: Sequence[int],
    choosing: Choosing = Choosing.DESIGNED,
    num_repeats: int = 5,
    seed: int = 0,
) -> list[Point]:
    """Return a point for each size. Repetitions differ in which networks may be measured and in what is drawn.

    The design is that of the whole model, whatever the method, so that methods are compared on the same measurements.
    """
    found: dict[int, list[tuple[float, ...]]] = {size: [] for size in sizes}
    planner = TransferModel(device.items, device.sources, Method.PROCESS, device.like)
    models = _models(device, method)
    for repeat in range(num_repeats):
        rng = np.random.default_rng([seed, repeat])
        measured: list[Measured] = []
        for size in sizes:
            measured += _more(device, planner, measured, size - len(measured), choosing, rng)
            posterior = max((fit(model, measured) for model in models), key=lambda each: each.log_evidence)
            found[size].append((*score(device, posterior), float(sum(each.file.whole for each in measured))))
    return [
        Point(
            device=device.name,
            method=method,
            choosing=choosing,
            num=size,
            mape_percent=float(np.mean([one[0] for one in each])),
            tau=float(np.mean([one[1] for one in each])),
            spearman=float(np.mean([one[2] for one in each])),
            coverage=float(np.mean([one[3] for one in each])),
            num_networks=float(np.mean([one[4] for one in each])),
        )
        for size, each in found.items()
    ]


def score(device: Device, posterior: Posterior) -> tuple[float, float, float, float]:
    """Return MAPE in percent, tau, Spearman's rho, and the share of unseen networks inside their 90 % intervals."""
    predicted, deviations = posterior.predict(device.tests)
    inside = np.abs(np.log(device.tests_ms / predicted)) <= Z90 * deviations
    return (
        mape_percent(predicted, device.tests_ms),
        kendall_tau(predicted, device.tests_ms) or 0.0,
        float(stats.spearmanr(predicted, device.tests_ms).statistic),
        float(inside.mean()),
    )


def _models(device: Device, method: Method) -> list[TransferModel]:
    """Return the model of all sources; for methods that take one table, one a source, of which the likeliest counts."""
    alone = method in (Method.SCALE, Method.AFFINE, Method.KINDS)
    groups = [(source,) for source in device.sources] if alone else [device.sources]
    return [TransferModel(device.items, group, method, device.like) for group in groups]


def _more(
    device: Device,
    planner: TransferModel,
    measured: Sequence[Measured],
    num: int,
    choosing: Choosing,
    rng: np.random.Generator,
) -> list[Measured]:
    """Return further measurements."""
    known = {each.file.name for each in measured}
    if choosing is Choosing.DESIGNED:
        networks = [each for each in device.candidates if each.whole]
        offered = {networks[place].name for place in rng.permutation(len(networks))[: 2 * len(networks) // 3]}
        candidates = [each for each in device.candidates if not each.whole or each.name in offered]
        chosen = [each.file for each in choose(fit(planner, measured), candidates, device.reference, num, known=known)]
    else:
        left = [each for each in device.candidates if each.name not in known]
        networks = [each for each in left if each.whole]
        others = [each for each in left if not each.whole]
        num_networks = min(num if choosing is Choosing.NETWORKS else num - num // 2, len(networks))
        chosen = [networks[place] for place in rng.permutation(len(networks))[:num_networks]]
        chosen += [others[place] for place in rng.permutation(len(others))[: num - num_networks]]
    return [_measured(device, each) for each in chosen]


def _measured(device: Device, file: File) -> Measured:
    time_ms = device.times_ms[file.name]
    return Measured(file, time_ms, device.errors[file.name] * time_ms)
