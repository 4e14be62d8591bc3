"""An engine's own settings by name, as `--set population=70` and `Plan(settings={"population": 70})` give them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from enum import StrEnum
from typing import Any

from mogakit.errors import InputError, closest
from mogakit.flows.search.plan import Method
from mogakit.search.evolution import Settings
from mogakit.search.rewards import Reward, RewardKind
from mogakit.search.surrogate import SurrogateSettings
from mogakit.search.survival import CrowdingRange
from mogakit.search.variation import CrossoverKind, MutationKind

_VARIATION = (
    "population",
    "generations",
    "second_initial",
    "crossover",
    "crossover_rate",
    "mutation",
    "mutation_rate",
    "random_share",
)
_BATCHES = ("population", "generations")
_REWARD = ("reward", "target_ms", "alpha", "beta", "accuracy_scale")
ENGINE_SETTINGS: dict[Method, tuple[str, ...]] = {
    Method.NSGA2: (*_VARIATION, "crowding_range"),
    Method.SMS_EMOA: _VARIATION,
    Method.RANDOM: _BATCHES,
    Method.EXACT: (),
    Method.FIT_FRONT: ("num_fit", "num_check"),
    Method.BEST: (),
    Method.PPO: (*_BATCHES, *_REWARD),
    Method.REINFORCE: (*_BATCHES, *_REWARD),
}
"""The settings that each engine reads.

Of a controller, `generations` are steps, `population` is a batch, `target_ms` is the latency that the reward aims at
(1 for f_avg, f_max), and `accuracy_scale` the factor that makes the accuracy a fraction (0.01: percent).
"""

DEFAULT_REWARDS = {Method.PPO: RewardKind.MNASNET, Method.REINFORCE: RewardKind.ABSOLUTE}
"""The reward of each controller's own paper: MnasNet's, and TuNAS's."""

MAX_SETTING = 1e7
"""No number of an engine is larger: more networks than a search of hours evaluates."""

_VOCABULARIES: dict[str, type[StrEnum]] = {
    "crossover": CrossoverKind,
    "mutation": MutationKind,
    "crowding_range": CrowdingRange,
    "reward": RewardKind,
}


def plan_settings(method: Method, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a `SearchPlan` that the settings of its engine fill.

    Raises:
        InputError: the engine has no such setting, or a value is not what the setting takes.
    """
    of_reward = {name: value for name, value in given.items() if name in _REWARD}
    settings, surrogate = engine_settings(method, given)
    filled: dict[str, Any] = {"settings": settings, "surrogate": surrogate}
    if not of_reward:
        return filled
    numbers = {name: _value(name, value, float) for name, value in of_reward.items() if name != "reward"}
    filled["accuracy_scale"] = numbers.pop("accuracy_scale", 1.0)
    if "target_ms" not in numbers:
        if filled["accuracy_scale"] != 1.0 and len(of_reward) == 1:
            return filled
        raise InputError(f"{', '.join(sorted(of_reward))}: a reward needs target_ms, the latency that it aims at")
    kind = _value("reward", of_reward.get("reward", DEFAULT_REWARDS[method]), str)
    if "alpha" in numbers and kind is not RewardKind.MNASNET:
        raise InputError(f"alpha has no effect on reward {kind}: it is of reward=mnasnet")
    return {**filled, "reward": Reward(kind=kind, **numbers)}


def parse_settings(texts: Sequence[str]) -> dict[str, str]:
    """Read `name=value` texts.

    Raises:
        InputError: one is not of that form, or a name appears twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not name or not value:
            raise InputError(f"setting {text!r} is not of the form name=value, e.g. population=70")
        if name in found:
            raise InputError(f"setting {name} is given twice: {found[name]} and {value}")
        found[name] = value.strip()
    return found


def engine_settings(method: Method, given: Mapping[str, Any]) -> tuple[Settings, SurrogateSettings]:
    """Return the settings of an engine; what is not given has its default.

    Args:
        method: the engine.
        given: values by name, as numbers or as text.

    Raises:
        InputError: the engine has no such setting, or a value is not what the setting takes.
    """
    unknown = sorted(given.keys() - set(ENGINE_SETTINGS[method]))
    if unknown:
        known = ", ".join(ENGINE_SETTINGS[method]) or "none"
        near = closest(unknown[0], ENGINE_SETTINGS[method])
        hint = f" (did you mean {', '.join(near)}?)" if near else ""
        raise InputError(f"engine {method} has no setting {', '.join(unknown)}{hint}; it has {known}")
    defaults: Settings | SurrogateSettings = SurrogateSettings() if method is Method.FIT_FRONT else Settings()
    kinds = {each.name: type(getattr(defaults, each.name)) for each in fields(defaults)}
    values = {name: _value(name, value, kinds[name]) for name, value in given.items() if name not in _REWARD}
    if isinstance(defaults, SurrogateSettings):
        return Settings(), replace(defaults, **values)
    return replace(defaults, **values), SurrogateSettings()


def _value(name: str, value: Any, kind: type) -> Any:
    """Return a value as the type that a setting has."""
    if name in _VOCABULARIES:
        known = list(_VOCABULARIES[name])
        if str(value) not in known:
            raise InputError(f"{name} {str(value)!r} is unknown; supported: {', '.join(known)}")
        return _VOCABULARIES[name](str(value))
    if kind is bool:
        words = {"true": True, "false": False, "on": True, "off": False}
        if str(value).lower() not in words:
            raise InputError(f"{name} {str(value)!r} is neither true nor false")
        return words[str(value).lower()]
    try:
        number = kind(value)
        if isinstance(value, bool) or not math.isfinite(number) or (kind is int and float(value) != number):
            raise ValueError
        if abs(number) > MAX_SETTING:
            raise InputError(f"{name} {value} is out of range; supported: at most {MAX_SETTING:g}")
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{name} {value!r} is not {'a whole number' if kind is int else 'a number'}") from error
    return number
