"""What a person does with phones besides measuring: look which are there, fix what a dead session left, clean up."""

from collections.abc import Sequence
from dataclasses import dataclass

from mogakit.android_runner import deploy, detached, discovery, settings, state, tools, wireless
from mogakit.android_runner.adb import Link
from mogakit.android_runner.adb_server import AdbServer
from mogakit.android_runner.affinity import hides_clocks
from mogakit.android_runner.discovery import READY, Found
from mogakit.android_runner.guard import Guard, GuardLimits, reject
from mogakit.android_runner.lock import PhoneBusy, held_on, phone_lock
from mogakit.android_runner.properties import PhoneProperties
from mogakit.android_runner.targets import TargetRow, all_rows
from mogakit.bench.target import Hardware, Runtime
from mogakit.errors import DeviceError, InputError


@dataclass(frozen=True)
class TargetAnswer:
    """Whether a kind of target would work on a phone: `reason` is None where nothing speaks against it."""

    target: str
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class PhoneReport:
    """One phone as the command shows it.

    Attributes:
        fixed: what was left by a session that died, and has been undone now.
        waits_for: what would keep a run waiting: heat, capped clocks.
        busy: the phone is being measured by another process, so it was left alone.
        notes: what will stand beside its times, or names it for good.
    """

    found: Found
    targets: tuple[TargetAnswer, ...]
    fixed: tuple[str, ...]
    problem: str | None
    busy: bool
    waits_for: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def list_phones(addresses: Sequence[str] = ()) -> list[PhoneReport]:
    """Look at every phone of the adb servers at `addresses` (`host:port`; adb's own where there is none).

    Raises:
        InputError: an address is none.
        DeviceError: no adb server answers.
    """
    servers = tuple(discovery.parse_server(text) for text in addresses)
    return [_report(found) for found in discovery.find(servers)]


def clean_phones(addresses: Sequence[str] = (), serial: str | None = None) -> list[tuple[str, int]]:
    """Remove everything the kit left on the phones (or on one) and return each with the bytes that were freed.

    Raises:
        DeviceError: a phone is being measured, or cannot be reached.
    """
    servers: tuple[AdbServer, ...] = tuple(discovery.parse_server(text) for text in addresses)
    if serial is not None:
        link, properties = discovery.choose(serial, servers)
        chosen = [(link, properties.serialno)]
    else:
        ready = [item for item in discovery.find(servers) if item.properties is not None and item.same_as is None]
        chosen = [(item.link, item.serialno) for item in ready]
    freed = []
    for link, serialno in chosen:
        with phone_lock(serialno or link.serial, link):
            settings.restore(link, serialno)
            detached.sweep(link)
            freed.append((link.serial, deploy.clean(link)))
    return freed


def pair_phone(address: str, code: str, server: str | None = None) -> str:
    """Pair the computer of an adb server with a phone over Wi-Fi and return the phone's name.

    Raises:
        InputError, DeviceError: see `wireless.pair`.
    """
    return wireless.pair(_server(server), address, code)


def connect_phone(address: str, server: str | None = None) -> str:
    """Connect an adb server to a phone over the network and return its serial.

    Raises:
        InputError, DeviceError: see `wireless.connect`.
    """
    return wireless.connect(_server(server), address)


def _server(address: str | None) -> AdbServer:
    return discovery.default_servers()[0] if address is None else discovery.parse_server(address)


def _notes(found: Found, phone: PhoneProperties) -> tuple[str, ...]:
    """Return what a person should know of a phone that is ready."""
    notes = []
    if hides_clocks(phone):
        notes.append(
            "hides its clocks: runs on the CPU are held on its highest-numbered cores, and capped clocks are not seen "
            "(cpus=MASK in a target names others)"
        )
    if "#" in phone.serialno:
        notes.append(
            f"its serial number is not its own alone: name it {phone.serialno}, which stays after a replug; its tables "
            "and its lock go by that name"
        )
    return tuple(notes)


def _report(found: Found) -> PhoneReport:
    if found.state != READY or found.properties is None or found.condition is None:
        return PhoneReport(found=found, targets=(), fixed=(), problem=found.advice or None, busy=False)
    if found.same_as is not None:
        return PhoneReport(found=found, targets=(), fixed=(), problem=f"the same phone as {found.same_as}", busy=False)
    fixed, busy = _fix(found.link, found.serialno)
    problem = None
    try:
        reject(found.condition)
    except DeviceError as error:
        problem = str(error)
    registered = tools.registered()
    answers = [_answer(row, found.properties.abis, registered) for row in all_rows()]
    unique = {answer.target: answer for answer in answers}
    return PhoneReport(
        found=found,
        targets=tuple(unique.values()),
        fixed=fixed,
        problem=problem,
        busy=busy,
        notes=_notes(found, found.properties),
        waits_for=tuple(map(str, Guard(lambda: state.read(found.link), GuardLimits()).heat(found.condition))),
    )


def _fix(link: Link, serialno: str) -> tuple[tuple[str, ...], bool]:
    """Restore the settings that a dead session changed, unless a living one holds the phone; nothing is ended."""
    try:
        if not settings.has_pending(link, serialno) and held_on(link) is None:
            with phone_lock(serialno):  # this computer's part, which a dead process leaves free
                return (), False
        with phone_lock(serialno, link):
            return ("settings restored",) if settings.restore(link, serialno) else (), False
    except PhoneBusy:
        return (), True
    except DeviceError:
        return (), False


def _answer(row: TargetRow, abis: tuple[str, ...], registered: Sequence[tools.Tool]) -> TargetAnswer:
    """Return whether what a row needs is registered; whether the phone's drivers take it, only a run can tell."""
    options = [f"{name}={value}" for name, value in row.when if value] + [f"{name}=NAME" for name in row.requires]
    text = ",".join([f"{row.runtime}/{row.hardware}/{'|'.join(row.files)}", *options])
    try:
        tool = tools.candidates(row.tool, abis)[0]
    except (DeviceError, InputError) as error:
        return TargetAnswer(text, str(error))
    missing = tools.lacking(row, tool.abi)
    if missing is not None:
        return TargetAnswer(text, missing)
    if not tool.for_android:
        return TargetAnswer(text, f"{tool.name} is built for Linux with glibc, not for Android")
    return TargetAnswer(text, None)


def is_primary(answer: TargetAnswer) -> bool:
    """Return whether a target is one of the few that a short list shows: TFLite and MACE on CPU and GPU."""
    runtime, hardware, *_ = answer.target.split("/")
    return runtime in (Runtime.TFLITE, Runtime.MACE) and hardware in (Hardware.CPU, Hardware.GPU)
