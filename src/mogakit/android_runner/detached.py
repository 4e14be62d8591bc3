"""A tool run that outlives its shell: launched in the background, found again after a lost link, ended by its pid.

The run's folder holds `pid`, `out` (bounded: endless output ends the tool by SIGPIPE), and `rc`, which is written last.
When a stream ends, adbd hangs up only the shell; what runs under it may live on and spoil the next measurement, so
whatever does not end by itself is killed, with all that it started: every process of a run has the run's name in its
environment. What an earlier session left running is looked for and ended.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from mogakit.android_runner import script
from mogakit.android_runner.adb import Link
from mogakit.android_runner.adb_server import LinkLost, ShellTimeout
from mogakit.android_runner.deploy import ROOT
from mogakit.android_runner.quoting import quote
from mogakit.errors import DeviceError

MAX_OUTPUT_BYTES = 1_000_000
_OUT = "@@moga:out\n"
_VANISHED_POLLS = 3  # so many polls without process and without exit code: it is gone
_MAX_POLL_S = 2.0
# $1 is a run's folder. A process is ended only while its environment names that run: numbers are used again
_KILL_FUNCTION = (
    'moga_of() { for f in $(grep -l "MOGA_RUN=$1" /proc/[0-9]*/environ 2>/dev/null); do '
    'f=${f#/proc/}; echo "${f%/environ}"; done; }; '
    'moga_kill() { p=$(moga_of "${1##*/}"); if [ -n "$p" ]; then kill $p 2>/dev/null; sleep 0.2; '
    'kill -9 $(moga_of "${1##*/}") 2>/dev/null; for one in $p; do echo "ended $one"; done; fi; }; '
)


class Rebooted(DeviceError):  # noqa: N818 - named for what it says
    """The phone restarted while a tool ran; the run is lost."""


@dataclass(frozen=True)
class Run:
    """One launched tool."""

    folder: str
    boot_id: str


@dataclass(frozen=True, kw_only=True)
class Finished:
    """How a run ended.

    Attributes:
        exit_code: None where the kit ended it after its time was up, or it vanished without one.
        answers: of the questions that were asked in the same trip, by name.
        cut: the output reached its bound, so the tool was ended.
    """

    exit_code: int | None
    output: str
    pid: int | None
    answers: dict[str, str]
    cut: bool = False
    num_polls: int = 1


def launch(
    link: Link, run_id: str, command: str, boot_id: str, prelude: str = "", discard: str = "", meanwhile: str = ""
) -> Run:
    """Start `command` (already quoted) in the background and return as soon as it is under way.

    What an earlier attempt under the same `run_id` left is ended and removed first, in the same trip: its process would
    run beside this one, and its `rc` would be read as this one's. What its shell still writes goes into the removed
    folder.

    Args:
        run_id: names the run's folder; letters, digits, `-`.
        boot_id: the phone's, read just before: a run is tied to it.
        prelude: shell text that prepares the run's folder, in which it and the command are executed.
        discard: folder of an earlier run that has been collected.
        meanwhile: shell text that is executed beside the command, in the run's folder, and ends with it.

    Raises:
        DeviceError: the folder could not be made.
        LinkLost: whether it runs is not known; try again with the same `run_id`.
    """
    folder = f"{ROOT}/runs/{run_id}"
    inner = f"echo $$ >pid && exec {command}"  # without a pid it could not be ended, so it is not begun
    beside = f"{{ {meanwhile}; }} >/dev/null 2>&1 </dev/null & moga_beside=$!; " if meanwhile else ""
    ended = "kill $moga_beside 2>/dev/null; " if meanwhile else ""
    body = (
        beside + f"{{ MOGA_RUN={run_id} sh -c {quote(inner)}; echo $? >rc.part; }} 2>&1 </dev/null | "
        f"{link.userland.bounded(MAX_OUTPUT_BYTES)} >out; {ended}mv rc.part rc"
    )
    answer = link.shell(
        f"{_KILL_FUNCTION} [ ! -d {folder} ] || moga_kill {folder}; "
        + f"rm -rf {folder} {quote(discard) if discard else ''} || "
        + f"{{ sleep 0.2; rm -rf {folder}; }}; "  # an ended process may have written into it meanwhile
        + f"mkdir -p {ROOT}/runs && mkdir {folder} && cd {folder} && {{ {prelude or ':'}; }} && "
        + f"{{ {link.userland.detached(quote(body))} >/dev/null 2>&1 </dev/null & echo launched; }}"
    )
    if "launched" not in answer.stdout:
        text = (answer.stderr or answer.stdout).strip()[:300]
        raise DeviceError(f"{link.serial}: a run could not be started: {text}")
    return Run(folder, boot_id)


def wait(
    link: Link,
    run: Run,
    questions: Mapping[str, str],
    expected_s: float,
    deadline_s: float,
    reconnect_s: float = 60.0,
    sleep: Callable[[float], None] = time.sleep,
) -> Finished:
    """Wait for a run and bring back its output, with the answers to `questions` as of its end.

    The phone is left alone for most of `expected_s`, then asked at growing intervals. On Ctrl-C the run is ended.

    Raises:
        Rebooted: the phone restarted meanwhile.
        DeviceError: it did not come back within `reconnect_s` after the link was lost.
    """
    began = time.monotonic()
    interval_s = min(_MAX_POLL_S, max(0.05, 0.1 * expected_s))
    vanished = 0
    try:
        sleep(0.85 * expected_s)
        num_polls = 0
        while True:
            finished = _collect(link, run, questions, reconnect_s)
            num_polls += 1
            if finished.exit_code is not None:
                return replace(finished, num_polls=num_polls)
            vanished = vanished + 1 if finished.answers.get("alive") == "no" else 0
            if vanished >= _VANISHED_POLLS:
                kill(link, run.folder)  # what it started may live on
                return finished
            if time.monotonic() - began > deadline_s:
                return _give_up(link, run, questions, reconnect_s)
            sleep(interval_s)
            interval_s = min(_MAX_POLL_S, 1.3 * interval_s)
    except BaseException as error:
        if not isinstance(error, Exception):  # Ctrl-C, or a caller that stops: nothing may run on behind its back
            kill(link, run.folder)
        raise


def kill(link: Link, folder: str) -> None:
    """End a run with all that it started; a phone that is away is left alone, and swept when it is next opened."""
    try:
        link.shell(f"{_KILL_FUNCTION} moga_kill {quote(folder)}")
    except (LinkLost, ShellTimeout):
        return


def sweep(link: Link) -> list[str]:
    """End what earlier sessions left running, remove their folders, and return one line for each that was ended."""
    answer = link.shell(
        f'{_KILL_FUNCTION} for r in {ROOT}/runs/*; do [ -d "$r" ] && moga_kill "$r"; done; rm -rf {ROOT}/runs/*; true',
        timeout_s=60.0,
    )
    return [line for line in answer.stdout.splitlines() if line.startswith("ended ")]


def _give_up(link: Link, run: Run, questions: Mapping[str, str], reconnect_s: float) -> Finished:
    """End a run whose time is up and bring back what it printed, without an exit code."""
    kill(link, run.folder)
    finished = _collect(link, run, questions, reconnect_s)
    return Finished(
        exit_code=None, output=finished.output, pid=finished.pid, answers=finished.answers, cut=finished.cut
    )


def _collect(link: Link, run: Run, questions: Mapping[str, str], reconnect_s: float) -> Finished:
    """Ask once; after a lost link, wait for the phone and ask again."""
    while True:
        try:
            answer = link.shell(_question(run, questions), timeout_s=30.0)
            break
        except (LinkLost, ShellTimeout):
            link.wait_until_ready(reconnect_s)
    head, _, output = answer.stdout.partition(_OUT)
    answers = script.split(head)
    boot_id = answers.get("boot", "").strip()
    if boot_id and run.boot_id and boot_id != run.boot_id:
        raise Rebooted(f"{link.serial} restarted while a tool was running; that run is lost")
    code, pid = answers.get("rc", "").strip(), answers.get("pid", "").strip()
    return Finished(
        exit_code=int(code) if code.isdecimal() else None,
        output=output,
        pid=int(pid) if pid.isdecimal() else None,
        answers=answers,
        cut=len(output) >= MAX_OUTPUT_BYTES,
    )


def _question(run: Run, questions: Mapping[str, str]) -> str:
    """Return a script that asks little while the tool runs, and for everything once it has ended.

    Whether it has ended is looked at once: a question may remove what it has read, and is not asked before its answer
    is taken.
    """
    basic = {
        "boot": "cat /proc/sys/kernel/random/boot_id",
        "rc": "[ $ended = no ] || cat rc",
        "pid": "cat pid",
        "alive": 'if [ -e rc ] || { [ -s pid ] && [ -d "/proc/$(cat pid)" ]; }; then echo yes; else echo no; fi',
    }
    rest = {name: command for name, command in questions.items() if name not in basic}
    return (
        f"cd {quote(run.folder)} || exit 1; ended=no; [ ! -e rc ] || ended=yes; {script.build(basic)}; "
        f"if [ $ended = yes ]; then {script.build(rest) or ':'}; fi; echo '{_OUT.strip()}'; cat out 2>/dev/null; true"
    )
