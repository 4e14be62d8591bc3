"""Damage to protocol buffers, field by field, with lengths that fit what was changed, or that do not."""

import random

from damage import bytes_
from damage.values import TEXTS

_VARINTS = [0, 1, 2, 7, 127, 128, 255, 2**31 - 1, 2**31, 2**32, 2**63 - 1, 2**63, 2**64 - 1]
_MAX_DEPTH = 12

Field = tuple[int, int, "int | bytes"]
"""Number, wire type, value."""


def change(data: bytes, rng: random.Random) -> bytes:
    """Change, delete, double, move or nest one field, at any depth."""
    changed = _changed(data, rng, 0)
    return bytes_.scramble(data, rng) if changed is None else changed


def _changed(data: bytes, rng: random.Random, depth: int) -> bytes | None:
    fields = parse(data)
    if not fields:
        return None
    place = rng.randrange(len(fields))
    number, kind, value = fields[place]
    if isinstance(value, bytes) and kind == 2 and depth < _MAX_DEPTH and rng.random() < 0.85:
        inner = _changed(value, rng, depth + 1)
        if inner is not None:
            fields[place] = (number, kind, inner)
            return write(fields)
    action = rng.randrange(8)
    if action == 0:
        del fields[place]
    elif action == 1:
        fields[place:place] = [fields[place]] * rng.choice([1, 1, 2, 500])
    elif action == 2:
        fields[place] = (rng.choice([1, 2, 3, number + 1, 536870911]), kind, value)
    elif action == 3:
        other = rng.choice(fields)
        fields[place] = (number, other[1], other[2])
    elif action == 4 and kind == 2:
        return write(fields[:place]) + _key(number, 2) + _varint(rng.choice(_VARINTS)) + bytes(value or b"")
    elif action == 5 and isinstance(value, bytes):
        nested = value
        for _ in range(rng.choice([1, 60, 400])):
            nested = _key(number, 2) + _varint(len(nested)) + nested
        fields[place] = (number, 2, nested)
    else:
        fields[place] = (number, kind, _value(kind, value, rng))
    return write(fields)


def _value(kind: int, value: int | bytes, rng: random.Random) -> int | bytes:
    if kind == 0:
        return rng.choice([*_VARINTS, int(value) + 1, abs(int(value) - 1), int(value) * 3])
    if kind in (1, 5):
        return bytes(rng.choice([b"\x00", b"\xff", b"\x7f"]) * (8 if kind == 1 else 4))
    old = bytes(value or b"")
    text = rng.choice(TEXTS).encode("utf-8", "surrogatepass")
    return rng.choice([b"", text, old[: len(old) // 2], old + old, bytes(len(old)), b"\xff" * len(old), b"\xff\xfe"])


def parse(data: bytes) -> list[Field] | None:
    """Return the fields of a message; None where these bytes are none."""
    fields: list[Field] = []
    place = 0
    while place < len(data):
        key, place = _read_varint(data, place)
        if key is None or not 1 <= key >> 3 < 536870912:
            return None
        kind = key & 7
        value: int | bytes | None
        if kind == 0:
            value, place = _read_varint(data, place)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
            value, place = data[place : place + size], place + size
        elif kind == 2:
            size, place = _read_varint(data, place)
            if size is None:
                return None
            value, place = data[place : place + size], place + size
        else:
            return None
        if value is None or place > len(data):
            return None
        fields.append((key >> 3, kind, value))
    return fields


def write(fields: list[Field]) -> bytes:
    """Return the message of some fields."""
    out = bytearray()
    for number, kind, value in fields:
        out += _key(number, kind)
        if isinstance(value, int):
            out += _varint(value)
        else:
            out += (_varint(len(value)) if kind == 2 else b"") + value
    return bytes(out)


def _key(number: int, kind: int) -> bytes:
    return _varint(number << 3 | kind)


def _varint(value: int) -> bytes:
    out = bytearray()
    value &= 2**70 - 1
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(data: bytes, place: int) -> tuple[int | None, int]:
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(data):
            return None, place
        byte = data[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
    return None, place
