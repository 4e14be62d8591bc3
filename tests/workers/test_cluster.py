"""A search on a cluster: a worker is killed, then the scheduler; the result is that of a search on this computer."""

import sqlite3
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import click
import pytest
from dask_processes import wait_until
from matplotlib.figure import Figure

from mogakit.cli.cluster_option import Address
from mogakit.errors import ClusterError
from mogakit.export.artifact import Format, Precision
from mogakit.flows.deploy.export import export_space
from mogakit.flows.search.find import EVALUATIONS, search
from mogakit.flows.search.plan import SearchPlan, table_input
from mogakit.nets.spaces import SlotSpace, get_space
from mogakit.reports import style
from mogakit.search.evolution import Settings
from mogakit.workers import remote
from mogakit.workers.cluster import AHEAD, open_cluster

TABLE = Path(__file__).parents[1] / "search" / "data" / "moga-xeon-xnnpack.json"


def plan() -> SearchPlan:
    return SearchPlan(
        space="moga",
        accuracy="own_accuracy:evaluate",
        latencies=(table_input(TABLE),),
        settings=Settings(population=8, generations=6),
    )


def evaluations(folder: Path) -> dict[str, float]:
    with sqlite3.connect(folder / EVALUATIONS) as connection:
        return dict(connection.execute("select chromosome, value from evaluations"))


def test_a_killed_worker_and_a_restarted_scheduler_change_nothing(dask_processes, tmp_path, monkeypatch):
    monkeypatch.chdir(Path(__file__).parent)
    monkeypatch.setenv("MOGA_TEST_LOG", str(tmp_path / "local.txt"))
    search(plan(), tmp_path / "local")
    first = dask_processes.scheduler()
    workers = [dask_processes.worker(), dask_processes.worker()]

    def ended() -> int:
        return dask_processes.log.read_text().count("end ")

    def break_things() -> None:
        wait_until(lambda: ended() >= 12, "12 evaluations")
        workers[0].kill()
        wait_until(lambda: ended() >= 20, "24 evaluations")
        first.kill()
        first.wait()
        dask_processes.scheduler()
        dask_processes.worker()

    with ThreadPoolExecutor(1) as breaking:
        broken = breaking.submit(break_things)
        search(replace(plan(), cluster=dask_processes.address), tmp_path / "far")
        broken.result()
    for name in ("search.json", "archive.csv"):
        assert (tmp_path / "far" / name).read_bytes() == (tmp_path / "local" / name).read_bytes()
    assert evaluations(tmp_path / "far") == evaluations(tmp_path / "local")
    finished = Counter(line.split("/")[1] for line in dask_processes.log.read_text().splitlines() if line[:4] == "end ")
    assert finished.keys() == evaluations(tmp_path / "far").keys()
    # Again only what was finished and not yet here when a process was killed, of the few that are submitted ahead.
    assert finished.total() - len(finished) <= 2 * AHEAD


def test_what_is_known_is_not_evaluated_when_a_search_is_resumed(dask_processes, tmp_path, monkeypatch):
    """The scheduler goes away for good: one message, and what was evaluated is kept for --resume, here or there."""
    monkeypatch.chdir(Path(__file__).parent)
    monkeypatch.setenv("MOGA_TEST_LOG", str(tmp_path / "local.txt"))
    monkeypatch.setattr("mogakit.workers.cluster.PATIENCE_S", 0.5)
    monkeypatch.setattr("mogakit.workers.cluster.CONNECT_S", 4.0)
    scheduler = dask_processes.scheduler()
    dask_processes.worker()
    wait_until(lambda: dask_processes.joined() == 1, "the worker joins")

    def end_for_good() -> None:
        wait_until(lambda: dask_processes.log.read_text().count("end ") >= 8, "8 evaluations")
        scheduler.kill()

    far = replace(plan(), cluster=dask_processes.address)
    with ThreadPoolExecutor(1) as breaking:
        broken = breaking.submit(end_for_good)
        with pytest.raises(ClusterError, match="--resume"):
            search(far, tmp_path / "run")
        broken.result()
    kept = evaluations(tmp_path / "run")
    assert len(kept) >= 6
    result = search(plan(), tmp_path / "run", resume=True)
    again = {line.split("/")[1] for line in (tmp_path / "local.txt").read_text().splitlines()}
    assert not again & kept.keys()
    assert result.num_networks == len(evaluations(tmp_path / "run"))


def test_files_and_figures_are_those_made_here(dask_processes, tmp_path):
    dask_processes.scheduler()
    dask_processes.worker()
    digits = get_space("digits")
    space = SlotSpace("small", (), (digits.slots[0][:2],), digits.after[-1:])
    formats = [Format.TFLITE, Format.MACE]
    with open_cluster(dask_processes.address) as cluster:
        far = export_space(space, formats, Precision.FLOAT32, tmp_path / "far", workers=cluster)
        drawn = [style.rendered(figure()), *(done for _, done in cluster.run(style.rendered, [(figure(),)]))]
    here = export_space(space, formats, Precision.FLOAT32, tmp_path / "here")
    assert [each.path.name for each in far] == [each.path.name for each in here]
    for one in sorted((tmp_path / "here").rglob("*.*")):
        assert (tmp_path / "far" / one.relative_to(tmp_path / "here")).read_bytes() == one.read_bytes(), one.name
    assert drawn[0] == drawn[1]


@style.drawn
def figure() -> Figure:
    made, axes = style.blank()
    axes.semilogy([1, 2, 3], [1, 20, 400], marker="o")
    axes.set_title("three")
    return made


def test_a_worker_that_would_compute_something_else_is_named(monkeypatch):
    theirs = remote.Terms({**remote.versions(), "torch": "1.0"}, ())
    with pytest.raises(ClusterError, match=r"a worker has torch .* instead of 1.0"):
        remote.run(theirs, max, 1, 2)
    assert remote.run(remote.terms(), max, 1, 2) == 2


@pytest.mark.parametrize(
    "text", ["host:8786", "tcp://host", "tcp://host:99999", "http://host:80", "inproc://x:1", "tcp://a b:1"]
)
def test_an_address_is_tcp_or_tls_with_a_port(text):
    with pytest.raises(click.BadParameter, match="is not an address of a Dask scheduler"):
        Address().convert(text, None, None)
    assert Address().convert("tls://[::1]:8786", None, None) == "tls://[::1]:8786"


def test_an_address_without_a_scheduler_is_said_soon(dask_processes, monkeypatch):
    monkeypatch.setattr("mogakit.workers.cluster.CONNECT_S", 0.2)
    with pytest.raises(ClusterError, match="no scheduler answers"), open_cluster(dask_processes.address):
        pass
