"""A phone with the commands of an old Android is measured all the same, or one sentence names what is missing."""

import re
from dataclasses import replace

import pytest
from phone_jobs import CPU, MakeJob, assert_true, measure
from phone_simulator.faults import Fault
from phone_simulator.phone import Phone

from mogakit.android_runner import detached, discovery, userland
from mogakit.android_runner.adb import Link
from mogakit.android_runner.runner import PhoneOptions, PhoneRunner, open_phone
from mogakit.bench.measurement import Status
from mogakit.bench.target import parse_target
from mogakit.errors import DeviceError

GONE = "absent"
NO_C = """#!/bin/sh
for word; do [ "$word" != -c ] || {{ echo "{name}: Unknown option c" >&2; exit 1; }}; done
exec {real} "$@"
"""

ANDROIDS = {
    "7.0": {"sha256sum": GONE, "stat": NO_C},
    "8.0": {"head": NO_C},
    "8.0 without nohup and env": {"head": NO_C, "nohup": GONE, "env": GONE},
    "a bare one": {**dict.fromkeys(("sha256sum", "sha1sum", "stat", "nohup", "setsid", "env"), GONE), "head": NO_C},
}


def age(phone: Phone, lacks: dict[str, str]) -> None:
    """Take from a phone's userland what an older one has not."""
    for name, text in lacks.items():
        command = phone.root.bin / name
        real = command.resolve()
        command.unlink()
        if text != GONE:
            command.write_text(text.format(name=name, real=real))
            command.chmod(0o755)


@pytest.mark.parametrize("android", ANDROIDS)
@pytest.mark.parametrize("target", [CPU, "mace/cpu/float32"])
def test_an_old_phone_is_measured(
    quick_phone: Phone, options: PhoneOptions, make_job: MakeJob, android: str, target: str
) -> None:
    age(quick_phone, ANDROIDS[android])
    with open_phone(quick_phone.serial, options) as runner:
        (measured,) = measure(runner, make_job(target))
    assert_true(quick_phone, make_job(target), measured)


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
