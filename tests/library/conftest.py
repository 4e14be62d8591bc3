"""A measured and validated run, made once: a small space, quickly."""

from pathlib import Path

import pytest

import mogakit as mk


@pytest.fixture(scope="session")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which `run` is a run of the digits' space with a validation."""
    root = tmp_path_factory.mktemp("library")
    run = mk.profile_space("digits", root / "run", quick=True)
    mk.validate_table(run, num_networks=5, quick=True)
    return root
