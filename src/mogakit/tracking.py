"""An MLflow run beside a command: its parameters, what it measured, and the files that it wrote.

MLflow is the extra `mlflow`. What a run writes of its own is the record; MLflow gets a copy, so a server that is away
at the end costs a warning and not the result.
"""

import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from mogakit.errors import InputError

EXPERIMENT = "moga-kit"
MAX_TEXT = 500
"""Characters of a parameter: older servers take no more."""
SCHEMES = ("http", "https", "file", "sqlite", "postgresql", "mysql", "mssql")

Warn = Callable[[str], None]


class Tracker:
    """One MLflow run; without one (`run_id` None) every method does nothing. `tracked` makes it."""

    def __init__(self, client: Any = None, run_id: str | None = None, warn: Warn | None = None) -> None:
        self._client = client
        self.run_id = run_id
        self._warn = warn or (lambda text: None)

    def metrics(self, values: Mapping[str, float | None], step: int = 0) -> None:
        """Log numbers; those that do not exist are left out."""
        for given, value in values.items():
            name = re.sub(r"[^\w./: -]", "_", given)  # what MLflow takes
            if value is not None and math.isfinite(value):
                self._do(partial(self._log_metric, name, value, step))

    def _log_metric(self, name: str, value: float, step: int) -> None:
        self._client.log_metric(self.run_id, name, value, step=step)

    def artifacts(self, *paths: Path, inside: str | None = None) -> None:
        """Copy the files that exist, into the folder `inside` of the run's artifacts where one is given."""
        for path in paths:
            if path.is_file():
                self._do(partial(self._log_artifact, path, inside))

    def _log_artifact(self, path: Path, inside: str | None) -> None:
        self._client.log_artifact(self.run_id, str(path), artifact_path=inside)

    def end(self, state: str) -> None:
        """End the run: FINISHED, FAILED or KILLED."""
        self._do(lambda: self._client.set_terminated(self.run_id, state))

    def _do(self, call: Callable[[], object]) -> None:
        """Call MLflow; where it is away, say so once and go on without it."""
        if self.run_id is None:
            return
        from mlflow.exceptions import MlflowException

        try:
            call()
        except (MlflowException, OSError) as error:
            self._warn(f"MLflow run {self.run_id} is not complete: {str(error).splitlines()[0]}")
            self.run_id = None


@contextmanager
def tracked(uri: str | None, command: str, parameters: Mapping[str, object], warn: Warn) -> Iterator[Tracker]:
    """Yield the MLflow run of a command; it ends as the command does.

    Args:
        uri: of the tracking server or store (`http://host:5000`, `file:///folder`, `sqlite:///file.db`); None for no
            run.
        command: the run's name.
        parameters: of the command; those that are None are left out.
        warn: called once where MLflow goes away.

    Raises:
        InputError: MLflow is not installed, or cannot be reached at `uri`.
    """
    if uri is None:
        yield Tracker()
        return
    tracker = _start(uri, command, parameters, warn)
    try:
        yield tracker
    except KeyboardInterrupt:
        tracker.end("KILLED")
        raise
    except BaseException:
        tracker.end("FAILED")
        raise
    tracker.end("FINISHED")


def _start(uri: str, command: str, parameters: Mapping[str, object], warn: Warn) -> Tracker:
    """Make a run with its parameters.

    Raises:
        InputError: as in `tracked`.
    """
    scheme = urlparse(uri).scheme.partition("+")[0]
    if scheme == "file":
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # MLflow asks whoever keeps runs in a folder for it
    if scheme not in SCHEMES:
        raise InputError(f"{uri!r} is not an address of MLflow; supported: {', '.join(SCHEMES)} (file:///folder)")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # seven, with growing pauses, would be minutes
    try:
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient
    except ModuleNotFoundError as error:
        raise InputError("--mlflow needs MLflow: pip install 'moga-kit[mlflow]'") from error
    try:
        client = MlflowClient(tracking_uri=uri)
        found = client.get_experiment_by_name(EXPERIMENT)
        experiment = client.create_experiment(EXPERIMENT) if found is None else found.experiment_id
        run_id = client.create_run(
            experiment, run_name=command, tags={"mlflow.source.name": f"moga {command}"}
        ).info.run_id
        for name, value in parameters.items():
            if value is not None:
                client.log_param(run_id, name, str(value)[:MAX_TEXT])
    except (ImportError, MlflowException, OSError) as error:  # a database takes more than the extra installs
        raise InputError(f"MLflow at {uri} cannot be used: {str(error).splitlines()[0]}") from error
    return Tracker(client, run_id, warn)
