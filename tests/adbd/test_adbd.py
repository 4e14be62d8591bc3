"""The kit's whole adb layer against Android's real adbd, shell and userland."""

import hashlib
import json
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from debian_adbd.device import ABI, BUSYBOX, AdbdDevice
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from old_androids import ANDROIDS, age
from phone_simulator.binaries import Tool
from phone_simulator.faults import Fault

from mogakit.android_runner import deploy, detached, discovery, tools, userland
from mogakit.android_runner import state as phone_state
from mogakit.android_runner.adb import Link
from mogakit.android_runner.adb_server import LinkLost, ShellTimeout
from mogakit.android_runner.commands import RunLength
from mogakit.android_runner.deploy import Wanted
from mogakit.android_runner.guard import GuardLimits
from mogakit.android_runner.quoting import quote
from mogakit.android_runner.runner import PhoneOptions, open_phone
from mogakit.bench.agreement import Verdict
from mogakit.bench.measurement import DelegationKind, Measurement, Status, counts
from mogakit.bench.runner import Job
from mogakit.bench.target import parse_target
from mogakit.cli.main import cli
from mogakit.errors import DeviceError
from mogakit.export.artifact import Artifact, Format, Precision
from mogakit.flows.deploy.export import export_network, export_parts
from mogakit.flows.measure.profile import ProfileRequest, profile
from mogakit.nets.spaces import get_space

CPU = "tflite/cpu/float32"
SHORT = RunLength(num_runs=15, min_s=0.02, max_s=5.0, warmup_min_s=0.01)
OPTIONS = PhoneOptions(length=SHORT, limits=GuardLimits(max_wait_s=5.0, poll_s=0.1), reconnect_s=30.0)

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


def boot_id(link: Link) -> str:
    return link.shell("cat /proc/sys/kernel/random/boot_id").stdout.strip()


def running(device: AdbdDevice, text: str) -> bool:
    return any(text in process.text for process in device.processes())


def wait_until_running(device: AdbdDevice, text: str) -> None:
    deadline = time.monotonic() + 10
    while not running(device, text):
        assert time.monotonic() < deadline, f"{text} was not started"
        time.sleep(0.02)


def sleeper(link: Link, seconds: float) -> detached.Run:
    return detached.launch(link, "a-run", f"/system/bin/sleep {seconds}", boot_id(link))


# -- discovery and the shell


def test_the_device_is_found_ready(device: AdbdDevice) -> None:
    (found,) = discovery.find()
    assert (found.state, found.advice, found.serialno) == ("device", "", device.profile.serialno)
    assert found.properties is not None
    assert found.properties.abis == (ABI,)
    assert len(found.properties.clusters) == 1
    assert found.condition is not None
    assert found.condition.battery_percent == 84
    assert found.condition.boot_id


def test_the_state_is_read_from_androids_own_commands(device: AdbdDevice, link: Link) -> None:
    device.clock.scale = 1.0  # otherwise it has cooled before it is asked
    device.heat_to(50.0)
    assert phone_state.read(link).thermal_status == 3
    link.shell("cmd thermalservice override-status 1")
    assert phone_state.read(link).thermal_overridden


def test_the_shell_keeps_exit_codes_streams_and_signals_apart(link: Link) -> None:
    answer = link.shell("echo out; echo err >&2; exit 7")
    assert (answer.exit_code, answer.stdout, answer.stderr) == (7, "out\n", "err\n")
    assert link.shell("kill -9 $$").exit_code == 137
    assert link.shell("no-such-command").exit_code == 127
    assert "MIRBSD KSH" in link.shell("echo $KSH_VERSION; uname -a").stdout


def test_the_shell_is_bounded_in_time_and_output(device: AdbdDevice, link: Link) -> None:
    assert len(link.shell("head -c 5000000 /dev/zero | tr '\\0' x").stdout) == 5_000_000
    begun = time.monotonic()
    with pytest.raises(ShellTimeout):
        link.shell("while :; do echo tick; sleep 0.05; done", timeout_s=1.0)
    assert time.monotonic() - begun < 5.0
    with pytest.raises(ShellTimeout):
        link.shell("cat /dev/zero", max_bytes=100_000)


