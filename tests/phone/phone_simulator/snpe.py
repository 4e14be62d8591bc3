"""Qualcomm's snpe-throughput-net-run and snpe-net-run; a container of theirs (.dlc) is closed, so its size decides."""

from phone_simulator.faults import Fault
from phone_simulator.graphs import Model, Operator
from phone_simulator.latency import Plan, Repetitions, Request
from phone_simulator.run import Run

_BARE = (
    "--use_gpu",
    "--use_dsp",
    "--use_aip",
    "--use_cpu",
    "--enable_cpu_fallback",
    "--enable_init_cache",
    "--userbuffer_tf8",
    "--help",
)


def container_model(num_bytes: int) -> Model:
    """Return a stand-in for what a container of this size computes."""
    side = max(1, num_bytes // 4)
    operator = Operator("FC", "dlc", "dlc", "int8", ((1, 1, 1, 64), (side,)), (1, 1, 1, 64), (side,), side * 40)
    return Model((operator,), {"input": (1, 224, 224, 3)}, {"output": (1, 1000)}, num_bytes)


async def snpe(run: Run, throughput: bool) -> int:
    """Do what the command line asks."""
    page, words = run.page, list(run.call.arguments)
    flags: dict[str, str] = {}
    while words:
        word = words.pop(0)
        name, equals, value = word.partition("=")
        flags[name] = value if equals else ("" if name in _BARE or not words else words.pop(0))
    if "--help" in flags or "--container" not in flags:
        page.out("DESCRIPTION:\n------------\nLoads a network and measures its throughput or runs it.\n")
        page.out("REQUIRED ARGUMENTS:\n  --container  <FILE>   Path to the DL container containing the network.")
        await run.end(0 if "--help" in flags else 1)
    path = run.file(flags["--container"])
    if not path.is_file():
        page.err(f"error_code=300; error_message=Could not open container. {flags['--container']}")
        await run.end(1)
    unit = "qnn-dsp" if "--use_dsp" in flags else "qnn-gpu" if "--use_gpu" in flags else "cpu-plain"
    refused = run.phone.faults.strikes(Fault.DELEGATE_NOT_CREATED, run.call.command_line)
    if unit not in run.phone.profile.units or refused:
        page.out(
            "[Instance 0 - dsp_fixed8_tf] Unable to successfully create SNPE instance. Will continue to creation of "
            "other SNPE instance(s). error_code=402; error_message=Network partition has failed."
        )
        await run.end(0)
    model = container_model(path.stat().st_size)
    seconds = float(flags.get("--duration", "10"))
    request = Request(unit, False, 1, run.call.cpus)
    samples = await run.measure(
        path, model, request, Plan((True,)), Repetitions(1, seconds, 1e9, 1, 0.0), {"runtime": "snpe"}
    )
    mean = sum(samples.runs) / len(samples.runs)
    if throughput:
        page.out(f"[Instance 0 - {unit.replace('-', '_')}] throughput: {1e3 / mean:.6g} infs/sec")
        page.out(f"Total throughput: {1e3 / mean:.6g} infs/sec")
    else:
        page.out("-------------------------------------------------------------------------------")
        page.out("Model String: N/A\nSNPE v2.20.0.240223\n")
        page.out("Processing DNN input(s):\n/data/local/tmp/input.raw")
        folder = run.file(flags.get("--output_dir", "output"))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "SNPEDiag_0.log").write_bytes(b"\0SNPEDiag\0")
    await run.show_results()
    return 0
