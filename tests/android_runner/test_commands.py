"""What a person types, with a phone on the cable: devices, tools, bench and profile."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from phone_simulator.binaries import Tool, write_tool
from phone_simulator.faults import Fault
from phone_simulator.phone import Phone
from phone_simulator.profiles import PIXEL_6, SNAPDRAGON_8_GEN_2

from mogakit.android_runner import deploy, discovery, settings
from mogakit.android_runner.adb import Link
from mogakit.android_runner.lock import phone_lock
from mogakit.android_runner.settings import SettingsRequest
from mogakit.android_runner.targets import find_row
from mogakit.bench.runner import Job
from mogakit.bench.target import parse_target
from mogakit.cli.main import cli
from mogakit.errors import DeviceError
from mogakit.flows.measure.operator_profiles import PROFILED, read_profiles

MakeJob = Callable[..., Job]


def moga(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def test_devices_shows_what_a_phone_is_and_what_would_work(quick_phone: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "240")
    (found,) = json.loads(moga("devices", "--json").stdout)
    assert (found["serial"], found["state"], found["problem"]) == (quick_phone.serial, "device", None)
    properties = found["properties"]
    assert (properties["model"], properties["soc"], properties["android"]) == ("Pixel 6", "Google Tensor", "15")
    assert [cluster["cpus"] for cluster in properties["clusters"]] == [[6, 7], [4, 5], [0, 1, 2, 3]]
    assert found["condition"]["battery_percent"] == 84
    answers = {answer["target"]: answer["reason"] for answer in found["targets"]}
    assert answers[f"tflite/cpu/{'|'.join(find_row(parse_target('tflite/cpu/float32')).files)}"] is None
    assert "libhexagon_interface.so" in answers["tflite/dsp/int8|uint8"]
    assert "snpe-throughput-net-run is not registered" in answers["snpe/gpu/float32|float16"]
    assert "snpe-net-run is not registered" in answers["snpe/gpu/float32|float16,tool=net-run"]
    text = moga("devices").stdout
    assert "Pixel 6" in text
    assert "Mali-G78" in text


def test_devices_shows_the_targets_of_every_phone(make_phone: Callable[..., Phone], with_tools: None) -> None:
    props = {**SNAPDRAGON_8_GEN_2.props, "ro.product.cpu.abi": "x86_64", "ro.product.cpu.abilist": "x86_64"}
    phones = [make_phone(kind) for kind in (PIXEL_6, replace(SNAPDRAGON_8_GEN_2, props=props))]
    tables = moga("devices").stdout.split("Targets on ")[1:]
    assert sorted(table.split()[0] for table in tables) == sorted(phone.serial for phone in phones)
    by_serial = {table.split()[0]: table for table in tables}
    assert "yes" in by_serial[phones[0].serial]
    assert "yes" not in by_serial[phones[1].serial]


def test_no_phone_is_said_in_words(adb_server: object) -> None:
    result = moga("devices")
    assert result.exit_code == 0
    assert "USB debugging" in result.stdout
    assert json.loads(moga("devices", "--json").stdout) == []


def test_several_adb_servers(quick_phone: Phone, server_address: str) -> None:
    found = json.loads(moga("devices", "--adb", server_address, "--json").stdout)
    assert [item["adb_server"] for item in found] == [server_address]
    result = moga("devices", "--adb", "nonsense:port")
    assert isinstance(result.exception, Exception)
    assert "nonsense:port" in str(result.exception)


def test_devices_mends_what_a_dead_session_left(quick_phone: Phone) -> None:
    link = Link(discovery.default_servers()[0], quick_phone.serial)
    dying = settings.applied(link, quick_phone.profile.serialno, SettingsRequest(fixed_performance=True))
    dying.__enter__()  # and the process is killed before it leaves
    result = moga("devices")
    assert "left by an earlier session: settings restored" in result.stdout
    assert not quick_phone.state.fixed_performance
    assert "earlier session" not in moga("devices").stdout
    dying.__exit__(None, None, None)


def test_devices_leaves_a_busy_phone_alone(quick_phone: Phone) -> None:
    link = Link(discovery.default_servers()[0], quick_phone.serial)
    with phone_lock(quick_phone.profile.serialno):
        with settings.applied(link, quick_phone.profile.serialno, SettingsRequest(fixed_performance=True)):
            (found,) = json.loads(moga("devices", "--json").stdout)
            assert found["busy"]
            assert quick_phone.state.fixed_performance
        result = moga("devices", "clean")
        assert isinstance(result.exception, DeviceError)


def test_clean_says_what_was_freed(quick_phone: Phone, make_job: MakeJob) -> None:
    job = make_job("tflite/cpu/float32")
    moga("bench", job.artifact.path, "--device", quick_phone.serial, "--quick", "--run-s", 0.02)
    (freed,) = json.loads(moga("devices", "clean", "--json").stdout)
    assert freed["serial"] == quick_phone.serial
    assert freed["freed_bytes"] > job.artifact.num_bytes
    assert not quick_phone.host_path(deploy.ROOT).exists()


def test_bench_compares_files_over_targets_and_says_what_adb_times_are(quick_phone: Phone, make_job: MakeJob) -> None:
    paths = [make_job("tflite/cpu/float32", number).artifact.path for number in range(2)]
    targets = ("tflite/cpu/float32", "tflite/gpu/float16")
    asked = [word for target in targets for word in ("--target", target)]
    arguments = ("bench", *paths, "--device", quick_phone.serial, *asked, "--quick", "--run-s", 0.02)
    result = moga(*arguments, "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert "scheduled differently from an app" in document["scope"]
    assert len(document["timings"]) == 4
    by_name = {str(path): path for path in paths}
    for timing in document["timings"]:
        path = next((path for name, path in by_name.items() if timing["model"] in (name, path.name)), None)
        if path is not None:
            truth_ms = quick_phone.truth_ms(path, timing["target"])
            assert timing["latency_ms"] == pytest.approx(truth_ms, rel=0.1)
    assert "scheduled differently from an app" in " ".join(moga(*arguments).stdout.split())


def test_a_broken_off_bench_is_resumed_and_measures_nothing_twice(
    quick_phone: Phone, make_job: MakeJob, tmp_path: Path
) -> None:
    paths = [make_job("tflite/cpu/float32", number).artifact.path for number in range(4)]
    arguments = ("bench", *paths, "--device", quick_phone.serial, "--quick", "--run-s", 0.02, "-o", tmp_path / "run")
    arguments += ("--agreement", "off")  # only what is timed counts here
    quick_phone.disk_limit_bytes = None
    quick_phone.faults.add(Fault.REBOOT_IN_RUN, times=2, after=2)  # restarts twice in one run: given up
    broken = moga(*arguments)
    assert isinstance(broken.exception, DeviceError)
    assert "not fit for measuring" in str(broken.exception)
    first = [line for line in quick_phone.runs if "--graph" in line]
    resumed = moga(*arguments, "--resume", "--json")
    assert resumed.exit_code == 0, resumed.output
    assert len(json.loads(resumed.stdout)["timings"]) == 4
    second = [line for line in quick_phone.runs if "--graph" in line][len(first) :]
    finished = {line.split("--graph=")[1].split()[0] for line in first[:2]}
    assert not [line for line in second if line.split("--graph=")[1].split()[0] in finished and len(second) > 2]


@pytest.mark.parametrize("after", [2, 6], ids=["while comparing", "while timing"])
def test_what_was_compared_or_timed_before_a_bench_broke_off_is_not_done_again(
    after: int, quick_phone: Phone, make_job: MakeJob, tmp_path: Path
) -> None:
    paths = [make_job("tflite/cpu/float32", number).artifact.path for number in range(4)]
    arguments = ("bench", *paths, "--device", quick_phone.serial, "--quick", "--run-s", 0.02, "-o", tmp_path / "run")
    quick_phone.disk_limit_bytes = None
    quick_phone.faults.add(Fault.REBOOT_IN_RUN, times=2, after=after)
    assert isinstance(moga(*arguments).exception, DeviceError)
    lost = len([line for line in quick_phone.runs if "--graph" in line])
    assert moga(*arguments, "--resume").exit_code == 0
    runs = [line for line in quick_phone.runs if "--graph" in line]
    done = runs[: lost - 2] + runs[lost:]  # the run that was broken off, and its repeat, gave nothing
    files = [(line.split("--graph=")[1].split()[0], "output_filepath" in line) for line in done]
    assert len(files) == len(set(files)) == 2 * len(paths)


def test_tools_are_added_and_listed(tmp_path: Path) -> None:
    path = write_tool(tmp_path / "bin", Tool.MACE_RUN)
    (added,) = json.loads(moga("tools", "add", path, "--json").stdout)
    assert (added["kind"], added["abi"], added["source"]) == ("mace_run", "arm64-v8a", str(path))
    listed = json.loads(moga("tools", "list", "--json").stdout)
    assert [tool["sha256"] for tool in listed["registered"]] == [added["sha256"]]
    assert "moga tools fetch benchmark_model" in listed["missing"]["benchmark_model"]
    assert "mace_run" in moga("tools", "list").stdout


def test_help_has_examples() -> None:
    for words in (("devices",), ("devices", "clean"), ("tools",), ("tools", "add"), ("tools", "fetch")):
        assert "Example: moga" in " ".join(moga(*words, "--help").stdout.split())


@pytest.mark.slow
def test_phones_are_profiled_side_by_side_and_one_that_fails_stops_no_other(
    make_phone: Callable[..., Phone], with_tools: None, tmp_path: Path, moga_files: Path
) -> None:
    shutil.copytree(moga_files, tmp_path / "files" / "tflite-gpu-float16")
    props = {**PIXEL_6.props, "ro.serialno": "EMPTY", "ro.boot.serialno": "EMPTY"}
    kinds = (PIXEL_6, SNAPDRAGON_8_GEN_2, replace(PIXEL_6, serialno="EMPTY", props=props))
    phones = [make_phone(kind, time_scale=0.01) for kind in kinds]
    phones[2].state.battery_percent = 5
    phones[2].refresh()
    devices = [word for phone in phones for word in ("--device", phone.serial)]
    quick = ("--target", "tflite/gpu/float16", "--input-size", 32, "--quick", "--run-s", 0.02)
    result = moga("profile", *devices, *quick, "-o", tmp_path, "--json")
    assert result.exit_code == 1
    assert "battery at 5 %" in result.stderr
    outcomes = json.loads(result.stdout)
    assert [bool(outcome["error"]) for outcome in outcomes] == [False, False, True]
    for phone, outcome in zip(phones[:2], outcomes, strict=False):
        table = outcome["result"]
        assert table["num_rows"] > 100
        assert table["overhead"]["value_ms"] == pytest.approx(phone.profile.units["gpu"].overhead_ms, rel=0.05)
        assert Path(table["table"]).is_relative_to(tmp_path / phone.serial)

    # a finished run is not measured again; its operators are, in runs of their own
    run, num_runs = Path(outcomes[0]["result"]["table"]).parent, len(phones[0].runs)
    result = moga("profile", "--device", phones[0].serial, *quick, "-o", run, "--resume", "--per-op")
    assert result.exit_code == 0, result.output
    profiles = read_profiles(run)
    assert [one.network for one in profiles] == [f"{name}@32px" for name in PROFILED]
    assert len(phones[0].runs) == num_runs + len(PROFILED)
    assert max(profiles[0].by_type_ms().values()) == next(iter(profiles[0].by_type_ms().values())) > 0.0
    report = moga("report", run, "-o", tmp_path / "page.html")
    assert report.exit_code == 0, report.output
    assert "time-by-profiled-operator" in (tmp_path / "page.html").read_text()
