"""Which target is run by which tool, with which flags: one row a target. Adding a target is adding a row.

Flags may hold `{threads}`, `{accelerator}`, `{backend}` (the target's options; a flag whose option is absent is left
out) and `{libs}` (the folder of the tool and its libraries on the phone).
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mogakit.android_runner.delegation import GPU, HEXAGON, NNAPI, QNN, XNNPACK, Delegate
from mogakit.bench.target import CPU_FILES, FORMATS, INTEGER_FILES, Hardware, Runtime, Target
from mogakit.errors import InputError
from mogakit.export.artifact import Format, Precision
from mogakit.plugins import Group, every

F32, F16, I8, U8 = Precision.FLOAT32, Precision.FLOAT16, Precision.INT8, Precision.UINT8


class ToolKind(StrEnum):
    """A measuring tool; the two `benchmark_model`s share a file name and nothing else."""

    BENCHMARK_MODEL = "benchmark_model"
    BENCHMARK_LITERT = "benchmark_model_litert"
    MACE_RUN = "mace_run"
    ORT_PERF_TEST = "onnxruntime_perf_test"
    SNPE_THROUGHPUT = "snpe-throughput-net-run"
    SNPE_NET_RUN = "snpe-net-run"


class HostTool(StrEnum):
    """A program of this computer that reads what a tool on a phone wrote."""

    SNPE_DIAGVIEW = "snpe-diagview"


class Proof(StrEnum):
    """What shows that the hardware ran the whole graph."""

    LOG = "log"  # the delegate's own lines
    STRICT = "strict"  # the tool was asked to fail rather than fall back
    NONE_NEEDED = "none needed"  # plain CPU kernels


@dataclass(frozen=True, kw_only=True)
class TargetRow:
    """How a family of targets is run.

    Attributes:
        files: precision of the target to the precisions of file that it may be given. A GPU computes a float32 file in
            half when it is asked to; an integer target takes no float file.
        tool: a `ToolKind`, or the name of a tool of a user's own (`android_runner.own`).
        when: options that the target must name with these very values (absent option: "").
        requires: options that the target must name, with any value.
        flags: by precision of the target; `flags_always` come first.
        libraries: files that the user registers beside the tool (`moga tools add`); a `*` stands for a version.
        with_library: where one of the first name is registered, those behind it are needed, too.
        reader: what reads the tool's log on this computer, registered in the same way.
    """

    runtime: Runtime
    hardware: Hardware
    files: dict[Precision, tuple[Precision, ...]]
    tool: str
    flags_always: tuple[str, ...] = ()
    flags: dict[Precision, tuple[str, ...]] = field(default_factory=dict)
    when: tuple[tuple[str, str], ...] = ()
    requires: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    delegate: Delegate | None = None
    proof: Proof = Proof.LOG
    libraries: tuple[str, ...] = ()
    with_library: tuple[tuple[str, tuple[str, ...]], ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    reader: HostTool | None = None
    note: str = ""

    @property
    def pinned(self) -> bool:
        """Return whether runs are pinned to one cluster: those whose time is the CPU's own."""
        return self.hardware is Hardware.CPU


_DEFAULTS = {"xnnpack": "on", "tool": "classic"}  # naming a default changes nothing
_SKEL_PATH = ("ADSP_LIBRARY_PATH", "{libs};/system/lib/rfsa/adsp;/system/vendor/lib/rfsa/adsp;/dsp")
_INT = INTEGER_FILES
_ON_CPU = CPU_FILES[Runtime.TFLITE]
_ANY_FLOAT = {F32: (F32,), F16: (F32, F16)}
_NNAPI_FLAGS = ("--use_nnapi=true", "--disable_nnapi_cpu=true")
_QNN_TEXT = "backend_type:{backend};library_path:{{libs}}/{library};skel_library_dir:{{libs}}{more}"


def _qnn(hardware: Hardware, files: dict[Precision, tuple[Precision, ...]], library: str, more: str = "") -> TargetRow:
    """Return a row of Qualcomm's external TFLite delegate."""
    options = _QNN_TEXT.format(backend=hardware.value, library=library, more=more)
    return TargetRow(
        runtime=Runtime.TFLITE,
        hardware=hardware,
        files=files,
        tool=ToolKind.BENCHMARK_MODEL,
        flags_always=(
            "--external_delegate_path={libs}/libQnnTFLiteDelegate.so",
            f"--external_delegate_options={options}",
            "--num_threads={threads}",
        ),
        when=(("delegate", "qnn"),),
        delegate=QNN,
        libraries=("libQnnTFLiteDelegate.so", library),
        environment=(_SKEL_PATH,),
        note="Qualcomm's QNN SDK holds the delegate, its backend and the skeleton library for the phone's DSP",
    )


