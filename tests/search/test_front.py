"""Fronts as records, and the picks from them."""

import numpy as np
import pytest

from mogakit.errors import InputError
from mogakit.search.archive import Archive
from mogakit.search.front import load_front, load_result, make_front, pick, rows_of, save
from mogakit.search.front_quality import nondominated
from mogakit.search.truth import find_truth


@pytest.fixture(scope="module")
def front(problem):
    truth = find_truth(problem)
    return make_front(problem, truth.genes, truth.values, "exact")


def test_a_front_is_read_back_as_it_was_written(front, tmp_path):
    save(front, tmp_path / "f.json")
    assert load_front(tmp_path / "f.json") == front
    first = (tmp_path / "f.json").read_bytes()
    save(front, tmp_path / "f.json")
    assert (tmp_path / "f.json").read_bytes() == first


def test_the_proxy_is_marked_as_one(front):
    assert [metric.is_proxy for metric in front.metrics] == [True, False, False]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema_version": 99}'])
def test_a_file_that_is_no_result_is_rejected(tmp_path, content):
    (tmp_path / "r.json").write_text(content)
    with pytest.raises(InputError):
        load_result(tmp_path / "r.json")
    with pytest.raises(InputError):
        load_front(tmp_path / "r.json")


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_picks_stand_at_equal_distance_between_the_ends(front, count):
    picks = pick(front, count)
    assert len(set(picks)) == count
    values = np.array([[row["proxy"], row["latency"]] for row in rows_of(front, picks)])
    assert (np.diff(values[:, 1]) > 0).all()
    assert (np.diff(values[:, 0]) > 0).all()
    if count > 1:
        proxy, latency = np.array(front.column("proxy")), np.array(front.column("latency"))
        assert values[0, 1] == latency.min()
        assert values[-1, 0] == proxy.max()
    if count == 7:
        curve = nondominated(np.column_stack([proxy, latency]), [True, False])
        span = np.array([np.ptp(proxy[curve]), np.ptp(latency[curve])])
        steps = np.linalg.norm(np.diff(values / span, axis=0), axis=1)
        assert steps.max() / steps.min() < 1.5


def test_more_picks_than_networks_are_all_of_them(problem):
    genes = np.array([[0] * 14, [6] * 14])
    front = make_front(problem, genes, problem.evaluate(genes), "two")
    assert len(pick(front, 5)) == 2
    assert pick(make_front(problem, genes[:0], problem.evaluate(genes)[:0], "none"), 3) == ()


def test_an_unknown_column_names_the_known(front):
    with pytest.raises(InputError, match="proxy, latency, params"):
        front.column("speed")


def test_the_archive_keeps_each_network_once_and_counts_all(problem, tmp_path):
    archive = Archive(problem)
    genes = np.array([[0] * 14, [1] * 14, [0] * 14])
    archive.add(genes, problem.evaluate(genes), 0)
    archive.add(genes, problem.evaluate(genes), 1)
    assert (len(archive), archive.num_evaluations) == (2, 6)
    assert archive.generations.tolist() == [0, 0]
    archive.write_csv(tmp_path / "a.csv")
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert lines[0] == "generation,chromosome,proxy,latency,params"
    assert float(lines[1].split(",")[3]) == problem.evaluate(genes)[0, 1]
    assert len(lines) == 3
