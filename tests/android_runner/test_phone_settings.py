"""What a session changes on the phone is asked for, and put back: by itself, or by the next one where it died."""

from dataclasses import replace
from pathlib import Path

import pytest
from phone_jobs import CPU, MakeJob, measure
from phone_simulator.phone import Phone

from mogakit.android_runner import deploy, discovery, settings
from mogakit.android_runner.adb import Link
from mogakit.android_runner.runner import PhoneOptions, PhoneRunner, open_phone
from mogakit.android_runner.settings import SettingsRequest


def test_settings_are_changed_on_request_and_restored(quick_phone: Phone, options: PhoneOptions) -> None:
    request = SettingsRequest(fixed_performance=True, screen_on=True)
    quick_phone.state.awake = False
    quick_phone.refresh()
    with open_phone(quick_phone.serial, replace(options, settings=request)):
        assert quick_phone.state.fixed_performance
        assert quick_phone.state.awake
        assert quick_phone.state.stay_on or quick_phone.state.settings["global"]["stay_on_while_plugged_in"] != "0"
    assert not quick_phone.state.fixed_performance
    assert not quick_phone.state.awake
    assert quick_phone.state.settings["global"]["stay_on_while_plugged_in"] == "0"


def test_nothing_is_changed_without_a_request(quick_phone: Phone, runner: PhoneRunner, make_job: MakeJob) -> None:
    measure(runner, make_job(CPU))
    assert not quick_phone.state.fixed_performance
    assert not quick_phone.state.stay_on


@pytest.mark.parametrize("record", ["here", "on the phone"])
def test_what_a_dead_session_changed_is_restored_by_the_next(
    quick_phone: Phone, options: PhoneOptions, own_home: Path, record: str
) -> None:
    link = Link(discovery.default_servers()[0], quick_phone.serial)
    serialno = quick_phone.profile.serialno
    dying = settings.applied(link, serialno, SettingsRequest(fixed_performance=True))
    dying.__enter__()  # and the process is killed before it leaves
    assert quick_phone.state.fixed_performance
    if record == "on the phone":  # another computer had changed it
        for path in (own_home / "phones").iterdir():
            path.unlink()
    with open_phone(quick_phone.serial, options):
        assert not quick_phone.state.fixed_performance
    assert settings.pending(serialno) is None
    dying.__exit__(None, None, None)


def test_a_foreign_restore_file_is_not_obeyed(quick_phone: Phone, options: PhoneOptions) -> None:
    link = Link(discovery.default_servers()[0], quick_phone.serial)
    link.shell(f"mkdir -p {deploy.ROOT} && echo 'touch /data/local/tmp/owned' >{deploy.ROOT}/restore.sh")
    with (
        pytest.raises(Exception, match="is not a command that the kit would undo"),
        open_phone(quick_phone.serial, options),
    ):
        pass
    assert not quick_phone.host_path("/data/local/tmp/owned").exists()
