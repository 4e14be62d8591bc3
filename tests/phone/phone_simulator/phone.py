"""`Phone`: a simulated Android phone that a real adb server connects to over loopback.

with AdbServer(adb, folder) as server, Phone(PIXEL_6, folder / "phone", server=server) as phone:
    device = server.client().device(phone.serial)
    ...
    phone.unplug()
"""

import asyncio
import contextlib
import os
import signal
import socket
import threading
import uuid
from collections.abc import Coroutine
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from phone_simulator import binaries
from phone_simulator.adb_server import AdbServer
from phone_simulator.commands import serve_command
from phone_simulator.faults import Fault
from phone_simulator.invocation import Invocation
from phone_simulator.latency import Variation
from phone_simulator.paths import Paths
from phone_simulator.profiles import Profile
from phone_simulator.root import Root
from phone_simulator.shell_service import run_shell
from phone_simulator.sync_service import run_sync
from phone_simulator.tools import serve_tool
from phone_simulator.wire import MAX_PAYLOAD, VERSION, Authentication, Connection, Gone, Service, Stream
from phone_simulator.workbench import Mode, Process, Workbench

FEATURES = ("shell_v2", "cmd", "stat_v2", "ls_v2", "fixed_push_mkdir", "apex", "sendrecv_v2")
_PATIENCE_S = 30.0

T = TypeVar("T")


class Transport(StrEnum):
    """How the phone hangs on the computer."""

    USB = "usb"  # unplugged, it disappears at once (it is registered as an emulator)
    TCP = "tcp"  # unplugged, it stays as "offline"


