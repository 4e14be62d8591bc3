"""A verdict is never dropped: what a log says against a target counts, and a phone's state stands beside its times."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from phone_jobs import CPU, MakeJob, measure
from phone_simulator.binaries import Tool, write_library, write_tool
from phone_simulator.faults import Fault
from phone_simulator.phone import Phone
from phone_simulator.profiles import SNAPDRAGON_8_GEN_2

from mogakit.android_runner import delegation, fetch, state, tools
from mogakit.android_runner.delegation import GPU, HEXAGON, NNAPI, QNN, Delegate
from mogakit.android_runner.runner import PhoneOptions, open_phone
from mogakit.android_runner.targets import find_row
from mogakit.bench.measurement import DelegationKind as Kind
from mogakit.bench.measurement import Status
from mogakit.bench.target import parse_target
from mogakit.errors import InputError
from mogakit.luts.estimate import merge_conditions

XNNPACK_LINE = (
    "VERBOSE: Replacing {taken} out of {total} node(s) with delegate (TfLiteXNNPackDelegate) node, "
    "yielding 3 partitions"
)
NPU = "tflite/npu/int8"

# -- a log that names another delegate


@pytest.mark.parametrize("hardware", ["npu", "gpu", "htp", "nnapi"])
@pytest.mark.parametrize(("taken", "kind"), [(470, Kind.PARTIAL), (476, Kind.NONE), (0, Kind.FULL)])
def test_another_delegates_nodes_overrule_a_strict_tool(hardware: str, taken: int, kind: Kind) -> None:
    log = f"INFO: STARTING!\n{XNNPACK_LINE.format(taken=taken, total=476)} for subgraph 0.\ncount=50 avg=3\n"
    found = delegation.strict_verdict(log, hardware)
    assert found.kind is kind
    if kind is not Kind.FULL:
        assert (found.nodes_delegated, found.nodes_total) == (476 - taken, 476)
        assert f"{taken} of 476 nodes to TfLiteXNNPackDelegate" in (found.reason or "")


@pytest.mark.parametrize("delegate", [GPU, NNAPI, HEXAGON, QNN], ids=lambda one: one.node)
def test_another_delegates_nodes_overrule_the_tools_own_word(delegate: Delegate) -> None:
    word = f"Explicitly applied {delegate.label} delegate, and the model graph will be completely executed by the"
    word += " delegate."
    assert delegation.tflite_verdict(word, delegate).kind is Kind.FULL
    found = delegation.tflite_verdict(f"{word}\n{XNNPACK_LINE.format(taken=5, total=31)}", delegate)
    assert found.kind is Kind.PARTIAL
    own = f"Replacing 31 out of 31 node(s) with delegate ({delegate.node}) node, yielding 1 partitions"
    assert delegation.tflite_verdict(f"{word}\n{own}", delegate).kind is Kind.FULL


def test_onnx_runtimes_own_count_overrules_a_strict_run() -> None:
    line = (
        "NnapiExecutionProvider::GetCapability, number of partitions supported by NNAPI: 2 "
        "number of nodes in the graph: 66 number of nodes supported by NNAPI: {}"
    )
    assert delegation.strict_verdict(line.format(60), "nnapi").kind is Kind.PARTIAL
    assert delegation.strict_verdict(line.format(66), "nnapi").kind is Kind.FULL


@pytest.mark.parametrize("fault", [Fault.CRASH, Fault.DELEGATE_NOT_CREATED, Fault.GARBLED_NUMBERS])
def test_a_strict_run_that_failed_does_not_say_full(
    quick_phone: Phone, options: PhoneOptions, make_job: MakeJob, fault: Fault
) -> None:
    with open_phone(quick_phone.serial, options) as runner:
        job = make_job("onnx/nnapi/float32")
        assert runner.unsupported(job.target) is None
        quick_phone.faults.add(fault, times=-1)
        (measured,) = measure(runner, job)
    assert measured.status is Status.FAILED
    assert measured.delegation.kind is Kind.UNKNOWN


# -- flags and libraries of the NPU


def test_an_uncompiled_file_is_compiled_on_the_phone_by_the_vendors_libraries(
    make_phone: Callable[..., Phone], options: PhoneOptions, make_job: MakeJob, tmp_path: Path
) -> None:
    phone = make_phone(SNAPDRAGON_8_GEN_2, time_scale=0.01)
    tools.add(write_tool(tmp_path, Tool.BENCHMARK_MODEL, "litert"))
    row = find_row(parse_target(NPU))
    asked = [tools.missing_libraries(row, "arm64-v8a")]
    for name in ("libLiteRtDispatch_Qualcomm.so", "libLiteRtCompilerPlugin_Qualcomm.so"):
        tools.add(write_library(tmp_path, name))
        asked.append(tools.missing_libraries(row, "arm64-v8a"))
    assert asked[0] == ["libLiteRtDispatch*.so", "libLiteRtCompilerPlugin*.so"]
    assert asked[2] == [
        "libQnnHtp.so",
        "libQnnSystem.so",
        "libQnnHtpPrepare.so",
        "libQnnHtpV*Stub.so",
        "libQnnHtpV*Skel.so",
    ]
    for name in asked[2]:
        tools.add(write_library(tmp_path, name.replace("*", "73")))
    with open_phone(phone.serial, options) as runner:
        job = make_job(NPU)
        assert runner.unsupported(job.target) is None
        (measured,) = measure(runner, job)
    assert (measured.status, measured.delegation.kind) == (Status.OK, Kind.FULL)
    assert re.search(r"--compiler_plugin_library_path=/data/local/tmp/mogakit/files/[0-9a-f]{64}", phone.runs[-1])


@pytest.mark.parametrize("tool", list(fetch.PUBLISHED))
@pytest.mark.parametrize("abi", ["arm64-v8a", "armeabi-v7a", "x86_64", "x86"])
@pytest.mark.parametrize("version", ["latest", "2.1.5", "newest", "../x"])
def test_builds_are_fetched_by_abi_and_version(tool: str, abi: str, version: str) -> None:
    published = fetch.PUBLISHED[tool]  # type: ignore[index]
    known = abi in published.folders and (version == "latest" or (version == "2.1.5" and published.versioned))
    if not known:
        with pytest.raises(InputError):
            fetch.address_of(tool, abi, version)
        return
    address = fetch.address_of(tool, abi, version)
    assert address.startswith("https://storage.googleapis.com/")
    assert ("arm64" in address or "aarch64" in address) == (abi == "arm64-v8a")
    assert f"/{version}/" in address


# -- caps and clocks


def capped(phone: Phone, share: float) -> None:
    phone.state.forced_throttling = share
    phone.refresh()


def test_caps_that_stay_stand_beside_every_time_and_on_the_table(
    quick_phone: Phone, options: PhoneOptions, make_job: MakeJob
) -> None:
    capped(quick_phone, 0.7)
    impatient = replace(options, limits=replace(options.limits, max_wait_s=0.2))
    with open_phone(quick_phone.serial, impatient) as runner:
        measured = measure(runner, *(make_job(CPU, number) for number in range(3)))
    assert any("6, 7 at 1961 of 2802 MHz" in str(warning) for warning in merge_conditions(measured).warnings)
    for one in measured:
        assert one.status is Status.OK
        for conditions in (one.before, one.after):
            assert any("6, 7 at 1961 of 2802 MHz" in str(warning) for warning in conditions.warnings)
        assert one.after.cpu_frequency_mhz == pytest.approx(1961, abs=1)


def test_a_cap_that_held_only_during_a_run_marks_it(
    quick_phone: Phone, options: PhoneOptions, make_job: MakeJob
) -> None:
    length = replace(options.length, min_s=0.5, warmup_min_s=0.1)
    with open_phone(quick_phone.serial, replace(options, length=length)) as runner:
        job = make_job(CPU)
        assert runner.unsupported(job.target) is None
        quick_phone.clock.scale = 1.0
        quick_phone.while_computing = lambda: capped(quick_phone, 0.5)
        quick_phone.after_computing = lambda: capped(quick_phone, 1.0)
        (measured,) = measure(runner, job)
        assert not runner.state().capped_cpus
    assert measured.status is Status.HOT
    assert any("at 1401 of 2802 MHz" in str(warning) for warning in measured.after.warnings)


def test_clocks_are_those_of_the_run_and_of_the_core_that_computed() -> None:
    folder = "/sys/devices/system/cpu"
    text = "".join(
        f"{folder}/cpu{cpu}/cpufreq/{name}:{khz}\n"
        for cpu, now, cap in ((0, 300_000, 1_800_000), (7, 2_500_000, 2_600_000))
        for name, khz in (("scaling_cur_freq", now), ("scaling_max_freq", cap), ("cpuinfo_max_freq", 2_800_000))
    )
    idle = state.parse({"clocks": text.replace("2500000", "500000").replace("2600000", "2800000")})
    found = state.while_running(idle, text)
    assert found.conditions(7).cpu_frequency_mhz == 2500.0
    assert 7 in found.capped_cpus
    assert state.while_running(idle, "") == idle
