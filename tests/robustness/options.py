"""Hostile options: every option and argument of every command, with numbers, names and texts that nobody would mean.

What a range allows may take long where a person asks for it (a million epochs); `Ctrl-C` must then end it at once. So a
call that still runs after `PATIENCE_S` is interrupted, and has to end with 130 and leave nothing behind.
"""

import random
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from damage.values import ESCAPE, FORMULA, MARKUP, TEXTS
from lab import CHROMOSOME, NETWORK, OTHER

from mogakit.cli.main import cli

_WHOLE = "run/lut.json:whole.json"
_RUN = ("run", _WHOLE)
BASES: dict[str, tuple[str, Sequence[str]]] = {
    # command: a call that works, what it needs of the lab
    "doctor": ("", ()),
    "devices": ("--adb 127.0.0.1:9", ()),
    "devices connect": ("127.0.0.1:9", ()),
    "devices clean": ("--adb 127.0.0.1:9", ()),
    "tools list": ("", ()),
    "tools add": ("labels.txt", ("labels.txt",)),
    "tools fetch": ("benchmark_model --from labels.txt", ("labels.txt",)),
    "export blocks": ("--space digits --format onnx -o blocks", ("blocks",)),
    "export model": (f"{NETWORK} --format onnx -o out", ("picked.safetensors",)),
    "bench": (f"{NETWORK} --quick", ("files", "input.npy")),
    "profile": ("--space digits --input-size 8 --quick --resume -o run", ("run",)),
    "validate": ("run --models 2 --quick --resume", ("run",)),
    "fit": ("run --pairs 20 --quick --resume", ("run",)),
    "lut check": ("run", _RUN),
    "lut diff": ("run whole.json", _RUN),
    "lut export": ("run -o out.csv", _RUN),
    "lut import": ("foreign/ofa.yaml --format ofa -o out.json", ("foreign",)),
    "lut merge": ("run/lut.json whole.json -o out.json", _RUN),
    "lut show": ("run", _RUN),
    "zoo": ("", ()),
    "show": (NETWORK, ("network.json",)),
    "predict": (f"{NETWORK} --table run", _RUN),
    "search": ("--space digits --table run --set population=8 --set generations=3 -o out", _RUN),
    "compare": (f"{NETWORK} digits/{OTHER} --table run --reference {NETWORK}", _RUN),
    "controllers": ("--table run --space digits --seeds 1 --population 8 --generations 2 -o out", _RUN),
    "report": ("run", ("run", "comparison.json")),
    "check": (NETWORK, ("files",)),
    "ship": (f"{NETWORK} -o out", ("bundle", "labels.txt")),
    "train": (f"{NETWORK} --data digits --recipe digits --epochs 0.1 -o out", ("photos",)),
    "supernet alternate": (
        "--space digits --data digits --recipe digits --table whole.json --target-ms 0.05 --epochs 0.1 -o out",
        (_WHOLE,),
    ),
    "supernet eval": (f"supernet/supernet.pt {CHROMOSOME}", ("supernet",)),
    "supernet extract": (f"supernet/supernet.pt {CHROMOSOME} --raw -o out.safetensors", ("supernet",)),
    "supernet rank": ("supernet/supernet.pt --networks 2 --epochs 0.1 -o out", ("supernet",)),
    "supernet train": ("--space digits --data digits --recipe digits --epochs 0.1 -o out", ()),
    "detect find": ("{detector} coco/val/0.png", ("coco/val", "detection")),
    "detect list": ("", ()),
    "detect score": ("{detector} --data coco", ("coco", "detection")),
    "detect show": ("ssdlite-mobilenet-v2", ()),
    "detect train": (
        "ssdlite-mobilenet-v2 --width 0.25 --input-size 64 --data coco --recipe small --epochs 1 --batch-size 2 -o out",
        ("coco",),
    ),
}
NOTHING: tuple[str, Sequence[str]] = ("", ())
"""Of a command that is not in the table yet."""
WITHOUT = ("demo", "supernet demo")
"""Their steps are commands that are called above; both take minutes."""

