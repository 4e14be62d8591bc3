"""SSDLite is laid out as in the Object Detection API, and counts as the papers say."""

import pytest
import torch

from mogakit.errors import InputError
from mogakit.nets import zoo
from mogakit.nets.block import Op
from mogakit.nets.detection.modules import DetectorModule
from mogakit.nets.detection.network import (
    Detector,
    count_madds,
    count_params,
    count_params_without_norm,
    detector_layers,
    get_detector,
    is_detector,
    resolve_model,
    ssdlite,
)
from mogakit.nets.detection.published import PUBLISHED, PublishedDetector, Verdict
from mogakit.nets.network import Network
from mogakit.nets.resolve import resolve


@pytest.mark.parametrize("row", [row for row in PUBLISHED if row.name], ids=lambda row: row.label)
def test_counts_are_those_published(row: PublishedDetector) -> None:
    assert row.name is not None
    detector = get_detector(row.name, num_classes=row.num_classes)
    params = (count_params(detector) / 1e6, count_params_without_norm(detector) / 1e6)
    assert min(abs(each - row.params_m) for each in params) < 0.04
    assert abs(count_madds(detector) / 1e9 - row.madds_b) < 0.04


def test_the_table_of_mnasnet_92_is_said_to_be_absent() -> None:
    (row,) = (row for row in PUBLISHED if row.name is None)
    assert row.verdict is Verdict.ABSENT


def test_maps_of_mobilenet_v2_are_those_of_its_feature_extractor() -> None:
    maps = get_detector("ssdlite-mobilenet-v2").feature_maps
    assert [(one.channels, one.size, one.num_anchors) for one in maps] == [
        (576, 20, 3),  # layer_15/expansion_output
        (1280, 10, 6),  # layer_19
        (512, 5, 6),
        (256, 3, 6),
        (256, 2, 6),
        (128, 1, 6),
    ]


@pytest.mark.parametrize(
    ("name", "channels"),
    [
        ("mobilenet-v1", (512, 1024)),  # Conv2d_11_pointwise, Conv2d_13_pointwise
        ("mobilenet-v3-large", (672, 960)),  # layer_14/expansion_output, layer_17
        ("mobilenet-edgetpu", (768, 1280)),  # layer_18/expansion_output, layer_23
    ],
)
def test_taps_are_those_of_the_feature_extractors(name: str, channels: tuple[int, int]) -> None:
    first, second, *_ = get_detector(f"ssdlite-{name}").feature_maps
    assert (first.channels, second.channels) == channels


def test_there_are_1917_anchors_at_300_and_2034_at_320_pixels() -> None:
    assert get_detector("ssdlite-mobilenet-v2", input_size=300).num_anchors == 1917
    assert get_detector("ssdlite-mobilenet-v2").num_anchors == 2034


@pytest.mark.parametrize("name", zoo.names())
def test_every_network_of_the_zoo_carries_a_detector_whose_module_counts_the_same(name: str) -> None:
    detector = get_detector(f"ssdlite-{name}")
    with torch.device("meta"):
        module = DetectorModule(detector)
    assert sum(weight.numel() for weight in module.parameters()) == count_params(detector)


@pytest.mark.parametrize("name", ["mobilenet-v2", "mobilenet-v3-large+halved", "mnasnet-b1+expansion", "mobilenet-v1"])
def test_convolutions_of_the_module_are_the_layers_that_are_counted(name: str) -> None:
    detector = get_detector(f"ssdlite-{name}", input_size=96)
    with torch.device("meta"):
        module = DetectorModule(detector).eval()
    madds = 0

    def count(layer: torch.nn.Module, _: object, output: torch.Tensor) -> None:
        nonlocal madds
        if isinstance(layer, torch.nn.Conv2d):
            madds += layer.weight[0].numel() * output.numel()

    for layer in module.modules():
        layer.register_forward_hook(count)
    with torch.device("meta"):
        found = module(torch.empty(1, 3, 96, 96))
    assert madds == count_madds(detector)
    assert found["boxes"].shape == (1, detector.num_anchors, 4)
    assert found["scores"].shape == (1, detector.num_anchors, 81)


def test_a_chromosome_carries_a_detector() -> None:
    chromosome = "8-10-6-7-1-7-6-10-5-10-6-6-9-9"
    detector = get_detector(f"ssdlite-moga/{chromosome}", num_classes=20)
    assert detector.name == f"ssdlite-moga/{chromosome}@20c"
    assert detector.input_shape == (1, 3, 320, 320)
    assert detector.num_slots == 21


def test_width_scales_backbone_and_extra_maps() -> None:
    detector = get_detector("ssdlite-mobilenet-v2", width=0.25, input_size=96, num_classes=3)
    assert [one.channels for one in detector.feature_maps[2:]] == [128, 64, 64, 32]
    assert detector.name == "ssdlite-mobilenet-v2@0.25x@96px@3c"
    assert sum(layer.params for layer in detector_layers(detector)) < 700_000


def test_names_tell_detectors_from_classifiers() -> None:
    assert isinstance(resolve_model("ssdlite-moga-a"), Detector)
    assert isinstance(resolve_model("moga-a"), Network)
    assert is_detector("ssdlite-x")
    assert not is_detector("single-path-nas")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("moga-a", "begin with ssdlite-"),
        ("ssdlite-nothing", "unknown network 'nothing'"),
        ("ssdlite-moga-a+tiny", r"supported: \+expansion, \+halved"),
        ("ssdlite-mobilenet-v1+expansion", "does not end in an inverted bottleneck"),
    ],
)
def test_unknown_names_are_rejected(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        get_detector(name)


def test_a_backbone_that_shrinks_too_little_is_rejected() -> None:
    with pytest.raises(InputError, match="maps of stride 16 and 32"):
        ssdlite(resolve("digits/" + "-".join("0" * 6)))


def test_no_class_is_rejected() -> None:
    with pytest.raises(InputError, match="at least one class"):
        get_detector("ssdlite-moga-a", num_classes=0)


def test_halving_keeps_the_stage_before() -> None:
    whole, halved = (get_detector(f"ssdlite-mobilenet-v3-large{variant}") for variant in ("", "+halved"))
    assert whole.body[: whole.tap] == halved.body[: halved.tap]
    assert [block.out_channels for block in halved.body[halved.tap :]] == [80, 80, 80, 480]
    assert all(block.op in (Op.MB, Op.CONV) for block in halved.body[halved.tap :])
