"""Absolute paths of the phone to the private folder that stands for its root, in names and in shell text."""

import os
import re
from pathlib import Path

TOPS = ("data", "sdcard", "storage", "sys", "system", "vendor", "product", "apex", "odm", "mnt")
"""First parts of the paths that a phone has and that shell text may name."""

PROC_FILES = ("sys", "cpuinfo", "loadavg", "meminfo", "stat", "uptime", "version")
"""What is the phone's own under /proc; processes (/proc/PID) are real ones of this computer."""

_PATTERN = rf"(?<![\w/.-])/(?=(?:{'|'.join(TOPS)}|proc/(?:{'|'.join(PROC_FILES)}))(?![\w.-]))"

SED_PATTERN = f"s#(^|[^A-Za-z0-9_/.-])/({'|'.join(TOPS)}|proc/({'|'.join(PROC_FILES)}))#\\1ROOT/\\2#g"
"""The same for sed -E, in which `ROOT` is to be replaced, for scripts that the phone's `sh` is given as files."""


class Paths:
    """Maps between what the phone calls a path and where it lies on this computer."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._pattern = re.compile(_PATTERN)
        self._root_bytes = os.fsencode(str(root))

    def host(self, path: str) -> Path:
        """Return where a path of the phone lies; `..` does not lead out of the root."""
        return self.root / os.path.normpath("/" + path).lstrip("/")

    def command(self, text: str) -> str:
        """Replace the phone's absolute paths in shell text."""
        return self._pattern.sub(f"{self.root}/", text)

    def phone(self, text: str) -> str:
        """Replace this computer's paths by the phone's."""
        return "/" if text == str(self.root) else text.replace(str(self.root), "")

    def output(self, data: bytes) -> bytes:
        """Replace this computer's paths in what a process of the phone printed."""
        return data.replace(self._root_bytes + b"/", b"/").replace(self._root_bytes, b"/")

    def split_point(self, data: bytes) -> int:
        """Return how much of `data` can be given out: what may be the beginning of a host path is held back."""
        for length in range(min(len(self._root_bytes), len(data)), 0, -1):
            if data.endswith(self._root_bytes[:length]):
                return len(data) - length
        return len(data)
