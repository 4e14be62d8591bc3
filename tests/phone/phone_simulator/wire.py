"""The adb daemon protocol on one connection: messages, authentication and multiplexed streams.

A message is a header of six little-endian u32 (command, arg0, arg1, length, checksum, command ^ 0xffffffff) and its
payload. One WRTE is in flight per stream, and OKAY answers each (AOSP, packages/modules/adb/protocol.txt).
"""

import asyncio
import contextlib
import struct
from collections.abc import Awaitable, Callable
from enum import StrEnum

HEADER = struct.Struct("<6I")
VERSION = 0x01000001  # from here on nobody checks the checksum
MAX_PAYLOAD = 256 * 1024


def _code(name: str) -> int:
    return int.from_bytes(name.encode(), "little")


CNXN, AUTH, OPEN, OKAY, WRTE, CLSE = (_code(name) for name in ("CNXN", "AUTH", "OPEN", "OKAY", "WRTE", "CLSE"))
AUTH_TOKEN, AUTH_SIGNATURE, AUTH_RSAPUBLICKEY = 1, 2, 3


class Authentication(StrEnum):
    """How the phone answers a computer that it does not know."""

    OFF = "off"
    ACCEPTED = "accepted"  # the signature of a key it knows
    NEW_KEY = "new-key"  # refuses the signature, takes the public key at once
    REFUSED = "refused"  # the dialog is open and nobody taps it: "unauthorized"


class Gone(Exception):  # noqa: N818 - named for what it says
    """The connection or the stream ended."""


class Stream:
    """One service asked for by the computer; `read` and `write` carry its bytes."""

    def __init__(self, connection: "Connection", local_id: int, remote_id: int) -> None:
        self._connection = connection
        self.local_id = local_id
        self.remote_id = remote_id
        self._incoming: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._writable = asyncio.Event()
        self._rest = b""
        self._ended = False

    async def write(self, data: bytes) -> None:
        """Send `data` in messages that fit the peer; raises `Gone` once the computer closed the stream."""
        limit = self._connection.max_payload
        for start in range(0, len(data), limit):
            if self._ended:
                raise Gone
            self._writable.clear()
            await self._connection.send(WRTE, self.local_id, self.remote_id, data[start : start + limit])
            await self._writable.wait()
        if self._ended:
            raise Gone

    async def read_some(self) -> bytes:
        """Return the next bytes; raises `Gone` at the end of the stream."""
        if self._rest:
            data, self._rest = self._rest, b""
            return data
        data = b"" if self._ended and self._incoming.empty() else await self._incoming.get()
        if not data:
            raise Gone
        await self._connection.send(OKAY, self.local_id, self.remote_id)
        return data

    async def read_exactly(self, num_bytes: int) -> bytes:
        """Return exactly `num_bytes`; raises `Gone` when the stream ends before."""
        parts = []
        missing = num_bytes
        while missing > 0:
            data = await self.read_some()
            parts.append(data[:missing])
            self._rest = data[missing:]
            missing -= len(parts[-1])
        return b"".join(parts)

    def feed(self, data: bytes) -> None:
        """Take the payload of a WRTE."""
        self._incoming.put_nowait(data)

    def acknowledge(self) -> None:
        """Take an OKAY."""
        self._writable.set()

    def end(self) -> None:
        """The computer closed the stream, or the connection went."""
        self._ended = True
        self._incoming.put_nowait(None)
        self._writable.set()


Service = Callable[[Stream], Awaitable[None]]


