"""How the four `.pb` of one model and their `.data` are named, and how one is found from another."""

from pathlib import Path

from mogakit.errors import InputError
from mogakit.export.mace.netdef import Generation, RuntimeType

DATA_SUFFIX = ".data"
PB_SUFFIXES: dict[tuple[Generation, RuntimeType], str] = {
    (Generation.MULTI, RuntimeType.CPU): ".multi-cpu.pb",
    (Generation.MULTI, RuntimeType.GPU): ".multi-gpu.pb",
    (Generation.NET, RuntimeType.CPU): ".net-cpu.pb",
    (Generation.NET, RuntimeType.GPU): ".net-gpu.pb",
}
"""`multi` for mace_run v1.1.1 and later, `net` for v1.0.4 and earlier; the first is an artifact's main file."""


def sibling(path: Path, generation: Generation, runtime: RuntimeType) -> Path:
    """Return the `.pb` of the same model for another container and runtime.

    Raises:
        InputError: `path` is not named as the kit names MACE files.
    """
    return path.with_name(_stem(path) + PB_SUFFIXES[generation, runtime])


def data_of(path: Path) -> Path:
    """Return the `.data` file of a `.pb`, named as the kit names it or, for other files, after the `.pb` itself."""
    stem = next((path.name.removesuffix(suffix) for suffix in PB_SUFFIXES.values() if path.name.endswith(suffix)), None)
    return path.with_name((path.stem if stem is None else stem) + DATA_SUFFIX)


def _stem(path: Path) -> str:
    for suffix in PB_SUFFIXES.values():
        if path.name.endswith(suffix):
            return path.name.removesuffix(suffix)
    raise InputError(
        f"{path.name} is not one of the kit's MACE files; their names end in {', '.join(PB_SUFFIXES.values())}"
    )
