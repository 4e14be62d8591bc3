"""A made-up device whose truth is known: additive block costs, an overhead per run, processes of different speed."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from mogakit.bench.measurement import (
    Clock,
    Conditions,
    Delegation,
    DelegationKind,
    Identity,
    Measurement,
    Status,
    Summary,
)
from mogakit.bench.target import parse_target
from mogakit.export.artifact import Role
from mogakit.nets.network import Network, count_madds
from mogakit.nets.spaces import SlotSpace, get_space

TARGET = parse_target("tflite/cpu/float32")
IDENTITY = Identity(
    device="cpu-model/8/6.1/abcd",
    device_name="a computer",
    driver="",
    runtime="ai-edge-litert 2.3.0",
    tool_sha256="",
    flags=("clock=thread-cpu", "threads=1"),
    affinity="",
    export_version="1",
)


@dataclass(frozen=True)
class Device:
    """Truth: a block costs its multiply-adds, a run costs `overhead_ms` once; cold calls cost `cold` times as much."""

    overhead_ms: float = 0.0
    noise: float = 0.01
    speed_sd: float = 0.0
    cold: float = 1.0
    ms_per_madd: float = 1e-7

    def block_ms(self, block: object) -> float:
        """Return what a block adds to a network."""
        return 0.02 + self.ms_per_madd * count_madds(block)  # type: ignore[arg-type]

    def network_ms(self, network: Network) -> float:
        """Return what a network costs."""
        return self.overhead_ms + sum(self.block_ms(block) for block in network.blocks)

    def measure(
        self,
        files: Sequence[tuple[str, Role, float]],
        rounds: int = 3,
        count: int = 20,
        seed: int = 0,
        summaries: bool = False,
        target: str = "tflite/cpu/float32",
        status: Status = Status.OK,
    ) -> list[Measurement]:
        """Time files given as (name, role, true time alone) in some rounds, one process each."""
        rng = np.random.default_rng(seed)
        taken = []
        for round_number in range(rounds):
            speed = float(np.exp(rng.normal(0, self.speed_sd)))
            for name, role, truth_ms in files:
                times = truth_ms * speed * np.exp(rng.normal(0, self.noise, count))
                cold = self.cold * truth_ms * speed * np.exp(rng.normal(0, self.noise, count))
                state = Conditions(at=f"2026-11-21T00:00:{round_number:02d}+00:00", temperature_c=40.0 + round_number)
                summary = Summary(
                    count=count,
                    mean_ms=float(times.mean()),
                    std_ms=float(times.std()),
                    min_ms=float(times.min()),
                    max_ms=float(times.max()),
                )
                taken.append(
                    Measurement(
                        artifact_name=name,
                        artifact_sha256=hashlib.sha256(name.encode()).hexdigest(),
                        role=role,
                        target=parse_target(target),
                        round=round_number,
                        window=0,
                        process=f"process-{round_number}",
                        clock=Clock.THREAD_CPU,
                        status=status,
                        delegation=Delegation(kind=DelegationKind.NOT_ASKED),
                        before=state,
                        after=state,
                        samples_ms=() if summaries else tuple(times),
                        cold_ms=() if summaries else tuple(cold),
                        summary=summary,
                        init_ms=1.0,
                        first_run_ms=2.0,
                    )
                )
        return taken


@pytest.fixture(scope="session")
def make_device() -> type[Device]:
    """Return the class of the made-up device (test modules cannot import this file)."""
    return Device


@pytest.fixture(scope="session")
def identity() -> Identity:
    """Return the identity of the made-up device."""
    return IDENTITY


@pytest.fixture(scope="session")
def space() -> SlotSpace:
    """Return the MoGA space."""
    found = get_space("moga")
    assert isinstance(found, SlotSpace)
    return found


FilesOf = Callable[[Device, int], list[tuple[str, Role, float]]]


@pytest.fixture(scope="session")
def files_of(space: SlotSpace) -> FilesOf:
    """Return a function that lists all files of a run on a device: blocks, fixed parts, chains, networks."""

    def files(device: Device, num_networks: int = 12) -> list[tuple[str, Role, float]]:
        alone = device.overhead_ms
        listed = [(block.key, Role.CHOICE, alone + device.block_ms(block)) for block in space.choice_blocks]
        listed += [(block.key, Role.FIXED, alone + device.block_ms(block)) for block in space.fixed_blocks]
        link = space.slots[4][0]
        listed += [
            (f"chain-{copies}x{link.key}", Role.CHAIN, alone + copies * device.block_ms(link))
            for copies in (1, 2, 4, 8)
        ]
        rng = np.random.default_rng(5)
        networks = [space.decode(space.sample(rng)) for _ in range(num_networks)]
        return listed + [(net.name, Role.NETWORK, device.network_ms(net)) for net in networks]

    return files
