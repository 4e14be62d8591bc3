"""`moga export` as a user calls it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mogakit.cli.main import main

CALL = [sys.executable, "-c", "from mogakit.cli.main import main; main()", "export"]


def moga_export(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*CALL, *map(str, arguments)], capture_output=True, text=True, check=False)


def test_blocks_are_summed_up_per_role_and_format_and_listed_as_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "out"
    first = moga_export("blocks", "--space", "digits", "-o", folder)
    assert first.returncode == 0, first.stderr
    assert "choice" in first.stdout
    assert "fixed" in first.stdout
    assert first.stderr == ""  # no bar where standard error is not a terminal, no greeting of the runtime
    monkeypatch.setattr(sys, "argv", ["moga", "export", "blocks", "--space", "digits", "-o", str(folder), "--json"])
    main()
    listed = json.loads(capsys.readouterr().out)
    assert listed["manifest"] == str(folder / "manifest.json")
    assert len(listed["artifacts"]) == len(list(folder.rglob("*.tflite"))) == 62


def test_a_model_without_checkpoint_says_that_its_weights_are_random(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ["--width", "0.35", "--input-size", "64", "--classes", "10"]
    monkeypatch.setattr(sys, "argv", ["moga", "export", "model", "moga-a", *small, "-o", str(tmp_path)])
    main()
    assert "random" in capsys.readouterr().out
    assert (tmp_path / "manifest.json").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("blocks", "--space", "nowhere"), "moga"),
        (("model", "resnet-51"), "moga-a"),
        (("model", "moga-a", "--format", "mace", "--precision", "int8"), "no writer makes mace in int8"),
        (("model", "moga-a", "--precision", "mixed"), "name them with --float-layer"),
        (("model", "moga-a", "--format", "coreml"), "tflite"),
    ],
)
def test_bad_input_ends_with_2_and_names_what_is_legal(
    tmp_path: Path,
    arguments: tuple[str, ...],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["moga", "export", *arguments, "-o", str(tmp_path / "out")])
    with pytest.raises(SystemExit) as leaving:
        main()
    assert leaving.value.code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
