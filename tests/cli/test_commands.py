"""What holds for every command: walked from the tree of commands, so that a new one is held to it as well."""

import importlib
import inspect
import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from command_tree import ALL, CALLED, LEAVES

from mogakit.cli.command import Command, Ignored
from mogakit.cli.main import COMMANDS, cli
from mogakit.cli.types import Factor, Number, Vocabulary, Whole

DATA = Path(__file__).parents[1]
TABLE = str(DATA / "search" / "data" / "moga-xeon-xnnpack.json")


def invoke(*arguments: str):
    return CliRunner().invoke(cli, arguments)


def test_the_tree_has_every_command():
    assert {name.split()[0] for name in ALL} == set(COMMANDS)
    assert "lut export" in ALL
    assert "supernet alternate" in ALL


@pytest.mark.parametrize("name", ["", *ALL])
def test_help_is_whole_at_80_columns_and_at_40(name, monkeypatch):
    for columns in (80, 40):
        monkeypatch.setenv("COLUMNS", str(columns))
        found = CliRunner().invoke(cli, [*name.split(), "--help"], terminal_width=columns)
        assert found.exit_code == 0
        described = found.output.split("Options:")[1]
        assert not [line for line in described.splitlines() if line.endswith("...") and "[,option=value" not in line]


@pytest.mark.parametrize("name", LEAVES)
def test_every_command_prints_json_and_rejects_what_has_no_effect(name):
    command = LEAVES[name]
    assert isinstance(command, Command)
    assert "--json" in {word for param in command.params for word in param.opts}
    for param in command.params:
        if isinstance(param, click.Option):
            assert param.help, f"{name} {param.opts}"


def test_every_command_that_shows_progress_can_log_it():
    shows = {"progress_bar", "progress_bars", "demo_steps"}
    for name, command in LEAVES.items():
        module = importlib.import_module(f"mogakit.cli.{name.split()[0]}")
        called = inspect.unwrap(command.callback).__code__.co_names
        inside = [value.__code__.co_names for value in vars(module).values() if inspect.isfunction(value)]
        direct = shows & {*called} or ("_profiled" in called and any(shows & {*names} for names in inside))
        has = "--log" in {word for param in command.params for word in param.opts}
        assert has or not direct, name


def test_what_one_engine_alone_reads_is_no_option_of_search():
    """Fourteen options are what a search of any engine is asked for, and three say where it runs and reports to."""
    assert len([param for param in LEAVES["search"].params if isinstance(param, click.Option)]) == 17


@pytest.mark.parametrize("name", LEAVES)
def test_every_number_has_a_range(name):
    for param in LEAVES[name].params:
        if isinstance(param.type, click.types.IntParamType | click.types.FloatParamType):
            assert isinstance(param.type, Whole | Number), f"{name} {param.opts}: {param.type!r}"
            wrong = ("nan", "inf", "-inf", "1e400", "1e300", "-1e300", "9" * 20, "9" * 5000, "x", "")
            for text in wrong[:1] + wrong[2:] if isinstance(param.type, Factor) else wrong:
                with pytest.raises(click.BadParameter):
                    param.type.convert(text, param, None)


def test_words_of_a_vocabulary_are_those_of_its_enumeration():
    found = {
        param.type for command in LEAVES.values() for param in command.params if isinstance(param.type, Vocabulary)
    }
    assert len(found) >= 5
    for vocabulary in found:
        module, _, name = vocabulary.source.partition(":")
        assert list(vocabulary.choices) == [each.value for each in getattr(importlib.import_module(module), name)]


def test_defaults_that_are_written_twice_are_equal():
    from mogakit.cli import export, measuring, options, supernet, training_options, types
    from mogakit.export.describe import MODEL_SUFFIXES
    from mogakit.export.quantize import CALIBRATED
    from mogakit.flows.demo.digits import DEFAULT_EFFORTS
    from mogakit.flows.measure.devices import HOST
    from mogakit.nets import limits
    from mogakit.nets.network_file import NETWORK_SUFFIX
    from mogakit.training.loop import CHECKPOINT_INTERVAL_S, Settings

    assert measuring.HOST == HOST
    assert DEFAULT_EFFORTS.num_ranked == supernet.NUM_RANKED
    assert (CHECKPOINT_INTERVAL_S, Settings.num_workers) == (
        training_options.CHECKPOINT_S,
        training_options.NUM_WORKERS,
    )
    assert export.CALIBRATED == CALIBRATED
    assert set(MODEL_SUFFIXES) <= set(types.MODEL_SUFFIXES)
    assert NETWORK_SUFFIX in types.MODEL_SUFFIXES
    assert options.NETWORK_SUFFIX == NETWORK_SUFFIX
    assert (types.WIDTH.min, types.WIDTH.max) == (limits.MIN_WIDTH, limits.MAX_WIDTH)
    assert (types.PIXELS.max, types.CLASSES.max) == (limits.MAX_INPUT_SIZE, limits.MAX_CLASSES)


