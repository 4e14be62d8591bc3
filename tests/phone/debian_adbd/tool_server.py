"""Answers the stand-in programs of an isolated phone: they hand over their command line and output through a socket."""

import asyncio
import os
import signal
import socket
import struct
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from phone_simulator.invocation import Invocation
from phone_simulator.run import Ended

_U32 = struct.Struct("<I")


@dataclass
class RemoteCall(Invocation):
    """A program of the phone whose output descriptors were handed over."""

    descriptors: tuple[int, int] = (-1, -1)

    @property
    def folder(self) -> Path:
        """Return where the folder in which it was started lies on this computer."""
        return self.paths.host(self.environment["PWD"])

    async def _write(self, number: int, text: str) -> None:
        data = text.encode(errors="surrogateescape")
        while data:
            try:
                data = data[await asyncio.to_thread(os.write, self.descriptors[number - 1], data) :]
            except BrokenPipeError:
                raise Ended(128 + signal.SIGPIPE) from None  # as a program ends that does not care


Answer = Callable[[RemoteCall], Awaitable[int]]


class ToolServer:
    """Listens on a socket in the phone's root; one thread, one task a program."""

    def __init__(
        self,
        path: Path,
        answer: Answer,
        make: Callable[[list[str], dict[str, str]], RemoteCall],
        at_end: Callable[[], None],
    ) -> None:
        self._at_end = at_end
        self._path = path
        self._answer = answer
        self._make = make
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="tool server", daemon=True)
        self._stopping = asyncio.Event()
        self.problems: list[BaseException] = []
        """Mistakes of the harness itself."""

    def start(self) -> None:
        """Begin to listen."""
        self._path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        place = os.open(self._path.parent, os.O_RDONLY)
        try:  # the path of a socket is short; the folder's may be long
            self._listener.bind(f"/proc/self/fd/{place}/{self._path.name}")
        finally:
            os.close(place)
        self._path.chmod(0o777)
        self._listener.listen(64)
        self._listener.setblocking(False)
        self._thread.start()

    def stop(self) -> None:
        """End every call and stop listening."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(20.0)
        self._listener.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._accept())
        self._loop.close()

    async def _accept(self) -> None:
        tasks: set[asyncio.Task[None]] = set()
        stopping = asyncio.ensure_future(self._stopping.wait())
        while not stopping.done():
            accepting = asyncio.ensure_future(self._loop.sock_accept(self._listener))
            await asyncio.wait({accepting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not accepting.done():
                accepting.cancel()
                break
            task = asyncio.ensure_future(self._serve(accepting.result()[0]))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._at_end()
        await self._loop.shutdown_default_executor()

    async def _serve(self, peer: socket.socket) -> None:
        """Act for one program until it is answered or goes away."""
        descriptors: list[int] = []
        try:
            peer.setblocking(True)
            head, descriptors, _, _ = await asyncio.to_thread(socket.recv_fds, peer, 4, 2)
            peer.setblocking(False)
            call = self._decode(await self._exactly(peer, _U32.unpack(head)[0]))
            call.descriptors = (descriptors[0], descriptors[1])
            acting = asyncio.ensure_future(self._answer(call))
            leaving = asyncio.ensure_future(self._loop.sock_recv(peer, 1))
            try:
                await asyncio.wait({acting, leaving}, return_when=asyncio.FIRST_COMPLETED)
                if acting.done():
                    problem = acting.exception()
                    if problem:
                        self.problems.append(problem)
                    await self._loop.sock_sendall(peer, bytes([70 if problem else acting.result() & 0xFF]))
            finally:
                acting.cancel()
                leaving.cancel()
                await asyncio.gather(acting, leaving, return_exceptions=True)
        except (ConnectionError, IndexError, struct.error):
            pass  # it was killed before it had said what it wants
        finally:
            peer.close()
            for descriptor in descriptors:
                os.close(descriptor)

    async def _exactly(self, peer: socket.socket, length: int) -> bytes:
        data = b""
        while len(data) < length:
            part = await self._loop.sock_recv(peer, length - len(data))
            if not part:
                raise ConnectionResetError
            data += part
        return data

    def _decode(self, data: bytes) -> RemoteCall:
        num_words, num_variables = struct.unpack_from("<II", data)
        texts, at = [], 8
        for _ in range(num_words + num_variables):
            (length,) = _U32.unpack_from(data, at)
            texts.append(os.fsdecode(data[at + 4 : at + 4 + length]))
            at += 4 + length
        pairs = (text.partition("=") for text in texts[num_words:])
        return self._make(texts[:num_words], {name: value for name, _, value in pairs})
