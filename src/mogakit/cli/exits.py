"""How a command ends: exit codes, Ctrl-C at any time, and a reader that closes the pipe."""

import errno
import io
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

import click

from mogakit.errors import MogaKitError
from mogakit.neutral import printable

DONE, FAILED, BAD_INPUT = 0, 1, 2
INTERRUPTED = 128 + signal.SIGINT
CLOSED_PIPE = 128 + 13  # SIGPIPE, which Windows does not define
"""What the shell sees; docs/cli.md describes each."""
NO_MEMORY = "moga: there is not enough memory for this"
_ALLOCATION = "can't allocate memory"
"""As torch says it."""
ENDING_S = 10.0
"""For how long after a Ctrl-C further ones are ignored, while the command ends."""
AGAIN_S = 0.05
"""After which a Ctrl-C that Python dropped, or that fell into an import, is raised again."""
IMPORT_S = 5.0
"""How long an import may put off a Ctrl-C; one that takes longer is ended by it all the same."""


def exit_code_of(command: Callable[[], object]) -> int:
    """Run a command and return its exit code; an error of the kit becomes one message on standard error.

    After a Ctrl-C the code is 130, whatever error the interruption led to (a worker process that ended by the same
    Ctrl-C, for example, or an import that was cut short), and further ones are ignored for ten seconds, while the
    command ends.
    """
    ctrl_c = _CtrlC()
    try:
        code = _ended(command)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BaseException:
        if not ctrl_c.pressed:
            raise
        code = INTERRUPTED  # a compiled module that was being imported, for example, ends in an ImportError
    if ctrl_c.pressed or code == INTERRUPTED:
        click.echo("stopped; what was finished is kept", err=True)
        return INTERRUPTED
    return code


class _CtrlC:
    """Raises Ctrl-C as `KeyboardInterrupt`; one more within `ENDING_S` would cut short how the command ends.

    Python drops an exception that is raised within a finaliser or a callback of C code, and prints it. A Ctrl-C that
    fell there is raised again, since without it the command would go on as if nobody had pressed anything.
    """

    def __init__(self) -> None:
        self.pressed = False
        self._ignored_until = self._pressed_at = -math.inf
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, self._handle)
            sys.unraisablehook = self._dropped

    def _handle(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if now < self._ignored_until:
            return
        if not self.pressed:
            self._pressed_at = now
        self.pressed = True
        if _is_importing(frame) and now < self._pressed_at + IMPORT_S:
            self._raise_again()
            return
        self._ignored_until = now + ENDING_S
        raise KeyboardInterrupt

    def _dropped(self, dropped: "sys.UnraisableHookArgs") -> None:
        if not isinstance(dropped.exc_value, KeyboardInterrupt):
            sys.__unraisablehook__(dropped)
            return
        self._ignored_until = -math.inf
        self._raise_again()

    def _raise_again(self) -> None:
        """Send the signal once more in a while: a true signal, which also ends a sleep or a read."""
        again = threading.Timer(AGAIN_S, os.kill, (os.getpid(), signal.SIGINT))
        again.daemon = True
        again.start()


def _is_importing(frame: FrameType | None) -> bool:
    """Return whether a module is being imported: the C++ code of some (torch) aborts the process on an exception."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _ended(command: Callable[[], object]) -> int:
    stdout = sys.stdout
    try:
        returned = command()
        if sys.stdout is not None:  # None where the shell closed it (>&-)
            sys.stdout.flush()
    except SystemExit as leaving:  # click ends so, with a wrapped stdout, where help meets a closed pipe
        return CLOSED_PIPE if sys.stdout is not stdout or _is_closed() else _number(leaving.code)
    except click.ClickException as error:
        shown = io.StringIO()
        error.show(shown)
        click.echo(printable(shown.getvalue()), err=True, nl=False)
        return error.exit_code
    except click.Abort:
        return INTERRUPTED
    except MogaKitError as error:
        click.echo(f"moga: {printable(str(error))}", err=True)
        return error.exit_code
    except MemoryError:
        click.echo(NO_MEMORY, err=True)
        return FAILED
    except RuntimeError as error:
        if _ALLOCATION not in str(error):
            raise
        click.echo(NO_MEMORY, err=True)
        return FAILED
    except OSError as error:
        if error.errno == errno.EPIPE and _is_closed():
            return CLOSED_PIPE
        where = f": {error.filename}" if error.filename else ""
        click.echo(f"moga: {printable(f'{error.strerror or error}{where}')}", err=True)
        return FAILED
    return returned if isinstance(returned, int) else DONE


def _number(code: object) -> int:
    return code if isinstance(code, int) else FAILED if code else DONE


def _is_closed() -> bool:
    """Return whether nobody reads standard output any more; then also keep Python from writing to it at its end."""
    if sys.stdout is None:
        return False
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False
