"""The metrics of the multi-hardware paper (arXiv 2008.08178), with the numbers that it prints."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mogakit.errors import InputError
from mogakit.search.multi_hardware import PIXEL4_FACTORS_MS, f_avg, f_max

FACTORS = tuple(PIXEL4_FACTORS_MS.values())

# Table 1: latencies in ms on Pixel 4 CPU float, CPU uint8, GPU, DSP, EdgeTPU; MN-Norm avg and max as printed
TABLE_1 = {
    "MobilenetV1 1.25": ((54.7, 18.2, 7.12, 3.72, 2.84), 1.36, 1.49),
    "MobilenetV2 1.25": ((38.8, 16.6, 5.74, 4.97, 2.93), 1.28, 1.62),
    "MobilenetV3 Large minimalistic 1.25": ((27.7, 12.6, 4.56, 3.81, 2.58), 1.00, 1.25),
    "ProxylessNAS-Mobile": ((27.6, 14.8, 5.92, 3.90, 3.09), 1.14, 1.30),
    "Mobilenet-EdgeTPU": ((59.3, 19.4, 7.52, 4.29, 2.67), 1.44, 1.61),
    "Multi-AVG": ((31.0, 13.9, 5.40, 3.81, 2.40), 1.06, 1.25),
    "Multi-MAX": ((25.2, 11.7, 4.47, 3.38, 2.22), 0.91, 1.10),
}
MOBILENET_V3_LARGE = (20.3, 13.2, 5.61, 4.51, None)  # the EdgeTPU has no h-swish


@pytest.mark.parametrize("network", TABLE_1)
def test_the_printed_values_are_reproduced(network):
    latencies, printed_avg, printed_max = TABLE_1[network]
    assert f_avg(latencies, FACTORS) == pytest.approx(printed_avg, abs=0.005)
    assert f_max(latencies, FACTORS) == pytest.approx(printed_max, abs=0.005)


def test_a_network_that_one_hardware_cannot_run_has_no_number():
    assert f_avg(MOBILENET_V3_LARGE, FACTORS) is None
    assert f_max(MOBILENET_V3_LARGE, FACTORS) is None


def test_hardware_of_weight_zero_is_left_out():
    weights = (1, 1, 1, 1, 0)
    without = MOBILENET_V3_LARGE[:4], FACTORS[:4]
    assert f_avg(MOBILENET_V3_LARGE, FACTORS, weights) == pytest.approx(f_avg(*without))
    assert f_max(MOBILENET_V3_LARGE, FACTORS, weights) == pytest.approx(f_max(*without))


def test_infinite_factors_leave_one_hardware_in_the_maximum_but_divide_the_mean():
    # Section 5.2 says f = L_1 with C = (1, inf, ...): true for eq. 5, while eq. 4 divides by the number of hardware.
    latencies, factors = TABLE_1["MobilenetV1 1.25"][0], (1, *[math.inf] * 4)
    assert f_max(latencies, factors) == 54.7
    assert f_avg(latencies, factors) == pytest.approx(54.7 / 5)


@given(st.lists(st.tuples(st.floats(0.1, 1e3), st.floats(0.1, 1e3), st.floats(0.1, 10)), min_size=1, max_size=6))
def test_the_mean_lies_between_least_and_worst(rows):
    latencies, factors, weights = zip(*rows, strict=True)
    mean = f_avg(latencies, factors, weights)
    ratios = [latency / factor for latency, factor in zip(latencies, factors, strict=True)]
    assert min(ratios) * (1 - 1e-9) <= mean <= max(ratios) * (1 + 1e-9)
    assert f_max(latencies, factors) == max(ratios)


@pytest.mark.parametrize(
    ("latencies", "factors", "weights"),
    [
        ([1.0], [1.0, 2.0], None),
        ([1.0], [0.0], None),
        ([1.0], [1.0], [-1.0]),
        ([1.0], [1.0], [0.0]),
        ([-1.0], [1.0], None),
    ],
)
def test_what_is_no_latency_factor_or_weight_is_rejected(latencies, factors, weights):
    with pytest.raises(InputError):
        f_avg(latencies, factors, weights)
