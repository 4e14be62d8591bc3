"""Damage to JSON and YAML: one value, key or branch of a document that is otherwise sound."""

import copy
import json
import random
from typing import Any

import yaml

from damage import bytes_
from damage.values import TEXTS, near, pick

CHECKSUM = "checksum"
RAW = [
    *("NaN", "Infinity", "-Infinity", "1e999", "9" * 5000, "-0", "0x10", "01", "1.", "'a'", "undefined"),
    *("[" * 3000 + "]" * 3000, '{"a":' * 3000 + "1" + "}" * 3000, "[" * 70 + "]" * 70, '{"a":1,"a":2}', '"\\ud800"'),
]
"""Texts in the place of a value, some of which are no JSON."""
_PLACE = "\u0001here\u0001"

Path = tuple[Any, ...]


def places(tree: Any, path: Path = ()) -> list[Path]:
    """Return the path of every value in a document, the document itself first."""
    found = [path]
    children = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, child in children:
        found += places(child, (*path, key))
    return found


def _at(tree: Any, path: Path) -> Any:
    for key in path:
        tree = tree[key]
    return tree


def _put(tree: Any, path: Path, value: Any) -> Any:
    if not path:
        return value
    _at(tree, path[:-1])[path[-1]] = value
    return tree


def _somewhere(tree: Any, rng: random.Random) -> Path:
    """Return a path; every level of a document is as likely, however many values it has."""
    path: Path = ()
    while True:
        here = _at(tree, path)
        keys = list(here) if isinstance(here, dict) else list(range(len(here))) if isinstance(here, list) else []
        if not keys or (path and rng.random() < 0.15):
            return path
        path = (*path, rng.choice(keys))


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _unsealed(tree: Any) -> Any:
    return {key: value for key, value in tree.items() if key != CHECKSUM} if isinstance(tree, dict) else tree


def change_json(data: bytes, rng: random.Random) -> bytes:
    """Change one value to another of its type, and leave the checksum as it is."""
    tree = _parsed(data)
    if tree is None:
        return bytes_.flip(data, rng)
    leaves = [
        path for path in places(tree) if path and path[0] != CHECKSUM and not isinstance(_at(tree, path), dict | list)
    ]
    if not leaves:
        return bytes_.flip(data, rng)
    path = rng.choice(leaves)
    return json.dumps(_put(tree, path, near(_at(tree, path), rng)), indent=1).encode("utf-8", "surrogatepass")


def replace_json(data: bytes, rng: random.Random) -> bytes:
    """Put something else in the place of a value; the checksum is taken out."""
    tree = _unsealed(_parsed(data))
    if tree is None:
        return bytes_.scramble(data, rng)
    path = _somewhere(tree, rng)
    if rng.random() < 0.2:
        text = json.dumps(_put(tree, path, _PLACE), indent=1)
        return text.replace(json.dumps(_PLACE), rng.choice(RAW)).encode("utf-8", "surrogatepass")
    value = near(_at(tree, path), rng) if rng.random() < 0.4 else pick(rng)
    return json.dumps(_put(tree, path, value), indent=1).encode("utf-8", "surrogatepass")


def reshape_json(data: bytes, rng: random.Random) -> bytes:
    """Delete, double, rename, move or multiply a branch; the checksum is taken out."""
    tree = _unsealed(_parsed(data))
    if tree is None:
        return bytes_.scramble(data, rng)
    return json.dumps(_reshaped(tree, rng), indent=1).encode("utf-8", "surrogatepass")


def _reshaped(tree: Any, rng: random.Random) -> Any:
    path = _somewhere(tree, rng)
    if not path:
        return [tree]
    around, key = _at(tree, path[:-1]), path[-1]
    kind = rng.randrange(5)
    if kind == 0:
        del around[key]
    elif kind == 1 and isinstance(around, dict):
        around[rng.choice(TEXTS)] = copy.deepcopy(around[key])
    elif kind == 1:
        around[key:key] = [copy.deepcopy(around[key])] * rng.choice([1, 1, 2, 1000])
    elif kind == 2 and isinstance(around, dict):
        around[rng.choice([*TEXTS, key + "x"])] = around.pop(key)
    elif kind == 3:
        other = _at(tree, _somewhere(tree, rng))
        around[key] = copy.deepcopy(other)
    elif isinstance(around[key], dict | list):
        around[key].clear()
    else:
        around[key] = [around[key]]
    return tree


def replace_yaml(data: bytes, rng: random.Random) -> bytes:
    """Put something else in the place of a value."""
    tree = _yaml(data)
    if tree is None:
        return bytes_.scramble(data, rng)
    path = _somewhere(tree, rng)
    value = near(_at(tree, path), rng) if rng.random() < 0.4 else pick(rng)
    return _dumped(_put(tree, path, value))


def reshape_yaml(data: bytes, rng: random.Random) -> bytes:
    """Delete, double, rename, move or multiply a branch, or add an anchor or a tag."""
    tree = _yaml(data)
    if tree is None:
        return bytes_.scramble(data, rng)
    head = rng.choice([b"", b"", b"--- &a\n", b"%YAML 9.9\n---\n", b"!!python/object/apply:os.system ['true']\n---\n"])
    return head + _dumped(_reshaped(tree, rng))


def _yaml(data: bytes) -> Any:
    try:
        return yaml.safe_load(data)
    except (yaml.YAMLError, ValueError, RecursionError):
        return None


def _dumped(tree: Any) -> bytes:
    text: str = yaml.safe_dump(tree, allow_unicode=True)
    return text.encode("utf-8", "surrogatepass")
