"""Multi-AVG and Multi-MAX (Chu et al., arXiv 2008.08178), found for several hardware targets at once."""

from mogakit.nets.block import Activation
from mogakit.nets.zoo.entry import Published, Record, Verdict
from mogakit.nets.zoo.table import Table

RECORDS: dict[str, Record] = {
    "multi-avg": Record(
        table=Table(
            body=(
                "conv_o32_k3s2",  # 224x224 in
                "mb_e3o32_k3s2",  # 112x112 in
                "mb_e2o32_k3s1_res",  # 56x56 in
                "mb_e5o64_k5s2",
                "mb_e3o64_k3s1_res",  # 28x28 in
                "mb_e2o64_k3s1_res",
                "mb_e3o64_k3s1_res",
                "mb_e6o128_k5s2",
                "mb_e3o128_k3s1_res_x3",  # 14x14 in
                "mb_e6o160_k3s1",
                "mb_e4o160_k3s1_res",
                "mb_e6o192_k3s2",
                "mb_e4o192_k5s1_res_x3",  # 7x7 in
            ),
            head="head_f960m1280_mbias",
            activation=Activation.RELU,
            norm_eps=1e-3,
            dropout=0.25,
        ),
        source="github.com/google-research/google-research tunas/mobile_search_space_v3.py mobilenet_multi_avg",
        published=Published(params_m=4.91, madds_m=433, top1=75.8, top5=None, source="multi-hardware paper Table 1"),
        verdict=Verdict.MATCH,
        comment="published params leave out batch norm: 4.914M",
    ),
    "multi-max": Record(
        table=Table(
            body=(
                "conv_o32_k3s2",  # 224x224 in
                "mb_e3o32_k3s2",  # 112x112 in
                "mb_e6o64_k5s2",  # 56x56 in
                "mb_e2o64_k3s1_res_x2",  # 28x28 in
                "mb_e6o128_k5s2",
                "mb_e4o128_k3s1_res",  # 14x14 in
                "mb_e3o128_k3s1_res_x2",
                "mb_e6o128_k3s1",
                "mb_e3o128_k3s1_res",
                "mb_e6o160_k3s2",
                "mb_e4o160_k5s1_res",  # 7x7 in
                "mb_e5o160_k3s1_res",
                "mb_e4o160_k5s1_res",
            ),
            head="head_f960m1280_mbias",
            activation=Activation.RELU,
            norm_eps=1e-3,
            dropout=0.25,
        ),
        source="github.com/google-research/google-research tunas/mobile_search_space_v3.py mobilenet_multi_max",
        published=Published(params_m=4.39, madds_m=349, top1=74.9, top5=None, source="multi-hardware paper Table 1"),
        verdict=Verdict.MATCH,
        comment=(
            "published params leave out batch norm: 4.392M. The 128-channel block that opens stage 5 has no "
            "residual, as in TuNAS; the TensorFlow model garden gives it one"
        ),
    ),
}
