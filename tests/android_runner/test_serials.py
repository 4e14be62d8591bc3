"""Whatever stands in adb's list names its phone: blanks, missing and shared serials, servers at other places."""

import json
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from threading import Thread, Timer

import adbutils
import pytest
from click.testing import CliRunner
from phone_jobs import CPU
from phone_simulator import fixtures
from phone_simulator.adb_server import AdbServer, free_port
from phone_simulator.links import Transport
from phone_simulator.phone import Phone
from phone_simulator.profiles import PIXEL_6
from phone_simulator.server_front import ServerFront
from phone_simulator.wire import Authentication

from mogakit.android_runner import discovery, wireless
from mogakit.android_runner.adb import Link
from mogakit.android_runner.adb_server import AdbServer as KitServer
from mogakit.android_runner.adb_server import _listed
from mogakit.android_runner.lock import PhoneBusy
from mogakit.android_runner.runner import PhoneOptions, open_phone
from mogakit.bench.target import parse_target
from mogakit.cli.main import cli
from mogakit.errors import DeviceError, InputError

SHARED = "0123456789ABCDEF"

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


# -- phones that share a serial


@pytest.fixture
def twins(make_phone: Callable[..., Phone]) -> list[Phone]:
    """Return two phones of one batch: one serial number, model and build for both."""
    return [make_phone(PIXEL_6, time_scale=0.0), make_phone(PIXEL_6, time_scale=0.0)]


@pytest.fixture
def front(adb_server: AdbServer, twins: list[Phone], monkeypatch: pytest.MonkeyPatch) -> Iterator[ServerFront]:
    """Return a server that lists both under one serial too, each at a USB port of its own."""
    shown = dict.fromkeys((phone.serial for phone in twins), SHARED)
    usb = {phone.serial: f"1-{number}" for number, phone in enumerate(twins, 1)}
    with ServerFront(adb_server, shown=shown, usb=usb) as made:
        monkeypatch.setenv("ADB_SERVER_SOCKET", f"tcp:{made.port}")
        yield made


def test_phones_of_one_serial_are_two_phones_each_with_a_name_that_stays(
    front: ServerFront, twins: list[Phone], options: PhoneOptions
) -> None:
    found = discovery.find()
    assert [item.same_as for item in found] == [None, None]
    assert [item.link.serial for item in found] == [SHARED, SHARED]
    assert sorted(item.link.name for item in found) == ["usb:1-1", "usb:1-2"]
    ids = {f"usb:1-{number}": phone.state.settings["secure"]["android_id"] for number, phone in enumerate(twins, 1)}
    for item in found:
        assert item.serialno == f"{PIXEL_6.serialno}#{ids[item.link.name][:8]}"
        for name in (item.serialno, item.link.name):
            link, phone = discovery.choose(name)
            assert (link.name, phone.serialno) == (item.link.name, item.serialno)
    for name in (SHARED, PIXEL_6.serialno):
        with pytest.raises(DeviceError, match=r"2 phones have the serial .*#.* \(usb:1-.\), .*#.* \(usb:1-.\)"):
            discovery.choose(name)


def test_both_are_held_at_once_and_their_tables_do_not_mix(
    front: ServerFront, twins: list[Phone], options: PhoneOptions, with_tools: None
) -> None:
    with open_phone("usb:1-1", options) as one, open_phone("usb:1-2", options) as other:
        identities = [runner.identity(parse_target(CPU)) for runner in (one, other)]
        assert identities[0] != identities[1]
        assert {runner.state().boot_id for runner in (one, other)} == {phone.root.boot_id for phone in twins}
        for name in ("usb:1-1", one.properties.serialno):
            with pytest.raises(PhoneBusy), open_phone(name, options):
                pass


@pytest.mark.parametrize("differs", ["ro.build.fingerprint", "boot"])
def test_two_connections_are_one_phone_only_where_everything_agrees(
    make_phone: Callable[..., Phone], differs: str
) -> None:
    make_phone(PIXEL_6, transports=(Transport.USB, Transport.TCP), time_scale=0.0)
    (one, again) = discovery.find()
    assert (one.same_as, again.same_as) == (None, one.link.name)
    assert "#" not in one.serialno
    props = {**PIXEL_6.props, differs: "another"}
    other = make_phone(replace(PIXEL_6, props=props), time_scale=0.0)
    found = {item.link.serial: item for item in discovery.find()}
    assert found[other.serial].same_as is None
    assert sum(item.same_as is None for item in found.values()) == 2
    assert len({item.serialno for item in found.values()}) == 2


