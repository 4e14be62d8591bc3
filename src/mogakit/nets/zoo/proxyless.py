"""ProxylessNAS mobile and GPU (arXiv 1812.00332), and a Once-for-All subnet of the same space (arXiv 1908.09791)."""

from mogakit.nets.block import Activation
from mogakit.nets.zoo.entry import Published, Record, Verdict
from mogakit.nets.zoo.table import Table

RECORDS: dict[str, Record] = {
    "proxyless-mobile": Record(
        table=Table(
            body=(
                "conv_o32_k3s2",  # 224x224 in
                "sep_o16_k3s1",  # 112x112 in
                "mb_e3o32_k5s2",
                "mb_e3o32_k3s1_res",  # 56x56 in
                "mb_e3o40_k7s2",
                "mb_e3o40_k3s1_res",  # 28x28 in
                "mb_e3o40_k5s1_res_x2",
                "mb_e6o80_k7s2",
                "mb_e3o80_k5s1_res_x3",  # 14x14 in
                "mb_e6o96_k5s1",
                "mb_e3o96_k5s1_res_x3",
                "mb_e6o192_k7s2",
                "mb_e6o192_k7s1_res",  # 7x7 in
                "mb_e3o192_k7s1_res_x2",
                "mb_e6o320_k7s1",
            ),
            head="head_f1280",
            activation=Activation.RELU6,
            norm_eps=1e-3,
        ),
        source=(
            "github.com/osmr/imgclsmob pytorchcv proxylessnas.py 'mobile'; github.com/google-research/google-"
            "research tunas/mobile_model_archive.py"
        ),
        published=Published(params_m=4.0, madds_m=320, top1=74.6, top5=92.2, source="MoGA Table 3"),
        verdict=Verdict.MATCH,
        comment="4.046M without batch norm; pytorchcv counts the same",
    ),
    "proxyless-gpu": Record(
        table=Table(
            body=(
                "conv_o40_k3s2",  # 224x224 in
                "sep_o24_k3s1",  # 112x112 in
                "mb_e3o32_k5s2",
                "mb_e3o56_k7s2",  # 56x56 in
                "mb_e3o56_k3s1_res",  # 28x28 in
                "mb_e6o112_k7s2",
                "mb_e3o112_k5s1_res",  # 14x14 in
                "mb_e6o128_k5s1",
                "mb_e3o128_k3s1_res",
                "mb_e3o128_k5s1_res",
                "mb_e6o256_k7s2",
                "mb_e6o256_k7s1_res_x2",  # 7x7 in
                "mb_e6o256_k5s1_res",
                "mb_e6o432_k7s1",
            ),
            head="head_f1728",
            activation=Activation.RELU6,
            norm_eps=1e-3,
        ),
        source="github.com/osmr/imgclsmob pytorchcv proxylessnas.py 'gpu'",
        published=Published(params_m=7.1, madds_m=465, top1=75.1, top5=None, source="MoGA Table 3"),
        verdict=Verdict.MATCH,
        comment="pytorchcv counts the same",
    ),
    "ofa-cpu-15ms": Record(
        table=Table(
            body=(
                "conv_o40_k3s2",  # 224x224 in
                "sep_o24_k3s1",  # 112x112 in
                "mb_e3o32_k3s2",
                "mb_e3o32_k3s1_res",  # 56x56 in
                "mb_e4o56_k3s2",
                "mb_e6o56_k3s1_res",  # 28x28 in
                "mb_e6o104_k7s2",
                "mb_e4o104_k3s1_res",  # 14x14 in
                "mb_e4o128_k5s1",
                "mb_e6o128_k3s1_res_x2",
                "mb_e6o248_k5s2",
                "mb_e3o248_k3s1_res",  # 7x7 in
                "mb_e6o416_k7s1",
            ),
            head="head_f1664",
            activation=Activation.RELU6,
            norm_eps=1e-3,
        ),
        source="github.com/han-cai/files @1e27658 ofa/ofa_specialized/cpu_lat@15ms_top1@74.6_finetune@25/net.config",
        published=Published(params_m=4.9, madds_m=301, top1=74.6, top5=92.0, source="once-for-all README"),
        verdict=Verdict.MATCH_AT_188_PX,
        comment=(
            "413M at 224 px; the published 301M are met at 188 px. The authors' input size was not found, so 188 "
            "is inferred"
        ),
    ),
}
