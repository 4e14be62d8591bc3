"""A phone beside another computer, measured through the worker of a cluster that owns it.

The worker was started with `--resources phone-SERIAL=1`, and a measurement goes to no other. There an object holds the
phone for as long as this process is connected; here `RemoteRunner` hands it files and windows. The schedule, the
journal and the table are this computer's, so that what is finished is kept whatever happens there.
"""

import hashlib
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mogakit import files
from mogakit.bench.agreement import DeviceAgreement
from mogakit.bench.measurement import Conditions, Identity, Measurement
from mogakit.bench.runner import ComputesOnInput, Job, OperatorTime, Runner, RunnerKind, Session
from mogakit.bench.target import Target
from mogakit.errors import ClusterError, DeviceError, InputError
from mogakit.export.artifact import Artifact
from mogakit.workers import remote
from mogakit.workers.cluster import ActorCall, Cluster, open_cluster

Opener = Callable[[], AbstractContextManager[Runner]]
"""Opens the phone on the computer that it is called on; it must be picklable."""


def resource_of(device: str) -> str:
    """Return what a worker calls the phone that it owns: `phone-SERIAL`."""
    return f"phone-{device}"


@contextmanager
def open_remote(address: str, device: str, opener: Opener) -> Iterator["RemoteRunner"]:
    """Open the phone `device` on the worker of the cluster at `address` that owns it, with `opener`.

    Raises:
        InputError: no worker owns it, or the extra `cluster` is not installed.
        ClusterError: no scheduler answers, or the worker is not what this computer is.
        DeviceError: as `opener` on the worker.
    """
    with open_cluster(address) as cluster:
        owner = cluster.submit_actor(PhoneOwner, (opener,), {resource_of(device): 1})
        runner = RemoteRunner(cluster, owner, device)
        try:
            yield runner
        finally:
            runner.close()


@dataclass(frozen=True)
class Described:
    """What a `Runner` says of itself without being asked about a target."""

    kind: RunnerKind
    jobs_per_window: int | None
    computes: bool


class PhoneOwner:
    """Holds a phone on a worker; its methods are called from afar, and run in one thread of their own.

    When nobody refers to it any more, since its client left or was lost, it lets the phone go.
    """

    def __init__(self, asked: remote.Terms, opener: Opener) -> None:
        """Check that this worker measures as the client would; the phone is opened by `open`."""
        remote.agree(asked)
        self._opener = opener
        self._held = ExitStack()
        self._session = ExitStack()
        self._thread = ThreadPoolExecutor(1, "phone")
        self._end = weakref.finalize(self, _let_go, self._thread, self._session, self._held)

    def open(self) -> Described:
        """Open the phone.

        Raises:
            DeviceError: as the opener does.
        """
        return self._thread.submit(self._open).result()

    def _open(self) -> Described:
        self._folder = self._held.enter_context(files.scratch())
        self._runner: Runner = self._held.enter_context(self._opener())
        runner = self._runner
        return Described(runner.kind, runner.jobs_per_window, isinstance(runner, ComputesOnInput))

    def lacks(self, artifact: Artifact) -> bool:
        """Return whether the files of an artifact are still to be sent."""
        return not self._here(artifact).path.exists()

    def keep(self, artifact: Artifact, contents: dict[str, bytes]) -> None:
        """Keep the files of an artifact, the main one last.

        Raises:
            ClusterError: a name is not that of a file, or what arrived is not what was sent.
        """
        wanted = {**(artifact.companions or {}), artifact.path.name: artifact.sha256}
        target = self._here(artifact).path.parent
        for name, digest in wanted.items():
            if Path(name).name != name or hashlib.sha256(contents[name]).hexdigest() != digest:
                raise ClusterError(f"{artifact.name}: the file {name!r} did not arrive as it was sent")
            files.write_bytes(target / name, contents[name])

    def ask(self, method: str, *arguments: object) -> Any:
        """Call a method of the runner."""
        given = [self._job(each) if isinstance(each, Job) else each for each in arguments]
        return self._thread.submit(getattr(self._runner, method), *given).result()

    def begin(self, jobs: Sequence[Job], round_number: int, seed: int) -> None:
        """Open a session; the one before is closed."""
        self.end()
        here = [self._job(job) for job in jobs]
        self._opened: Session = self._thread.submit(
            lambda: self._session.enter_context(self._runner.session(here, round_number, seed))
        ).result()

    def measure(self, jobs: Sequence[Job], window: int) -> list[Measurement]:
        """Time one window of the session that is open."""
        here = [self._job(job) for job in jobs]
        return self._thread.submit(lambda: list(self._opened.measure(here, window))).result()

    def end(self) -> None:
        """Close the session."""
        self._thread.submit(self._session.close).result()

    def close(self) -> None:
        """Let the phone go."""
        self._end()

    def _job(self, job: Job) -> Job:
        return replace(job, artifact=self._here(job.artifact))

    def _here(self, artifact: Artifact) -> Artifact:
        """Return an artifact as it lies on this computer."""
        folder = self._folder / hashlib.sha256(f"{artifact.sha256} {artifact.companions}".encode()).hexdigest()
        return replace(artifact, path=folder / Path(artifact.path).name)


