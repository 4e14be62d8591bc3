"""One run of a played tool: what it prints before and after computing, and the measuring between."""

import asyncio
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from phone_simulator.faults import Fault
from phone_simulator.graphs import Model
from phone_simulator.invocation import Invocation
from phone_simulator.latency import Plan, Repetitions, Request, Samples, play

if TYPE_CHECKING:
    from phone_simulator.workbench import Workbench


_RISE_S = 0.1  # of work, until a core that was idle runs at its fastest clock


class Ended(Exception):  # noqa: N818 - a tool's own end, not an error of the simulator
    """The tool ends with this exit status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass
class Page:
    """Text that a tool is about to print: its two streams, in order."""

    parts: list[tuple[int, str]] = field(default_factory=list)

    def out(self, line: str) -> None:
        """Add a line of standard output."""
        self.parts.append((1, line + "\n"))

    def err(self, line: str) -> None:
        """Add a line of standard error."""
        self.parts.append((2, line + "\n"))


@dataclass
class Run:
    """A tool at work."""

    phone: "Workbench"
    call: Invocation
    page: Page = field(default_factory=Page)
    worked_s: float = 0.0

    async def show(self) -> None:
        """Print what has gathered, as the faults in force let it."""
        parts, self.page.parts = self.page.parts, []
        merged: list[tuple[int, str]] = []
        for stream, text in parts:
            if merged and merged[-1][0] == stream:
                merged[-1] = (stream, merged[-1][1] + text)
            else:
                merged.append((stream, text))
        for stream, text in merged:
            await (self.call.print(text) if stream == 1 else self.call.complain(text))

    async def show_results(self) -> None:
        """Print the page that holds the result: the one that faults truncate, garble or repeat."""
        faults, text = self.phone.faults, self.call.command_line
        if faults.strikes(Fault.TRUNCATED_OUTPUT, text):
            self.page.parts = self.page.parts[: len(self.page.parts) // 3]
            await self.show()
            raise Ended(0)
        if faults.strikes(Fault.GARBLED_NUMBERS, text):
            self.page.parts = [(stream, re.sub(r"\d", "?", line)) for stream, line in self.page.parts]
        if faults.strikes(Fault.ENDLESS_OUTPUT, text):
            while True:
                await self.call.print("E retry once more: errcode: -5\n" * 200)
                await asyncio.sleep(0.01)
        await self.show()

    async def end(self, status: int) -> None:
        """Print what has gathered and end."""
        await self.show()
        raise Ended(status)

    def file(self, path: str) -> Path:
        """Return where a file that the command line names lies on this computer."""
        return self.phone.paths.host(path)

    def work_file(self, path: str) -> Path:
        """Return where a file lies that the command line names, from the folder in which the tool was started."""
        return self.file(path) if path.startswith("/") else self.call.folder / path

    def write_outputs(self, path: Path, values: list[NDArray[Any]]) -> None:
        """Write what the file computes, one output behind the other, with one value of the other sign if so asked."""
        data = [value.copy() for value in values]
        if self.phone.faults.strikes(Fault.WRONG_OUTPUT, self.call.command_line):
            flat = data[0].reshape(-1)
            at = int(np.abs(flat.astype(np.float64)).argmax())
            flat[at] = -flat[at] if flat.dtype.kind == "f" else flat[at] ^ np.asarray(64, flat.dtype)
        path.write_bytes(b"".join(value.tobytes() for value in data))

    async def measure(
        self, file: Path, model: Model, request: Request, plan: Plan, repeat: Repetitions, real: dict[str, object]
    ) -> Samples:
        """Compute: sleep as the file would take (replay) or run it (real).

        Args:
            real: what `real_worker.py` needs beside the file.
        """
        phone, text = self.phone, self.call.command_line
        await self.show()
        if phone.faults.strikes(Fault.HANG, text):
            await asyncio.Event().wait()
        if phone.faults.strikes(Fault.CRASH, text):
            raise Ended(139)
        unit = phone.profile.units[request.unit]
        if phone.mode == "real":
            samples = await self._run_really(file, repeat, {"threads": request.threads, **real})
            await phone.strike_in_run(text)
            return samples
        phone.state.pass_time()
        truth = phone.truth.file_ms(model.operators, request, plan)
        key = f"{phone.truth.seed} {file.name} {model.num_bytes} {truth:.9f} {request}"
        once = repeat.warmup_runs == 0  # for its output: the times of what is measured stay what they are without it
        seed = f"{key} {'once' if once else phone.repetition(key)}"
        samples = play(truth, phone.variation, phone.state.slowdown, phone.clock.now_s(), seed, repeat, model.num_bytes)
        samples = self._while_clocks_rise(samples)
        phone.while_computing()
        await phone.compute(samples.busy_s / 2, unit.watts)
        await phone.strike_in_run(text)
        await phone.compute(samples.busy_s / 2, unit.watts)
        phone.after_computing()
        return samples

    def _while_clocks_rise(self, samples: Samples) -> Samples:
        """Slow down what a process does first on an idle core, over all starts of an engine in it."""

        def slowed(times: tuple[float, ...]) -> tuple[float, ...]:
            found = []
            for time in times:
                found.append(time * self.phone.idle_slowdown if self.worked_s < _RISE_S else time)
                self.worked_s += found[-1] / 1e3
            return tuple(found)

        if self.phone.idle_slowdown == 1.0:
            return samples
        warmup, runs = slowed(samples.warmup), slowed(samples.runs)
        return replace(samples, first=warmup[0] if warmup else samples.first, warmup=warmup, runs=runs)

    async def _run_really(self, file: Path, repeat: Repetitions, real: dict[str, object]) -> Samples:
        task = {
            "file": str(file),
            "num_runs": repeat.num_runs,
            "min_s": repeat.min_s * self.phone.clock.scale,
            "max_s": repeat.max_s,
            "warmup_runs": repeat.warmup_runs,
            "warmup_min_s": repeat.warmup_min_s * self.phone.clock.scale,
            **real,
        }
        found = await self.phone.real_runs.measure(task)
        if "error" in found:
            self.page.err(f"ERROR: {found['error']}")
            await self.end(1)
        return Samples(found["init"], found["warmup"][0], tuple(found["warmup"]), tuple(found["runs"]))
