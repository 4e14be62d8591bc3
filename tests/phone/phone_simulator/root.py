"""The phone's file system: a private folder with the files and the commands that the kit's shell text names."""

import hashlib
import os
import shutil
import threading
import uuid
from pathlib import Path

from phone_simulator.paths import SED_PATTERN
from phone_simulator.profiles import Profile
from phone_simulator.state import State

HOST_TOOLS = tuple(
    """[ base64 basename cat chmod cmp comm cp cut date dd dirname du echo env expr false find fold grep head hostname
    id ln ls mkdir mkfifo mktemp mv nl nohup od paste printf pwd readlink realpath rm rmdir sed seq setsid sleep sort
    split stat strings sync tail tee test timeout touch tr true uname uniq wc which xargs xxd""".split()  # noqa: SIM905
)
"""Commands of this computer that stand for toybox's of the same name; a phone has no others."""

SERVED = tuple(
    "cmd settings-change svc input reboot am pm wm df ps pidof pgrep pkill killall dumpsys-change su".split()  # noqa: SIM905
)
"""Commands that the simulator itself answers."""

_STUB = """#!/bin/sh
# {mark}
{mkfifo} "{sim}/$$" && (echo "$$" > "{sim}/requests") && read -r code < "{sim}/$$"
exit "${{code:-137}}"
"""

_GETPROP = """#!/bin/sh
[ $# = 0 ] && exec cat "{sim}/props"
while IFS= read -r line; do
  case $line in "[$1]: ["*) value=${{line#*: [}}; printf '%s\\n' "${{value%]}}"; exit 0;; esac
done < "{sim}/props"
printf '%s\\n' "${{2-}}"
"""

_DUMPSYS = """#!/bin/sh
if [ $# = 1 ]; then
  [ -f "{sim}/dumpsys/$1" ] && exec cat "{sim}/dumpsys/$1"
  echo "Can't find service: $1" >&2; exit 0
fi
exec "{bin}/dumpsys-change" "$@"
"""

_SETTINGS = """#!/bin/sh
if [ "$1" = get ] && [ $# = 3 ] && [ -f "{sim}/settings/$2" ]; then
  while IFS= read -r line; do
    case $line in "$3="*) printf '%s\\n' "${{line#*=}}"; exit 0;; esac
  done < "{sim}/settings/$2"
  echo null; exit 0
fi
exec "{bin}/settings-change" "$@"
"""

_SH = """#!/bin/sh
case "${{1--}}" in -*) exec /bin/sh "$@";; esac
[ -r "$1" ] || exec /bin/sh "$@"
script=$1; shift
exec /bin/sh -c "$({sed} -E '{pattern}' "$script")" "$script" "$@"
"""

_HASH = """#!/bin/sh
out=$({real} "$@"); code=$?
[ -n "$out" ] && printf '%s\\n' "$out" | while IFS= read -r line; do
  hash=${{line%% *}}
  if [ -f "{sim}/elf-sums/$hash" ]; then
    read -r original < "{sim}/elf-sums/$hash"
    line=$original${{line#"$hash"}}
  fi
  printf '%s\\n' "$line"
done
exit $code
"""

_TASKSET = """#!/bin/sh
mask=$1; shift
case $mask in ''|*[!0-9a-fA-F]*) echo "taskset: bad mask '$mask'" >&2; exit 1;; esac
read -r legal < "{sim}/online-mask"
if [ $((0x$mask & 0x$legal)) -ne $((0x$mask)) ] || [ $((0x$mask)) -eq 0 ]; then
  echo "taskset: sched_setaffinity: Invalid argument" >&2; exit 1
fi
PHONE_CPUS=$mask exec "$@"
"""

MARK = "simulated-elf sha256="


