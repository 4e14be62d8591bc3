"""`Cluster`: workers behind a Dask scheduler, with the two losses of a long run survived.

A worker that ends: the scheduler gives its calls to others. A scheduler that ends: the calls whose results are not here
yet are submitted again as soon as one answers at the same address; results that arrived are never asked for again.
"""

from __future__ import annotations

import itertools
import logging
import math
import queue
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from mogakit.errors import ClusterError, InputError
from mogakit.workers import remote
from mogakit.workers.pool import LocalWorkers, Workers

R = TypeVar("R")

CONNECT_S = 10.0
"""How long a scheduler may take to answer at first: an address that is wrong is reported soon."""
PATIENCE_S = 60.0
"""How long a scheduler or the last worker that went away is waited for."""
POLL_S = 0.5
AHEAD = 2
"""Calls that are submitted for each thread of a worker: one runs, and the next is there when it ends."""


@dataclass(frozen=True)
class ActorCall:
    """An object on a worker: Dask's proxy of it, and the future that keeps it alive."""

    proxy: Any
    future: Any


_KEPT = "What was finished is kept: run the command again, with --resume where it has that option"


class _Lost(Exception):  # noqa: N818 - caught in this module, and named for what it says
    """The connection to the scheduler is gone, and with it what was submitted."""


@contextmanager
def open_workers(address: str | None, num_jobs: int = 1) -> Iterator[Workers]:
    """Yield the workers of the cluster at `address`; where it is None, `num_jobs` processes of this computer.

    Raises:
        InputError: the extra `cluster` is not installed.
        ClusterError: no scheduler answers at the address.
    """
    if address is None:
        yield LocalWorkers(num_jobs)
        return
    with open_cluster(address) as cluster:
        yield cluster


@contextmanager
def open_cluster(address: str) -> Iterator[Cluster]:
    """Connect to a Dask scheduler, and leave it on leaving.

    Args:
        address: `tcp://host:port`, or `tls://host:port` with Dask's own settings of keys and certificates.

    Raises:
        InputError, ClusterError: as in `open_workers`.
    """
    cluster = Cluster(address)
    try:
        yield cluster
    finally:
        cluster.close()


class Cluster:
    """The workers of a Dask cluster; see `pool.Workers`. `open_cluster` makes one."""

    def __init__(self, address: str) -> None:
        """Connect.

        Raises:
            InputError, ClusterError: as in `open_workers`.
        """
        self.address = address
        self._terms = remote.terms()
        self._client = _connect(address, CONNECT_S)
        self._alone_since: float | None = None
        self._counted_at = -math.inf
        self._num_threads = 1

    def close(self) -> None:
        """Leave the cluster; what still runs there for this client is cancelled."""
        with suppress(OSError):  # TimeoutError among them: a scheduler that does not answer
            self._client.close(timeout=2)

    def run(
        self,
        function: Callable[..., R],
        calls: Sequence[tuple[Any, ...]],
        resources: Mapping[str, float] | None = None,
    ) -> Iterator[tuple[int, R]]:
        """Run the calls on the workers; see `pool.Workers`.

        Args:
            resources: what a worker must own to be given one, such as `{"phone-SERIAL": 1}`.

        Raises:
            ClusterError: no scheduler or worker was there for a minute, the calls end the workers that run them, or
                a worker is not what this computer is.
            InputError: a worker lacks a module that the calls need.
        """
        waiting = dict(enumerate(calls))
        while waiting:
            try:
                for index, result in self._round(function, waiting, resources):
                    del waiting[index]
                    yield index, result
            except _Lost:
                self.close()
                self._client = _connect(self.address, PATIENCE_S)

    def submit_actor(self, kind: type, arguments: tuple[Any, ...], resources: Mapping[str, float]) -> ActorCall:
        """Make an object of `kind` on a worker that owns `resources`, and return what its methods are called through.

        It lives as long as what is returned here does, and no longer than this client.

        Raises:
            InputError: no worker owns these resources.
        """
        owned = [worker["resources"] for worker in self.workers().values()]
        if not any(all(each.get(name, 0) >= amount for name, amount in resources.items()) for each in owned):
            known = ", ".join(sorted({name for each in owned for name in each})) or "nothing"
            wanted = " ".join(f"{name}={amount:g}" for name, amount in resources.items())
            raise InputError(
                f"no worker of {self.address} owns {' and '.join(resources)}; they own {known}. Start one beside it: "
                f"`dask worker {self.address} --nthreads 1 --resources '{wanted}'`"
            )
        future = self._client.submit(kind, self._terms, *arguments, actor=True, resources=dict(resources), pure=False)
        try:
            actor = self._result(future)
        except _Lost as error:
            raise ClusterError(f"the scheduler at {self.address} went away") from error
        return ActorCall(actor, future)

    def call_actor(self, actor: ActorCall, method: str, *arguments: object) -> Any:
        """Call a method of an object on a worker, and wait for what it returns or raises.

        Raises:
            ClusterError: the worker went away, and the object with it.
        """
        answer = None
        while True:
            try:
                answer = answer or getattr(actor.proxy, method)(*arguments)
                return answer.result(timeout=POLL_S)
            except TimeoutError:
                gone = self._client.status != "running" or actor.future.status != "finished"
                if not gone:
                    continue
            except (OSError, RuntimeError, ValueError) as error:
                if not _is_loss(error):
                    raise
            raise ClusterError("the worker that owns it went away; start it again, and the command with --resume")

    def workers(self) -> dict[str, Any]:
        """Return what the scheduler knows of its workers, by address.

        Raises:
            _Lost: it does not answer.
        """
        if self._client.status != "running":
            raise _Lost
        try:
            found: dict[str, Any] = self._client.scheduler_info(n_workers=-1)["workers"]
        except (OSError, ValueError) as error:
            raise _Lost from error
        return found

    def _round(
        self, function: Callable[..., R], waiting: Mapping[int, tuple[Any, ...]], resources: Mapping[str, float] | None
    ) -> Iterator[tuple[int, R]]:
        """Submit what is waiting, a few calls ahead of what arrives, and yield each result."""
        ended: queue.SimpleQueue[int] = queue.SimpleQueue()
        futures: dict[int, Any] = {}
        left = iter(list(waiting.items()))
        try:
            while True:
                for index, call in itertools.islice(left, max(self._wanted() - len(futures), 0)):
                    futures[index] = self._client.submit(
                        remote.run, self._terms, function, *call, pure=False, resources=resources and dict(resources)
                    )
                    futures[index].add_done_callback(partial(_note, ended, index))
                if not futures:
                    return
                index = self._next(ended)
                yield index, self._result(futures.pop(index))
        finally:
            if futures and self._client.status == "running":
                self._client.cancel(list(futures.values()))

    def _wanted(self) -> int:
        """Return how many calls are to be there at once: more would be finished there and lost with their worker."""
        now = time.monotonic()
        if now - self._counted_at > POLL_S:
            self._counted_at = now
            self._num_threads = sum(worker["nthreads"] for worker in self.workers().values())
        return AHEAD * max(self._num_threads, 1)

    def _next(self, ended: queue.SimpleQueue[int]) -> int:
        """Wait for a future to end, and watch that there is somebody who could end it."""
        while True:
            try:
                return ended.get(timeout=POLL_S)
            except queue.Empty:
                self._watch()

    def _watch(self) -> None:
        """Check that the scheduler answers and that it has, or lately had, a worker."""
        if self.workers():
            self._alone_since = None
            return
        now = time.monotonic()
        self._alone_since = self._alone_since or now
        if now - self._alone_since > PATIENCE_S:
            raise ClusterError(
                f"the scheduler at {self.address} has had no worker for {PATIENCE_S:g} s; start one with "
                f"`dask worker {self.address} --nthreads 1`. {_KEPT}"
            )

    def _result(self, future: Any) -> Any:
        """Fetch a result, or raise what the call raised."""
        while True:
            if future.status in ("cancelled", "lost"):
                raise _Lost
            try:
                return future.result(timeout=POLL_S)
            except TimeoutError:  # the worker that holds it went away: it is computed again
                self._watch()
            except BaseException as error:
                _explain(error)
                raise


