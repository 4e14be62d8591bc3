"""A phone with the commands of an old Android is measured all the same, or one sentence names what is missing."""

import re
from dataclasses import replace

import old_androids
import pytest
from old_androids import ANDROIDS, GONE
from phone_jobs import CPU, MakeJob, assert_true, measure
from phone_simulator.faults import Fault
from phone_simulator.phone import Phone

from mogakit.android_runner import detached, discovery, userland
from mogakit.android_runner.adb import Link
from mogakit.android_runner.runner import PhoneOptions, PhoneRunner, open_phone
from mogakit.bench.agreement import Verdict
from mogakit.bench.measurement import Status
from mogakit.bench.target import parse_target
from mogakit.errors import DeviceError


def age(phone: Phone, lacks: dict[str, str]) -> None:
    """Take from a phone's userland what an older one has not."""
    old_androids.age(phone.root.bin, lacks, lambda command: str(command.resolve()))


@pytest.mark.parametrize("android", ANDROIDS)
@pytest.mark.parametrize("target", [CPU, "mace/cpu/float32"])
def test_an_old_phone_is_measured(
    quick_phone: Phone, options: PhoneOptions, make_job: MakeJob, android: str, target: str
) -> None:
    age(quick_phone, ANDROIDS[android])
    with open_phone(quick_phone.serial, options) as runner:
        (measured,) = measure(runner, make_job(target))
    assert_true(quick_phone, make_job(target), measured)


@pytest.mark.parametrize("android", ANDROIDS)
@pytest.mark.parametrize("wrong", [False, True])
def test_an_old_phone_is_asked_for_its_answers(
    quick_phone: Phone, options: PhoneOptions, make_job: MakeJob, android: str, wrong: bool
) -> None:
    age(quick_phone, ANDROIDS[android])
    if wrong:
        quick_phone.faults.add(Fault.WRONG_OUTPUT)
    with open_phone(quick_phone.serial, options) as runner:
        agreement = runner.agreement(make_job(CPU))
    assert agreement.verdict is (Verdict.WRONG_OUTPUT if wrong else Verdict.AGREES), str(agreement)


def test_a_phone_that_cannot_send_an_output_is_not_said_to_be_wrong(
    quick_phone: Phone, options: PhoneOptions, make_job: MakeJob
) -> None:
    age(quick_phone, {"base64": GONE})
    with open_phone(quick_phone.serial, options) as runner:
        agreement = runner.agreement(make_job(CPU))
    assert agreement.verdict is Verdict.NOT_CHECKED
    assert "has no base64" in agreement.reason


@pytest.mark.parametrize("android", ["7.0", "a bare one"])
def test_an_old_phone_verifies_what_arrives_and_bounds_what_is_printed(
    quick_phone: Phone, options: PhoneOptions, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch, android: str
) -> None:
    monkeypatch.setattr(detached, "MAX_OUTPUT_BYTES", 20_000)
    age(quick_phone, ANDROIDS[android])
    with open_phone(quick_phone.serial, options) as runner:
        job = make_job(CPU)
        assert runner.unsupported(job.target) is None
        quick_phone.faults.add(Fault.WRONG_HASH)
        (measured,) = measure(runner, job)
        assert_true(quick_phone, job, measured)
        quick_phone.faults.add(Fault.ENDLESS_OUTPUT, times=-1)
        (measured,) = measure(runner, job)
    assert measured.status is Status.FAILED
    assert "printed more than 20000 bytes" in (measured.error or "")


@pytest.mark.parametrize(
    ("lacks", "said"),
    [
        (("sha256sum", "sha1sum", "md5sum"), "none of sha256sum, sha1sum, md5sum"),
        (("head", "dd"), "neither head -c nor dd"),
        (("stat", "wc"), "neither stat -c nor wc"),
    ],
)
def test_what_cannot_be_done_without_is_named(
    quick_phone: Phone, options: PhoneOptions, lacks: tuple[str, ...], said: str
) -> None:
    age(quick_phone, dict.fromkeys(lacks, GONE))
    with pytest.raises(DeviceError, match=re.escape(said)), open_phone(quick_phone.serial, options):
        pass


def test_a_phone_without_taskset_is_not_pinned_in_silence(quick_phone: Phone, options: PhoneOptions) -> None:
    age(quick_phone, {"taskset": GONE})
    with open_phone(quick_phone.serial, options) as runner:
        assert "has no taskset" in (runner.unsupported(parse_target(CPU)) or "")
        assert runner.unsupported(parse_target(CPU + ",cpus=all")) is None


def test_a_modern_phone_has_all_of_it(runner: PhoneRunner) -> None:
    assert runner.link.userland == userland.MODERN


@pytest.mark.parametrize("missing", sorted(userland.MODERN.has))
def test_every_command_line_keeps_its_meaning(quick_phone: Phone, missing: str) -> None:
    old = replace(userland.MODERN, has=userland.MODERN.has - {missing})
    link = Link(discovery.default_servers()[0], quick_phone.serial, old)
    made = link.shell(
        f"cd /data/local/tmp && {old.zeros(5, 'z')} && {old.size('z')} && printf abcdef | {old.bounded(3)}"
    )
    assert made.stdout.split() == ["5", "abc"]
    run = link.shell(old.with_environment("A='x y'", "sh -c 'echo \"$A\"'"))
    assert run.stdout == "x y\n"
