"""`Measurement`: what one window of timing one file on one target gave, with everything that qualifies it."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum

from mogakit.bench.agreement import DeviceAgreement
from mogakit.bench.target import Target
from mogakit.bench.warning import ConditionWarning
from mogakit.export.artifact import Role


class Clock(StrEnum):
    """Which clock a time was read from."""

    THREAD_CPU = "thread-cpu"  # CPU time of the one thread that computes: immune to being scheduled out
    WALL = "wall"


class Status(StrEnum):
    """Whether a measurement may stand for its target."""

    OK = "ok"
    PARTIAL = "partial"  # part of the graph ran elsewhere
    FALLBACK = "fallback"  # none of it ran on the hardware asked for
    UNKNOWN_DELEGATION = "unknown-delegation"
    HOT = "hot"  # taken while the device was throttled or too hot, and marked instead of repeated
    DRIFTED = "drifted"  # the sentinel moved during its segment; measured again if the budget allowed
    WRONG_OUTPUT = "wrong-output"  # the device computed something else than the reference on the same input
    FAILED = "failed"  # `error` says why; there is no number


ACCEPTABLE = (Status.PARTIAL, Status.UNKNOWN_DELEGATION)
"""What a person may let stand for the hardware all the same (`moga profile --accept-partial`, `--accept-unknown`)."""
_COUNTED = (Status.OK, Status.DRIFTED)  # what drifted is less sure, but of the hardware asked for


def counts(status: Status, accepted: Collection[Status] = ()) -> bool:
    """Return whether a number of this status stands for its target; `accepted` are those that a person lets stand."""
    return status in _COUNTED or status in accepted


class DelegationKind(StrEnum):
    """How much of a graph the hardware took."""

    FULL = "full"
    PARTIAL = "partial"
    NONE = "none"
    UNKNOWN = "unknown"
    NOT_ASKED = "not-asked"  # plain CPU kernels: there is no delegate


@dataclass(frozen=True, kw_only=True)
class Delegation:
    """Which part of the graph a delegate took: `full 71/71 nodes, 1 partition(s), OpenCL`."""

    kind: DelegationKind
    nodes_delegated: int | None = None
    nodes_total: int | None = None
    num_partitions: int | None = None
    backend: str | None = None  # really used: XNNPACK, OpenCL, OpenGL, Hexagon, ...
    reason: str | None = None

    def __str__(self) -> str:
        if self.nodes_delegated is None:
            return f"{self.kind} ({self.backend})" if self.backend else f"{self.kind}"
        total = "?" if self.nodes_total is None else str(self.nodes_total)
        parts = "" if self.num_partitions is None else f", {self.num_partitions} partition(s)"
        backend = f", {self.backend}" if self.backend else ""
        return f"{self.kind} {self.nodes_delegated}/{total} nodes{parts}{backend}"

    @property
    def delegate_backend(self) -> str | None:
        """Return the backend where a delegate took something; None where it took nothing, or does not say."""
        took_nothing = self.kind in (DelegationKind.NONE, DelegationKind.NOT_ASKED)
        return None if took_nothing else self.backend

    def held_to(self, first: str | None) -> "Delegation":
        """Return this, or `none` with the reason where another backend than `first` was used.

        What OpenCL and what OpenGL computed are not times of one target, and must not stand in one table.
        """
        used = self.delegate_backend
        if first is None or used is None or used == first:
            return self
        reason = f"{used} was used after {first} in the same job; they are not one target"
        return replace(self, kind=DelegationKind.NONE, reason=reason)


SHELL_FLAG = "transport=adb shell"
"""Flag in the identity of what was measured on a phone through adb."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What must be equal for two tables to be merged.

    Attributes:
        device: stable fingerprint (a phone's `ro.build.fingerprint` with a hash of its serial; a computer's CPU
            model, core count, kernel and a hash of its machine id).
        device_name: what a person calls it.
        driver: of the accelerator, or empty.
        runtime: runtime or tool with its version, `ai-edge-litert 2.3.0`.
        tool_sha256: of the binary that was run, or empty when the runtime is a Python package.
        flags: how it was run (threads, delegate, clock, page size), as `name=value` in sorted order.
        affinity: CPU mask or cluster, empty when not pinned.
        export_version: version of the kit's writers (`mogakit.export.EXPORT_VERSION`).
    """

    device: str
    device_name: str
    driver: str
    runtime: str
    tool_sha256: str
    flags: tuple[str, ...]
    affinity: str
    export_version: str


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """The device's state at one moment; None where it cannot be read. Recorded with every row, never compared."""

    at: str  # ISO 8601, UTC
    cpu_frequency_mhz: float | None = None
    governor: str | None = None
    load_1min: float | None = None
    steal_percent: float | None = None
    temperature_c: float | None = None
    thermal_status: str | None = None  # Android's: none, light, moderate, severe, ...
    battery_percent: float | None = None
    power_save: bool | None = None
    screen_on: bool | None = None
    warnings: tuple[ConditionWarning, ...] = ()


LEAST_MEDIAN_MS = 0.1


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Statistics of one window; milliseconds. What a tool does not print stays None."""

    count: int
    mean_ms: float
    std_ms: float | None = None
    min_ms: float | None = None
    max_ms: float | None = None
    median_ms: float | None = None
    p5_ms: float | None = None
    p95_ms: float | None = None

    @property
    def centre_ms(self) -> float:
        """Return the median, which an interrupted call does not move.

        The mean where the tool prints no other, and below a tenth of a millisecond: tools print whole microseconds.
        """
        if self.median_ms is None or self.median_ms < LEAST_MEDIAN_MS:
            return self.mean_ms
        return self.median_ms


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One unit of the journal: one file on one target in one window of one round.

    Attributes:
        round: number of the fresh process (computer) or shuffled pass (phone), from 0.
        window: number of the timing window within the round, from 0 (this computer: one window a pass).
        process: id of the process that measured; times of one process share its common mode.
        samples_ms: raw timed calls, each after a discarded first call; empty where a tool prints only a summary.
        cold_ms: those first calls, kept: the truth of a block lies between cold and warm (docs/measuring.md).
        visited_at_ms: when each of those first calls started, from the start of the window, on the wall clock.
        warmup_ms: calls made until the warm-up test passed, kept but never counted; on the window's first file.
        init_ms: loading the file and building the interpreter or engine.
        first_run_ms: the very first inference after loading.
        peak_memory_mb: growth of resident memory by loading and running the file, in a process of its own (10^6 bytes).
        agreement: of the file's output on the target with the reference; None where nobody asked.
    """

    artifact_name: str
    artifact_sha256: str
    role: Role
    target: Target
    round: int
    window: int
    process: str
    clock: Clock
    status: Status
    delegation: Delegation
    before: Conditions
    after: Conditions
    samples_ms: tuple[float, ...] = ()
    cold_ms: tuple[float, ...] = ()
    visited_at_ms: tuple[float, ...] = ()
    warmup_ms: tuple[float, ...] = ()
    summary: Summary | None = None
    init_ms: float | None = None
    first_run_ms: float | None = None
    peak_memory_mb: float | None = None
    error: str | None = None
    agreement: DeviceAgreement | None = None
