"""Targets that a message suggests can be measured."""

import pytest

from mogakit.android_runner.targets import find_row
from mogakit.bench.target import COMMON_TARGETS, parse_target


@pytest.mark.parametrize("text", COMMON_TARGETS)
def test_a_suggested_target_has_a_row(text: str) -> None:
    assert find_row(parse_target(text)).runtime == parse_target(text).runtime
