"""The command line of every tool, and how its output is read: one driver a tool.

A driver knows flags and files; it does not know phones. Paths are those on the phone.
"""

import math
import re
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from mogakit.android_runner import delegation, snpe_tools
from mogakit.android_runner.deploy import ROOT
from mogakit.android_runner.detached import Finished
from mogakit.android_runner.parsers import benchmark_model, mace_run, onnxruntime
from mogakit.android_runner.parsers.common import Timing, tail
from mogakit.android_runner.quoting import assignments, command_line, quote
from mogakit.android_runner.targets import Proof, TargetRow, ToolKind, own_tool
from mogakit.android_runner.tools import Probe
from mogakit.android_runner.userland import MODERN, Userland
from mogakit.bench.measurement import Delegation, DelegationKind
from mogakit.bench.target import Hardware, Target
from mogakit.errors import MeasurementError
from mogakit.export.artifact import Artifact, TensorSpec
from mogakit.export.mace import naming
from mogakit.export.mace.netdef import Generation, RuntimeType

_MACE_CACHE = f"{ROOT}/mace"  # compiled OpenCL kernels: kept, or every process would compile for up to half a minute
_ELEMENT_BYTES = {"float32": 4, "float16": 2, "int32": 4, "int64": 8, "int8": 1, "uint8": 1}


@dataclass(frozen=True, kw_only=True)
class RunLength:
    """How long one process measures: at least `num_runs` inferences and `min_s`, at most about `max_s`."""

    num_runs: int = 50
    min_s: float = 1.0
    max_s: float = 20.0
    warmup_runs: int = 1
    warmup_min_s: float = 0.5

    @property
    def expected_s(self) -> float:
        """Return about how long a process takes that computes quickly."""
        return self.warmup_min_s + self.min_s + 0.1

    @property
    def deadline_s(self) -> float:
        """Return after how long a process is taken for one that never ends: both phases, and a minute of loading."""
        return 2.0 * self.max_s + 60.0


TRIAL_RUNS = 3
_SPARE = 1.1  # so many more inferences than the trial's speed asks for: clocks rise while a run lasts


def rounds_for(length: RunLength, inference_ms: float) -> int:
    """Return how many inferences of this time hold to `length`, the warm-up of a tool that has none included."""
    wanted = math.ceil(_SPARE * (length.min_s + length.warmup_min_s) * 1000.0 / inference_ms)
    most = max(1, math.floor(max(length.max_s, length.min_s) * 1000.0 / inference_ms))
    return min(max(length.num_runs, wanted), max(most, math.ceil(_SPARE * length.min_s * 1000.0 / inference_ms)))


QUICK = RunLength(num_runs=10, min_s=0.2, max_s=10.0, warmup_runs=1, warmup_min_s=0.1)


@dataclass(frozen=True, kw_only=True)
class Call:
    """One run of a tool, ready to be written as a command line.

    Attributes:
        tool: path of the binary on the phone.
        libs: folder on the phone with the libraries that the target needs, or the tool's own.
        model: paths on the phone of the artifact's files by their names here.
        taskset: hexadecimal mask of the cores, empty for no pinning.
        trial: a few inferences, by which the number of those that are timed is found; its time counts for nothing.
    """

    tool: str
    libs: str
    target: Target
    row: TargetRow
    artifact: Artifact
    model: Mapping[str, str]
    length: RunLength
    probe: Probe
    taskset: str = ""
    trial: bool = False
    userland: Userland = MODERN

    @property
    def main(self) -> str:
        """Return the path of the artifact's main file on the phone."""
        return self.model[self.artifact.path.name]


@dataclass(frozen=True, kw_only=True)
class Driver:
    """How one tool is called and read.

    Attributes:
        arguments: what stands behind the tool's path, before the row's flags.
        last: what stands behind them.
        parse: an ended run to numbers.
        prelude: shell text that prepares the folder in which the tool runs.
        questions: what is asked on the phone, in that folder, once the tool has ended; shell text by name.
        check: rejects, before anything is measured, a file of which the tool must know more than the target says.
        profile: further arguments of a profiled run, or None where the tool prints no operators.
        counts_rounds: the tool knows a number of inferences and no seconds, so that how many last long enough is found
            by a trial.
    """

    arguments: Callable[[Call], list[str]]
    parse: Callable[[Finished, Call], Timing]
    last: Callable[[Call], list[str]] = lambda call: []
    prelude: Callable[[Call], str] = lambda call: ""
    questions: Mapping[str, str] = field(default_factory=dict)
    check: Callable[[Artifact, Target], object] = lambda artifact, target: None
    profile: tuple[str, ...] | None = None
    counts_rounds: bool = False


def driver_of(tool: str) -> Driver:
    """Return how a tool is called and read; it may be a user's own.

    Raises:
        MeasurementError: no target that the kit knows has a driver for it.
    """
    if tool in DRIVERS:
        return DRIVERS[ToolKind(tool)]
    own = own_tool(tool)
    if own is None or own.driver is None:
        raise MeasurementError(f"tool {tool!r} has no driver; give its OwnTarget one (mogakit.android_runner.own)")
    driver: Driver = own.driver
    return driver


