"""A Dask cluster of real processes: one scheduler, and as many workers as a test starts."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mogakit import plugins

HERE = Path(__file__).parents[1] / "workers"


class DaskProcesses:
    """Starts and kills the processes of a cluster at one address."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.log = folder / "evaluated.txt"
        self.log.touch()
        self._folder = folder
        self._started: list[subprocess.Popen[bytes]] = []

    def scheduler(self) -> subprocess.Popen[bytes]:
        """Start the scheduler and wait until it listens."""
        started = self._start("scheduler", "--host", "127.0.0.1", "--port", str(self.port))
        wait_until(lambda: self._listens(), "the scheduler listens")
        return started

    def worker(self, *options: str) -> subprocess.Popen[bytes]:
        """Start a worker, which joins a little later."""
        return self._start("worker", self.address, "--nthreads", "1", "--no-nanny", "--host", "127.0.0.1", *options)

    def joined(self) -> int:
        """Return how many workers have joined so far, those that ended since included."""
        return sum("Registered to" in path.read_text() for path in self._folder.glob("*-worker.txt"))

    def close(self) -> None:
        """Kill everything that was started here."""
        for process in self._started:
            process.kill()
            process.wait()

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            "MOGA_TEST_LOG": str(self.log),
            "OMP_NUM_THREADS": "1",
            "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "5s",
            "DASK_TEMPORARY_DIRECTORY": str(self._folder),
        }
        with (self._folder / f"{len(self._started)}-{arguments[0]}.txt").open("wb") as output:
            started = subprocess.Popen(
                [sys.executable, "-m", "dask", *arguments, "--no-dashboard"],
                cwd=HERE,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._started.append(started)
        return started

    def _listens(self) -> bool:
        with socket.socket() as asking:
            return asking.connect_ex(("127.0.0.1", self.port)) == 0


def wait_until(true: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    """Wait until something holds; fail where it does not in time."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, f"not within {seconds:g} s: {what}"
        time.sleep(0.02)


@pytest.fixture
def dask_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DaskProcesses]:
    """Return what starts the processes of a cluster; all are killed at the end.

    Modules that tests before used are no part of what the workers need.
    """
    monkeypatch.setattr(plugins, "_used", {})
    pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
    processes = DaskProcesses(tmp_path)
    try:
        yield processes
    finally:
        processes.close()
