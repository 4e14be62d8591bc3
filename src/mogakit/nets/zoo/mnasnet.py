"""MnasNet-A1 and -B1 (Tan et al., arXiv 1807.11626)."""

from mogakit.nets.block import Activation
from mogakit.nets.zoo.entry import Published, Record, Verdict
from mogakit.nets.zoo.table import SeRule, Table

RECORDS: dict[str, Record] = {
    "mnasnet-a1": Record(
        table=Table(
            body=(
                "conv_o32_k3s2",  # 224x224 in
                "sep_o16_k3s1",  # 112x112 in
                "mb_e6o24_k3s2",
                "mb_e6o24_k3s1_res",  # 56x56 in
                "mb_e3o40_k5s2_se",
                "mb_e3o40_k5s1_se_res_x2",  # 28x28 in
                "mb_e6o80_k3s2",
                "mb_e6o80_k3s1_res_x3",  # 14x14 in
                "mb_e6o112_k3s1_se",
                "mb_e6o112_k3s1_se_res",
                "mb_e6o160_k5s2_se",
                "mb_e6o160_k5s1_se_res_x2",  # 7x7 in
                "mb_e6o320_k3s1",
            ),
            head="head_f1280",
            activation=Activation.RELU,
            norm_eps=1e-3,
            se_rule=SeRule.INPUT_QUARTER,
            dropout=0.2,
        ),
        source="github.com/tensorflow/tpu @7dc921f models/official/mnasnet/mnasnet_models.py mnasnet_a1",
        published=Published(params_m=3.9, madds_m=312, top1=75.2, top5=92.5, source="MoGA Table 3"),
        verdict=Verdict.MATCH,
        comment="312M as the paper; the 315.2M of the repository's README are not reproduced. timm counts the same",
    ),
    "mnasnet-b1": Record(
        table=Table(
            body=(
                "conv_o32_k3s2",  # 224x224 in
                "sep_o16_k3s1",  # 112x112 in
                "mb_e3o24_k3s2",
                "mb_e3o24_k3s1_res_x2",  # 56x56 in
                "mb_e3o40_k5s2",
                "mb_e3o40_k5s1_res_x2",  # 28x28 in
                "mb_e6o80_k5s2",
                "mb_e6o80_k5s1_res_x2",  # 14x14 in
                "mb_e6o96_k3s1",
                "mb_e6o96_k3s1_res",
                "mb_e6o192_k5s2",
                "mb_e6o192_k5s1_res_x3",  # 7x7 in
                "mb_e6o320_k3s1",
            ),
            head="head_f1280",
            activation=Activation.RELU,
            norm_eps=1e-3,
            dropout=0.2,
        ),
        source="github.com/tensorflow/tpu @7dc921f models/official/mnasnet/mnasnet_models.py mnasnet_b1",
        published=Published(
            params_m=4.2, madds_m=317, top1=74.0, top5=91.78, source="MnasNet paper v1 Table 1, row MnasNet"
        ),
        verdict=Verdict.MISMATCH,
        comment=(
            "4.383M and 314.4M against 4.2M and 317M. The layers are sure (the TuNAS archive and timm agree); "
            "that they are the network of that row is our identification, since the paper shows it only as Figure"
            " 7(a)"
        ),
    ),
}
