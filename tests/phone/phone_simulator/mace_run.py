"""MACE's mace_run in its two generations: up to 1.0.4 (`--device`, NetDef) and from 1.1 (MultiNetDef, no such flag)."""

import asyncio
import re
from collections import defaultdict

from phone_simulator.answers import mace_outputs
from phone_simulator.faults import Fault
from phone_simulator.flags import Parsed
from phone_simulator.graphs import Model, NotAModel, Operator, mace_argument, mace_container
from phone_simulator.latency import Plan, Repetitions, Request, Samples
from phone_simulator.run import Run

_COMMON: dict[str, object] = {
    "model_name": "",
    "model_file": "",
    "model_data_file": "",
    "input_node": "",
    "output_node": "",
    "input_shape": "",
    "output_shape": "",
    "input_data_format": "NHWC",
    "output_data_format": "NHWC",
    "input_file": "",
    "output_file": "",
    "input_dir": "",
    "output_dir": "output",
    "opencl_binary_file": "",
    "opencl_parameter_file": "",
    "round": 1,
    "restart_round": 1,
    "malloc_check_cycle": -1,
    "gpu_perf_hint": 3,
    "gpu_priority_hint": 3,
    "cpu_affinity_policy": 1,
    "num_threads": -1,
    "input_data_type": "float32",
    "output_data_type": "float32",
    "benchmark": False,
    "help": False,
}
_OLD: dict[str, object] = {"device": "GPU", "apu_cache_policy": 0, "apu_binary_file": "", "apu_storage_file": ""}
_NEW: dict[str, object] = {
    "fake_warmup": False,
    "opencl_cache_full_path": "",
    "opencl_cache_reuse_policy": 1,
    "accelerator_cache_policy": 0,
    "accelerator_binary_file": "",
    "accelerator_storage_file": "",
    "apu_boost_hint": 100,
    "apu_preference_hint": 1,
}
_RUNTIMES = {0: "CPU", 2: "GPU", 3: "HEXAGON"}
_RETRY_S = 0.02


class _Voice:
    """Prints log lines with the source positions of a generation."""

    def __init__(self, run: Run, old: bool) -> None:
        self.run = run
        self.old = old

    def log(self, text: str, level: str = "I", where: str = "mace/tools/mace_run.cc:459") -> None:
        """Add one log line."""
        self.run.page.out(f"{level} {where}] {text}")


def _parse(arguments: list[str], known: dict[str, object]) -> Parsed:
    """Parse as gflags does: `--name=value`, `-name value`, bare booleans."""
    parsed = Parsed({}, [])
    words = list(arguments)
    while words:
        word = words.pop(0)
        name, equals, value = word.lstrip("-").partition("=")
        if not word.startswith("-") or name not in known:
            parsed.unknown.append(name)
        elif equals:
            parsed.values[name] = value
        elif isinstance(known[name], bool) or not words:
            parsed.values[name] = "true"
        else:
            parsed.values[name] = words.pop(0)
    return parsed


async def mace_run(run: Run, version: str) -> int:
    """Do what the command line asks."""
    old = version == "1.0.4"
    voice = _Voice(run, old)
    known = _COMMON | (_OLD if old else _NEW)
    flags = _parse(run.call.arguments, known)
    if flags.on("help"):
        _help(run, known)
        await run.end(1)
    if flags.unknown:
        run.page.err(f"ERROR: unknown command line flag '{flags.unknown[0]}'")
        await run.end(1)
    if not flags.text("input_node") or not flags.text("output_node"):
        _help(run, known)
        await run.end(0)
    for name, value in (
        ("model name", flags.text("model_name")),
        ("mace version", "v1.0.4-0-g5c7a2dd" if old else "v1.1.1-0-gd3a1b2c"),
        ("input node", flags.text("input_node")),
        ("input shape", flags.text("input_shape")),
        ("output node", flags.text("output_node")),
        ("output shape", flags.text("output_shape")),
        ("model_data_file", flags.text("model_data_file")),
        ("model_file", flags.text("model_file")),
        *((("device", flags.text("device", "GPU")),) if old else ()),
        ("round", flags.text("round", "1")),
        ("restart_round", flags.text("restart_round", "1")),
        ("num_threads", flags.text("num_threads", "-1")),
        ("cpu_affinity_policy", flags.text("cpu_affinity_policy", "1")),
    ):
        voice.log(f"{name}: {value}", where=f"mace/tools/mace_run.cc:{613 if old else 719}")
    model, runtime = await _load(run, voice, flags)
    for turn in range(int(flags.number("restart_round", 1))):
        await _round(run, voice, flags, model, runtime, turn)
    return 0


