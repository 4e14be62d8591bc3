"""What the library holds, and how a table leaves it: as a file of the kit's own, its licence beside it.

Files are JSON, compressed; `tests/support/make_library.py` makes them from the data that the tests hold. None of them
stands in for a table of the device that you have: each entry says what it is good for, and what it is not.
"""

import gzip
import importlib.resources
from dataclasses import dataclass
from pathlib import Path

from mogakit import files, records
from mogakit.errors import InputError, unknown_name
from mogakit.luts.check import Finding, Severity, check_table
from mogakit.luts.check_model import check_model
from mogakit.luts.linear import CostModel
from mogakit.luts.table import LatencyTable

_QED = "github.com/qed-usc/mobile-ml-benchmark @ 40ba833, dataset/tflite_cnn_ops_gpu.csv and tflite_cnn_e2e.csv"
_BLOCKS = (
    "searches of tunas-proxyless for a phone GPU, and what a table composed of operators is like: about half of its "
    "blocks are sums of measured operators, the others inferred with an interval; calibrated on 102 whole networks. "
    "Not for absolute times of one block"
)
_OPERATORS = (
    "composing blocks, and seeing how sums of operators compare with whole networks: medians over 102 networks, with "
    "the affine calibration that takes their bias out. No network is predicted from it directly"
)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One table or model of the library.

    Attributes:
        name: by which `moga lut get` knows it.
        device: what it was measured on, and with what.
        source: where the numbers come from.
        licence: SPDX name of theirs; `licence_file` holds its text where it is not this kit's own.
        good_for: what it can be used for, and what not.
    """

    name: str
    device: str
    source: str
    licence: str
    good_for: str
    licence_file: str = ""


ENTRIES: tuple[Entry, ...] = (
    Entry(
        name="pixel1-tunas-proxyless",
        device="Google Pixel 1, CPU",
        source="github.com/google-research/google-research @ 0c1bbe5, tunas/cost_model_data.py",
        licence="Apache-2.0",
        good_for=(
            "searches of tunas-proxyless for an old phone's CPU, and checking a search against a published model: it "
            "gives ProxylessNAS mobile 84.4 ms. Its coefficients are centred, so that only sums mean anything"
        ),
    ),
    Entry(
        name="pixel4-gpu-tunas-proxyless",
        device="Google Pixel 4 (Adreno 640), TFLite GPU delegate",
        source=_QED,
        licence="MIT",
        good_for=_BLOCKS,
        licence_file="LICENSE.qed-usc",
    ),
    Entry(
        name="mi8se-gpu-tunas-proxyless",
        device="Xiaomi Mi 8 SE (Adreno 616), TFLite GPU delegate",
        source=_QED,
        licence="MIT",
        good_for=_BLOCKS,
        licence_file="LICENSE.qed-usc",
    ),
    Entry(
        name="pixel4-gpu-operators",
        device="Google Pixel 4 (Adreno 640), TFLite GPU delegate",
        source=_QED,
        licence="MIT",
        good_for=_OPERATORS,
        licence_file="LICENSE.qed-usc",
    ),
    Entry(
        name="mi8se-gpu-operators",
        device="Xiaomi Mi 8 SE (Adreno 616), TFLite GPU delegate",
        source=_QED,
        licence="MIT",
        good_for=_OPERATORS,
        licence_file="LICENSE.qed-usc",
    ),
    Entry(
        name="xeon-moga-demo",
        device="Intel Xeon (2 cores of a shared server), TFLite with XNNPACK, one thread",
        source="measured by this kit in 26 seconds, two rounds",
        licence="Apache-2.0",
        good_for=(
            "trying predict, search and report in the MoGA space without measuring first. It is a quick table of a "
            "busy machine, and `moga lut check` says so; a phone's ranking is another"
        ),
    ),
)


@dataclass(frozen=True, kw_only=True)
class Listed:
    """An entry with what it holds, and what `moga lut check` says of it.

    Attributes:
        kind: table or cost model.
        space: that it covers, or empty.
        num_rows: of a model, coefficients.
    """

    entry: Entry
    kind: str
    space: str
    num_rows: int
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> str:
        """The findings in a few words."""
        counted = [(severity, sum(one.severity is severity for one in self.findings)) for severity in Severity]
        return ", ".join(f"{count} {severity}" for severity, count in counted if count) or "nothing suspicious"


def list_library() -> list[Listed]:
    """Return every entry with its verdict; the files are read and checked now, so that it is never an old one."""
    return [_listed(entry) for entry in ENTRIES]


def load_entry(name: str) -> LatencyTable | CostModel:
    """Return the table or model of an entry.

    Raises:
        InputError: there is no such entry.
    """
    where = f"table {name} of the library"
    document = records.parse_json(_content(_entry(name)).decode(), where)
    is_model = document["file_kind"] == records.kind_of(CostModel).name
    if is_model:
        return records.from_document(CostModel, document, where)
    return records.from_document(LatencyTable, document, where)


def get(name: str, output: Path) -> Listed:
    """Write an entry's table or model to `output`; where its licence is another's, its text goes to `output`.LICENSE.

    Raises:
        InputError: there is no such entry.
    """
    entry = _entry(name)
    files.write_text(output, _content(entry).decode())
    if entry.licence_file:
        text = importlib.resources.files(__package__).joinpath("data", entry.licence_file).read_text(encoding="utf-8")
        files.write_text(output.with_name(f"{output.name}.LICENSE"), text)
    return _listed(entry)


def _entry(name: str) -> Entry:
    found = next((entry for entry in ENTRIES if entry.name == name), None)
    if found is None:
        raise InputError(unknown_name("table of the library", name, [entry.name for entry in ENTRIES]))
    return found


def _content(entry: Entry) -> bytes:
    packed = importlib.resources.files(__package__).joinpath("data", f"{entry.name}.json.gz").read_bytes()
    return gzip.decompress(packed)


def _listed(entry: Entry) -> Listed:
    found = load_entry(entry.name)
    return Listed(
        entry=entry,
        kind="cost model" if isinstance(found, CostModel) else "table",
        space=found.space,
        num_rows=sum(map(len, found.coefficients_ms)) if isinstance(found, CostModel) else len(found.rows),
        findings=tuple(check_model(found) if isinstance(found, CostModel) else check_table(found)),
    )
