"""Files on the phone, by content: nothing is pushed twice, nothing half written is ever used.

/data/local/tmp/mogakit/files/<sha256>/<name>     models, tools and libraries; <sha256> of all files of one model
/data/local/tmp/mogakit/runs/<id>/                one running tool: pid, out, rc
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mogakit.android_runner.adb import Link
from mogakit.android_runner.quoting import quote
from mogakit.errors import DeviceError

ROOT = "/data/local/tmp/mogakit"
_MARGIN_BYTES = 32 * 1024 * 1024  # what a run itself may write: logs, compiled kernels
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A file of this computer that a phone must have.

    Attributes:
        name: the plain name it gets there.
        group: what the files of a model that must lie beside each other have in common, in the form of a hash; empty
            for a file that stands alone.
    """

    source: Path
    sha256: str
    num_bytes: int
    name: str
    executable: bool = False
    group: str = ""

    @property
    def folder(self) -> str:
        """Return the name of the folder that it lies in on the phone."""
        return self.group or self.sha256

    @property
    def remote(self) -> str:
        """Return where it lies on the phone."""
        return remote_path(self.folder, self.name)


def remote_path(sha256: str, name: str, root: str = ROOT) -> str:
    """Return where a file of this content lies on a phone."""
    return f"{root}/files/{sha256}/{name}"


def deploy(
    link: Link, wanted: Sequence[Wanted], advance: Callable[[int], None] | None = None, root: str = ROOT
) -> list[str]:
    """Bring files to the phone that it does not have yet and return the names of those that were pushed.

    Raises:
        DeviceError: too little space, or a file arrived with another hash (twice).
    """
    missing = _missing(link, wanted, root)
    if not missing:
        return []
    needed = sum(item.num_bytes for item in missing) + _MARGIN_BYTES
    free = free_bytes(link)
    if free < needed:
        raise DeviceError(
            f"{link.serial}: {needed / 1e6:.0f} MB are needed and {free / 1e6:.0f} MB are free in /data; make room, or "
            "remove what the kit left with: moga devices clean"
        )
    for item in missing:
        for last_try in (False, True):
            if _push_verified(link, item, advance, root):
                break
            if last_try:
                raise DeviceError(
                    f"{link.serial}: {item.name} arrived with another hash twice; the cable or the storage is bad"
                )
    return [item.name for item in missing]


def free_bytes(link: Link) -> int:
    """Return the free space where the kit's files lie.

    Raises:
        DeviceError: the phone's `df` cannot be read.
    """
    answer = link.shell("df -k /data/local/tmp")
    match = re.search(r"\s(\d+)\s+(\d+)\s+(\d+)\s+\d+%\s+\S+\s*$", answer.stdout)  # a long device name wraps the line
    if match is None:
        raise DeviceError(f"{link.serial}: cannot read the free space from: {answer.stdout.strip()[-200:]}")
    return 1024 * int(match.group(3))


def clean(link: Link, root: str = ROOT) -> int:
    """Remove everything that the kit left on a phone and return how many bytes that were."""
    answer = link.shell(f"du -sk {quote(root)} 2>/dev/null; rm -rf {quote(root)}", timeout_s=120.0)
    size = answer.stdout.split()
    if answer.exit_code:
        raise DeviceError(f"{link.serial}: {root} could not be removed: {answer.stderr.strip()[:300]}")
    return 1024 * int(size[0]) if size and size[0].isdecimal() else 0


def _missing(link: Link, wanted: Sequence[Wanted], root: str) -> list[Wanted]:
    """Return the distinct files whose verified copy is not there; a verified copy has its final name and size."""
    for item in wanted:
        hashes = (item.sha256, item.folder)
        if not all(map(_SHA256.match, hashes)) or "/" in item.name or item.name in ("", ".", ".."):
            raise DeviceError(f"{item.name!r} with hash {item.sha256!r} cannot be the name of a file on the phone")
    distinct = {(item.folder, item.name): item for item in wanted}
    size = link.userland.size('"$f"')
    listing = link.shell(
        f"mkdir -p {quote(root)}/files {quote(root)}/runs && cd {quote(root)}/files && "
        f'for f in */*; do [ -f "$f" ] && echo "$({size}) $f"; done; true',
        timeout_s=60.0,
    )
    if listing.exit_code:
        raise DeviceError(f"{link.serial}: {root} cannot be used: {listing.stderr.strip()[:300]}")
    have = {}
    for line in listing.stdout.splitlines():
        size, _, name = line.partition(" ")
        have[name] = size
    return [item for key, item in distinct.items() if have.get("/".join(key)) != str(item.num_bytes)]


def _push_verified(link: Link, item: Wanted, advance: Callable[[int], None] | None, root: str) -> bool:
    """Push to a temporary name, compare the hash on the phone, rename. Return False where the hash differs."""
    final = quote(remote_path(item.folder, item.name, root))
    folder = quote(f"{root}/files/{item.folder}")
    temporary = f"{root}/files/{item.sha256}.part"
    link.push(item.source, temporary, 0o755 if item.executable else 0o644, advance)
    part = quote(temporary)
    digest = link.userland.digest
    expected = item.sha256 if digest == "sha256" else _digest_of(item.source, digest)
    answer = link.shell(
        f'h=$({digest}sum {part}); if [ "${{h%% *}}" = {expected} ]; then '
        f"mkdir -p {folder} && mv -f {part} {final} && echo stored; else rm -f {part}; echo differs; fi",
        timeout_s=120.0,
    )
    if "stored" in answer.stdout:
        return True
    if "differs" in answer.stdout:
        return False
    raise DeviceError(f"{link.serial}: {item.name} could not be stored: {answer.stderr.strip()[:300]}")


def _digest_of(path: Path, name: str) -> str:
    """Return the hash of a file by an algorithm that an old phone has."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, name).hexdigest()
