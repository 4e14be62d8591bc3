"""This computer times real files in real worker processes."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from mogakit.bench import protocol
from mogakit.bench.host import HostRunner
from mogakit.bench.measurement import Clock, DelegationKind, Measurement, Status
from mogakit.bench.runner import Job
from mogakit.bench.target import parse_target
from mogakit.errors import DeviceError, MeasurementError
from mogakit.export.artifact import Format, Precision, Role
from mogakit.export.pipeline import export_module
from mogakit.nets.block import Activation, Block, Op
from mogakit.nets.modules import build_block

NO_XNNPACK = parse_target("tflite/cpu/float32,xnnpack=off")


@pytest.fixture(scope="module")
def runner() -> HostRunner:
    return HostRunner()


def measure(runner: HostRunner, jobs: list[Job], windows: int = 1, round_number: int = 0) -> list[Measurement]:
    with runner.session(jobs, round_number, seed=0) as session:
        return [one for window in range(windows) for one in session.measure(jobs, window)]


def test_files_of_two_runtimes_are_timed_in_one_window(
    runner: HostRunner, tflite_jobs: list[Job], onnx_jobs: list[Job]
) -> None:
    jobs = [*tflite_jobs, *onnx_jobs]
    taken = measure(runner, jobs, windows=2)
    assert [one.artifact_sha256 for one in taken] == 2 * [job.artifact.sha256 for job in jobs]
    assert [one.window for one in taken] == [0] * 6 + [1] * 6
    assert len({one.process for one in taken}) == 1
    for one in taken:
        assert one.status is Status.OK
        assert one.clock is Clock.THREAD_CPU
        assert (len(one.samples_ms), len(one.cold_ms)) == (2, 1)
        assert 0 < min(one.samples_ms) < 100
        assert one.init_ms is not None and one.init_ms > 0
        assert one.first_run_ms is not None and one.first_run_ms > 0
        assert one.before.at <= one.after.at
    assert [bool(one.warmup_ms) for one in taken[:6]] == [True] + 5 * [False]


def test_a_bigger_block_takes_longer(runner: HostRunner, tflite_jobs: list[Job]) -> None:
    taken = measure(runner, tflite_jobs, windows=5)
    best = [min(one.samples_ms[0] for one in taken[index::3]) for index in range(3)]
    assert best[0] < best[1] < best[2]  # 8, 16 and 28 pixels


def test_a_file_that_stands_often_in_a_window_gives_one_measurement(runner: HostRunner, tflite_jobs: list[Job]) -> None:
    first, second, _ = tflite_jobs
    with runner.session(tflite_jobs, 0, seed=0) as session:
        taken = list(session.measure([first, second, first, first], 0))
    assert [one.artifact_name for one in taken] == [first.artifact.name, second.artifact.name]
    assert (len(taken[0].samples_ms), len(taken[0].cold_ms)) == (6, 3)
    assert list(taken[0].visited_at_ms) == sorted(taken[0].visited_at_ms)


def test_delegation_is_read_from_the_interpreter(
    runner: HostRunner, tflite_jobs: list[Job], onnx_jobs: list[Job]
) -> None:
    plain = Job(tflite_jobs[0].artifact, NO_XNNPACK)
    delegated, built_in, ort = measure(runner, [tflite_jobs[0], plain, onnx_jobs[0]])
    assert delegated.delegation.kind is DelegationKind.FULL
    assert delegated.delegation.nodes_delegated == delegated.delegation.nodes_total
    assert (delegated.delegation.num_partitions, delegated.delegation.backend) == (1, "XNNPACK")
    assert built_in.delegation.kind is DelegationKind.NOT_ASKED
    assert ort.delegation.backend == "CPUExecutionProvider"


def test_threads_are_timed_by_the_wall_and_a_clock_can_be_forced(tflite_jobs: list[Job]) -> None:
    two_threads = parse_target("tflite/cpu/float32,threads=2")
    assert HostRunner().clock(two_threads) is Clock.WALL
    (one,) = measure(HostRunner(clock=Clock.WALL), tflite_jobs[:1])
    assert one.clock is Clock.WALL


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_peak_memory_is_measured_in_the_first_round_only(runner: HostRunner, tflite_jobs: list[Job]) -> None:
    (first,) = measure(runner, tflite_jobs[2:])
    (second,) = measure(runner, tflite_jobs[2:], round_number=1)
    assert first.peak_memory_mb is not None
    assert 0.05 < first.peak_memory_mb < 30
    assert second.peak_memory_mb is None


def test_each_round_is_a_fresh_process(runner: HostRunner, tflite_jobs: list[Job]) -> None:
    names = {measure(runner, tflite_jobs[:1], round_number=number)[0].process for number in range(2)}
    assert len(names) == 2


def test_a_broken_file_is_named(runner: HostRunner, tflite_jobs: list[Job], tmp_path: Path) -> None:
    path = tmp_path / "broken.tflite"
    path.write_bytes(b"no model")
    broken = Job(replace(tflite_jobs[0].artifact, path=path), tflite_jobs[0].target)
    missing = Job(replace(tflite_jobs[0].artifact, path=tmp_path / "gone.tflite"), tflite_jobs[0].target)
    for job, reason in (
        (broken, "broken.tflite cannot be loaded for tflite/cpu/float32"),
        (missing, "export it again"),
    ):
        failed, timed = measure(HostRunner(), [job, tflite_jobs[1]])  # one file never ends the others
        assert failed.status is Status.FAILED
        assert reason in (failed.error or "")
        assert timed.status is Status.OK and timed.samples_ms
        (alone,) = measure(HostRunner(), [job])
        assert reason in (alone.error or "")


def test_a_worker_that_dies_is_a_device_error_with_the_signal(runner: HostRunner, tflite_jobs: list[Job]) -> None:
    with runner.session(tflite_jobs, 0, seed=0) as session:
        session._process.kill()
        with pytest.raises(DeviceError, match="killed by signal 9"):
            list(session.measure(tflite_jobs, 0))


@pytest.mark.parametrize(
    ("target", "hint"),
    [
        ("mace/cpu/float32", "give a phone"),
        ("tflite/gpu/float16", "only cpu and, through Vulkan, tflite/gpu/float32"),
        ("tflite/gpu/float32,threads=4", "supported: none"),
        ("tflite/cpu/float32,accelerator=x", "supported: threads, xnnpack"),
        ("onnx/cpu/float32,xnnpack=off", "supported: threads"),
    ],
)
def test_what_this_computer_cannot_run_is_rejected_with_advice(runner: HostRunner, target: str, hint: str) -> None:
    assert hint in str(runner.unsupported(parse_target(target)))


def test_identity_holds_what_changes_times_and_repeats(runner: HostRunner) -> None:
    identity = runner.identity(NO_XNNPACK)
    assert identity == HostRunner().identity(NO_XNNPACK)
    assert identity.runtime.startswith("ai-edge-litert ")
    assert {"clock=thread-cpu", "threads=1", "xnnpack=off"} <= set(identity.flags)
    assert list(identity.flags) == sorted(identity.flags)
    assert identity != HostRunner(clock=Clock.WALL).identity(NO_XNNPACK)
    assert identity != runner.identity(parse_target("tflite/cpu/float32"))


def start_worker() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "mogakit.bench.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def test_a_worker_ends_when_its_input_closes() -> None:
    with start_worker() as worker:
        assert worker.stdin is not None
        worker.stdin.close()
        assert worker.wait(timeout=20) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_a_worker_dies_with_its_parent(tflite_jobs: list[Job]) -> None:
    script = (
        "import subprocess, sys, time\n"
        "from mogakit.bench import protocol\n"
        "worker = subprocess.Popen([sys.executable, '-m', 'mogakit.bench.worker'], stdin=subprocess.PIPE,"
        " stdout=subprocess.PIPE)\n"
        "file = {'path': sys.argv[1], 'target': 'tflite/cpu/float32', 'clock': 'wall'}\n"
        "protocol.exchange(worker, {'op': 'load', 'files': [file], 'seed': 0, 'probe': False})\n"
        "print(worker.pid, flush=True)\n"
        "protocol.exchange(worker, {'op': 'window', 'order': [0] * 10**7, 'warm_calls': 1, 'warm_up': False})\n"
    )
    command = [sys.executable, "-c", script, str(tflite_jobs[2].artifact.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        os.kill(parent.pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the worker outlives its parent"
        time.sleep(0.05)


def test_a_torn_or_foreign_message_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "stream"
    for content, complaint in (
        (b"\x00\x00", "inside a message"),
        (b"\x00\x00\x00\x09{}", "inside"),
        (b"\x00\x00\x00\x021 ", "not a message"),
    ):
        path.write_bytes(content)
        with path.open("rb") as stream, pytest.raises(MeasurementError, match=complaint):
            protocol.receive(stream)
    path.write_bytes(b"")
    with path.open("rb") as stream:
        assert protocol.receive(stream) is None


def test_a_graph_that_xnnpack_takes_in_parts_is_partial_and_still_a_cpu_time(
    runner: HostRunner, tmp_path: Path
) -> None:
    block = Block(
        Op.MB,
        8,
        8,
        16,
        kernel=3,
        expanded_channels=24,
        activation=Activation.HSWISH,
        residual=True,
    )
    shape = (1, 8, 16, 16)
    artifact = export_module(build_block(block), "q", Role.CHOICE, Format.TFLITE, Precision.INT8, shape, tmp_path)
    (one,) = measure(runner, [Job(artifact, parse_target("tflite/cpu/int8"))])
    delegation = one.delegation
    assert delegation.kind is DelegationKind.PARTIAL  # its integer kernels have no h-swish
    assert delegation.nodes_delegated is not None and delegation.nodes_total is not None
    assert 0 < delegation.nodes_delegated < delegation.nodes_total
    assert delegation.num_partitions is not None and delegation.num_partitions >= 2
    assert one.status is Status.OK
