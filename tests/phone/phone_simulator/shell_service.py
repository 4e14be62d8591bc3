"""`shell:` (v1) and `shell,v2:`: a command of the phone run by this computer's sh, with the paths mapped.

As real adbd does, the end of a stream sends SIGHUP to the shell it started and to nothing else: what runs below it may
live on.
"""

import asyncio
import os
import signal
import struct
import subprocess
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from phone_simulator.paths import Paths
from phone_simulator.wire import Gone, Stream

STDIN, STDOUT, STDERR, EXIT, CLOSE_STDIN = range(5)
_PACKET = struct.Struct("<BI")
_CHUNK = 65536
_PIPE_SIZE = 1 << 20
_F_SETPIPE_SZ = 1031


async def exit_of(process: subprocess.Popen[bytes]) -> int:
    """Wait for a process without blocking the loop; a signal N is 128 + N, as a shell says it."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    handle = os.pidfd_open(process.pid)
    loop.add_reader(handle, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(handle)
        os.close(handle)
    code = process.wait()
    return code if code >= 0 else 128 - code


async def _chunks(descriptor: int) -> "asyncio.Queue[bytes]":
    """Read a pipe without blocking the loop; the queue ends with an empty chunk."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[bytes] = asyncio.Queue()

    def read() -> None:
        try:
            data = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            loop.remove_reader(descriptor)
        queue.put_nowait(data)

    os.set_blocking(descriptor, False)
    loop.add_reader(descriptor, read)
    return queue


async def _forward(descriptor: int, paths: Paths, send: Callable[[bytes], Awaitable[None]]) -> None:
    """Send what a pipe yields, host paths turned into the phone's."""
    queue = await _chunks(descriptor)
    held = b""
    try:
        while data := await queue.get():
            data = held + data
            point = paths.split_point(data)
            held = data[point:]
            if point:
                await send(paths.output(data[:point]))
        if held:
            await send(paths.output(held))
    finally:
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)


async def _feed(stream: Stream, descriptor: int, packets: bool) -> None:
    """Write the computer's input to the shell's; raises `Gone` when the stream ends."""
    open_end = True
    try:
        while True:
            if packets:
                kind, length = _PACKET.unpack(await stream.read_exactly(_PACKET.size))
                data = await stream.read_exactly(length)
            else:
                kind, data = STDIN, await stream.read_some()
            if kind == CLOSE_STDIN and open_end:
                os.close(descriptor)
                open_end = False
            elif kind == STDIN and open_end:
                while data:
                    try:
                        data = data[os.write(descriptor, data) :]
                    except BlockingIOError:
                        await asyncio.sleep(0.002)
                    except BrokenPipeError:
                        data = b""
    finally:
        if open_end:
            os.close(descriptor)


async def run_shell(
    stream: Stream,
    command: str,
    v2: bool,
    paths: Paths,
    environment: dict[str, str],
    reap: Callable[[Coroutine[Any, Any, int]], "asyncio.Task[int]"],
    lose_answer: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Serve one shell stream from start to end.

    Args:
        reap: runs a coroutine to its end even if this stream ends before: the shell may outlive its stream.
        lose_answer: called when the first output is to be sent, and nothing is.
    """
    argv = ["/bin/sh", "-c", paths.command(command)] if command else ["/bin/sh"]
    own_in, shell_in = os.pipe()
    shell_out, own_out = os.pipe()
    shell_err, own_err = os.pipe() if v2 else (-1, own_out)
    try:
        process = subprocess.Popen(
            argv, stdin=own_in, stdout=own_out, stderr=own_err, cwd=paths.root, env=environment, start_new_session=True
        )
    finally:
        for descriptor in {own_in, own_out, own_err}:
            os.close(descriptor)
    os.set_blocking(shell_in, False)

    async def send_out(data: bytes) -> None:
        if lose_answer is not None:
            await lose_answer()
            raise Gone
        await stream.write(_PACKET.pack(STDOUT, len(data)) + data if v2 else data)

    async def send_err(data: bytes) -> None:
        await stream.write(_PACKET.pack(STDERR, len(data)) + data)

    feeding = asyncio.ensure_future(_feed(stream, shell_in, v2))
    outputs = [asyncio.ensure_future(_forward(shell_out, paths, send_out))]
    if v2:
        outputs.append(asyncio.ensure_future(_forward(shell_err, paths, send_err)))
    exit_code = reap(exit_of(process))
    everything = asyncio.gather(*outputs, asyncio.shield(exit_code))
    try:
        await asyncio.wait({feeding, everything}, return_when=asyncio.FIRST_COMPLETED)
        if not everything.done():
            raise Gone  # the computer closed the stream
        *_, code = everything.result()
        if v2:
            await stream.write(_PACKET.pack(EXIT, 1) + bytes([code & 0xFF]))
    finally:
        if not exit_code.done():
            process.send_signal(signal.SIGHUP)  # not waited for, so its number cannot be another's yet
        for task in (feeding, everything):
            task.cancel()
        await asyncio.gather(feeding, everything, return_exceptions=True)
