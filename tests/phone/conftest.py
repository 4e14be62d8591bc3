"""Takes over the simulator's fixtures."""

from phone_simulator.fixtures import adb_binary, adb_server, make_phone, phone

__all__ = ["adb_binary", "adb_server", "make_phone", "phone"]
