"""kill -9 at any moment: nothing finished is lost, nothing is measured twice, and the run comes out whole."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlite_files import is_sound

from mogakit.bench.journal import Journal
from mogakit.bench.runner import Job
from mogakit.records import to_json

NUM_KILLS = 50
SCRIPT = """
import json, sys
from pathlib import Path
from mogakit.bench.host import HostRunner
from mogakit.bench.journal import Journal
from mogakit.bench.runner import Job
from mogakit.bench.schedule import Plan, run_plan
from mogakit.records import from_json

jobs = tuple(from_json(job, Job, "job") for job in json.loads(Path(sys.argv[2]).read_text()))
rounds = int(sys.argv[3])
plan = Plan(jobs=jobs, sentinel=jobs[-1], num_rounds=rounds, max_rounds=rounds, num_passes=60, seed=1)
with Journal(Path(sys.argv[1])) as journal:
    run_plan(plan, HostRunner(), journal, lambda done, total, note: print(done, flush=True))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="workers die with their parent at once on Linux only")
def test_fifty_kills_at_random_moments_lose_and_double_nothing(onnx_jobs: list[Job], tmp_path: Path) -> None:
    jobs_file, path = tmp_path / "jobs.json", tmp_path / "journal.db"
    jobs_file.write_text(json.dumps([to_json(job) for job in onnx_jobs]))
    command = [sys.executable, "-c", SCRIPT, str(path), str(jobs_file), "1000"]
    rng = random.Random(0)
    kept: list[object] = []
    num_productive = 0
    for _ in range(NUM_KILLS):
        with subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            if rng.random() < 0.8:  # otherwise it may die while it starts
                assert process.stdout.readline()
            time.sleep(rng.uniform(0, 0.3))
            os.killpg(process.pid, signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        if not path.exists():
            continue
        assert is_sound(path)
        with Journal(path) as journal:
            now = [to_json(one) for one in journal.measurements()]
            assert len(journal.finished()) == len(now)
        for before, after in zip(kept, now, strict=False):
            assert {**before, "status": ""} == {**after, "status": ""}  # a later verdict of drift may change that alone
        assert len(now) >= len(kept)
        num_productive += len(now) > len(kept)
        kept = now
    assert num_productive > NUM_KILLS / 2
    last_round = 1 + max(one["round"] for one in kept)  # type: ignore[index]
    subprocess.run([*command[:-1], str(last_round)], check=True, timeout=300, stdout=subprocess.DEVNULL)
    with Journal(path) as journal:
        taken = journal.measurements()
    windows = {(one.round, one.window) for one in taken}
    planned = {(number, window) for number in range(last_round) for window in range(60)}
    assert planned <= windows
    assert len(taken) == len(onnx_jobs) * len(windows)