class Root:
    """The folder; `build` makes it, `refresh` rewrites what follows the phone's state."""

    def __init__(self, folder: Path, profile: Profile) -> None:
        self.folder = folder
        self.sim = folder / ".sim"
        self.bin = folder / "system" / "bin"
        self._profile = profile
        self._written: dict[Path, str] = {}
        self._writing = threading.Lock()  # a test's own thread may change the state, too

    def build(self) -> None:
        """Make files and commands."""
        for name in ("data/local/tmp", "sdcard", "vendor/lib64", "system/lib64", "proc/sys/kernel/random", "sys"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for name in ("dumpsys", "elf", "elf-sums"):
            (self.sim / name).mkdir(parents=True, exist_ok=True)
        self.bin.mkdir(parents=True, exist_ok=True)
        if not (self.sim / "requests").exists():
            os.mkfifo(self.sim / "requests")
        self._commands()
        self.write("vendor/etc/empty", "")
        self.write(
            "proc/cpuinfo", "".join(f"processor\t: {n}\n\n" for n in range(self.num_cpus)) + "Hardware\t: ARMv8\n"
        )
        self.write(
            "proc/meminfo", "MemTotal:        7731712 kB\nMemFree:          812340 kB\nMemAvailable:    4212340 kB\n"
        )
        self.write("proc/version", "Linux version 5.10.209-android13-4 (build-user@build-host) #1 SMP PREEMPT\n")
        self.write("proc/loadavg", "0.62 0.58 0.55 1/4096 31415\n")
        self.write("proc/uptime", "86400.12 600000.00\n")
        if self._profile.opencl:
            self.write("vendor/lib64/libOpenCL.so", "")
        self.properties()
        self.new_boot()

    @property
    def num_cpus(self) -> int:
        """Return the number of cores, switched off ones included."""
        return sum(len(cluster.cpus) for cluster in self._profile.clusters)

    def new_boot(self) -> None:
        """Write another boot id, as a reboot does."""
        self.write("proc/sys/kernel/random/boot_id", f"{uuid.uuid4()}\n")

    @property
    def boot_id(self) -> str:
        """Return the id of this boot."""
        return (self.folder / "proc/sys/kernel/random/boot_id").read_text().strip()

    def write(self, name: str, text: str, mode: int = 0o644) -> None:
        """Write a small file if its text changed, so that a reader never sees half of it."""
        path = self.folder / name
        with self._writing:
            if self._written.get(path) == text:
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{path.name}.new")
            temporary.write_text(text)
            temporary.chmod(mode)
            temporary.replace(path)
            self._written[path] = text

    def _command(self, name: str, text: str) -> None:
        self.write(f"system/bin/{name}", text, 0o755)

    def _commands(self) -> None:
        tools = {name: shutil.which(name) for name in (*HOST_TOOLS, "mkfifo", "sha256sum", "md5sum", "sha1sum", "sed")}
        for name in HOST_TOOLS:
            link = self.bin / name
            if tools[name] and not link.exists():
                link.symlink_to(str(tools[name]))
        values = {"sim": self.sim, "bin": self.bin, "mkfifo": tools["mkfifo"], "sed": tools["sed"]}
        for name in SERVED:
            self._command(name, _STUB.format(mark=name, **values))
        self.state_commands(str(self.sim), str(self.bin))
        self._command("taskset", _TASKSET.format(**values))
        self._command("sh", _SH.format(pattern=SED_PATTERN.replace("ROOT", str(self.folder)), **values))
        for name in ("sha256sum", "md5sum", "sha1sum"):
            self._command(name, _HASH.format(real=tools[name], **values))

    def state_commands(self, sim: str, commands: str) -> None:
        """Make the commands that show the state; `sim` and `commands` are their folders as they see them."""
        for name, text in (("getprop", _GETPROP), ("dumpsys", _DUMPSYS), ("settings", _SETTINGS)):
            self._command(name, text.format(sim=sim, bin=commands))

    def properties(self) -> None:
        """Write what `getprop` shows."""
        props = "".join(f"[{key}]: [{value}]\n" for key, value in sorted(self._profile.props.items()))
        self.write(".sim/props", props)

    def refresh(self, state: State) -> None:
        """Write what the phone's state shows in files."""
        for cluster in self._profile.clusters:
            related = " ".join(map(str, cluster.cpus))
            for cpu in cluster.cpus:
                base = f"sys/devices/system/cpu/cpu{cpu}"
                if state.hides_clocks:
                    shutil.rmtree(self.folder / base, ignore_errors=True)
                    continue
                limit = state.frequency_limit(cluster.max_khz)
                for name, value in (
                    ("cpuinfo_max_freq", cluster.max_khz),
                    ("cpuinfo_min_freq", cluster.min_khz),
                    ("scaling_max_freq", limit),
                    ("scaling_min_freq", cluster.min_khz),
                    ("scaling_cur_freq", limit),
                    ("scaling_governor", "sched_pixel" if self._profile.name.startswith("pixel") else "walt"),
                    ("related_cpus", related),
                ):
                    self.write(f"{base}/cpufreq/{name}", f"{value}\n")
                self.write(f"{base}/cpu_capacity", f"{cluster.capacity}\n")
        online = [cpu for cpu in range(self.num_cpus) if cpu not in state.offline_cpus]
        self.write("sys/devices/system/cpu/present", f"0-{self.num_cpus - 1}\n")
        self.write("sys/devices/system/cpu/possible", f"0-{self.num_cpus - 1}\n")
        self.write("sys/devices/system/cpu/online", _ranges(online) + "\n")
        self.write(".sim/online-mask", f"{sum(1 << cpu for cpu in online):x}\n")
        self.write("sys/class/thermal/thermal_zone0/type", "soc_max\n")
        self.write("sys/class/thermal/thermal_zone0/temp", f"{round(state.temperature_c * 1000)}\n")
        for space, settings in state.settings.items():
            lines = (f"{key}={value}\n" for key, value in sorted(settings.items()))
            self.write(f".sim/settings/{space}", "".join(lines))
        self.write("proc/stat", state.ticks_text())
        self.write(".sim/dumpsys/battery", state.battery_text())
        self.write(".sim/dumpsys/thermalservice", state.thermal_text())
        self.write(".sim/dumpsys/power", state.power_text())
        self.write(".sim/dumpsys/display", state.display_text())
        self.write(".sim/dumpsys/SurfaceFlinger", state.surfaceflinger_text())

    # -- binaries: an ELF of the phone cannot run here, so a stub of the same size lies in its place

    def replace_elf(self, path: Path) -> None:
        """Put a stub where an ELF file was pushed; its sums, size and bytes stay those of the original."""
        data = path.read_bytes()
        if data[:4] != b"\x7fELF":
            return
        digest = hashlib.sha256(data).hexdigest()
        (self.sim / "elf" / digest).write_bytes(data)
        text = _STUB.format(mark=MARK + digest, sim=self.sim, mkfifo=shutil.which("mkfifo")).encode()
        stub = text + b"#" * max(0, len(data) - len(text))
        entry = path.stat()
        path.write_bytes(stub)
        os.utime(path, ns=(entry.st_atime_ns, entry.st_mtime_ns))
        for algorithm in ("sha256", "md5", "sha1"):
            original = hashlib.new(algorithm, data).hexdigest()
            (self.sim / "elf-sums" / hashlib.new(algorithm, stub).hexdigest()).write_text(original + "\n")

    def elf_of(self, path: Path) -> Path | None:
        """Return where the original of a stub lies, or None where `path` is no stub."""
        with path.open("rb") as file:
            head = file.read(120)
        start = head.find(MARK.encode())
        if not head.startswith(b"#!/bin/sh\n# ") or start < 0:
            return None
        digest = head[start + len(MARK) :].split(b"\n")[0].decode()
        return self.sim / "elf" / digest


def _ranges(numbers: list[int]) -> str:
    """Write numbers as the kernel does: 0-3,6."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and parts[-1][-1] == number - 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ",".join(str(p[0]) if len(p) == 1 else f"{p[0]}-{p[-1]}" for p in parts)
