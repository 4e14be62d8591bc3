"""onnxruntime_perf_test in two ages; seconds and milliseconds are mixed, as they are."""

import statistics

from phone_simulator.faults import Fault
from phone_simulator.graphs import NotAModel
from phone_simulator.latency import Plan, Repetitions, Request, divide
from phone_simulator.run import Run

_WITH_VALUE = ["-e", "-m", "-t", "-r", "-x", "-y", "-c", "-o", "-i", "-C", "-p", "-u", "-d", "-f", "-F"]
_BARE = ["-I", "-s", "-v", "-S", "-Z", "-A", "-M", "-P", "-q", "-z", "-h", "-g", "-n"]


_NNAPI_KEYS = ("NNAPI_FLAG_USE_FP16", "NNAPI_FLAG_USE_NCHW", "NNAPI_FLAG_CPU_DISABLED", "NNAPI_FLAG_CPU_ONLY")
"""Bare words, as onnxruntime's test/perftest reads them; other providers take `key|value`."""


async def ort_perf_test(run: Run, version: str) -> int:
    """Do what the command line asks."""
    page, words = run.page, list(run.call.arguments)
    options: dict[str, list[str]] = {}
    files: list[str] = []
    while words:
        word = words.pop(0)
        if word in _WITH_VALUE and words:
            options.setdefault(word, []).append(words.pop(0))
        elif word in _BARE:
            options.setdefault(word, []).append("")
        elif word.startswith("-"):
            page.err(f"{run.call.program}: invalid option -- '{word.lstrip('-')[:1]}'")
            _usage(run)
            await run.end(1)
        else:
            files.append(word)
    if not files or "-h" in options:
        _usage(run)
        await run.end(1)
    threads = int(options.get("-x", ["1"])[0])
    provider = options.get("-e", ["cpu"])[0]
    page.out(f"Setting intra_op_num_threads to {threads}")
    try:
        model = run.phone.model(run.file(files[0]))
    except (OSError, NotAModel):
        page.err(f"Load model from {files[0]} failed:File doesn't exist or is no ONNX model")
        await run.end(1)
        raise
    request, plan = Request("cpu-onnx", False, threads, run.call.cpus), Plan((True,) * len(model.operators))
    if provider != "cpu":
        names = {"nnapi": (*run.phone.profile.nnapi, "nnapi-reference")[:1], "qnn": ("qnn-htp",)}.get(provider)
        if names is None:
            page.err(f"Unknown or unsupported execution provider: {provider}")
            await run.end(1)
            raise ValueError(provider)
        unit = run.phone.profile.units.get(names[0])
        keys = [key for text in options.get("-i", []) for key in text.split()] if provider == "nnapi" else []
        for key in keys:
            if key not in _NNAPI_KEYS:
                page.err(
                    "[ERROR] [NNAPI] wrong key type entered. Choose from the following runtime key options that are "
                    f"available for NNAPI. [{', '.join(repr(name) for name in _NNAPI_KEYS)}]"
                )
                await run.end(1)
        half = "NNAPI_FLAG_USE_FP16" in keys
        if (
            unit is None
            or run.phone.mode == "real"
            or run.phone.faults.strikes(Fault.DELEGATE_NOT_CREATED, run.call.command_line)
        ):
            plan = Plan((False,) * len(model.operators))
        else:
            plan = divide(model.operators, unit)
            request = Request(names[0], half, threads, run.call.cpus)
            if run.phone.faults.strikes(Fault.PARTIAL_DELEGATION, run.call.command_line):
                plan = Plan(tuple(taken and index % 3 != 1 for index, taken in enumerate(plan.taken)))
        strict = any("session.disable_cpu_ep_fallback|1" in text for text in options.get("-C", []))
        if plan.num_taken < len(model.operators) and strict:
            page.err(
                "This session contains graph nodes that are assigned to the default CPU EP, but fallback to CPU EP has "
                "been explicitly disabled by the user."
            )
            await run.end(1)
    times_mode = options.get("-m", ["duration"])[0] == "times"
    count = int(options.get("-r", ["1000"])[0]) if times_mode else 1
    seconds = 0.0 if times_mode else float(options.get("-t", ["600"])[0])
    repeat = Repetitions(count, seconds, 1e9, 1, 0.0)
    samples = await run.measure(run.file(files[0]), model, request, plan, repeat, {"runtime": "onnx"})
    times, mean = sorted(samples.runs), statistics.fmean(samples.runs)
    total = sum(times) / 1e3

    def percentile(share: float) -> float:
        return times[min(len(times) - 1, int(share * len(times)))] / 1e3

    page.out(f"Session creation time cost: {samples.init / 1e3:.6g} s")
    if version != "1.15":
        page.out(f"First inference time cost: {round(samples.first)} ms")
    page.out(f"Total inference time cost: {total:.6g} s")
    page.out(f"Total inference requests: {len(times)}")
    kind = "Average inference time cost total" if version != "1.15" else "Average inference time cost"
    page.out(f"{kind}: {mean:.6f} ms" if version != "1.15" else f"{kind}: {mean:.6g} ms")
    page.out(f"Total inference run time: {total * 1.0001:.6g} s")
    if version != "1.15":
        page.out(f"Number of inferences per second: {1e3 / mean:.6g}")
    page.out("Avg CPU usage: 11 %")
    page.out("Peak working set size: 271122432 bytes")
    page.out(f"Avg CPU usage:{11}" if version == "1.15" else f"Runs:{len(times)}")
    page.out(f"Min Latency: {times[0] / 1e3:.6g} s")
    page.out(f"Max Latency: {times[-1] / 1e3:.6g} s")
    for name, share in (("P50", 0.5), ("P90", 0.9), ("P95", 0.95), ("P99", 0.99), ("P999", 0.999)):
        value = f"{percentile(share):.6g}"
        page.out(f"{name} Latency: {value} s" if version != "1.15" else f"{name} Latency is {value}sec")
    await run.show_results()
    return 0


def _usage(run: Run) -> None:
    run.page.out("perf_test [options...] model_path [result_file]")
    run.page.out("Options:")
    for option, text in (
        ("-m [test_mode]", "Specifies the test mode. Value could be 'duration' or 'times'."),
        ("-e [cpu|nnapi|xnnpack|qnn]", "Specifies the provider."),
        ("-r [repeated_times]", "Specifies the repeated times if running in 'times' test mode. Default:1000."),
        ("-t [seconds_to_run]", "Specifies the seconds to run for 'duration' mode. Default:600."),
        ("-x [intra_op_num_threads]", "Sets the number of threads used to parallelize the execution within nodes."),
        ("-I", "Generate tensor input binding."),
        ("-C", "Specify session configuration entries as key-value pairs."),
    ):
        run.page.out(f"\t{option}: {text}")
