"""`OwnTarget`: a target on a phone that the kit has no row for, and perhaps a measuring tool that it does not know.

    register_target("mine", OwnTarget(row=TargetRow(..., tool="my_bench"), driver=Driver(arguments, parse)))

or an entry point `mine` of the group `mogakit.targets`. The tool's binary is registered as any other's, by a file name
that holds the tool's (`moga tools add my_bench`). The kit deploys it, pins it, and runs it in rounds; what it prints is
read by the driver's `parse`, which raises `ParseError` for what is not a measurement.
"""

from dataclasses import dataclass, replace

from mogakit.android_runner.commands import DRIVERS, Driver
from mogakit.android_runner.targets import TargetRow, ToolKind
from mogakit.errors import InputError
from mogakit.plugins import Group, register


@dataclass(frozen=True, kw_only=True)
class OwnTarget:
    """A row of targets, and the driver of its tool where that is not one of the kit's.

    Attributes:
        row: how the target is run. It is asked after the kit's own rows, so it cannot change what these mean.
        driver: how its tool is called and read; None for a tool of the kit's.
        maker: where the tool is published, for the message that it is not registered.
    """

    row: TargetRow
    driver: Driver | None = None
    maker: str = ""

    def __post_init__(self) -> None:
        """Check that there is one driver.

        Raises:
            InputError: the tool has no driver, or is the kit's own and is given another.
        """
        if (self.row.tool in DRIVERS) == (self.driver is not None):
            problem = "has no driver; give it one" if self.driver is None else "has the kit's driver; give it no other"
            raise InputError(f"tool {self.row.tool!r} {problem} (the kit drives {', '.join(ToolKind)})")
        if self.row.tool in DRIVERS:
            object.__setattr__(self, "row", replace(self.row, tool=ToolKind(self.row.tool)))


def register_target(name: str, target: OwnTarget) -> None:
    """Make a target known until this process ends.

    Args:
        name: by which an error names it.
        target: the row, and the driver of its tool.

    Raises:
        InputError: from `OwnTarget`, where the tool has no driver or two.

    Source: docs/how-to/your-own.md has a worked example; `android_runner/targets.py` has the kit's rows.

    Examples:
        >>> from mogakit.android_runner.own import OwnTarget
        >>> from mogakit.android_runner.targets import Precision, TargetRow
        >>> from mogakit.bench.target import Hardware, Runtime
        >>> row = TargetRow(
        ...     runtime=Runtime.TFLITE, hardware=Hardware.NPU, tool="benchmark_model",
        ...     files={Precision.INT8: (Precision.INT8,)}, when=(("delegate", "mine"),),
        ...     flags_always=("--external_delegate_path={libs}/libmine.so",), libraries=("libmine.so",))
        >>> mk.register_target("mine", OwnTarget(row=row))
    """
    register(Group.TARGETS, name, target)
