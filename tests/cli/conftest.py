"""The installed command, as a fixture."""

from collections.abc import Callable

import pytest
from run_command import PROGRAM, Ended, run_moga

Moga = Callable[..., Ended]


@pytest.fixture(scope="session")
def moga() -> Moga:
    """Return the function that runs the command."""
    return run_moga


@pytest.fixture(scope="session")
def program() -> str:
    """Return the path of the installed command."""
    return PROGRAM
