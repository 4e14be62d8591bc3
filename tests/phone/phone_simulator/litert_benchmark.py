"""The newer LiteRT tool of the same name: results go to standard error, statistics lines to standard output."""

import statistics

from phone_simulator.faults import Fault
from phone_simulator.flags import Parsed, parse_equals, usage
from phone_simulator.flagtables import LITERT
from phone_simulator.graphs import Model, NotAModel
from phone_simulator.latency import Plan, Repetitions, Request, Samples, divide
from phone_simulator.run import Run
from phone_simulator.statistics_line import stat_line


async def litert_benchmark(run: Run) -> int:
    """Do what the command line asks."""
    flags = parse_equals(run.call.arguments, LITERT)
    page = run.page
    if flags.on("help") or "--help" in run.call.arguments:
        page.err(f"ERROR: {usage(run.call.program, LITERT)}")
        await run.end(1)
    if flags.unknown:
        page.out(f"WARN: Unconsumed cmdline flags: {' '.join(flags.unknown)}")
    graph = flags.text("graph")
    page.out("INFO: STARTING!")
    page.out(f"INFO: Graph: [{graph}]")
    if flags.on("use_cpu", True) and flags.on("require_full_delegation"):
        page.err(
            "ERROR: [benchmark_litert_model.cc:118] Requesting full delegation and CPU acceleration are incompatible."
        )
        await run.end(134)
    try:
        model = run.phone.model(run.file(graph))
    except (OSError, NotAModel):
        page.err(f"ERROR: [benchmark_litert_model.cc:201] Failed to load model from {graph}")
        page.err("ERROR: Benchmarking failed.")
        await run.end(1)
        raise
    request, plan = _placement(run, flags, model)
    strict = flags.on("require_full_delegation")
    if strict and plan.num_taken < len(model.operators):
        page.err("ERROR: [benchmark_litert_model.cc:260] The model is not fully accelerated.")
        page.err("ERROR: Benchmarking failed.")
        await run.end(1)
    page.err("INFO: [auto_registration.cc:148] CPU accelerator registered.")
    repeat = Repetitions(
        int(flags.number("num_runs", 50)),
        flags.number("min_secs", 1.0),
        flags.number("max_secs", 150.0),
        int(flags.number("warmup_runs", 1)),
        flags.number("warmup_min_secs", 0.5),
    )
    samples = await run.measure(run.file(graph), model, request, plan, repeat, {"runtime": "tflite"})
    _results(run, model, repeat, samples)
    await run.show_results()
    return 0


def _placement(run: Run, flags: Parsed, model: Model) -> tuple[Request, Plan]:
    """Return what the graph runs on; without an accelerator, silently the CPU."""
    threads = max(1, int(flags.number("num_threads", -1)))
    cpu = Request("cpu-xnnpack", threads=threads, cpus=run.call.cpus)
    units = run.phone.profile.units
    name = ""
    if flags.on("use_gpu"):
        name = "gpu-gl" if flags.text("gpu_backend") == "gl" or not run.phone.profile.opencl else "gpu"
    elif flags.on("use_npu") and _compiles(run, flags):
        name = next((n for n in ("qnn-htp", "google-edgetpu") if n in units), "")
    refused = run.phone.faults.strikes(Fault.DELEGATE_NOT_CREATED, run.call.command_line)
    if not name or name not in units or run.phone.mode == "real" or refused:
        asked = flags.on("use_gpu") or flags.on("use_npu")
        return cpu, Plan((not asked,) * len(model.operators))
    half = name.startswith("gpu") and flags.text("gpu-precision", "auto") != "fp32"
    plan = divide(model.operators, units[name])
    if run.phone.faults.strikes(Fault.PARTIAL_DELEGATION, run.call.command_line):
        plan = Plan(tuple(taken and index % 3 != 1 for index, taken in enumerate(plan.taken)))
    return Request(name, half, threads, run.call.cpus), plan


def _compiles(run: Run, flags: Parsed) -> bool:
    """Whether a file that no compiler has seen yet can be compiled for the NPU: its two libraries are found."""
    found = []
    for flag, pattern in (
        ("dispatch_library_path", "libLiteRtDispatch*.so"),
        ("compiler_plugin_library_path", "libLiteRtCompilerPlugin*.so"),
    ):
        folder = flags.text(flag)
        found.append(bool(folder) and any(run.file(folder).glob(pattern)))
    return all(found)


def _results(run: Run, model: Model, repeat: Repetitions, samples: Samples) -> None:
    page = run.page
    phases = (
        (samples.warmup, repeat.warmup_runs, repeat.warmup_min_s),
        (samples.runs, repeat.num_runs, repeat.min_s),
    )
    for times, num, seconds in phases:
        page.out(
            f"INFO: Running benchmark for at least {num} iterations and at least {seconds:g} seconds but terminate if "
            f"exceeding {repeat.max_s:g} seconds."
        )
        page.out(f"INFO: {stat_line([time * 1e3 for time in times], percentiles=True)}")
        page.out("")
    where = "INFO: [benchmark_litert_model.h:{}]"
    spread = statistics.pstdev(samples.runs)
    mean, warm = statistics.fmean(samples.runs), statistics.fmean(samples.warmup)
    for line, text in (
        (0, "\n========== BENCHMARK RESULTS =========="),
        (94, f"Model initialization: {samples.init:.2f} ms"),
        (96, f"Warmup (first):       {samples.first:.2f} ms"),
        (98, f"Warmup (avg):         {warm:.2f} ms ({len(samples.warmup)} runs)"),
        (100, f"Inference (avg):      {mean:.2f} ms ({len(samples.runs)} runs)"),
        (104, f"Inference (min):      {min(samples.runs):.2f} ms"),
        (106, f"Inference (max):      {max(samples.runs):.2f} ms"),
        (108, f"Inference (std):      {spread:.2f}"),
        (115, f"Throughput:           {model.num_bytes / 1e3 / mean:.2f} MB/s"),
        (0, "Memory Usage:"),
        (126, f"Init footprint:       {model.num_bytes / 1e6 * 1.3:.2f} MB"),
        (128, f"Overall footprint:    {model.num_bytes / 1e6 * 2.2:.2f} MB"),
    ):
        page.err(f"{where.format(line)} {text}" if line else text)
