"""The commands of the phone that change or show its state: settings, cmd, svc, input, ps, df, ..."""

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from phone_simulator.invocation import Invocation

if TYPE_CHECKING:
    from phone_simulator.workbench import Workbench


async def serve_command(phone: "Workbench", call: Invocation) -> int:
    """Do what a served command asks; return its exit status."""
    name = Path(call.program).name
    handler = {
        "settings-change": _settings,
        "cmd": _cmd,
        "svc": _svc,
        "input": _input,
        "reboot": _reboot,
        "dumpsys-change": _dumpsys,
        "df": _df,
        "ps": _ps,
        "pidof": _pidof,
        "pgrep": _pgrep,
        "pkill": _pkill,
        "killall": _pkill,
        "su": _su,
    }.get(name, _nothing)
    status = await handler(phone, call)
    phone.refresh()
    return status


async def _nothing(phone: "Workbench", call: Invocation) -> int:
    return 0


async def _su(phone: "Workbench", call: Invocation) -> int:
    await call.complain("/system/bin/sh: su: inaccessible or not found\n")
    return 127


async def _settings(phone: "Workbench", call: Invocation) -> int:
    match call.arguments:
        case ["get", space, key] if space in phone.state.settings:
            await call.print(phone.state.settings[space].get(key, "null") + "\n")
        case ["put", space, key, value] if space in phone.state.settings:
            phone.state.settings[space][key] = value
        case ["delete", space, key] if space in phone.state.settings:
            gone = phone.state.settings[space].pop(key, None)
            await call.print(f"Deleted {int(gone is not None)} rows\n")
        case ["list", space] if space in phone.state.settings:
            await call.print("".join(f"{k}={v}\n" for k, v in sorted(phone.state.settings[space].items())))
        case _:
            await call.complain("Invalid arguments to settings\n")
            return 255
    return 0


async def _cmd(phone: "Workbench", call: Invocation) -> int:
    match call.arguments:
        case ["power", "set-fixed-performance-mode-enabled", value]:
            phone.state.fixed_performance = value == "true"
        case ["power", "set-mode", value]:
            phone.state.settings["global"]["low_power"] = value
        case ["thermalservice", "override-status", value]:
            phone.state.forced_status = int(value)
        case ["thermalservice", "reset"]:
            phone.state.forced_status = None
        case ["connectivity", "airplane-mode", "enable" | "disable" as value]:
            phone.state.settings["global"]["airplane_mode_on"] = str(int(value == "enable"))
        case [("power" | "thermalservice" | "connectivity"), *_]:
            await call.complain(f"Unknown command: {' '.join(call.arguments[1:2])}\n")
            return 255
        case _:
            await call.complain(f"cmd: Can't find service: {' '.join(call.arguments[:1])}\n")
            return 20
    return 0


async def _svc(phone: "Workbench", call: Invocation) -> int:
    match call.arguments:
        case ["power", "stayon", value]:
            phone.state.stay_on = value != "false"
            numbers = {"true": "15", "false": "0", "usb": "2", "ac": "1", "wireless": "4"}
            phone.state.settings["global"]["stay_on_while_plugged_in"] = numbers.get(value, "0")
            phone.state.awake = phone.state.awake or phone.state.stay_on
        case _:
            pass
    return 0


async def _input(phone: "Workbench", call: Invocation) -> int:
    match call.arguments:
        case ["keyevent", "224" | "KEYCODE_WAKEUP"]:
            phone.state.awake = True
        case ["keyevent", "223" | "KEYCODE_SLEEP"]:
            phone.state.awake = False
        case ["keyevent", "26" | "KEYCODE_POWER"]:
            phone.state.awake = not phone.state.awake
        case _:
            pass
    return 0


async def _reboot(phone: "Workbench", call: Invocation) -> int:
    phone.reboot_soon()
    return 0


async def _dumpsys(phone: "Workbench", call: Invocation) -> int:
    match call.arguments:
        case ["battery", "set", "level", value]:
            phone.state.battery_percent, phone.state.battery_faked = int(value), True
        case ["battery", "reset"]:
            phone.state.battery_faked = False
        case ["battery", "unplug"]:
            phone.state.usb_powered, phone.state.battery_faked = False, True
        case ["-l"]:
            await call.print("Currently running services:\n  SurfaceFlinger\n  battery\n  power\n  thermalservice\n")
        case [service, *_]:
            text = phone.root.sim / "dumpsys" / service
            if "/" in service or not text.exists():
                await call.complain(f"Can't find service: {service}\n")
            else:
                await call.print(text.read_text())
        case _:
            pass
    return 0


async def _df(phone: "Workbench", call: Invocation) -> int:
    total, free = phone.profile.data_kb, phone.free_bytes() // 1024
    used = total - free
    head = "Filesystem      1K-blocks     Used Available Use% Mounted on\n"
    row = f"/dev/block/dm-45 {total} {used} {free} {round(100 * used / total)}% /data\n"
    await call.print(head + row)
    return 0


async def _ps(phone: "Workbench", call: Invocation) -> int:
    rows = [(1, 0, "init"), (713, 1, "adbd")] + [(p.pid, p.parent, p.text) for p in phone.processes()]
    columns = ""
    for index, word in enumerate(call.arguments):
        if word.startswith("-o"):
            columns = word[2:] or call.arguments[index + 1]
    if columns:
        names = columns.upper().split(",")
        lines = [" ".join(f"{name:>5}" for name in names)]
        for pid, parent, text in rows:
            cells = {"PID": str(pid), "PPID": str(parent), "USER": "shell", "S": "S"}
            lines.append(" ".join(f"{cells.get(name, text):>5}" for name in names))
    else:
        lines = ["USER           PID  PPID     VSZ    RSS WCHAN            ADDR S NAME"]
        for pid, parent, text in rows:
            lines.append(
                f"shell        {pid:>5} {parent:>5} 2163404   4312 0                   0 S {text.split(' ')[0]}"
            )
    await call.print("\n".join(lines) + "\n")
    return 0


def _named(phone: "Workbench", wanted: str, anywhere: bool) -> list[int]:
    found = []
    for process in phone.processes():
        name = Path(process.text.split(" ")[0]).name
        if wanted in process.text if anywhere else wanted == name:
            found.append(process.pid)
    return found


async def _pidof(phone: "Workbench", call: Invocation) -> int:
    pids = _named(phone, call.arguments[-1] if call.arguments else "", anywhere=False)
    if pids:
        await call.print(" ".join(map(str, pids)) + "\n")
    return 0 if pids else 1


async def _pgrep(phone: "Workbench", call: Invocation) -> int:
    pids = [pid for pid in _named(phone, call.arguments[-1], "-f" in call.arguments) if pid != call.pid]
    if pids:
        await call.print("\n".join(map(str, pids)) + "\n")
    return 0 if pids else 1


async def _pkill(phone: "Workbench", call: Invocation) -> int:
    pids = [pid for pid in _named(phone, call.arguments[-1], "-f" in call.arguments) if pid != call.pid]
    number = signal.SIGKILL if {"-9", "-KILL"} & set(call.arguments) else signal.SIGTERM
    for pid in pids:
        os.kill(pid, number)
    return 0 if pids else 1
