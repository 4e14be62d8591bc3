"""Latencies that papers and repositories published for networks of the zoo."""

from collections.abc import Iterator

from mogakit.nets.published import PAPER_TABLES, Holds, PaperTable
from mogakit.nets.published.moga import PIXEL_1
from mogakit.nets.variant import parse_variant
from mogakit.nets.zoo.entry import PublishedLatency

# name, ms, device, framework, source
_OTHERS: tuple[tuple[str, float, str, str, str], ...] = (
    ("mobilenet-v2", 73.8, "Google Pixel 1", "TFLite", "slim mobilenet README"),
    ("mobilenet-v3-large", 51.2, "Google Pixel 1, large core", "TFLite float", "slim mobilenet README"),
    ("mobilenet-v3-large", 61.0, "Google Pixel 2, large core", "TFLite float", "slim mobilenet README"),
    ("mobilenet-v3-large", 44.0, "Google Pixel 3, large core", "TFLite float", "slim mobilenet README"),
    ("mobilenet-v3-large-minimalistic", 44.1, "Google Pixel 1, large core", "TFLite float", "slim mobilenet README"),
    ("mobilenet-v3-large-minimalistic", 51.0, "Google Pixel 2, large core", "TFLite float", "slim mobilenet README"),
    ("mobilenet-v3-large-minimalistic", 35.0, "Google Pixel 3, large core", "TFLite float", "slim mobilenet README"),
    ("mnasnet-a1", 78.0, PIXEL_1, "TFLite", "mnasnet README"),
    ("proxyless-gpu", 5.1, "NVIDIA V100", "unknown", "proxylessnas README"),
    ("fbnet-b", 17.3, "Samsung Galaxy S8 CPU", "Caffe2 QNNPACK int8", "mobile-vision README"),
    ("fbnet-b", 167.7, "Samsung Galaxy S8 CPU", "Caffe2 NNPACK float32", "mobile-vision README"),
    ("ofa-cpu-15ms", 15.0, "Intel Xeon CPU", "MKL-DNN", "once-for-all README"),
)


def latencies_of(name: str) -> tuple[PublishedLatency, ...]:
    """Return what was published for a network at any width, papers' tables first."""
    of_papers = [each for table in PAPER_TABLES.values() for each in _from_table(table, name)]
    of_others = [
        PublishedLatency(latency_ms=latency_ms, device=device, framework=framework, source=source)
        for other, latency_ms, device, framework, source in _OTHERS
        if other == name
    ]
    return (*of_papers, *of_others)


def _from_table(table: PaperTable, name: str) -> Iterator[PublishedLatency]:
    """Yield the latencies of a network's rows; a number that the paper quotes comes after the paper's own."""
    for row in table.rows:
        variant = None if row.network is None else parse_variant(row.network)
        if variant is None or variant.base != name:
            continue
        for place in table.index_of(Holds.LATENCY):
            column, cell = table.columns[place], row.cells[place]
            if cell.value is None:
                continue
            quoted = f"its authors, quoted in {table.source}"
            elsewhere = bool(cell.device)  # a latency of another device is its authors' number too
            yield PublishedLatency(
                latency_ms=cell.value,
                device=cell.device or column.device,
                framework="unknown" if elsewhere else column.runtime,
                source=quoted if elsewhere else table.source,
                width=variant.width,
            )
            if cell.quoted is not None:
                yield PublishedLatency(
                    latency_ms=cell.quoted,
                    device=column.device,
                    framework=column.runtime,
                    source=quoted,
                    width=variant.width,
                )
