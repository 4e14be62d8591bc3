"""One phone behind one adb server: shell commands with a real deadline, and pushes that say why they failed.

adbutils makes the connection; the two protocols on top of it are spoken here, because its shell bounds neither the time
nor the output of a command as a whole, and its push loses the phone's error text. A dropped link is `LinkLost`, never
half an answer.
"""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from adbutils.errors import AdbError

from mogakit.android_runner import userland
from mogakit.android_runner.adb_server import AdbServer, LinkLost, ShellTimeout, closing, command, translated
from mogakit.android_runner.userland import MODERN, Userland
from mogakit.errors import DeviceError

_STDOUT, _STDERR, _EXIT = 1, 2, 3  # packet ids of shell v2
_CHUNK = 64 * 1024  # the largest DATA of the sync protocol
_REGULAR_FILE = 0o100000
_STALL_S = 30.0  # a push that moves nothing for this long is over
T = TypeVar("T")
_MDNS = "._adb-tls-connect._tcp"  # ends the name of a phone that was paired for wireless debugging


@dataclass(frozen=True)
class ShellResult:
    """What a command on the phone printed, and its exit code."""

    exit_code: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Link:
    """The way to one phone.

    Attributes:
        serial: as the server lists it.
        userland: what its commands can do; a modern phone's where nobody asked (`with_userland`).
        address: what names the connection where several phones have this serial: the USB port that it hangs on
            (`usb:1-2`), or the server's number of the connection (`transport:7`), which a replug changes.
    """

    server: AdbServer
    serial: str
    userland: Userland = field(default=MODERN, compare=False)
    address: str = ""

    @property
    def name(self) -> str:
        """Return what names the connection: the serial, or its address where several phones have that serial."""
        return self.address or self.serial

    @property
    def is_wireless(self) -> bool:
        """Return whether the phone is reached over the network."""
        return ":" in self.serial or self.serial.endswith(_MDNS)

    def with_userland(self) -> "Link":
        """Ask the phone what its commands can do and return a link that knows it.

        Raises:
            DeviceError: it lacks what the kit cannot do without.
        """
        return replace(self, userland=userland.read(self.shell(userland.SCRIPT).stdout, self.serial))

    def shell(self, script: str, timeout_s: float = 30.0, max_bytes: int = 8_000_000) -> ShellResult:
        """Run a script in the phone's shell and wait for its end.

        Raises:
            ShellTimeout: it did not end in `timeout_s`, or printed more than `max_bytes`. It may still be running.
            LinkLost: the connection ended before the exit code came.
            DeviceError: the phone is not authorized, or older than Android 7.
        """
        deadline = time.monotonic() + timeout_s
        output = {_STDOUT: bytearray(), _STDERR: bytearray()}
        with translated(self.serial, self.server), self._open(f"shell,v2,raw:{script}", timeout_s) as connection:
            while True:
                header = _read(connection.conn, 5, deadline)
                kind, length = header[0], int.from_bytes(header[1:], "little")
                data = _read(connection.conn, length, deadline)
                if kind == _EXIT:
                    break
                if kind in output:
                    output[kind] += data
                if sum(map(len, output.values())) > max_bytes:
                    raise ShellTimeout(f"{self.serial}: a command printed more than {max_bytes} bytes and was left")
        texts = {kind: bytes(value).decode("utf-8", "replace") for kind, value in output.items()}
        return ShellResult(data[0] if data else 255, texts[_STDOUT], texts[_STDERR])

    def push(self, source: Path, remote: str, mode: int, advance: Callable[[int], None] | None = None) -> None:
        """Write a file's bytes to `remote`; `advance` is called with the number of bytes of each chunk.

        Raises:
            DeviceError: the phone rejected it (its words are in the message: no space, no permission).
            LinkLost: the connection ended on the way.
        """
        with (
            translated(self.serial, self.server),
            self._open("sync:", _STALL_S) as connection,
            source.open("rb") as file,
        ):
            target = f"{remote},{_REGULAR_FILE | mode}".encode()
            sock = connection.conn
            sock.sendall(b"SEND" + len(target).to_bytes(4, "little") + target)
            try:
                while chunk := file.read(_CHUNK):
                    sock.sendall(b"DATA" + len(chunk).to_bytes(4, "little") + chunk)
                    if advance is not None:
                        advance(len(chunk))
                sock.sendall(b"DONE" + int(time.time()).to_bytes(4, "little"))
            except ConnectionError:
                pass  # the phone stops listening once it has said why: read that below
            answer = _read(sock, 8, time.monotonic() + _STALL_S)
            if answer[:4] == b"OKAY":
                return
            length = int.from_bytes(answer[4:], "little")
            text = _read(sock, length, time.monotonic() + _STALL_S).decode("utf-8", "replace")
        raise DeviceError(f"{self.serial}: {source.name} could not be written to {remote}: {text}")

    def wait_until_ready(self, timeout_s: float, interval_s: float = 0.5) -> None:
        """Wait until the phone answers commands again; a phone on TCP is reconnected if the server forgot it.

        Raises:
            DeviceError: it did not come back in time, or it wants to be authorized.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                if self.shell("echo ready", timeout_s=10.0).stdout.strip() == "ready":
                    return
            except (LinkLost, ShellTimeout):
                self._remind_server()
            if time.monotonic() >= deadline:
                raise DeviceError(
                    f"{self.serial} did not come back within {timeout_s:g} s; {self._after_loss()}, then run the same "
                    "command with --resume: what was finished is kept"
                )
            time.sleep(interval_s)

    def retry_on_disconnect(self, reconnect_s: float, action: Callable[[], T]) -> T:
        """Do something on the phone; where the link is lost, wait for the phone and do it again, twice at most.

        Raises:
            DeviceError: the phone did not come back, or rejects the call.
        """
        for _ in range(2):
            try:
                return action()
            except (LinkLost, ShellTimeout):
                self.wait_until_ready(reconnect_s)
        return action()

    def _after_loss(self) -> str:
        """Return what a person can do about a phone that does not come back."""
        if self.is_wireless:
            return (
                "check the network and that wireless debugging is on (switching it off and on changes its port: "
                "moga devices connect HOST:PORT)"
            )
        if self.address.startswith("transport:"):
            return f"check the cable; it was named by its connection ({self.address}), which a replug changes"
        return "check the cable"

    def _remind_server(self) -> None:
        """Connect a phone on the network that a restarted server does not know; USB phones come by themselves."""
        if not self.is_wireless:
            return
        try:
            if self.serial not in {listed.serial for listed in self.server.devices()}:
                self.server.reconnect(self.serial)
        except (LinkLost, ShellTimeout):
            return

    def _lacks_shell_v2(self) -> bool:
        """Return whether the phone says what it can do and not that; one that went away says nothing."""
        number = self.address.removeprefix("transport:")
        which = f"transport-id:{number}" if number != self.address else f"serial:{self.name}"
        try:
            return "shell_v2" not in self.server.ask(f"host-{which}:features").split(",")
        except DeviceError:
            return False

    @contextmanager
    def _open(self, service: str, timeout_s: float) -> Iterator[Any]:
        """Open a service on the phone; the stream is closed on leaving, whatever happened."""
        connection = self.server.connect(timeout_s)
        with closing(connection):
            number = self.address.removeprefix("transport:")
            by_number = number != self.address
            command(connection, f"host:transport-id:{number}" if by_number else f"host:transport:{self.name}")
            try:
                command(connection, service)
            except AdbError as error:
                if service.startswith("shell,v2") and "closed" in str(error) and self._lacks_shell_v2():
                    raise DeviceError(
                        f"{self.serial} does not speak adb's second shell protocol; Android 7 or newer is needed"
                    ) from error
                raise
            yield connection


def _read(sock: socket.socket, count: int, deadline: float) -> bytes:
    """Read exactly `count` bytes before a moment of the monotonic clock."""
    data = bytearray()
    while len(data) < count:
        left = deadline - time.monotonic()
        if left <= 0.0:
            raise TimeoutError("the deadline passed")
        sock.settimeout(left)
        chunk = sock.recv(count - len(data))
        if not chunk:
            raise EOFError("the stream ended early")
        data += chunk
    return bytes(data)
