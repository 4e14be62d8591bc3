"""Whether the hardware that was asked for really ran the graph, read from what a tool logged.

`benchmark_model` runs on the CPU and exits with 0 when its delegate could not be created, or took nothing or a part.
Four kinds of line say what happened, and the worst of them counts::

    Explicitly applied GPU delegate, and the model graph will be completely executed by the delegate.
    Explicitly applied NNAPI delegate, and the model graph will be partially executed by the delegate w/ 44 ...
    Though NNAPI delegate is explicitly applied, the model graph will not be executed by the delegate.
    VERBOSE: Replacing 31 out of 31 node(s) with delegate (TfLiteGpuDelegateV2) node, yielding 1 partitions ...

None of them means that there was no delegate.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from mogakit.android_runner.parsers.common import bare_lines
from mogakit.android_runner.parsers.mace_run import messages
from mogakit.bench.measurement import Delegation, DelegationKind

_APPLIED = r"(?:Explicitly a|A)pplied {label} delegate, and the model graph will be (completely|partially) executed"
_KERNELS = re.compile(r"w/ (\d+) delegate kernels")
_IGNORED = r"Though {label} delegate is explicitly applied, the model graph will not be executed by the delegate"
_REPLACED = r"Replacing (\d+)(?: out of (\d+))? node\(s\) with delegate \({node}\) node, yielding (\d+) partitions(.*)"
_ANY_REPLACED = re.compile(r"Replacing (\d+)(?: out of (\d+))? node\(s\) with delegate \((\w+)\) node")
_ORT_COUNTED = re.compile(r"number of nodes in the graph: (\d+),? number of nodes supported by \w+: (\d+)")
_COUNTED = r"{node} delegate: (\d+) nodes delegated out of (\d+) nodes with (\d+) partitions"
_GPU_OPERATIONS = re.compile(
    r"(\d+) operations will run on the GPU, and the remaining (\d+) operations will run on the CPU"
)
_BACKEND = re.compile(r"Initialized (OpenCL|OpenGL)-based API")
_UNDONE = re.compile(r"Restored original execution plan after delegate application failure|\) failed to prepare\.")
_ACCELERATORS = re.compile(r"NNAPI accelerators available: \[([^\]]*)\]")
_UNCONSUMED = re.compile(r"Unconsumed cmdline flags:(.*)")
_REASONS = re.compile(
    "|".join(
        (
            r"acceleration is unsupported on this platform",
            r"Could not create \w+ delegate",
            r"Failed to load libhexagon",
            r"Hexagon Delegate is not supported",
            r"Unable to load external delegate",
            r"Can not open OpenCL library",
            r"Following operations are not supported by GPU delegate",
            r"No operations will run on the GPU",
            r"No shader implementation",
            r"delegate is not initialized",
            r"Failed to apply \w+ delegate",
            r"Disallowed CPU fallback",
            r"ANEURALNETWORKS_\w+",
            r"only supports static-sized tensors",
            r"will not be executed by the delegate",
        )
    )
)
_SEVERITY = (DelegationKind.NONE, DelegationKind.PARTIAL, DelegationKind.UNKNOWN, DelegationKind.FULL)  # worst first


@dataclass(frozen=True)
class Delegate:
    """How a delegate is called in the logs: `label` by the tool, `node` by the runtime."""

    label: str
    node: str


XNNPACK = Delegate("XNNPACK", "TfLiteXNNPackDelegate")
GPU = Delegate("GPU", "TfLiteGpuDelegateV2")
NNAPI = Delegate("NNAPI", "TfLiteNnapiDelegate")
HEXAGON = Delegate("Hexagon", "TfLiteHexagonDelegate")
QNN = Delegate("EXTERNAL", "TfLiteQnnDelegate")


def tflite_verdict(text: str, delegate: Delegate) -> Delegation:
    """Return how much of the graph `delegate` took in a run of the classic `benchmark_model`."""
    joined = "\n".join(bare_lines(text))
    nodes = _nodes(joined, delegate)
    label = re.escape(delegate.label)
    kinds = [
        DelegationKind.FULL if match.group(1).lower() == "completely" else DelegationKind.PARTIAL
        for match in re.finditer(_APPLIED.format(label=label), joined, re.IGNORECASE)
    ]
    if re.search(_IGNORED.format(label=label), joined, re.IGNORECASE) or _UNDONE.search(joined):
        kinds.append(DelegationKind.NONE)
    if nodes is not None:
        kinds.append(_kind_of(nodes))
    kind = min(kinds, key=_SEVERITY.index, default=DelegationKind.NONE)
    if DelegationKind.FULL in kinds and kind is DelegationKind.UNKNOWN:
        kind = DelegationKind.FULL  # a node count without a total adds nothing to the tool's own word
    taken, total, partitions = nodes or (None, None, None)
    kernels = _KERNELS.search(joined)
    if partitions is None and kernels:
        partitions = int(kernels.group(1))
    backends = _BACKEND.findall(joined)
    backend = None if kind is DelegationKind.NONE else backends[-1] if backends else delegate.label
    found = Delegation(
        kind=kind,
        nodes_delegated=taken,
        nodes_total=total,
        num_partitions=partitions,
        backend=backend,
        reason=_reason(joined, delegate, kind),
    )
    return _overruled(found, joined, own=delegate)


def strict_verdict(text: str, hardware: str, ended_well: bool = True) -> Delegation:
    """Judge a run of a tool that was asked to fail unless the whole graph was taken, and prints no word about it.

    That it ended well means `full`, unless its log counts nodes that something else took. Of a run that failed nothing
    is known.
    """
    backends = _BACKEND.findall(text)
    found = Delegation(
        kind=DelegationKind.FULL,
        backend=backends[-1] if backends else hardware.upper(),
        reason="the tool was asked to fail unless the whole graph is delegated, and did not",
    )
    if not ended_well:
        said = _reason(text, None, DelegationKind.UNKNOWN) or "the run failed before it was known what took the graph"
        return Delegation(kind=DelegationKind.UNKNOWN, reason=said)
    return _overruled(found, "\n".join(bare_lines(text)), own=None)


def mace_verdict(text: str, hardware: str) -> Delegation:
    """Say where `mace_run` ran a graph: `hardware` is `cpu` or `gpu`."""
    found = messages(text)
    if hardware == "cpu":
        return Delegation(kind=DelegationKind.NOT_ASKED, backend="CPU")
    runtimes = [line for line in found if line.startswith("runtimes:")]
    devices = [line for line in found if line.startswith("device:")]  # up to 1.0.4, which has no `runtimes:`
    fallen = [line for line in found if "fall back to CPU" in line]
    if not any(hardware.upper() in line for line in (runtimes or devices)):
        said = (runtimes or devices or ["no line says where it ran"])[-1]
        return Delegation(kind=DelegationKind.NONE, backend="CPU", reason=said)
    if fallen:
        reason = f"{len(fallen)} operator(s) fell back to the CPU, first: {fallen[0]}"
        return Delegation(kind=DelegationKind.PARTIAL, backend="OpenCL", reason=reason)
    return Delegation(kind=DelegationKind.FULL, backend="OpenCL")


def accelerators(text: str) -> tuple[str, ...] | None:
    """Return the NNAPI accelerators that a log lists, or None where it lists none at all."""
    match = _ACCELERATORS.search(text)
    return None if match is None else tuple(name.strip() for name in match.group(1).split(",") if name.strip())


def ignored_flags(text: str) -> str:
    """Return the flags that the tool only warned about and did not apply, or ""."""
    return " ".join(match.group(1).strip() for match in _UNCONSUMED.finditer(text))


def _nodes(text: str, delegate: Delegate) -> tuple[int, int | None, int] | None:
    """Return (nodes taken, nodes in all, partitions) over the subgraphs, or None where no line counts them."""
    node = re.escape(delegate.node)
    seen: dict[str, tuple[int, int | None, int]] = {}
    for match in re.finditer(_REPLACED.format(node=node), text):
        total = None if match.group(2) is None else int(match.group(2))
        seen[match.group(4)] = (int(match.group(1)), total, int(match.group(3)))  # a line repeated counts once
    if seen:
        totals = [total for _, total, _ in seen.values()]
        known = [total for total in totals if total is not None]
        return (
            sum(taken for taken, _, _ in seen.values()),
            sum(known) if len(known) == len(totals) else None,
            sum(partitions for _, _, partitions in seen.values()),
        )
    counted = re.search(_COUNTED.format(node=node), text)
    if counted:
        return int(counted.group(1)), int(counted.group(2)), int(counted.group(3))
    split = _GPU_OPERATIONS.search(text) if delegate is GPU else None
    if split and int(split.group(2)):
        taken, left = int(split.group(1)), int(split.group(2))
        return taken, taken + left, 1
    return None


def _overruled(found: Delegation, text: str, own: Delegate | None) -> Delegation:
    """Return a verdict of `full` corrected by lines that give nodes of the graph to something else.

    Args:
        own: the delegate whose lines speak for the target; None for a strict tool, which has none.
    """
    if found.kind is not DelegationKind.FULL:
        return found
    for name, taken, total in _taken_by_others(text, own):
        left = None if total is None else max(0, total - taken)
        kind = DelegationKind.NONE if left == 0 and found.nodes_delegated is None else DelegationKind.PARTIAL
        of = "" if total is None else f" of {total}"
        return replace(
            found,
            kind=kind,
            nodes_delegated=left if found.nodes_delegated is None else found.nodes_delegated,
            nodes_total=total if found.nodes_total is None else found.nodes_total,
            backend=None if kind is DelegationKind.NONE else found.backend,
            reason=f"the log gives {taken}{of} nodes to {name}",
        )
    return found


def _taken_by_others(text: str, own: Delegate | None) -> Iterator[tuple[str, int, int | None]]:
    """Yield (what took nodes, how many, of how many) for lines that are not of the target's own delegate."""
    for match in _ANY_REPLACED.finditer(text):
        total = None if match.group(2) is None else int(match.group(2))
        of_cpu = match.group(3) == XNNPACK.node
        if int(match.group(1)) and (match.group(3) != own.node if own else of_cpu):
            yield match.group(3), int(match.group(1)), total
    for match in _ORT_COUNTED.finditer(text):
        total, taken = int(match.group(1)), int(match.group(2))
        if taken < total:
            yield "the CPU", total - taken, total


def _kind_of(nodes: tuple[int, int | None, int]) -> DelegationKind:
    taken, total, _ = nodes
    if taken == 0:
        return DelegationKind.NONE
    if total is None:
        return DelegationKind.UNKNOWN
    return DelegationKind.FULL if taken >= total else DelegationKind.PARTIAL


def _reason(text: str, delegate: Delegate | None, kind: DelegationKind) -> str | None:
    """Return the first line that says why the graph was not, or not as hoped, delegated."""
    said = [line.strip() for line in text.split("\n") if _REASONS.search(line)]
    if said:
        return said[0][:300]
    if kind is DelegationKind.NONE and delegate is not None:
        return f"no line of the output says that the {delegate.label} delegate was applied"
    return None
