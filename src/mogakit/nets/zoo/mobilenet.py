"""MobileNetV1, V2, V3-Large, V3-Large minimalistic and MobileNet-EdgeTPU."""

from mogakit.nets.block import Activation
from mogakit.nets.zoo.entry import Published, Record, Verdict
from mogakit.nets.zoo.table import SeRule, Table

RECORDS: dict[str, Record] = {
    "mobilenet-v1": Record(
        table=Table(
            body=(
                "conv_o32_k3s2",  # 224x224 in
                "sep_o64_k3s1_out-relu6",  # 112x112 in
                "sep_o128_k3s2_out-relu6",
                "sep_o128_k3s1_out-relu6",  # 56x56 in
                "sep_o256_k3s2_out-relu6",
                "sep_o256_k3s1_out-relu6",  # 28x28 in
                "sep_o512_k3s2_out-relu6",
                "sep_o512_k3s1_out-relu6_x5",  # 14x14 in
                "sep_o1024_k3s2_out-relu6",
                "sep_o1024_k3s1_out-relu6",  # 7x7 in
            ),
            head="head",
            activation=Activation.RELU6,
            norm_eps=1e-3,
        ),
        source=(
            "github.com/tensorflow/models @001ec92 official/vision/modeling/backbones/mobilenet.py MNV1_BLOCK_SPECS"
        ),
        published=Published(params_m=4.24, madds_m=569, top1=70.9, top5=89.9, source="slim mobilenet_v1.md"),
        verdict=Verdict.MATCH,
        comment="the 575M that the MnasNet paper quotes are not reproduced",
    ),
    "mobilenet-v2": Record(
        table=Table(
            body=(
                "conv_o32_k3s2",  # 224x224 in
                "sep_o16_k3s1",  # 112x112 in
                "mb_e6o24_k3s2",
                "mb_e6o24_k3s1_res",  # 56x56 in
                "mb_e6o32_k3s2",
                "mb_e6o32_k3s1_res_x2",  # 28x28 in
                "mb_e6o64_k3s2",
                "mb_e6o64_k3s1_res_x3",  # 14x14 in
                "mb_e6o96_k3s1",
                "mb_e6o96_k3s1_res_x2",
                "mb_e6o160_k3s2",
                "mb_e6o160_k3s1_res_x2",  # 7x7 in
                "mb_e6o320_k3s1",
            ),
            head="head_f1280",
            activation=Activation.RELU6,
            norm_eps=1e-3,
        ),
        source=(
            "github.com/tensorflow/models @001ec92 official/vision/modeling/backbones/mobilenet.py MNV2_BLOCK_SPECS"
        ),
        published=Published(
            params_m=3.47,
            madds_m=300,
            top1=71.8,
            top5=91.0,
            source="slim mobilenet README (MoGA Table 3: 3.4M, 72.0 %)",
        ),
        verdict=Verdict.MATCH,
        comment="published params leave out batch norm: 3.471M",
    ),
    "mobilenet-v3-large": Record(
        table=Table(
            body=(
                "conv_o16_k3s2",  # 224x224 in
                "sep_o16_k3s1_relu_res",  # 112x112 in
                "mb_e4o24_k3s2_relu",
                "mb_e3o24_k3s1_relu_res",  # 56x56 in
                "mb_e3o40_k5s2_relu_se",
                "mb_e3o40_k5s1_relu_se_res_x2",  # 28x28 in
                "mb_e6o80_k3s2",
                "mb_e2.5o80_k3s1_res",  # 14x14 in
                "mb_e2.3o80_k3s1_res_x2",
                "mb_e6o112_k3s1_se",
                "mb_e6o112_k3s1_se_res",
                "mb_e6o160_k5s2_se",
                "mb_e6o160_k5s1_se_res_x2",  # 7x7 in
            ),
            head="head_f960m1280_mbias",
            activation=Activation.HSWISH,
            norm_eps=1e-3,
            se_rule=SeRule.HIDDEN_QUARTER_BY_8,
        ),
        source="github.com/tensorflow/models @03cdc5f research/slim/nets/mobilenet/mobilenet_v3.py V3_LARGE",
        published=Published(
            params_m=5.4, madds_m=217, top1=75.2, top5=92.2, source="slim mobilenet README (MoGA Table 3: 219M)"
        ),
        verdict=Verdict.MATCH,
        comment="217M as the code's README; the 219M of the papers are not reproduced. timm counts the same",
    ),
    "mobilenet-v3-large-minimalistic": Record(
        table=Table(
            body=(
                "conv_o16_k3s2",  # 224x224 in
                "sep_o16_k3s1_res",  # 112x112 in
                "mb_e4o24_k3s2",
                "mb_e3o24_k3s1_res",  # 56x56 in
                "mb_e3o40_k3s2",
                "mb_e3o40_k3s1_res_x2",  # 28x28 in
                "mb_e6o80_k3s2",
                "mb_e2.5o80_k3s1_res",  # 14x14 in
                "mb_e2.3o80_k3s1_res_x2",
                "mb_e6o112_k3s1",
                "mb_e6o112_k3s1_res",
                "mb_e6o160_k3s2",
                "mb_e6o160_k3s1_res_x2",  # 7x7 in
            ),
            head="head_f960m1280_mbias",
            activation=Activation.RELU,
            norm_eps=1e-3,
        ),
        source=(
            "github.com/tensorflow/models @03cdc5f research/slim/nets/mobilenet/mobilenet_v3.py V3_LARGE_MINIMALISTIC"
        ),
        published=Published(params_m=3.9, madds_m=209, top1=72.3, top5=None, source="slim mobilenet README"),
        verdict=Verdict.MATCH,
        comment="timm counts the same",
    ),
    "mobilenet-edgetpu": Record(
        table=Table(
            body=(
                "conv_o32_k3s2",  # 224x224 in
                "conv_o16_k1s1_linear",  # 112x112 in
                "fused_e8o32_k3s2",
                "fused_e4o32_k3s1_res_x3",  # 56x56 in
                "fused_e8o48_k3s2",
                "fused_e4o48_k3s1_res_x3",  # 28x28 in
                "mb_e8o96_k3s2",
                "mb_e4o96_k3s1_res_x3",  # 14x14 in
                "mb_e8o96_k3s1",
                "mb_e4o96_k3s1_res_x3",
                "mb_e8o160_k5s2",
                "mb_e4o160_k5s1_res_x3",  # 7x7 in
                "mb_e8o192_k3s1",
            ),
            head="head_f1280",
            activation=Activation.RELU,
            norm_eps=1e-3,
        ),
        source="github.com/tensorflow/models @03cdc5f research/slim/nets/mobilenet/mobilenet_v3.py V3_EDGETPU",
        published=Published(
            params_m=4.05, madds_m=991, top1=76.2, top5=None, source="multi-hardware paper Table 1 (retrained there)"
        ),
        verdict=Verdict.MATCH,
        comment="published params leave out batch norm: 4.053M",
    ),
}