def test_a_serial_number_that_was_never_filled_in_is_not_a_name(phone: Phone) -> None:
    text = phone.host_path("/.sim/props").read_text()
    for serialno in ("????????????", "unknown", "00000000", "0123456789ABCDEF"):
        phone.host_path("/.sim/props").write_text(text.replace(PIXEL_6.serialno, serialno))
        (found,) = discovery.find()
        assert found.serialno == f"{serialno}#{phone.state.settings['secure']['android_id'][:8]}"
    listed = CliRunner().invoke(cli, ["devices"]).stdout
    assert f"name it {found.serialno}" in " ".join(listed.split())


def test_a_phone_named_by_its_usb_port_is_the_same_after_a_replug(
    front: ServerFront, twins: list[Phone], options: PhoneOptions
) -> None:
    with open_phone("usb:1-2", options) as runner:
        before = runner.state().boot_id
        twins[1].unplug()
        Timer(0.3, twins[1].plug).start()
        assert runner.state().boot_id == before == twins[1].root.boot_id


# -- servers that are too old, or none


def test_a_server_that_does_not_say_how_phones_are_connected_gets_advice(
    front: ServerFront, twins: list[Phone]
) -> None:
    front.without_tags, front.version = True, 39
    for item in discovery.find():
        assert item.properties is None
        assert "several phones have the serial" in item.advice
        assert "version 1.0.39" in item.advice
        assert f"-P {front.port} kill-server" in item.advice


@pytest.mark.parametrize(
    ("service", "act"),
    [
        ("host:devices-l", lambda: discovery.find()),
        ("host:transport", lambda: discovery.find()[0].advice),
        ("host:pair", lambda: wireless.pair(discovery.default_servers()[0], "192.0.2.1:37001", "123456")),
        ("host:connect", lambda: wireless.connect(discovery.default_servers()[0], "192.0.2.1:37001")),
    ],
)
def test_a_server_that_does_not_know_a_service_gets_advice(
    monkeypatch: pytest.MonkeyPatch, service: str, act: Callable[[], object]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)  # no adb on PATH
    with ServerFront(version=32, unknown=(service,), answers={"host:devices-l": "1A081FDEE0001T\tdevice\n"}) as front:
        monkeypatch.setenv("ADB_SERVER_SOCKET", f"tcp:{front.port}")
        try:
            said = str(act())
        except DeviceError as error:
            said = str(error)
    assert f"(version 1.0.32) is too old: it does not know {service}" in said
    assert f"End it: {adbutils.adb_path()} -P {front.port} kill-server; the kit then starts its own" in said
    assert "123456" not in said, "a pairing code is a secret"


@pytest.mark.parametrize(("version", "old"), [(29, True), (30, True), (31, False), (41, False)])
def test_a_server_too_old_to_ask_for_permission_is_named_where_it_shows_offline(
    monkeypatch: pytest.MonkeyPatch, version: int, old: bool
) -> None:
    answers = {"host:devices-l": "1A081FDEE0001T\toffline\n"}
    with ServerFront(version=version, answers=answers) as front:
        monkeypatch.setenv("ADB_SERVER_SOCKET", f"tcp:{front.port}")
        (found,) = discovery.find()
    assert ("is too old" in found.advice) == old
    assert ("replug" in found.advice) != old


def test_what_is_not_an_adb_server_is_named_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def greet() -> None:
            for _ in range(2):
                with listener.accept()[0] as peer:
                    peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = Thread(target=greet, daemon=True)
        thread.start()
        with pytest.raises(DeviceError, match=rf"127\.0\.0\.1:{port} is not an adb server"):
            KitServer("127.0.0.1", port).devices()
        thread.join(5.0)


# -- Wi-Fi


PAIR = "host:pair:123456:192.0.2.1:37001"
CONNECT = "host:connect:192.0.2.1:40001"