NUMBERS = [
    *("nan", "-nan", "inf", "-inf", "1e308", "-1e308", "1e400", "1e-400", "1e-300", "-0.0", "0", "-1", "1", "2", "0.5"),
    *(
        str(2**31 - 1),
        str(2**31),
        str(2**32 - 1),
        str(2**32),
        str(2**63 - 1),
        str(2**63),
        str(2**64),
        "9" * 20,
        "9" * 5000,
    ),
    *(
        "0x10",
        "1_000",
        "１２",
        "1e3",
        "",
        " ",
        "1 2",
        "+5",
        "99999",
        "1000000",
        "4096",
        "16",
        "0.05",
        "1e-9",
        "NaN",
        "½",
    ),
]
NAMES = [
    *("mobilenet-v2@9999999x", "mobilenet-v2@0.0001x", "mobilenet-v2@0x", "mobilenet-v2@-1x", "mobilenet-v2@nanx"),
    *("mobilenet-v2@1e400x", "mobilenet-v2@16x", "mobilenet-v2@4096px", "mobilenet-v2@99999999999px", "moga-a@1px"),
    *(
        "mobilenet-v2@1000000c",
        "mobilenet-v2@0c",
        "mobilenet-v2@16x@4096px@1000000c",
        "mobilenet-v2@",
        "moga/",
        "digits/",
    ),
    *(
        "moga/0",
        f"digits/{'9' * 5000}",
        "digits/-1-0-0-0-0-0",
        f"digits/{CHROMOSOME}-0",
        "digits/0-0-0-0-0-99999999999999999999",
    ),
    *(
        "ssdlite-",
        "ssdlite-ssdlite-moga-a",
        "ssdlite-mobilenet-v2@16x",
        "os:system",
        "os.path:join",
        "a:b",
        ":",
        "::",
        "@",
        "@@",
    ),
    *(
        "multi-hardware/1",
        "moga",
        "digits",
        "staged",
        "tflite/cpu/float32,threads=99999999999",
        "tflite/cpu/float32,threads=0",
    ),
    *(
        "tflite/cpu/float32,",
        "tflite//",
        "/cpu/",
        "tflite/cpu/float32,a=b",
        "tflite/cpu/float32,threads=nan",
        "onnxruntime/cpu/int8",
    ),
    *(
        "latency<=nan",
        "latency<=-1",
        "latency<=1e400",
        "latency<=",
        "<=1",
        "params<=0",
        "params>=1e308",
        "latency<=0",
        "x<=1",
    ),
    *("population=1000000", "population=nan", "population=0", "generations=1000000", "population=99999999999999999999"),
    *(
        "generations=-1",
        "mutation_rate=nan",
        "crossover_rate=2",
        "picks=99999999",
        "picks=0",
        "jobs=100000",
        "jobs=0",
        "a=b",
        "=",
        "population",
    ),
    *(
        "target_ms=nan",
        "target_ms=1e-300",
        "alpha=inf",
        "beta=1e308",
        "num_fit=1000000",
        "num_check=0",
        "factor=nan",
        "weight=-1",
    ),
    *(
        "1x3x8x8",
        "0x0",
        "-1x3",
        "99999999999x3x8x8",
        "1x3x100000x100000",
        "a=1x2",
        "1:0",
        "nan:1",
        "-inf:inf",
        "0:1e400",
        "x=0:1",
    ),
    *(
        "proxy",
        "fitted:",
        "fitted:absent.json",
        "table:",
        "table:/dev/zero",
        "supernet:",
        "table:run",
        "adb:1",
        "127.0.0.1:9",
        "host:99999999",
    ),
    *(
        "/dev/zero",
        "/dev/stdin",
        "/dev/full",
        "/proc/self/mem",
        "/",
        ".",
        "..",
        "../out",
        "run",
        "run/lut.json",
        "-",
        "--",
        "-h",
    ),
]
PATIENCE_S = 8.0
"""After which a call that is at work is interrupted."""


def leaves(command: click.Command = cli, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Yield every command that can be called, with its words."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from leaves(inner, (*path, name))
    if not isinstance(command, click.Group) or path == ("devices",):
        yield " ".join(path), command


def calls(seed: int, laboratory: Path) -> Iterator[tuple[list[str], Sequence[str], str]]:
    """Yield calls without end: arguments, what they need of the lab, what is hostile in them."""
    commands = [
        (name, command)
        for name, command in leaves()
        if name not in WITHOUT
        and all((laboratory / each.partition(":")[0]).exists() for each in BASES.get(name, NOTHING)[1])
    ]
    found = sorted(laboratory.glob("detection/*.tflite"))
    detector = str(found[0].relative_to(laboratory)) if found else ""
    number = 0
    while True:
        rng = random.Random(f"options/{seed}/{number}")
        number += 1
        name, command = rng.choice(commands)
        base, brings = BASES.get(name, NOTHING)
        words = [*name.split(), *shlex.split(base.replace("{detector}", detector))]
        done = []
        for _ in range(rng.choice([1, 1, 1, 2, 3])):
            words, how = _spoiled(words, command, rng, len(name.split()))
            done.append(how)
        yield words, brings, ", ".join(done)


def _spoiled(words: list[str], command: click.Command, rng: random.Random, start: int) -> tuple[list[str], str]:
    """Give an option or argument a hostile value, in place of what it has or behind all others."""
    options = [each for each in command.params if isinstance(each, click.Option)]
    if rng.random() < 0.25 or not options:
        place = rng.randrange(start, len(words) + 1)
        value = _text(rng)
        return [*words[:place], value, *words[place + rng.randrange(2) :]], f"argument {value[:30]!r}"
    option = rng.choice(options)
    spelled = option.opts[-1]
    if option.is_flag:
        return [*words, spelled], spelled
    value = _value(option, rng)
    if spelled in words and not option.multiple:
        place = words.index(spelled)
        return [*words[: place + 1], value, *words[place + 2 :]], f"{spelled} {value[:30]!r}"
    return [*words, spelled, value], f"{spelled} {value[:30]!r}"


def _value(option: click.Option, rng: random.Random) -> str:
    kind = option.type
    if isinstance(kind, click.Choice) and rng.random() < 0.7:
        return str(rng.choice(list(kind.choices)))
    if isinstance(kind, click.types.IntParamType | click.types.FloatParamType) and rng.random() < 0.9:
        bounds = [f"{kind.min}", f"{kind.max}"] if isinstance(kind, click.IntRange | click.FloatRange) else []
        return rng.choice([*NUMBERS, *bounds])
    return _text(rng)


def _text(rng: random.Random) -> str:
    text = rng.choice([rng.choice(NAMES), rng.choice(NAMES), rng.choice(TEXTS), rng.choice([MARKUP, FORMULA, ESCAPE])])
    return text.replace("\x00", "")[:50_000]
