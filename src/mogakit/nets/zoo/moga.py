"""MoGA-A, -B and -C (Chu et al., arXiv 1908.01314).

The first bottleneck has no residual, other than MobileNetV3's; the authors' checkpoints need it so.
"""

from mogakit.nets.block import Activation
from mogakit.nets.zoo.entry import Published, Record, Verdict
from mogakit.nets.zoo.table import SeRule, Table

RECORDS: dict[str, Record] = {
    "moga-a": Record(
        table=Table(
            body=(
                "conv_o16_k3s2",  # 224x224 in
                "sep_o16_k3s1_relu",  # 112x112 in
                "mb_e6o24_k5s2_relu",
                "mb_e6o24_k7s1_relu_res",  # 56x56 in
                "mb_e6o40_k3s2_relu",
                "mb_e6o40_k3s1_relu_se_res",  # 28x28 in
                "mb_e3o40_k3s1_relu_se_res",
                "mb_e6o80_k3s2_se",
                "mb_e6o80_k3s1_res",  # 14x14 in
                "mb_e6o80_k7s1_res",
                "mb_e3o80_k7s1_se_res",
                "mb_e6o112_k7s1",
                "mb_e6o112_k3s1_res",
                "mb_e6o160_k3s2",
                "mb_e6o160_k5s1_se_res_x2",  # 7x7 in
            ),
            head="head_f960m1280",
            activation=Activation.HSWISH,
            se_rule=SeRule.HIDDEN_QUARTER,
            dropout=0.2,
        ),
        source="github.com/xiaomi-automl/MoGA @305588d models/MoGA_A.py; MoGA Table 2",
        published=Published(params_m=5.1, madds_m=304, top1=75.9, top5=92.8, source="MoGA Table 3"),
        verdict=Verdict.MATCH,
        comment=(
            "the paper truncates params; its Figure 8(a) draws SE on layer 3 where Table 2 and the code have it "
            "on layer 6"
        ),
    ),
    "moga-b": Record(
        table=Table(
            body=(
                "conv_o16_k3s2",  # 224x224 in
                "sep_o16_k3s1_relu",  # 112x112 in
                "mb_e3o24_k3s2_relu",
                "mb_e3o24_k3s1_relu_res",  # 56x56 in
                "mb_e6o40_k7s2_relu",
                "mb_e3o40_k3s1_relu_res",  # 28x28 in
                "mb_e6o40_k5s1_relu_res",
                "mb_e6o80_k3s2_se",
                "mb_e6o80_k5s1_se_res",  # 14x14 in
                "mb_e3o80_k3s1_res",
                "mb_e6o80_k7s1_se_res",
                "mb_e6o112_k7s1",
                "mb_e3o112_k5s1_res",
                "mb_e6o160_k7s2_se",
                "mb_e6o160_k7s1_se_res",  # 7x7 in
                "mb_e6o160_k3s1_se_res",
            ),
            head="head_f960m1280",
            activation=Activation.HSWISH,
            se_rule=SeRule.HIDDEN_QUARTER,
            dropout=0.2,
        ),
        source="github.com/xiaomi-automl/MoGA @305588d models/MoGA_B.py; MoGA Figure 8(b)",
        published=Published(params_m=5.5, madds_m=248, top1=75.5, top5=92.6, source="MoGA Table 3"),
        verdict=Verdict.MATCH,
        comment="MAdds are truncated in the paper",
    ),
    "moga-c": Record(
        table=Table(
            body=(
                "conv_o16_k3s2",  # 224x224 in
                "sep_o16_k3s1_relu",  # 112x112 in
                "mb_e3o24_k5s2_relu",
                "mb_e3o24_k3s1_relu_res",  # 56x56 in
                "mb_e3o40_k5s2_relu",
                "mb_e3o40_k3s1_relu_res",  # 28x28 in
                "mb_e3o40_k5s1_relu_res",
                "mb_e3o80_k5s2",
                "mb_e6o80_k5s1_se_res",  # 14x14 in
                "mb_e3o80_k5s1_res_x2",
                "mb_e6o112_k3s1",
                "mb_e6o112_k3s1_se_res",
                "mb_e6o160_k3s2_se",
                "mb_e6o160_k3s1_se_res_x2",  # 7x7 in
            ),
            head="head_f960m1280",
            activation=Activation.HSWISH,
            se_rule=SeRule.HIDDEN_QUARTER,
            dropout=0.2,
        ),
        source="github.com/xiaomi-automl/MoGA @305588d models/MoGA_C.py; MoGA Figure 8(c)",
        published=Published(params_m=5.4, madds_m=221, top1=75.3, top5=92.5, source="MoGA Table 3"),
        verdict=Verdict.MATCH,
        comment="the paper truncates params: 5.49M are printed as 5.4M",
    ),
}