def test_sixteen_shells_at_once(link: Link) -> None:
    answers: list[str] = []
    threads = [
        threading.Thread(target=lambda n=n: answers.append(link.shell(f"sleep 0.2; echo {n}").stdout))
        for n in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(int(answer) for answer in answers) == list(range(16))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=40))
def test_names_do_nothing_but_name_things(link: Link, name: str) -> None:
    assert link.shell(f"printf '%s' {quote(name)}; printf '|'").stdout == name + "|"


# -- deployment


def test_files_are_deployed_once_and_verified(device: AdbdDevice, link: Link, tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    source = tmp_path / "model.tflite"
    source.write_bytes(data)
    wanted = Wanted(source=source, sha256=hashlib.sha256(data).hexdigest(), num_bytes=len(data), name="model.tflite")
    assert deploy.deploy(link, [wanted]) == ["model.tflite"]
    assert deploy.deploy(link, [wanted]) == []
    assert device.host_path(wanted.remote).read_bytes() == data
    assert deploy.free_bytes(link) > 0
    assert deploy.clean(link) > len(data)
    assert deploy.deploy(link, [wanted]) == ["model.tflite"]


def test_a_file_that_is_not_what_it_claims_is_not_stored(device: AdbdDevice, link: Link, tmp_path: Path) -> None:
    source = tmp_path / "model.tflite"
    source.write_bytes(b"something else")
    wanted = Wanted(source=source, sha256="0" * 64, num_bytes=source.stat().st_size, name="model.tflite")
    with pytest.raises(DeviceError, match="another hash twice"):
        deploy.deploy(link, [wanted])
    assert not device.host_path(wanted.remote).exists()


def test_a_push_cut_in_the_middle_leaves_nothing_that_counts(device: AdbdDevice, link: Link, tmp_path: Path) -> None:
    data = os.urandom(8_000_000)
    source = tmp_path / "model.tflite"
    source.write_bytes(data)
    wanted = Wanted(source=source, sha256=hashlib.sha256(data).hexdigest(), num_bytes=len(data), name="model.tflite")
    sent = 0

    def pull_the_cable(num_bytes: int) -> None:
        nonlocal sent
        sent += num_bytes
        if 2_000_000 <= sent < 2_000_000 + num_bytes:
            device.unplug()

    with pytest.raises(LinkLost):
        deploy.deploy(link, [wanted], pull_the_cable)
    assert not device.host_path(wanted.remote).exists()
    device.plug()
    assert deploy.deploy(link, [wanted]) == ["model.tflite"]
    assert device.host_path(wanted.remote).read_bytes() == data


# -- detached runs, and what happens to them


def test_a_detached_run_brings_back_output_and_exit_code(link: Link) -> None:
    run = detached.launch(link, "a-run", "sh -c 'echo said; echo loudly >&2; exit 3'", boot_id(link))
    finished = detached.wait(link, run, {}, expected_s=0.1, deadline_s=10.0)
    assert finished.exit_code == 3
    assert set(finished.output.splitlines()) == {"said", "loudly"}


@pytest.mark.parametrize("accident", ["cable", "adbd", "server"])
def test_a_run_outlives_an_accident(device: AdbdDevice, link: Link, accident: str) -> None:
    run = detached.launch(link, "a-run", "sh -c '/system/bin/sleep 1.5; echo done'", boot_id(link))
    if accident == "cable":
        device.unplug()
        threading.Timer(0.7, device.plug).start()
    elif accident == "adbd":
        device.kill_adbd()
    else:
        device.server.kill()
        threading.Timer(0.7, device.server.start).start()
    finished = detached.wait(link, run, {}, expected_s=0.3, deadline_s=30.0, reconnect_s=30.0)
    assert (finished.exit_code, finished.output) == (0, "done\n")


def test_a_reboot_loses_the_run_and_says_so(device: AdbdDevice, link: Link) -> None:
    run = sleeper(link, 60)
    wait_until_running(device, "sleep 60")
    device.reboot_soon()
    with pytest.raises(detached.Rebooted):
        detached.wait(link, run, {}, expected_s=1.0, deadline_s=40.0, reconnect_s=40.0)
    assert not running(device, "sleep 60")


def test_a_run_that_never_ends_is_ended_by_its_pid(device: AdbdDevice, link: Link) -> None:
    run = sleeper(link, 77)
    finished = detached.wait(link, run, {}, expected_s=0.1, deadline_s=1.0)
    assert finished.exit_code is None
    assert not running(device, "sleep 77")


@pytest.mark.parametrize("ended_by", ["deadline", "sweep"])
def test_the_children_of_a_tool_that_hangs_end_with_it(device: AdbdDevice, link: Link, ended_by: str) -> None:
    tool = "sh -c '( /system/bin/sleep 6001 & ); /system/bin/sleep 6002 & wait'"
    run = detached.launch(link, "a-run", tool, boot_id(link))
    wait_until_running(device, "sleep 6001")
    wait_until_running(device, "sleep 6002")
    if ended_by == "deadline":
        assert detached.wait(link, run, {}, expected_s=0.1, deadline_s=0.3).exit_code is None
    else:
        assert len(detached.sweep(link)) == 3
    assert not running(device, "sleep 600")


def test_what_an_earlier_session_left_is_swept(device: AdbdDevice, link: Link) -> None:
    sleeper(link, 88)
    wait_until_running(device, "sleep 88")
    assert len(detached.sweep(link)) == 1
    assert not running(device, "sleep 88")


def test_endless_output_ends_the_tool(device: AdbdDevice, link: Link) -> None:
    run = detached.launch(link, "a-run", "sh -c 'while :; do echo retry once more, errcode -5; done'", boot_id(link))
    finished = detached.wait(link, run, {}, expected_s=0.5, deadline_s=30.0)
    assert finished.cut
    assert not running(device, "errcode")


def test_a_silent_adbd_is_a_timeout(device: AdbdDevice, link: Link) -> None:
    device.freeze()
    with pytest.raises((ShellTimeout, LinkLost)):
        link.shell("true", timeout_s=1.5)
    device.freeze(False)
    link.wait_until_ready(20.0)
    assert link.shell("echo back").stdout == "back\n"


# -- measuring


def make_job(folder: Path, target: str) -> Job:
    space = get_space("moga")
    (artifact,) = export_parts(space.choice_blocks[-1:], (), [Format.TFLITE], Precision.FLOAT32, folder / "files")
    return Job(artifact, parse_target(target))


def measure(device: AdbdDevice, job: Job) -> Measurement:
    with open_phone(device.serial, OPTIONS) as runner, runner.session([job], 0, seed=0) as session:
        (measured,) = session.measure([job], 0)
        return measured


def test_a_file_is_really_run(device: AdbdDevice, tmp_path: Path) -> None:
    tools.add(device.write_tool(tmp_path / "bin", Tool.BENCHMARK_MODEL))
    measured = measure(device, make_job(tmp_path, CPU))
    assert (measured.status, measured.error) == (Status.OK, None)
    assert measured.delegation.kind is DelegationKind.FULL
    assert measured.summary is not None
    assert 0.001 < measured.summary.mean_ms < 100.0
    assert measured.process


def test_one_wrong_value_is_found_and_never_counts(device: AdbdDevice, tmp_path: Path) -> None:
    tools.add(device.write_tool(tmp_path / "bin", Tool.BENCHMARK_MODEL))
    job = make_job(tmp_path, CPU)
    with open_phone(device.serial, OPTIONS) as runner:
        right = runner.agreement(job)
        device.faults.add(Fault.WRONG_OUTPUT)
        wrong = runner.agreement(job)
    assert (right.verdict, wrong.verdict) == (Verdict.AGREES, Verdict.WRONG_OUTPUT), f"{right}; {wrong}"
    device.faults.add(Fault.WRONG_OUTPUT)
    words = ["bench", str(job.artifact.path), "--device", device.serial, "--quick", "--rounds", "1", "--json"]
    found = CliRunner().invoke(cli, words)
    (row,) = json.loads(found.stdout)["timings"]
    assert (found.exit_code, row["status"], counts(Status(row["status"]))) == (1, "wrong-output", False)


@pytest.mark.parametrize("android", [*ANDROIDS, "9"])
def test_older_userlands_are_measured_verified_and_bounded(
    device: AdbdDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, android: str
) -> None:
    lacks = ANDROIDS.get(android, {})
    applet = {name: "busybox" if name in BUSYBOX else "toybox" for name in lacks}
    age(device.host_path("/system/bin"), lacks, lambda one: f"/usr/bin/{applet[one.name]} {one.name}", "/system/bin/sh")
    monkeypatch.setattr(detached, "MAX_OUTPUT_BYTES", 20_000)
    tools.add(device.write_tool(tmp_path / "bin", Tool.BENCHMARK_MODEL))
    job = make_job(tmp_path, CPU)
    with open_phone(device.serial, OPTIONS) as runner:
        assert (runner.link.userland == userland.MODERN) == (not lacks)
        agreement = runner.agreement(job)
        assert agreement.verdict is Verdict.AGREES, str(agreement)
        with runner.session([job], 0, seed=0) as session:
            (measured,) = session.measure([job], 0)
            assert (measured.status, measured.error) == (Status.OK, None)
            device.faults.add(Fault.ENDLESS_OUTPUT, times=-1)
            (endless,) = session.measure([job], 1)
    assert endless.status is Status.FAILED
    assert "printed more than 20000 bytes" in (endless.error or "")
    assert not running(device, "benchmark_model")


def test_a_library_that_the_device_lacks_is_named_before_the_tool_is_run(device: AdbdDevice, tmp_path: Path) -> None:
    tools.add(device.write_tool(tmp_path / "bin", Tool.BENCHMARK_MODEL))
    device.host_path("/system/lib64/libc.so.6").unlink()
    with pytest.raises(tools.ToolMissing, match=r"benchmark_model \(.*\) needs libc\.so\.6"):
        measure(device, make_job(tmp_path, CPU))
    assert device.runs == []


def test_an_accelerator_that_is_not_there_is_no_silent_cpu(device: AdbdDevice, tmp_path: Path) -> None:
    tools.add(device.write_tool(tmp_path / "bin", Tool.BENCHMARK_MODEL))
    measured = measure(device, make_job(tmp_path, "tflite/gpu/float16"))
    assert measured.status in (Status.FALLBACK, Status.FAILED)


@pytest.mark.slow
def test_a_table_of_real_times_predicts_networks(device: AdbdDevice, tmp_path: Path) -> None:
    tools.add(device.write_tool(tmp_path / "bin", Tool.BENCHMARK_MODEL))
    space = get_space("digits", input_size=64)
    target = parse_target(CPU)
    with open_phone(device.serial, OPTIONS) as runner:
        request = ProfileRequest(
            space="digits",
            target=target,
            folder=tmp_path / "run",
            device=device.serial,
            quick=True,
            rounds=1,
            input_size=64,
        )
        result = profile(request, runner)
        rng = np.random.default_rng(7)
        networks = [space.decode(space.sample(rng)) for _ in range(4)]
        artifacts: list[Artifact] = [
            export_network(network, [Format.TFLITE], Precision.FLOAT32, tmp_path / "nets")[0] for network in networks
        ]
        jobs = [Job(artifact, target) for artifact in artifacts]
        with runner.session(jobs, 1, seed=0) as session:
            measured = [one for window, job in enumerate(jobs) for one in session.measure([job], window)]
    predictor = result.table
    for network, one in zip(networks, measured, strict=True):
        assert one.summary is not None
        ratio = predictor.latency_ms(network) / one.summary.mean_ms
        assert 0.5 < ratio < 2.0, "of the right size; one round on a busy computer says no more"
