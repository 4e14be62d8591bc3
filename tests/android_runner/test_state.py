"""What `dumpsys`, `getprop` and the kernel say becomes a phone's state, which decides whether it is measured."""

from dataclasses import replace
from itertools import chain, repeat
from pathlib import Path

import pytest

from mogakit.android_runner import affinity, properties, script, state
from mogakit.android_runner.guard import Guard, GuardLimits, reject
from mogakit.android_runner.state import PhoneState
from mogakit.android_runner.targets import find_row
from mogakit.bench.target import parse_target
from mogakit.errors import DeviceError, InputError

DATA = Path(__file__).parent / "data"
CPU = "/sys/devices/system/cpu"
COOL = state.parse(
    {
        "boot": "b0071d\n",
        "thermal": (DATA / "thermalservice_samsung_a52.txt").read_text(),
        "battery": (DATA / "battery_samsung.txt").read_text(),
        "wakefulness": "  mWakefulness=Dozing",
        "low_power": "0",
        "clocks": "\n".join(
            f"{CPU}/cpu{cpu}/cpufreq/{name}:{value}"
            for cpu in range(2)
            for name, value in (
                ("cpuinfo_max_freq", "2000000"),
                ("scaling_max_freq", "2000000"),
                ("scaling_cur_freq", "1500000"),
                ("scaling_governor", "walt"),
            )
        ),
        "load": "0.52 0.58 0.55 1/4096 31415",
    }
)


def test_literal_dumps_of_samsung_phones() -> None:
    assert (COOL.thermal_status, COOL.thermal_overridden, COOL.skin_c) == (0, False, 24.7)
    assert (COOL.battery_percent, COOL.battery_c, COOL.battery_faked) == (
        84.0,
        32.6,
        False,
    )  # first value, not the last
    assert (COOL.screen_on, COOL.power_save, COOL.boot_id, COOL.load_1min) == (False, False, "b0071d", 0.52)
    assert (COOL.governor, COOL.capped_cpus) == ("walt", ())
    conditions = COOL.conditions()
    assert (conditions.thermal_status, conditions.temperature_c, conditions.cpu_frequency_mhz) == ("none", 24.7, 1500.0)


def test_absent_sensors_and_services_are_none_and_not_zero() -> None:
    text = "Thermal Status: 2\nCurrent temperatures from HAL:\n\tTemperature{mValue=NaN, mType=3, mName=S, mStatus=0}\n"
    found = state.parse({"thermal": text, "battery": "", "low_power": "null"})
    assert (found.thermal_status, found.skin_c, found.temperature_c) == (2, None, None)
    nothing = state.parse({})
    assert (nothing.thermal_status, nothing.battery_percent, nothing.screen_on, nothing.power_save) == (None,) * 4
    assert nothing.conditions().thermal_status is None


def test_faked_values_are_seen() -> None:
    text = "Current Battery Service state:\n  (UPDATES STOPPED -- use 'reset' to restart)\n  level: 84\n  scale: 100\n"
    assert state.parse({"battery": text}).battery_faked
    assert state.parse({"thermal": "IsStatusOverride: true\nThermal Status: 0\n"}).thermal_overridden


def test_sections_survive_missing_answers_and_odd_line_ends() -> None:
    text = "noise\n@@moga:one\r\na\r\nb\r\n\r\n@@moga:two\n\n@@moga:three"
    assert script.split(text) == {"one": "a\nb", "two": "", "three": ""}


TENSOR = "".join(
    f"{CPU}/cpu{cpu}/cpufreq/cpuinfo_max_freq:{khz}\n{CPU}/cpu{cpu}/cpu_capacity:{rated}\n"
    for cpus, khz, rated in ((range(4), 1803000, 124), (range(4, 6), 2253000, 427), (range(6, 8), 2802000, 1024))
    for cpu in cpus
)


def test_clusters_of_a_tensor_g1() -> None:
    found = properties.clusters(TENSOR)
    assert [(cluster.mask, cluster.max_mhz, cluster.capacity) for cluster in found] == [
        ("c0", 2802.0, 1024),
        ("30", 2253.0, 427),
        ("f", 1803.0, 124),
    ]
    assert properties.clusters("") == ()


@pytest.mark.parametrize(
    ("text", "cpus"), [("0-3,5", (0, 1, 2, 3, 5)), ("0", (0,)), ("", ()), ("0-7\n", tuple(range(8)))]
)
def test_lists_of_cores(text: str, cpus: tuple[int, ...]) -> None:
    assert properties.cpu_list(text) == cpus


