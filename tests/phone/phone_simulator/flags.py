"""Command lines of the two families: TFLite's `--name=value` only, and gflags or getopt."""

from dataclasses import dataclass


@dataclass
class Parsed:
    """Flags that were understood, in the order given, and what was not."""

    values: dict[str, str]
    unknown: list[str]

    def on(self, name: str, default: bool = False) -> bool:
        """Return a boolean flag."""
        return self.values.get(name, str(default)).lower() in ("true", "1")

    def number(self, name: str, default: float) -> float:
        """Return a numeric flag; raises ValueError where it is none."""
        return float(self.values.get(name, default))

    def text(self, name: str, default: str = "") -> str:
        """Return a flag as text."""
        return self.values.get(name, default)


def parse_equals(arguments: list[str], known: dict[str, object]) -> Parsed:
    """Parse `--name=value` only, as TFLite's tools do: anything else is unknown."""
    parsed = Parsed({}, [])
    for argument in arguments:
        name, equals, value = argument.removeprefix("--").partition("=")
        if argument.startswith("--") and equals and name in known:
            parsed.values[name] = value
        else:
            parsed.unknown.append(argument)
    return parsed


def usage(program: str, known: dict[str, object]) -> str:
    """Return the text of `--help` of TFLite's tools."""
    kinds = {bool: "bool", int: "int32", float: "float", str: "string"}
    lines = [f"usage: {program} <flags>", "Flags:"]
    for name, default in known.items():
        shown = str(default).lower() if isinstance(default, bool) else str(default)
        lines.append(f"\t{f'--{name}={shown}':<54}\t{kinds[type(default)]}\toptional\tsets {name.replace('_', ' ')}")
    return "\n".join(lines)
