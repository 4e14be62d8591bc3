"""Download a tool from the address at which its makers publish it."""

import http.client
import re
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from mogakit import files
from mogakit.android_runner import tools
from mogakit.android_runner.targets import ToolKind
from mogakit.errors import InputError, MogaKitError
from mogakit.progress import Progress

_TIMEOUT_S = 30.0
_CHUNK = 256 * 1024
_BINARY = b"\x7fELF"
MAX_BYTES = 256 << 20
"""A download that is larger is broken off: the largest tool has a tenth of it."""

_CLASSIC = (
    "https://storage.googleapis.com/tensorflow-nightly-public/prod/tensorflow/release/lite/tools/nightly/latest/"
    "{folder}_benchmark_model"
)
_LITERT = "https://storage.googleapis.com/litert/binaries/{version}/{folder}/benchmark_model"
LATEST = "latest"  # builds that are replaced under the same address: only their hash says which one was used


@dataclass(frozen=True)
class _Published:
    """Where a tool is published: `{folder}` is the ABI's, `{version}` that of a release where there are any."""

    address: str
    folders: dict[str, str]

    @property
    def versioned(self) -> bool:
        return "{version}" in self.address


PUBLISHED = {
    ToolKind.BENCHMARK_MODEL: _Published(_CLASSIC, {"arm64-v8a": "android_aarch64", "armeabi-v7a": "android_arm"}),
    ToolKind.BENCHMARK_LITERT: _Published(
        _LITERT, {"arm64-v8a": "android_arm64", "armeabi-v7a": "android_arm", "x86_64": "android_x86_64"}
    ),
}
DEFAULT_ABI = "arm64-v8a"
_VERSION = re.compile(r"\d+(\.\d+)+[\w.-]*")


class FetchError(MogaKitError):
    """The download failed; nothing was registered."""


def address_of(name: str, abi: str = DEFAULT_ABI, version: str = LATEST) -> str:
    """Return where the makers of a tool publish a build.

    Raises:
        InputError: the kit knows no address for it; the message lists what there is.
    """
    if name not in PUBLISHED:
        supported = ", ".join(PUBLISHED)
        raise InputError(f"{name} cannot be fetched; supported: {supported}. For the others: moga tools add PATH")
    published = PUBLISHED[ToolKind(name)]
    if abi not in published.folders:
        raise InputError(f"{name} is not published for {abi}; supported: {', '.join(published.folders)}")
    if version != LATEST and not published.versioned:
        raise InputError(f"{name} is published without versions; leave out the version ({version})")
    if version != LATEST and not _VERSION.fullmatch(version):
        raise InputError(f"{version!r} is not a version; give one like 2.1.5, or {LATEST}")
    return published.address.format(folder=published.folders[abi], version=version)


def fetch(
    name: str, address: str | None, progress: Progress, abi: str = DEFAULT_ABI, version: str = LATEST
) -> tools.Tool:
    """Download and register a tool; `address` replaces its makers' one.

    Args:
        abi: of the phone, in Android's names.
        version: of a release; `latest` is a build that its makers replace.

    Raises:
        InputError: the kit knows no address for `name`, or what came is not a binary of that tool.
        FetchError: the address does not answer, or the download broke off.
    """
    published = address_of(name, abi, version)
    source = address or published
    if not source.startswith(("https://", "http://")):
        raise InputError(f"{source!r} is not a web address; give one that begins with https://")
    with files.scratch() as folder:
        path = folder / "benchmark_model"
        with files.replacing(path) as temporary:
            _download(source, temporary, name, progress)
        tool = tools.add(path, source=source, versioned=address is None and version != LATEST)
    if address is None and tool.abi != abi:
        raise FetchError(f"{source} holds a build for {tool.abi}, not {abi}; it was registered as what it is")
    if tool.kind != name:
        raise FetchError(f"{source} holds {tool.kind}, not {name}; it was registered as what it is")
    return tool


def _download(source: str, path: Path, name: str, progress: Progress) -> None:
    try:
        with urllib.request.urlopen(source, timeout=_TIMEOUT_S) as answer, path.open("wb") as file:
            if source.startswith("https://") and not answer.url.startswith("https://"):
                raise FetchError(f"{name}: {source} leads to {answer.url}, which is not encrypted; nothing was fetched")
            length = answer.headers.get("Content-Length") or ""
            total = int(length) if length.isdecimal() else 0
            done = 0
            while chunk := answer.read(_CHUNK):
                if not done and not chunk.startswith(_BINARY):
                    raise InputError(f"{source} is not an ELF binary: it begins with {chunk[:16]!r}")
                if max(total, done + len(chunk)) > MAX_BYTES:
                    raise FetchError(f"{source} holds more than {MAX_BYTES >> 20} MiB, which {name} does not have")
                file.write(chunk)
                done += len(chunk)
                progress(done, max(total, done), name)
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        raise FetchError(f"{name} could not be fetched from {source}: {error}") from error
    if total and done != total:
        raise FetchError(f"{name}: the download from {source} broke off after {done} of {total} bytes; try again")
