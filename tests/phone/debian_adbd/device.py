"""`AdbdDevice`: Android's real adbd, shell and userland in namespaces of this computer, as a phone for tests.

with AdbdDevice(tree, helpers, folder, server=server) as device:
    ...
    device.unplug()
"""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from adbutils.errors import AdbError
from debian_adbd.arm64 import Arm64
from debian_adbd.cable import Cable
from debian_adbd.tool_server import RemoteCall, ToolServer
from debian_adbd.tree import LINKER, isolated
from phone_simulator import binaries
from phone_simulator.adb_server import AdbServer, free_port
from phone_simulator.binaries import Abi, Tool
from phone_simulator.commands import serve_command
from phone_simulator.latency import Variation
from phone_simulator.paths import Paths
from phone_simulator.profiles import PIXEL_6, Cluster, Profile
from phone_simulator.root import Root
from phone_simulator.run import Ended
from phone_simulator.tools import serve_tool
from phone_simulator.workbench import Mode, Process, Workbench

ABI = {"x86_64": Abi.X86_64, "aarch64": Abi.ARM64}[os.uname().machine]
BUSYBOX = ("awk", "tr", "expr", "dd", "diff", "gzip", "stty", "fold", "mktemp", "timeout")
_OUTSIDE = ("cmd", "settings-change", "svc", "input", "am", "pm", "wm", "su", "dumpsys-change")
_FORBIDDEN = ("reboot", "halt", "poweroff", "init", "sh")
_PATIENCE_S = 15.0

# $1 root, $2 port: what must be mounted, then the phone's own first process
_OUTER = """
set -e
mount --make-rprivate / 2>/dev/null || true
mount -t tmpfs -o size=16m,mode=0755 dev "$1/dev"
for name in null zero full random urandom; do : >"$1/dev/$name"; mount --bind "/dev/$name" "$1/dev/$name"; done
mkdir "$1/dev/pts"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$1/dev/pts"
ln -s pts/ptmx "$1/dev/ptmx"
mount -t proc proc "$1/proc"
mount --bind "$1/.sim/boot_id" "$1/proc/sys/kernel/random/boot_id"
[ ! -e "$1/.sim/mounts" ] || . "$1/.sim/mounts"
: >"$1/dev/boot"
exec env -i PATH=/system/bin "$(command -v chroot)" "$1" /system/bin/sh /.sim/init "$2"
"""

_INIT = """
export HOME=/ ANDROID_DATA=/data TMPDIR=/data/local/tmp LD_PRELOAD=/system/lib64/loopback.so ADBD_PORT=$1
while :; do
  /usr/sbin/adbd >/.sim/adbd.log 2>&1 &
  wait $!
  if [ -e /dev/rebooting ]; then
    rm /dev/rebooting
    cat /proc/sys/kernel/random/uuid >/.sim/boot_id
    sleep 0.5
  fi
  sleep 0.2
done
"""

_REBOOT = """#!/system/bin/sh
# without a pid namespace of its own this would end everything on the computer
[ -e /dev/boot ] || exit 1
: >/dev/rebooting
kill -9 -1
"""


def this_computer(serialno: str = "DEBIANADBD01") -> Profile:
    """Return a profile with this computer's processor, cores and nothing else to compute with."""
    cores = Cluster(tuple(range(os.cpu_count() or 1)), 500_000, 2_800_000, 1024, 1.0)
    named = {"ro.product.model": "Debian adbd", "ro.serialno": serialno, "ro.boot.serialno": serialno}
    props = PIXEL_6.props | named | {"ro.product.cpu.abi": ABI, "ro.product.cpu.abilist": ABI}
    return replace(PIXEL_6, name="debian-adbd", serialno=serialno, props=props, clusters=(cores,), abis=(ABI,))


