"""What lets an unmodified Android program for arm64 run on an `AdbdDevice`: emulation, a loader and a C library.

Debian's qemu-user runs arm64 programs, registered in a binfmt_misc that belongs to the device's own user namespace, so
that nothing outside it changes. `bionic/` holds the device's `/system/bin/linker64` and what Android's C library has
and glibc has not; both are compiled by Debian's cross compiler. Mesa and pocl, Debian's for arm64, are the device's
OpenGL and OpenCL. All packages are downloaded and unpacked, none is installed.
"""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from debian_adbd.tree import LINKER, Download, isolated

SUITE = "bookworm"
TOOL_PACKAGES = ("qemu-user-static", "gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross")
ARM64_PACKAGES = (
    "libc6",
    "libegl1",
    "libgles2",
    "libegl-mesa0",
    "libgl1-mesa-dri",
    "pocl-opencl-icd",
    "ocl-icd-libopencl1",
)
_SOURCES = Path(__file__).parent / "bionic"
_TRIPLET = "aarch64-linux-gnu"
_LIBRARIES = f"usr/lib/{_TRIPLET}"
_MOUNTED = (_LIBRARIES, "usr/lib/llvm-15", f"usr/lib/gcc/{_TRIPLET}", "usr/share/glvnd", "usr/share/pocl")
_IN, _OUT = "/tmp/sources", "/tmp/out"  # in the compiler's tree
_COMPILED = "/data/local/tmp/compiled"  # kernels and shaders, as a phone's driver keeps them

# The head of an ELF file for arm64, its bytes that do not matter masked out; F: qemu is opened now, outside the root
_BINFMT = (
    r":arm64:M:0:\x7f\x45\x4c\x46\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:"
    r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:{qemu}:F"
)

# What a phone's init exports. pocl asks hwloc for the memory, which asks /sys; the device's /sys has none of that.
_ENVIRON = f"""EGL_PLATFORM=surfaceless
GALLIUM_DRIVER=llvmpipe
MESA_SHADER_CACHE_DIR={_COMPILED}
POCL_CACHE_DIR={_COMPILED}
HWLOC_SYNTHETIC=NUMANode:1(memory=4GB) pu:2
ANDROID_SDK_LEVEL=34
"""

# pocl links its kernels with the first ld of PATH
_LD = f"""#!/system/bin/sh
exec /usr/bin/{_TRIPLET}-ld.bfd -L/usr/lib/gcc/{_TRIPLET}/12 -L/{_LIBRARIES} "$@"
"""


@dataclass(frozen=True)
class Arm64:
    """What was downloaded and compiled.

    Attributes:
        qemu: the emulator, a static program of this computer.
        tree: Debian's arm64 files.
        compiled: linker64, the libraries of /system/lib64, and `flipping`, a tool that computes one value wrongly.
    """

    qemu: Path
    tree: Path
    compiled: Path

    def install(self, root: Path) -> None:
        """Make a device's root one that runs arm64 programs for Android."""
        linker = root / LINKER.lstrip("/")
        linker.unlink()  # a link to the loader of this computer's processor
        shutil.copy(self.compiled / "linker64", linker)
        for library in self.compiled.glob("lib*.so"):
            place = "vendor/lib64" if library.name == "libOpenCL.so" else "system/lib64"
            shutil.copy(library, root / place / library.name)
        shutil.copytree(self.tree / "etc/OpenCL", root / "etc/OpenCL", dirs_exist_ok=True)
        shutil.copy(self.tree / f"usr/bin/{_TRIPLET}-ld.bfd", root / "usr/bin")
        (root / "lib/ld-linux-aarch64.so.1").symlink_to(f"{_TRIPLET}/ld-linux-aarch64.so.1")
        (root / "system/bin/ld").write_text(_LD)
        (root / "system/bin/ld").chmod(0o755)
        (root / "system/etc").mkdir(exist_ok=True)
        (root / "system/etc/environ").write_text(_ENVIRON)
        (root / _COMPILED.lstrip("/")).mkdir(parents=True)
        lines = [
            'mount -t binfmt_misc binfmt_misc "$1/proc/sys/fs/binfmt_misc"',
            f"printf '%s' '{_BINFMT.format(qemu=self.qemu)}' >\"$1/proc/sys/fs/binfmt_misc/register\"",
        ]
        for name in _MOUNTED:
            (root / name).mkdir(parents=True, exist_ok=True)
            lines.append(f'mount --bind "{self.tree / name}" "$1/{name}"')
        (root / ".sim/mounts").write_text("\n".join(lines) + "\n")


