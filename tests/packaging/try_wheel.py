"""Install a wheel into an environment of its own, away from the checkout, and use it: `make package` runs this.

    python tests/packaging/try_wheel.py dist [--python python3.12] [--without-torch]

`--without-torch` is for a Python whose only torch would be the CUDA build of several gigabytes: everything else is
installed, and what never loads torch is used: networks, predictions, searches on a table, the command line.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import zipfile
from email.parser import Parser
from pathlib import Path

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "tests" / "search" / "data" / "moga-xeon-xnnpack.json"
WITHOUT_TORCH = """
import sys
import mogakit as mk
network = mk.get_network("moga-a")
assert mk.count_params(network) == 5159802
mk.save_network(network, "net.json")
assert 5 < mk.predict("net.json", sys.argv[1]).latency_ms < 50
result = mk.run_search(mk.Plan(tables=[sys.argv[1]], engine="exact"), "front")
assert len(result.front) > 100
print(sys.version.split()[0], mk.__version__, mk.__file__)
"""
WITH_TORCH = """
run = mk.profile_space("digits", "run", quick=True)
assert mk.predict("digits/0-0-0-0-0-0", run).latency_ms > 0
assert mk.write_report(run).page.stat().st_size > 100_000
"""


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("dist", type=Path)
    options.add_argument("--python", default=sys.executable)
    options.add_argument("--without-torch", action="store_true")
    given = options.parse_args()
    (wheel,) = given.dist.glob("*.whl")
    (source,) = given.dist.glob("*.tar.gz")
    _check_contents(wheel)
    os.environ.pop("PYTHONPATH", None)  # which would lead back to the checkout
    with tempfile.TemporaryDirectory(prefix="moga-wheel-") as folder:
        subprocess.run([given.python, "-m", "venv", f"{folder}/venv"], check=True)
        programs = Path(folder) / "venv" / "bin"
        install = [programs / "python", "-m", "pip", "install", "-q"]
        if given.without_torch:
            subprocess.run([*install, *_requirements_but_torch(wheel)], check=True)
            install.append("--no-deps")
        subprocess.run([*install, wheel.resolve()], check=True)
        program = WITHOUT_TORCH if given.without_torch else WITHOUT_TORCH + WITH_TORCH
        subprocess.run([programs / "python", "-c", program, TABLE], check=True, cwd=folder)
        for words in (["zoo"], ["show", "net.json"], ["lut", "show", TABLE]):
            subprocess.run([programs / "moga", *words], check=True, cwd=folder, stdout=subprocess.DEVNULL)
    print(f"{wheel.name} works without the checkout; {source.name} lies beside it")


def _check_contents(wheel: Path) -> None:
    """Make sure that the wheel holds every file of the package, data files too."""
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("mogakit/")}
    listing = ["git", "ls-files", "src/mogakit"]
    listed = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    missing = {name.removeprefix("src/") for name in listed} - packed
    if missing:
        sys.exit(f"the wheel lacks {', '.join(sorted(missing))}")


def _requirements_but_torch(wheel: Path) -> list[str]:
    archive = zipfile.ZipFile(wheel)
    (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    stated = Parser().parsestr(archive.read(name).decode()).get_all("Requires-Dist") or []
    return [each for each in stated if "extra ==" not in each and not each.startswith("torch")]


if __name__ == "__main__":
    main()
