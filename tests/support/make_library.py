"""Make the files of `mogakit.luts.library` from the data that the tests hold; the same input gives the same bytes.

python tests/support/make_library.py [FOLDER]
"""

import gzip
import io
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mogakit.luts.foreign.importing import Asked, ForeignFormat, import_foreign
from mogakit.luts.table import load, save

TESTS = Path(__file__).parents[1]
DATA = TESTS / "luts" / "data"
SHIPPED = TESTS.parent / "src" / "mogakit" / "luts" / "library" / "data"
SPACE = "tunas-proxyless"
PHONES = {"pixel4": "Google Pixel 4 (Adreno 640)", "mi8se": "Xiaomi Mi 8 SE (Adreno 616)"}


def make_library(folder: Path, phones: Sequence[str] = tuple(PHONES)) -> list[Path]:
    """Write every file of the library, of some phones only, and the licence of others, to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        made = [_packed(path, folder) for path in _tables(Path(name), phones)]
    licence = folder / "LICENSE.qed-usc"
    licence.write_bytes((DATA / "qed_usc" / "LICENSE").read_bytes())
    return [*made, licence]


def _tables(folder: Path, phones: Sequence[str]) -> list[Path]:
    kernel, bias = (DATA / f"tunas/proxylessnas_search_{part}.b64" for part in ("kernel", "bias"))
    found = [folder / "pixel1-tunas-proxyless.json"]
    import_foreign(ForeignFormat.TUNAS, [kernel, bias], found[0], Asked())
    operators = folder / "cnn_ops_gpu.csv"
    operators.write_bytes(gzip.decompress((DATA / "qed_usc" / "cnn_ops_gpu.csv.gz").read_bytes()))
    sources = [operators, DATA / "qed_usc" / "cnn_end_to_end.csv"]
    for phone in phones:
        column, device = f"{phone}|gpu|float", PHONES[phone]
        for end, asked in {
            "operators": Asked(column=column),
            SPACE: Asked(column=column, space=SPACE, infer=True),
        }.items():
            path = folder / f"{phone}-gpu-{end}.json"
            import_foreign(ForeignFormat.OPERATORS, sources, path, asked)
            table = load(path)
            save(replace(table, name=path.name, identity=replace(table.identity, device_name=device)), path)
            found.append(path)
    demo = load(TESTS / "search" / "data" / "moga-xeon-xnnpack.json")
    identity = replace(
        demo.identity, device="Intel(R) Xeon(R) Processor/2 cores"
    )  # one machine's fingerprint matches no other
    save(replace(demo, name="xeon-moga-demo.json", identity=identity), folder / "xeon-moga-demo.json")
    return [*found, folder / "xeon-moga-demo.json"]


def _packed(path: Path, folder: Path) -> Path:
    target = folder / f"{path.name}.gz"
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, compresslevel=9, mtime=0) as packed:
        packed.write(path.read_bytes())
    target.write_bytes(buffer.getvalue())
    return target


if __name__ == "__main__":
    for each in make_library(Path(sys.argv[1]) if len(sys.argv) > 1 else SHIPPED):
        print(f"{each.stat().st_size:>8} {each.name}")
