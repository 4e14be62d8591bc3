"""Download a tool from the address at which its makers publish it."""

import http.client
import urllib.error
import urllib.request
from pathlib import Path

from mogakit import files
from mogakit.android_runner import tools
from mogakit.android_runner.targets import ToolKind
from mogakit.errors import InputError, MogaKitError
from mogakit.progress import Progress

_TIMEOUT_S = 30.0
_CHUNK = 256 * 1024

ADDRESSES = {
    # nightly builds, replaced under the same address: only their hash says which one was used
    ToolKind.BENCHMARK_MODEL: (
        "https://storage.googleapis.com/tensorflow-nightly-public/prod/tensorflow/release/lite/tools/nightly/latest/"
        "android_aarch64_benchmark_model"
    ),
    ToolKind.BENCHMARK_LITERT: "https://storage.googleapis.com/litert/binaries/latest/android_arm64/benchmark_model",
}


class FetchError(MogaKitError):
    """The download failed; nothing was registered."""


def fetch(name: str, address: str | None, progress: Progress) -> tools.Tool:
    """Download and register a tool; `address` replaces its makers' one.

    Raises:
        InputError: the kit knows no address for `name`, or what came is not a binary of that tool.
        FetchError: the address does not answer, or the download broke off.
    """
    if name not in ADDRESSES:
        supported = ", ".join(ADDRESSES)
        raise InputError(f"{name} cannot be fetched; supported: {supported}. For the others: moga tools add PATH")
    source = address or ADDRESSES[ToolKind(name)]
    if not source.startswith(("https://", "http://")):
        raise InputError(f"{source!r} is not a web address; give one that begins with https://")
    with files.scratch() as folder:
        path = folder / "benchmark_model"
        with files.replacing(path) as temporary:
            _download(source, temporary, name, progress)
        tool = tools.add(path, source=source, versioned=False)
    if tool.kind != name:
        raise FetchError(f"{source} holds {tool.kind}, not {name}; it was registered as what it is")
    return tool


def _download(source: str, path: Path, name: str, progress: Progress) -> None:
    try:
        with urllib.request.urlopen(source, timeout=_TIMEOUT_S) as answer, path.open("wb") as file:
            total = int(answer.headers.get("Content-Length") or 0)
            done = 0
            while chunk := answer.read(_CHUNK):
                file.write(chunk)
                done += len(chunk)
                progress(done, max(total, done), name)
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        raise FetchError(f"{name} could not be fetched from {source}: {error}") from error
    if total and done != total:
        raise FetchError(f"{name}: the download from {source} broke off after {done} of {total} bytes; try again")
