"""Takes over the simulator's fixtures."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from phone_simulator.fixtures import adb_binary, adb_server, make_phone, phone

__all__ = ["adb_binary", "adb_server", "make_phone", "phone"]