def files_of(artifact: Artifact, row: TargetRow, probe: Probe) -> list[Path]:
    """Return the files of an artifact that a target needs, the main one first.

    MACE has a `.pb` for each runtime and container generation beside one `.data`; other formats have one file.
    """
    if row.tool is not ToolKind.MACE_RUN:
        beside = [artifact.path.parent / name for name in artifact.companions or {}]
        return [artifact.path, *(path for path in beside if path != artifact.path)]
    runtime = RuntimeType.GPU if row.hardware is Hardware.GPU else RuntimeType.CPU
    generation = Generation.NET if probe.old_containers else Generation.MULTI
    named = any(artifact.path.name.endswith(suffix) for suffix in naming.PB_SUFFIXES.values())
    main = naming.sibling(artifact.path, generation, runtime) if named else artifact.path
    return [main, naming.data_of(artifact.path)]


def shell_command(call: Call, profiled: bool = False, further: Sequence[str] = ()) -> str:
    """Return the quoted command line of a run; flags of options that the target does not name are left out.

    Args:
        further: arguments besides the driver's and the row's.

    Raises:
        MeasurementError: the tool's `--help` does not know a flag, or the tool prints no operators.
    """
    driver = driver_of(call.row.tool)
    arguments = [*driver.arguments(call), *_row_flags(call), *further]
    if profiled:
        if driver.profile is None:
            raise MeasurementError(f"{call.row.tool} prints no times of single operators")
        arguments += driver.profile
    arguments += driver.last(call)
    _check_flags(call, arguments)
    words = [*(("taskset", call.taskset) if call.taskset else ()), call.tool, *arguments]
    environment = {"LD_LIBRARY_PATH": call.libs, **{name: _fill(text, call) for name, text in call.row.environment}}
    if call.row.tool is ToolKind.MACE_RUN:
        environment |= {"MACE_INTERNAL_STORAGE_PATH": _MACE_CACHE, "MACE_CPP_MIN_VLOG_LEVEL": "0"}
    return call.userland.with_environment(assignments(environment), command_line(words))


def read_output(call: Call, run: Finished) -> tuple[Timing, Delegation]:
    """Read what a run printed, or wrote.

    Raises:
        ParseError: the output does not hold what it must.
        MeasurementError: the tool failed, or ignored a flag.
        ToolMissing: what reads the tool's log on this computer is not registered.
    """
    tool, text, exit_code = call.row.tool, run.output, run.exit_code
    ignored = delegation.ignored_flags(text)
    if ignored:
        raise MeasurementError(
            f"this build of {tool} does not know {ignored} and ignored it; register a newer build (moga tools add PATH)"
        )
    if exit_code != 0:
        verdict = verdict_of(call, text, ended_well=False)
        why = f" ({verdict.reason})" if verdict.reason and verdict.kind is DelegationKind.NONE else ""
        how = "was ended by signal" if exit_code is not None and exit_code > 128 else "failed with exit code"
        number = exit_code - 128 if exit_code is not None and exit_code > 128 else exit_code
        raise MeasurementError(f"{tool} {how} {number}{why}. The output ended with:\n{tail(text)}")
    return driver_of(tool).parse(run, call), verdict_of(call, text)


def verdict_of(call: Call, text: str, ended_well: bool = True) -> Delegation:
    """Return how much of the graph the target's hardware took; `ended_well` is False for a run that gave no time."""
    row = call.row
    if row.tool is ToolKind.MACE_RUN:
        return delegation.mace_verdict(text, row.hardware.value)
    if row.proof is Proof.NONE_NEEDED:
        return Delegation(kind=DelegationKind.NOT_ASKED, backend="CPU")
    if row.proof is Proof.STRICT:
        return delegation.strict_verdict(text, row.hardware.value, ended_well)
    if row.delegate is None:
        return Delegation(kind=DelegationKind.UNKNOWN, reason="the target's row names no delegate to look for")
    verdict = delegation.tflite_verdict(text, row.delegate)
    wanted = {"cl": "OpenCL", "gl": "OpenGL"}.get(call.target.option("backend", ""))
    if wanted and verdict.kind is not DelegationKind.NONE and verdict.backend != wanted:
        reason = f"{wanted} was asked for and {verdict.backend or 'another interface'} was used"
        return replace(verdict, kind=DelegationKind.NONE, reason=reason)
    named = call.target.option("accelerator", "google-edgetpu" if row.hardware is Hardware.EDGETPU else "")
    listed = delegation.accelerators(text)
    if named and listed is not None and named not in listed:
        reason = f"NNAPI lists {', '.join(listed) or 'nothing'} on this phone, not {named}"
        return replace(verdict, kind=DelegationKind.NONE, reason=reason)
    return verdict


def _row_flags(call: Call) -> list[str]:
    """Return the row's flags with options filled in; a flag is left out where its option is absent."""
    flags = (*call.row.flags_always, *call.row.flags.get(call.target.precision, ()))
    absent = {"accelerator", "backend", "delegate"} - set(dict(call.target.options))
    return [_fill(flag, call) for flag in flags if not _fields(flag) & absent]


