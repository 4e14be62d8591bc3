"""How a demonstration reports the step that it is at."""

from collections.abc import Callable

from mogakit.progress import Progress, silent

Step = Callable[[int, int, str], Progress]
"""Called as each step begins with (number, of how many, title); returns the progress of that step."""


def silent_steps(number: int, total: int, title: str) -> Progress:
    """Draw nothing."""
    return silent
