"""The classic TFLite benchmark_model in three ages: 2020 (no prefixes), 2024 and 2026 (percentiles, new op table)."""

import asyncio
from dataclasses import dataclass

from phone_simulator import op_table
from phone_simulator.answers import tflite_outputs
from phone_simulator.delegates import Applied, apply_delegates
from phone_simulator.flags import Parsed, parse_equals, usage
from phone_simulator.flagtables import CLASSIC
from phone_simulator.graphs import Model, NotAModel
from phone_simulator.latency import Repetitions, Samples
from phone_simulator.run import Run
from phone_simulator.statistics_line import six_digits, stat_line

_APPROXIMATE = (
    "Note: as the benchmark tool itself affects memory footprint, the following is only APPROXIMATE to the actual "
    "memory footprint of the model at runtime. Take the information at your discretion."
)
_SHOWN = {  # in the order in which the real tool lists what was given
    "num_runs": "Min num runs",
    "min_secs": "Min runs duration (seconds)",
    "max_secs": "Max runs duration (seconds)",
    "num_threads": "Num threads",
    "warmup_runs": "Min warmup runs",
    "warmup_min_secs": "Min warmup runs duration (seconds)",
    "dry_run": "Run w/o invoking kernels",
    "report_peak_memory_footprint": "Report the peak memory footprint",
    "graph": "Graph",
    "input_layer": "Input layers",
    "input_layer_shape": "Input shapes",
    "input_layer_value_files": "Input value files",
    "require_full_delegation": "Require full delegation",
    "enable_op_profiling": "Enable op profiling",
    "output_filepath": "File path to export outputs layer to",
    "external_delegate_path": "External delegate path",
    "external_delegate_options": "External delegate options",
    "use_gpu": "Use gpu",
    "gpu_precision_loss_allowed": "Allow lower precision in gpu",
    "gpu_experimental_enable_quant": "Enable running quant models in gpu",
    "gpu_backend": "GPU backend",
    "use_hexagon": "Use Hexagon",
    "hexagon_lib_path": "Hexagon lib path",
    "use_nnapi": "Use NNAPI",
    "nnapi_accelerator_name": "NNAPI accelerator name",
    "use_xnnpack": "Use xnnpack",
}
_FIRST_OF_DELEGATES = "external_delegate_path"


@dataclass
class Voice:
    """How an age of the tool speaks: tool lines with or without prefix, warnings to the same stream."""

    run: Run
    version: str

    @property
    def prefixed(self) -> bool:
        """Whether the tool's lines begin with their severity."""
        return self.version != "2020"

    def info(self, text: str) -> None:
        """Say something on standard output."""
        self.run.page.out(f"INFO: {text}" if self.prefixed else text)

    def warn(self, text: str) -> None:
        """Warn, on standard output too."""
        self.run.page.out(f"WARN: {text}" if self.prefixed else text)

    def error(self, text: str) -> None:
        """Complain on standard error."""
        self.run.page.err(f"ERROR: {text}" if self.prefixed else text)

    def runtime(self, text: str) -> None:
        """Say what the runtime itself says, on standard error; it always had prefixes."""
        self.run.page.err(text)


async def benchmark_model(run: Run, version: str) -> int:
    """Do what the command line asks."""
    known = CLASSIC[version]
    flags = parse_equals(run.call.arguments, known)
    voice = Voice(run, version)
    voice.info("STARTING!")
    if flags.on("help") or "--help" in run.call.arguments:
        voice.error(usage(run.call.program, known))
        run.page.err("")
        voice.error("Benchmarking failed.")
        await run.end(1)
    if flags.unknown:
        voice.warn(f"Unconsumed cmdline flags: {' '.join(flags.unknown)}")
    repeat, threads = await _numbers(run, voice, flags, known)
    voice.info(f"Log parameter values verbosely: [{int(flags.on('verbose'))}]")
    _parameters(voice, flags)
    if not flags.text("graph"):
        voice.error("Please specify the name of your TF Lite input file with --graph")
        voice.error("Benchmarking failed.")
        await run.end(1)
    model = await _load(run, voice, flags.text("graph"))
    applied = apply_delegates(run, voice, flags, model, threads)
    if applied.failed:
        voice.error("Benchmarking failed.")
        await run.end(1)
    voice.info(f"The input model file size (MB): {six_digits(model.num_bytes / 1e6)}")
    xnnpack = applied.request.unit == "cpu-xnnpack"
    samples = await run.measure(
        run.file(flags.text("graph")),
        model,
        applied.request,
        applied.plan,
        repeat,
        {"runtime": "tflite", "xnnpack": xnnpack},
    )
    if flags.text("output_filepath"):
        await _write_outputs(run, flags)
    _results(run, voice, flags, model, applied, repeat, samples)
    await run.show_results()
    return 0


def _parameters(voice: Voice, flags: Parsed) -> None:
    """List what was given, in the tool's own order."""
    newest = voice.version == "2026"
    for name, label in _SHOWN.items():
        if newest and name == "input_layer":
            voice.info("Signature to run: []")
        if newest and name == _FIRST_OF_DELEGATES and "num_threads" in flags.values:
            voice.info(f"#threads used for CPU inference: [{flags.text('num_threads')}]")
        if name in flags.values:
            value = flags.text(name)
            shown = {"true": "1", "false": "0"}.get(value, value)
            voice.info(f"{label}: [{shown}]")


