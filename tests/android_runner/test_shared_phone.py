"""A phone that others use too: the lock lies on the phone, and only what is stale is taken over or ended."""

import json
import os
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from phone_simulator import fixtures
from phone_simulator.phone import Phone

from mogakit.android_runner import detached, discovery, lock, settings
from mogakit.android_runner.adb import Link
from mogakit.android_runner.lock import FOLDER, Owner, PhoneBusy, PhoneHold, held_on, phone_lock
from mogakit.android_runner.runner import PhoneOptions, open_phone
from mogakit.android_runner.settings import SettingsRequest
from mogakit.cli.main import cli
from mogakit.errors import DeviceError

adb_binary = fixtures.adb_binary  # each in turn


def link_to(phone: Phone) -> Link:
    return Link(discovery.default_servers()[0], phone.serial)


def as_somebody_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Be another user with a folder of their own: this computer's part of the lock does not see the first."""
    monkeypatch.setenv("MOGA_HOME", str(tmp_path / "other-home"))


def leave_owner(link: Link, owner: Owner, age_s: int) -> None:
    link.shell(
        f"mkdir -p {FOLDER}; printf '%s' {shlex.quote(owner.line)} >{FOLDER}/owner; "
        f"echo $(($(date +%s) - {age_s})) >{FOLDER}/beat"
    )


HERE = PhoneHold(Link(discovery.parse_server("127.0.0.1:1"), "none")).owner
ELSEWHERE = replace(HERE, who="ann@other", place="0123456789abcdef")
DEAD = replace(HERE, who="bob@here", started="1")


