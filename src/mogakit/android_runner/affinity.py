"""On which cores a run is held: those of one cluster, because a mask over two kinds of core times neither."""

import re

from mogakit.android_runner.properties import PhoneProperties
from mogakit.android_runner.targets import TargetRow
from mogakit.bench.target import Target
from mogakit.errors import InputError


def first_of(mask: str) -> int | None:
    """Return the first core of a hexadecimal mask, or None of an empty one."""
    cores = int(mask or "0", 16)
    return (cores & -cores).bit_length() - 1 if cores else None


def hides_clocks(phone: PhoneProperties) -> bool:
    """Return whether a phone does not say which clocks its cores have, so that nobody sees which are the fastest."""
    return not phone.clusters


def mask_for(target: Target, row: TargetRow, phone: PhoneProperties) -> str:
    """Return the hexadecimal mask for `taskset`, or "" where the run is not pinned.

    Only targets that compute on the CPU are pinned; the option `cpus` is `big` (the fastest cluster) where absent. On a
    phone that hides its clocks these are the cores with the highest numbers, one for each thread: the fastest ones on
    every chip that we know of (`hides_clocks`, which is said beside the times).

    Raises:
        InputError: the option names no cores that are there and on, or more threads than the cores.
    """
    wanted = target.option("cpus", "big")
    if not row.pinned or wanted == "all" or (hides_clocks(phone) and not phone.online_cpus):
        return ""
    if wanted in ("big", "little") and hides_clocks(phone):
        ordered = sorted(phone.online_cpus, reverse=wanted == "big")
        cpus = set(ordered[: target.num_threads])
    elif wanted in ("big", "little"):
        on = [one for one in phone.clusters if not phone.online_cpus or set(one.cpus) & set(phone.online_cpus)]
        cpus = set((on or phone.clusters)[0 if wanted == "big" else -1].cpus)  # a prime core may be switched off
    elif re.fullmatch(r"[0-9a-fA-F]{1,8}", wanted):
        cpus = {cpu for cpu in range(32) if int(wanted, 16) >> cpu & 1}
    else:
        raise InputError(f"cpus={wanted} in {target} is none of big, little, all, or a hexadecimal mask such as f0")
    there = {cpu for cluster in phone.clusters for cpu in cluster.cpus} or set(phone.online_cpus)
    if phone.online_cpus:
        there &= set(phone.online_cpus)
    usable = cpus & there if there else cpus
    clusters = ", ".join(
        f"{cluster.mask} ({len(cluster.cpus)} at {cluster.max_mhz:.0f} MHz)" for cluster in phone.clusters
    )
    clusters = clusters or f"{len(phone.online_cpus)} cores that are on, and hides their clocks"
    if not usable:
        raise InputError(f"cpus={wanted} in {target} holds no core that is on; this phone has {clusters}")
    if target.num_threads > len(usable):
        raise InputError(
            f"{target} wants {target.num_threads} threads on {len(usable)} core(s); "
            f"name others with cpus=MASK: {clusters}"
        )
    return f"{sum(1 << cpu for cpu in usable):x}"
