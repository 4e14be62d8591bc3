"""How benchmark_model applies delegates, and every line by which it says what came of that."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from phone_simulator.faults import Fault
from phone_simulator.flags import Parsed
from phone_simulator.graphs import Model
from phone_simulator.latency import Plan, Request, divide
from phone_simulator.run import Run

if TYPE_CHECKING:
    from phone_simulator.benchmark_model import Voice

_AND = "delegate, and the model graph will be "
_NOT = "will not be executed by the delegate"


@dataclass(frozen=True)
class Applied:
    """What the graph ends up being run by.

    Attributes:
        delegate: name of the delegate's node, "" for plain kernels.
        failed: the tool ends with status 1.
    """

    request: Request
    plan: Plan
    delegate: str
    failed: bool = False


def apply_delegates(run: Run, voice: "Voice", flags: Parsed, model: Model, threads: int) -> Applied:
    """Apply what the flags ask for, first come first served, and XNNPACK to the rest."""
    everything = Plan((True,) * len(model.operators))
    plain = flags.values.get("use_xnnpack", "").lower() in ("false", "0")
    cpu = Request("cpu-plain" if plain else "cpu-xnnpack", threads=threads, cpus=run.call.cpus)
    asked = next((name for name in flags.values if name in _KINDS and (flags.on(name) or "path" in name)), None)
    if asked and run.phone.mode == "real":
        voice.warn(f"{_KINDS[asked][0]} acceleration is unsupported on this platform.")
        asked = None
    if asked is None:
        _xnnpack(voice, flags, model, plain, Plan((False,) * len(model.operators)), run)
        return Applied(cpu, everything, "" if plain else "TfLiteXNNPackDelegate")
    label, node, choose = _KINDS[asked]
    unit_name = (
        None
        if run.phone.faults.strikes(Fault.DELEGATE_NOT_CREATED, run.call.command_line)
        else choose(run, voice, flags)
    )
    if unit_name == "failed":
        voice.error(f"Failed to apply {label} delegate.")
        return Applied(cpu, everything, "", failed=True)
    if unit_name is None:
        if asked == "use_gpu":
            voice.warn("GPU acceleration is unsupported on this platform.")
        elif asked == "use_nnapi":
            voice.warn("NNAPI acceleration is unsupported on this platform.")
        if flags.on("require_full_delegation"):
            voice.error("Disallowed CPU fallback detected.")
            return Applied(cpu, everything, "", failed=True)
        _xnnpack(voice, flags, model, plain, Plan((False,) * len(model.operators)), run)
        return Applied(cpu, everything, "")
    return _apply(
        run, voice, flags, model, Request(unit_name, _half(flags, asked), threads, run.call.cpus), label, node
    )


def _half(flags: Parsed, asked: str) -> bool:
    if asked == "use_gpu":
        return flags.on("gpu_precision_loss_allowed", True)
    return asked == "use_nnapi" and flags.on("nnapi_allow_fp16")


def _apply(run: Run, voice: "Voice", flags: Parsed, model: Model, request: Request, label: str, node: str) -> Applied:
    limit = int(flags.number("max_delegated_partitions", 0)) or (1 if label == "GPU" else 0)
    unit = run.phone.profile.units.get(request.unit)
    total = len(model.operators)
    plan = divide(model.operators, unit, limit) if unit else Plan((False,) * total)
    if run.phone.faults.strikes(Fault.PARTIAL_DELEGATION, run.call.command_line):
        plan = Plan(tuple(taken and index % 3 != 1 for index, taken in enumerate(plan.taken)))
    taken, parts = plan.num_taken, plan.num_partitions
    if label == "GPU" and taken < total:
        left = sorted({o.label for o, t in zip(model.operators, plan.taken, strict=True) if not t})
        voice.runtime("ERROR: Following operations are not supported by GPU delegate:")
        for name in left:
            voice.runtime(f"{name}: Operation is not supported.")
        rest = f"the remaining {total - taken} operations will run on the CPU."
        nothing = f"No operations will run on the GPU, and all {total} operations will run on the CPU."
        voice.runtime(f"{taken} operations will run on the GPU, and {rest}" if taken else nothing)
    voice.info(f"{label} delegate created.")
    if node == "TfLiteQnnDelegate":
        voice.runtime(
            f"INFO: TfLiteQnnDelegate delegate: {taken} nodes delegated out of {total} nodes with {parts} partitions."
        )
    elif taken:
        voice.runtime(replacing(voice.version, taken, total, node, parts))
    if taken and label == "GPU":
        used = _gpu_backend(run, voice, request, flags, total)
        if used is None:
            voice.error("Failed to apply GPU delegate.")
            return Applied(request, plan, node, failed=True)
        request = replace(request, unit=used)
        voice.runtime(f"INFO: Created {parts} GPU delegate kernels.")
    if taken == total and parts <= 1:
        voice.info(
            f"Explicitly applied {label} delegate, and the model graph will be completely executed by the delegate."
        )
    elif taken:
        voice.info(f"Explicitly applied {label} {_AND}partially executed by the delegate w/ {parts} delegate kernels.")
    else:
        voice.info(
            f"Though {label} delegate is explicitly applied, the model graph will not be executed by the delegate."
        )
    if flags.on("require_full_delegation") and taken < total:
        voice.error("Disallowed CPU fallback detected.")
        return Applied(request, plan, node, failed=True)
    if taken < total:
        _xnnpack(voice, flags, model, False, plan, run)
    return Applied(request, plan, node)


def replacing(version: str, taken: int, total: int, node: str, parts: int) -> str:
    """Return the line in which the interpreter says what a delegate took."""
    if version == "2020":
        return f"VERBOSE: Replacing {taken} node(s) with delegate ({node}) node, yielding {parts} partitions."
    where = " for subgraph 0." if version == "2026" else " for the whole graph."  # the kit's subgraphs have no name
    nodes = f"{taken} out of {total} node(s) with delegate ({node}) node"
    return f"VERBOSE: Replacing {nodes}, yielding {parts} partitions{where}"


def _xnnpack(voice: "Voice", flags: Parsed, model: Model, plain: bool, before: Plan, run: Run) -> None:
    """Say what XNNPACK takes of what is left."""
    if plain:
        return
    voice.runtime("INFO: Created TensorFlow Lite XNNPACK delegate for CPU.")
    unit = run.phone.profile.units["cpu-xnnpack"]
    possible = divide(model.operators, unit)
    plan = Plan(tuple(p and not b for p, b in zip(possible.taken, before.taken, strict=True)))
    left = len(model.operators) - before.num_taken
    nodes = left + before.num_partitions
    if plan.num_taken:
        voice.runtime(replacing(voice.version, plan.num_taken, nodes, "TfLiteXNNPackDelegate", plan.num_partitions))
    if flags.on("use_xnnpack"):
        if not before.num_taken:
            voice.info("XNNPACK delegate created.")
        if plan.num_taken == nodes:
            voice.info(f"Explicitly applied XNNPACK {_AND}completely executed by the delegate.")
        else:
            voice.info(
                f"Explicitly applied XNNPACK {_AND}partially executed by the delegate w/ "
                f"{plan.num_partitions} delegate kernels."
            )


def _gpu_backend(run: Run, voice: "Voice", request: Request, flags: Parsed, nodes: int) -> str | None:
    """Open OpenCL, or OpenGL instead, and return what computes then; None where neither may be had, having said so."""
    missing = not run.phone.profile.opencl or run.phone.faults.strikes(Fault.NO_OPENCL, run.call.command_line)
    text = 'Can not open OpenCL library on this device - dlopen failed: library "libOpenCL.so" not found'
    if request.unit == "gpu-gl" or not missing:
        voice.runtime(f"INFO: Initialized {'OpenGL' if request.unit == 'gpu-gl' else 'OpenCL'}-based API.")
        return request.unit
    if flags.text("gpu_backend") == "cl":
        voice.runtime(f"ERROR: TfLiteGpuDelegate Init: {text}")
        voice.runtime("INFO: Created 0 GPU delegate kernels.")
        voice.runtime("ERROR: TfLiteGpuDelegate Prepare: delegate is not initialized")
        voice.runtime(f"ERROR: Node number {nodes} (TfLiteGpuDelegateV2) failed to prepare.")
        voice.runtime("ERROR: Restored original execution plan after delegate application failure.")
        return None
    voice.runtime(f"ERROR: {text}")
    voice.runtime("ERROR: Falling back to OpenGL")
    voice.runtime("INFO: Initialized OpenGL-based API.")
    return "gpu-gl"


def _gpu(run: Run, voice: "Voice", flags: Parsed) -> str | None:
    voice.runtime("INFO: Created TensorFlow Lite delegate for GPU.")
    return "gpu-gl" if flags.text("gpu_backend") == "gl" else "gpu"


def _nnapi(run: Run, voice: "Voice", flags: Parsed) -> str | None:
    listed = [*run.phone.profile.nnapi, "nnapi-reference"]
    name = flags.text("nnapi_accelerator_name")
    voice.info(f"NNAPI accelerators available: [{','.join(listed)}]")
    if name and name not in listed:
        voice.runtime(
            f"ERROR: Could not find the specified NNAPI accelerator: {name}. Must be one of: {{{','.join(listed)}}}."
        )
        return "failed"
    voice.runtime("INFO: Created TensorFlow Lite delegate for NNAPI.")
    return name or listed[0]


def _hexagon(run: Run, voice: "Voice", flags: Parsed) -> str | None:
    path = flags.text("hexagon_lib_path", "/data/local/tmp")
    folder = run.file(path)
    libraries = [run.file(part) for part in run.call.environment.get("LD_LIBRARY_PATH", "").split(":") if part]
    interface = any((place / "libhexagon_interface.so").exists() for place in libraries)
    if not interface or not any(folder.glob("libhexagon_nn_skel*.so")) or "hexagon" not in run.phone.profile.units:
        if not interface:
            voice.runtime(
                "ERROR: Failed to load libhexagon_interface.so, Error: dlopen failed: library "
                '"libhexagon_interface.so" not found'
            )
        voice.runtime("INFO: Hexagon Delegate is not supported.\n")
        voice.warn(
            "Could not create Hexagon delegate: platform may not support delegate or required libraries are missing"
        )
        return None
    voice.runtime("INFO: Created TensorFlow Lite delegate for Hexagon.")
    return "hexagon"


def _external(run: Run, voice: "Voice", flags: Parsed) -> str | None:
    path = flags.text("external_delegate_path")
    if not run.file(path).exists():
        voice.info(f'Unable to load external delegate from : {path} (dlopen failed: library "{path}" not found)')
        return None
    pairs = [item.split(":") for item in flags.text("external_delegate_options").split(";") if item]
    options = {pair[0]: pair[1] for pair in pairs if len(pair) == 2}
    library = options.get("library_path", "")
    if library and not run.file(library).exists():
        voice.runtime(f'ERROR: [Qnn Delegate] dlopen failed: library "{library}" not found')
        return "none"
    return f"qnn-{options.get('backend_type', '')}"


_KINDS = {
    "use_gpu": ("GPU", "TfLiteGpuDelegateV2", _gpu),
    "use_nnapi": ("NNAPI", "TfLiteNnapiDelegate", _nnapi),
    "use_hexagon": ("Hexagon", "TfLiteHexagonDelegate", _hexagon),
    "external_delegate_path": ("EXTERNAL", "TfLiteQnnDelegate", _external),
}
