"""How the phone hangs on the computer: listeners, connections, and telling the adb server where they are."""

import asyncio
import contextlib
from collections.abc import Callable
from enum import StrEnum

from phone_simulator.adb_server import AdbServer
from phone_simulator.wire import Connection

_ANSWER_S = 2.0
_NOTICE_S = 2.0  # until the server has greeted a phone that was plugged in
_REMIND_S = 0.3

MakeConnection = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Connection]


class Transport(StrEnum):
    """How the phone hangs on the computer."""

    USB = "usb"  # unplugged, it disappears at once (it is registered as an emulator)
    TCP = "tcp"  # unplugged, it stays as "offline"


class Link:
    """One transport: a listener and the connections it accepted. Used inside the phone's loop."""

    def __init__(self, transport: Transport, server: AdbServer | None, make: MakeConnection) -> None:
        self.transport = transport
        self.connections: set[Connection] = set()
        self._port = 0
        self._server = server
        self._make = make
        self._listener: asyncio.Server | None = None

    @property
    def serial(self) -> str:
        """Return what adb calls the phone on this transport."""
        return f"emulator-{self._port - 1}" if self.transport is Transport.USB else f"127.0.0.1:{self._port}"

    @property
    def port(self) -> int:
        """Return where it listens, always the same once it has listened."""
        return self._port

    async def plug(self) -> None:
        """Listen, tell the server, and wait until it has taken notice."""
        if self._listener is None:
            self._listener = await asyncio.start_server(self._accept, "127.0.0.1", self._port, reuse_address=True)
            self._port = self._listener.sockets[0].getsockname()[1]
        await self._register()
        if self._server is None:
            return
        # A greeting we sent is not one the server has read: only its own list says that the phone is there.
        for _ in range(round(_NOTICE_S / 0.01)):
            if await self._is_listed():
                return
            await asyncio.sleep(0.01)

    async def unplug(self) -> None:
        """Listen no more and drop every connection."""
        if self._listener:
            self._listener.close()
            self._listener = None
        for connection in list(self.connections):
            await connection.close()

    async def keep_registered(self) -> None:
        """Run for ever: a server that was restarted finds what hangs on USB by itself."""
        while True:
            await asyncio.sleep(_REMIND_S)
            if self._listener and self.transport is Transport.USB and not self.connections:
                await self._register()

    async def _register(self) -> None:
        """Tell the server where the phone is."""
        usb = self.transport is Transport.USB
        await self._ask(f"host:emulator:{self._port}" if usb else f"host:connect:127.0.0.1:{self._port}")

    async def _is_listed(self) -> bool:
        """Return whether the server knows the phone and whether it may speak to it."""
        lines = (await self._ask("host:devices"))[8:].decode().splitlines()  # after OKAY and the length
        return any(line in (f"{self.serial}\tdevice", f"{self.serial}\tunauthorized") for line in lines)

    async def _ask(self, text: str) -> bytes:
        """Return the server's answer; a server that does not answer is left alone."""
        if self._server is None:
            return b""
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            reader, writer = await asyncio.open_connection("127.0.0.1", self._server.port)
            try:
                writer.write(f"{len(text):04x}{text}".encode())
                await writer.drain()
                return await asyncio.wait_for(reader.read(), _ANSWER_S)
            finally:
                writer.close()
        return b""

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = self._make(reader, writer)
        self.connections.add(connection)
        try:
            await connection.run()
        finally:
            self.connections.discard(connection)
