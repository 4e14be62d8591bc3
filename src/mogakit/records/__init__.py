"""Every file that the kit keeps or is given, read and written one way.

    reading   bytes, text, JSON, YAML and CSV of a file that anyone may have written: regular files only, limits on
              size and depth, UTF-8, no duplicate keys, finite numbers
    convert   frozen dataclasses to plain values and back, strictly
    sealed    SQLite files whose rows carry a checksum
    registry  kinds of file: a name, a version, the steps from older versions, the command that makes it, a checksum

A kind of file is declared where its record is defined::

    @stored("latency-table", version=3, made_by="moga profile", upgrades={1: add_unit, 2: rename_centre})
    @dataclass(frozen=True)
    class LatencyTable: ...

and read with `load(LatencyTable, path)`, written with `save(table, path)`.
"""

from mogakit.records.convert import finite, from_json, to_json
from mogakit.records.pictures import read_picture
from mogakit.records.reading import (
    Limits,
    check_file,
    parse_json,
    read_bytes,
    read_columns,
    read_csv,
    read_json,
    read_npy,
    read_text,
    read_yaml,
)
from mogakit.records.registry import (
    Document,
    Kind,
    document,
    from_document,
    kind_of,
    kinds,
    load,
    load_one_of,
    save,
    stored,
    upgrade,
)
from mogakit.records.zips import check_zip

__all__ = [
    "Document",
    "Kind",
    "Limits",
    "check_file",
    "check_zip",
    "document",
    "finite",
    "from_document",
    "from_json",
    "kind_of",
    "kinds",
    "load",
    "load_one_of",
    "parse_json",
    "read_bytes",
    "read_columns",
    "read_csv",
    "read_json",
    "read_npy",
    "read_picture",
    "read_text",
    "read_yaml",
    "save",
    "stored",
    "to_json",
    "upgrade",
]
