"""Debian's adbd and Android's own userland, downloaded from the mirror that this machine's apt is set to and unpacked.

Nothing is installed: apt gets a state of its own with no package in it, and the packages are unpacked into a folder.
Signatures are checked against Debian's archive keys.
"""

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
ADBD_SUITE, ADBD_PACKAGES = "trixie", ("adbd", "toybox", "mksh", "busybox-static")
ADB_SUITE, ADB_PACKAGES = "bookworm", ("adb",)
_C_LIBRARIES = ("libc6", "libgcc-s1", "libstdc++6", "gcc-12-base", "libcrypt1")
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_ISOLATE = ("--mount", "--pid", "--fork", "--kill-child")
LINKER = "/system/bin/linker64"
"""Android's loader; a device has a link of that name to Debian's."""
_HERE = Path(__file__).parent


def why_not() -> str | None:
    """Return why the real adbd cannot be run on this computer, or None where it can."""
    if platform.system() != "Linux" or platform.machine() not in _ARCHITECTURES:
        return f"needs Linux on {' or '.join(_ARCHITECTURES)}, this is {platform.system()} on {platform.machine()}"
    missing = [name for name in ("apt-get", "dpkg-deb", "unshare", "setpriv", "cc") if shutil.which(name) is None]
    if missing:
        return f"needs {', '.join(missing)} (packages apt, dpkg, util-linux, gcc)"
    if not KEYRING.exists():
        return f"needs {KEYRING} (package debian-archive-keyring)"
    if mirror() is None:
        return "apt of this machine is set to no Debian mirror; name one in MOGA_DEBIAN_MIRROR"
    probe = subprocess.run(isolated("true"), capture_output=True, text=True, timeout=20.0, check=False)
    if probe.returncode:
        return f"needs root or user namespaces: unshare says {probe.stderr.strip()!r}"
    return None


def isolated(*command: str, user_namespace: bool = False) -> list[str]:
    """Return a command that runs `command` in own mount and pid namespaces, which end with the calling thread.

    Args:
        user_namespace: in a user namespace of its own as well, also where this process is root.
    """
    user = ("--user", "--map-root-user") if user_namespace or os.geteuid() else ()
    return ["setpriv", "--pdeathsig", "KILL", "unshare", *user, *_ISOLATE, *command]


def mirror() -> str | None:
    """Return $MOGA_DEBIAN_MIRROR, or the Debian mirror of this machine's apt sources; None where they name none."""
    if named := os.environ.get("MOGA_DEBIAN_MIRROR"):
        return named
    folder = Path("/etc/apt/sources.list.d")
    for path in (Path("/etc/apt/sources.list"), *sorted(folder.glob("*.sources")), *sorted(folder.glob("*.list"))):
        text = path.read_text(errors="replace") if path.is_file() else ""
        for pattern in (r"^URIs:\s*(\S+)", r"^deb\s+(?:\[[^]]*\]\s+)?(\S+)"):
            for uri in re.findall(pattern, text, re.MULTILINE):
                if re.search(r"/debian/?$", uri):
                    return str(uri)
    return None


class Download:
    """A private apt: `unpack` brings packages of one suite with what they need into a folder.

    Raises:
        subprocess.CalledProcessError: the mirror cannot be reached, or a signature is wrong; stderr says it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def unpack(
        self,
        suite: str,
        packages: tuple[str, ...],
        into: Path,
        skip: tuple[str, ...] = (),
        architecture: str | None = None,
    ) -> Path:
        """Unpack into `into` and return it; what is there already is left as it is.

        Args:
            skip: packages that are needed and left out.
            architecture: Debian's name of the processor, None for this computer's.
        """
        if (into / ".complete").exists():
            return into
        state = self._folder / f"apt-{suite}-{into.name}"
        for name in ("state/lists/partial", "cache/archives/partial"):
            (state / name).mkdir(parents=True, exist_ok=True)
        (state / "status").touch()
        (state / "sources.list").write_text(f"deb [signed-by={KEYRING}] {mirror()} {suite} main\n")
        architecture = architecture or _ARCHITECTURES[platform.machine()]
        self._apt(state, architecture, "update")
        self._apt(state, architecture, "install", "--download-only", "--no-install-recommends", "--yes", *packages)
        shutil.rmtree(into, ignore_errors=True)
        into.mkdir(parents=True)
        for package in sorted((state / "cache/archives").glob("*.deb")):
            if package.name.partition("_")[0] in skip:
                continue
            subprocess.run(["dpkg-deb", "-x", str(package), str(into)], check=True, capture_output=True, text=True)
        (into / ".complete").touch()
        return into

    def _apt(self, state: Path, architecture: str, *arguments: str) -> None:
        options = {
            "Dir::State": state / "state",
            "Dir::State::status": state / "status",
            "Dir::Cache": state / "cache",
            "Dir::Etc::SourceList": state / "sources.list",
            "Dir::Etc::SourceParts": "/dev/null",
            "APT::Architecture": architecture,
            "APT::Architectures::": architecture,
            "APT::Sandbox::User": "root",
            "Debug::NoLocking": "1",
        }
        command = ["apt-get", "-qq", *(f"-o{name}={value}" for name, value in options.items()), *arguments]
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=300.0)


def debian_adb(download: Download, folder: Path) -> Path:
    """Return a runnable adb of Debian 12 (29.0.6), unpacked under `folder`.

    It runs on this machine's own C library: adb starts its server by its own name, which a loader in front would spoil.
    """
    tree = download.unpack(ADB_SUITE, ADB_PACKAGES, folder / "adb-tree", skip=_C_LIBRARIES)
    libraries = tree / "usr/lib" / f"{platform.machine()}-linux-gnu"
    program = folder / "adb"
    program.write_text(
        f'#!/bin/sh\nexport LD_LIBRARY_PATH="{libraries}/android:{libraries}"\n'
        f'exec "{tree}/usr/lib/android-sdk/platform-tools/adb" "$@"\n'
    )
    program.chmod(0o755)
    return program


def build_helpers(folder: Path) -> tuple[Path, Path]:
    """Compile the library that keeps adbd on loopback and the program that stands for tools; return both."""
    folder.mkdir(parents=True, exist_ok=True)
    library, program = folder / "loopback.so", folder / "tool"
    for command in (
        ["cc", "-O1", "-shared", "-fPIC", "-o", str(library), str(_HERE / "loopback.c"), "-ldl"],
        ["cc", "-O1", f"-Wl,--dynamic-linker={LINKER}", "-o", str(program), str(_HERE / "tool.c")],
    ):
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=60.0)
    return library, program
