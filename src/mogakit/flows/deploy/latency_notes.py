"""The latencies that a bundle carries: predicted from a table, or measured by `moga bench`."""

from collections.abc import Sequence
from pathlib import Path

from mogakit.bench.measurement import Status
from mogakit.errors import InputError
from mogakit.export.artifact import Artifact
from mogakit.export.bundle.layout import LatencyNote
from mogakit.luts.bench_record import Reading
from mogakit.luts.latencies import load_latencies
from mogakit.nets.detection.network import Detector
from mogakit.nets.network import Network


def predicted(path: Path, network: Network | Detector) -> LatencyNote:
    """Predict the network's latency from the table or cost model at `path`.

    Raises:
        InputError: the network is a detector, which tables do not predict.
        TableError: the table lacks one of its blocks, or the file is neither.
    """
    if isinstance(network, Detector):
        raise InputError(
            f"{path} predicts classifiers; {network.name} is a detector: time it with `moga bench --json` and give "
            "that with --measurement"
        )
    found = load_latencies(path)
    prediction = found.predict(network)
    error_percent = prediction.loo_mape_percent
    return LatencyNote(
        target=str(found.target or "unknown"),
        device=found.identity.device_name,
        latency_ms=prediction.latency_ms,
        spread="" if error_percent is None else f"{error_percent:.1f} % leave-one-out error",
        kind="predicted",
        source=path.name,
        comment=f"{len(prediction.doubtful)} rows of the table are doubtful" if prediction.doubtful else "",
    )


def measured(
    path: Path, found: Sequence[Reading], network: Network | Detector, artifacts: Sequence[Artifact]
) -> list[LatencyNote]:
    """Return the timings of the shipped files themselves, or of the same network exported with other weights.

    Raises:
        InputError: there is none among `found`, which was read from `path`.
    """
    shipped = {artifact.sha256 for artifact in artifacts}
    fitting = [one for one in found if one.sha256 in shipped or one.model == network.name]
    if not fitting:
        others = ", ".join(sorted({one.model for one in found})) or "nothing that succeeded"
        raise InputError(
            f"{path} times {others}; a bundle of {network.name} takes timings of {network.name} or of its own files"
        )
    return [
        LatencyNote(
            target=one.target,
            device=one.device,
            latency_ms=one.latency_ms,
            spread="" if one.low_ms is None else f"{one.low_ms:.3f} to {one.high_ms:.3f} ms (95 %)",
            kind="measured",
            source=path.name,
            comment="" if one.status is Status.OK else f"{one.status}: {one.delegation}".rstrip(": "),
        )
        for one in fitting
    ]
