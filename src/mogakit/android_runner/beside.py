"""What must stand beside a time although nothing waits for it: other programs at work, clocks that nobody can see."""

from mogakit.android_runner.affinity import hides_clocks
from mogakit.android_runner.properties import PhoneProperties
from mogakit.android_runner.state import PhoneState, busy_cores
from mogakit.bench.target import Hardware, Target
from mogakit.bench.warning import ConditionWarning, WarningKind

MAX_BUSY_CORES = 1.0
"""Ours: an idle phone keeps a few per cent of its cores busy, and asking for its state a fifth of one core."""


def warnings(
    phone: PhoneProperties, target: Target, mask: str, before: PhoneState, after: PhoneState
) -> tuple[ConditionWarning, ...]:
    """Return what was wrong with a run besides heat.

    Args:
        mask: the cores that it was held on, hexadecimal; empty where it was not held.
        before: read before it.
        after: read after it.
    """
    return (*busy(target, mask, before, after), *hidden_clocks(phone, target, mask))


def busy(target: Target, mask: str, before: PhoneState, after: PhoneState) -> tuple[ConditionWarning, ...]:
    """Return a warning where other programs worked much on the cores that the run left to them."""
    own = int(mask or "0", 16)
    shares = busy_cores(before, after)
    others = sum(share for cpu, share in shares.items() if not own >> cpu & 1)
    if not own:  # the run itself worked somewhere among them; an accelerator's driver on one core
        others -= target.num_threads if target.hardware is Hardware.CPU else 1.0
    if others <= MAX_BUSY_CORES:
        return ()
    advice = "close the apps on the phone, end updates and synchronisation, or wait until they have ended"
    value, limit = round(others, 1), MAX_BUSY_CORES
    return (ConditionWarning(kind=WarningKind.BUSY, value=value, limit=limit, advice=advice),)


def hidden_clocks(phone: PhoneProperties, target: Target, mask: str) -> tuple[ConditionWarning, ...]:
    """Return a warning where the cores were chosen by their numbers, and a cap on their clocks would not be seen."""
    if not hides_clocks(phone) or target.hardware is not Hardware.CPU:
        return ()
    where = "was not held on any core"
    if mask:
        cores = ", ".join(str(cpu) for cpu in range(int(mask, 16).bit_length()) if int(mask, 16) >> cpu & 1)
        how = "named by cpus=" if "cpus" in dict(target.options) else "the highest numbers, taken for the fastest"
        where = f"was held on core {cores} ({how})"
    advice = f"the run {where}, and a cap on its clock would not be seen"
    return (ConditionWarning(kind=WarningKind.HIDDEN_CLOCKS, advice=advice),)