def test_no_command_needs_a_heavy_package_for_its_help():
    """Run in a process of its own, where nothing is loaded yet."""
    program = (
        "import importlib, sys\n"
        "from mogakit.cli.main import COMMANDS, cli\n"
        "for name in COMMANDS: importlib.import_module(f'mogakit.cli.{name}')\n"
        "heavy = {'torch', 'numpy', 'scipy', 'matplotlib', 'cattrs', 'onnx', 'rich', 'yaml', 'PIL', 'pandas'}\n"
        "print(sorted(heavy & sys.modules.keys()))\n"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


@pytest.mark.parametrize("name", ["", "bench", "search", "supernet train", "report", "demo", "detect train"])
def test_help_costs_little(moga, name):
    """Three times what it takes here; the heavy packages would take ten times."""
    ended = moga(*name.split(), "--help")
    assert ended.code == 0
    assert ended.cpu_s < 1.0


def _example(tmp_path: Path) -> dict[str, str]:
    run = tmp_path / "run"
    run.mkdir(exist_ok=True)
    (run / "lut.json").write_bytes(Path(TABLE).read_bytes())
    (run / "run.json").write_text("{}")
    file = tmp_path / "file.tflite"
    file.write_bytes(b"not a model")
    bundle = tmp_path / "bundle"
    bundle.mkdir(exist_ok=True)
    return {"{run}": str(run), "{file}": str(file), "{out}": str(tmp_path / "out"), "{bundle}": str(bundle)}


WITHOUT_EFFECT = [
    "bench moga-a --resume",
    "bench moga-a --run-s 2",
    "bench moga-a --fixed-performance --screen on",
    "bench moga-a --device SERIAL --clock wall",
    "bench moga-a --device SERIAL --memory-gb 3",
    "bench moga-a --agreement all",
    "bench {file} --converter torch.onnx",
    "check {file} --converter torch.onnx",
    "profile -o {out} --agreement all",
    "bench moga-a --device SERIAL --timeout-s 3",
    "profile -o {out} --screen on",
    "profile -o {out} --device SERIAL --clock wall",
    "transfer --from {run} -o {out} --screen on",
    "compare moga-a --table {run} --quick",
    "compare moga-a --table {run} --device host --resume -o {out}",
    "compare moga-a --table {run} --factor 3 --reference moga-a",
    "compare --published multi-hardware/1 --factor 1",
    "compare moga-a --target tflite/cpu/float32 --resume",
    "devices --all-targets --json",
    "export model moga-a -o {out} --opset 13",
    "export model moga-a -o {out} --h-sigmoid native",
    "export model moga-a -o {out} --calibration {run}",
    "export model moga-a -o {out} --ranges {run}",
    "export model moga-a -o {out} --per-layer",
    "export model moga-a -o {out} --float-layer stem",
    "export model moga-a -o {out} --precision dynamic-range --ranges {run}",
    "export model moga-a -o {out} --weights {file} --seed 3",
    "export model moga-a -o {out} --weights-from timm",
    "export model moga-a -o {out} --set width=0.5",
    "export model package.module:function -o {out} --input 1x3x8x8 --classes 10",
    "export model moga-a -o {out} --converter litert-torch --format onnx",
    "export blocks -o {out} --opset 13",
    "export blocks -o {out} --h-sigmoid native",
    "export blocks -o {out} --calibration {run}",
    "tools fetch benchmark_model --from {file} --abi x86_64",
    "lut show {run} --rows 3 --json",
    "lut diff {run} {run} --all --json",
    "lut import {file} --format ofa -o {out} --column x",
    "lut import {file} --format operators -o {out} --device-name x",
    "lut import {file} --format tunas -o {out} --target tflite/cpu/float32",
    "lut import {file} --format operators -o {out} --unit ms",
    "lut import {file} --format tunas -o {out} --space moga",
    "lut export {run} -o {out} --unit ms",
    "predict moga-a --table {run} --parts --json",
    "search --table {run} -o {out} --engine best --factor 3 --weight 5 --reference moga-a",
    "search --table {run} -o {out} --combine max",
    "search --table {run} --table {run} -o {out} --factor 1 --factor 2 --reference moga-a",
    "search --table {run} -o {out} --device SERIAL",
    "search --table {run} -o {out} --engine exact --seed 3",
    "search --table {run} -o {out} --engine best --picks 2",
    "search --table {run} -o {out} --jobs 2",
    "search --table {run} -o {out} --reference moga-a",
    "search --table {run} -o {out} --set reference=moga-a",
    "search --table {run} --table {run} -o {out} --set factor=1 --set factor=2 --set reference=moga-a",
    "search --table {run} -o {out} --set combine=max",
    "search --table {run} -o {out} --set factor=3 --set weight=2",
    "search --table {run} -o {out} --engine best --set picks=2",
    "search --table {run} -o {out} --set jobs=2",
    "search --table {run} -o {out} --engine exact --cluster tcp://host:1",
    "search --table {run} -o {out} --cluster tcp://host:1",
    "search --table {run} -o {out} --accuracy module:function --cluster tcp://host:1 --set jobs=2",
    "bench moga-a --cluster tcp://host:1",
    "report {run} --cluster tcp://host:1",
    "ship moga-a --check {bundle}",
    "ship --check {bundle} -o {out}",
    "ship --check {bundle} --weights {file}",
    "ship moga-a -o {out} --weights {file} --seed 3",
    "ship moga-a -o {out} --ema",
    "ship moga-a -o {out} --agreement",
    "ship --check {bundle} --device SERIAL",
    "ship --check {bundle} --target tflite/cpu/float32",
    "detect score {file} --data {bundle} --width 0.5",
    "supernet eval {file} 0-1 --seed 3",
    "supernet extract {file} 0-1 -o {out} --raw --data digits",
    "supernet rank {file} --resume",
    "supernet train --data digits -o {out} --sync-norm",
    "supernet alternate --data digits --table {run} --target-ms 1 -o {out} --combine max",
    "supernet alternate --data digits --table {run} --table {run} --target-ms 1 -o {out} --factor 1 --reference moga-a",
    "supernet alternate --data digits --table {run} --target-ms 1 -o {out} --alpha 0.1",
    "supernet alternate --data digits --table {run} --target-ms 1 -o {out} --sync-norm",
    "train moga-a --data digits -o {out} --sync-norm",
    "detect train ssdlite-moga-a --data {bundle} -o {out} --sync-norm",
    "detect train ssdlite-moga-a --data {bundle} -o {out} --dropout 0.2",
    "detect train ssdlite-moga-a --data {bundle} -o {out} --label-smoothing 0.1",
    "detect train ssdlite-moga-a --data {bundle} -o {out} --schedule absolute",
    "train moga-a --data digits -o {out} --schedule absolute",
    "supernet train --data digits -o {out} --schedule absolute",
    "supernet rank {file} --schedule absolute",
    "supernet alternate --data digits --table {run} --target-ms 1 -o {out} --schedule absolute",
    "compare --published multi-hardware/1 --factor 1",
    "compare --published multi-hardware/1 --accuracy {file}",
]


def _words(call: str, places: dict[str, str]) -> list[str]:
    return [places.get(word, word) for word in call.split()]


@pytest.mark.parametrize("call", WITHOUT_EFFECT)
def test_an_option_without_effect_is_rejected_before_anything_happens(call, tmp_path):
    found = invoke(*_words(call, _example(tmp_path)))
    assert found.exit_code == 2, found.output
    assert " no effect: " in found.output
    assert not (tmp_path / "out").exists()


def test_every_rule_is_met_by_a_call_above(tmp_path):
    met: set[int] = set()
    rules = {id(rule): (name, rule) for name, command in CALLED.items() for rule in command.rules}
    for call in WITHOUT_EFFECT:
        words = _words(call, _example(tmp_path))
        name = next(each for each in CALLED if call.startswith(each + " "))
        command = CALLED[name]
        context = command.context_class(command, info_name=name)
        context.resilient_parsing = True  # so that no rule rejects
        command.parse_args(context, words[len(name.split()) :])
        given = {param for param in context.params if context.get_parameter_source(param).name == "COMMANDLINE"}
        for rule in command.rules:
            if given & set(rule.names) and rule.when(context.params):
                met.add(id(rule))
    unmet = [(name, rule.names, rule.because) for key, (name, rule) in rules.items() if key not in met]
    assert not [each for each in unmet if not _is_of_phones_at_a_run(each)], unmet


def _is_of_phones_at_a_run(unmet: tuple[str, tuple[str, ...], str]) -> bool:
    """`validate` learns from its run what measures, so its rule is in the command, and that of the options sleeps."""
    return unmet[0] == "validate"


def test_a_rule_names_parameters_that_exist():
    for name, command in LEAVES.items():
        known = {param.name for param in command.params}
        for rule in getattr(command, "rules", ()):
            assert isinstance(rule, Ignored)
            assert set(rule.names) & known, (name, rule)


MISTAKES = [
    ("show MoGA-A", "did you mean moga-a?"),
    ("show moga_a", "did you mean moga-a?"),
    ("show mobilenetv2", "did you mean mobilenet-v2?"),
    ("bench MobileNetV2", "did you mean mobilenet-v2?"),
    ("export blocks --space mogarelu -o out", "did you mean moga-relu?"),
    ("bench moga-a --target tflite/cpu/fp16", "did you mean tflite/cpu/float16?"),
    ("profile --target gpu -o out", "did you mean tflite/gpu/float16"),
    ("show 8-10-6-7-1-7-6-10-5-10-6-6-9-9", "did you mean moga/8-10-6-7-1-7-6-10-5-10-6-6-9-9"),
    ("bench absent.tflite", "does not exist"),
    ("bench fil.tflite", "did you mean file.tflite?"),
    ("check absent.onnx", "does not exist"),
    ("lut show absent.json", "there is no latency table"),
    ("validate absent", "does not exist"),
    ("search --table absent -o out", "there is no latency table"),
    ("search --forbid unsupported:edge-tpu --table file.tflite -o out", "did you mean edgetpu?"),
    ("show mobilenet-v2@9999999x", "out of range"),
    ("show mobilenet-v2 --width inf", "not in the range"),
    ("train moga-a --data x -o out --epochs 1e400", "not in the range"),
    ("supernet train --data x -o out --seed -1", "not in the range"),
    ("supernet alternate --data x --table file.tflite --target-ms 1 -o out --beta nan", "is not a number"),
    ("profile -o out --input-size 99999999999999999999", "not in the range"),
    ("serch", "did you mean search?"),
    ("lut sow", "did you mean show?"),
    ("bench moga-a --devise host", "--device"),
]


def test_natural_mistakes_are_answered_kindly_and_before_torch_is_loaded(tmp_path):
    (tmp_path / "file.tflite").write_bytes(b"")
    program = (
        "import json, sys\n"
        "from click.testing import CliRunner\n"
        "from mogakit.cli.main import cli\n"
        "found = [CliRunner().invoke(cli, call.split()) for call in json.load(sys.stdin)]\n"
        "heavy = sorted({'torch', 'onnxruntime', 'ai_edge_litert', 'matplotlib'} & sys.modules.keys())\n"
        "print(json.dumps([heavy, [[each.exit_code, each.output] for each in found]]))\n"
    )
    calls = json.dumps([call for call, _ in MISTAKES])
    ran = subprocess.run(
        [sys.executable, "-c", program], input=calls, capture_output=True, text=True, check=True, cwd=tmp_path
    )
    heavy, answers = json.loads(ran.stdout)
    assert heavy == []
    for (call, message), (code, output) in zip(MISTAKES, answers, strict=True):
        assert code == 2, (call, output)
        assert message in " ".join(output.split()), (call, output)
        assert output.split("did you mean")[-1].count(",") < 5
    assert [each.name for each in tmp_path.iterdir()] == ["file.tflite"]


def test_a_mistake_costs_less_than_a_second(moga):
    """Half of that here: Python, click and NumPy; torch alone would take a second more."""
    ended = moga("bench", "mobilenetv2")
    assert ended.code == 2
    assert ended.cpu_s < 1.0


OLD = [
    ("lut show {run} --limit 3", "--rows 3"),
    ("profile -o {out} --calibration none", "--correction none"),
    ("train moga-a --data digits -o {out} --device cpu", "--torch-device cpu"),
    ("detect score ssdlite-moga-a --data {bundle} --device cpu", "--torch-device cpu"),
    ("search --table {run} -o {out} --population=12", "--set population=12"),
    ("search --table {run} -o {out} --target-ms 12", "--set target_ms=12"),
    ("search --table {run} -o {out} --reference moga-a", "--set reference=moga-a"),
    ("search --table {run} -o {out} --runs-on edgetpu", "--forbid unsupported:edgetpu"),
]


@pytest.mark.parametrize(("call", "new"), OLD)
def test_an_old_spelling_means_the_new_one_and_warns(call, new, tmp_path, capsys):
    places = _example(tmp_path)
    name = next(each for each in LEAVES if call.startswith(each + " "))
    command = LEAVES[name]
    old_words = _words(call, places)[len(name.split()) :]
    parsed = command.make_context(name, old_words).params
    assert f"is deprecated; write {new}\n" in capsys.readouterr().err
    kept = old_words[: -1 if "=" in old_words[-1] else -2]
    assert parsed == command.make_context(name, [*kept, *new.split()]).params
    assert capsys.readouterr().err == ""
