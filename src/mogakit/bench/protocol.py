"""How the runner and its worker process talk: JSON frames over pipes, each after its length in four bytes."""

import json
import struct
import subprocess
from typing import IO, Any

from mogakit.errors import MeasurementError

_LENGTH = struct.Struct(">I")


def send(stream: IO[bytes], message: dict[str, Any]) -> None:
    """Write one frame and flush it."""
    body = json.dumps(message, allow_nan=False).encode()
    stream.write(_LENGTH.pack(len(body)) + body)
    stream.flush()


def receive(stream: IO[bytes]) -> dict[str, Any] | None:
    """Read one frame; None where the other side has closed the stream between two frames.

    Raises:
        MeasurementError: the stream ended inside a frame, or holds something else.
    """
    head = stream.read(_LENGTH.size)
    if not head:
        return None
    if len(head) < _LENGTH.size:
        raise MeasurementError("the worker process ended inside a message")
    (size,) = _LENGTH.unpack(head)
    body = stream.read(size)
    if len(body) < size:
        raise MeasurementError("the worker process ended inside a message")
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MeasurementError(f"the worker process said {body[:80]!r}, which is not a message") from error
    if not isinstance(message, dict):
        raise MeasurementError(f"the worker process said {body[:80]!r}, which is not a message")
    return message


def exchange(process: subprocess.Popen[bytes], message: dict[str, Any]) -> dict[str, Any]:
    """Send a frame to a process started with pipes and return its answer.

    Raises:
        MeasurementError: it ended instead of answering.
        BrokenPipeError: it had ended before.
    """
    if process.stdin is None or process.stdout is None:
        raise MeasurementError("the worker process was started without pipes")
    send(process.stdin, message)
    answer = receive(process.stdout)
    if answer is None:
        raise MeasurementError("the worker process ended without an answer")
    return answer
