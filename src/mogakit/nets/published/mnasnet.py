"""Tables of MnasNet (Tan et al., arXiv 1807.11626v1; Table 6 is of the later version's slides)."""

from mogakit.nets.published.moga import PIXEL_1
from mogakit.nets.published.table import Holds, PaperColumn, PaperTable, read_table

_SOURCE = "MnasNet paper v1 Table"
_LATENCY = PaperColumn(name="CPU latency", holds=Holds.LATENCY, unit="ms", device=PIXEL_1, runtime="TFLite")
_PARAMS = PaperColumn(name="params", holds=Holds.PARAMS, unit="M")
_MADDS = PaperColumn(name="MAdds", holds=Holds.MADDS, unit="M")
_TOP1 = PaperColumn(name="top-1", holds=Holds.TOP1, unit="%")

TABLES: tuple[PaperTable, ...] = (
    read_table(
        "mnasnet/1",
        f"{_SOURCE} 1",
        "MnasNet beside manually designed and searched networks on ImageNet",
        (_PARAMS, _MADDS, _TOP1, _LATENCY),
        """
MobileNetV1 | mobilenet-v1 | 4.2M | 575M | 70.6 | 113
MobileNetV2 | mobilenet-v2 | 3.4M | 300M | 72.0 | 75
MobileNetV2 (1.4) | mobilenet-v2@1.4x | 6.9M | 585M | 74.7 | 143
NASNet-A | - | 5.3M | 564M | 74.0 | 183
AmoebaNet-A | - | 5.1M | 555M | 74.5 | 190
MnasNet | mnasnet-b1 | 4.2M | 317M | 74.0 | 76
MnasNet-65 | - | 3.6M | 270M | 73.02 | 65
MnasNet-92 | - | 4.4M | 388M | 74.79 | 92
MnasNet (+SE) | - | 4.7M | 319M | 75.42 | 90
MnasNet-65 (+SE) | - | 4.1M | 272M | 74.62 | 75
MnasNet-92 (+SE) | - | 5.1M | 391M | 76.13 | 107
""",
        (
            "that the row MnasNet is the network mnasnet-b1 is our identification (`moga show mnasnet-b1`)",
            "the kit's mnasnet-a1 is of the later version, and in none of these rows",
        ),
    ),
    read_table(
        "mnasnet/2",
        f"{_SOURCE} 2",
        "SSDLite detectors on COCO at 320 x 320 pixels",
        (_PARAMS, _MADDS, PaperColumn(name="mAP", holds=Holds.MAP, unit="%"), _LATENCY),
        """
MobileNetV1 + SSDLite | ssdlite-mobilenet-v1 | 5.1M | 1.3B | 22.2 | 270
MobileNetV2 + SSDLite | ssdlite-mobilenet-v2 | 4.3M | 0.8B | 22.1 | 200
MnasNet + SSDLite | ssdlite-mnasnet-b1+expansion | 4.3M | 0.7B | 22.3 | 190
MnasNet-92 + SSDLite | - | 5.3M | 1.0B | 22.9 | 227
""",
        ("docs/detection.md says how the kit's detectors compare",),
    ),
    read_table(
        "mnasnet/3",
        f"{_SOURCE} 3",
        "Layer diversity: each variant repeats one type of layer",
        (_TOP1, _LATENCY),
        """
MnasNet | mnasnet-b1 | 74.0 | 76
only (b) | - | 71.3 | 67
only (c) | - | 72.3 | 84
only (d) | - | 74.1 | 123
only (e) | - | 74.8 | 157
""",
        (
            "letters are those of the paper's Figure 7; Table 6 of the slides names the types",
            "the same number of layers and the same filter sizes in all",
        ),
    ),
    read_table(
        "mnasnet/6",
        "MnasNet, slides of the later version, Table 6",
        "Layer diversity, later version: each variant repeats one type of layer",
        (_TOP1, _LATENCY),
        """
MnasNet-A1 | mnasnet-a1 | 75.2 | 78
MBConv3 (k3x3) only | - | 71.8 | 63
MBConv3 (k5x5) only | - | 72.5 | 79
MBConv6 (k3x3) only | - | 74.9 | 116
MBConv6 (k5x5) only | - | 75.6 | 146
""",
        ("the same number of layers and the same filter sizes in all",),
    ),
)
