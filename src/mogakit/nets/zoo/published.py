"""Latencies that papers and repositories published for networks of the zoo."""

from mogakit.nets.zoo.entry import PublishedLatency

_MIX_3 = "Xiaomi Mi MIX 3 mobile GPU"
_PIXEL_1 = "Google Pixel 1, one large CPU core"
_PIXEL_4 = "TFLite, 1 thread, batch 1"

# MoGA Table 3 in ms: Mi MIX 3 GPU with SNPE, with MACE, Pixel 1 CPU with TFLite.
_MOGA_TABLE_3: dict[str, tuple[float, float, float]] = {
    "moga-a": (11.8, 11.1, 101.0),
    "moga-b": (10.3, 10.0, 81.0),
    "moga-c": (9.6, 8.8, 71.0),
    "fairnas-a": (9.8, 9.7, 104.0),
    "mobilenet-v2": (6.9, 7.0, 78.0),
    "mobilenet-v3-large": (10.8, 9.5, 70.0),
    "proxyless-mobile": (7.3, 7.9, 87.0),
    "proxyless-gpu": (9.6, 9.8, 126.0),
}
_MOGA_COLUMNS = (
    (_MIX_3, "SNPE 1.27.1.382"),
    (_MIX_3, "MACE 03362fa0"),
    (_PIXEL_1, "TFLite float"),
)

# Multi-hardware paper (arXiv 2008.08178) Table 1: width multiplier, then ms on each hardware of a Pixel 4.
_MULTI_HARDWARE_TABLE_1: dict[str, tuple[float, float, float, float, float, float | None]] = {
    "mobilenet-v1": (1.25, 54.7, 18.2, 7.12, 3.72, 2.84),
    "mobilenet-v2": (1.25, 38.8, 16.6, 5.74, 4.97, 2.93),
    "mobilenet-v3-large": (1.0, 20.3, 13.2, 5.61, 4.51, None),  # h-swish: the Edge TPU cannot run it
    "mobilenet-v3-large-minimalistic": (1.25, 27.7, 12.6, 4.56, 3.81, 2.58),
    "mobilenet-edgetpu": (1.0, 59.3, 19.4, 7.52, 4.29, 2.67),
    "proxyless-mobile": (1.0, 27.6, 14.8, 5.92, 3.90, 3.09),
    "multi-avg": (1.0, 31.0, 13.9, 5.40, 3.81, 2.40),
    "multi-max": (1.0, 25.2, 11.7, 4.47, 3.38, 2.22),
}
_MULTI_HARDWARE_COLUMNS = (
    "Google Pixel 4, CPU float32",
    "Google Pixel 4, CPU uint8",
    "Google Pixel 4, GPU Adreno 640",
    "Google Pixel 4, DSP Hexagon",
    "Google Pixel 4, EdgeTPU",
)

# name, ms, device, framework, source
_OTHERS: tuple[tuple[str, float, str, str, str], ...] = (
    ("mobilenet-v1", 113.0, _PIXEL_1, "TFLite", "MnasNet paper v1 Table 1"),
    ("mobilenet-v2", 73.8, "Google Pixel 1", "TFLite", "slim mobilenet README"),
    ("mobilenet-v3-large", 66.0, _PIXEL_1, "TFLite float", "its authors, quoted in MoGA Table 3"),
    ("mobilenet-v3-large", 51.2, "Google Pixel 1, large core", "TFLite float", "slim mobilenet README"),
    ("mobilenet-v3-large", 61.0, "Google Pixel 2, large core", "TFLite float", "slim mobilenet README"),
    ("mobilenet-v3-large", 44.0, "Google Pixel 3, large core", "TFLite float", "slim mobilenet README"),
    ("mobilenet-v3-large-minimalistic", 44.1, "Google Pixel 1, large core", "TFLite float", "slim mobilenet README"),
    ("mobilenet-v3-large-minimalistic", 51.0, "Google Pixel 2, large core", "TFLite float", "slim mobilenet README"),
    ("mobilenet-v3-large-minimalistic", 35.0, "Google Pixel 3, large core", "TFLite float", "slim mobilenet README"),
    ("mnasnet-a1", 78.0, _PIXEL_1, "TFLite", "MoGA Table 3; mnasnet README"),
    ("mnasnet-b1", 76.0, _PIXEL_1, "TFLite", "MnasNet paper v1 Table 1, row MnasNet"),
    ("proxyless-mobile", 78.0, _PIXEL_1, "TFLite float", "its authors, quoted in MoGA Table 3"),
    ("proxyless-gpu", 124.0, _PIXEL_1, "TFLite float", "its authors, quoted in MoGA Table 3"),
    ("proxyless-gpu", 5.1, "NVIDIA V100", "unknown", "proxylessnas README"),
    ("single-path-nas", 79.0, _PIXEL_1, "TFLite", "MoGA Table 3"),
    ("fbnet-b", 23.0, "Samsung Galaxy S8", "Caffe2 int8", "its authors, quoted in MoGA Table 3"),
    ("fbnet-b", 17.3, "Samsung Galaxy S8 CPU", "Caffe2 QNNPACK int8", "mobile-vision README"),
    ("fbnet-b", 167.7, "Samsung Galaxy S8 CPU", "Caffe2 NNPACK float32", "mobile-vision README"),
    ("ofa-cpu-15ms", 15.0, "Intel Xeon CPU", "MKL-DNN", "once-for-all README"),
)


def latencies_of(name: str) -> tuple[PublishedLatency, ...]:
    """Return what was published for a network, papers' tables first."""
    found = []
    if name in _MOGA_TABLE_3:
        for (device, framework), latency_ms in zip(_MOGA_COLUMNS, _MOGA_TABLE_3[name], strict=True):
            found.append(
                PublishedLatency(latency_ms=latency_ms, device=device, framework=framework, source="MoGA Table 3")
            )
    if name in _MULTI_HARDWARE_TABLE_1:
        width, *latencies = _MULTI_HARDWARE_TABLE_1[name]
        source = "multi-hardware paper Table 1"
        for device, latency in zip(_MULTI_HARDWARE_COLUMNS, latencies, strict=True):
            if latency is not None:
                found.append(
                    PublishedLatency(
                        latency_ms=latency, device=device, framework=_PIXEL_4, source=source, width=width or 1.0
                    )
                )
    for other, latency_ms, device, framework, source in _OTHERS:
        if other == name:
            found.append(PublishedLatency(latency_ms=latency_ms, device=device, framework=framework, source=source))
    return tuple(found)
