"""Every error the kit raises on purpose.

    MogaKitError
    ├── InputError            what the user gave is not usable (exit code 2)
    │   ├── KeySyntaxError        a block key, target or chromosome that does not parse
    │   ├── CheckpointError       a weights file that does not fit the network
    │   ├── TableError            a latency table is malformed, mismatched, or lacks a row
    │   └── UnsupportedOperator   an operator that the export cannot lower
    ├── ExportError           a written file does not agree with torch, or could not be written
    ├── MeasurementError      a tool or runtime failed, or said something that is not a measurement
    │   └── ParseError            the output of a tool did not hold what it must hold
    └── DeviceError           a phone is absent, locked, unauthorized, or went away

A message says what was given, what is legal, and what to do.
"""


class MogaKitError(Exception):
    """Base of every error that the kit raises on purpose; `exit_code` is what the command returns.

    Source: the head of this module draws the tree of errors.

    Example:
        >>> try:
        ...     mk.get_network("no-such-network")
        ... except mk.MogaKitError as error:
        ...     error.exit_code
        2
    """

    exit_code = 1


class InputError(MogaKitError):
    """What the user gave is not usable."""

    exit_code = 2


class KeySyntaxError(InputError):
    """A block key, a target or a chromosome does not parse."""


class CheckpointError(InputError):
    """A weights file does not fit the network."""


class UnsupportedOperator(InputError):  # noqa: N818 - named for what it says
    """An operator that the export cannot lower."""


class ExportError(MogaKitError):
    """A written file does not agree with torch, or could not be written."""


class MeasurementError(MogaKitError):
    """A tool or runtime failed, or what it said is not a measurement."""


class ParseError(MeasurementError):
    """The output of a tool did not hold what it must hold; the message carries its tail."""


class DeviceError(MogaKitError):
    """A phone is absent, locked, unauthorized, or went away."""


class TableError(InputError):
    """A latency table is malformed, mismatched, or lacks a row."""
