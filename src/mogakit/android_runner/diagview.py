"""`snpe-diagview`: the SDK's own reader of `snpe-net-run`'s binary log, run on this computer."""

import os
from pathlib import Path

from mogakit import files
from mogakit.android_runner import tools
from mogakit.android_runner.targets import HostTool
from mogakit.errors import ExportError, MeasurementError
from mogakit.export import snpe

LOG_NAME = "SNPEDiag_0.log"
TIMEOUT_S = 60.0
_TABLE = "profile.csv"


def to_csv(log: bytes) -> str:
    """Return the table that the user's `snpe-diagview` makes of a log.

    Raises:
        ToolMissing: none is registered.
        MeasurementError: it does not start, fails, takes longer than `TIMEOUT_S`, or leaves no table.
    """
    tool = tools.host_tool(HostTool.SNPE_DIAGVIEW)
    with files.scratch() as folder:
        (folder / LOG_NAME).write_bytes(log)
        arguments = ["--input_log", LOG_NAME, "--output", _TABLE]
        try:
            snpe.run_program(tool.path, arguments, Path(tool.source), folder, os.environ, TIMEOUT_S)
        except ExportError as error:
            raise MeasurementError(f"the log of snpe-net-run could not be read: {error}") from error
        table = folder / _TABLE
        if not table.is_file():
            raise MeasurementError(f"{tool.name} ended without an error and without a table of snpe-net-run's log")
        return table.read_text(encoding="utf-8", errors="replace")
