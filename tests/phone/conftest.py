"""Takes over the simulator's fixtures."""

import gc
import warnings
from collections.abc import Iterator

import pytest
from phone_simulator.fixtures import adb_binary, adb_server, make_phone, phone

__all__ = ["adb_binary", "adb_server", "make_phone", "phone"]

LEAKY = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """adbutils leaves its socket open when the server refuses a device: not ours to mend."""
    for item in items:
        if "tests/phone/" in item.path.as_posix():
            item.add_marker(LEAKY)


@pytest.fixture(autouse=True)
def _collect_sockets_of_adbutils() -> Iterator[None]:
    """Close them before the next test is blamed."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
