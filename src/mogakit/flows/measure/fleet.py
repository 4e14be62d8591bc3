"""Several devices at once: one thread a device, the targets of a phone by turns, one run folder for each.

    RUN/<device>/<target>/lut.json

Phones do not wait for each other, and one that fails does not stop the others: what went wrong is reported at the end.
Ctrl-C ends them all, each of them undoing what it changed.
"""

import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path

from mogakit.bench.target import Target
from mogakit.errors import DeviceError, MogaKitError
from mogakit.flows.measure.devices import HOST, PhoneRequest, open_runner
from mogakit.flows.measure.effort import FULL_PHONE, QUICK_PHONE
from mogakit.flows.measure.operator_profiles import check_profilable
from mogakit.flows.measure.profile import ProfileRequest, calibration_networks, default_blocks, export_for_profile
from mogakit.flows.measure.runs import RunFolder
from mogakit.flows.measure.sampling import blocks_to_measure
from mogakit.flows.measure.turns import TargetOutcome, profile_by_turns
from mogakit.nets.spaces import get_space
from mogakit.progress import Progress, silent

_WAKE_S = 0.5  # how often the main thread looks whether it was interrupted


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
    per_op: bool = False,
) -> list[TargetOutcome]:
    """Profile every request, devices side by side, and return the outcomes in the order of `requests`.

    Args:
        requests: no two for the same folder.
        root: the fleet's folder, in which files are exported once for all devices.
        progresses: by device.
        exporting: of the export, before any device is opened.
        per_op: also time operators on each; see `profile_device`.

    Raises:
        InputError: operators are asked for and cannot be timed on one of the targets; nothing was measured.
        KeyboardInterrupt: after every phone was let go.
    """
    _check_operators(requests, per_op)
    devices = list(dict.fromkeys(request.device for request in requests))
    exported = _export_once(requests, root, exporting)
    stop = threading.Event()

    def rest(seconds: float) -> None:
        if stop.wait(seconds):
            raise Stopped

    def work(device: str) -> list[TargetOutcome]:
        shown = (progresses or {}).get(device, silent)

        def advance(done: int, total: int, note: str) -> None:
            rest(0.0)  # a stopped job ends between two windows as well
            shown(done, total, note)

        mine = [request for request in requests if request.device == device]
        return profile_device(mine, phone, advance, exported, per_op, rest)

    with ThreadPoolExecutor(max_workers=len(devices)) as pool:
        futures: list[Future[list[TargetOutcome]]] = [pool.submit(work, device) for device in devices]
        try:
            while wait(futures, _WAKE_S).not_done:
                pass
        except KeyboardInterrupt:
            stop.set()
            wait(futures)
            raise
    by_request = {outcome.request: outcome for future in futures for outcome in future.result()}
    return [by_request[request] for request in requests]


def profile_device(
    requests: Sequence[ProfileRequest],
    phone: PhoneRequest | None = None,
    progress: Progress = silent,
    exported: Mapping[ProfileRequest, Path] | None = None,
    per_op: bool = False,
    rest: Callable[[float], None] = time.sleep,
) -> list[TargetOutcome]:
    """Profile targets of one device: by turns on a phone, one after the other on this computer.

    On a phone a window is a process of its own. On this computer a round is one process that holds all files of a
    target for as long as it lasts: two of them would share memory and caches, and disturb what they measure.

    Args:
        exported: files of other runs that need not be exported again, by request.
        per_op: when the tables are made, also time operators, kept beside each table.
        rest: waits for a phone; see `open_runner`.

    Raises:
        InputError: operators are asked for and cannot be timed on one of the targets; nothing was measured.
    """
    _check_operators(requests, per_op)
    turns = [[request] for request in requests] if requests[0].device == HOST else [list(requests)]
    return [
        outcome for together in turns for outcome in _profile_opened(together, phone, progress, exported, per_op, rest)
    ]


def _profile_opened(
    requests: Sequence[ProfileRequest],
    phone: PhoneRequest | None,
    progress: Progress,
    exported: Mapping[ProfileRequest, Path] | None,
    per_op: bool,
    rest: Callable[[float], None],
) -> list[TargetOutcome]:
    """Open a device once for all requests; where that fails, or closing it fails, each gets that error."""
    outcomes = [TargetOutcome(request) for request in requests]
    try:
        with open_runner(requests[0].device, requests[0].clock, phone, rest) as runner:
            outcomes = profile_by_turns(requests, runner, progress, exported or {}, per_op)
    except (MogaKitError, OSError) as error:
        return [replace(outcome, error=outcome.error or error) for outcome in outcomes]
    return outcomes


def _check_operators(requests: Sequence[ProfileRequest], per_op: bool) -> None:
    if per_op:
        for request in requests:
            check_profilable(request.device, request.target)


def _export_once(requests: Sequence[ProfileRequest], root: Path, progress: Progress) -> dict[ProfileRequest, Path]:
    """Export what the requests need, once for each target however many devices it is measured on."""
    folders: dict[ProfileRequest, Path] = {}
    exported: set[Path] = set()
    for request in requests:
        effort = QUICK_PHONE if request.quick else FULL_PHONE
        space = get_space(request.space, request.input_size)
        blocks = blocks_to_measure(space, request.num_blocks or default_blocks(request.quick), request.seed)
        networks = calibration_networks(space, effort.num_calibration, request.seed)
        folders[request] = root / "files" / _plain(str(request.target))
        if folders[request] not in exported and not RunFolder(request.folder).files.exists():
            exported.add(folders[request])
            export_for_profile(space, blocks, networks, request.target, folders[request], progress)
    return folders


def _plain(text: str) -> str:
    """Return a text as the name of a folder."""
    name = re.sub(r"[^0-9A-Za-z._,=-]+", "-", text).strip("-.")
    if not name:
        raise DeviceError(f"{text!r} cannot name a folder")
    return name
