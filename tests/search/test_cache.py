"""Expensive evaluations are kept."""

import math

import pytest

from mogakit.errors import InputError
from mogakit.search.cache import EvaluationCache


def test_what_was_put_is_there_in_another_process_life(tmp_path):
    with EvaluationCache(tmp_path / "c.sqlite") as cache:
        cache.put("a", [("1-2", 0.5), ("3-4", math.nan)])
    with EvaluationCache(tmp_path / "c.sqlite") as cache:
        known = cache.get("a", ["1-2", "3-4", "5-6"])
        assert known["1-2"] == 0.5
        assert math.isnan(known["3-4"])
        assert set(known) == {"1-2", "3-4"}


def test_sources_do_not_mix(tmp_path):
    with EvaluationCache(tmp_path / "c.sqlite") as cache:
        cache.put("a", [("1", 0.5)])
        assert cache.get("b", ["1"]) == {}


def test_values_come_back_exactly_and_in_any_number(tmp_path):
    names = {str(i): i / 3 for i in range(1500)}
    with EvaluationCache(tmp_path / "c.sqlite") as cache:
        cache.put("a", names.items())
        assert cache.get("a", list(names)) == names


def test_a_file_of_something_else_is_rejected(tmp_path):
    (tmp_path / "c.sqlite").write_text("this is not a database, but long enough to have a header" * 20)
    with pytest.raises(InputError, match="not a cache"):
        EvaluationCache(tmp_path / "c.sqlite")
