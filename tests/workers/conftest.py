"""A cluster for the tests of this folder; without the extra they are skipped with that reason."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from dask_processes import DaskProcesses


@pytest.fixture
def dask_processes(tmp_path: Path) -> Iterator[DaskProcesses]:
    pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
    processes = DaskProcesses(tmp_path)
    try:
        yield processes
    finally:
        processes.close()
