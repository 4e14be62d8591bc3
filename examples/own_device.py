"""A device runner of your own, and a phone target with a measuring tool that the kit does not know.

From the command line, in this folder: `moga bench moga-a --device own_device:pinned --quick`, and
`moga --use own_device tools add my_bench && moga --use own_device bench moga-a --device SERIAL \
--target tflite/npu/int8,delegate=mine`.
"""

import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

import mogakit as mk
from mogakit.android_runner.commands import Call, Driver
from mogakit.android_runner.own import OwnTarget
from mogakit.android_runner.parsers.common import Timing, number, parse_error
from mogakit.android_runner.targets import Proof, TargetRow
from mogakit.bench.host import HostRunner
from mogakit.bench.measurement import Conditions, Identity, Summary
from mogakit.bench.runner import Job, OperatorTime, Runner, Session
from mogakit.bench.target import Hardware, Runtime, Target
from mogakit.export.artifact import Precision


class PinnedRunner:
    """This computer, held on one of its cores: the `Runner` protocol over the kit's own runner.

    A runner for a board would open its connection in `session` and time one file a window.
    """

    def __init__(self, core: int) -> None:
        self._host, self._core = HostRunner(), core
        self.kind, self.jobs_per_window = self._host.kind, self._host.jobs_per_window

    def identity(self, target: Target) -> Identity:
        """Return what the times are times of; tables of another affinity do not merge with these."""
        return replace(self._host.identity(target), affinity=f"core {self._core}")

    def conditions(self) -> Conditions:
        """Read the load, the clocks and the temperature."""
        return self._host.conditions()

    def unsupported(self, target: Target) -> str | None:
        """Return why a target cannot be measured here, or None."""
        return "one core runs one thread" if target.num_threads > 1 else self._host.unsupported(target)

    def profile_operators(self, job: Job) -> tuple[OperatorTime, ...]:
        """Time the operators of one file."""
        return self._host.profile_operators(job)

    def session(self, jobs: Sequence[Job], round_number: int, seed: int) -> AbstractContextManager[Session]:
        """Open a round: the worker process that it starts inherits the core."""
        return self._host.session(jobs, round_number, seed)


@contextmanager
def pinned() -> Iterator[Runner]:
    """Open the device: `--device own_device:pinned`. What is changed is undone at the end."""
    if not hasattr(os, "sched_setaffinity"):
        sys.exit("this system does not pin processes")
    before = os.sched_getaffinity(0)
    core = min(before)
    os.sched_setaffinity(0, {core})
    try:
        yield PinnedRunner(core)
    finally:
        os.sched_setaffinity(0, before)


mk.register_device("pinned", pinned)


def arguments(call: Call) -> list[str]:
    """Return what stands behind the tool's path on the phone, before the flags of the target's row."""
    return ["--model", call.main, "--runs", str(call.length.num_runs)]


def parse(text: str) -> Timing:
    """Read `runs=50 mean_us=812.5 median_us=801`; whatever is not a measurement is an error, never a zero."""
    found = re.search(r"(?m)^runs=(\d+) mean_us=(\S+) median_us=(\S+)$", text)
    if found is None:
        raise parse_error("my_bench", "no line runs=... mean_us=... median_us=...", text)
    try:
        mean_ms, median_ms = (number(found[group]) / 1000 for group in (2, 3))
    except ValueError as error:
        raise parse_error("my_bench", str(error), text) from error
    return Timing(summary=Summary(count=int(found[1]), mean_ms=mean_ms, median_ms=median_ms))


MY_TARGET = OwnTarget(
    row=TargetRow(
        runtime=Runtime.TFLITE,
        hardware=Hardware.NPU,
        files={Precision.INT8: (Precision.INT8,)},
        tool="my_bench",
        flags_always=("--delegate={libs}/libmine.so",),
        when=(("delegate", "mine"),),
        libraries=("libmine.so",),
        proof=Proof.STRICT,  # the tool fails rather than run a part of the graph elsewhere
    ),
    driver=Driver(arguments=arguments, parse=lambda run, call: parse(run.output)),
    maker="https://example.org/my-sdk",
)
mk.register_target("mine", MY_TARGET)


def main() -> None:
    result = mk.measure_files("digits/0-0-0-0-0-0", device="pinned", quick=True)
    print(result)
    for timing in result.timings:
        print(f"{timing.model}: {timing.row.latency_ms:.4f} ms on one core")


if __name__ == "__main__":
    main()
