"""Damage to any file, whatever it holds."""

import random

TOKENS = [
    b"nan", b"-inf", b"1e999", b"9223372036854775808", b"-1", b"0", b"null", b"true", b'""', b"[]", b"{}", b"\x00",
    b"\xff\xfe", b"\xef\xbb\xbf", b"\r", b";", b",", b"..", b"/", b"\\u0000", b"\\ud800", b"&a", b"*a",
    b"!!python/name:os",
    b"[" * 3000, b'{"a":' * 3000, b"a: " * 50, b"9" * 5000,
]  # fmt: skip


def flip(data: bytes, rng: random.Random) -> bytes:
    """Flip one bit."""
    changed = bytearray(data or b"\x00")
    changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def scramble(data: bytes, rng: random.Random) -> bytes:
    """Return data with a few changes: bytes, tokens, cuts, repeats, and sometimes its end cut off."""
    changed = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 4, 16])):
        place = rng.randrange(len(changed) + 1)
        end = min(len(changed), place + rng.choice([1, 2, 4, 8, 64]))
        kind = rng.randrange(6)
        if kind == 0 and changed:
            changed[place % len(changed)] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)])
        elif kind == 1:
            changed[place:place] = rng.choice(TOKENS)
        elif kind == 2:
            del changed[place:end]
        elif kind == 3:
            changed[place:place] = changed[place:end] * rng.choice([1, 2, 50])
        elif kind == 4:
            start = rng.randrange(len(data) + 1)
            changed[place:end] = data[start : start + 64]
        else:
            changed[place:end] = rng.randrange(2**32).to_bytes(4, "little")
    return bytes(changed[: rng.randrange(len(changed) + 1)] if rng.random() < 0.05 else changed)
