"""Damage to CSV and to lines of text."""

import csv
import io
import random

from damage import bytes_
from damage.values import pick


def change_cell(data: bytes, rng: random.Random) -> bytes:
    """Put something else in a cell."""
    rows = _rows(data)
    if not rows:
        return bytes_.scramble(data, rng)
    row = rng.choice(rows)
    if row:
        row[rng.randrange(len(row))] = str(pick(rng))
    return _written(rows)


def reshape(data: bytes, rng: random.Random) -> bytes:
    """Drop, double or move a row or column, or use another separator."""
    rows = _rows(data)
    if not rows:
        return bytes_.scramble(data, rng)
    kind, place = rng.randrange(6), rng.randrange(len(rows))
    if kind == 0:
        del rows[place]
    elif kind == 1:
        rows[place:place] = [rows[place]] * rng.choice([1, 2, 1000])
    elif kind == 2:
        column = rng.randrange(len(rows[0]) + 1)
        rows = [row[:column] + row[column + 1 :] for row in rows]
    elif kind == 3:
        rows[place] = rows[place] * 2
    elif kind == 4:
        return _written(rows).replace(b",", rng.choice([b";", b"\t", b"|"]))
    else:
        return _written(rows).replace(b"\n", rng.choice([b"\r", b"\r\n", b"\n\n", b"\x00\n"]))
    return _written(rows)


def change_line(data: bytes, rng: random.Random) -> bytes:
    """Put something else in a line of text."""
    lines = data.split(b"\n")
    place = rng.randrange(len(lines))
    text = str(pick(rng)).encode("utf-8", "surrogatepass")
    words = lines[place].split(b" ")
    words[rng.randrange(len(words))] = text
    lines[place : place + rng.randrange(2)] = [b" ".join(words)]
    return b"\n".join(lines)


def _rows(data: bytes) -> list[list[str]]:
    try:
        return list(csv.reader(io.StringIO(data.decode("utf-8"), newline="")))
    except (csv.Error, UnicodeDecodeError):
        return []


def _written(rows: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode("utf-8", "surrogatepass")
