"""From the names of others to the blocks of a space: what a file covers, what it lacks, and what no block uses."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from mogakit.bench.measurement import Status
from mogakit.errors import TableError
from mogakit.export.artifact import Role
from mogakit.luts.foreign.hw_nas_bench import fbnet_names
from mogakit.luts.foreign.ofa import input_size_of, mobilenetv3_names, proxylessnas_names
from mogakit.luts.infer import infer_rows
from mogakit.luts.table import LatencyTable, Row, RowSource
from mogakit.nets.block import Block
from mogakit.nets.spaces import SearchSpace, get_space

Names = Callable[[Block], tuple[tuple[str, ...], ...]]
"""The names under which a block may stand in a file, the likeliest first: each a group whose times together are its."""

OFA_SPACES: Mapping[str, Names] = {
    "ofa-mobilenetv3": mobilenetv3_names,
    "ofa-mobilenetv3-w1.2": mobilenetv3_names,
    "ofa-proxylessnas": proxylessnas_names,
    "proxylessnas": proxylessnas_names,
}
FBNET_SPACES: Mapping[str, Names] = {"fbnet": fbnet_names, "fbnet-cifar": fbnet_names}
NO_ENTRY = "the imported file has no entry for it"


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """What of a space a file covers.

    Attributes:
        space: its name.
        num_blocks: distinct blocks of the space.
        missing: keys of the blocks without a number, in the order of the space.
        inferred: of these, keys that were inferred from the others.
        unused: keys of the file that no block of the space has, in the order of the file.
    """

    space: str
    num_blocks: int
    missing: tuple[str, ...]
    inferred: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()

    @property
    def num_mapped(self) -> int:
        """How many blocks have a number from the file."""
        return self.num_blocks - len(self.missing)


def blocks_of(space: SearchSpace) -> dict[Block, Role]:
    """Return every block of a space with its role."""
    fixed = dict.fromkeys(space.fixed_blocks, Role.FIXED)
    return {**fixed, **dict.fromkeys(space.choice_blocks, Role.CHOICE)}


def map_to_space(table: LatencyTable, space: SearchSpace, names: Names) -> tuple[LatencyTable, Coverage]:
    """Return the table of a space's blocks: a row for each, without a number where the file has none.

    Args:
        table: as imported, its keys those of the file.
        space: whose blocks are looked up.
        names: what the file calls a block.

    Raises:
        TableError: the file has none of the blocks.
    """
    found: dict[str, Row] = {}
    used: set[str] = set()
    blocks = blocks_of(space)
    for block, role in blocks.items():
        group = next((group for group in names(block) if all(name in table.rows for name in group)), None)
        if group is not None:
            used.update(group)
            found[block.key] = replace(_sum_of([table.rows[name] for name in group], block.key), role=role)
    if not found:
        first = next(iter(blocks))
        wanted = next(iter(names(first)), ("a name of theirs",))
        raise TableError(
            f"{table.name} has no entry for any block of {space.name!r} (looked for {wanted[0]}; it has "
            f"{', '.join(list(table.rows)[:2])}); name the space that it is of with --space"
        )
    rows, missing = _with_gaps(found, blocks)
    unused = tuple(key for key in table.rows if key not in used)
    coverage = Coverage(space=space.name, num_blocks=len(blocks), missing=missing, unused=unused)
    return replace(table, space=space.name, rows=rows), coverage


def composed_to_space(
    table: LatencyTable, space: SearchSpace, rows: Mapping[str, Row]
) -> tuple[LatencyTable, Coverage]:
    """Return the table of a space's blocks out of rows composed from operators; see `map_to_space`.

    Raises:
        TableError: there is no row for any block.
    """
    blocks = blocks_of(space)
    found = {block.key: replace(rows[block.key], role=role) for block, role in blocks.items() if block.key in rows}
    if not found:
        raise TableError(f"{table.name} has the operators of no block of {space.name!r}")
    complete, missing = _with_gaps(found, blocks)
    return replace(table, space=space.name, rows=complete), Coverage(
        space=space.name, num_blocks=len(blocks), missing=missing
    )


def infer_missing(table: LatencyTable, space: SearchSpace, coverage: Coverage) -> tuple[LatencyTable, Coverage]:
    """Return the table with a number, and an interval, for each block that the file lacks, from those that it has.

    Raises:
        InputError: too few rows have a number.
    """
    known = {key: row for key, row in table.rows.items() if row.latency_ms is not None}
    fixed = set(space.fixed_blocks)
    found = infer_rows(known, list(blocks_of(space)), table.counts)
    roles = {block.key: Role.FIXED for block in fixed}
    rows = {key: replace(row, role=roles.get(key, Role.CHOICE)) for key, row in found.items()}
    return replace(table, rows={**table.rows, **rows}), replace(coverage, inferred=tuple(rows))


def likeliest_space(table: LatencyTable, candidates: Mapping[str, Names]) -> tuple[SearchSpace, Names] | None:
    """Return the space of which most blocks are in a table, at the resolution of its stem; None where none has any."""
    best: tuple[float, SearchSpace, Names] | None = None
    size = input_size_of(table)
    for name, names in candidates.items():
        space = get_space(name if size in (None, _own_size(name)) else f"{name}@{size}px")
        blocks = blocks_of(space)
        share = sum(any(all(one in table.rows for one in group) for group in names(block)) for block in blocks)
        if share and (best is None or share / len(blocks) > best[0]):
            best = share / len(blocks), space, names
    return None if best is None else best[1:]


def names_for(space: str, candidates: Mapping[str, Names], default: Names) -> Names:
    """Return what a format calls the blocks of a space, whatever its resolution."""
    return candidates.get(space.partition("@")[0], default)


def any_ofa_names(block: Block) -> tuple[tuple[str, ...], ...]:
    """Return the keys of both kinds of Once-for-All tables: of a space that is neither's own."""
    return (*mobilenetv3_names(block), *proxylessnas_names(block))


def _own_size(name: str) -> int:
    return get_space(name).decode((0,) * len(get_space(name).num_choices)).input_size


def _with_gaps(found: Mapping[str, Row], blocks: Mapping[Block, Role]) -> tuple[dict[str, Row], tuple[str, ...]]:
    """Return a row for every block, and the keys of those without a number."""
    missing = tuple(block.key for block in blocks if block.key not in found)
    gaps = {
        block.key: Row(key=block.key, role=role, latency_ms=None, status=Status.FAILED, error=NO_ENTRY)
        for block, role in blocks.items()
        if block.key not in found
    }
    return {**found, **gaps}, missing


def _sum_of(rows: Sequence[Row], key: str) -> Row:
    """Return one row for a block whose time is that of several rows together."""
    if len(rows) == 1:
        return replace(rows[0], key=key)
    counts = [row.count for row in rows if row.count is not None]
    return Row(
        key=key,
        role=None,
        latency_ms=sum(row.latency_ms or 0.0 for row in rows),
        std_ms=_root_of_squares(row.std_ms for row in rows),
        count=min(counts) if len(counts) == len(rows) else None,
        source=RowSource.COMPOSED,
    )


def _root_of_squares(values: Iterable[float | None]) -> float | None:
    known = list(values)
    return None if None in known else math.hypot(*(value for value in known if value is not None))
