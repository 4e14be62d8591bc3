"""What is known of each target during a job: the delegate's backend, and whether any file could be timed on it."""

from dataclasses import dataclass, field

from mogakit.bench.measurement import Delegation, Measurement, Status
from mogakit.bench.target import Target
from mogakit.errors import MeasurementError

_TOO_MANY_FAILURES = 3  # so many first files without a single good time: the target does not work here


@dataclass
class _History:
    backend: str | None = None
    good: int = 0
    bad: dict[str, str] = field(default_factory=dict)  # artifact -> why, while nothing was good


class TargetHistory:
    """The runs of one job on one phone, target by target."""

    def __init__(self, phone_name: str) -> None:
        self._phone_name = phone_name
        self._histories: dict[Target, _History] = {}

    def same_backend(self, target: Target, verdict: Delegation) -> Delegation:
        """Return `verdict`, or `none` where OpenCL and OpenGL times would mix.

        `luts.estimate` does the same over several jobs.
        """
        history = self._histories.setdefault(target, _History())
        history.backend = history.backend or verdict.delegate_backend
        return verdict.held_to(history.backend)

    def add(self, measured: Measurement) -> None:
        """Count a measurement in.

        Raises:
            MeasurementError: none of the first files could be timed on its target.
        """
        history = self._histories.setdefault(measured.target, _History())
        if measured.status not in (Status.FAILED, Status.FALLBACK):
            history.good += 1
            return
        reason = measured.error or measured.delegation.reason or str(measured.delegation)
        history.bad[measured.artifact_sha256] = reason
        if not history.good and len(history.bad) >= _TOO_MANY_FAILURES:
            raise MeasurementError(
                f"{measured.target} does not work on {self._phone_name}: none of the first {_TOO_MANY_FAILURES} files "
                f"gave a time of that hardware. {measured.artifact_name}: {reason}"
            )
