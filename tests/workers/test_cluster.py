"""A search on a cluster: a worker is killed, then the scheduler; the result is that of a search on this computer."""

import sqlite3
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from dask_processes import wait_until

from mogakit.flows.search.find import EVALUATIONS, search
from mogakit.flows.search.plan import SearchPlan, table_input
from mogakit.search.evolution import Settings

TABLE = Path(__file__).parents[1] / "search" / "data" / "moga-xeon-xnnpack.json"


def plan() -> SearchPlan:
    return SearchPlan(
        space="moga",
        accuracy="own_accuracy:evaluate",
        latencies=(table_input(TABLE),),
        settings=Settings(population=12, generations=6),
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
        wait_until(lambda: ended() >= 24, "24 evaluations")
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
    finished = Counter(line.split()[2] for line in dask_processes.log.read_text().splitlines() if line[:4] == "end ")
    assert finished.keys() == evaluations(tmp_path / "far").keys()
