"""Pictures whose header promises what the file does not hold."""

import random
import struct
import zlib

from damage import bytes_


def change(data: bytes, rng: random.Random) -> bytes:
    """Change the size, depth or kind of colour in a PNG's header; other files are cut or scrambled."""
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        return data[: rng.randrange(len(data) + 1)] if rng.random() < 0.5 else bytes_.scramble(data, rng)
    head = bytearray(data[16:29])
    kind = rng.randrange(3)
    if kind == 0:
        struct.pack_into(">I", head, rng.choice([0, 4]), rng.choice([0, 1, 30000, 60000, 2**31 - 1, 2**32 - 1]))
    elif kind == 1:
        struct.pack_into(">II", head, 0, 60000, 60000)
    else:
        head[rng.choice([8, 9, 10, 11, 12])] = rng.choice([0, 1, 3, 4, 16, 255])
    return data[:16] + bytes(head) + struct.pack(">I", zlib.crc32(b"IHDR" + bytes(head))) + data[33:]
