"""A loopback cable between the adb server and adbd that can be pulled without hurting either."""

import socket
import threading
from contextlib import suppress


class Cable:
    """Forwards every connection on `port` to `target_port`; when pulled, it cuts what it carries and takes no more."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._listener: socket.socket | None = None
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.port = 0

    def plug(self) -> None:
        """Begin to carry, always on the same port."""
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            self.port = self._listener.getsockname()[1]
            threading.Thread(target=self._accept, args=(self._listener,), name="cable", daemon=True).start()

    def pull(self) -> None:
        """Cut everything."""
        listener, self._listener = self._listener, None
        with self._lock:
            sockets = [*self._sockets, *([listener] if listener else [])]
            self._sockets.clear()
        for one in sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    @property
    def carries(self) -> bool:
        """Whether a connection is open."""
        with self._lock:
            return bool(self._sockets)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._target_port), 5.0)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            with self._lock:
                self._sockets |= {near, far}
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=(source, sink), name="cable", daemon=True).start()

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 18):
                sink.sendall(data)
        with self._lock:
            self._sockets -= {source, sink}
        for one in (source, sink):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
