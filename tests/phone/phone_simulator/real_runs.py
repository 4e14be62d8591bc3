"""The phone's side of `real_worker.py`: one serving process a phone, started when it is first needed."""

import asyncio
import itertools
import json
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

_WORKER = Path(__file__).with_name("real_worker.py")


class RealRuns:
    """Runs files in processes of their own. Used by one event loop; `close` ends everything."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._waiting: dict[str, asyncio.Event] = {}
        self._numbers = itertools.count()
        self._rest = b""

    async def measure(self, task: dict[str, Any]) -> dict[str, Any]:
        """Run one task; the result holds the times, or `error`."""
        process = self._started()
        number = str(next(self._numbers))
        with tempfile.TemporaryDirectory() as folder:
            result = Path(folder) / "result.json"
            done = self._waiting[number] = asyncio.Event()
            self._send(process, {"id": number, "result": str(result), **task})
            try:
                await done.wait()
            except asyncio.CancelledError:
                with suppress(OSError):
                    self._send(process, {"cancel": number})
                raise
            finally:
                del self._waiting[number]
            if not result.exists():
                return {"error": "the runtime crashed"}
            found: dict[str, Any] = json.loads(result.read_text())
            return found

    def close(self) -> None:
        """End the serving process and what it runs; call it from the loop that measured."""
        process, self._process = self._process, None
        if process and process.stdin and process.stdout:
            asyncio.get_running_loop().remove_reader(process.stdout.fileno())
            process.stdin.close()  # it ends what it runs, and itself
            process.wait(10.0)
            process.stdout.close()

    def _started(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            environment = {
                "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
                "OMP_NUM_THREADS": "1",
                "PATH": os.environ.get("PATH", ""),
            }
            self._process = subprocess.Popen(
                [sys.executable, str(_WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
            )
            output = self._process.stdout
            if output is None:
                raise OSError("a pipe was asked for")
            asyncio.get_running_loop().add_reader(output.fileno(), self._read, output.fileno())
        return self._process

    @staticmethod
    def _send(process: "subprocess.Popen[bytes]", message: dict[str, Any]) -> None:
        if process.stdin is None:
            raise OSError("a pipe was asked for")
        process.stdin.write(json.dumps(message).encode() + b"\n")
        process.stdin.flush()

    def _read(self, descriptor: int) -> None:
        data = os.read(descriptor, 65536)
        if not data:  # the server itself died: nobody is to wait for it
            asyncio.get_running_loop().remove_reader(descriptor)
            for event in self._waiting.values():
                event.set()
            return
        *numbers, self._rest = (self._rest + data).split(b"\n")
        for number in numbers:
            event = self._waiting.get(number.decode())
            if event:
                event.set()
