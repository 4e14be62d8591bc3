"""`moga doctor`."""

import sys
from dataclasses import asdict

import click

from mogakit.cli.output import json_option, print_json, print_table
from mogakit.flows.doctor import State, examine


@click.command("doctor")
@json_option
def command(as_json: bool) -> None:
    """Report what is installed, what would work, and what to install for the rest.

    Exit code 1 where something is missing without which the kit does not work.
    """
    findings = examine()
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        rows = [(each.what, each.state, each.seen, each.serves, each.remedy) for each in findings]
        print_table("What is here", ("what", "state", "seen", "serves", "what to do"), rows)
        counts = {state: sum(each.state is state for each in findings) for state in State}
        click.echo(", ".join(f"{count} {state}" for state, count in counts.items() if count))
    if any(finding.state is State.MISSING for finding in findings):
        sys.exit(1)
