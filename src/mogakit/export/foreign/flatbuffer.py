"""Reading a flatbuffer that nobody vouches for: each offset, table and vector is checked against the file's size.

The generated accessors of a schema follow offsets blindly. This reader raises `InputError` on the first that leads out
of the file, and stops where a file makes it read more than it holds (tables that are shared millions of times).
https://flatbuffers.dev/internals/
"""

import struct
from dataclasses import dataclass
from typing import TypeAlias

from mogakit.errors import InputError

Number: TypeAlias = int | float

_U16, _U32, _I32 = struct.Struct("<H"), struct.Struct("<I"), struct.Struct("<i")
_WORK_FACTOR, _LEAST_WORK = 8, 1 << 16


class Reader:
    """The bytes of a file and how much of them may still be read.

    Raises:
        InputError: it is too short to hold a root, or does not carry the identifier.
    """

    def __init__(self, data: bytes, identifier: bytes, kind: str) -> None:
        self.data = data
        self.kind = kind
        self._work = max(_LEAST_WORK, _WORK_FACTOR * len(data))
        if not data:
            raise InputError(f"the file is empty, so it is not {kind}")
        if len(data) < 8 or data[4:8] != identifier:
            raise InputError(f"the file is not {kind}: it does not carry the identifier {identifier.decode()}")

    def root(self) -> "Table":
        """Return the root table."""
        return Table(self, self.follow(0))

    def spend(self, amount: int) -> None:
        """Count `amount` bytes as read.

        Raises:
            InputError: far more than the file holds has been read.
        """
        self._work -= amount
        if self._work < 0:
            raise InputError("the file is damaged: its tables refer to each other far more often than its size allows")

    def unpack(self, layout: struct.Struct, position: int) -> Number:
        """Return the number at `position`.

        Raises:
            InputError: it lies outside the file.
        """
        if position < 0 or position + layout.size > len(self.data):
            raise InputError(
                f"the file is damaged or truncated: offset {position} lies outside its {len(self.data)} bytes"
            )
        self.spend(layout.size)
        (value,) = layout.unpack_from(self.data, position)
        number: Number = value
        return number

    def integer(self, layout: struct.Struct, position: int) -> int:
        """Return the whole number at `position`; see `unpack`."""
        return int(self.unpack(layout, position))

    def follow(self, position: int) -> int:
        """Return where the unsigned offset at `position` leads."""
        return position + self.integer(_U32, position)


@dataclass(frozen=True)
class Table:
    """A table of a flatbuffer; fields are read by their slot, absent ones have the default of the schema."""

    reader: Reader
    position: int

    def _field(self, slot: int) -> int:
        """Return where a field lies, 0 where the table does not have it."""
        vtable = self.position - self.reader.integer(_I32, self.position)
        size = self.reader.integer(_U16, vtable)
        entry = 4 + 2 * slot
        if entry + 2 > size:
            return 0
        offset = self.reader.integer(_U16, vtable + entry)
        return self.position + offset if offset else 0

    def number(self, slot: int, code: str, default: Number = 0) -> Number:
        """Return a scalar; `code` is its letter in `struct`."""
        where = self._field(slot)
        return self.reader.unpack(struct.Struct("<" + code), where) if where else default

    def integer(self, slot: int, code: str, default: int = 0) -> int:
        """Return a whole number; see `number`."""
        return int(self.number(slot, code, default))

    def table(self, slot: int) -> "Table | None":
        """Return a table, None where it is absent."""
        where = self._field(slot)
        return Table(self.reader, self.reader.follow(where)) if where else None

    def _vector(self, slot: int, item_bytes: int) -> tuple[int, int] | None:
        """Return (where the items start, how many); None where the vector is absent."""
        where = self._field(slot)
        if not where:
            return None
        start = self.reader.follow(where)
        count = self.reader.integer(_U32, start)
        if start + 4 + count * item_bytes > len(self.reader.data):
            raise InputError(f"the file is damaged or truncated: a list of {count} items leads outside of it")
        return start + 4, count

    def numbers(self, slot: int, code: str) -> tuple[Number, ...] | None:
        """Return a vector of scalars, None where it is absent."""
        item = struct.Struct("<" + code)
        found = self._vector(slot, item.size)
        if found is None:
            return None
        start, count = found
        self.reader.spend(count * item.size)
        return struct.unpack_from(f"<{count}{code}", self.reader.data, start)

    def integers(self, slot: int, code: str) -> tuple[int, ...] | None:
        """Return a vector of whole numbers; see `numbers`."""
        found = self.numbers(slot, code)
        return None if found is None else tuple(map(int, found))

    def data(self, slot: int) -> memoryview | None:
        """Return a vector of bytes without copying it, None where it is absent."""
        found = self._vector(slot, 1)
        return None if found is None else memoryview(self.reader.data)[found[0] : found[0] + found[1]]

    def text(self, slot: int) -> str:
        """Return a string; bytes that are not UTF-8 become replacement characters, an absent one is empty."""
        found = self._vector(slot, 1)
        if found is None:
            return ""
        start, count = found
        self.reader.spend(count)
        return self.reader.data[start : start + count].decode("utf-8", errors="replace")

    def texts(self, slot: int) -> tuple[str, ...]:
        """Return a vector of strings."""
        found = []
        for where in self._references(slot):
            count = self.reader.integer(_U32, where)
            if where + 4 + count > len(self.reader.data):
                raise InputError("the file is damaged or truncated: a string leads outside of it")
            self.reader.spend(count)
            found.append(self.reader.data[where + 4 : where + 4 + count].decode("utf-8", errors="replace"))
        return tuple(found)

    def tables(self, slot: int) -> tuple["Table", ...]:
        """Return a vector of tables, empty where it is absent."""
        return tuple(Table(self.reader, where) for where in self._references(slot))

    def _references(self, slot: int) -> list[int]:
        found = self._vector(slot, 4)
        if found is None:
            return []
        start, count = found
        return [self.reader.follow(start + 4 * index) for index in range(count)]
