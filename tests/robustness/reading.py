"""Which commands read which file of the lab: what a damaged file is driven through."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import CHROMOSOME, NETWORK, OTHER

Renewal = Callable[[Path, str], None]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Files of one kind, and the commands that read them.

    Attributes:
        files: patterns of paths in the lab.
        calls: arguments of `moga`; `{file}` is the damaged file.
        brings: paths of the lab that the calls need, the damaged file's own folder included; `a:b` copies a as b.
        numbers: whether undamaged numbers must be printed where the file is damaged without its checksums renewed.
        renew: renews checksums that lie outside a file.
        slow: whether a call takes seconds; such calls are made less often.
        takes_s: CPU seconds that a call may take where it does honest work.
    """

    files: Sequence[str]
    calls: Sequence[str]
    brings: Sequence[str]
    numbers: bool = False
    renew: Renewal | None = None
    slow: bool = False
    takes_s: float = 10.0


def _renew_bundle(folder: Path, name: str) -> None:
    """Write the checksums of a bundle for what it now holds, as whoever forges one would."""
    bundle = folder / "bundle"
    sums, seal = bundle / "SHA256SUMS", bundle / "SHA256SUMS.sha256"
    if name in (sums.name, seal.name):
        return
    names = sorted(path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file())
    names = [each for each in names if each not in (sums.name, seal.name)]
    text = "".join(f"{hashlib.sha256((bundle / each).read_bytes()).hexdigest()}  {each}\n" for each in names)
    sums.write_text(text, encoding="utf-8")
    seal.write_text(f"{hashlib.sha256(text.encode()).hexdigest()}  {sums.name}\n", encoding="utf-8")


_SMALL = "--set population=8 --set generations=3"
_SEARCH = f"search --space digits --table whole.json {_SMALL}"
_WHOLE = "run/lut.json:whole.json"
_RUN = ("run/lut.json", "run/run.json", "run/validation.json")

