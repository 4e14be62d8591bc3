"""Whether an output that is wrong in one value is found, whatever value, and what is right is left alone."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mogakit.bench.agreement import LIMITS, Verdict, judge, limits_for, not_checked
from mogakit.bench.journal import Journal
from mogakit.bench.measurement import ACCEPTABLE, Status, counts
from mogakit.bench.target import Hardware, Target, parse_target
from mogakit.export.artifact import Precision

FLOATS = (Precision.FLOAT32, Precision.FLOAT16)
INTEGERS = (Precision.INT8, Precision.UINT8)


def outputs(seed: int, size: int, precision: Precision) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if precision in FLOATS:
        return rng.standard_normal((1, size)).astype(np.float32)
    info = np.iinfo(precision.value)
    return rng.integers(info.min, info.max, (1, size), endpoint=True).astype(precision.value)


@given(st.integers(0, 2**32 - 1), st.integers(8, 2000), st.sampled_from([*FLOATS, *INTEGERS]), st.data())
def test_one_value_of_the_other_sign_is_found(seed: int, size: int, precision: Precision, data: st.DataObject) -> None:
    expected = outputs(seed, size, precision)
    found = expected.copy()
    at = data.draw(st.integers(0, size - 1))
    if precision in FLOATS:
        found[0, at] = -found[0, at]
        moved = 2 * abs(float(expected[0, at])) / float(np.abs(expected).max())
    else:
        found[0, at] ^= np.asarray(64, found.dtype)
        moved = 64 / float(np.ptp(expected.astype(np.float64)))
    judged = judge([expected], [found], LIMITS[precision], "reference")
    assert judged.relative == pytest.approx(moved, rel=1e-5)
    if moved > LIMITS[precision].relative * 1.001:
        assert judged.verdict is Verdict.WRONG_OUTPUT
        assert judged.wrong
        assert "reference" in judged.reason


@given(st.integers(0, 2**32 - 1), st.integers(1, 2000), st.sampled_from([*FLOATS, *INTEGERS]))
def test_what_is_equal_agrees(seed: int, size: int, precision: Precision) -> None:
    expected = outputs(seed, size, precision)
    judged = judge([expected], [expected.copy()], LIMITS[precision], "reference")
    assert (judged.verdict, judged.relative, judged.reason) == (Verdict.AGREES, 0.0, "")


@given(st.integers(0, 2**32 - 1), st.sampled_from(FLOATS), st.floats(0.01, 0.99))
def test_an_error_within_the_limit_agrees(seed: int, precision: Precision, share: float) -> None:
    expected = outputs(seed, 500, precision)
    error = share * LIMITS[precision].relative * float(np.abs(expected).max())
    judged = judge([expected], [expected + np.float32(error)], LIMITS[precision], "reference")
    assert judged.verdict is Verdict.AGREES


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_a_number_is_wrong(value: float) -> None:
    expected = outputs(0, 10, Precision.FLOAT32)
    found = expected.copy()
    found[0, 3] = value
    judged = judge([expected], [found], LIMITS[Precision.FLOAT32], "reference")
    assert judged.wrong
    assert "NaN" in judged.reason


def test_zeros_for_an_answer_are_wrong_whatever_the_precision() -> None:
    for precision in (*FLOATS, *INTEGERS):
        expected = outputs(1, 1000, precision)
        assert judge([expected], [np.zeros_like(expected)], LIMITS[precision], "reference").wrong, precision


def test_every_precision_and_hardware_has_a_limit_with_its_source() -> None:
    assert set(LIMITS) == set(Precision)
    for hardware in Hardware:
        for precision in Precision:
            limits = limits_for(Target(parse_target("tflite/cpu/float32").runtime, hardware, precision))
            assert 0.0 < limits.relative < 1.0
            assert limits.source


def test_the_top_value_is_compared_in_vectors_only() -> None:
    expected = np.array([[1.0, 2.0, 1.9]], np.float32)
    judged = judge([expected], [np.array([[1.0, 1.95, 1.96]], np.float32)], LIMITS[Precision.FLOAT16], "reference")
    assert (judged.verdict, judged.top1_equal) == (Verdict.AGREES, False)
    image = expected.reshape(1, 3, 1)
    assert judge([image], [image], LIMITS[Precision.FLOAT32], "reference").top1_equal is None


def test_a_wrong_output_marks_what_was_measured_with_it(tmp_path: Path, make_measurement, jobs) -> None:
    good, other = (make_measurement(job, 0, number, (1.0,)) for number, job in enumerate(jobs[:2]))
    expected = outputs(2, 100, Precision.FLOAT32)
    with Journal(tmp_path / "journal.db") as journal:
        journal.append([good, other])
        wrong = judge([expected], [-expected], LIMITS[Precision.FLOAT32], "reference")
        journal.keep_agreement(good.artifact_sha256, good.target, wrong)
        journal.keep_agreement(other.artifact_sha256, other.target, not_checked("the tool cannot"))
    with Journal(tmp_path / "journal.db") as journal:
        marked = {one.artifact_name: one for one in journal.measurements()}
    assert marked[good.artifact_name].status is Status.WRONG_OUTPUT
    assert not counts(Status.WRONG_OUTPUT, ACCEPTABLE), "nobody can accept it"
    assert marked[good.artifact_name].agreement == wrong
    assert marked[other.artifact_name].status is other.status
    assert marked[other.artifact_name].agreement == not_checked("the tool cannot")
