"""Damage to files that knows their formats: what a reader meets behind its first check, not only at it.

    bytes_     any file: flipped bits, cuts, repeats, tokens
    values     numbers and texts that hurt
    trees      JSON and YAML: a value, a key, a branch; a checksum that no longer matches, or that was taken out
    cells      CSV: a cell, a row, a column, the separator
    flat       flatbuffers (.tflite, .ort): offsets, vtables, lengths, scalars
    proto      protocol buffers (.onnx, MACE's .pb): fields, lengths, nesting
    database   SQLite: cells with and without their seal, tables, pages
    archives   zip, npz and torch's checkpoints: members, headers, pickles
    tensors    .npy and .safetensors: shapes, types, offsets
    pictures   sizes that a header promises

Each function takes bytes and a `random.Random`, and returns bytes: the same seed, the same damage.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from damage import archives, bytes_, cells, database, flat, pictures, proto, tensors, trees

Mutator = Callable[[bytes, random.Random], bytes]


@dataclass(frozen=True)
class Damage:
    """A damaged file.

    Attributes:
        data: its bytes.
        how: the mutator, for messages.
        silent: whether nothing that vouches for the content was renewed: a checksum, where there is one, tells.
    """

    data: bytes
    how: str
    silent: bool


SILENT: Mapping[str, Sequence[Mutator]] = {
    "database": [bytes_.flip, bytes_.flip, bytes_.scramble, database.change_cell],
    "archive": [bytes_.flip, bytes_.flip, bytes_.scramble, archives.change_member_data],
    "safetensors": [bytes_.flip, bytes_.flip, bytes_.scramble],
    "json": [bytes_.flip, bytes_.flip, bytes_.scramble, trees.change_json],
}
"""By format: what a checksum has to notice. Other formats have none of their own."""

HOSTILE: Mapping[str, Sequence[Mutator]] = {
    "json": [bytes_.scramble, trees.replace_json, trees.replace_json, trees.replace_json, trees.reshape_json],
    "yaml": [bytes_.scramble, trees.replace_yaml, trees.replace_yaml, trees.reshape_yaml],
    "csv": [bytes_.scramble, cells.change_cell, cells.change_cell, cells.reshape],
    "text": [bytes_.scramble, cells.change_line],
    "flatbuffer": [bytes_.scramble, flat.change, flat.change, flat.change],
    "protobuf": [bytes_.scramble, proto.change, proto.change, proto.change],
    "database": [bytes_.scramble, database.change_sealed_cell, database.change_sealed_cell, database.reshape],
    "archive": [bytes_.scramble, archives.change_head, archives.change_members, archives.change_pickle],
    "safetensors": [bytes_.scramble, tensors.change_safetensors, tensors.change_safetensors],
    "npy": [bytes_.scramble, tensors.change_npy, tensors.change_npy],
    "picture": [bytes_.scramble, pictures.change],
}
"""By format: content that somebody wrote on purpose, checksums renewed or taken out."""

FORMATS = {
    ".json": "json",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".csv": "csv",
    ".txt": "text",
    ".md": "text",
    ".tflite": "flatbuffer",
    ".ort": "flatbuffer",
    ".onnx": "protobuf",
    ".pb": "protobuf",
    ".db": "database",
    ".sqlite": "database",
    ".npz": "archive",
    ".pt": "archive",
    ".pth": "archive",
    ".safetensors": "safetensors",
    ".npy": "npy",
    ".png": "picture",
    ".jpg": "picture",
}
"""Suffix -> format."""


def damage(suffix: str, data: bytes, rng: random.Random, silent: bool) -> Damage:
    """Return a file with one to three changes; `silent` asks for those that only a checksum can tell."""
    known = FORMATS.get(suffix, "")
    mutators = SILENT.get(known) if silent else HOSTILE.get(known)
    chosen = rng.choice(mutators or [bytes_.scramble])
    changed = data
    for _ in range(1 if silent else rng.choice([1, 1, 1, 2, 3])):
        changed = chosen(changed, rng)
    return Damage(changed, f"{chosen.__module__}.{chosen.__name__}", silent)
