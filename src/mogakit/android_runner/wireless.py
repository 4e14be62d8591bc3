"""Phones over Wi-Fi: paired once by the code that they show, then connected to, through adb's server.

Android 11 and newer show a pairing code and a port of its own under *Wireless debugging > Pair device with pairing
code*, and another port to connect to. Both change; a paired phone that announces itself over mDNS is connected to by
the server.
"""

import re

from mogakit.android_runner.adb_server import AdbServer
from mogakit.errors import DeviceError, InputError

_CODE = re.compile(r"\d{6}")
_PAIRED = re.compile(r"Successfully paired to (\S+)(?: \[guid=(.+)\])?")
_CONNECTED = re.compile(r"(?:already )?connected to (\S+)")
_PAIR_S = 30.0
_WHERE = "Developer options > Wireless debugging"


def pair(server: AdbServer, address: str, code: str) -> str:
    """Pair the server's computer with a phone and return the phone's name, which starts its serial over mDNS.

    Args:
        address: HOST:PORT as the phone shows it beside the code; not the port that is connected to.
        code: the six digits.

    Raises:
        InputError: the address or the code cannot be one.
        AdbTooOld: the server is older than wireless debugging (platform-tools 30).
        DeviceError: the phone rejected it or does not answer; the message says what to do.
    """
    _check_address(address)
    if not _CODE.fullmatch(code):
        raise InputError(f"{code!r} is not a pairing code; give the six digits that the phone shows ({_WHERE})")
    said = server.ask(f"host:pair:{code}:{address}", _PAIR_S).strip()
    found = _PAIRED.match(said)
    if found is None:
        raise DeviceError(
            f"{address} was not paired: {said}. Open {_WHERE} > Pair device with pairing code and give the code and "
            "the port shown there while the dialog is open; each dialog has new ones. Both devices must be on one "
            "network"
        )
    return found.group(2) or found.group(1)


def connect(server: AdbServer, address: str) -> str:
    """Connect the server to a phone over the network and return its serial.

    Args:
        address: HOST:PORT as *Wireless debugging* shows it, or 5555 after `adb tcpip 5555`.

    Raises:
        InputError: the address cannot be one.
        DeviceError: the phone does not answer, or was never paired; the message says what to do.
    """
    _check_address(address)
    said = server.reconnect(address).strip()
    found = _CONNECTED.match(said)
    if found is not None:
        return found.group(1)
    if "authenticate" in said:
        raise DeviceError(
            f"{address} does not accept this computer: {said}. Accept the question on the phone; for wireless "
            "debugging (Android 11 or newer) pair first: moga devices pair HOST:PORT CODE"
        )
    raise DeviceError(
        f"{address} was not connected: {said}. Give the address under {_WHERE} (its port changes whenever that is "
        "switched on; the port of the pairing dialog is another one), with both devices on one network. A phone that "
        "was never paired with this computer: moga devices pair HOST:PORT CODE"
    )


def _check_address(address: str) -> None:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise InputError(f"{address!r} is not an address; give HOST:PORT as the phone shows it, e.g. 192.168.1.5:37099")
