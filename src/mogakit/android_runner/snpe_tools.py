"""SNPE's two measuring tools: command lines, the input that one of them wants, and its log that another program reads.

`snpe-net-run` prints no time. It computes once for each line of a list of input files, and writes a binary log into its
output folder. That comes back in base64 with the answers of the run and is read by `snpe-diagview` on this computer.
"""

import base64
import binascii
import math
from collections.abc import Mapping

from mogakit.android_runner import diagview
from mogakit.android_runner.parsers import snpe
from mogakit.android_runner.parsers.common import Timing, tail
from mogakit.android_runner.userland import MODERN, Userland
from mogakit.bench.target import Target
from mogakit.errors import InputError, MeasurementError
from mogakit.export.artifact import Artifact

MAX_LOG_BYTES = 1_000_000
MAX_INPUT_BYTES = 256 * 2**20
_BLOCK = 65536
_MAX_BLOCKS = MAX_LOG_BYTES // _BLOCK + 1  # more than the limit, so that what is over it is seen
_FLOAT_BYTES = 4  # input files hold float32, whatever the container computes in, unless a flag says otherwise
_LIST, INPUT, _OUTPUT = "input_list.txt", "input.raw", "output"  # in the run's own folder
FIRST_OUTPUT = f"{_OUTPUT}/Result_0/*.raw"
"""What the first line of the list came to: one file an output, in float32, named after the output."""
_LOG = f"{_OUTPUT}/{diagview.LOG_NAME}"

# every inference leaves its output in a folder of its own, which nobody reads
NET_RUN_QUESTIONS = {"snpe-log": f"rm -rf {_OUTPUT}/Result_*; dd if={_LOG} bs={_BLOCK} count={_MAX_BLOCKS} | base64"}


def throughput_arguments(container: str, min_s: float) -> list[str]:
    """Return the arguments of `snpe-throughput-net-run`, which lasts whole seconds."""
    return ["--container", container, "--duration", f"{_seconds(min_s):g}"]


def read_throughput(text: str, min_s: float) -> Timing:
    """Read what `snpe-throughput-net-run` printed when it was given `throughput_arguments`.

    Raises:
        MeasurementError: see `parsers.snpe.parse_throughput`.
    """
    return snpe.parse_throughput(text, _seconds(min_s))


def net_run_arguments(container: str) -> list[str]:
    """Return the arguments of `snpe-net-run`; the files lie in the run's own folder, in which it is started."""
    return ["--container", container, "--input_list", _LIST, "--output_dir", _OUTPUT]


def net_run_prelude(artifact: Artifact, target: Target, num_runs: int, userland: Userland = MODERN) -> str:
    """Return shell text that makes the input of `snpe-net-run` and removes what an earlier run left.

    Raises:
        InputError: see `input_bytes`.
    """
    return (
        f"rm -rf {_OUTPUT} {_LIST} && mkdir {_OUTPUT} && "
        f"{userland.zeros(input_bytes(artifact, target), INPUT)} && "
        f"{{ i=0; while [ $i -lt {num_runs} ]; do echo {INPUT}; i=$((i+1)); done; }} >{_LIST}"
    )


def input_bytes(artifact: Artifact, target: Target) -> int:
    """Return the size of the input file: from the export where the kit made the container, else from the target.

    Raises:
        InputError: neither tells, they contradict each other, the file would be too large, or there are several inputs.
    """
    advice = "or leave out tool=net-run: snpe-throughput-net-run makes its own input"
    if len(artifact.inputs) > 1:
        raise InputError(f"{artifact.name} has {len(artifact.inputs)} inputs and tool=net-run is given one; {advice}")
    exported = artifact.inputs[0].shape if artifact.inputs else None
    named = target.option("input", "")
    given = tuple(map(int, named.split("x"))) if named else None
    shape = exported or given
    if shape is None:
        raise InputError(
            f"{target} needs a file of {artifact.name}'s input, and a .dlc does not tell its shape: name it as in "
            f"{target},input=1x224x224x3 (snpe-dlc-info of the SDK shows it), {advice}"
        )
    if exported and given and math.prod(exported) != math.prod(given):
        known = "x".join(map(str, exported))
        raise InputError(f"{artifact.name} was exported for an input of {known}, not {named}; leave out input=")
    size = _FLOAT_BYTES * math.prod(shape)
    if size > MAX_INPUT_BYTES:
        raise InputError(
            f"an input of {'x'.join(map(str, shape))} takes {size} bytes and {MAX_INPUT_BYTES} are the most that are "
            f"written to a phone; check input=, {advice}"
        )
    return size


def read_net_run(text: str, answers: Mapping[str, str], num_runs: int) -> Timing:
    """Read a run of `snpe-net-run` by its log.

    Raises:
        MeasurementError: an instance was not created, there is no log, it is not whole, or `snpe-diagview` failed.
        ToolMissing: `snpe-diagview` is not registered.
    """
    snpe.reject_failed("snpe-net-run", text)
    try:
        log = base64.b64decode("".join(answers.get("snpe-log", "").split()), validate=True)
    except binascii.Error as error:
        raise MeasurementError(f"snpe-net-run's log did not arrive whole: {error}") from error
    if not log:
        raise MeasurementError(
            f"snpe-net-run left no {diagview.LOG_NAME}, so there is no time, as it does now and then; where it never "
            f"leaves one, measure without tool=net-run. The output ended with:\n{tail(text)}"
        )
    if len(log) > MAX_LOG_BYTES:
        raise MeasurementError(f"snpe-net-run wrote a log of more than {MAX_LOG_BYTES} bytes, which is not fetched")
    return snpe.parse_diagview(diagview.to_csv(log), num_runs)


def _seconds(min_s: float) -> float:
    return max(1.0, math.ceil(min_s))
