"""What a phone can be told to do wrong, when, and how often."""

from dataclasses import dataclass, field
from enum import StrEnum


class Fault(StrEnum):
    """A way to misbehave. `where` of `Faults.add` narrows it to files or commands whose text holds that part."""

    UNPLUG_IN_RUN = "unplug-in-run"  # the cable goes while a tool computes; the tool itself goes on
    UNPLUG_IN_PUSH = "unplug-in-push"  # ... in the middle of a file
    UNPLUG_IN_POLL = "unplug-in-poll"  # ... while a shell command runs and a tool is at work
    ANSWER_LOST = "answer-lost"  # a shell command is done, and the cable goes before its answer
    REBOOT_IN_RUN = "reboot-in-run"
    SERVER_KILLED_IN_RUN = "server-killed-in-run"  # calls `on_server_kill`
    TRUNCATED_OUTPUT = "truncated-output"  # the tool prints half of its text and exits with 0
    ENDLESS_OUTPUT = "endless-output"  # prints for ever
    HANG = "hang"  # never ends, prints nothing more
    CRASH = "crash"  # segmentation fault in a driver: exit status 139
    DELEGATE_NOT_CREATED = "delegate-not-created"  # CPU run, exit status 0
    PARTIAL_DELEGATION = "partial-delegation"  # the delegate leaves every third operator to the CPU
    NO_OPENCL = "no-opencl"  # the library is missing: OpenGL is taken
    WRONG_HASH = "wrong-hash"  # a pushed file's last byte is flipped
    DISK_FULL = "disk-full"
    WRONG_OUTPUT = "wrong-output"  # one value of what it computes has the other sign; the times are as ever
    GARBLED_NUMBERS = "garbled-numbers"  # the statistics line holds no number


@dataclass
class _Rule:
    fault: Fault
    times: int
    after: int
    where: str


@dataclass
class Faults:
    """The faults in force. `add` one, and it happens `times` times after having been passed over `after` times."""

    _rules: list[_Rule] = field(default_factory=list)
    happened: list[Fault] = field(default_factory=list)
    """What has happened so far, in order."""

    def add(self, fault: Fault, times: int = 1, after: int = 0, where: str = "") -> None:
        """Put `fault` in force; `times` may be -1 for ever, `where` must be part of the path or command line."""
        self._rules.append(_Rule(fault, times, after, where))

    def clear(self) -> None:
        """Behave from now on."""
        self._rules.clear()

    def strikes(self, fault: Fault, text: str = "") -> bool:
        """Whether `fault` happens now; uses it up."""
        for rule in self._rules:
            if rule.fault is fault and rule.times and rule.where in text:
                if rule.after:
                    rule.after -= 1
                    continue
                rule.times -= 1
                self.happened.append(fault)
                return True
        return False

    def pending(self, fault: Fault) -> bool:
        """Whether `fault` is still to come."""
        return any(rule.fault is fault and rule.times for rule in self._rules)