def _note(ended: queue.SimpleQueue[int], index: int, future: Any) -> None:
    ended.put(index)


def _is_loss(error: OSError | RuntimeError | ValueError) -> bool:
    """Return whether an error is Dask's, of a connection or a worker that is gone, and not one that a call raised."""
    from distributed.comm.core import CommClosedError

    said = ("Worker holding Actor was lost", "Unable to contact Actor's worker")
    return isinstance(error, CommClosedError) or str(error).startswith(said)


def _explain(error: BaseException) -> None:
    """Raise an error of the kit for what Dask raises itself; return where the call raised it."""
    from concurrent.futures import CancelledError

    from distributed.comm.core import CommClosedError
    from distributed.scheduler import KilledWorker

    if isinstance(error, CancelledError | CommClosedError):
        raise _Lost from error
    if isinstance(error, KilledWorker):
        raise ClusterError(
            f"one call ended {error.allowed_failures + 1} workers, one after another, and is not tried again: it may "
            f"need more memory than they have; the last was {error.last_worker.address}. What was finished is kept"
        ) from error
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ModuleNotFoundError):
        cause = cause.__cause__
    if cause is not None:
        raise InputError(
            f"the scheduler or a worker has no module {cause.name!r}: install it there, or start both with the folder "
            "where it lies in PYTHONPATH"
        ) from error


def _connect(address: str, patience_s: float) -> Any:
    """Return Dask's client; what it logs about connections is said by our own errors.

    Raises:
        InputError, ClusterError: as in `open_workers`.
    """
    try:
        from distributed import Client
    except ModuleNotFoundError as error:
        raise InputError("--cluster needs Dask: pip install 'moga-kit[cluster]'") from error
    for name in ("asyncio", "distributed", "distributed.client", "distributed.comm", "distributed.core"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    until = time.monotonic() + patience_s
    while True:
        try:
            client: Any = Client  # Dask has no types for it
            return client(address, timeout=CONNECT_S)  # the default client: an actor's proxy looks for it
        except OSError as error:
            if time.monotonic() >= until:
                raise ClusterError(
                    f"no scheduler answers at {address} ({error}); start one with `dask scheduler`. {_KEPT}"
                ) from error
            time.sleep(POLL_S)
