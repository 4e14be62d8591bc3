"""`moga doctor`."""

from dataclasses import asdict

import click

from mogakit.cli.command import command as new_command
from mogakit.cli.output import json_option, print_json, print_table, say


@new_command("doctor")
@json_option
def command(as_json: bool) -> None:
    """Report what is installed, what would work, and what to install for the rest.

    Exit code 1 where something is missing without which the kit does not work.
    """
    from mogakit.flows.doctor import State, examine

    findings = examine()
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        rows = [(each.what, each.state, each.seen, each.serves, each.remedy) for each in findings]
        print_table("What is here", ("what", "state", "seen", "serves", "what to do"), rows)
        counts = {state: sum(each.state is state for each in findings) for state in State}
        say(", ".join(f"{count} {state}" for state, count in counts.items() if count))
    if any(finding.state is State.MISSING for finding in findings):
        raise click.exceptions.Exit(1)
