"""An accuracy function and a latency of your own in one search, beside a table that was measured.

From the command line, in this folder:
`moga search --space digits --table RUN --accuracy own_accuracy_and_latency:accuracy -o FRONT`.
"""

from pathlib import Path

import mogakit as mk

FOLDER = Path("example-runs")


def accuracy(network: mk.Network) -> float | None:
    """Return what stands for accuracy here: larger kernels late in the network, nothing else.

    A real one trains or reads a table. None means that the network has no accuracy; it then counts as infeasible.
    """
    late = network.blocks[len(network.blocks) // 2 : -1]
    return sum(block.kernel for block in late) / len(late)


class MemoryBound:
    """A latency of your own: what a chip takes that is limited by reading weights, at 1.6 GB/s.

    With `slot_costs(space)`, too, the latency would add up over slots and the exact front would be known.
    """

    name = "memory-bound"
    described = "4 bytes a parameter at 1.6 GB/s"

    def latency_ms(self, network: mk.Network) -> float | None:
        """Return milliseconds; None where the hardware cannot run the network."""
        return 4 * mk.count_params(network) / 1.6e9 * 1e3


def main() -> None:
    run = mk.profile_space("digits", FOLDER / "digits", quick=True, resume=True)
    plan = mk.Plan(
        space="digits",
        tables=[run, MemoryBound()],  # one a hardware: their normalised mean is f_avg
        reference="digits/0-0-0-0-0-0",
        accuracy=accuracy,
        objectives=["accuracy", "f_avg"],
        settings={"population": 20, "generations": 10},
    )
    result = mk.run_search(plan, FOLDER / "two-latencies", resume=True)
    print(result)
    for row in result.to_pandas().sort_values("f_avg").head().itertuples():
        measured = mk.predict(row.network, run).latency_ms
        print(f"{row.network}: {row.accuracy:.2f}, f_avg {row.f_avg:.3f}, {measured:.4f} ms on this computer")


if __name__ == "__main__":
    main()
