"""What goes into a file is written in its target, and read back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mogakit.bench.feed import Feed, fill, load_values, read_feed, read_range, read_shape
from mogakit.bench.target import Hardware, Runtime, Target, parse_target
from mogakit.errors import KeySyntaxError, MeasurementError
from mogakit.export.artifact import Precision

SHAPES = st.lists(st.lists(st.integers(0, 10**6), max_size=5).map(tuple), min_size=1, max_size=3).map(tuple)
ENDS = st.floats(-1e6, 1e6, width=32).map(lambda value: float(f"{value:.9g}"))
RANGES = st.tuples(ENDS, ENDS).map(lambda ends: tuple(sorted(ends)))


@given(st.text(min_size=1, max_size=20).filter(str.strip), SHAPES, st.lists(st.none() | RANGES, max_size=3))
def test_a_targets_options_give_the_feed_back(signature, shapes, ranges) -> None:
    made = Feed(signature, shapes, tuple(ranges) if any(ranges) else (), "")
    options = tuple(sorted(made.options().items()))
    target = Target(Runtime.TFLITE, Hardware.CPU, Precision.FLOAT32, options)
    assert read_feed(parse_target(str(target))) == made


@pytest.mark.parametrize("text", ["", "1x", "x1", "1x-1", "1X2", "1x2.0", "a"])
def test_what_is_no_shape_is_rejected(text: str) -> None:
    with pytest.raises(KeySyntaxError, match="1x224x224x3"):
        read_shape(text)


@pytest.mark.parametrize("text", ["", "1", "2:1", "nan:1", "0:inf", "1.2.3:4", "0:1e60", "a:b", "0:1:2"])
def test_what_is_no_range_is_rejected(text: str) -> None:
    with pytest.raises(KeySyntaxError, match="0:255"):
        read_range(text)


PLAIN = Feed()


def drawn(dtype: str, feed: Feed = PLAIN) -> np.ndarray:
    return fill(0, "x", (4, 500), np.dtype(dtype), feed, np.random.default_rng(0))


def test_row_numbers_stay_within_their_table() -> None:
    ids = drawn("int64", Feed(ranges=((0.0, 29.0),)))
    assert ids.dtype == np.int64 and (ids.min(), ids.max()) == (0, 29)
    with pytest.raises(MeasurementError, match="--input-range x=LOW:HIGH"):
        drawn("int32")


def test_bytes_masks_and_floats_are_drawn_over_all_they_can_be() -> None:
    assert (drawn("uint8").min(), drawn("uint8").max()) == (0, 255)
    assert (drawn("int8").min(), drawn("int8").max()) == (-128, 127)
    assert set(np.unique(drawn("bool"))) == {False, True}
    assert abs(float(drawn("float32").std()) - 1) < 0.1
    assert drawn("float16", Feed(ranges=((2.0, 3.0),))).min() >= 2


def test_an_input_without_end_is_an_error_and_not_a_full_memory() -> None:
    with pytest.raises(MeasurementError, match="1 GiB is the most"):
        fill(0, "x", (2**20, 2**20), np.dtype("float32"), Feed(), np.random.default_rng(0))


def test_values_of_another_shape_or_type_are_rejected(tmp_path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.zeros((1, 4), np.float32))
    assert load_values(path, "x", (1, 4), np.dtype("float32")).shape == (1, 4)
    for shape, dtype in (((1, 5), "float32"), ((1, 4), "int32")):
        with pytest.raises(MeasurementError, match=r"holds float32 1x4, and input 'x' takes"):
            load_values(path, "x", shape, np.dtype(dtype))
    np.save(path, np.array([{}], object))
    with pytest.raises(MeasurementError, match="file of numbers"):
        load_values(path, "x", (1,), np.dtype("float32"))
