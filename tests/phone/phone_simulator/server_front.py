"""A front for a real adb server that plays what that cannot be brought to: its age, phones that share a serial.

Every connection is carried to the server behind it; only requests to the server itself, and its list of phones, are
changed on the way.
"""

import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType

from phone_simulator.adb_server import AdbServer

_UNKNOWN = b"FAIL0014unknown host service"


@dataclass
class ServerFront:
    """See the module.

    Attributes:
        server: the real one; None where all that is asked has an answer here.
        version: what the server says that it is: 41 is 1.0.41.
        unknown: beginnings of the services that it does not know.
        shown: serial of a phone to the serial that the list shows instead.
        usb: serial of a phone to the USB port at which the list shows it.
        without_tags: the list says of no phone how it is connected.
        answers: whole requests to what the server answers.
        failures: the same to what it says once it has tried in vain.
    """

    server: AdbServer | None = None
    version: int = 41
    unknown: tuple[str, ...] = ()
    shown: dict[str, str] = field(default_factory=dict)
    usb: dict[str, str] = field(default_factory=dict)
    without_tags: bool = False
    answers: dict[str, str] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def __enter__(self) -> "ServerFront":
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, name="server front", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(near,), name="server front", daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        with near, suppress(OSError, EOFError):
            service = _exactly(near, int(_exactly(near, 4), 16)).decode()
            self.asked.append(service)
            if service.startswith(self.unknown) and self.unknown:
                near.sendall(_UNKNOWN)
            elif service == "host:version":
                near.sendall(b"OKAY0004%04x" % self.version)
            elif service in self.answers:
                near.sendall(b"OKAY" + _block(self.answers[service]))
            elif service in self.failures:
                near.sendall(b"OKAYFAIL" + _block(self.failures[service]))
            elif service == "host:devices-l":
                near.sendall(b"OKAY" + _block(self._list()))
            else:
                self._carry(near, service)

    def _carry(self, near: socket.socket, service: str) -> None:
        """Pass a request on under the phone's true name, and then everything in both directions."""
        wanted = service.removeprefix("host:transport:")
        true = [serial for serial, shown in self.shown.items() if shown == wanted and wanted != service]
        at_port = [serial for serial, port in self.usb.items() if f"usb:{port}" == wanted]
        if len(true) > 1:
            near.sendall(b"FAIL" + _block(f"more than one device with serial {wanted}"))
            return
        for serial in (*true, *at_port):
            service = f"host:transport:{serial}"
        with self._behind() as far:
            far.settimeout(None)
            far.sendall(_block(service))
            back = threading.Thread(target=_copy, args=(far, near), name="server front", daemon=True)
            back.start()
            _copy(near, far)
            back.join()

    def _behind(self) -> socket.socket:
        if self.server is None:
            raise OSError("there is no server behind")
        return socket.create_connection(("127.0.0.1", self.server.port), 5.0)

    def _list(self) -> str:
        with self._behind() as far:
            far.sendall(_block("host:devices-l"))
            _exactly(far, 4)
            text = _exactly(far, int(_exactly(far, 4), 16)).decode()
        lines = []
        for line in text.splitlines():
            serial, state, *tags = line.split()
            tags = [f"usb:{self.usb[serial]}", *tags] if serial in self.usb else tags
            named = self.shown.get(serial, serial)
            lines.append(" ".join([f"{named:<22}", state, *([] if self.without_tags else tags)]))
        return "".join(line + "\n" for line in lines)


def _block(text: str) -> bytes:
    data = text.encode()
    return b"%04x" % len(data) + data


def _exactly(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        chunk = sock.recv(count - len(data))
        if not chunk:
            raise EOFError
        data += chunk
    return data


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
    for one in (source, sink):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
