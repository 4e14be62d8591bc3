"""`tcp:PORT`: a connection to a server on the phone, which `adb forward` asks for."""

import asyncio
import socket

from phone_simulator.wire import Stream


async def forward_tcp(stream: Stream, port: int) -> None:
    """Carry bytes both ways until one side ends."""
    with socket.create_connection(("127.0.0.1", port), 2.0) as peer:
        peer.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=peer)

        async def outwards() -> None:
            while data := await reader.read(65536):
                await stream.write(data)

        sending = asyncio.ensure_future(outwards())
        try:
            while True:
                writer.write(await stream.read_some())
                await writer.drain()
        finally:
            sending.cancel()
            writer.close()
