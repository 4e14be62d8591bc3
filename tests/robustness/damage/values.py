"""Numbers and texts that have broken programs of this kind."""

import random
from typing import Any

MARKUP = "<script>alert(7)</script>"
FORMULA = "=HYPERLINK(7)"
ESCAPE = "\x1b]0;owned\x07\x1b[2J"
"""Recognised in what a command prints or writes: see `sandbox`."""

NUMBERS: list[Any] = [
    *(0, -1, 1, 2, -0.0, 0.5, 1e-320, 1e308, -1e308, 1e99, 1e101, 1e18, 3e38, 1e-45),
    *(255, 256, 65535, 65536, 2**31 - 1, 2**31, -(2**31), 2**32, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), 2**64),
    *(10**20 - 1, 10**400),
    *(float("nan"), float("inf"), float("-inf")),
]
TEXTS: list[str] = [
    *("", " ", "\n", "\t", "nan", "inf", "-inf", "1e999", "0", "-1", "null", "true", "None"),
    *(MARKUP, f'"><img src=x onerror={MARKUP}>', "</script>" + MARKUP, "{{7*7}}", "{0.__class__}", "%s%n"),
    *(FORMULA, "+1+1", "-1+1", "@SUM(A1)", "\t=1+1", "\r=1+1"),
    *(ESCAPE, "\x9b2J", "\u202egnp.exe", "\u2028", "a\x00b", "\x7f", "\ufeff", "line\nbreak", "\r\nX: y"),
    *("../../../escaped", "/etc/passwd", "/dev/zero", "/dev/stdin", "~/escaped", "..", ".", "/", "C:\\escaped"),
    *("$(touch escaped)", "`touch escaped`", "; touch escaped", "'; DROP TABLE rows; --", "os:system"),
    *("|a|b|", "[a](javascript:alert(7))", "`code`", "# head", "é" * 300, "\U0001f600", "x" * 100_000),
    *("moga", "tflite/cpu/float32", "moga-a", "mobilenet-v2@9999999x", "conv_k3_s1_i3_o8_r224"),
]
OTHERS: list[Any] = [None, True, False, [], {}, [[]], [None], {"": None}, [1, "a", None], {"a": {"b": [1]}}]


def pick(rng: random.Random) -> Any:
    """Return a number, a text or something else."""
    return rng.choice(rng.choice([NUMBERS, NUMBERS, TEXTS, TEXTS, OTHERS]))


def near(value: Any, rng: random.Random) -> Any:
    """Return a value of the same type that is not the same: what passes a check of types."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return rng.choice([value + 1, value - 1, -value, value * 1000, value * 10**9, 0])
    if isinstance(value, float):
        return rng.choice([-value, value * 1e12, value * 1e-12, value + 1.0, 0.0])
    if isinstance(value, str):
        place = rng.randrange(len(value) + 1)
        return rng.choice([value[:place], value[:place] + rng.choice(TEXTS) + value[place:], value.upper(), value * 2])
    return pick(rng)
