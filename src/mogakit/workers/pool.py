"""`Workers`: runs many calls of one function and yields each result as it arrives; `LocalWorkers` on this computer."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import joblib

R = TypeVar("R")


class Workers(Protocol):
    """Something that runs calls, here or elsewhere."""

    def run(self, function: Callable[..., R], calls: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, R]]:
        """Run `function(*call)` for every call and yield (index of the call, result), each as soon as it is known.

        The function, its arguments and its result must be picklable where other processes run them. Leaving the
        iterator early cancels what has not started.

        Raises:
            ClusterError: there is nobody left who could run them; what was yielded before stands.
        """


@dataclass(frozen=True)
class LocalWorkers:
    """Processes of this computer; with `num_jobs` of 1 the process itself.

    The backend is the one set by `joblib.parallel_config`, so that a program may choose another.
    """

    num_jobs: int = 1

    def run(self, function: Callable[..., R], calls: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, R]]:
        """Run the calls; see `Workers`."""
        if self.num_jobs == 1:
            yield from ((index, function(*call)) for index, call in enumerate(calls))
        elif calls:
            run = joblib.Parallel(n_jobs=self.num_jobs, return_as="generator_unordered")
            yield from run(joblib.delayed(_numbered)(index, function, call) for index, call in enumerate(calls))


def _numbered(index: int, function: Callable[..., R], call: tuple[Any, ...]) -> tuple[int, R]:
    return index, function(*call)
