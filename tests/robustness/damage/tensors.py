"""Damage to `.npy` and `.safetensors`: what a header promises."""

import ast
import json
import random
import struct

from damage import bytes_, trees

_SHAPES = [
    *("()", "(0,)", "(1,)", "(-1,)", "(2147483647,)", "(1099511627776,)", "(3, 2147483647, 9)", "(1, 0, 3)"),
    *("(9223372036854775807, 9223372036854775807)", "'x'", "None", "(1.5,)", "(True,)"),
]
_TYPES = [
    *("'<f4'", "'<f8'", "'<f2'", "'>f4'", "'|O'", "'<U7'", "'|S3'", "'|V8'", "'<c8'", "'<M8[s]'", "'|b1'", "'<i8'"),
    *("'<u1'", "'|u1'", "[('a', '<f4')]", "'x'", "''", "3"),
]


def npy(dtype: str, shape: tuple[int, ...], content: bytes) -> bytes:
    """Return a `.npy` file."""
    return _npy(f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}", content)


def _npy(head: str, content: bytes) -> bytes:
    text = head.encode("latin-1", "replace")
    text += b" " * (63 - (10 + len(text)) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text) % 65536) + text + content


def change_npy(data: bytes, rng: random.Random) -> bytes:
    """Promise another shape, type or order; or put other numbers in."""
    if data[:6] != b"\x93NUMPY" or len(data) < 12:
        return bytes_.scramble(data, rng)
    length = struct.unpack_from("<H", data, 8)[0]
    text, content = data[10 : 10 + length].decode("latin-1").strip(), data[10 + length :]
    try:
        head = ast.literal_eval(text)
        descr, order, shape = repr(head["descr"]), head["fortran_order"], repr(head["shape"])
    except (ValueError, SyntaxError, KeyError, TypeError, MemoryError, RecursionError):
        return bytes_.scramble(data, rng)
    kind = rng.randrange(6)
    if kind == 0:
        shape = rng.choice(_SHAPES)
    elif kind == 1:
        descr = rng.choice(_TYPES)
    elif kind == 2:
        order = rng.choice([True, 7, "'x'"])
    elif kind == 3:
        content = rng.choice([b"", content[:-1], content + b"\x00", b"\xff" * len(content), bytes(len(content))])
    elif kind == 4 and len(content) >= 8:
        numbers = [struct.pack("<f", float(each)) for each in ("nan", "inf", "-inf", "3e38", "1e-45", "-1")]
        place = rng.randrange(len(content) // 4) * 4
        content = content[:place] + rng.choice(numbers) + content[place + 4 :]
    else:
        return _npy(rng.choice(["{}", "[" * 500, "{'descr':", "{'shape': ()}", "x" * 9000]), content)
    return _npy(f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}", content)


def change_safetensors(data: bytes, rng: random.Random) -> bytes:
    """Change the header: a shape, a type, an offset; its length; or a number of a tensor."""
    if len(data) < 10:
        return bytes_.scramble(data, rng)
    length = struct.unpack_from("<Q", data)[0]
    head, content = data[8 : 8 + length], data[8 + length :]
    kind = rng.randrange(6)
    if kind == 0:
        return struct.pack("<Q", rng.choice([0, 1, length - 1, length + 1, 2**31, 2**63, 2**64 - 1])) + data[8:]
    if kind == 1 and len(content) >= 4:
        value = struct.pack("<f", float(rng.choice(["nan", "inf", "3e38", "-1e30"])))
        place = rng.randrange(len(content) // 4) * 4
        content = content[:place] + value + content[place + 4 :]
        head = _without_metadata(head)
    elif kind == 2:
        head = trees.reshape_json(head, rng)
    else:
        head = trees.replace_json(_without_metadata(head) if rng.random() < 0.7 else head, rng)
    return struct.pack("<Q", len(head)) + head + content


def _without_metadata(head: bytes) -> bytes:
    try:
        tree = json.loads(head)
    except ValueError:
        return head
    return json.dumps({name: one for name, one in tree.items() if name != "__metadata__"}).encode()