class Android(NamedTuple):
    """What a device needs on which Google's own tool runs, downloaded and built."""

    tree: Path
    helpers: tuple[Path, Path]
    arm64: Arm64
    tool: Path


def why_no_arm64() -> str | None:
    """Return why arm64 programs cannot be run in a namespace of this computer, or None where they can."""
    script = "mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc && test -w /proc/sys/fs/binfmt_misc/register"
    command = isolated("sh", "-c", f"mount -t proc proc /proc && {script}", user_namespace=True)
    probe = subprocess.run(command, capture_output=True, text=True, timeout=20.0, check=False)
    if probe.returncode:
        return (
            "needs user namespaces with a binfmt_misc of their own (Linux 6.7 or newer, not restricted): "
            f"{probe.stderr.strip()!r}"
        )
    return None


def build_arm64(download: Download, folder: Path) -> Arm64:
    """Download, unpack and compile what is not under `folder` yet.

    Raises:
        subprocess.CalledProcessError: the mirror cannot be reached, or the compiler fails; stderr says it.
    """
    tools = download.unpack(SUITE, TOOL_PACKAGES, folder / "arm64-tools")
    tree = download.unpack(SUITE, ARM64_PACKAGES, folder / "arm64-tree", architecture="arm64")
    _merge_usr(tree)
    return Arm64(tools / "usr/bin/qemu-aarch64-static", tree, _compile(tools, tree))


def _merge_usr(tree: Path) -> None:
    """Move what lies in /lib to /usr/lib, as on an installed Debian."""
    for path in sorted((tree / "lib" / _TRIPLET).glob("*")) if (tree / "lib" / _TRIPLET).is_dir() else []:
        path.rename(tree / _LIBRARIES / path.name)


def _compile(tools: Path, tree: Path) -> Path:
    """Compile what stands for Android's loader and libraries, within the compiler's own tree; return its folder."""
    sources, out = tools / _IN[1:], tools / _OUT[1:]
    newest = max(path.stat().st_mtime for path in _SOURCES.iterdir())
    if (out / ".complete").exists() and (out / ".complete").stat().st_mtime >= newest:
        return out
    shutil.rmtree(sources, ignore_errors=True)
    shutil.copytree(_SOURCES, sources)
    out.mkdir(parents=True, exist_ok=True)
    (sources / "empty.c").write_text("")
    for name in ("libEGL.so.1", "libGLESv2.so.2", "libOpenCL.so.1"):
        shutil.copy(tree / _LIBRARIES / name, sources / name)
    alone = "-nostdlib -static -ffreestanding -fno-builtin -fno-stack-protector -fno-tree-loop-distribute-patterns"
    _gcc(tools, *alone.split(), "linker64.c", "-o", f"{_OUT}/linker64")
    _library(
        tools,
        "libc",
        "-fno-stack-protector",
        f"-Wl,--version-script={_IN}/libc.map",
        "libc.c",
        "stdio.c",
        "-lm",
        "-ldl",
    )
    for name in ("libm", "libdl", "liblog"):
        _library(tools, name, "empty.c")  # what they have on a phone is in libc.so here, or in glibc
    _library(tools, "libEGL", "empty.c", "libEGL.so.1")
    _library(tools, "libGLESv2", "empty.c", "libGLESv2.so.2")
    _library(tools, "libOpenCL", "opencl.c", "libOpenCL.so.1")
    _gcc(tools, "-static", "flipping.c", "-lm", "-o", f"{_OUT}/flipping")
    (out / ".complete").touch()
    return out


def _library(tools: Path, name: str, *arguments: str) -> None:
    linking = ("-Wl,--no-as-needed", "-Wl,--unresolved-symbols=ignore-in-shared-libs", f"-Wl,-soname,{name}.so")
    _gcc(tools, "-shared", "-fPIC", *linking, *arguments, "-o", f"{_OUT}/{name}.so")


def _gcc(tools: Path, *arguments: str) -> None:
    """Run the cross compiler in its own root, where its paths are true; a plain name is one of the sources."""
    words = [f"{_IN}/{word}" if (tools / _IN[1:] / word).is_file() else word for word in arguments]
    program = ("chroot", str(tools), f"/usr/bin/{_TRIPLET}-gcc", "-Wall", "-Werror", "-O1")
    command = isolated(*program, *words, user_namespace=True)
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=120.0)
