"""Phones that are not like the others: boards without a battery, hidden clocks, other programs at work."""

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from phone_jobs import CPU, GPU, MakeJob, assert_true, measure
from phone_simulator.phone import Phone

from mogakit.android_runner import beside, properties, state
from mogakit.android_runner.affinity import mask_for
from mogakit.android_runner.runner import PhoneOptions, open_phone
from mogakit.android_runner.targets import find_row
from mogakit.bench.measurement import Measurement, Status
from mogakit.bench.target import parse_target
from mogakit.bench.warning import WarningKind
from mogakit.cli.main import cli
from mogakit.errors import InputError

EMPTY = state.parse({})


def kinds(measured: Measurement) -> set[WarningKind]:
    return {warning.kind for warning in measured.after.warnings}


# -- a board


def test_a_board_without_a_battery_is_measured(quick_phone: Phone, options: PhoneOptions, make_job: MakeJob) -> None:
    quick_phone.state.has_battery = False
    quick_phone.refresh()
    with open_phone(quick_phone.serial, options) as runner:
        job = make_job(CPU)
        now = runner.state()
        assert (now.battery_percent, now.battery_c) == (None, None)
        (measured,) = measure(runner, job)
    assert_true(quick_phone, job, measured)
    (shown,) = json.loads(CliRunner().invoke(cli, ["devices", "--json"]).stdout)
    assert (shown["problem"], shown["condition"]["battery_percent"]) == (None, None)


@pytest.mark.parametrize("text", ["", "Can't find service: battery\n", "Current Battery Service state:\n"])
def test_a_board_without_the_service_has_no_battery(text: str) -> None:
    found = state.parse({"battery": text})
    assert (found.battery_percent, found.battery_c, found.battery_faked) == (None, None, False)


# -- hidden clocks


@pytest.mark.parametrize(
    ("target", "mask", "where"),
    [
        (CPU, "80", "core 7 (the highest numbers"),
        (CPU + ",threads=2", "c0", "core 6, 7 (the highest numbers"),
        (CPU + ",cpus=little", "1", "core 0 (named by cpus="),
        (CPU + ",cpus=30", "30", "core 4, 5 (named by cpus="),
        (CPU + ",cpus=all", "", "not held on any core"),
    ],
)
def test_a_phone_that_hides_its_clocks_is_pinned_anyway_and_says_so(
    quick_phone: Phone, options: PhoneOptions, make_job: MakeJob, target: str, mask: str, where: str
) -> None:
    quick_phone.state.hides_clocks = True
    quick_phone.refresh()
    with open_phone(quick_phone.serial, options) as runner:
        job = make_job(target)
        assert runner.properties.clusters == ()
        assert runner.identity(job.target).affinity == mask
        (measured,) = measure(runner, job)
    assert measured.status is Status.OK
    assert quick_phone.held_on[-1] == (int(mask, 16) if mask else None)
    (warning,) = [one for one in measured.after.warnings if one.kind is WarningKind.HIDDEN_CLOCKS]
    assert where in str(warning)
    shown = " ".join(CliRunner().invoke(cli, ["devices"]).stdout.split())
    assert "hides its clocks: runs on the CPU are held on its highest-numbered cores" in shown


def test_a_core_that_is_off_is_not_chosen_although_clocks_are_hidden(
    quick_phone: Phone, options: PhoneOptions, make_job: MakeJob
) -> None:
    quick_phone.state.hides_clocks, quick_phone.state.offline_cpus = True, frozenset({7})
    quick_phone.refresh()
    with open_phone(quick_phone.serial, options) as runner:
        assert runner.identity(parse_target(CPU)).affinity == "40"
        with pytest.raises(InputError, match="8 threads on 7 core"):
            runner.identity(parse_target(CPU + ",threads=8"))


def test_an_accelerator_says_nothing_of_clocks(quick_phone: Phone, options: PhoneOptions, make_job: MakeJob) -> None:
    quick_phone.state.hides_clocks = True
    quick_phone.refresh()
    with open_phone(quick_phone.serial, options) as runner:
        (measured,) = measure(runner, make_job(GPU))
    assert WarningKind.HIDDEN_CLOCKS not in kinds(measured)


def test_cores_are_counted_where_even_the_list_of_those_that_are_on_is_hidden() -> None:
    text = "processor\t: 0\nBogoMIPS\t: 26.00\nCPU part\t: 0xd05\n\nprocessor\t: 1\n\nprocessor\t: 4\n"
    phone = properties.parse({"online": text})
    assert phone.online_cpus == (0, 1, 4)
    target = parse_target(CPU)
    assert mask_for(target, find_row(target), phone) == "10"
    silent = properties.parse({})
    assert mask_for(target, find_row(target), silent) == ""
    (warning,) = beside.hidden_clocks(silent, target, "")
    assert "not held on any core" in str(warning)


# -- other programs


@pytest.mark.parametrize(("busy", "warned"), [(0.1, False), (3.0, True)])
@pytest.mark.parametrize("target", [CPU, GPU])
def test_other_programs_at_work_stand_beside_the_times(
    quick_phone: Phone, options: PhoneOptions, make_job: MakeJob, target: str, busy: float, warned: bool
) -> None:
    quick_phone.state.busy_cores = busy
    length = replace(options.length, min_s=2.0)
    with open_phone(quick_phone.serial, replace(options, length=length)) as runner:
        (measured,) = measure(runner, make_job(target))
    assert measured.status is Status.OK
    assert (WarningKind.BUSY in kinds(measured)) == warned


def reading(*cores: tuple[int, int]) -> state.PhoneState:
    lines = [f"cpu{cpu} {worked} 0 0 {idle} 0 0 0 0 0 0" for cpu, (worked, idle) in enumerate(cores)]
    return state.parse({"ticks": "cpu  1 2 3 4 5 6 7 8 9 10\n" + "\n".join(lines)})


@given(
    own=st.integers(0, 7),
    worked=st.lists(st.integers(0, 300), min_size=8, max_size=8),
    since=st.integers(0, 10**7),
)
def test_the_runs_own_core_is_no_other_program(own: int, worked: list[int], since: int) -> None:
    before = reading(*((since, since) for _ in worked))
    after = reading(*((since + ticks, since + 300 - ticks) for ticks in worked))
    others = sum(ticks for cpu, ticks in enumerate(worked) if cpu != own) / 300
    found = beside.busy(parse_target(CPU), f"{1 << own:x}", before, after)
    assert bool(found) == (others > beside.MAX_BUSY_CORES)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (EMPTY, EMPTY),  # /proc/stat is hidden
        (reading(*[(0, 0)] * 8), reading(*[(50, 0)] * 8)),  # half a second: asking takes as long
        (reading(*[(900, 900)] * 8), reading(*[(400, 0)] * 8)),  # it has restarted
        (EMPTY, reading(*[(400, 0)] * 8)),
    ],
)
def test_what_cannot_be_known_is_no_warning(before: state.PhoneState, after: state.PhoneState) -> None:
    assert beside.busy(parse_target(CPU), "80", before, after) == ()