def test_a_second_user_neither_ends_nor_measures_beside_the_first(
    quick_phone: Phone, options: PhoneOptions, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    link = link_to(quick_phone)
    with open_phone(quick_phone.serial, options):
        run = detached.launch(link, "theirs", "sleep 60", quick_phone.root.boot_id)
        as_somebody_else(monkeypatch, tmp_path)
        (shown,) = json.loads(CliRunner().invoke(cli, ["devices", "--json"]).stdout)
        assert shown["busy"]
        for attempt in (
            lambda: open_phone(quick_phone.serial, options).__enter__(),
            lambda: CliRunner().invoke(cli, ["devices", "clean"], catch_exceptions=False),
        ):
            with pytest.raises(
                PhoneBusy, match=rf"measured by .*@.*, process {os.getpid()} \(last heartbeat \d+ s ago\)"
            ):
                attempt()
        assert link.shell(f"[ -e {run.folder}/rc ] || kill -0 $(cat {run.folder}/pid)").exit_code == 0
        detached.kill(link, run.folder)
    assert held_on(link) is None
    with open_phone(quick_phone.serial, options):
        pass


def test_devices_ends_nothing_even_where_nobody_holds_the_phone(quick_phone: Phone) -> None:
    link = link_to(quick_phone)
    run = detached.launch(link, "orphan", "sleep 60", quick_phone.root.boot_id)
    assert CliRunner().invoke(cli, ["devices"]).exit_code == 0
    assert link.shell(f"kill -0 $(cat {run.folder}/pid)").exit_code == 0
    detached.kill(link, run.folder)


@pytest.mark.parametrize(
    ("owner", "age_s", "free"),
    [
        (ELSEWHERE, 0, False),
        (ELSEWHERE, 200, False),  # away for a while
        (ELSEWHERE, 1000, True),  # its heartbeat has stopped
        (ELSEWHERE, -1000, True),  # the phone's clock was set back
        (DEAD, 0, True),  # this computer knows that its process has ended
        (replace(HERE, who="carol@here"), 0, False),  # a living process of this computer
    ],
)
def test_only_what_is_stale_is_taken_over(quick_phone: Phone, owner: Owner, age_s: int, free: bool) -> None:
    link = link_to(quick_phone)
    leave_owner(link, owner, age_s)
    if free:
        with phone_lock("x", link):
            found = held_on(link)
            assert found is not None
            assert found.owner is not None
            assert found.owner.pid == os.getpid()
        assert held_on(link) is None
        return
    with pytest.raises(PhoneBusy, match=owner.who), phone_lock("x", link):
        pass
    found = held_on(link)
    assert found is not None
    assert found.owner == owner


@pytest.mark.parametrize("left", ["", "nonsense", "a\tb\tc\td\te"])
def test_a_lock_without_a_readable_owner_and_heartbeat_does_not_block_for_ever(
    quick_phone: Phone, monkeypatch: pytest.MonkeyPatch, left: str
) -> None:
    monkeypatch.setattr(lock, "_YOUNG_S", 0.2)
    link = link_to(quick_phone)
    link.shell(f"mkdir -p {FOLDER}; [ -z {shlex.quote(left)} ] || printf '%s' {shlex.quote(left)} >{FOLDER}/owner")
    with phone_lock("x", link):
        pass


def test_a_heartbeat_goes_on_and_a_hold_that_was_taken_over_measures_no_more(quick_phone: Phone) -> None:
    link = link_to(quick_phone)
    hold = PhoneHold(link, beat_s=0.05)
    hold.take()
    leave_beat = f"echo 5 >{FOLDER}/beat"
    link.shell(leave_beat)
    deadline = 100
    while (found := held_on(link)) is not None and found.is_stale and deadline:
        deadline -= 1
    assert deadline
    hold.check()
    leave_owner(link, ELSEWHERE, 0)
    with pytest.raises(PhoneBusy, match=r"held by ann@other.*--resume"):
        for _ in range(200):
            hold.check()
            link.shell("sleep 0.02")
    hold.release()
    found = held_on(link)
    assert found is not None
    assert found.owner == ELSEWHERE


# -- settings whose undo a phone rejects


def restricted(phone: Phone, exit_code: int) -> None:
    """Reject `settings put` as phones do whose maker asks for one more switch (USB debugging, security settings)."""
    command = phone.root.bin / "settings"
    original = command.with_name("settings-original")
    original.write_text(command.read_text())
    original.chmod(0o755)
    said = "java.lang.SecurityException: Permission denial: writing to settings requires WRITE_SECURE_SETTINGS"
    command.write_text(f'#!/bin/sh\n[ "$1" = get ] && exec "{original}" "$@"\necho "{said}" >&2\nexit {exit_code}\n')


@pytest.mark.parametrize("exit_code", [0, 255])
def test_an_undo_that_a_phone_rejects_blocks_nothing(
    quick_phone: Phone, options: PhoneOptions, caplog: pytest.LogCaptureFixture, exit_code: int
) -> None:
    asked = replace(options, settings=SettingsRequest(fixed_performance=True, screen_on=True))
    quick_phone.state.awake = False
    quick_phone.refresh()
    with open_phone(quick_phone.serial, asked):
        assert quick_phone.state.fixed_performance
        restricted(quick_phone, exit_code)
    assert not quick_phone.state.fixed_performance  # the others are restored all the same
    assert not quick_phone.state.awake
    (said,) = [record.getMessage() for record in caplog.records if "rejects" in record.getMessage()]
    assert "settings put global stay_on_while_plugged_in" in said
    assert "SecurityException" in said
    found = settings.pending(quick_phone.profile.serialno)
    assert found is not None
    assert found.undo == ("settings put global stay_on_while_plugged_in 0",)
    with open_phone(quick_phone.serial, options):  # and the phone is not locked out
        pass
    (quick_phone.root.bin / "settings-original").replace(quick_phone.root.bin / "settings")
    with open_phone(quick_phone.serial, options):
        pass
    assert settings.pending(quick_phone.profile.serialno) is None


def test_nothing_is_recorded_of_a_change_that_did_not_work(
    make_phone: Callable[..., Phone], with_tools: None, options: PhoneOptions
) -> None:
    phone = make_phone(time_scale=0.01)
    (phone.root.bin / "svc").write_text("#!/bin/sh\necho 'Killed' >&2\nexit 137\n")
    asked = replace(options, settings=SettingsRequest(fixed_performance=True, screen_on=True))
    with pytest.raises(DeviceError, match=r"rejects 'svc power stayon true'.*measure without it"):
        open_phone(phone.serial, asked).__enter__()
    assert not phone.state.fixed_performance
    assert settings.pending(phone.profile.serialno) is None
    assert not settings.has_pending(link_to(phone), phone.profile.serialno)
