"""Damage to flatbuffers at the places that a reader follows: offsets, vtables, lengths and scalars.

No schema is needed: tables are walked from the root; a field whose 32 bits lead to a table, or to a vector of offsets
to tables, is followed. What is taken for an offset by mistake is damaged all the same.
"""

import random
import struct

from damage import bytes_

_WORDS = [0, 1, 2, 3, 4, 0x7F, 0xFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFC, 0x10000, 0x1000000]
_MAX_TABLES = 3000


def change(data: bytes, rng: random.Random) -> bytes:
    """Change one word that means something."""
    found = words(data)
    if not found:
        return bytes_.scramble(data, rng)
    place, size = rng.choice(found)
    changed = bytearray(data)
    old = int.from_bytes(changed[place : place + size], "little")
    near = [old + 1, old - 1, old + 4, old - 4, old * 2, old ^ (1 << rng.randrange(8 * size)), rng.randrange(len(data))]
    value = rng.choice([rng.choice(_WORDS), rng.choice(near)])
    changed[place : place + size] = (value % (1 << (8 * size))).to_bytes(size, "little")
    return bytes(changed)


def words(data: bytes) -> list[tuple[int, int]]:
    """Return the place and size of every word that a reader of the tables follows or reads."""
    found: dict[int, int] = {0: 4}
    pending, seen = [_offset(data, 0)], set()
    while pending and len(seen) < _MAX_TABLES:
        table = pending.pop()
        if table in seen or (fields := _fields(data, table)) is None:
            continue
        seen.add(table)
        found[table] = 4
        vtable = table - _signed(data, table)
        found.update(dict.fromkeys(range(vtable, vtable + 4 + 2 * len(fields), 2), 2))
        for field in filter(None, fields):
            place = table + field
            if place + 4 > len(data):
                continue
            found[place] = 4
            target = _offset(data, place)
            if _fields(data, target) is not None:
                pending.append(target)
            elif target + 4 <= len(data):
                pending += _vector(data, target, found)
    return sorted(found.items())


def _vector(data: bytes, start: int, found: dict[int, int]) -> list[int]:
    (count,) = struct.unpack_from("<I", data, start)
    if count > 10_000 or start + 4 + 4 * count > len(data):
        return []
    found[start] = 4
    places = range(start + 4, start + 4 + 4 * min(count, 200), 4)
    found.update(dict.fromkeys(places, 4))
    return [target for place in places if _fields(data, target := _offset(data, place)) is not None]


def _fields(data: bytes, table: int) -> list[int] | None:
    """Return the offsets of a table's fields, or None where no table stands there."""
    if not 4 <= table <= len(data) - 4:
        return None
    vtable = table - _signed(data, table)
    if not 0 <= vtable <= len(data) - 4 or vtable % 2:
        return None
    size, length = struct.unpack_from("<HH", data, vtable)
    if size < 4 or size % 2 or size > 400 or vtable + size > len(data) or not 4 <= length <= 4000:
        return None
    offsets = list(struct.unpack_from(f"<{(size - 4) // 2}H", data, vtable + 4))
    return offsets if all(each < length for each in offsets) else None


def _offset(data: bytes, place: int) -> int:
    return place + struct.unpack_from("<I", data, place)[0] if place + 4 <= len(data) else -1


def _signed(data: bytes, place: int) -> int:
    found: int = struct.unpack_from("<i", data, place)[0]
    return found
