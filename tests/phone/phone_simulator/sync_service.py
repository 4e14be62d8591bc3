"""`sync:`: stat, list, send and receive files, in the requests of both versions (AOSP, file_sync_protocol.h)."""

import asyncio
import os
import stat
import struct
from pathlib import Path
from typing import BinaryIO, Protocol

from phone_simulator.paths import Paths
from phone_simulator.wire import Stream

_U32 = struct.Struct("<I")
_STAT_V1 = struct.Struct("<4s3I")
_STAT_V2 = struct.Struct("<4sI2Q4IQ3q")
_CHUNK = 65536


class SyncHooks(Protocol):
    """What the phone does with files on their way."""

    def room_for(self, num_bytes: int) -> bool:
        """Whether `num_bytes` more fit on the phone's disk."""

    async def receiving(self, path: str, num_bytes: int) -> None:
        """Called as a file arrives: `num_bytes` of it so far."""

    async def received(self, path: Path) -> None:
        """Called when a file arrived whole, before the computer is told so."""

    def original(self, path: Path) -> Path:
        """Where the bytes lie that were pushed to `path`."""


async def run_sync(stream: Stream, paths: Paths, hooks: SyncHooks) -> None:
    """Serve one sync stream until the computer quits it."""
    while True:
        command = (await stream.read_exactly(4)).decode("ascii", "replace")
        name = (await stream.read_exactly(_U32.unpack(await stream.read_exactly(4))[0])).decode(
            errors="surrogateescape"
        )
        if command == "QUIT":
            return
        if command in ("STAT", "LST2", "STA2"):
            await stream.write(_stat(command, paths.host(name)))
        elif command in ("LIST", "LIS2"):
            await _list(stream, command, paths.host(name))
        elif command in ("SEND", "SND2"):
            await _receive(stream, command, name, paths, hooks)
        elif command in ("RECV", "RCV2"):
            await _deliver(stream, command, name, paths, hooks)
        else:
            await _fail(stream, f"unknown command {command}")
            return


async def _fail(stream: Stream, text: str) -> None:
    await stream.write(b"FAIL" + _U32.pack(len(text.encode())) + text.encode())


def _pack_v2(name: bytes, error: int, entry: os.stat_result | None) -> bytes:
    if entry is None:
        return _STAT_V2.pack(name, error, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    times = int(entry.st_atime), int(entry.st_mtime), int(entry.st_ctime)
    return _STAT_V2.pack(name, 0, entry.st_dev, entry.st_ino, entry.st_mode, 1, 2000, 2000, entry.st_size, *times)


def _stat(command: str, path: Path) -> bytes:
    try:
        entry = path.stat() if command == "STA2" else path.lstat()
        error = 0
    except OSError as problem:
        entry, error = None, problem.errno or 0
    if command == "STAT":
        values = (entry.st_mode, entry.st_size & 0xFFFFFFFF, int(entry.st_mtime)) if entry else (0, 0, 0)
        return _STAT_V1.pack(b"STAT", *values)
    return _pack_v2(command.encode(), error, entry)


async def _list(stream: Stream, command: str, folder: Path) -> None:
    entries = sorted(folder.iterdir()) if folder.is_dir() else []
    for path in entries:
        entry = path.lstat()
        name = os.fsencode(path.name)
        if command == "LIST":
            head = _STAT_V1.pack(b"DENT", entry.st_mode, entry.st_size & 0xFFFFFFFF, int(entry.st_mtime))
        else:
            head = _pack_v2(b"DNT2", 0, entry)
        await stream.write(head + _U32.pack(len(name)) + name)
    size = (_STAT_V1 if command == "LIST" else _STAT_V2).size
    await stream.write(b"DONE" + bytes(size - 4 + 4))


async def _receive(stream: Stream, command: str, name: str, paths: Paths, hooks: SyncHooks) -> None:
    """SEND: take a file; what does not arrive whole is removed."""
    if command == "SEND":
        name, _, mode_text = name.rpartition(",")
        mode = int(mode_text)
    else:
        _, mode, _ = struct.unpack("<4sII", await stream.read_exactly(12))
    path = paths.host(name)
    problem = _prepare(path)
    file: BinaryIO | None = None if problem else path.open("wb")
    complete = False
    try:
        received = 0
        while (header := await stream.read_exactly(8))[:4] == b"DATA":
            data = await stream.read_exactly(_U32.unpack(header[4:])[0])
            received += len(data)
            await hooks.receiving(name, received)
            if file and not problem and not hooks.room_for(len(data)):
                problem = "write failed: No space left on device"
            if file and not problem:
                file.write(data)
        if file and not problem:
            file.close()
            path.chmod((mode & 0o777) | 0o600 | (0o777 if mode & 0o100 else 0))
            when = _U32.unpack(header[4:])[0]
            os.utime(path, (when, when))
            complete = True
            await hooks.received(path)
    finally:
        if file:
            file.close()
            if not complete:
                path.unlink(missing_ok=True)
    if problem:
        await _fail(stream, problem)
    else:
        await stream.write(b"OKAY" + _U32.pack(0))


def _prepare(path: Path) -> str | None:
    """Make room for a file; return adbd's words where that cannot be."""
    if path.is_dir():
        return "couldn't create file: Is a directory"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return f"secure_mkdirs failed: {error.strerror}"
    path.unlink(missing_ok=True)
    return None


async def _deliver(stream: Stream, command: str, name: str, paths: Paths, hooks: SyncHooks) -> None:
    """RECV: give a file out."""
    if command == "RCV2":
        await stream.read_exactly(8)
    try:
        file = hooks.original(paths.host(name)).open("rb")
    except OSError as error:
        await _fail(stream, f"open failed: {error.strerror}")
        return
    with file:
        if stat.S_ISDIR(os.fstat(file.fileno()).st_mode):
            await _fail(stream, "read failed: Is a directory")
            return
        while data := file.read(_CHUNK):
            await stream.write(b"DATA" + _U32.pack(len(data)) + data)
            await asyncio.sleep(0)
    await stream.write(b"DONE" + _U32.pack(0))