async def _load(run: Run, voice: _Voice, flags: Parsed) -> tuple[Model, str]:
    """Read the graph; refuse the other generation's container as the real tool does."""
    path = run.file(flags.text("model_file"))
    data_file = run.file(flags.text("model_data_file"))
    try:
        model = run.phone.model(path)
        container, net = mace_container(path.read_bytes())
    except (OSError, NotAModel):
        await _retry(run, voice, "Create engine runtime error, retry ... errcode: Invalid Arguments")
        raise
    if not data_file.is_file():
        await _retry(run, voice, "Create engine runtime error, retry ... errcode: Invalid Arguments")
    if (container == "multi") == voice.old:
        reason = "parse model proto failed" if voice.old else "no runtime type specified"
        voice.log(f"Check failed: {reason}", "F", "mace/libmace/mace.cc:690")
        await run.end(134)
    number = mace_argument(net, "runtime_type")
    runtime = flags.text("device", "GPU") if voice.old else _RUNTIMES.get(number or 0, "CPU")
    names_match = set(flags.text("input_node").split(",")) == set(model.inputs)
    if not names_match or set(flags.text("output_node").split(",")) != set(model.outputs):
        given, held = flags.text("input_node"), ",".join(model.inputs)
        voice.log(f"inputs' names do not match inputs' names in model: {given} vs {held}", "E")
        await run.end(0)
    if runtime == "GPU" and not run.phone.profile.opencl:
        await _retry(run, voice, "Create engine runtime error, retry ... errcode: OpenCL error")
    return model, runtime


async def _retry(run: Run, voice: _Voice, text: str) -> None:
    """Say it again and again, for ever."""
    while True:
        voice.log(text, "E")
        await run.show()
        await asyncio.sleep(_RETRY_S)


async def _round(run: Run, voice: _Voice, flags: Parsed, model: Model, runtime: str, turn: int) -> None:
    old = voice.old
    fallback: list[Operator] = []
    cpus = run.call.cpus or run.phone.profile.big.mask
    threads = max(1, int(flags.number("num_threads", -1)))
    request = Request("gpu-mace" if runtime == "GPU" else "cpu-mace", False, threads, cpus)
    if runtime == "GPU" and run.phone.faults.strikes(Fault.DELEGATE_NOT_CREATED, run.call.command_line):
        request, runtime = Request("cpu-mace", False, threads, cpus), "CPU"
    plan = Plan((True,) * len(model.operators))
    if runtime == "GPU" and run.phone.faults.strikes(Fault.PARTIAL_DELEGATION, run.call.command_line):
        plan = Plan(tuple(index % 3 != 1 for index in range(len(model.operators))))
        fallback = [op for op, taken in zip(model.operators, plan.taken, strict=True) if not taken]
    count = int(flags.number("round", 1))
    repeat = Repetitions(max(1, count), 0.0, 1e9, 1, 0.0)
    real = {"runtime": "mace", "input_shapes": [list(shape) for shape in model.inputs.values()]}
    voice.log(f"restart round {turn}", where=f"mace/tools/mace_run.cc:{701 if old else 811}")
    samples = await run.measure(run.file(flags.text("model_file")), model, request, plan, repeat, real)
    await _write_outputs(run, flags, model)
    for operator in fallback:
        voice.log(f"Op {operator.name}({operator.label}) fall back to CPU", "W", "mace/core/net_def_adapter.cc:386")
    total_init = samples.init + 0.1
    voice.log(f"Create Mace Engine latency: {samples.init:g} ms")
    voice.log(f"Total init latency: {total_init:g} ms")
    if not old:
        voice.log(f"runtimes: [{'CPU, GPU' if runtime == 'GPU' else 'CPU'}]", where="mace/tools/mace_run.cc:315")
    voice.log("Warm up run")
    voice.log(f"1st warm up run latency: {samples.first:g} ms")
    voice.log("Run model")
    mean = sum(samples.runs) / len(samples.runs) if count else -1.0
    voice.log(f"Average latency: {mean:g} ms")
    bar = "=" * 56
    head = f"{'capability(CPU)':>20} {'init':>11} {'warmup':>11} {'run_avg':>11}"
    row = f"time {477.888:15.3f} {total_init:11.3f} {samples.first:11.3f} {mean:11.3f}"
    for line in (bar, head, bar, row):
        run.page.out(line)
    if flags.on("benchmark"):
        _tables(run, voice, model, request, samples, runtime)
    await run.show_results()


async def _write_outputs(run: Run, flags: Parsed, model: Model) -> None:
    """Compute on the input files and write a file for each output node, as every run does that names them."""
    if not flags.text("input_file") or not flags.text("output_file"):
        return
    nodes = flags.text("input_node").split(",")
    data = [run.work_file(_file(flags.text("input_file"), name)).read_bytes() for name in nodes]
    shapes = [tuple(map(int, text.split(","))) for text in flags.text("input_shape").split(":")]
    if not any(any(one) for one in data):
        return  # zeros, by which a timed run is fed; nobody reads what comes of them
    files = [run.file(flags.text(name)) for name in ("model_file", "model_data_file")]
    values = await asyncio.to_thread(mace_outputs, *files, data, shapes)
    for name, value in zip(flags.text("output_node").split(","), values, strict=True):
        run.write_outputs(run.work_file(_file(flags.text("output_file"), name)), [value])