def test_a_driver_with_commas_in_its_name() -> None:
    gles = "GLES: Qualcomm, Adreno (TM) 740, OpenGL ES 3.2 V@0676.0 (GIT@1c3a, I6e1, 168) (Date:07/14/23)"
    found = properties.parse({"gles": gles, "getprop": "[ro.soc.model]: [SM8550]\n[ro.product.model]: [a [b] c]"})
    assert (found.gpu, found.gpu_driver) == (
        "Adreno (TM) 740",
        "OpenGL ES 3.2 V@0676.0 (GIT@1c3a, I6e1, 168) (Date:07/14/23)",
    )
    assert (found.soc, found.model) == ("SM8550", "a [b] c")
    without = properties.parse({"getprop": "[ro.hardware.egl]: [mali]\n"})
    assert (without.gpu, without.gpu_driver) == ("mali", "")


@pytest.mark.parametrize(
    ("text", "mask"),
    [
        ("tflite/cpu/float32", "c0"),
        ("tflite/cpu/float32,cpus=little,threads=4", "f"),
        ("tflite/cpu/float32,cpus=all,threads=8", ""),
        ("tflite/cpu/float32,cpus=30", "30"),
        ("tflite/gpu/float16", ""),
    ],
)
def test_runs_are_held_on_one_cluster(text: str, mask: str) -> None:
    phone = properties.parse({"cpu": TENSOR, "online": "0-7"})
    target = parse_target(text)
    assert affinity.mask_for(target, find_row(target), phone) == mask


def test_cores_that_are_off_are_left_out_and_none_is_an_error() -> None:
    target = parse_target("tflite/cpu/float32")
    row = find_row(target)
    assert affinity.mask_for(target, row, properties.parse({"cpu": TENSOR, "online": "0-6"})) == "40"
    without_prime = properties.parse({"cpu": TENSOR, "online": "0-5"})
    assert affinity.mask_for(target, row, without_prime) == "30"  # the fastest cluster that is on
    with pytest.raises(InputError, match="holds no core that is on"):
        affinity.mask_for(parse_target("tflite/cpu/float32,cpus=c0"), row, without_prime)
    assert affinity.mask_for(target, row, properties.parse({})) == ""  # clocks hidden: not pinned


def hot(status: int = 1, skin_c: float = 45.0) -> PhoneState:
    return replace(COOL, thermal_status=status, skin_c=skin_c)


def guarded(states: list[PhoneState], max_wait_s: float = 60.0) -> tuple[Guard, list[float]]:
    slept: list[float] = []
    left = chain(states, repeat(states[-1] if states else COOL))
    return Guard(lambda: next(left), GuardLimits(max_wait_s, 0.01), slept.append), slept


def test_a_cool_phone_is_measured_at_once() -> None:
    guard, slept = guarded([])
    assert guard.ready(COOL) == (COOL, ())
    assert slept == []


def test_a_hot_phone_is_waited_for_until_it_is_as_cool_as_at_the_beginning() -> None:
    guard, slept = guarded([hot(), hot(0, 38.0), hot(0, 27.0)])
    guard.ready(COOL)
    assert guard.ready(hot()) == (hot(0, 27.0), ())
    assert len(slept) == 3


def test_what_stays_hot_is_told() -> None:
    guard, _ = guarded([hot()], max_wait_s=0.05)
    guard.ready(COOL)
    _, warnings = guard.ready(hot())
    assert any("thermal status is light" in str(warning) for warning in warnings)


def test_caps_that_stay_on_a_cool_phone_are_its_own() -> None:
    capped = replace(COOL, caps_khz={0: 1_700_000, 1: 2_000_000})
    guard, _ = guarded([capped], max_wait_s=0.05)
    found, warnings = guard.ready(capped)
    assert found == capped
    assert ("own setting" in str(warnings[0]), guard.heat(capped)) == (True, ())
    lower = replace(COOL, caps_khz={0: 1_200_000, 1: 2_000_000})
    assert guard.heat(lower)


@pytest.mark.parametrize(
    ("spoiled", "said"),
    [
        (replace(COOL, thermal_overridden=True), "cmd thermalservice reset"),
        (replace(COOL, battery_faked=True), "dumpsys battery reset"),
        (replace(COOL, battery_percent=29.0), "--resume"),
        (replace(COOL, power_save=True), "settings put global low_power 0"),
    ],
)
def test_what_a_person_must_mend_is_rejected_with_the_remedy(spoiled: PhoneState, said: str) -> None:
    with pytest.raises(DeviceError, match=said):
        reject(spoiled)
    reject(COOL)