class _Link:
    """One transport: a listener and the connections it accepted."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.port = 0
        self.listener: asyncio.Server | None = None
        self.connections: set[Connection] = set()

    @property
    def serial(self) -> str:
        """Return what adb calls the phone on this transport."""
        return f"emulator-{self.port - 1}" if self.transport is Transport.USB else f"127.0.0.1:{self.port}"


class Phone(Workbench):
    """See the module.

    Args:
        profile: which phone.
        folder: where its root is made; may be reused, as flash storage is.
        server: registered there as soon as it starts, and again after the server came back (USB only).
        time_scale: how long a second of the phone lasts here; 1 is real time, 0 takes no time at all.
        seed: of the latency model.
        transports: one or several; two are one phone with two adb serials.
        protocol: version and payload of the wire, to play an old phone.
    """

    def __init__(
        self,
        profile: Profile,
        folder: Path,
        *,
        server: AdbServer | None = None,
        time_scale: float = 0.01,
        seed: int = 0,
        variation: Variation | None = None,
        mode: Mode = Mode.REPLAY,
        transports: tuple[Transport, ...] = (Transport.USB,),
        authentication: Authentication = Authentication.OFF,
        features: tuple[str, ...] = FEATURES,
        protocol: tuple[int, int] = (VERSION, MAX_PAYLOAD),
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        paths = Paths(folder.resolve())
        super().__init__(
            profile,
            paths,
            Root(paths.root, profile),
            time_scale=time_scale,
            seed=seed,
            variation=variation,
            mode=mode,
        )
        self.server = server
        if server:
            self.on_server_kill = server.kill
        self.authentication = authentication
        self.boot_seconds = 0.5
        self.replug_seconds: float | None = 0.3
        """After a fault pulled the cable, it is put back after this time; None leaves it out."""
        self.pushes: list[str] = []
        """Paths of all files that arrived whole."""
        self.disk_limit_bytes: int | None = None
        self.problems: list[BaseException] = []
        """Mistakes of the simulator itself; raised when it is closed."""
        self._features = features
        self._protocol = protocol
        self._links = [_Link(transport) for transport in transports]
        self._id = uuid.uuid4().hex
        self._active_tools = 0
        self._plugged = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"phone {profile.name}", daemon=True)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._reapers: set[asyncio.Task[Any]] = set()
        self._requests = -1

    # -- life

    def __enter__(self) -> "Phone":
        self.root.build()
        self.root.refresh(self.state)
        self._thread.start()
        self._call(self._start())
        self.plug()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_PATIENCE_S)
        self._loop.close()
        if self.problems and error is None:
            raise RuntimeError("the simulator itself failed") from self.problems[0]

    @property
    def serial(self) -> str:
        """Return its first adb serial."""
        return self._links[0].serial

    @property
    def serials(self) -> list[str]:
        """Return all its adb serials."""
        return [link.serial for link in self._links]

    @property
    def port(self) -> int:
        """Return the port of its first transport."""
        return self._links[0].port

    # -- what a test does to it

    def plug(self) -> None:
        """Put the cable in, and wait until the server took notice."""
        self._call(self._plug())

    def unplug(self) -> None:
        """Pull the cable. Detached processes go on."""
        self._call(self._unplug())

    def reboot(self) -> None:
        """Restart: every process ends, the boot id changes, and it is back after `boot_seconds`."""
        self._call(self._reboot())

    def reboot_soon(self) -> None:
        """Restart as `reboot` does, from within a service."""
        self._spawn(self._reboot())

    def freeze(self, frozen: bool = True) -> None:
        """Stop answering, or answer again: the server calls it offline in the end."""
        for link in self._links:
            for connection in link.connections:
                connection.mute = frozen

    def authorize(self) -> None:
        """Tap "Allow" in the dialog."""
        self.authentication = Authentication.OFF
        for link in self._links:
            for connection in list(link.connections):
                self._call(connection.authorize())

    # -- what services and tools ask

    def processes(self) -> list[Process]:
        """Return the processes that run on it now, whoever their parent is."""
        mark = f"PHONE_ID={self._id}".encode()
        found = []
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            with contextlib.suppress(OSError):
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    words = (folder / "cmdline").read_bytes().split(b"\0")[:-1]
                    if len(words) > 1 and words[0].endswith(b"/sh") and not words[1].startswith(b"-"):
                        words = words[1:]  # a script is known by its own name
                    text = self.paths.phone(os.fsdecode(b" ".join(words)))
                    state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
                    if state not in "ZX":
                        found.append(Process(int(folder.name), int(parent), text))
        return found

    def free_bytes(self) -> int:
        """Return the free space of /data."""
        if self.disk_limit_bytes is None:
            return super().free_bytes()
        folder = self.paths.host("/data/local/tmp")
        used = sum(path.lstat().st_size for path in folder.rglob("*"))
        return max(0, self.disk_limit_bytes - used)

    def room_for(self, num_bytes: int) -> bool:
        """Whether a file may grow by `num_bytes`; see `SyncHooks`."""
        if self.faults.strikes(Fault.DISK_FULL):
            return False
        return self.disk_limit_bytes is None or self.free_bytes() >= num_bytes

    async def receiving(self, path: str, num_bytes: int) -> None:
        """A file is arriving; see `SyncHooks`."""
        if self.faults.strikes(Fault.UNPLUG_IN_PUSH, path):
            await self.cut()
            raise Gone

    async def received(self, path: Path) -> None:
        """A file arrived whole; see `SyncHooks`."""
        name = self.paths.phone(str(path))
        self.pushes.append(name)
        if self.faults.strikes(Fault.WRONG_HASH, name):
            with path.open("r+b") as file:
                file.seek(-1, os.SEEK_END)
                last = file.read(1)
                file.seek(-1, os.SEEK_END)
                file.write(bytes([last[0] ^ 0xFF]))
        self.root.replace_elf(path)

    def original(self, path: Path) -> Path:
        """Return where the bytes lie that were pushed to `path`; see `SyncHooks`."""
        return (self.root.elf_of(path) if path.is_file() else None) or path

    # -- inside its thread

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_PATIENCE_S)

    def _spawn(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _reap(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        task = self._spawn(work)
        self._reapers.add(task)
        task.add_done_callback(self._reapers.discard)
        return task

    async def _start(self) -> None:
        self._requests = os.open(self.root.sim / "requests", os.O_RDWR | os.O_NONBLOCK)
        self._loop.add_reader(self._requests, self._read_requests)
        self._spawn(self._keep_registered())

    async def _stop(self) -> None:
        await self._unplug()
        await self._kill_processes()
        if self._reapers:
            await asyncio.wait(self._reapers, timeout=5.0)
        self._loop.remove_reader(self._requests)
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        os.close(self._requests)
        self.real_runs.close()
        await self._loop.shutdown_default_executor()

    async def _plug(self) -> None:
        for link in self._links:
            if link.listener is None:
                link.listener = await asyncio.start_server(
                    lambda reader, writer, link=link: self._accept(link, reader, writer),
                    "127.0.0.1",
                    link.port,
                    reuse_address=True,
                )
                link.port = link.listener.sockets[0].getsockname()[1]
        self._plugged = True
        for link in self._links:
            await self._register(link, patient=True)

    async def _unplug(self) -> None:
        self._plugged = False
        for link in self._links:
            if link.listener:
                link.listener.close()
                link.listener = None
            connections = list(link.connections)
            for connection in connections:
                await connection.close()

    async def cut(self) -> None:
        """Pull the cable because of a fault, from within a service or run, and put it back later."""

        async def pull() -> None:
            await self._unplug()
            if self.replug_seconds is not None:
                await asyncio.sleep(self.replug_seconds)
                await self._plug()

        self._spawn(pull())
        await asyncio.sleep(0)

    async def _reboot(self) -> None:
        await self._unplug()
        await self._kill_processes()
        self.root.new_boot()
        self.state.awake = True
        self.state.fixed_performance = False
        self.state.forced_status = None
        self.refresh()
        await asyncio.sleep(self.boot_seconds)
        await self._plug()

    async def _kill_processes(self) -> None:
        """End everything that runs on the phone; what is being started meanwhile is caught by the next look."""
        while processes := self.processes():
            for process in processes:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)
            await asyncio.sleep(0.005)

    async def _register(self, link: _Link, patient: bool = False) -> None:
        """Tell the server where the phone is."""
        if self.server is None:
            return
        text = (
            f"host:emulator:{link.port}" if link.transport is Transport.USB else f"host:connect:127.0.0.1:{link.port}"
        )
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
            try:
                writer.write(f"{len(text):04x}{text}".encode())
                await writer.drain()
                await asyncio.wait_for(reader.read(), 2.0)
            finally:
                writer.close()
        for _ in range(200 if patient else 0):
            if any(
                connection.online or connection.authentication is Authentication.REFUSED
                for connection in link.connections
            ):
                break
            await asyncio.sleep(0.01)

    async def _keep_registered(self) -> None:
        """A server that was restarted finds what hangs on USB by itself."""
        while True:
            await asyncio.sleep(0.3)
            for link in self._links:
                if self._plugged and link.transport is Transport.USB and not link.connections:
                    await self._register(link)

    async def _accept(self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        props = self.profile.props
        names = ";".join(f"ro.product.{key}={props[f'ro.product.{key}']}" for key in ("name", "model", "device"))
        banner = f"{names};features={','.join(self._features)}"
        connection = Connection(
            reader, writer, banner, self.authentication, self._find_service, self._protocol[0], self._protocol[1]
        )
        link.connections.add(connection)
        try:
            await connection.run()
        finally:
            link.connections.discard(connection)

    def _find_service(self, name: str) -> Service | None:
        kind, _, rest = name.partition(":")
        modes = kind.split(",")
        if modes[0] in ("shell", "exec"):
            v2 = "v2" in modes
            if v2 and "shell_v2" not in self._features:
                return None
            return lambda stream: self._shell(stream, rest, v2)
        if kind == "sync":
            return lambda stream: run_sync(stream, self.paths, self)
        if kind == "reboot":
            return self._reboot_service
        if kind == "tcp":
            return lambda stream: _forward_tcp(stream, int(rest))
        return None

    async def _reboot_service(self, stream: Stream) -> None:
        self.reboot_soon()

    async def _shell(self, stream: Stream, command: str, v2: bool) -> None:
        self.state.pass_time()
        self.refresh()
        if self._active_tools and self.faults.strikes(Fault.UNPLUG_IN_POLL, command):
            await self.cut()
        environment = {
            "PATH": str(self.root.bin),
            "HOME": "/",
            "ANDROID_DATA": str(self.paths.root / "data"),
            "TMPDIR": str(self.paths.root / "data/local/tmp"),
            "PHONE_ID": self._id,
            "LC_ALL": "C.UTF-8",
        }
        await run_shell(stream, command, v2, self.paths, environment, self._reap)

    def _read_requests(self) -> None:
        with contextlib.suppress(BlockingIOError):
            for line in os.read(self._requests, 65536).split():
                self._spawn(self._serve(int(line)))

    async def _serve(self, pid: int) -> None:
        """Act for a waiting process until it is answered or ends."""
        fifo = self.root.sim / str(pid)
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            fifo.unlink(missing_ok=True)
            return
        ended = asyncio.Event()
        self._loop.add_reader(handle, ended.set)
        watching = self._loop.create_task(ended.wait())
        acting = self._loop.create_task(self._act(pid))
        try:
            await asyncio.wait({acting, watching}, return_when=asyncio.FIRST_COMPLETED)
            if acting.done():
                if acting.exception():
                    self.problems.append(acting.exception())
                status = 70 if acting.exception() else acting.result()
                answer = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
                try:
                    os.write(answer, f"{status}\n".encode())
                    await watching
                finally:
                    os.close(answer)
        finally:
            acting.cancel()
            watching.cancel()
            await asyncio.gather(acting, watching, return_exceptions=True)
            self._loop.remove_reader(handle)
            os.close(handle)
            fifo.unlink(missing_ok=True)

    async def _act(self, pid: int) -> int:
        try:
            call = Invocation.of(pid, self.paths)
        except OSError:
            return 1
        elf = self.original(self.paths.host(call.program))
        tool = binaries.identify(elf.read_bytes()) if elf != self.paths.host(call.program) else None
        if elf == self.paths.host(call.program):
            return await serve_command(self, call)
        if tool is None or tool["abi"] not in self.profile.abis:
            await call.complain(f"/system/bin/sh: {call.program}: not executable: 64-bit ELF file\n")
            return 126
        self._active_tools += 1
        try:
            self.runs.append(call.command_line)
            return await serve_tool(self, call, tool)
        finally:
            self._active_tools -= 1


async def _forward_tcp(stream: Stream, port: int) -> None:
    """`tcp:PORT`: connect to a server on the phone."""
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
