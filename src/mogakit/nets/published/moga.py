"""Table 3 of MoGA (Chu et al., arXiv 1908.01314v4)."""

from mogakit.nets.published.table import Holds, PaperColumn, PaperTable, read_table

_MIX_3 = "Xiaomi Mi MIX 3 mobile GPU"
PIXEL_1 = "Google Pixel 1, one large CPU core"

TABLES: tuple[PaperTable, ...] = (
    read_table(
        "moga/3",
        "MoGA Table 3",
        "MoGA-A, -B and -C beside manually designed and searched networks",
        (
            PaperColumn(name="MAdds", holds=Holds.MADDS, unit="M"),
            PaperColumn(name="params", holds=Holds.PARAMS, unit="M"),
            PaperColumn(name="GPU SNPE", holds=Holds.LATENCY, unit="ms", device=_MIX_3, runtime="SNPE 1.27.1.382"),
            PaperColumn(name="GPU MACE", holds=Holds.LATENCY, unit="ms", device=_MIX_3, runtime="MACE 03362fa0"),
            PaperColumn(name="CPU TFLite", holds=Holds.LATENCY, unit="ms", device=PIXEL_1, runtime="TFLite float"),
            PaperColumn(name="top-1", holds=Holds.TOP1, unit="%"),
            PaperColumn(name="top-5", holds=Holds.TOP5, unit="%"),
        ),
        """
MobileNetV2 1.0 | mobilenet-v2 | 300 | 3.4 | 6.9 | 7.0 | 78 | 72.0 | 91.0
MobileNetV3 Large 1.0 | mobilenet-v3-large | 219 | 5.4 | 10.8 | 9.5 | 70 (66) | 75.0 (75.2) | 92.2
MnasNet-A1 | mnasnet-a1 | 312 | 3.9 | - | - | 78 | 75.2 | 92.5
MnasNet-A2 | - | 340 | 4.8 | - | - | 84 | 75.6 | 92.7
FBNet-B | fbnet-b | 295 | 4.5 | - | - | 23 (Galaxy S8) | 74.1 | -
Proxyless-R Mobile | proxyless-mobile | 320 | 4.0 | 7.3 | 7.9 | 87 (78) | 74.6 | 92.2
Proxyless GPU | proxyless-gpu | 465 | 7.1 | 9.6 | 9.8 | 126 (124) | 75.1 | -
Single-Path NAS | single-path-nas | 365 | 4.3 | - | - | 79 | 75.0 | 92.2
Once for All | - | 327 | - | - | - | 112 (Note 8) | 75.3 | -
FairNAS-A | fairnas-a | 388 | 4.6 | 9.8 | 9.7 | 104 | 75.3 | 92.4
MoGA-A | moga-a | 304 | 5.1 | 11.8 | 11.1 | 101 | 75.9 | 92.8
MoGA-B | moga-b | 248 | 5.5 | 10.3 | 10.0 | 81 | 75.5 | 92.6
MoGA-C | moga-c | 221 | 5.4 | 9.6 | 8.8 | 71 | 75.3 | 92.5
""",
        (
            "a number in brackets is of the network's own authors; a device in brackets is where that latency was "
            "measured",
            "GPU: Xiaomi Mi MIX 3; CPU: Google Pixel 1, one large core",
        ),
    ),
)
