"""Several phones at once: one thread a phone, its targets one after the other, one run folder for each.

    RUN/<device>/<target>/lut.json

Phones do not wait for each other, and one that fails does not stop the others: what went wrong is told at the end.
Ctrl-C ends them all, each of them undoing what it changed.
"""

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from mogakit.bench.target import Target
from mogakit.errors import DeviceError, MogaKitError
from mogakit.flows.devices import PhoneRequest, open_runner
from mogakit.flows.effort import FULL_PHONE, QUICK_PHONE
from mogakit.flows.profile import (
    ProfileRequest,
    ProfileResult,
    calibration_networks,
    export_for_profile,
    profile,
)
from mogakit.flows.runs import RunFolder
from mogakit.flows.sampling import slot_space
from mogakit.progress import Progress, silent

_WAKE_S = 0.5  # how often the main thread looks whether it was interrupted


@dataclass(frozen=True)
class FleetOutcome:
    """What became of one device and target: a table, or why there is none."""

    request: ProfileRequest
    result: ProfileResult | None
    error: str | None


class Stopped(BaseException):
    """Raised in a phone's thread when the whole job was interrupted; passes through like Ctrl-C itself."""


def folder_of(root: Path, device: str, target: Target) -> Path:
    """Return the run folder of one device and target under the fleet's folder."""
    return root / _plain(device) / _plain(str(target))


def profile_fleet(
    requests: Sequence[ProfileRequest],
    root: Path,
    phone: PhoneRequest | None = None,
    progresses: Mapping[str, Progress] | None = None,
    exporting: Progress = silent,
) -> list[FleetOutcome]:
    """Profile every request; those of one device run one after the other, devices side by side.

    Args:
        root: the fleet's folder, in which files are exported once for all devices.
        progresses: by device.
        exporting: of the export, before any device is opened.

    Raises:
        KeyboardInterrupt: after every phone was let go.
    """
    devices = list(dict.fromkeys(request.device for request in requests))
    exported = _export_once(requests, root, exporting)
    stop = threading.Event()

    def rest(seconds: float) -> None:
        if stop.wait(seconds):
            raise Stopped

    def work(device: str) -> list[FleetOutcome]:
        shown = (progresses or {}).get(device, silent)
        mine = [request for request in requests if request.device == device]
        return [_one(request, exported[request], phone, shown, rest) for request in mine]

    with ThreadPoolExecutor(max_workers=len(devices)) as pool:
        futures: list[Future[list[FleetOutcome]]] = [pool.submit(work, device) for device in devices]
        try:
            while wait(futures, _WAKE_S).not_done:
                pass
        except KeyboardInterrupt:
            stop.set()
            wait(futures)
            raise
    done = [outcome for future in futures for outcome in future.result()]
    return [next(outcome for outcome in done if outcome.request == request) for request in requests]


def _one(
    request: ProfileRequest,
    exported: Path,
    phone: PhoneRequest | None,
    progress: Progress,
    rest: Callable[[float], None],
) -> FleetOutcome:
    def advance(done: int, total: int, note: str) -> None:
        rest(0.0)  # a stopped job ends between two runs as well
        progress(done, total, f"{request.target}: {note}")

    try:
        with open_runner(request.device, request.clock, phone, rest) as runner:
            return FleetOutcome(request, profile(request, runner, advance, exported), None)
    except (MogaKitError, OSError) as error:
        return FleetOutcome(request, None, str(error))


def _export_once(requests: Sequence[ProfileRequest], root: Path, progress: Progress) -> dict[ProfileRequest, Path]:
    """Export what the requests need, once for each target however many devices it is measured on."""
    folders: dict[ProfileRequest, Path] = {}
    exported: set[Path] = set()
    for request in requests:
        effort = QUICK_PHONE if request.quick else FULL_PHONE
        space = slot_space(request.space, request.input_size)
        networks = calibration_networks(space, effort.num_calibration, request.seed)
        folders[request] = root / "files" / _plain(str(request.target))
        if folders[request] not in exported and not RunFolder(request.folder).files.exists():
            exported.add(folders[request])
            export_for_profile(space, networks, request.target, folders[request], progress)
    return folders


def _plain(text: str) -> str:
    """Return a text as the name of a folder."""
    name = re.sub(r"[^0-9A-Za-z._,=-]+", "-", text).strip("-.")
    if not name:
        raise DeviceError(f"{text!r} cannot name a folder")
    return name
