"""What is wrong with a machine for measuring is said with threshold, value and remedy."""

from datetime import datetime

from mogakit.bench.conditions import ConditionsReader, _warnings, worst_warnings
from mogakit.bench.measurement import Conditions


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
    load, steal, heat, governor = _warnings(1000.0, 12.5, 97.0, "powersave", None)
    assert "1000.0" in load and "above" in load and "close other programs" in load
    assert "12.5 %" in steal and "above 2.0 %" in steal and "another hour" in steal
    assert "97 °C" in heat and "85 °C" in heat and "cool" in heat
    assert "'powersave'" in governor and "cpupower frequency-set -g performance" in governor


def test_of_many_warnings_the_worst_of_each_kind_is_told_with_its_count() -> None:
    states = [
        Conditions(at="1", warnings=("load is 3.5, above 1.0: close",)),
        Conditions(at="2", warnings=("load is 12.0, above 1.0: close", "hot")),
        Conditions(at="3"),
    ]
    assert worst_warnings(states) == (
        "hot (seen 1 of 3 times)",
        "load is 12.0, above 1.0: close (seen 2 of 3 times)",
    )
