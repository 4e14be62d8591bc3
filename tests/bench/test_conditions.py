"""What is wrong with a machine for measuring is said with threshold, value and remedy."""

from datetime import datetime

import pytest

from mogakit.bench.conditions import ConditionsReader, _warnings, worst_warnings
from mogakit.bench.measurement import Conditions
from mogakit.bench.warning import ConditionWarning, WarningKind, typed_conditions
from mogakit.records import from_json, to_json


def test_this_computers_state_is_read() -> None:
    reader = ConditionsReader()
    reader.read()
    state = reader.read()
    assert datetime.fromisoformat(state.at).tzinfo is not None
    assert state.load_1min is not None and state.load_1min >= 0
    assert state.steal_percent is None or 0 <= state.steal_percent <= 100


def test_a_quiet_machine_gets_no_warning() -> None:
    assert _warnings(0.0, 0.0, 40.0, "performance", None) == ()
    assert _warnings(0.0, None, None, None, None) == ()


def test_each_warning_names_threshold_value_and_remedy() -> None:
    found = _warnings(1000.0, 12.5, 97.0, "powersave", None)
    load, steal, heat, governor = map(str, found)
    assert "1000.0" in load and "above" in load and "close other programs" in load
    assert "12.5 %" in steal and "above 2.0 %" in steal and "another hour" in steal
    assert "97 °C" in heat and "85 °C" in heat and "cool" in heat
    assert "'powersave'" in governor and "cpupower frequency-set -g performance" in governor
    assert [(one.kind, one.value) for one in found] == [
        (WarningKind.LOAD, 1000.0),
        (WarningKind.STEAL, 12.5),
        (WarningKind.CPU_TEMPERATURE, 97.0),
        (WarningKind.GOVERNOR, "powersave"),
    ]
    assert [one.limit for one in found[1:]] == [2.0, 85.0, "performance"]


def test_of_many_warnings_the_worst_of_each_kind_is_told_with_its_count() -> None:
    low, high = (ConditionWarning(kind=WarningKind.LOAD, value=v, limit=1.0, advice="close") for v in (3.5, 12.0))
    hot, hotter = (
        ConditionWarning(kind=WarningKind.THERMAL_STATUS, value=name, limit="none", advice="cool")
        for name in ("light", "severe")
    )
    states = [
        Conditions(at="1", warnings=(low,)),
        Conditions(at="2", warnings=(high, hot)),
        Conditions(at="3", warnings=(hotter,)),
        Conditions(at="4"),
    ]
    assert worst_warnings(states) == (
        "load is 12.0, above 1.0: close (seen 2 of 4 times)",
        "thermal status is light, not none: cool (seen 1 of 4 times)",
        "thermal status is severe, not none: cool (seen 1 of 4 times)",
    )


LOAD_ADVICE = (
    "close other programs, or give more --rounds; times of several threads are on the wall clock and suffer most"
)
OF_RELEASE_0_1 = {
    f"load is 6.6, above 1.0 (0.5 a core): {LOAD_ADVICE}": ("load", 6.6, 1.0, LOAD_ADVICE),
    "the hypervisor took 12.5 % of the time, above 2.0 %: other guests are busy": ("steal", 12.5, 2.0, "other guests"),
    "the CPU is at 97 °C, above 85 °C: it may slow down": ("cpu-temperature", 97.0, 85.0, "it may slow down"),
    "the CPU governor is 'powersave', not 'performance': clocks move": ("governor", "powersave", "performance", "clo"),
    "the computer runs on its battery, which lowers clocks: plug it in": ("on-battery", None, None, "plug it in"),
    "thermal status is light (legal: none); let the phone cool, out of its case": (
        *("thermal-status", "light", "none", "let the phone cool, out of its case"),
    ),
    "case at 45.0 C, above 42 C; let the phone cool": ("case-temperature", 45.0, 42.0, "let the phone cool"),
    "battery at 41.5 C, above 40 C; let the phone cool": ("battery-temperature", 41.5, 40.0, "let the phone cool"),
    "clocks of cores 4, 5 are capped below their maximum; let the phone cool": (
        *("capped-clocks", "4, 5", None, "let the phone cool"),
    ),
    "still warmer than 30.0 C + 3 C after the longest wait": (
        *("other", "still warmer than 30.0 C + 3 C after the longest wait", None, ""),
    ),
    "load is {value}": ("other", "load is {value}", None, ""),
}
"""What release 0.1 wrote, and what is read from it: kind, value, limit, and how the advice starts."""


@pytest.mark.parametrize("sentence", OF_RELEASE_0_1)
def test_a_warning_of_release_0_1_is_read_with_its_kind_value_limit_and_advice(sentence: str) -> None:
    kind, value, limit, advice = OF_RELEASE_0_1[sentence]
    old = {"at": "2026-11-21T00:00:00+00:00", "warnings": [sentence]}
    state = from_json(typed_conditions(old), Conditions, "old")
    (read,) = state.warnings
    assert (read.kind, read.value, read.limit) == (WarningKind(kind), value, limit)
    assert read.advice.startswith(advice)
    assert typed_conditions(to_json(state)) == to_json(state) | {"warnings": [to_json(read)]}
    assert sentence.split(", ")[0].split(" (")[0].replace(" C", " °C") in str(read).replace(" C", " °C")


@pytest.mark.parametrize("kind", WarningKind)
def test_every_kind_of_warning_reads_as_a_sentence_with_its_advice(kind: WarningKind) -> None:
    warning = ConditionWarning(kind=kind, value=97.0, limit=85.0, advice="do this")
    assert str(warning).endswith(": do this") and "{" not in str(warning)
