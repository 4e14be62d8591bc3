"""Which phones are there: every line of every adb server, what state it is in, and which lines are the same phone."""

import os
import re
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from mogakit.android_runner import properties, state
from mogakit.android_runner.adb import Link
from mogakit.android_runner.adb_server import DEFAULT_PORT, MIN_VERSION, STATE_ADVICE, AdbServer, LinkLost, Listed
from mogakit.android_runner.properties import PhoneProperties
from mogakit.android_runner.state import PhoneState
from mogakit.errors import DeviceError, InputError

READY = "device"  # adb's word for a phone that answers
PATIENCE_S = 5.0
_LOOK_AGAIN_S = 0.25
_PASSING = ("offline", "authorizing", READY)  # states that may pass by themselves
_PLACEHOLDERS = re.compile(r"(\?*|0123456789\w*|0+|unknown|\(no serial number\))", re.IGNORECASE)
"""Serial numbers that makers never filled in."""
_OWN_ID_DIGITS = 8


@dataclass(frozen=True, kw_only=True)
class Found:
    """One line of an adb server's list.

    Attributes:
        advice: what to do about a state other than ready, or why the phone could not be read.
        same_as: the serial of an earlier line that is the same phone, by `ro.serialno`.
    """

    link: Link
    state: str
    advice: str
    properties: PhoneProperties | None = None
    condition: PhoneState | None = None
    same_as: str | None = None

    @property
    def serialno(self) -> str:
        """Return what names the phone whatever its transport."""
        return (self.properties.serialno if self.properties else "") or self.link.serial


def default_servers() -> tuple[AdbServer, ...]:
    """Return the server that adb itself would ask.

    That is `ADB_SERVER_SOCKET` (`tcp:HOST:PORT` or `tcp:PORT`), else `ANDROID_ADB_SERVER_ADDRESS` or `_HOST`, and
    `_PORT`.

    Raises:
        InputError: the socket is not one over TCP.
    """
    given = os.environ.get("ADB_SERVER_SOCKET")
    if given:
        kind, _, address = given.partition(":")
        if kind != "tcp":
            raise InputError(f"ADB_SERVER_SOCKET={given} is not supported; supported: tcp:HOST:PORT, tcp:PORT")
        return (parse_server(f"127.0.0.1:{address}" if address.isdecimal() else address),)
    host = os.environ.get("ANDROID_ADB_SERVER_ADDRESS") or os.environ.get("ANDROID_ADB_SERVER_HOST") or "127.0.0.1"
    port = os.environ.get("ANDROID_ADB_SERVER_PORT", str(DEFAULT_PORT))
    return (parse_server(f"{host}:{port}"),)


def parse_server(text: str) -> AdbServer:
    """Read `host:port` (or a host alone, on adb's usual port).

    Raises:
        InputError: the port is not a number of a port.
    """
    host, _, port = text.rpartition(":") if ":" in text else (text, "", str(DEFAULT_PORT))
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise InputError(f"{text!r} is not an address of an adb server; give HOST:PORT, e.g. 127.0.0.1:{DEFAULT_PORT}")
    return AdbServer(host, int(port))


def find(servers: Sequence[AdbServer] = ()) -> list[Found]:
    """List the phones of all servers, asking each ready one what and how it is.

    Raises:
        DeviceError: a server does not answer, or is too old.
    """
    lines = [(server, listed) for server in servers or default_servers() for listed in server.devices()]
    if not lines:
        return []
    often = Counter((server, listed.serial) for server, listed in lines)
    with ThreadPoolExecutor(max_workers=min(16, len(lines))) as pool:
        found = list(
            pool.map(lambda line: look(line[0], line[1], by_address=often[line[0], line[1].serial] > 1), lines)
        )
    found = _told_apart(found)
    first: dict[tuple[str, ...], str] = {}
    result = []
    for item in found:
        known = first.setdefault(_identity(item), item.link.name) if item.properties else item.link.name
        result.append(replace(item, same_as=known if known != item.link.name else None))
    return result


def _identity(item: Found) -> tuple[str, ...]:
    """Return what two lines of one phone have in common: cheap phones share a serial number by the thousand."""
    phone = item.properties
    boot_id = "" if item.condition is None else item.condition.boot_id
    return (item.serialno, *((phone.fingerprint, phone.model) if phone else ()), boot_id)


def _told_apart(found: Sequence[Found]) -> list[Found]:
    """Add the phone's own id to a serial number that several phones here have, or that its maker never filled in.

    Locks, records of changed settings and tables go by that name, and must not mix phones.
    """
    phones: dict[str, set[tuple[str, ...]]] = {}
    for item in found:
        if item.properties is not None:  # a line that does not answer may be another connection of a phone that does
            phones.setdefault(item.serialno, set()).add(_identity(item))
    result = []
    for item in found:
        own_id = item.properties.android_id if item.properties else ""
        shared = len(phones.get(item.serialno, ())) > 1 or _PLACEHOLDERS.fullmatch(item.serialno) is not None
        if item.properties is not None and own_id and shared:
            serialno = f"{item.serialno}#{own_id[:_OWN_ID_DIGITS]}"
            item = replace(item, properties=replace(item.properties, serialno=serialno))
        result.append(item)
    return result


