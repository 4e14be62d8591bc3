"""An engine's own settings by name, as `--set population=70` and `Plan(settings={"population": 70})` give them."""

from collections.abc import Mapping
from dataclasses import fields, replace
from enum import StrEnum
from typing import Any

from mogakit.errors import InputError
from mogakit.flows.search.plan import Method
from mogakit.search.evolution import Settings
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
ENGINE_SETTINGS: dict[Method, tuple[str, ...]] = {
    Method.NSGA2: (*_VARIATION, "crowding_range"),
    Method.SMS_EMOA: _VARIATION,
    Method.RANDOM: _BATCHES,
    Method.EXACT: (),
    Method.FIT_FRONT: ("num_fit", "num_check"),
    Method.BEST: (),
    Method.PPO: _BATCHES,
    Method.REINFORCE: _BATCHES,
}
"""The settings that each engine reads; of a controller, `generations` are steps and `population` is a batch."""

_VOCABULARIES: dict[str, type[StrEnum]] = {
    "crossover": CrossoverKind,
    "mutation": MutationKind,
    "crowding_range": CrowdingRange,
}


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
        raise InputError(f"engine {method} has no setting {', '.join(unknown)}; it has {known}")
    defaults: Settings | SurrogateSettings = SurrogateSettings() if method is Method.FIT_FRONT else Settings()
    kinds = {each.name: type(getattr(defaults, each.name)) for each in fields(defaults)}
    values = {name: _value(name, value, kinds[name]) for name, value in given.items()}
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
        if isinstance(value, bool) or (kind is int and float(value) != number):
            raise ValueError
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} {value!r} is not {'a whole number' if kind is int else 'a number'}") from error
    return number
