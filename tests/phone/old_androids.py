"""What the userlands of older Androids lack, taken from a phone's commands by removing or wrapping them."""

from collections.abc import Callable
from pathlib import Path

GONE = "absent"
NO_C = """#!{shell}
for word; do [ "$word" != -c ] || {{ echo "{name}: Unknown option c" >&2; exit 1; }}; done
exec {real} "$@"
"""

ANDROIDS = {
    "7.0": {"sha256sum": GONE, "stat": NO_C},
    "8.0": {"head": NO_C},
    "8.0 without nohup and env": {"head": NO_C, "nohup": GONE, "env": GONE},
    "a bare one": {**dict.fromkeys(("sha256sum", "sha1sum", "stat", "nohup", "setsid", "env"), GONE), "head": NO_C},
}
"""By Android's version: Android 7.0 has no `sha256sum`, 8.0's `head` no `-c`. From 9 on nothing of it is missing."""


def age(folder: Path, lacks: dict[str, str], real: Callable[[Path], str], shell: str = "/bin/sh") -> None:
    """Take from the commands in `folder` what an older phone has not.

    Args:
        real: how a wrapper calls the command that it stands before.
        shell: what runs a wrapper.
    """
    for name, text in lacks.items():
        command = folder / name
        called = real(command)
        command.unlink()
        if text != GONE:
            command.write_text(text.format(name=name, real=called, shell=shell))
            command.chmod(0o755)
