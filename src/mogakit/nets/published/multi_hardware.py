"""Tables of the multi-hardware paper (Chu et al., arXiv 2008.08178)."""

from types import MappingProxyType

from mogakit.nets.published.table import Holds, PaperColumn, PaperTable, read_table

_SOURCE = "multi-hardware paper (arXiv 2008.08178) Table"
RUNTIME = "TFLite, 1 thread, batch 1"

PIXEL4_FACTORS_MS = MappingProxyType({"cpu-float": 36.8, "cpu-uint8": 12.8, "gpu": 4.82, "dsp": 3.06, "edgetpu": 2.37})
"""Latencies of MobileNetV1 1.0 on the five hardware of a Pixel 4, in milliseconds.

Inferred: the paper prints the normalised metrics and the latencies of the networks, not these factors. They reproduce
every MN-Norm value of its Tables 1 and 2 to the printed precision; neighbours that do so as well differ by one unit of
the last digit.
"""

_HARDWARE = (
    ("CPU float", "Google Pixel 4, CPU float32", "cpu-float"),
    ("CPU uint8", "Google Pixel 4, CPU uint8", "cpu-uint8"),
    ("GPU", "Google Pixel 4, GPU Adreno 640", "gpu"),
    ("DSP", "Google Pixel 4, DSP Hexagon", "dsp"),
    ("EdgeTPU", "Google Pixel 4, EdgeTPU", "edgetpu"),
)
_LATENCIES = tuple(
    PaperColumn(
        name=name, holds=Holds.LATENCY, unit="ms", device=device, runtime=RUNTIME, factor_ms=PIXEL4_FACTORS_MS[key]
    )
    for name, device, key in _HARDWARE
)
_ACCURACY = PaperColumn(name="accuracy", holds=Holds.TOP1, unit="%")
_NORMS = (
    PaperColumn(name="MN-Norm avg", holds=Holds.METRIC),
    PaperColumn(name="MN-Norm max", holds=Holds.METRIC),
)
_FACTOR_NOTE = (
    "MN-Norm divides by MobileNetV1 1.0's latencies, which the paper does not print; inferred from its numbers: "
    "36.8, 12.8, 4.82, 3.06 and 2.37 ms"
)
_SETTING_NOTE = "Pixel 4, one thread, batch 1, big cores; accuracy of the float model"

TABLES: tuple[PaperTable, ...] = (
    read_table(
        "multi-hardware/1",
        f"{_SOURCE} 1",
        "Networks found for several hardware beside manually designed and searched ones",
        (
            PaperColumn(name="width", holds=Holds.WIDTH),
            _ACCURACY,
            PaperColumn(name="params", holds=Holds.PARAMS, unit="M"),
            PaperColumn(name="MAdds", holds=Holds.MADDS, unit="M"),
            *_LATENCIES,
            *_NORMS,
        ),
        """
MobilenetV1|mobilenet-v1@1.25x|1.25|75.1|6.25|883|54.7|18.2|7.12|3.72|2.84|1.36|1.49
MobilenetV2|mobilenet-v2@1.25x|1.25|75.3|5.01|487|38.8|16.6|5.74|4.97|2.93|1.28|1.62
MobilenetV3Large|mobilenet-v3-large|1.0|75.3|5.45|217|20.3|13.2|5.61|4.51|unsupported|unsupported|unsupported
MobilenetV3Large min|mobilenet-v3-large-minimalistic@1.25x|1.25|74.9|5.73|346|27.7|12.6|4.56|3.81|2.58|1.00|1.25
ProxylessNAS-Mobile|proxyless-mobile|1.0|74.9|4.05|321|27.6|14.8|5.92|3.90|3.09|1.14|1.30
Mobilenet-EdgeTPU|mobilenet-edgetpu|1.0|76.2|4.05|991|59.3|19.4|7.52|4.29|2.67|1.44|1.61
Multi-AVG|multi-avg|1.0|75.8|4.91|433|31.0|13.9|5.40|3.81|2.40|1.06|1.25
Multi-MAX|multi-max|1.0|74.9|4.39|349|25.2|11.7|4.47|3.38|2.22|0.91|1.10
""",
        (_SETTING_NOTE, "h-swish: the Edge TPU cannot run MobilenetV3Large, which therefore has no norm", _FACTOR_NOTE),
    ),
    read_table(
        "multi-hardware/2",
        f"{_SOURCE} 2",
        "Networks found for one hardware each, in the same space",
        (_ACCURACY, *_LATENCIES, *_NORMS),
        """
Single-CPU float | - | 76.5 | 39.6 | 18.0 | 6.23 | 4.52 | 3.32 | 1.33 | 1.48
Single-CPU uint8 | - | 76.2 | 38.6 | 13.9 | 5.85 | 3.71 | 2.55 | 1.13 | 1.21
Single-GPU | - | 76.0 | 33.6 | 15.6 | 5.46 | 4.10 | 2.68 | 1.15 | 1.34
Single-DSP | - | 76.3 | 46.7 | 15.6 | 6.88 | 3.42 | 2.44 | 1.21 | 1.43
Single-EdgeTPU | - | 76.0 | 44.0 | 15.4 | 6.03 | 3.98 | 2.47 | 1.20 | 1.30
""",
        (_SETTING_NOTE, "the layers of these networks are not published", _FACTOR_NOTE),
    ),
    read_table(
        "multi-hardware/3",
        f"{_SOURCE} 3",
        "The best of five single-hardware searches against one search for all hardware",
        (PaperColumn(name="search cost", holds=Holds.COST, unit="x"), *_NORMS),
        """
Single-CPU uint8 | - | 5 | 1.13 | 1.21
Multi-AVG|multi-avg|1|1.06|1.25
""",
        ("cost 1x is one search, about 90 hours of a Cloud TPU v2-32",),
    ),
)
