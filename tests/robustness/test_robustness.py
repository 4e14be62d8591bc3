"""A fixed part of `make robustness`, and every input that ever broke a command: see robustness.py."""

import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).with_name("robustness.py")


def test_damaged_files_and_hostile_options_end_with_a_message() -> None:
    ended = subprocess.run(
        [sys.executable, PROGRAM, "--small", "--inputs", "110", "--seed", "1", "--seconds", "400",
         "--readers-share", "0", "--options-share", "0.35", "--slow-share", "0"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
