"""`ConditionWarning`: one thing that is wrong with a device for measuring, with the value found and its limit."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class WarningKind(StrEnum):
    """What is wrong."""

    LOAD = "load"
    STEAL = "steal"
    CPU_TEMPERATURE = "cpu-temperature"
    GOVERNOR = "governor"
    ON_BATTERY = "on-battery"
    THERMAL_STATUS = "thermal-status"
    CASE_TEMPERATURE = "case-temperature"
    BATTERY_TEMPERATURE = "battery-temperature"
    CAPPED_CLOCKS = "capped-clocks"
    CAPS_ACCEPTED = "caps-accepted"
    STILL_WARM = "still-warm"
    BUSY = "busy"
    HIDDEN_CLOCKS = "hidden-clocks"
    OTHER = "other"  # a sentence of release 0.1 that states no value


_SENTENCES = {
    WarningKind.LOAD: "load is {value:.1f}, above {limit:.1f}",
    WarningKind.STEAL: "the hypervisor took {value:.1f} % of the time, above {limit} %",
    WarningKind.CPU_TEMPERATURE: "the CPU is at {value:.0f} °C, above {limit:.0f} °C",
    WarningKind.GOVERNOR: "the CPU governor is '{value}', not '{limit}'",
    WarningKind.ON_BATTERY: "the computer runs on its battery, which lowers clocks",
    WarningKind.THERMAL_STATUS: "thermal status is {value}, not {limit}",
    WarningKind.CASE_TEMPERATURE: "case at {value:.1f} °C, above {limit:g} °C",
    WarningKind.BATTERY_TEMPERATURE: "battery at {value:.1f} °C, above {limit:g} °C",
    WarningKind.CAPPED_CLOCKS: "clocks of cores {value} are capped below their maximum",
    WarningKind.CAPS_ACCEPTED: "clocks of cores {value} stayed capped on a cool phone",
    WarningKind.STILL_WARM: "the phone is at {value:.1f} °C, above {limit:.1f} °C, after the longest wait",
    WarningKind.BUSY: "other programs kept {value:.1f} of the device's cores busy, above {limit:g}",
    WarningKind.HIDDEN_CLOCKS: "the phone hides its clocks",
    WarningKind.OTHER: "{value}",
}


@dataclass(frozen=True, kw_only=True)
class ConditionWarning:
    """One thing that is wrong, on one reading of a device's state.

    Attributes:
        kind: what is wrong.
        value: as read: a number that grows with how bad it is (the unit is the kind's), or a name. None where the kind
            says all.
        limit: from which on the warning is given, as `value`; None where there is none.
        advice: what to do about it, or what was done.
    """

    kind: WarningKind
    value: float | str | None = None
    limit: float | str | None = None
    advice: str

    def __str__(self) -> str:
        sentence = _SENTENCES[self.kind].format(value=self.value, limit=self.limit)
        return f"{sentence}: {self.advice}" if self.advice else sentence


def worst_of_each_kind(warnings: Iterable[ConditionWarning]) -> list[tuple[ConditionWarning, int]]:
    """Return one warning of each kind with how many there were, sorted by kind: the one with the highest value.

    Values that are names (a governor, a list of cores) have no order, so each name is kept.
    """
    groups: dict[tuple[WarningKind, str], list[ConditionWarning]] = {}
    for warning in warnings:
        name = warning.value if isinstance(warning.value, str) else ""
        groups.setdefault((warning.kind, name), []).append(warning)

    def value(warning: ConditionWarning) -> float:
        return warning.value if isinstance(warning.value, float) else 0.0

    return [(max(group, key=value), len(group)) for _, group in sorted(groups.items())]


_NUMBER = r"(\d+(?:\.\d+)?)"
_OF_RELEASE_0_1 = {
    WarningKind.LOAD: rf"load is {_NUMBER}, above {_NUMBER} \([^)]*\): (.*)",
    WarningKind.STEAL: rf"the hypervisor took {_NUMBER} % of the time, above {_NUMBER} %: (.*)",
    WarningKind.CPU_TEMPERATURE: rf"the CPU is at {_NUMBER} °C, above {_NUMBER} °C: (.*)",
    WarningKind.GOVERNOR: r"the CPU governor is '([^']*)', not '([^']*)': (.*)",
    WarningKind.ON_BATTERY: r"the computer runs on its battery, which lowers clocks()(): (.*)",
    WarningKind.THERMAL_STATUS: r"thermal status is (\w+) \(\w+: (\w+)\); (.*)",
    WarningKind.CASE_TEMPERATURE: rf"case at {_NUMBER} C, above {_NUMBER} C; (.*)",
    WarningKind.BATTERY_TEMPERATURE: rf"battery at {_NUMBER} C, above {_NUMBER} C; (.*)",
    WarningKind.CAPPED_CLOCKS: r"clocks of cores ([\d, ]+) are capped below their maximum(); (.*)",
}
"""How files of release 0.1 state a warning: its value, its limit and its advice."""


def typed_warnings(document: Any) -> Any:
    """Return a document of release 0.1, whose `warnings` under `conditions` are sentences, with typed warnings."""
    if isinstance(document, list):
        return [typed_warnings(one) for one in document]
    if not isinstance(document, dict):
        return document
    typed = {name: typed_warnings(one) for name, one in document.items()}
    if isinstance(typed.get("conditions"), dict):
        typed["conditions"] = typed_conditions(typed["conditions"])
    return typed


def typed_conditions(conditions: dict[str, Any]) -> dict[str, Any]:
    """Return one state of a device of release 0.1 with typed warnings; one that has them stays as it is."""
    sentences = conditions.get("warnings", [])
    return {**conditions, "warnings": [_typed(one) if isinstance(one, str) else one for one in sentences]}


def _typed(sentence: str) -> dict[str, Any]:
    for kind, pattern in _OF_RELEASE_0_1.items():
        found = re.fullmatch(pattern, sentence)
        if found:
            value, limit, advice = found.groups()
            return {"kind": kind.value, "value": _parsed(value), "limit": _parsed(limit), "advice": advice}
    return {"kind": WarningKind.OTHER.value, "value": sentence, "limit": None, "advice": ""}


def _parsed(text: str) -> float | str | None:
    return float(text) if re.fullmatch(_NUMBER, text) else text or None
