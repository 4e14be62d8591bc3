"""Damage to zip files of plain members: NumPy's `.npz` and torch's checkpoints."""

import io
import json
import random
import struct
import zipfile
import zlib

from damage import bytes_, tensors, trees
from damage.values import TEXTS

Members = list[tuple[str, bytes]]


def change_member_data(data: bytes, rng: random.Random) -> bytes:
    """Change a byte of a member and its CRC-32: only a checksum over the content can tell."""
    members = _members(data)
    if not members:
        return bytes_.flip(data, rng)
    place = rng.randrange(len(members))
    name, content = members[place]
    start = len(content) - len(content) % 128 if name.endswith(".npy") and len(content) > 256 else 0
    changed = bytearray(content or b"\x00")
    changed[rng.randrange(min(start, len(changed) - 1), len(changed))] ^= 1 << rng.randrange(8)
    members[place] = (name, bytes(changed))
    return _written(members)


def change_head(data: bytes, rng: random.Random) -> bytes:
    """Change the header of an array, or JSON text that lies in one."""
    members = _members(data)
    arrays = [index for index, (name, _) in enumerate(members) if name.endswith(".npy")]
    if not arrays:
        return change_pickle(data, rng) if members else bytes_.scramble(data, rng)
    place = rng.choice(arrays)
    name, content = members[place]
    changed = _json_text(content, rng) if name == "head.npy" and rng.random() < 0.7 else None
    members[place] = (name, changed or tensors.change_npy(content, rng))
    return _written(members)


def _json_text(content: bytes, rng: random.Random) -> bytes | None:
    """Return a text array (`<U...`) of JSON with a value replaced; None where it is none."""
    length = struct.unpack_from("<H", content, 8)[0] + 10
    try:
        text = content[length:].decode("utf-32-le")
        json.loads(text)
    except (UnicodeDecodeError, ValueError):
        return None
    changed = trees.replace_json(text.encode(), rng).decode("utf-8", "replace")[:100_000]
    return tensors.npy(f"<U{max(1, len(changed))}", (), changed.encode("utf-32-le", "replace"))


def change_members(data: bytes, rng: random.Random) -> bytes:
    """Drop, double, rename, empty, swap or compress a member, or say another size of it."""
    members = _members(data)
    if not members:
        return bytes_.scramble(data, rng)
    place, kind = rng.randrange(len(members)), rng.randrange(7)
    name, content = members[place]
    if kind == 0:
        del members[place]
    elif kind == 1:
        members.append((rng.choice([name, "../../escaped", "/escaped", name + "\x00", *TEXTS[:40]]), content))
    elif kind == 2:
        members[place] = (rng.choice(["../../escaped", name.upper(), name + "x", "a" * 300]), content)
    elif kind == 3:
        members[place] = (name, b"")
    elif kind == 4:
        members[place] = (name, rng.choice(members)[1])
    elif kind == 5:
        return _written(members, zipfile.ZIP_DEFLATED)
    else:
        return _resized(_written(members), rng)
    return _written(members)


def _resized(data: bytes, rng: random.Random) -> bytes:
    """Say another size of a member in the central directory."""
    changed = bytearray(data)
    entries = [index for index in range(len(data) - 4) if data[index : index + 4] == b"PK\x01\x02"]
    if entries:
        place = rng.choice(entries) + rng.choice([20, 24, 42])
        struct.pack_into("<I", changed, place, rng.choice([0, 1, 2**31, 2**32 - 1, rng.randrange(2 * len(data))]))
    return bytes(changed)


_PICKLES = [
    b"\x80\x02cos\nsystem\nX\x0d\x00\x00\x00touch escaped\x85R.",
    b"\x80\x02cbuiltins\neval\nX\x04\x00\x00\x001+1 \x85R.",
    b"\x80\x02}.",
    b"\x80\x02].",
    b"\x80\x02K\x01.",
    b"\x80\x02N.",
    b"\x80\x02" + b"]" * 5000 + b".",
    b"\x80\x02" + b"(" * 5000 + b"t" * 5000 + b".",
    b"\x80\x02X\xff\xff\xff\x7f",
    b"\x80\x02\x8a\xff" + b"\xff" * 255 + b".",
    b"\x80\x05\x95\xff\xff\xff\xff\xff\xff\xff\x7f.",
    b"\x80\x02ctorch\nTensor\n.",
    b"\x80\x02ccollections\nOrderedDict\n)R.",
    b"",
]


def change_pickle(data: bytes, rng: random.Random) -> bytes:
    """Put a hostile pickle in the place of a checkpoint's, or change numbers and names inside it."""
    members = _members(data)
    places = [index for index, (name, _) in enumerate(members) if name.endswith("data.pkl")]
    if not places:
        return change_members(data, rng)
    name, content = members[places[0]]
    if rng.random() < 0.3:
        members[places[0]] = (name, rng.choice(_PICKLES))
    else:
        changed = bytearray(content)
        for _ in range(rng.choice([1, 1, 2])):
            integers = [index for index in range(len(changed) - 2) if changed[index] == 0x4B]  # BININT1
            place = rng.choice(integers or [0])
            changed[place + 1] = rng.choice([0, 1, 2, 255, rng.randrange(256)])
            if rng.random() < 0.3:
                place = rng.randrange(len(changed))
                changed[place] = rng.randrange(256)
        members[places[0]] = (name, bytes(changed))
    return _written(members)


def _members(data: bytes) -> Members:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return [(each.filename, archive.read(each)) for each in archive.infolist()]
    except (zipfile.BadZipFile, ValueError, OSError, RuntimeError, NotImplementedError, EOFError, zlib.error):
        return []


def _written(members: Members, compression: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    seen: set[str] = set()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, content in members:
            plain = name.encode("utf-8", "replace").decode()
            if plain in seen:
                plain += "2"
            seen.add(plain)
            archive.writestr(zipfile.ZipInfo(plain), content, compression)
    return out.getvalue()
