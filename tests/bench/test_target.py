"""Targets are written as people type them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mogakit.bench.target import COMMON_TARGETS, Hardware, Runtime, Target, parse_target
from mogakit.errors import KeySyntaxError
from mogakit.export.artifact import Precision


@given(
    st.sampled_from(list(Runtime)),
    st.sampled_from(list(Hardware)),
    st.sampled_from(list(Precision)),
    st.dictionaries(st.sampled_from(["threads", "accelerator"]), st.integers(1, 16).map(str)),
)
def test_a_target_parses_back_from_its_text(
    runtime: Runtime, hardware: Hardware, precision: Precision, options: dict[str, str]
) -> None:
    target = Target(runtime, hardware, precision, tuple(sorted(options.items())))
    assert parse_target(str(target)) == target


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("tflite/cpu", "runtime/hardware/precision"),
        ("tensorrt/cpu/float32", "tflite, onnx"),
        ("tflite/cpu/float32,threads", "threads: a whole number"),
        ("tflite/cpu/float32,threads=0", "above zero"),
        ("tflite/cpu/float32,threads=two", "above zero"),
        ("tflite/cpu/float32,xnnpack=maybe", "neither on nor off"),
    ],
)
def test_a_wrong_target_is_rejected_with_what_is_legal(text: str, hint: str) -> None:
    with pytest.raises(KeySyntaxError, match=hint):
        parse_target(text)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("tflite/cpu/fp16", "tflite/cpu/float16"),
        ("TFLite/CPU/fp32", "tflite/cpu/float32"),
        ("gpu", "tflite/gpu/float16, tflite/gpu/float32, mace/gpu/float16, mace/gpu/float32, snpe/gpu/float32"),
        ("cpu/float32", "tflite/cpu/float32, onnx/cpu/float32, mace/cpu/float32"),
        ("tflite/cpu/float32,thread=4", "threads: a whole number of CPU threads, 1 where absent"),
        ("snpe/hexagon/quantized", "snpe/dsp/int8"),
    ],
)
def test_a_natural_mistake_gets_at_most_five_suggestions(text: str, meant: str) -> None:
    with pytest.raises(KeySyntaxError, match=re.escape(f"did you mean {meant}?")):
        parse_target(text)


def test_every_suggested_target_parses() -> None:
    for text in COMMON_TARGETS:
        assert str(parse_target(text)) == text
