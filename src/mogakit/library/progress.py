"""Progress where nobody gives a callable: a bar in a notebook, nothing elsewhere."""

import sys
from html import escape
from typing import Any

from mogakit.progress import Progress, silent


def progress_for(what: str, given: Progress | None) -> Progress:
    """Return the caller's progress; where there is none, a bar in a notebook and nothing in a script.

    Args:
        what: is going on, for the bar's label.
        given: the caller's, or None.
    """
    if given is not None:
        return given
    return NotebookProgress(what) if in_notebook() else silent


def in_notebook() -> bool:
    """Return whether this process is the kernel of a notebook, whose output cells show HTML."""
    shell = sys.modules.get("IPython")
    if shell is None:
        return False
    running = shell.get_ipython()
    return running is not None and hasattr(running, "kernel")


class NotebookProgress:
    """A bar in the output cell, drawn in place; IPython is loaded only here."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._handle: Any = None

    def __call__(self, done: int, total: int, note: str) -> None:
        """Draw the bar at `done` of `total`."""
        from IPython.display import HTML, display

        bar = HTML(bar_html(self._what, done, total, note))
        if self._handle is None:
            self._handle = display(bar, display_id=True)
        else:
            self._handle.update(bar)


def bar_html(what: str, done: int, total: int, note: str) -> str:
    """Return a bar as HTML: an element of the browser's own, with numbers beside it."""
    bar = f"<progress value='{done}' max='{total}'></progress>"
    return f"{bar} {escape(what)} {done}/{total} <small>{escape(note)}</small>"
