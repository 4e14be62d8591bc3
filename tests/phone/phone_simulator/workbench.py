"""What the played tools work on: a phone's file system, its speed, its state and the faults in force."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from phone_simulator import graphs
from phone_simulator.faults import Fault, Faults
from phone_simulator.latency import Truth, Variation
from phone_simulator.paths import Paths
from phone_simulator.profiles import Profile
from phone_simulator.real_runs import RealRuns
from phone_simulator.root import Root
from phone_simulator.state import Clock, State
from phone_simulator.truth import truth_ms


class Mode(StrEnum):
    """What the tools do with a pushed file."""

    REPLAY = "replay"  # times from the seeded model
    REAL = "real"  # run it on this computer


@dataclass(frozen=True)
class Process:
    """A process of the phone."""

    pid: int
    parent: int
    text: str


class Workbench:
    """A phone without its cable.

    Args:
        paths: where the phone's paths lie.
        time_scale: how long a second of the phone lasts here; 1 is real time, 0 takes no time at all.
        seed: of the latency model.
    """

    def __init__(
        self,
        profile: Profile,
        paths: Paths,
        root: Root,
        *,
        time_scale: float = 0.01,
        seed: int = 0,
        variation: Variation | None = None,
        mode: Mode = Mode.REPLAY,
    ) -> None:
        self.profile = profile
        self.paths = paths
        self.root = root
        self.mode = mode
        self.truth = Truth(profile, seed)
        self.variation = variation or Variation()
        self.faults = Faults()
        self.clock = Clock(time_scale)
        self.state = State(profile, self.clock)
        self.idle_slowdown = 1.0
        """How much slower the first tenth of a second of a tool is, while the clocks rise."""
        self.while_computing: Callable[[], None] = lambda: None
        self.after_computing: Callable[[], None] = lambda: None
        """Called as a tool starts to compute, and as it ends."""
        self.linker_needs: dict[str, str] = {}
        """Tool to a library without which the linker does not start it, whatever the tool's headers say."""
        self.runs: list[str] = []
        """Command lines of all tool runs so far."""
        self.held_on: list[int | None] = []
        """The cores that `taskset` left to each of them."""
        self.on_server_kill: Callable[[], None] = lambda: None
        """What `SERVER_KILLED_IN_RUN` does, in a thread of its own."""
        self.real_runs = RealRuns()
        self._models: dict[str, graphs.Model] = {}
        self._repeats: Counter[str] = Counter()

    def host_path(self, path: str) -> Path:
        """Return where a path of the phone lies."""
        return self.paths.host(path)

    def heat_to(self, celsius: float) -> None:
        """Make it this hot now; it cools by itself."""
        self.state.heat_to(celsius)
        self.refresh()

    def refresh(self) -> None:
        """Let files and dumpsys show the state."""
        self.root.refresh(self.state)

    def truth_ms(self, path: Path, target: object) -> float:
        """Return the exact latency of a file on a target (`tflite/gpu/float16` or a `Target`), without any noise."""
        return truth_ms(self.truth, self.model(path), str(target))

    def model(self, path: Path) -> graphs.Model:
        """Read a model file, once for each content."""
        data = path.read_bytes()
        key = f"{path.suffix} {len(data)} {hash(data)}"
        if key not in self._models:
            self._models[key] = graphs.read_model(path)
        return self._models[key]

    def repetition(self, key: str) -> int:
        """Return how often `key` was asked for before."""
        self._repeats[key] += 1
        return self._repeats[key] - 1

    async def compute(self, seconds: float, watts: float) -> None:
        """Let the phone work for `seconds` of its own time."""
        self.state.pass_time()
        self.clock.skip(seconds)
        if self.clock.scale > 0:
            await asyncio.sleep(seconds * self.clock.scale)
        self.state.pass_time(watts)
        self.refresh()

    async def strike_in_run(self, text: str) -> None:
        """Do what the faults in force do in the middle of a run."""
        if self.faults.strikes(Fault.UNPLUG_IN_RUN, text):
            await self.cut()
        if self.faults.strikes(Fault.SERVER_KILLED_IN_RUN, text):
            await asyncio.to_thread(self.on_server_kill)
        if self.faults.strikes(Fault.REBOOT_IN_RUN, text):
            self.reboot_soon()
            await asyncio.Event().wait()

    async def cut(self) -> None:
        """Pull the cable for a moment."""

    def reboot_soon(self) -> None:
        """Restart."""

    def free_bytes(self) -> int:
        """Return the free space of /data."""
        return (self.profile.data_kb - self.profile.disk_used_kb) * 1024

    def processes(self) -> list[Process]:
        """Return what runs on it now."""
        return []
