"""One run of a pushed tool or served command: its command line, its two output streams and its process."""

import asyncio
import contextlib
import errno
import os
import signal
from dataclasses import dataclass
from pathlib import Path

from phone_simulator.paths import Paths


@dataclass
class Invocation:
    """A process of the phone that waits for the simulator to act for it.

    Attributes:
        program: the path by which it was called.
        arguments: what followed, as the phone sees it.
        environment: variables, as the phone sees them.
    """

    pid: int
    program: str
    arguments: list[str]
    environment: dict[str, str]
    paths: Paths

    @classmethod
    def of(cls, pid: int, paths: Paths) -> "Invocation":
        """Read what a waiting process was called with.

        Raises:
            OSError: it has ended.
        """
        proc = Path(f"/proc/{pid}")
        words = [os.fsdecode(word) for word in (proc / "cmdline").read_bytes().split(b"\0")[:-1]]
        pairs = (os.fsdecode(item).partition("=") for item in (proc / "environ").read_bytes().split(b"\0") if item)
        environment = {name: paths.phone(value) for name, _, value in pairs}
        program, *arguments = (paths.phone(word) if str(paths.root) in word else word for word in words[1:])
        return cls(pid, program, arguments, environment, paths)

    @property
    def cpus(self) -> int | None:
        """Return the cores that `taskset` left it, or None for all."""
        mask = self.environment.get("PHONE_CPUS")
        return int(mask, 16) if mask else None

    @property
    def folder(self) -> Path:
        """Return where the folder in which it was started lies on this computer."""
        return Path(f"/proc/{self.pid}/cwd").resolve()

    @property
    def command_line(self) -> str:
        """Return the whole command, for matching only."""
        return " ".join([self.program, *self.arguments])

    async def print(self, text: str) -> None:
        """Write to its standard output."""
        await self._write(1, text)

    async def complain(self, text: str) -> None:
        """Write to its standard error."""
        await self._write(2, text)

    async def _write(self, number: int, text: str) -> None:
        data = text.encode(errors="surrogateescape")
        try:
            descriptor = os.open(f"/proc/{self.pid}/fd/{number}", os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK)
        except OSError as error:
            if error.errno == errno.ENXIO:
                self._broken_pipe()
            return  # closed, or the process has ended
        try:
            while data:
                try:
                    data = data[os.write(descriptor, data) :]
                except BlockingIOError:
                    await asyncio.sleep(0.005)
        except BrokenPipeError:
            self._broken_pipe()
        finally:
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def _broken_pipe(self) -> None:
        """Nobody reads any more: end as a program does that does not care."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGPIPE)