@pytest.mark.parametrize(
    ("said", "name", "advice"),
    [
        ("Successfully paired to 192.0.2.1:37001 [guid=adb-1A081FDEE0001T-x7YzAb]", "adb-1A081FDEE0001T-x7YzAb", ""),
        ("Failed: Wrong password or connection was dropped.", "", "Pair device with pairing code"),
        ("Failed: Unable to start pairing client.", "", "Both devices must be on one network"),
    ],
)
def test_pairing_says_what_came_of_it(monkeypatch: pytest.MonkeyPatch, said: str, name: str, advice: str) -> None:
    with ServerFront(**{"answers" if name else "failures": {PAIR: said}}) as front:
        monkeypatch.setenv("ADB_SERVER_SOCKET", f"tcp:{front.port}")
        found = CliRunner().invoke(cli, ["devices", "pair", "192.0.2.1:37001", "123456"])
    if name:
        assert (found.exit_code, name in found.output) == (0, True)
    else:
        assert isinstance(found.exception, DeviceError)
        assert said in str(found.exception)
        assert advice in str(found.exception)


@pytest.mark.parametrize(
    ("said", "serial", "advice"),
    [
        ("connected to 192.0.2.1:40001", "192.0.2.1:40001", ""),
        ("already connected to 192.0.2.1:40001", "192.0.2.1:40001", ""),
        ("failed to authenticate to 192.0.2.1:40001", "", "pair first: moga devices pair"),
        ("failed to connect to '192.0.2.1:40001': Connection refused", "", "its port changes whenever"),
    ],
)
def test_connecting_says_what_came_of_it(said: str, serial: str, advice: str) -> None:
    with ServerFront(answers={CONNECT: said}) as front:
        address = f"127.0.0.1:{front.port}"
        found = CliRunner().invoke(cli, ["devices", "connect", "192.0.2.1:40001", "--adb", address, "--json"])
    if serial:
        assert json.loads(found.stdout) == {"serial": serial}
    else:
        assert isinstance(found.exception, DeviceError)
        assert advice in str(found.exception)


@pytest.mark.parametrize("address", ["192.0.2.1", "192.0.2.1:", ":37001", "192.0.2.1:0", "192.0.2.1:x", "a b"])
def test_what_is_not_an_address_is_rejected(address: str) -> None:
    server = KitServer()
    with pytest.raises(InputError, match="HOST:PORT as the phone shows it"):
        wireless.connect(server, address)
    with pytest.raises(InputError):
        wireless.pair(server, address, "123456")
    with pytest.raises(InputError, match="six digits"):
        wireless.pair(server, "192.0.2.1:37001", "12345")


def test_the_real_servers_own_words_are_understood(make_phone: Callable[..., Phone], adb_server: AdbServer) -> None:
    phone = make_phone(PIXEL_6, transports=(Transport.TCP,), time_scale=0.0)
    server = discovery.default_servers()[0]
    assert wireless.connect(server, phone.serial) == phone.serial
    assert server.version() >= 41
    with pytest.raises(DeviceError, match=r"was not connected: .*refused"):
        wireless.connect(server, f"127.0.0.1:{free_port()}")
    with pytest.raises(DeviceError, match=r"was not paired|is too old: it does not know host:pair"):
        wireless.pair(server, f"127.0.0.1:{free_port()}", "123456")


def test_a_wireless_phone_that_is_away_or_unknown_is_told_how_to_come_back(
    make_phone: Callable[..., Phone], options: PhoneOptions
) -> None:
    phone = make_phone(PIXEL_6, transports=(Transport.TCP,), time_scale=0.0)
    link, _ = discovery.choose(phone.serial)
    phone.unplug()
    with pytest.raises(DeviceError, match=r"check the network.*moga devices connect HOST:PORT"):
        link.wait_until_ready(0.0)
    with pytest.raises(DeviceError, match=r"moga devices connect 192\.0\.2\.9:5555"):
        discovery.choose("192.0.2.9:5555", patience_s=0.0)
    usb = Link(link.server, "1A081FDEE0001T")
    with pytest.raises(DeviceError, match=r"check the cable, then"):
        usb.wait_until_ready(0.0)


def test_a_wireless_phone_that_wants_permission_is_told_of_pairing(
    make_phone: Callable[..., Phone], options: PhoneOptions
) -> None:
    make_phone(PIXEL_6, transports=(Transport.TCP,), authentication=Authentication.REFUSED, time_scale=0.0)
    (found,) = discovery.find()
    assert found.state in ("unauthorized", "authorizing")
    if found.state == "unauthorized":
        assert "moga devices pair" in found.advice
