"""Protocol-buffer wire encoding, as little of it as MACE's messages need (developers.google.com/protocol-buffers)."""

import struct
from enum import IntEnum


class WireType(IntEnum):
    """How a field's value is stored; the low three bits of its tag."""

    VARINT = 0
    LENGTH_DELIMITED = 2
    FIXED32 = 5


def varint(value: int) -> bytes:
    """Encode an integer in base 128, least significant group first; negatives as 64-bit two's complement."""
    rest = value & 0xFFFF_FFFF_FFFF_FFFF
    groups = bytearray()
    while rest > 0x7F:
        groups.append(rest & 0x7F | 0x80)
        rest >>= 7
    groups.append(rest)
    return bytes(groups)


def _tag(number: int, wire_type: WireType) -> bytes:
    return varint(number << 3 | wire_type)


def integer(number: int, value: int) -> bytes:
    """Encode an int32, int64, bool or enum field."""
    return _tag(number, WireType.VARINT) + varint(value)


def real(number: int, value: float) -> bytes:
    """Encode a float field (IEEE binary32)."""
    return _tag(number, WireType.FIXED32) + struct.pack("<f", value)


def blob(number: int, value: bytes) -> bytes:
    """Encode a bytes field or an embedded message."""
    return _tag(number, WireType.LENGTH_DELIMITED) + varint(len(value)) + value


def string(number: int, value: str) -> bytes:
    """Encode a string field in UTF-8."""
    return blob(number, value.encode("utf-8"))
