"""Waiting for a warm phone is shown, has an end, and does not begin because of a temperature that no phone has."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from click.testing import CliRunner
from phone_jobs import CPU, MakeJob, measure
from phone_simulator.phone import Phone

from mogakit.android_runner import state
from mogakit.android_runner.guard import GuardLimits
from mogakit.android_runner.runner import PhoneOptions, PhoneRunner, open_phone
from mogakit.bench.measurement import Status
from mogakit.cli.main import cli
from mogakit.errors import DeviceError
from mogakit.flows.measure.devices import PhoneRequest, open_runner


def status_one(phone: Phone) -> None:
    """Be warm, as a phone in the sun or under another app, without end."""
    phone.clock.scale = 10.0
    phone.heat_to(43.0)


def test_a_warm_phone_ends_the_job_after_three_hopeless_waits_and_keeps_what_was_measured(
    quick_phone: Phone, options: PhoneOptions, make_job: MakeJob, caplog: pytest.LogCaptureFixture
) -> None:
    limits = GuardLimits(max_wait_s=0.3, poll_s=0.1)
    seen = []
    with open_phone(quick_phone.serial, replace(options, limits=limits)) as runner:
        seen += measure(runner, make_job(CPU))
        status_one(quick_phone)
        with pytest.raises(DeviceError, match=r"3 waits of 0.3 s .*thermal status is light.*--resume.*--max-wait"):
            for number in range(1, 4):
                seen += measure(runner, make_job(CPU, number))
    assert seen[0].status is Status.OK
    assert {one.status for one in seen[1:]} <= {Status.HOT}
    said = [record.getMessage() for record in caplog.records if "waiting for the phone" in record.getMessage()]
    assert len(said) == 3
    assert all("until " in line and "thermal status is light" in line for line in said)


def test_a_wait_that_helps_is_not_hopeless(quick_phone: Phone, runner: PhoneRunner, make_job: MakeJob) -> None:
    for number in range(4):
        quick_phone.heat_to(47.0)
        runner.state()
        (measured,) = measure(runner, make_job(CPU, number))
        assert measured.status is Status.OK


@pytest.mark.parametrize("max_wait_s", [None, 0.0, 30.0])
def test_the_longest_wait_is_asked_for(quick_phone: Phone, max_wait_s: float | None) -> None:
    with open_runner(quick_phone.serial, phone=PhoneRequest(max_wait_s=max_wait_s)) as runner:
        limits = runner.options.limits  # type: ignore[attr-defined]
    assert limits.max_wait_s == (600.0 if max_wait_s is None else max_wait_s)


def thermal(value: str, current: bool = True, ready: bool = True) -> str:
    line = f"\tTemperature{{mValue={value}, mType=3, mName=skin, mStatus=0}}\n"
    text = f"IsStatusOverride: false\nThermal Status: 0\nCached temperatures:\n{line}HAL Ready: {str(ready).lower()}\n"
    return text + (f"Current temperatures from HAL:\n{line}Current cooling devices from HAL:\n" if current else "")


@pytest.mark.parametrize("value", ["31500.0", "38000", "150.0", "-273.1", "NaN", "0.0", "121.0"])
def test_impossible_temperatures_are_not_believed(value: str) -> None:
    assert state.parse({"thermal": thermal(value)}).skin_c is None
    beside = thermal("36.5").replace("Current cooling", thermal(value).splitlines()[3] + "\nCurrent cooling")
    assert state.parse({"thermal": beside}).skin_c == 36.5


@pytest.mark.parametrize("tenths", ["3150000", "31500", "1300", "-3000"])
def test_impossible_battery_temperatures_are_not_believed(tenths: str) -> None:
    assert state.parse({"battery": f"  level: 84\n  temperature: {tenths}\n"}).battery_c is None
    assert state.parse({"battery": "  level: 84\n  temperature: 315\n"}).battery_c == 31.5


def test_a_cached_temperature_is_not_one_of_now() -> None:
    assert state.parse({"thermal": thermal("55.0")}).skin_c == 55.0
    assert state.parse({"thermal": thermal("55.0", current=False)}).skin_c is None
    assert state.parse({"thermal": thermal("55.0", ready=False)}).skin_c is None


def test_devices_shows_the_heat_and_what_a_run_would_wait_for(quick_phone: Phone) -> None:
    (found,) = json.loads(CliRunner().invoke(cli, ["devices", "--json"]).stdout)
    assert found["waits_for"] == []
    status_one(quick_phone)
    (found,) = json.loads(CliRunner().invoke(cli, ["devices", "--json"]).stdout)
    assert "thermal status is light" in found["waits_for"][0]
    text = " ".join(CliRunner().invoke(cli, ["devices"]).stdout.split())
    assert "a run would wait: thermal status is light" in text


def test_advice_names_an_adb_that_is_there(
    make_phone: Callable[..., Phone], with_tools: None, options: PhoneOptions, make_job: MakeJob,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    phone = make_phone(time_scale=0.01)
    phone.state.battery_faked = True
    phone.refresh()
    with open_phone(phone.serial, options) as runner:
        monkeypatch.setenv("PATH", "/nonexistent")
        with pytest.raises(DeviceError, match=r"run: (?!adb ).*adb shell dumpsys battery reset"):
            measure(runner, make_job(CPU))
