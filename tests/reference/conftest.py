"""Checks against the converters of others (`make reference`); each runs in a process of its own."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SAMPLE = (
    "conv_i3o16_h224_k3s2_hswish",
    "sep_i16o16_h112_k3s1_relu",
    "mb_i16e48o24_h112_k3s2_relu",
    "mb_i24e144o40_h56_k5s2_relu_se36",
    "mb_i40e240o40_h28_k7s1_relu_se60_res",
    "mb_i80e480o80_h14_k5s1_hswish_res",
    "mb_i160e960o160_h7_k3s1_hswish_se240_res",
    "head_i160f960m1280o1000_h7_hswish",
    "moga-a",
    "mobilenet-v2",
)
"""What is checked in CI: every kind of part, each kernel size, two networks. `--everything` checks all."""

MODULES = {"litert-torch": "litert_torch", "tensorflow": "tensorflow"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option to check every block and network, which takes half an hour."""
    parser.addoption("--everything", action="store_true", help="check every block and network, not a sample")


@pytest.fixture(scope="session")
def records_of(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], dict[str, dict[str, Any]]]:
    """Return the function that lets a tool convert the sample, once a session, and returns its records by name."""
    known: dict[str, dict[str, dict[str, Any]]] = {}

    def records(tool: str) -> dict[str, dict[str, Any]]:
        module = MODULES.get(tool)
        if module is not None and importlib.util.find_spec(module) is None:
            pytest.skip(f"{tool} is not installed; `make reference` installs it in an environment of its own")
        if tool not in known:
            output = tmp_path_factory.mktemp("reference") / f"{tool}.jsonl"
            script = str(Path(__file__).with_name("reference.py"))
            names = ["--everything"] if request.config.getoption("--everything", default=False) else list(SAMPLE)
            command = [sys.executable, "-W", "ignore", script, tool, "-o", str(output), *names]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr[-4000:]
            lines = [json.loads(line) for line in output.read_text().splitlines()]
            known[tool] = {line.pop("name"): line for line in lines}
        return known[tool]

    return records