_NPU_FLAGS = ("--use_npu=true", "--dispatch_library_path={libs}", "--compiler_plugin_library_path={libs}")
_QUALCOMM = ("libQnnHtp.so", "libQnnSystem.so", "libQnnHtpPrepare.so", "libQnnHtpV*Stub.so", "libQnnHtpV*Skel.so")


def _litert(hardware: Hardware, files: dict[Precision, tuple[Precision, ...]], *flags: str, when: bool) -> TargetRow:
    """Return a row of the LiteRT (CompiledModel) tool; it says nothing about delegation, so it must be strict.

    A file that no vendor's compiler has seen yet is compiled on the phone, by the vendor's compiler plugin.
    """
    npu = hardware is Hardware.NPU
    return TargetRow(
        runtime=Runtime.TFLITE,
        hardware=hardware,
        files=files,
        tool=ToolKind.BENCHMARK_LITERT,
        flags_always=("--use_cpu=false", "--require_full_delegation=true", *flags),
        flags={F16: ("--gpu-precision=fp16",), F32: ("--gpu-precision=fp32",)} if hardware is Hardware.GPU else {},
        when=(("tool", "litert"),) if when else (),
        optional=("tool",),
        proof=Proof.STRICT,
        libraries=("libLiteRtDispatch*.so", "libLiteRtCompilerPlugin*.so") if npu else (),
        with_library=(("libLiteRtDispatch_Qualcomm.so", _QUALCOMM),) if npu else (),
        environment=(_SKEL_PATH,) if npu else (),
        note="LiteRT's NPU libraries and the vendor's SDK hold them" if npu else "",
    )


def _snpe(hardware: Hardware, files: dict[Precision, tuple[Precision, ...]], tool: ToolKind) -> TargetRow:
    """Return a row of one of SNPE's tools; fallback to the CPU is never enabled, so that either fails instead."""
    net_run = tool is ToolKind.SNPE_NET_RUN
    always = ("--perf_profile", "burst", *(("--profiling_level", "basic") if net_run else ()))
    return TargetRow(
        runtime=Runtime.SNPE,
        hardware=hardware,
        files=files,
        tool=tool,
        flags={precision: (*_snpe_runtime(hardware, precision, net_run), *always) for precision in files},
        when=(("tool", "net-run"),) if net_run else (),
        optional=("input",) if net_run else (),
        proof=Proof.STRICT,
        libraries=("libSNPE.so",),
        environment=(_SKEL_PATH,) if hardware is Hardware.DSP else (),
        reader=HostTool.SNPE_DIAGVIEW if net_run else None,
    )


def _snpe_runtime(hardware: Hardware, precision: Precision, net_run: bool) -> tuple[str, ...]:
    """Return how each tool names a runtime; `--use_gpu` alone stores in half precision and computes in float32."""
    if (hardware, precision) != (Hardware.GPU, F16):
        return (f"--use_{hardware}",)
    return ("--use_gpu", "--gpu_mode", "float16") if net_run else ("--use_gpu_fp16",)