READINGS: Sequence[Reading] = (
    Reading(
        files=["run/lut.json"],
        calls=[
            "lut show run",
            "lut show run --rows 5 --json",
            "lut check run",
            "lut check run --against whole.json",
            "lut diff run whole.json --all",
            "lut diff whole.json run --json",
            "lut export run -o table.csv",
            "lut merge run/lut.json whole.json -o merged.json",
            f"predict {NETWORK} digits/{OTHER} --table run",
            f"predict {NETWORK} --table run --parts",
            f"predict {NETWORK} --table run --json",
            "search --space digits --table run --engine best --limit latency<=1 -o found",
            "search --space digits --table run --engine exact -o found --json",
            f"search --space digits --table run {_SMALL} -o found",
            f"search --space digits --table run --table whole.json --reference {NETWORK} {_SMALL} -o found",
            f"compare {NETWORK} digits/{OTHER} --table run --table whole.json --reference {NETWORK}",
            f"compare {NETWORK} --table run --reference {NETWORK} --json",
        ],
        brings=[*_RUN, _WHOLE],
        numbers=True,
    ),
    Reading(
        files=["run/lut.json", "run/validation.json", "run/fit.json", "run/cost-model.json", "run/run.json",
               "run/search/search.json", "run/search/exact.json"],
        calls=["report run", "report run --json", "report run --figure moga/2 --figures figures"],
        brings=[*_RUN, "run/fit.json", "run/cost-model.json", "run/cost-model-one-hot.json", "run/search"],
        slow=True,
        takes_s=30,
    ),
    Reading(
        files=["run/cost-model.json", "run/cost-model-one-hot.json"],
        calls=[
            "lut show {file}",
            "lut check {file} --json",
            f"predict {NETWORK} --table {{file}}",
            f"predict {NETWORK} --table {{file}} --parts",
            "search --space digits --table {file} --engine best --limit latency<=1 -o found",
            f"compare {NETWORK} digits/{OTHER} --table {{file}} --reference {NETWORK}",
        ],
        brings=["run/cost-model.json", "run/cost-model-one-hot.json"],
        numbers=True,
    ),
    Reading(
        files=["run/validation.json"],
        calls=[f"predict {NETWORK} --table run", f"predict {NETWORK} --table run --json"],
        brings=[*_RUN],
        numbers=True,
    ),
    Reading(
        files=["run/journal.db", "run/run.json", "run/*/manifest.json"],
        calls=["profile --space digits --input-size 8 --quick -o run --resume"],
        brings=["run"],
        slow=True,
        takes_s=120,
    ),
    Reading(
        files=["run/validation.db", "run/validation/*.db", "run/fit/*.db", "run/fit/*.json", "run/validation/*.json"],
        calls=["validate run --models 2 --quick --resume", "fit run --pairs 20 --quick --resume"],
        brings=["run"],
        slow=True,
        takes_s=120,
    ),
    Reading(
        files=["run/search/*"],
        calls=["search --space digits --table run --set population=8 --set generations=4 -o run/search --resume --json"],
        brings=[*_RUN, "run/search"],
        numbers=True,
    ),
    Reading(
        files=["own/*"],
        calls=[
            "search --space digits --table whole.json --accuracy own_accuracy:evaluate --set population=8 "
            "--set generations=3 -o own --resume --json",
        ],
        brings=[_WHOLE, "own", "own_accuracy.py"],
        numbers=True,
    ),
    Reading(
        files=["ppo/*"],
        calls=[
            "search --space digits --table whole.json --engine ppo --set population=6 --set generations=3 "
            "--set target_ms=0.05 -o ppo --resume --json",
            "report run --search ppo",
        ],
        brings=[*_RUN, _WHOLE, "ppo"],
    ),
    Reading(
        files=["fitted/model-*.json"],
        calls=[
            f"{_SEARCH} --accuracy fitted:{{file}} -o found",
            "search --space digits --table whole.json --accuracy fitted:{file} --engine best --limit latency<=1 -o found --json",
            "controllers --space digits --table whole.json --accuracy fitted:{file} --seeds 1 --population 8 --generations 2 -o judged",
        ],
        brings=[_WHOLE, "fitted"],
        numbers=True,
    ),
    Reading(
        files=["accuracies.csv"],
        calls=[f"{_SEARCH} --accuracy table:{{file}} -o found", f"{_SEARCH} --accuracy table:{{file}} -o found --json"],
        brings=[_WHOLE, "accuracies.csv"],
    ),
    Reading(
        files=["network.json"],
        calls=[
            "show {file}",
            "show {file} --json",
            "show {file} --width 0.5 --input-size 16",
            "check {file}",
            "predict {file} --table whole.json",
            f"compare {{file}} --table whole.json --reference {NETWORK}",
            "export model {file} --format onnx -o files",
        ],
        brings=[_WHOLE, "network.json"],
    ),
    Reading(
        files=["comparison.json"],
        calls=["report run --comparison {file}"],
        brings=[*_RUN, "comparison.json"],
        slow=True,
    ),
    Reading(
        files=["preprocessing.json", "labels.txt", "bench.json"],
        calls=[
            f"ship {NETWORK} --labels labels.txt --preprocessing preprocessing.json --table whole.json "
            "--measurement bench.json -o bundle",
        ],
        brings=["preprocessing.json", "labels.txt", "bench.json", _WHOLE],
        slow=True,
        takes_s=30,
    ),
    Reading(
        files=["bundle/*", "bundle/*/*"],
        calls=["ship --check bundle", "ship --check bundle --json"],
        brings=["bundle"],
        renew=_renew_bundle,
    ),
    Reading(
        files=["bundle/*", "bundle/*/*"],
        calls=["ship --check bundle"],
        brings=["bundle"],
    ),
    Reading(
        files=["blocks/manifest.json", "files/manifest.json", "files/*.tflite", "files/*.onnx", "files/*.data", "files/*.pb"],
        calls=[f"export model {NETWORK} --format tflite --format onnx --format mace -o files --json"],
        brings=["files"],
        slow=True,
        takes_s=30,
    ),
    Reading(
        files=["files/*.tflite", "files/*.onnx", "files/*.pb", "models/*.*", "int8/*.tflite", "detection/*.tflite"],
        calls=["check {file}", "check {file} --json"],
        brings=["files", "models", "int8", "detection"],
    ),
    Reading(
        files=["files/*.tflite", "files/*.onnx", "models/*.*"],
        calls=["bench {file} --quick --json"],
        brings=["files", "models"],
        slow=True,
        takes_s=60,
    ),
    Reading(
        files=["int8/*.json"],
        calls=[f"export model {NETWORK} --format tflite --precision int8 --ranges int8 -o again"],
        brings=["int8"],
        slow=True,
    ),
    Reading(
        files=["arrays/*.npy"],
        calls=[f"export model {NETWORK} --format tflite --precision int8 --calibration arrays/inputs.npy -o again"],
        brings=["arrays"],
        slow=True,
    ),
    Reading(
        files=["photos/*/*.png"],
        calls=[
            f"export model {NETWORK} --format tflite --precision int8 --calibration photos -o again",
            f"train {NETWORK} --data photos --recipe digits --epochs 0.1 --batch-size 4 -o trained",
        ],
        brings=["photos"],
        slow=True,
        takes_s=30,
    ),
    Reading(
        files=["input.npy"],
        calls=["bench files/*.tflite --quick --input {file} --json"],
        brings=["input.npy", "files"],
        slow=True,
        takes_s=30,
    ),
    Reading(
        files=["training/checkpoint.pt", "picked.safetensors"],
        calls=[
            f"export model {NETWORK} --weights {{file}} --format onnx -o again",
            f"export model {NETWORK} --weights {{file}} --format onnx --ema -o again",
        ],
        brings=["training", "picked.safetensors"],
    ),
    Reading(
        files=["training/*"],
        calls=[f"train {NETWORK} --data digits --recipe digits --epochs 0.2 -o training --resume"],
        brings=["training"],
        slow=True,
        takes_s=30,
    ),
    Reading(
        files=["supernet/supernet.pt"],
        calls=[
            f"supernet extract {{file}} {CHROMOSOME} --raw -o out.safetensors",
            f"supernet eval {{file}} {CHROMOSOME}",
        ],
        brings=["supernet"],
        takes_s=30,
    ),
    Reading(
        files=["supernet/*"],
        calls=["supernet train --space digits --data digits --recipe digits --epochs 0.2 -o supernet --resume"],
        brings=["supernet"],
        slow=True,
        takes_s=30,
    ),
    Reading(
        files=["ranking/*", "ranking/*/*/*", "ranking/*/*"],
        calls=["supernet rank supernet/supernet.pt --networks 2 --epochs 0.1 -o ranking --resume"],
        brings=["ranking", "supernet"],
        slow=True,
        takes_s=60,
    ),
    Reading(
        files=["alternation/*"],
        calls=[
            "supernet alternate --space digits --data digits --recipe digits --table whole.json --target-ms 0.05 "
            "--epochs 0.2 -o alternation --resume",
        ],
        brings=["alternation", _WHOLE],
        slow=True,
        takes_s=30,
    ),
    Reading(
        files=["detector/*.pt"],
        calls=[
            "export model ssdlite-mobilenet-v2 --width 0.25 --input-size 64 --classes 1 --weights {file} --format tflite -o again",
            "detect train ssdlite-mobilenet-v2 --width 0.25 --input-size 64 --data coco --recipe small --epochs 1 "
            "--batch-size 2 -o detector --resume",
        ],
        brings=["detector", "coco"],
        slow=True,
        takes_s=60,
    ),
    Reading(
        files=["coco/annotations/*.json", "coco/val/*.png"],
        calls=["detect score detection/*.tflite --data coco", "detect score detection/*.tflite --data coco --json"],
        brings=["coco", "detection"],
        slow=True,
        takes_s=30,
    ),
    Reading(
        files=["coco/annotations/*.json", "coco/train/*.png"],
        calls=[
            "detect train ssdlite-mobilenet-v2 --width 0.25 --input-size 64 --data coco --recipe small --epochs 1 "
            "--batch-size 2 -o trained",
        ],
        brings=["coco"],
        slow=True,
        takes_s=60,
    ),
    Reading(
        files=["detection/*", "coco/val/0.png"],
        calls=["detect find detection/*.tflite coco/val/0.png", "detect find detection/*.tflite coco/val/0.png --json"],
        brings=["detection", "coco/val"],
    ),
    Reading(
        files=["foreign/ofa.yaml"],
        calls=["lut import {file} --format ofa -o imported.json"],
        brings=["foreign"],
    ),
    Reading(
        files=["foreign/tunas/*.b64"],
        calls=["lut import foreign/tunas/proxylessnas_search_kernel.b64 foreign/tunas/proxylessnas_search_bias.b64 --format tunas -o imported.json"],
        brings=["foreign/tunas"],
    ),
    Reading(
        files=["foreign/qed_usc/*.csv"],
        calls=["lut import foreign/operators.csv foreign/qed_usc/cnn_end_to_end.csv --format operators --column pixel4|gpu|float -o imported.json"],
        brings=["foreign"],
    ),
    Reading(
        files=["foreign/operators.csv"],
        calls=["lut import foreign/operators.csv --format operators --column pixel4|gpu|float -o imported.json"],
        brings=["foreign/operators.csv"],
    ),
    Reading(
        files=["home/*.json"],
        calls=["tools list", "tools list --json", "doctor", "doctor --json"],
        brings=["home"],
    ),
)  # fmt: skip


def subjects(lab: Path) -> Iterator[tuple[Reading, str]]:
    """Yield every reading with each of its files, relative to the lab."""
    for reading in READINGS:
        for pattern in reading.files:
            for path in sorted(lab.glob(pattern)):
                if path.is_file() and path.stat().st_size < 4 * 2**20:
                    yield reading, path.relative_to(lab).as_posix()
