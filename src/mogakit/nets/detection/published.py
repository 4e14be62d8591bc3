"""What papers say of SSDLite detectors on COCO at 320 x 320 pixels, and how our counts compare.

The papers do not say how many scores an anchor has. Both counts occur: 81 (COCO's 80 classes and the background) and 91
(the Object Detection API's configuration files, whose labels run to 90). Each row names the one that reproduces it.
"""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """Whether our counts are the published ones, to their rounding."""

    MATCH = "match"
    MATCH_INFERRED = "match, layout inferred"
    ABSENT = "table not published"


@dataclass(frozen=True)
class PublishedDetector:
    """A published row.

    Attributes:
        name: of our detector; None where its backbone is unknown.
        num_classes: without the background, as reproduces the counts.
        map_percent: COCO's mAP on test-dev, as published.
        comment: how the counts compare and why.
    """

    label: str
    name: str | None
    num_classes: int
    params_m: float
    madds_b: float
    map_percent: float | None
    source: str
    verdict: Verdict
    comment: str


_MNASNET = "MnasNet paper (arXiv 1807.11626v1) Table 2"
_V3 = "MobileNetV3 paper (arXiv 1905.02244) Table 6"

PUBLISHED: tuple[PublishedDetector, ...] = (
    PublishedDetector(
        "MobileNetV1 + SSDLite", "ssdlite-mobilenet-v1", 80, 5.1, 1.3, 22.2, _MNASNET, Verdict.MATCH,
        "with 91 scores it would be 5.2M",
    ),
    PublishedDetector(
        "MobileNetV2 + SSDLite", "ssdlite-mobilenet-v2", 80, 4.3, 0.8, 22.1, _MNASNET, Verdict.MATCH,
        "with 91 scores, as in the released ssdlite_mobilenet_v2_coco, it is 4.5M",
    ),
    PublishedDetector(
        "MnasNet + SSDLite", "ssdlite-mnasnet-b1+expansion", 80, 4.3, 0.7, 22.3, _MNASNET, Verdict.MATCH_INFERRED,
        "reading the last 1x1 convolution as for MobileNetV2 gives 5.2M and 0.8B; reading the last bottleneck's "
        "expansion gives both published numbers, so that is what we take the row to be. The backbone is our "
        "identification as well (zoo, mnasnet-b1)",
    ),
    PublishedDetector(
        "MnasNet-92 + SSDLite", None, 80, 5.3, 1.0, 22.9, _MNASNET, Verdict.ABSENT,
        "no layer table of MnasNet-92 was published, so nothing is built",
    ),
    PublishedDetector(
        "MnasNet-A1 + SSDLite", "ssdlite-mnasnet-a1", 90, 4.88, 0.84, 23.0, _V3, Verdict.MATCH,
        "without batch norm and with 91 scores 4.86M, 0.4 % below; with batch norm 4.91M",
    ),
    PublishedDetector(
        "MobileNetV3-Large + SSDLite", "ssdlite-mobilenet-v3-large", 90, 4.97, 0.62, 22.0, _V3, Verdict.MATCH,
        "without batch norm; 91 scores; MAdds 0.61B, as the classifier's are 217M where the paper says 219M",
    ),
    PublishedDetector(
        "MobileNetV3-Large, halved + SSDLite", "ssdlite-mobilenet-v3-large+halved", 90, 3.22, 0.51, 22.0,
        "ssdlite_mobilenet_v3_large_320x320_coco.config of the Object Detection API: 3.22M parameters, 1.02B FLOPs",
        Verdict.MATCH, "the file counts two FLOPs a multiply-add; 91 scores",
    ),
)  # fmt: skip
"""Rows in the order of the papers."""