def _fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def _fill(text: str, call: Call) -> str:
    options = dict(call.target.options)
    values = {
        "threads": str(call.target.num_threads),
        "libs": call.libs,
        "accelerator": options.get("accelerator", ""),
        "backend": options.get("backend", ""),
    }
    return text.format_map(values)


def _check_flags(call: Call, arguments: list[str]) -> None:
    """Raise for a build whose help lists flags and not one of ours: old builds only warn and go on."""
    if not call.probe.flags or call.row.tool not in (ToolKind.BENCHMARK_MODEL, ToolKind.BENCHMARK_LITERT):
        return
    unknown = [word for word in arguments if word.startswith("--") and word[2:].split("=")[0] not in call.probe.flags]
    if unknown:
        raise MeasurementError(
            f"this build of {call.row.tool} does not know {' '.join(unknown)}; register a newer build (moga tools add "
            f"PATH), or measure {call.target.runtime}/{call.target.hardware} in another way"
        )


def _benchmark_arguments(call: Call) -> list[str]:
    length = call.length
    return [
        f"--graph={call.main}",
        f"--num_runs={length.num_runs}",
        f"--min_secs={length.min_s:g}",
        f"--max_secs={length.max_s:g}",
        f"--warmup_runs={length.warmup_runs}",
        f"--warmup_min_secs={length.warmup_min_s:g}",
    ]


def _mace_arguments(call: Call) -> list[str]:
    inputs, outputs = call.artifact.inputs, call.artifact.outputs
    files = list(call.model.values())
    device = ["--device=GPU" if call.row.hardware is Hardware.GPU else "--device=CPU"]
    return [
        "--model_name=net",
        f"--model_file={files[0]}",
        f"--model_data_file={files[1]}",
        f"--input_node={','.join(spec.name for spec in inputs)}",
        f"--input_shape={_shapes(inputs)}",
        f"--input_data_format={','.join('NHWC' for _ in inputs)}",
        f"--output_node={','.join(spec.name for spec in outputs)}",
        f"--output_shape={_shapes(outputs)}",
        f"--output_data_format={','.join('NHWC' for _ in outputs)}",
        "--input_file=in",
        "--output_file=out_tensor",
        f"--round={call.length.num_runs}",
        f"--restart_round={_mace_starts(call)}",
        *(device if call.probe.old_containers else []),
    ]


def _mace_starts(call: Call) -> int:
    """Return how often the engine is started: it prints means only, so all of a first start are its warm-up."""
    return 2 if call.length.warmup_min_s > 0.0 and not call.trial else 1


def _mace_prelude(call: Call) -> str:
    """Make the input files, which must be there and are named after nodes, and the folder for compiled kernels."""
    made = [f"mkdir -p {_MACE_CACHE}"]
    for spec in call.artifact.inputs:
        size = math.prod(spec.shape) * _ELEMENT_BYTES.get(spec.dtype, 4)
        made.append(call.userland.zeros(size, quote("in_" + re.sub(r"[^0-9A-Za-z]", "_", spec.name))))
    return " && ".join(made)


def _shapes(specs: tuple[TensorSpec, ...]) -> str:
    return ":".join(",".join(map(str, spec.shape)) for spec in specs)


def _ort_arguments(call: Call) -> list[str]:
    return ["-m", "times", "-r", str(call.length.num_runs), "-I", "-s"]


DRIVERS: dict[ToolKind, Driver] = {
    ToolKind.BENCHMARK_MODEL: Driver(
        arguments=_benchmark_arguments,
        parse=lambda run, call: benchmark_model.parse_classic(run.output),
        profile=("--enable_op_profiling=true",),
    ),
    ToolKind.BENCHMARK_LITERT: Driver(
        arguments=_benchmark_arguments, parse=lambda run, call: benchmark_model.parse_litert(run.output)
    ),
    ToolKind.MACE_RUN: Driver(
        arguments=_mace_arguments,
        parse=lambda run, call: mace_run.parse(run.output, num_warmups=_mace_starts(call) - 1),
        prelude=_mace_prelude,
        profile=("--benchmark=true",),
        counts_rounds=True,
    ),
    ToolKind.ORT_PERF_TEST: Driver(
        arguments=_ort_arguments,
        parse=lambda run, call: onnxruntime.parse(run.output),
        last=lambda call: [call.main],
        counts_rounds=True,
    ),
    ToolKind.SNPE_THROUGHPUT: Driver(
        arguments=lambda call: snpe_tools.throughput_arguments(call.main, call.length.min_s),
        parse=lambda run, call: snpe_tools.read_throughput(run.output, call.length.min_s),
    ),
    ToolKind.SNPE_NET_RUN: Driver(
        arguments=lambda call: snpe_tools.net_run_arguments(call.main),
        parse=lambda run, call: snpe_tools.read_net_run(run.output, run.answers, call.length.num_runs),
        prelude=lambda call: snpe_tools.net_run_prelude(
            call.artifact, call.target, call.length.num_runs, call.userland
        ),
        questions=snpe_tools.NET_RUN_QUESTIONS,
        check=snpe_tools.input_bytes,
        counts_rounds=True,
    ),
}