async def _numbers(run: Run, voice: Voice, flags: Parsed, known: dict[str, object]) -> tuple[Repetitions, int]:
    """Read the numeric flags; a bad value prints the usage and ends."""
    try:
        for name, value in flags.values.items():
            if isinstance(known[name], bool):
                if value.lower() not in ("true", "false", "1", "0"):
                    raise ValueError(name)
            elif isinstance(known[name], int | float):
                type(known[name])(value)
        repeat = Repetitions(
            int(flags.number("num_runs", 50)),
            flags.number("min_secs", 1.0),
            flags.number("max_secs", 150.0),
            int(flags.number("warmup_runs", 1)),
            flags.number("warmup_min_secs", 0.5),
        )
        return repeat, max(1, int(flags.number("num_threads", -1)))
    except ValueError:
        voice.error(f"Failed to parse flag '{name}' against argv '--{name}={value}'")
        voice.error(usage(run.call.program, known))
        await run.end(1)
        raise


async def _load(run: Run, voice: Voice, graph: str) -> Model:
    """Read the model file, or say why not and end."""
    try:
        model = run.phone.model(run.file(graph))
    except (OSError, NotAModel) as error:
        reason = (
            f"Could not open '{graph}'." if isinstance(error, OSError) else "The model is not a valid Flatbuffer buffer"
        )
        voice.runtime(f"ERROR: {reason}")
        if voice.version == "2026":
            voice.error("The model allocation is null/empty")
        voice.error(f"Failed to load model {graph}")
        voice.error("Benchmarking failed.")
        await run.end(1)
        raise
    voice.info(f"Loaded model {graph}")
    voice.runtime("INFO: Initialized TensorFlow Lite runtime.")
    return model


async def _write_outputs(run: Run, flags: Parsed) -> None:
    """Compute on the given values and write all outputs, one behind the other."""
    given = {}
    for item in flags.text("input_layer_value_files").split(","):
        name, _, path = item.rpartition(":")
        given[name.replace("\\:", ":")] = run.work_file(path).read_bytes()
    values = await asyncio.to_thread(tflite_outputs, run.file(flags.text("graph")), given)
    run.write_outputs(run.work_file(flags.text("output_filepath")), values)


def _results(
    run: Run, voice: Voice, flags: Parsed, model: Model, applied: Applied, repeat: Repetitions, samples: Samples
) -> None:
    newest = voice.version == "2026"
    voice.info(f"Initialized session in {six_digits(samples.init)}ms.")
    phases = (
        (samples.warmup, repeat.warmup_runs, repeat.warmup_min_s),
        (samples.runs, repeat.num_runs, repeat.min_s),
    )
    for times, num, seconds in phases:
        voice.info(
            f"Running benchmark for at least {num} iterations and at least {seconds:g} seconds but terminate if "
            f"exceeding {repeat.max_s:g} seconds."
        )
        voice.info(stat_line([time * 1e3 for time in times], percentiles=newest))
        run.page.out("")
    init, first = round(samples.init * 1e3), round(samples.first * 1e3) if samples.warmup else 0
    warm, mean = (
        six_digits(sum(times) / len(times) * 1e3) if times else "0" for times in (samples.warmup, samples.runs)
    )
    voice.info(
        f"Inference timings in us: Init: {init}, First inference: {first}, Warmup (avg): {warm}, "
        f"Inference (avg): {mean}"
    )
    voice.info(_APPROXIMATE)
    megabytes = model.num_bytes / 1e6
    voice.info(
        f"Memory footprint delta from the start of the tool (MB): init={six_digits(megabytes * 1.2 + 2)} "
        f"overall={six_digits(megabytes * 2 + 5)}"
    )
    if flags.on("report_peak_memory_footprint"):
        peak = megabytes * 2.1 + 6.5
        voice.info(f"Overall peak memory footprint (MB) via periodic monitoring: {six_digits(peak)}")
        voice.info("Memory status at the end of exeution:")
        voice.info(f"- VmRSS              : {round(peak)} MB")
        voice.info(f"+ RssAnnon           : {round(peak * 0.7)} MB")
        voice.info(f"+ RssFile + RssShmem : {round(peak * 0.3)} MB")
    if flags.on("enable_op_profiling"):
        _profile(run, voice, flags, model, applied)


def _profile(run: Run, voice: Voice, flags: Parsed, model: Model, applied: Applied) -> None:
    """Print or write the per-operator tables."""
    truth, request = run.phone.truth, applied.request
    rows = []
    delegated = 0.0
    for index, (operator, taken) in enumerate(zip(model.operators, applied.plan.taken, strict=True)):
        ms = truth.operator_ms(operator, request)
        if taken and applied.delegate and not request.unit.startswith("cpu"):
            delegated += ms
            continue
        kind = operator.label
        if request.unit == "cpu-xnnpack" and operator.kind in ("CONV", "DWCONV"):
            routine = "DWConv" if operator.kind == "DWCONV" else "Convolution"
            kind = f"{routine} (NHWC, F32) {'IGEMM' if 7 in operator.kernel else 'GEMM'}"
        rows.append(op_table.Row(kind, f"[{operator.name}]:{index}", ms))
    if delegated:
        overhead = run.phone.profile.units[request.unit].overhead_ms
        rows.insert(
            0, op_table.Row(applied.delegate, f"[{len(model.operators)}]:{len(model.operators)}", delegated + overhead)
        )
    if flags.text("op_profiling_output_mode", "stdout") == "csv":
        path = flags.text("op_profiling_output_file")
        if path:
            run.file(path).write_text(op_table.csv(rows))
        else:
            run.page.out(op_table.csv(rows))
        return
    begin = [op_table.Row("ModifyGraphWithDelegate", "ModifyGraphWithDelegate/0", 3.372)]
    begin.append(op_table.Row("AllocateTensors", "AllocateTensors/0", 0.101))
    with_start = voice.version != "2026"
    voice.info("Profiling Info for Benchmark Initialization:")
    run.page.out(op_table.report(begin, with_start))
    voice.info("Operator-wise Profiling Info for Regular Benchmark Runs:")
    run.page.out(op_table.report(rows, with_start))
