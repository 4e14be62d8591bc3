"""Whatever stands in adb's list names its phone: blanks, missing and shared serials, servers at other places."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from phone_simulator import fixtures
from phone_simulator.adb_server import AdbServer
from phone_simulator.phone import Phone
from phone_simulator.profiles import PIXEL_6

from mogakit.android_runner import discovery
from mogakit.android_runner.adb import _listed
from mogakit.errors import InputError

adb_binary = fixtures.adb_binary  # each in turn

SERIALS = (
    "1A081FDEE0001T",
    "adb-1A08 (2)._adb-tls-connect._tcp",
    "(no serial number)",
    "????????????",
    "192.0.2.1:5555",
)


@pytest.mark.parametrize("serial", SERIALS)
@pytest.mark.parametrize("state", ["device", "offline", "unauthorized", "authorizing", "recovery", "no permissions"])
@pytest.mark.parametrize("tags", [{}, {"product": "oriole", "model": "Pixel_6", "transport_id": "7"}])
def test_lines_of_the_list_are_read(serial: str, state: str, tags: dict[str, str]) -> None:
    why = " (missing udev rules?); see [http://developer.android.com/tools/device.html]" if " " in state else ""
    for gap in (" " * max(1, 22 - len(serial)), "\t"):
        found = _listed(f"{serial}{gap}{state}{why}" + "".join(f" {key}:{value}" for key, value in tags.items()))
        assert (found.serial, found.state) == (serial, state)
        assert found.tags == ({} if why else tags)


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("tcp:5099", "127.0.0.1:5099"),
        ("tcp:192.0.2.7:5038", "192.0.2.7:5038"),
        ("tcp:localhost:5037", "localhost:5037"),
    ],
)
def test_the_servers_socket_is_honoured(monkeypatch: pytest.MonkeyPatch, value: str, address: str) -> None:
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", "1")
    monkeypatch.setenv("ADB_SERVER_SOCKET", value)
    assert [str(server) for server in discovery.default_servers()] == [address]
    monkeypatch.setenv("ADB_SERVER_SOCKET", "localfilesystem:/tmp/adb")
    with pytest.raises(InputError, match="tcp:HOST:PORT"):
        discovery.default_servers()


def test_two_phones_of_one_serial_number_are_two_phones(
    make_phone: Callable[..., Phone], adb_server: AdbServer
) -> None:
    other = {**PIXEL_6.props, "ro.build.fingerprint": "other/build", "ro.product.model": "Clone"}
    phones = [make_phone(PIXEL_6), make_phone(replace(PIXEL_6, props=other))]
    found = discovery.find()
    assert [item.same_as for item in found] == [None, None]
    assert {item.link.serial for item in found} == {phone.serial for phone in phones}
    for line in discovery.default_servers()[0].devices():
        item = discovery.look(discovery.default_servers()[0], line, by_transport=True)
        assert item.link.name == f"transport:{line.tags['transport_id']}"
        assert item.properties is not None
        expected = next(phone for phone in phones if phone.serial == line.serial)
        assert item.properties.model == expected.profile.props["ro.product.model"]