_ORT_NO_REFERENCE = "NNAPI_FLAG_CPU_DISABLED"  # else NNAPI's own CPU code may run what no accelerator takes
ROWS: tuple[TargetRow, ...] = (
    TargetRow(
        runtime=Runtime.TFLITE,
        hardware=Hardware.CPU,
        files=_ON_CPU,
        tool=ToolKind.BENCHMARK_MODEL,
        flags_always=("--num_threads={threads}", "--use_xnnpack=true"),
        when=(("xnnpack", ""), ("tool", "")),
        optional=("threads", "cpus"),
        delegate=XNNPACK,
    ),
    TargetRow(
        runtime=Runtime.TFLITE,
        hardware=Hardware.CPU,
        files=_ON_CPU,
        tool=ToolKind.BENCHMARK_MODEL,
        flags_always=("--num_threads={threads}", "--use_xnnpack=false"),
        when=(("xnnpack", "off"), ("tool", "")),
        optional=("threads", "cpus"),
        proof=Proof.NONE_NEEDED,
    ),
    TargetRow(
        runtime=Runtime.TFLITE,
        hardware=Hardware.CPU,
        files=_ON_CPU,
        tool=ToolKind.BENCHMARK_LITERT,
        flags_always=("--use_cpu=true", "--num_threads={threads}"),
        when=(("tool", "litert"),),
        optional=("threads", "cpus"),
        proof=Proof.NONE_NEEDED,
    ),
    TargetRow(
        runtime=Runtime.TFLITE,
        hardware=Hardware.GPU,
        files={**_ANY_FLOAT, **_INT},
        tool=ToolKind.BENCHMARK_MODEL,
        flags_always=("--use_gpu=true", "--gpu_backend={backend}"),
        flags={
            F32: ("--gpu_precision_loss_allowed=false",),
            F16: ("--gpu_precision_loss_allowed=true",),
            I8: ("--gpu_precision_loss_allowed=true", "--gpu_experimental_enable_quant=true"),
        },
        when=(("tool", ""), ("delegate", "")),
        optional=("backend",),
        delegate=GPU,
    ),
    _litert(Hardware.GPU, _ANY_FLOAT, "--use_gpu=true", when=True),
    _litert(Hardware.NPU, {**_ANY_FLOAT, **_INT}, *_NPU_FLAGS, when=False),
    TargetRow(
        runtime=Runtime.TFLITE,
        hardware=Hardware.NNAPI,
        files={**_ANY_FLOAT, **_INT},
        tool=ToolKind.BENCHMARK_MODEL,
        flags_always=(*_NNAPI_FLAGS, "--nnapi_accelerator_name={accelerator}"),
        flags={F32: ("--nnapi_allow_fp16=false",), F16: ("--nnapi_allow_fp16=true",)},
        requires=("accelerator",),
        delegate=NNAPI,
        note="NNAPI is deprecated since Android 15; a vendor's driver may itself run on the CPU",
    ),
    TargetRow(
        runtime=Runtime.TFLITE,
        hardware=Hardware.EDGETPU,
        files=_INT,
        tool=ToolKind.BENCHMARK_MODEL,
        flags_always=(*_NNAPI_FLAGS, "--nnapi_accelerator_name=google-edgetpu"),
        delegate=NNAPI,
        note="reached through NNAPI on Pixel 6 to 8; newer Pixels list it and run on the CPU",
    ),
    TargetRow(
        runtime=Runtime.TFLITE,
        hardware=Hardware.DSP,
        files=_INT,
        tool=ToolKind.BENCHMARK_MODEL,
        flags_always=("--use_hexagon=true", "--hexagon_lib_path={libs}"),
        when=(("delegate", ""),),
        delegate=HEXAGON,
        libraries=("libhexagon_interface.so", "libhexagon_nn_skel*.so"),
        environment=(_SKEL_PATH,),
        note="for DSPs 680 to 690 (Snapdragon 820 to 855); newer ones need delegate=qnn",
    ),
    _qnn(Hardware.HTP, {**_ANY_FLOAT, **_INT}, "libQnnHtp.so", ";htp_performance_mode:2"),
    _qnn(Hardware.DSP, _INT, "libQnnDsp.so", ";dsp_performance_mode:2"),
    _qnn(Hardware.GPU, _ANY_FLOAT, "libQnnGpu.so", ";gpu_performance_mode:1"),
    TargetRow(
        runtime=Runtime.MACE,
        hardware=Hardware.CPU,
        files=CPU_FILES[Runtime.MACE],
        tool=ToolKind.MACE_RUN,
        flags_always=("--num_threads={threads}", "--cpu_affinity_policy=0"),
        optional=("threads", "cpus"),
        proof=Proof.NONE_NEEDED,
    ),
    TargetRow(
        runtime=Runtime.MACE,
        hardware=Hardware.GPU,
        files={F32: (F32,), F16: (F16,)},  # the file says in which precision MACE computes
        tool=ToolKind.MACE_RUN,
        flags_always=("--gpu_perf_hint=3", "--gpu_priority_hint=3", "--num_threads={threads}"),
        note="builds up to 1.0.4 reject OpenCL 3.0 drivers",
    ),
    TargetRow(
        runtime=Runtime.ONNX,
        hardware=Hardware.CPU,
        # ONNX Runtime has half-precision kernels for some phones' CPUs, and its tool does not tell what ran
        files={kind: files for kind, files in CPU_FILES[Runtime.ONNX].items() if kind is not F16},
        tool=ToolKind.ORT_PERF_TEST,
        flags_always=("-e", "cpu", "-x", "{threads}", "-y", "1"),
        optional=("threads", "cpus"),
        proof=Proof.NONE_NEEDED,
    ),
    TargetRow(
        runtime=Runtime.ONNX,
        hardware=Hardware.NNAPI,
        files={**_ANY_FLOAT, **_INT},
        tool=ToolKind.ORT_PERF_TEST,
        flags_always=("-e", "nnapi", "-C", "session.disable_cpu_ep_fallback|1"),
        flags={
            F16: ("-i", f"NNAPI_FLAG_USE_FP16 {_ORT_NO_REFERENCE}"),  # bare words: a `key|value` is rejected
            **dict.fromkeys((F32, *_INT), ("-i", _ORT_NO_REFERENCE)),
        },
        proof=Proof.STRICT,
    ),
    TargetRow(
        runtime=Runtime.ONNX,
        hardware=Hardware.HTP,
        files=_INT,
        tool=ToolKind.ORT_PERF_TEST,
        flags_always=("-e", "qnn", "-i", "backend_path|{libs}/libQnnHtp.so", "-C", "session.disable_cpu_ep_fallback|1"),
        proof=Proof.STRICT,
        libraries=("libQnnHtp.so",),
        environment=(_SKEL_PATH,),
    ),
    _snpe(Hardware.GPU, _ANY_FLOAT, ToolKind.SNPE_THROUGHPUT),
    _snpe(Hardware.GPU, _ANY_FLOAT, ToolKind.SNPE_NET_RUN),
    _snpe(Hardware.DSP, {F32: (F32,), **_INT}, ToolKind.SNPE_THROUGHPUT),  # the DSP quantises a float file on loading
    _snpe(Hardware.DSP, {F32: (F32,), **_INT}, ToolKind.SNPE_NET_RUN),
)