def _file(prefix: str, node: str) -> str:
    return f"{prefix}_{re.sub(r'[^0-9A-Za-z]', '_', node)}"


def _help(run: Run, known: dict[str, object]) -> None:
    run.page.out("mace_run: MACE run model tool, please specify proper arguments.")
    run.page.out("  Flags from mace/tools/mace_run.cc:")
    kinds = {bool: "bool", int: "int32", str: "string"}
    for name, default in sorted(known.items()):
        kind = kinds[type(default)]
        shown = f'"{default}"' if kind == "string" else str(default).lower()
        run.page.out(f"    -{name} ({name.replace('_', ' ')}) type: {kind} default: {shown}")


def _table(voice: _Voice, title: str, header: list[str], rows: list[list[str]]) -> None:
    """Print one table as mace/utils/string_util.h does: right-aligned cells between dash lines."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    length = sum(width + 3 for width in widths) + 1
    where = "mace/utils/statistics.cc:343"
    lines = ["-" * length, " " * ((length - len(title)) // 2) + title, "-" * length]
    for number, row in enumerate([header, *rows]):
        lines.append("| " + " | ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) + " |")
        if number == 0:
            lines.append("-" * length)
    lines.append("-" * length)
    for line in lines:
        voice.log(line, where=where)


def _tables(run: Run, voice: _Voice, model: Model, request: Request, samples: Samples, runtime: str) -> None:
    """Print what `--benchmark` adds: by order, by time, by type, MACs and a summary."""
    truth = run.phone.truth
    entries = [(op.label, op.name, truth.operator_ms(op, request), op) for op in model.operators]
    if runtime == "GPU":
        overhead = run.phone.profile.units[request.unit].overhead_ms / 2
        ends = [("BufferTransform", f"mace_node_{name}_mem_type_2", overhead, None) for name in ("input", "output")]
        entries = [ends[0], *entries, ends[1]]
    total = sum(ms for _, _, ms, _ in entries)

    def row(entry: tuple[str, str, float, Operator | None], start: float, seen: float) -> list[str]:
        label, name, ms, op = entry
        conv = op is not None and op.kind in ("CONV", "DWCONV")
        kernel = "[" + ",".join(map(str, op.kernel)) + "]" if op is not None and op.kernel else ""
        rate = op.macs / ms / 1e6 if op is not None and ms else 0.0
        shape = "[" + ",".join(map(str, op.output)) + "]" if op is not None else ""
        cells = [label, f"{start:.3f}", f"{ms * 1.05:.3f}", f"{ms:.3f}", f"{100 * ms / total:.3f}"]
        cells += [f"{100 * seen / total:.3f}", f"{rate:.3f}", "[1,1]" if conv else "", "SAME" if conv else ""]
        return [*cells, kernel, shape, "[1,1]" if conv else "", name]

    header = ["Op Type", "Start", "First", "Avg(ms)", "%", "cdf%", "GMACPS", "Stride", "Pad", "Filter Shape"]
    header += ["Output Shape", "Dilation", "name"]
    ranked = sorted(entries, key=lambda entry: -entry[2])[:10]
    for title, chosen in (("Sort by Run Order", entries), ("Sort by Computation Time", ranked)):
        rows, seen = [], 0.0
        for entry in chosen:
            rows.append(row(entry, seen, seen + entry[2]))
            seen += entry[2]
        _table(voice, title, header, rows)
        voice.log("", where="mace/utils/statistics.cc:343")
    by_type: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for label, _, ms, op in entries:
        by_type[label].append((ms, op.macs if op is not None else 0))
    rows, seen = [], 0.0
    for label, members in sorted(by_type.items(), key=lambda item: -sum(ms for ms, _ in item[1])):
        ms, macs = sum(m for m, _ in members), sum(m for _, m in members)
        seen += ms
        cells = [label, str(len(members)), f"{ms:.3f}", f"{100 * ms / total:.3f}", f"{100 * seen / total:.3f}"]
        rows.append([*cells, f"{macs:,}", f"{macs / ms / 1e6 if ms else 0:.3f}", str(len(members))])
    _table(
        voice, "Stat by Op Type", ["Op Type", "Count", "Avg(ms)", "%", "cdf%", "MACs", "GMACPS", "Called times"], rows
    )
    voice.log("", where="mace/utils/statistics.cc:343")
    times = samples.runs
    figures = [f"{value:.3f}" for value in (times[0], times[-1], min(times), max(times), sum(times) / len(times), 12.5)]
    summary = ["round", "first(ms)", "curr(ms)", "min(ms)", "max(ms)", "avg(ms)", "std"]
    _table(voice, "Summary of Ops' Stat", summary, [[str(len(times)), *figures]])
    voice.log("", where="mace/utils/statistics.cc:343")
    voice.log(f"{len(entries)} ops total.", where="mace/utils/statistics.cc:343")
