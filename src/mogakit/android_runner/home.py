"""The kit's own folder on this computer: registered tools, locks and what was changed on phones."""

import os
from pathlib import Path


def home() -> Path:
    """Return `$MOGA_HOME`, or `moga-kit` under the user's data folder (`$XDG_DATA_HOME`, `~/.local/share`)."""
    given = os.environ.get("MOGA_HOME")
    if given:
        return Path(given).expanduser()
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local" / "share") / "moga-kit"
