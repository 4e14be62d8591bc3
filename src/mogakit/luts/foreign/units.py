"""Units of time in files that do not state theirs: who imports one says which it is."""

from enum import StrEnum


class TimeUnit(StrEnum):
    """A unit of time."""

    MS = "ms"
    US = "us"
    S = "s"

    @property
    def per_ms(self) -> float:
        """How many of it are a millisecond."""
        return {TimeUnit.MS: 1.0, TimeUnit.US: 1000.0, TimeUnit.S: 0.001}[self]

    def to_ms(self, value: float) -> float:
        """Return milliseconds."""
        return value / self.per_ms

    def from_ms(self, value_ms: float) -> float:
        """Return milliseconds in this unit."""
        return value_ms * self.per_ms