def all_rows() -> tuple[TargetRow, ...]:
    """Return the kit's rows, and behind them those that a user added (`android_runner.own.OwnTarget`)."""
    return (*ROWS, *(own.row for own in every(Group.TARGETS).values()))


def own_tool(name: str) -> Any | None:
    """Return the `OwnTarget` of a user whose tool has this name, None where there is none."""
    return next((own for own in every(Group.TARGETS).values() if own.row.tool == name), None)


def find_row(target: Target) -> TargetRow:
    """Return the row that runs `target`: the kit's own before a user's.

    Raises:
        InputError: no row does; the message lists what the runtime and hardware offer.
    """
    rows = all_rows()
    near = [row for row in rows if (row.runtime, row.hardware) == (target.runtime, target.hardware)]
    options = {name: value for name, value in target.options if _DEFAULTS.get(name) != value}
    for row in near:
        named = {name for name, _ in row.when} | set(row.requires) | set(row.optional)
        fits = all(options.get(name, "") == value for name, value in row.when)
        if fits and target.precision in row.files and set(row.requires) <= set(options) and set(options) <= named:
            return row
    if not near:
        supported = ", ".join(sorted({f"{row.runtime}/{row.hardware}" for row in rows}))
        raise InputError(f"target {target} cannot be measured on a phone; supported beginnings: {supported}")
    offers = "; ".join(_offer(row) for row in near)
    raise InputError(f"target {target} is not measured like that on a phone; supported: {offers}")


def check_file(target: Target, row: TargetRow, file_format: Format, precision: Precision, name: str) -> None:
    """Reject a file that the target would not run as what it is.

    Raises:
        InputError: the format is another runtime's, or the precision another's (an int8 target given a float file).
    """
    wanted = FORMATS[target.runtime]
    if file_format is not wanted:
        raise InputError(f"{name} is a {file_format} file and {target} runs {wanted}; export it with --format {wanted}")
    supported = row.files[target.precision]
    if precision not in supported:
        names = " or ".join(supported)
        from mogakit.export.writers import precisions_of  # loads the runtimes, and is needed for this message only

        written = [kind for kind in supported if kind in precisions_of(file_format)]
        advice = f"export it with --precision {written[0]}" if written else "quantise one and give that file"
        raise InputError(f"{name} is a {precision} file and {target} needs {names}; {advice}")


def _offer(row: TargetRow) -> str:
    """Describe a row as targets that a person could type."""
    named = [f"{name}={value}" for name, value in row.when if value]
    named += [f"{name}=..." for name in row.requires]
    named += [f"[{name}=...]" for name in row.optional if name not in dict(row.when)]
    return f"{row.runtime}/{row.hardware}/({'|'.join(row.files)})" + "".join("," + item for item in named)
