"""The example on the page on formats runs as it stands."""

import re
from pathlib import Path

import pytest

from mogakit.export.pipeline import describe_file

PAGE = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")


def test_a_module_of_ones_own_is_exported_as_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "docs/formats.md", "exec"), {})
    (promised,) = re.findall(r"print\(.*\)  # (.*)", example)
    assert capsys.readouterr().out.strip() == promised
    assert describe_file(tmp_path / "out" / "mine.tflite").inputs[0].shape == (1, 224, 224, 3)
