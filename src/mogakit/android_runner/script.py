"""Several questions in one trip: a script whose answers come back in named sections."""

from collections.abc import Mapping

_MARK = "@@moga:"


def build(sections: Mapping[str, str]) -> str:
    """Return a script that runs each command and prints its name before its output.

    Errors of any part of a command are left out and never end the script: a phone may lack any of the files and
    services.
    """
    return "; ".join(f"echo '{_MARK}{name}'; {{ {command}; }} 2>/dev/null; echo" for name, command in sections.items())


def split(output: str) -> dict[str, str]:
    """Return the answer of each section by its name; a section that never came is absent."""
    answers: dict[str, str] = {}
    for piece in output.replace("\r\n", "\n").split(_MARK)[1:]:
        name, _, answer = piece.partition("\n")
        answers[name.strip()] = answer.strip("\n")
    return answers