def _let_go(thread: ThreadPoolExecutor, session: ExitStack, held: ExitStack) -> None:
    """Close what a phone's owner holds, in the thread that opened it."""
    thread.submit(session.close)
    thread.submit(held.close)
    thread.shutdown(wait=True)


class RemoteRunner:
    """A phone beside a worker of a cluster; see `bench.runner.Runner`. `open_remote` makes one."""

    def __init__(self, cluster: Cluster, owner: ActorCall, device: str) -> None:
        """Open the phone.

        Raises:
            DeviceError: as the opener does on the worker.
        """
        self._cluster = cluster
        self._owner = owner
        self._device = device
        self._sent: set[str] = set()
        described: Described = self._call("open")
        self.kind = described.kind
        self.jobs_per_window = described.jobs_per_window
        self._computes = described.computes

    def identity(self, target: Target) -> Identity:
        """Return what a table measured on `target` now would be a table of."""
        found: Identity = self._call("ask", "identity", target)
        return found

    def conditions(self) -> Conditions:
        """Read the phone's state."""
        found: Conditions = self._call("ask", "conditions")
        return found

    def unsupported(self, target: Target) -> str | None:
        """Return why `target` cannot be measured there, or None where it can."""
        found: str | None = self._call("ask", "unsupported", target)
        return found

    def profile_operators(self, job: Job) -> tuple[OperatorTime, ...]:
        """Time the operators of one file; errors are those of the phone's own runner."""
        self._send([job])
        found: tuple[OperatorTime, ...] = self._call("ask", "profile_operators", job)
        return found

    def agreement(self, job: Job) -> DeviceAgreement:
        """Compare the output of one file with the reference's, which the worker's computer makes.

        Raises:
            InputError: the device there cannot compute on a given input.
        """
        if not self._computes:
            raise InputError(f"{self._device} does not compute on a given input; add --agreement off")
        self._send([job])
        found: DeviceAgreement = self._call("ask", "agreement", job)
        return found

    @contextmanager
    def session(self, jobs: Sequence[Job], round_number: int, seed: int) -> Iterator["RemoteSession"]:
        """Open a round there; errors are those of the phone's own runner."""
        self._send(jobs)
        self._call("begin", list(jobs), round_number, seed)
        yield RemoteSession(self)
        self._call("end")

    def measure(self, jobs: Sequence[Job], window: int) -> list[Measurement]:
        """Time one window of the session that is open."""
        found: list[Measurement] = self._call("measure", list(jobs), window)
        return found

    def close(self) -> None:
        """Let the phone go; where its worker is gone, it has been."""
        try:
            self._call("close")
        except DeviceError:
            return

    def _send(self, jobs: Sequence[Job]) -> None:
        """Send the files that the worker lacks, once."""
        for artifact in {job.artifact.sha256: job.artifact for job in jobs}.values():
            if artifact.sha256 in self._sent:
                continue
            if self._call("lacks", artifact):
                names = [*(artifact.companions or {}), artifact.path.name]
                self._call("keep", artifact, {name: (artifact.path.parent / name).read_bytes() for name in names})
            self._sent.add(artifact.sha256)

    def _call(self, method: str, *arguments: object) -> Any:
        """Call a method of the owner.

        Raises:
            DeviceError: the worker went away.
        """
        try:
            return self._cluster.call_actor(self._owner, method, *arguments)
        except ClusterError as error:
            raise DeviceError(f"{self._device}: {error}") from error


@dataclass(frozen=True)
class RemoteSession:
    """One pass there; see `bench.runner.Session`."""

    runner: RemoteRunner

    def measure(self, jobs: Sequence[Job], window: int) -> Iterator[Measurement]:
        """Time `jobs` and yield one measurement each.

        Raises:
            DeviceError: the phone or its worker went away.
        """
        yield from self.runner.measure(jobs, window)