class Connection:
    """What the phone does on one connection: greets, authenticates and runs services until it ends.

    Args:
        banner: what follows `device::` in the greeting, with the features.
        authentication: see `Authentication`.
        find_service: given the name of a service, returns what runs it, or None to refuse it.
        version, max_payload: lower them to play an old phone (0x01000000 with 4 KiB and checksums).
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        banner: str,
        authentication: Authentication,
        find_service: Callable[[str], Service | None],
        version: int = VERSION,
        max_payload: int = MAX_PAYLOAD,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._banner = banner
        self.authentication = authentication
        self._find_service = find_service
        self._version = version
        self.max_payload = max_payload
        self._check = True
        self._streams: dict[int, Stream] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._next_id = 1
        self._signatures_seen = 0
        self.online = False
        self.mute = False
        """While true, nothing is answered: the computer sees "offline" after its own patience."""

    async def send(self, command: int, arg0: int, arg1: int, payload: bytes = b"") -> None:
        """Send one message."""
        checksum = sum(payload) & 0xFFFFFFFF if self._check else 0
        if self._writer.is_closing():
            raise Gone
        self._writer.write(HEADER.pack(command, arg0, arg1, len(payload), checksum, command ^ 0xFFFFFFFF) + payload)
        try:
            await self._writer.drain()
        except ConnectionError as error:
            raise Gone from error

    async def run(self) -> None:
        """Serve until the connection ends; whatever its services started is told to stop."""
        try:
            while True:
                command, arg0, arg1, length, _, _ = HEADER.unpack(await self._reader.readexactly(HEADER.size))
                payload = await self._reader.readexactly(length)
                if not self.mute:
                    await self._handle(command, arg0, arg1, payload)
        except (asyncio.IncompleteReadError, ConnectionError, Gone):
            pass
        finally:
            await self.close()

    async def close(self) -> None:
        """End every stream, cancel every service and hang up."""
        self.online = False
        self._writer.close()
        for stream in list(self._streams.values()):
            stream.end()
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()

    async def authorize(self) -> None:
        """Somebody taps "Allow" in the dialog."""
        self.authentication = Authentication.OFF
        await self._greet()

    async def _greet(self) -> None:
        self.online = True
        await self.send(CNXN, self._version, self.max_payload, f"device::{self._banner}\0".encode())

    async def _handle(self, command: int, arg0: int, arg1: int, payload: bytes) -> None:
        if command == CNXN:
            self._check = min(arg0, self._version) < VERSION
            self.max_payload = min(arg1, self.max_payload)
            if self.authentication is Authentication.OFF:
                await self._greet()
            else:
                await self.send(AUTH, AUTH_TOKEN, 0, bytes(range(20)))
        elif command == AUTH:
            await self._authenticate(arg0)
        elif command == OPEN:
            await self._open(arg0, payload)
        elif command == OKAY and arg1 in self._streams:
            self._streams[arg1].acknowledge()
        elif command == WRTE and arg1 in self._streams:
            self._streams[arg1].feed(payload)
        elif command == CLSE and arg1 in self._streams:
            self._streams.pop(arg1).end()

    async def _authenticate(self, kind: int) -> None:
        if kind == AUTH_SIGNATURE:
            self._signatures_seen += 1
            if self.authentication is Authentication.ACCEPTED:
                await self._greet()
            else:
                await self.send(AUTH, AUTH_TOKEN, 0, bytes(range(20)))
        elif kind == AUTH_RSAPUBLICKEY and self.authentication is Authentication.NEW_KEY:
            await self._greet()

    async def _open(self, remote_id: int, payload: bytes) -> None:
        if not self.online:
            return
        service = self._find_service(payload.rstrip(b"\0").decode(errors="surrogateescape"))
        if service is None:
            await self.send(CLSE, 0, remote_id)
            return
        stream = Stream(self, self._next_id, remote_id)
        self._next_id += 1
        self._streams[stream.local_id] = stream
        await self.send(OKAY, stream.local_id, remote_id)
        task = asyncio.get_running_loop().create_task(self._serve(stream, service))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, stream: Stream, service: Service) -> None:
        try:
            await service(stream)
        except (Gone, ConnectionError, OSError):
            pass
        finally:
            self._streams.pop(stream.local_id, None)
            with contextlib.suppress(Gone):
                await self.send(CLSE, stream.local_id, stream.remote_id)
