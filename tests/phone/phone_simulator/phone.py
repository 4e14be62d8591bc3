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
import threading
import uuid
from collections.abc import Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from phone_simulator import binaries
from phone_simulator.adb_server import AdbServer
from phone_simulator.commands import serve_command
from phone_simulator.faults import Fault
from phone_simulator.invocation import Invocation
from phone_simulator.latency import Variation
from phone_simulator.links import Link, Transport
from phone_simulator.paths import Paths
from phone_simulator.profiles import Profile
from phone_simulator.requests import Requests
from phone_simulator.root import Root
from phone_simulator.shell_service import run_shell
from phone_simulator.sync_service import run_sync
from phone_simulator.tcp_service import forward_tcp
from phone_simulator.tools import serve_tool
from phone_simulator.wire import MAX_PAYLOAD, VERSION, Authentication, Connection, Gone, Service, Stream
from phone_simulator.workbench import Mode, Process, Workbench

FEATURES = ("shell_v2", "cmd", "stat_v2", "ls_v2", "fixed_push_mkdir", "apex", "sendrecv_v2")
_PATIENCE_S = 30.0

T = TypeVar("T")


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
        self._features = features
        self._protocol = protocol
        self._links = [Link(transport, server, self._connection) for transport in transports]
        self._id = uuid.uuid4().hex
        self._active_tools = 0
        self._requests = Requests(self.root.sim, self._act)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"phone {profile.name}", daemon=True)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._reapers: set[asyncio.Task[Any]] = set()

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
        if self._requests.problems and error is None:
            raise RuntimeError("the simulator itself failed") from self._requests.problems[0]

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
        self._requests.start()
        for link in self._links:
            self._spawn(link.keep_registered())

    async def _stop(self) -> None:
        await self._unplug()
        await self._kill_processes()
        if self._reapers:
            await asyncio.wait(self._reapers, timeout=5.0)
        await self._requests.stop()
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.real_runs.close()
        await self._loop.shutdown_default_executor()

    async def _plug(self) -> None:
        for link in self._links:
            await link.plug()

    async def _unplug(self) -> None:
        for link in self._links:
            await link.unplug()

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

    def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Connection:
        props = self.profile.props
        names = ";".join(f"ro.product.{key}={props[f'ro.product.{key}']}" for key in ("name", "model", "device"))
        banner = f"{names};features={','.join(self._features)}"
        version, payload = self._protocol
        return Connection(reader, writer, banner, self.authentication, self._find_service, version, payload)

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
            return lambda stream: forward_tcp(stream, int(rest))
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
        lose_answer = self.cut if self.faults.strikes(Fault.ANSWER_LOST, command) else None
        await run_shell(stream, command, v2, self.paths, environment, self._reap, lose_answer)

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
            self.held_on.append(call.cpus)
            return await serve_tool(self, call, tool)
        finally:
            self._active_tools -= 1