class AdbdDevice(Workbench):
    """See the module.

    Args:
        tree: unpacked packages; copied, so that a device has a root of its own.
        helpers: the library and the program of `tree.build_helpers`.
        folder: where the root is made.
        arm64: what lets programs for Android on arm64 run; the stand-ins for tools do not run on such a device.
    """

    def __init__(
        self,
        tree: Path,
        helpers: tuple[Path, Path],
        folder: Path,
        *,
        server: AdbServer,
        profile: Profile | None = None,
        time_scale: float = 0.01,
        seed: int = 0,
        variation: Variation | None = None,
        mode: Mode = Mode.REPLAY,
        arm64: Arm64 | None = None,
    ) -> None:
        paths = Paths(folder.resolve() / "root")
        profile = profile or this_computer()
        root = Root(paths.root, profile)
        super().__init__(profile, paths, root, time_scale=time_scale, seed=seed, variation=variation, mode=mode)
        self.server = server
        self.replug_seconds = 0.5
        self.on_server_kill = server.kill
        self._tree = tree
        self._arm64 = arm64
        self._library, self._program = helpers
        self._port = free_port()
        self._cable = Cable(self._port)
        self._outer: subprocess.Popen[bytes] | None = None
        self._tools = ToolServer(root.sim / "socket", self._answer, self._make, self.real_runs.close)
        self._plugged = False
        self._leaving = threading.Event()
        self._watcher = threading.Thread(target=self._keep_registered, name="adbd watcher", daemon=True)

    # -- life

    def __enter__(self) -> "AdbdDevice":
        self._build()
        self._tools.start()
        try:
            self.power_on()
            self.plug()
        except BaseException:
            self._cable.pull()
            self.power_off()
            self._tools.stop()
            raise
        self._watcher.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leaving.set()
        self._watcher.join(_PATIENCE_S)
        self.unplug()
        self.power_off()
        self._tools.stop()
        if self._tools.problems and error is None:
            raise RuntimeError("the harness itself failed") from self._tools.problems[0]

    @property
    def serial(self) -> str:
        """Return what adb calls the device."""
        return f"emulator-{self._cable.port - 1}"

    def power_on(self) -> None:
        """Start the namespaces and wait until adbd listens."""
        log = (self.paths.root / ".sim/outer.log").open("wb")
        with log:
            self._outer = subprocess.Popen(
                isolated(
                    *("sh", "-c", _OUTER, "outer", str(self.paths.root), str(self._port)),
                    user_namespace=self._arm64 is not None,
                ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._wait_for_port()

    def power_off(self) -> None:
        """End everything at once, as if the battery were taken out."""
        if self._outer:
            self._outer.kill()  # the first process of the namespaces goes with it, and so all others
            self._outer.wait()
            self._outer = None
        deadline = time.monotonic() + _PATIENCE_S
        while self.processes() and time.monotonic() < deadline:
            time.sleep(0.02)

    # -- what a test does to it

    def plug(self) -> None:
        """Put the cable in and wait until the server lists the device."""
        self._cable.plug()
        self._plugged = True
        self._register()
        deadline = time.monotonic() + _PATIENCE_S
        while self._state() != "device":
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.serial} is {self._state()}: {self._logs()}")
            time.sleep(0.05)

    def unplug(self) -> None:
        """Pull the cable; what runs goes on."""
        self._plugged = False
        self._cable.pull()

    def kill_adbd(self) -> None:
        """End adbd alone; init starts another."""
        os.kill(self._adbd(), signal.SIGKILL)

    def freeze(self, frozen: bool = True) -> None:
        """Stop adbd without ending it, or let it go on."""
        os.kill(self._adbd(), signal.SIGSTOP if frozen else signal.SIGCONT)

    def write_tool(self, folder: Path, tool: Tool, version: str = "") -> Path:
        """Write a program that this device can run and that plays `tool`."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / str(tool)
        path.write_bytes(self._program.read_bytes() + binaries.mark(tool, version, ABI))
        path.chmod(0o755)
        return path

    def processes(self) -> list[Process]:
        """Return the processes whose root is the device's."""
        found = []
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                with suppress(OSError):
                    if (folder / "root").readlink() == self.paths.root:
                        text = os.fsdecode((folder / "cmdline").read_bytes().replace(b"\0", b" ").strip())
                        parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                        found.append(Process(int(folder.name), parent, text))
        return found

    async def cut(self) -> None:
        """Pull the cable for a moment."""
        self.unplug()
        threading.Timer(self.replug_seconds, self.plug).start()
        await asyncio.sleep(0)

    def reboot_soon(self) -> None:
        """Restart by the device's own command."""
        with suppress(OSError, AdbError), self.server.client().device(self.serial).open_transport() as transport:
            transport.send_command("shell:reboot")
            transport.check_okay()

    # -- inside

    def _build(self) -> None:
        """Make the root: Debian's files in Android's places, and the commands that show a phone's state."""
        root = self.paths.root
        shutil.copytree(self._tree, root, symlinks=True)
        for name in ("bin", "sbin", "lib", "lib64"):
            if not (root / name).exists():
                (root / name).symlink_to(f"usr/{name}")
        for name in (
            "dev",
            "proc",
            "data/local/tmp",
            "sdcard",
            "system/bin",
            "system/lib64",
            "vendor/lib64",
            ".sim/dumpsys",
        ):
            (root / name).mkdir(parents=True, exist_ok=True)
        shutil.copy(self._library, root / "system/lib64/loopback.so")
        shell = root / "usr/bin/sh"
        shell.unlink(missing_ok=True)
        shell.symlink_to("mksh")
        (root / "system/bin/sh").symlink_to("/usr/bin/mksh")
        loader = next(self._tree.glob("usr/lib*/ld-linux*.so.*"))
        (root / LINKER.lstrip("/")).symlink_to("/" + str(loader.relative_to(self._tree)))
        # the kit asks for what a program is linked against where a phone's own libraries lie
        (libc,) = self._tree.glob("usr/lib/*-linux-gnu/libc.so.6")
        (root / "system/lib64" / libc.name).symlink_to("/" + str(libc.relative_to(self._tree)))
        self.root.write("etc/group", "root:x:0:\nshell:x:2000:\n")
        self.root.write("etc/passwd", "root:x:0:0:root:/:/system/bin/sh\nshell:x:2000:2000::/:/system/bin/sh\n")
        for name in self._applets():
            (root / "system/bin" / name).symlink_to("/usr/bin/toybox")
        for name in BUSYBOX:
            if not (root / "system/bin" / name).is_symlink():
                (root / "system/bin" / name).symlink_to("/usr/bin/busybox")
        self.root.state_commands("/.sim", "/system/bin")
        for name in _OUTSIDE:
            command = root / "system/bin" / name
            command.unlink(missing_ok=True)  # a link of the phone points outside when it is followed from here
            shutil.copy(self._program, command)
        self.root.write("system/bin/reboot", _REBOOT, 0o755)
        self.root.write(".sim/init", _INIT)
        (root / ".sim/boot_id").write_text("00000000-0000-4000-8000-000000000000\n")
        self.root.properties()
        self.root.refresh(self.state)
        if self._arm64 is not None:
            self._arm64.install(root)

    def _applets(self) -> list[str]:
        """Return the commands that toybox holds, without those that end a computer."""
        loaders = sorted((self._tree / "usr").glob("lib*/ld-linux*.so.*"))
        libraries = ":".join(str(path) for path in (self._tree / "usr/lib").glob("*-linux-gnu"))
        command = [str(loaders[0]), "--library-path", libraries, str(self._tree / "usr/bin/toybox")]
        names = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20.0).stdout.split()
        return [name for name in names if name not in _FORBIDDEN]

    def _make(self, words: list[str], variables: dict[str, str]) -> RemoteCall:
        return RemoteCall(-1, words[0], words[1:], variables, self.paths)

    async def _answer(self, call: RemoteCall) -> int:
        program = self.paths.host(call.program)
        tool = binaries.identify(program.read_bytes()) if "/" in call.program and program.is_file() else None
        if tool is None:
            return await serve_command(self, call)
        self.runs.append(call.command_line)
        self.held_on.append(call.cpus)
        try:
            return await serve_tool(self, call, tool)
        except Ended as ended:  # nobody reads what it still has to say
            return ended.status

    def _adbd(self) -> int:
        return next(process.pid for process in self.processes() if process.text.startswith("/usr/sbin/adbd"))

    def _state(self) -> str:
        with suppress(OSError):
            listed = {info.serial: info.state for info in self.server.client().list()}
            return str(listed.get(self.serial, "absent"))
        return "without a server"

    def _register(self) -> None:
        text = f"host:emulator:{self._cable.port}"
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.server.port), 5.0) as talk:
            talk.sendall(f"{len(text):04x}{text}".encode())
            talk.settimeout(2.0)
            while talk.recv(100):
                pass

    def _keep_registered(self) -> None:
        """A server that was restarted finds what hangs on USB by itself."""
        while not self._leaving.wait(0.3):
            if self._plugged and not self._cable.carries:
                self._register()

    def _wait_for_port(self) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 1.0):
                return
            if time.monotonic() > deadline or self._outer is None or self._outer.poll() is not None:
                raise TimeoutError(f"adbd does not listen: {self._logs()}")
            time.sleep(0.05)

    def _logs(self) -> str:
        texts = (self.paths.root / ".sim" / name for name in ("outer.log", "adbd.log"))
        return " | ".join(path.read_text(errors="replace")[-1000:] for path in texts if path.is_file())