def look(server: AdbServer, listed: Listed, by_address: bool = False) -> Found:
    """Ask one listed phone what and how it is; one that is not ready, or does not answer, gets advice instead.

    Args:
        by_address: other lines have the same serial, so that only where they are connected tells them apart.
    """
    link = Link(server, listed.serial, address=_address(listed) if by_address else "")
    if by_address and not link.address:
        problem = f"several phones have the serial {listed.serial}, and it does not say how each is connected"
        return Found(link=link, state=listed.state, advice=server.too_old(problem))
    if listed.state != READY:
        return Found(link=link, state=listed.state, advice=_advice(server, listed))
    try:
        return Found(link=link, state=READY, advice="", properties=properties.read(link), condition=state.read(link))
    except DeviceError as error:
        return Found(link=link, state=READY, advice=str(error))


def _address(listed: Listed) -> str:
    """Return what names a connection whatever its serial: the USB port, which a replug does not change, or a number."""
    for tag, prefix in (("usb", "usb"), ("transport_id", "transport")):
        if tag in listed.tags:
            return f"{prefix}:{listed.tags[tag]}"
    return ""


def _advice(server: AdbServer, listed: Listed) -> str:
    """Return what to do about a state other than ready."""
    if listed.state == "offline":
        try:
            if server.version() < MIN_VERSION:
                return server.too_old("it cannot ask a phone for its permission and shows it as offline")
        except LinkLost:
            pass  # whoever asks next is told
    if listed.state == "unauthorized" and Link(server, listed.serial).is_wireless:
        return f"{STATE_ADVICE['unauthorized']}, or pair it: moga devices pair HOST:PORT CODE (docs/phones.md)"
    return STATE_ADVICE.get(listed.state, "replug the phone, or restart it")


def choose(
    serial: str, servers: Sequence[AdbServer] = (), patience_s: float = PATIENCE_S
) -> tuple[Link, PhoneProperties]:
    """Return the phone that a user names by its adb serial or its own serial number; `any` is the only one there.

    A phone that is listed and does not answer yet is looked at again for `patience_s`: adb shows one as offline for a
    moment when it is plugged in or a server starts.

    Raises:
        DeviceError: there is none of that name, several for `any`, or it is not ready; the message says what to do.
    """
    deadline = time.monotonic() + patience_s
    while True:
        item = _named(serial, servers)
        if item.properties is not None:
            return item.link, item.properties
        if item.state not in _PASSING or time.monotonic() >= deadline:
            raise DeviceError(f"phone {item.link.serial} is {item.state}: {item.advice}")
        time.sleep(_LOOK_AGAIN_S)


def _named(serial: str, servers: Sequence[AdbServer]) -> Found:
    """Return the line of the phone that a user names; of several lines of one phone, one that answers."""
    name, at, address = serial.partition("@")
    found = [item for item in find((parse_server(address),) if at else servers) if item.same_as is None or not at]
    named = [item for item in found if name in _names_of(item)]
    distinct = [item for item in named if item.same_as is None and (item.properties or item.link.address)]
    if len(distinct) > 1:
        choices = ", ".join(_both_names(item) for item in distinct)
        raise DeviceError(f"{len(distinct)} phones have the serial {name!r}; name one of {choices}")
    if name == "any":
        named = [item for item in found if item.same_as is None]
        if len(named) > 1:
            raise DeviceError(f"there are {len(named)} phones; name one of {_names(found)}")
    if not named:
        how = "moga devices"
        if Link(servers[0] if servers else AdbServer(), name).is_wireless:
            how = f"moga devices connect {name} (docs/phones.md, Over Wi-Fi)"
        raise DeviceError(f"no phone {name!r} is connected; there is {_names(found) or 'none'}. See: {how}")
    return next((item for item in named if item.properties is not None), named[0])


def _names_of(item: Found) -> tuple[str, ...]:
    """Return what a person may call a phone: by its line, by where it is connected, by its own number or all of it."""
    own = item.serialno
    return (item.link.serial, item.link.name, own, own.partition("#")[0])


def _both_names(item: Found) -> str:
    """Return a phone's own name, which stays, and that of its connection."""
    return item.link.name if item.serialno == item.link.serial else f"{item.serialno} ({item.link.name})"


def _names(found: Sequence[Found]) -> str:
    return ", ".join(item.link.name for item in found)
