"""Processes of the phone that wait for the simulator to act for them.

A pushed binary cannot run here, so a stub lies in its place: it writes its pid to a fifo, and reads its exit status
from another one. Its command line, variables and open files are read from /proc.
"""

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

Act = Callable[[int], Awaitable[int]]


class Requests:
    """Serves the stubs of one phone, inside its loop.

    Args:
        folder: of the fifos.
        act: given a pid, does what that process is there for and returns its exit status.
    """

    def __init__(self, folder: Path, act: Act) -> None:
        self._folder = folder
        self._act = act
        self._tasks: set[asyncio.Task[None]] = set()
        self._fifo = -1
        self.problems: list[BaseException] = []
        """Mistakes of the simulator itself."""

    def start(self) -> None:
        """Begin to serve."""
        self._fifo = os.open(self._folder / "requests", os.O_RDWR | os.O_NONBLOCK)
        asyncio.get_running_loop().add_reader(self._fifo, self._read)

    async def stop(self) -> None:
        """Leave whoever waits."""
        asyncio.get_running_loop().remove_reader(self._fifo)
        os.close(self._fifo)
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            for line in os.read(self._fifo, 65536).split():
                task = asyncio.get_running_loop().create_task(self._serve(int(line)))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _serve(self, pid: int) -> None:
        """Act for a waiting process until it is answered or ends."""
        loop = asyncio.get_running_loop()
        fifo = self._folder / str(pid)
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            fifo.unlink(missing_ok=True)
            return
        ended = asyncio.Event()
        loop.add_reader(handle, ended.set)
        watching = loop.create_task(ended.wait())
        acting = asyncio.ensure_future(self._act(pid))
        try:
            await asyncio.wait({acting, watching}, return_when=asyncio.FIRST_COMPLETED)
            if acting.done():
                problem = acting.exception()
                if problem:
                    self.problems.append(problem)
                answer = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
                try:
                    os.write(answer, f"{70 if problem else acting.result()}\n".encode())
                    await watching
                finally:
                    os.close(answer)
        finally:
            acting.cancel()
            watching.cancel()
            await asyncio.gather(acting, watching, return_exceptions=True)
            loop.remove_reader(handle)
            os.close(handle)
            fifo.unlink(missing_ok=True)
