"""A run's folder: what it is a run of, and where things lie in it.

RUN/run.json          what was asked for; `--resume` continues it
RUN/files/            exported files with their manifest
RUN/journal.db        every measurement with its raw samples
RUN/lut.json          the table
RUN/validation.db     measurements of the validation
RUN/validation.json   its result
"""

import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from mogakit import __version__, records
from mogakit.bench.measurement import ACCEPTABLE, Clock, Status
from mogakit.bench.runner import Runner
from mogakit.bench.target import Target, parse_target
from mogakit.errors import InputError, TableError
from mogakit.luts.calibrate import CalibrationChoice
from mogakit.luts.combine import differing_fields
from mogakit.luts.table import LatencyTable


@records.stored("run", version=1, made_by="moga profile -o RUN", title="run's settings")
@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """What a run is a run of. It is written before the first measurement; only the last three may change after that.

    Attributes:
        device: as typed: `host` or a serial.
        num_calibration: networks measured for the calibration.
        num_passes: visits of each file in a round. num_sentinels: of the sentinel in a pass.
        num_blocks: choice blocks measured of a space whose slots are not independent.
        networks: names of networks whose blocks are measured besides the space's.
        clock: forced on this computer, or None.
        accept_partial: rows count of which the hardware ran a part. accept_unknown: rows whose log does not say.
        calibration: the kind to fit. These say what is made of the measurements, not what is measured, so a run
            that resumes may change.
    """

    space: str
    target: str
    device: str
    seed: int
    num_calibration: int
    num_passes: int
    num_sentinels: int
    clock: Clock | None = None
    input_size: int = 224
    num_blocks: int = 240
    networks: tuple[str, ...] = ()
    accept_partial: bool = False
    accept_unknown: bool = False
    calibration: CalibrationChoice = CalibrationChoice.BEST
    kit_version: str = __version__
    schema_version: int = 1

    @property
    def parsed_target(self) -> Target:
        """Return the target as a record."""
        return parse_target(self.target)

    @property
    def accepted(self) -> tuple[Status, ...]:
        """Return the statuses besides `ok` whose rows count in the table."""
        asked = {Status.PARTIAL: self.accept_partial, Status.UNKNOWN_DELEGATION: self.accept_unknown}
        return tuple(status for status in ACCEPTABLE if asked[status])


@dataclass(frozen=True)
class RunFolder:
    """Paths of one run."""

    path: Path

    @property
    def settings_path(self) -> Path:
        """Return the file that says what the run is a run of."""
        return self.path / "run.json"

    @property
    def files(self) -> Path:
        """Return the folder of exported files."""
        return self.path / "files"

    @property
    def journal(self) -> Path:
        """Return the journal of the profile."""
        return self.path / "journal.db"

    @property
    def table(self) -> Path:
        """Return the latency table."""
        return self.path / "lut.json"

    @property
    def validation_journal(self) -> Path:
        """Return the journal of the validation."""
        return self.path / "validation.db"

    @property
    def validation(self) -> Path:
        """Return the result of the validation."""
        return self.path / "validation.json"

    def adopt(self, exported: Path) -> None:
        """Link files that another run exported into this one, unless it has files already."""
        if exported.is_dir() and not self.files.exists():
            shutil.copytree(exported, self.files, copy_function=_link)

    def read_settings(self) -> RunSettings:
        """Return what the run is a run of.

        Raises:
            InputError: the folder holds no run.
        """
        return records.load(RunSettings, self.settings_path)

    def begin(self, settings: RunSettings, resume: bool) -> RunSettings:
        """Write the settings of a new run, or check those of the run that goes on; return the ones that hold.

        Raises:
            InputError: there is a run and `resume` is not set, or it is a run of something else.
        """
        if not self.settings_path.exists():
            if self.path.is_dir() and any(self.path.iterdir()):
                raise InputError(f"{self.path} is not empty and holds no run; name another folder")
            records.save(settings, self.settings_path)
            return settings
        known = self.read_settings()
        if not resume:
            raise InputError(f"{self.path} holds a run already: add --resume to continue it, or name another folder")
        for name in ("space", "target", "device", "seed", "clock", "input_size"):
            if getattr(known, name) != getattr(settings, name):
                raise InputError(
                    f"{self.path} is a run with {name} {getattr(known, name)!r}, not {getattr(settings, name)!r}: "
                    "resume it with the same, or name another folder"
                )
        return known

    def revise(
        self,
        settings: RunSettings,
        accept_partial: bool | None,
        accept_unknown: bool | None,
        calibration: CalibrationChoice | None,
    ) -> RunSettings:
        """Write what a person now wants made of the measurements; None leaves it as the run has it."""
        revised = replace(
            settings,
            accept_partial=settings.accept_partial if accept_partial is None else accept_partial,
            accept_unknown=settings.accept_unknown if accept_unknown is None else accept_unknown,
            calibration=calibration or settings.calibration,
        )
        if revised != settings:
            records.save(revised, self.settings_path)
        return revised


def _link(source: str, destination: str) -> None:
    """Link a file, which is never changed in place; copy it where the file system has no links."""
    try:
        os.link(source, destination)
    except OSError:
        shutil.copy2(source, destination)


def check_identity(table: LatencyTable, runner: Runner, settings: RunSettings) -> None:
    """Make sure that what is measured now may stand beside a run's table.

    Raises:
        TableError: the table is of another target, device, runtime or version than is here now.
    """
    if table.target is None or str(table.target) != settings.target:
        raise TableError(f"{table.name} is of target {table.target}, its run of {settings.target}: profile it again")
    differing = differing_fields(table, replace(table, identity=runner.identity(table.target)))
    if differing:
        raise TableError(
            f"{table.name} was measured under another identity than this device has now (differing: "
            f"{', '.join(differing)}): times of the two must not be mixed; profile into a new folder"
        )
