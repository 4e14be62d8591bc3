"""`moga devices`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mogakit.cli.command import group, ignored
from mogakit.cli.output import json_option, print_json, print_table, say

if TYPE_CHECKING:
    from mogakit.android_runner.state import PhoneState
    from mogakit.flows.measure.phones import PhoneReport

_ADB = click.option(
    "--adb",
    "addresses",
    multiple=True,
    metavar="HOST:PORT",
    help="An adb server; may be repeated. [default: adb's own]",
)


@group("devices", invoke_without_command=True, epilog="Example: moga devices --adb 127.0.0.1:5037 --json")
@_ADB
@click.option("--all-targets", is_flag=True, help="Show every kind of target, not TFLite and MACE on CPU and GPU only.")
@json_option
@ignored("all_targets", when=lambda given: given["as_json"], because="--json always holds every kind of target")
@click.pass_context
def command(ctx: click.Context, addresses: tuple[str, ...], all_targets: bool, as_json: bool) -> None:
    """List phones, their state and what would work on them.

    Settings that a session changed and could not undo (a crash, a pulled cable) are restored, unless somebody is
    measuring on the phone now, from this computer or another. Nothing that runs on a phone is ended.
    """
    if ctx.invoked_subcommand is not None:
        ctx.obj = addresses
        return
    from mogakit.flows.measure.phones import list_phones

    reports = list_phones(addresses)
    if as_json:
        print_json([_document(report) for report in reports])
        return
    if not reports:
        say("No phone. Connect one with a cable, switch on USB debugging in its developer options, and look again.")
        return
    _print(reports, all_targets)


@command.command("clean", epilog="Example: moga devices clean --device 1A081FDEE0001T")
@_ADB
@click.option("--device", "serial", help="Only this phone.")
@json_option
@click.pass_obj
def clean(parent: tuple[str, ...] | None, addresses: tuple[str, ...], serial: str | None, as_json: bool) -> None:
    """Remove everything that the kit left on the phones."""
    from mogakit.flows.measure.phones import clean_phones

    freed = clean_phones(addresses or parent or (), serial)
    if as_json:
        print_json([{"serial": name, "freed_bytes": size} for name, size in freed])
        return
    for name, size in freed:
        say(f"{name}: {size / 1e6:.1f} MB removed")


_ONE_ADB = click.option("--adb", "server", metavar="HOST:PORT", help="The adb server. [default: adb's own]")


@command.command("pair", epilog="Example: moga devices pair 192.168.1.5:37099 482913")
@click.argument("address", metavar="HOST:PORT")
@click.argument("code", metavar="CODE")
@_ONE_ADB
@json_option
@click.pass_obj
def pair(parent: tuple[str, ...] | None, address: str, code: str, server: str | None, as_json: bool) -> None:
    """Pair this computer with a phone over Wi-Fi (Android 11 or newer).

    The phone shows HOST:PORT and the six digits of CODE under Developer options > Wireless debugging > Pair device with
    pairing code, while that dialog is open.
    """
    from mogakit.flows.measure.phones import pair_phone

    name = pair_phone(address, code, server or _only(parent))
    if as_json:
        print_json({"address": address, "name": name})
        return
    say(f"paired with {name}; it may be listed by itself now (moga devices), else: moga devices connect HOST:PORT")


@command.command("connect", epilog="Example: moga devices connect 192.168.1.5:37211")
@click.argument("address", metavar="HOST:PORT")
@_ONE_ADB
@json_option
@click.pass_obj
def connect(parent: tuple[str, ...] | None, address: str, server: str | None, as_json: bool) -> None:
    """Connect to a phone over the network.

    HOST:PORT stands on the phone under Developer options > Wireless debugging. The port is not the one of the pairing
    dialog, and changes whenever wireless debugging is switched on.
    """
    from mogakit.flows.measure.phones import connect_phone

    serial = connect_phone(address, server or _only(parent))
    if as_json:
        print_json({"serial": serial})
        return
    say(f"{serial} is connected; see: moga devices")


def _only(addresses: tuple[str, ...] | None) -> str | None:
    """Return the server that stands before a sub-command; of several, none is meant."""
    if addresses and len(addresses) > 1:
        raise click.UsageError("a phone is paired with and connected to one adb server; give one --adb")
    return addresses[0] if addresses else None


def _document(report: PhoneReport) -> dict[str, object]:
    from mogakit.records import to_json

    found = report.found
    return {
        "serial": found.link.serial,
        "name": found.link.name,
        "adb_server": str(found.link.server),
        "state": found.state,
        "problem": report.problem,
        "waits_for": list(report.waits_for),
        "notes": list(report.notes),
        "same_as": found.same_as,
        "busy": report.busy,
        "mended": list(report.fixed),
        "properties": None if found.properties is None else to_json(found.properties),
        "condition": None if found.condition is None else to_json(found.condition.conditions()),
        "targets": [{"target": answer.target, "reason": answer.reason} for answer in report.targets],
    }


def _heat(now: PhoneState) -> str:
    """Return temperature and, where it is not none, Android's thermal status."""
    status = now.conditions().thermal_status
    shown = "-" if now.temperature_c is None else f"{now.temperature_c:.0f}"
    return shown if status in (None, "none") else f"{shown} ({status})"


def _print(reports: list[PhoneReport], all_targets: bool) -> None:
    from mogakit.flows.measure.phones import is_primary

    rows = []
    for report in reports:
        phone, now = report.found.properties, report.found.condition
        state = "busy" if report.busy else "ready" if report.found.state == "device" else report.found.state
        if phone is None or now is None:
            rows.append((report.found.link.name, state, *("-",) * 6))
            continue
        heat = _heat(now)
        battery = "-" if now.battery_percent is None else f"{now.battery_percent:.0f}"
        clusters = ", ".join(f"{len(c.cpus)}x{c.max_mhz:.0f} ({c.mask})" for c in phone.clusters)
        gpu = f"{phone.gpu}, {phone.gpu_driver}" if phone.gpu_driver else phone.gpu
        system = f"{phone.soc}; Android {phone.android}"
        rows.append((report.found.link.name, state, phone.name, system, gpu, clusters, heat, battery))
    columns = ("serial", "state", "phone", "system", "GPU", "cores x MHz (mask)", "°C", "battery %")
    print_table("Phones", columns, rows)
    for report in reports:
        for line in report.fixed:
            say(f"{report.found.link.name}: left by an earlier session: {line}")
        if report.problem:
            say(f"{report.found.link.name}: {report.problem}")
        for line in report.waits_for:
            say(f"{report.found.link.name}: a run would wait: {line}")
        for line in report.notes:
            say(f"{report.found.link.name}: {line}")
    for report in reports:
        shown = [answer for answer in report.targets if all_targets or is_primary(answer)]
        answers = [(answer.target, "yes" if answer.reason is None else answer.reason) for answer in shown]
        if answers:
            title = f"Targets on {report.found.link.name} (a run shows whether its drivers take them)"
            print_table(title, ("target", "would work"), answers)
