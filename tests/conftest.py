"""Settings of all tests."""

from hypothesis import settings

# Timings on a shared machine say nothing about the code, and the first call of torch takes a second.
settings.register_profile("kit", deadline=None)
settings.load_profile("kit")
