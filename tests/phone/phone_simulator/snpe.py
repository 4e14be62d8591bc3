"""Qualcomm's snpe-throughput-net-run and snpe-net-run; a container of theirs (.dlc) is closed, so its size decides.

The real snpe-net-run writes a flatbuffer that nobody else reads. Here the log is a stand-in: JSON behind bytes that are
no text. What reads it is a stand-in, too (`write_diagview`): a script that writes the columns in which Microsoft Olive
reads the real program's table. How the real tool words a missing list or a file of the wrong size is made up.

A container that holds an ONNX file behind `CONVERTED` computes what that file does; any other writes zeros.
"""

import asyncio
import json
import math
import sys
from pathlib import Path

import numpy as np
from phone_simulator.answers import container_outputs
from phone_simulator.faults import Fault
from phone_simulator.graphs import Model, Operator
from phone_simulator.latency import Plan, Repetitions, Request
from phone_simulator.run import Run

_BARE = (
    "--use_gpu",
    "--use_gpu_fp16",
    "--use_dsp",
    "--use_aip",
    "--use_cpu",
    "--enable_cpu_fallback",
    "--enable_init_cache",
    "--userbuffer_tf8",
    "--help",
)
CONVERTED = b"dlc of "
"""How the stand-ins for the SDK's converter begin a container; the ONNX file follows."""

_LOG_HEAD = b"\0\xff\xfeSNPEDiag\r\n\0"
_DIAGVIEW = """#!{python}
import json, sys
log = open(sys.argv[sys.argv.index("--input_log") + 1], "rb").read()
if not log.startswith({head!r}):
    sys.exit("cannot open log")
values = json.loads(log[{skip}:])
with open(sys.argv[sys.argv.index("--output") + 1], "w") as table:
    print("Message_Type,Message_Name,Message_Unit,Message_Value", file=table)
    for name, value in values.items():
        print(f"Average,{{name}},us,{{value}}", file=table)
"""


def write_diagview(folder: Path, content: str | None = None) -> Path:
    """Write a stand-in for the SDK's snpe-diagview into `folder` and return its path.

    Args:
        content: another script, for one that fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "snpe-diagview"
    path.write_text(content or _DIAGVIEW.format(python=sys.executable, head=_LOG_HEAD, skip=len(_LOG_HEAD)))
    path.chmod(0o755)
    return path


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
    on_gpu = "--use_gpu" in flags or (throughput and "--use_gpu_fp16" in flags)
    unit = "qnn-dsp" if "--use_dsp" in flags else "qnn-gpu" if on_gpu else "cpu-plain"
    refused = run.phone.faults.strikes(Fault.DELEGATE_NOT_CREATED, run.call.command_line)
    if unit not in run.phone.profile.units or refused:
        page.out(
            "[Instance 0 - dsp_fixed8_tf] Unable to successfully create SNPE instance. Will continue to creation of "
            "other SNPE instance(s). error_code=402; error_message=Network partition has failed."
        )
        await run.end(0)
    model = container_model(path.stat().st_size)
    data = path.read_bytes()
    source = data[len(CONVERTED) :] if data.startswith(CONVERTED) else None
    if throughput:
        repeat = Repetitions(1, float(flags.get("--duration", "10")), 1e9, 1, 0.0)
    else:
        repeat = Repetitions(
            len(names := await _inputs(run, flags, model if source is None else None)), 0.0, 1e9, 1, 0.0
        )
    request = Request(unit, False, 1, run.call.cpus)
    samples = await run.measure(path, model, request, Plan((True,)), repeat, {"runtime": "snpe"})
    mean = sum(samples.runs) / len(samples.runs)
    if throughput:
        page.out(f"[Instance 0 - {unit.replace('-', '_')}] throughput: {1e3 / mean:.6g} infs/sec")
        page.out(f"Total throughput: {1e3 / mean:.6g} infs/sec")
        await run.show_results()
        return 0
    page.out("Successfully executed!")
    await run.show_results()  # what ends here leaves no log
    folder = _file(run, flags.get("--output_dir", "output"))
    given = None if source is None else _file(run, names[0]).read_bytes()
    outputs = {"output": np.zeros(1000, np.float32)}
    if source is not None and given is not None:
        outputs = await asyncio.to_thread(container_outputs, source, given)
    for number in range(len(samples.runs)):
        (folder / f"Result_{number}").mkdir(parents=True, exist_ok=True)
        for name, value in outputs.items():
            run.write_outputs(folder / f"Result_{number}" / f"{name}.raw", [value])
    values = {"Init": samples.init * 1e3, "Avg_Total_Inference_Time": mean * 1e3, "Avg_Forward_Propagate": mean * 990}
    (folder / "SNPEDiag_0.log").write_bytes(_LOG_HEAD + json.dumps(values).encode())
    return 0


async def _inputs(run: Run, flags: dict[str, str], model: Model | None) -> list[str]:
    """Return the files of the input list; the run ends where one is missing or not what the container takes."""
    page, path = run.page, _file(run, flags.get("--input_list", ""))
    names = path.read_text().split() if path.is_file() else []
    if not names:
        page.err(f"error_code=303; error_message=Could not open input list. {flags.get('--input_list', '')}")
        await run.end(1)
    page.out("-------------------------------------------------------------------------------")
    page.out("Model String: N/A\nSNPE v2.20.0.240223")
    page.out("-------------------------------------------------------------------------------")
    wanted = None if model is None else 4 * math.prod(model.inputs["input"])
    for name in names:
        page.out(f"Processing DNN input(s):\n{name}")
        file = _file(run, name)
        size = file.stat().st_size if file.is_file() else None
        if size is None or (wanted is not None and size != wanted):
            page.err(f"error_code=304; error_message=Could not read input. {name}: {size} bytes, not {wanted}")
            await run.end(1)
    return names


def _file(run: Run, path: str) -> Path:
    """Return where a file lies on this computer; a relative path begins where the tool was started."""
    return run.work_file(path)
