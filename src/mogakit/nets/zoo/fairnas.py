"""FairNAS-A, -B and -C (Chu et al., arXiv 1907.01845)."""

from mogakit.nets.block import Activation
from mogakit.nets.zoo.entry import Published, Record, Verdict
from mogakit.nets.zoo.table import Table

RECORDS: dict[str, Record] = {
    "fairnas-a": Record(
        table=Table(
            body=(
                "conv_o32_k3s2",  # 224x224 in
                "sep_o16_k3s1",  # 112x112 in
                "mb_e3o32_k7s2",
                "mb_e3o32_k3s1_res",  # 56x56 in
                "mb_e3o40_k7s2",
                "mb_e6o40_k3s1_res",  # 28x28 in
                "mb_e6o40_k7s1_res",
                "mb_e3o40_k3s1_res",
                "mb_e3o80_k3s2",
                "mb_e6o80_k7s1_res_x2",  # 14x14 in
                "mb_e3o80_k5s1_res",
                "mb_e6o96_k3s1",
                "mb_e3o96_k5s1_res_x2",
                "mb_e6o96_k3s1_res",
                "mb_e6o192_k3s2",
                "mb_e6o192_k7s1_res",  # 7x7 in
                "mb_e6o192_k3s1_res",
                "mb_e6o192_k7s1_res",
                "mb_e6o320_k5s1",
            ),
            head="head_f1280",
            activation=Activation.RELU6,
            dropout=0.2,
        ),
        source="github.com/xiaomi-automl/FairNAS @fa0d393 models/FairNAS_A.py",
        published=Published(params_m=4.6, madds_m=388, top1=75.3, top5=92.4, source="FairNAS Table 2"),
        verdict=Verdict.MATCH,
        comment="the paper truncates params",
    ),
    "fairnas-b": Record(
        table=Table(
            body=(
                "conv_o32_k3s2",  # 224x224 in
                "sep_o16_k3s1",  # 112x112 in
                "mb_e3o32_k5s2",
                "mb_e3o32_k3s1_res",  # 56x56 in
                "mb_e3o40_k5s2",
                "mb_e3o40_k3s1_res",  # 28x28 in
                "mb_e6o40_k3s1_res",
                "mb_e3o40_k5s1_res",
                "mb_e3o80_k7s2",
                "mb_e3o80_k3s1_res",  # 14x14 in
                "mb_e6o80_k3s1_res",
                "mb_e3o80_k5s1_res",
                "mb_e3o96_k3s1",
                "mb_e6o96_k3s1_res",
                "mb_e3o96_k7s1_res",
                "mb_e3o96_k3s1_res",
                "mb_e6o192_k7s2",
                "mb_e6o192_k5s1_res",  # 7x7 in
                "mb_e6o192_k7s1_res",
                "mb_e6o192_k3s1_res",
                "mb_e6o320_k5s1",
            ),
            head="head_f1280",
            activation=Activation.RELU6,
            dropout=0.2,
        ),
        source="github.com/xiaomi-automl/FairNAS @fa0d393 models/FairNAS_B.py",
        published=Published(params_m=4.5, madds_m=345, top1=75.1, top5=92.3, source="FairNAS Table 2"),
        verdict=Verdict.MATCH,
        comment="both counts as published",
    ),
    "fairnas-c": Record(
        table=Table(
            body=(
                "conv_o32_k3s2",  # 224x224 in
                "sep_o16_k3s1",  # 112x112 in
                "mb_e3o32_k5s2",
                "mb_e3o32_k3s1_res",  # 56x56 in
                "mb_e3o40_k7s2",
                "mb_e3o40_k3s1_res_x3",  # 28x28 in
                "mb_e3o80_k3s2",
                "mb_e3o80_k3s1_res_x2",  # 14x14 in
                "mb_e6o80_k3s1_res",
                "mb_e3o96_k3s1",
                "mb_e3o96_k3s1_res_x3",
                "mb_e6o192_k7s2",
                "mb_e6o192_k7s1_res",  # 7x7 in
                "mb_e6o192_k3s1_res_x2",
                "mb_e6o320_k5s1",
            ),
            head="head_f1280",
            activation=Activation.RELU6,
            dropout=0.2,
        ),
        source="github.com/xiaomi-automl/FairNAS @fa0d393 models/FairNAS_C.py",
        published=Published(params_m=4.4, madds_m=321, top1=74.7, top5=92.1, source="FairNAS Table 2"),
        verdict=Verdict.MATCH,
        comment="both counts as published",
    ),
}
