"""An export folder: complete, de-duplicated, resumable, and never half written."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from torch import nn

from mogakit.errors import CheckpointError, ExportError, InputError
from mogakit.export import EXPORT_VERSION
from mogakit.export.artifact import Artifact, Format, Precision, Role
from mogakit.export.manifest import read_manifest
from mogakit.export.pipeline import export_module
from mogakit.export.writers import Options
from mogakit.files import sha256_of
from mogakit.flows.deploy.export import export_chain, export_network, export_space
from mogakit.nets import zoo
from mogakit.nets.block import parse_key
from mogakit.nets.modules import build_network
from mogakit.nets.spaces import SlotSpace, get_space
from mogakit.nets.weights import save_weights

BOTH = (Format.TFLITE, Format.ONNX)


def small_space() -> SlotSpace:
    """Return the first slot and the fixed parts of the space for 8 x 8 images: 14 blocks."""
    space = get_space("digits")
    assert isinstance(space, SlotSpace)
    return SlotSpace("small", space.before, space.slots[:1], space.after)


def export_small(folder: Path, **more: object) -> list[Artifact]:
    return export_space(small_space(), BOTH, Precision.FLOAT32, folder, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "small"
    export_small(folder)
    return folder


@pytest.fixture
def copied(exported: Path, tmp_path: Path) -> Path:
    """Return a copy of the exported folder: a manifest's paths are relative, so it may be moved."""
    return Path(shutil.copytree(exported, tmp_path / "copy"))


def files_in(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): sha256_of(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "manifest.json"
    }


def test_choice_blocks_and_fixed_parts_lie_apart_under_their_keys(exported: Path) -> None:
    space = small_space()
    for folder, blocks in (("choice", space.choice_blocks), ("fixed", space.fixed_blocks)):
        for suffix in ("tflite", "onnx"):
            assert {path.stem for path in (exported / folder).glob(f"*.{suffix}")} == {block.key for block in blocks}
    assert not [name for name in files_in(exported) if name.endswith(".part")]


def test_the_manifest_lists_every_file_with_its_digest_and_agreement(exported: Path) -> None:
    artifacts = read_manifest(exported).artifacts
    assert {str(path.relative_to(exported)): one.sha256 for path, one in artifacts.items()} == files_in(exported)
    for artifact in artifacts.values():
        assert artifact.agreement is not None
        assert artifact.agreement.relative <= 1e-5
        assert artifact.agreement.num_inputs >= 2
        assert artifact.num_bytes == artifact.path.stat().st_size
    stored = json.loads((exported / "manifest.json").read_text())
    assert stored["schema_version"] == 1
    assert stored["export_version"] == EXPORT_VERSION


def test_a_second_export_writes_nothing_and_returns_the_same(exported: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in exported.rglob("*.tflite")}
    first = list(read_manifest(exported).artifacts.values())
    again = export_small(exported)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert sorted(again, key=lambda artifact: artifact.path) == first


def test_what_is_missing_or_changed_is_written_again(copied: Path) -> None:
    whole = files_in(copied)
    missing, changed = sorted((copied / "choice").glob("*.tflite"))[:2]
    missing.unlink()
    data = bytearray(changed.read_bytes())
    data[len(data) // 2] ^= 1
    changed.write_bytes(bytes(data))
    untouched = {path: path.stat().st_mtime_ns for path in copied.rglob("*.onnx")}
    export_small(copied)
    assert files_in(copied) == whole
    assert {path: path.stat().st_mtime_ns for path in untouched} == untouched


def test_another_seed_is_other_weights_and_other_files(copied: Path) -> None:
    before = files_in(copied)
    export_small(copied, seed=1)
    after = files_in(copied)
    assert before.keys() == after.keys()
    assert all(before[name] != after[name] for name in before)


def test_progress_counts_every_file(tmp_path: Path) -> None:
    seen: list[tuple[int, int, str]] = []
    export_small(tmp_path / "new", progress=lambda done, total, note: seen.append((done, total, note)))
    assert [done for done, _, _ in seen] == list(range(1, len(seen) + 1))
    assert {total for _, total, _ in seen} == {len(seen)} == {28}


def test_an_interrupt_leaves_whole_files_and_a_valid_manifest(tmp_path: Path, exported: Path) -> None:
    def stop(done: int, total: int, note: str) -> None:
        if done == 9:
            raise KeyboardInterrupt

    folder = tmp_path / "new"
    with pytest.raises(KeyboardInterrupt):
        export_small(folder, progress=stop)
    kept = {str(path.relative_to(folder)): one.sha256 for path, one in read_manifest(folder).artifacts.items()}
    assert len(kept) == 9
    assert kept == files_in(folder)
    export_small(folder)
    assert files_in(folder) == files_in(exported)


SCRIPT = """
import sys
from pathlib import Path
from mogakit.export.artifact import Format, Precision
from mogakit.flows.deploy.export import export_space
from mogakit.nets.spaces import SlotSpace, get_space
space = get_space("digits")
space = SlotSpace("some", space.before, space.slots[: int(sys.argv[2])], space.after)
export_space(space, [Format.TFLITE], Precision.FLOAT32, Path(sys.argv[1]))
"""


def test_a_kill_leaves_no_half_file_and_the_next_export_takes_over(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(folder), "6"])
    deadline = time.monotonic() + 60
    while len(list(folder.glob("choice/*.tflite"))) < 5 and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    space = get_space("digits")
    assert isinstance(space, SlotSpace)
    finished = files_in(folder)
    artifacts = export_space(space, [Format.TFLITE], Precision.FLOAT32, folder)
    assert len(artifacts) == len(space.choice_blocks) + len(space.fixed_blocks)
    after = files_in(folder)
    for name, digest in finished.items():
        assert name.endswith(".part") or after[name] == digest


def test_bytes_are_the_same_in_another_process(tmp_path: Path, exported: Path) -> None:
    folder = str(tmp_path / "theirs")
    subprocess.run([sys.executable, "-c", SCRIPT, folder, "1"], check=True, env={"PYTHONHASHSEED": "7"})
    ours = {name: digest for name, digest in files_in(exported).items() if name.endswith(".tflite")}
    assert files_in(tmp_path / "theirs") == ours


def test_a_folder_that_is_not_ours_is_rejected_untouched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("chapter 1")
    with pytest.raises(InputError, match=r"holds files but no manifest\.json"):
        export_small(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_in_place_of_the_folder_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(InputError, match="is a file"):
        export_small(tmp_path / "taken")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "is not JSON"),
        ('{"schema_version": 99, "export_version": "9", "artifacts": []}', "reads up to 1"),
        ('{"schema_version": 1, "artifacts": []}', "does not hold a valid"),
    ],
)
def test_a_manifest_that_cannot_be_read_is_rejected(tmp_path: Path, content: str, reason: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(InputError, match=reason):
        export_small(tmp_path)


def test_a_manifest_that_names_files_outside_is_rejected(copied: Path) -> None:
    path = copied / "manifest.json"
    stored = json.loads(path.read_text())
    stored["artifacts"][0]["path"] = "../elsewhere.tflite"
    del stored["checksum"]
    path.write_text(json.dumps(stored))
    with pytest.raises(InputError, match="lies outside the folder"):
        read_manifest(copied)


@pytest.mark.parametrize("name", ["../../secret.bin", "/etc/passwd", "link.bin"])
def test_a_companion_outside_is_rejected(copied: Path, tmp_path: Path, name: str) -> None:
    path = copied / "manifest.json"
    stored = json.loads(path.read_text())
    stored["artifacts"][0]["companions"] = {name: "0" * 64}
    del stored["checksum"]
    path.write_text(json.dumps(stored))
    (tmp_path / "secret").write_text("secret")
    (copied / stored["artifacts"][0]["path"]).with_name("link.bin").symlink_to(tmp_path / "secret")
    with pytest.raises(InputError, match="outside the folder"):
        read_manifest(copied)


def test_files_of_another_export_version_are_written_anew(copied: Path) -> None:
    path = copied / "manifest.json"
    stored = json.loads(path.read_text())
    stored["export_version"] = "0"
    del stored["checksum"]
    path.write_text(json.dumps(stored))
    assert not read_manifest(copied).artifacts
    before = {path: path.stat().st_mtime_ns for path in copied.rglob("*.tflite")}
    export_small(copied)
    assert all(path.stat().st_mtime_ns > time_ns for path, time_ns in before.items())


def test_a_combination_without_writer_is_rejected_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"no writer makes onnx in uint8; supported: onnx/float32, onnx/int8 \(uint8 is"
    ):
        export_space(small_space(), [Format.ONNX], Precision.UINT8, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_several_precisions_and_opsets_share_a_folder(tmp_path: Path) -> None:
    network = zoo.get("moga-a", width=0.35, input_size=64, num_classes=10).network
    export_network(network, BOTH, Precision.FLOAT32, tmp_path)
    export_network(network, [Format.TFLITE], Precision.FLOAT16, tmp_path)
    export_network(network, [Format.ONNX], Precision.FLOAT32, tmp_path, options=Options(opset=13))
    names = {path.name for path in read_manifest(tmp_path).artifacts}
    stem = network.name.replace("/", "_")
    assert names == {f"{stem}{suffix}" for suffix in (".tflite", ".float16.tflite", ".onnx", ".opset13.onnx")}


def test_beside_a_network_of_opset_13_lies_what_maces_converter_takes(tmp_path: Path) -> None:
    network = zoo.get("moga-a", width=0.35, input_size=64, num_classes=10).network
    older = Options(opset=13)
    (made,) = export_network(network, [Format.ONNX], Precision.FLOAT32, tmp_path, options=older)
    yml = made.path.with_name(made.path.name.replace(".onnx", ".mace.yml"))
    (model,) = yaml.safe_load(yml.read_text())["models"].values()
    assert (model["model_file_path"], model["model_sha256_checksum"]) == (made.path.name, sha256_of(made.path))
    assert made.companions == {yml.name: sha256_of(yml)}
    assert read_manifest(tmp_path).artifacts[made.path] == made
    yml.unlink()
    assert export_network(network, [Format.ONNX], Precision.FLOAT32, tmp_path, options=older) == [made]
    assert sha256_of(yml) == (made.companions or {})[yml.name]
    export_network(network, [Format.ONNX], Precision.FLOAT32, tmp_path)
    assert list(tmp_path.glob("*.yml")) == [yml]


def test_a_network_takes_the_weights_of_a_checkpoint_and_says_whose_they_are(tmp_path: Path) -> None:
    network = zoo.get("moga-a", width=0.35, input_size=64, num_classes=10).network
    folder = tmp_path / "out"
    (random,) = export_network(network, [Format.TFLITE], Precision.FLOAT32, folder)
    checkpoint = tmp_path / "trained.safetensors"
    save_weights(build_network(network, seed=5), checkpoint)
    (trained,) = export_network(network, [Format.TFLITE], Precision.FLOAT32, folder, weights=checkpoint)
    assert random.path == trained.path
    assert random.sha256 != trained.sha256
    assert random.notes == {"weights": "random, seed 0"}
    assert trained.notes == {"weights": f"sha256 {sha256_of(checkpoint)}"}
    assert trained.role is Role.NETWORK


def test_a_checkpoint_that_does_not_fit_is_rejected_and_nothing_is_written(tmp_path: Path) -> None:
    network = zoo.get("moga-a", width=0.35, input_size=64, num_classes=10).network
    other = zoo.get("moga-b", width=0.35, input_size=64, num_classes=10).network
    save_weights(build_network(other), tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError):
        export_network(
            network, [Format.TFLITE], Precision.FLOAT32, tmp_path / "out", weights=tmp_path / "other.safetensors"
        )
    assert not list((tmp_path / "out").glob("*.tflite"))


def test_a_chromosome_is_exported_under_a_name_without_a_slash(tmp_path: Path) -> None:
    space = get_space("digits")
    network = space.decode((0, 1, 2, 3, 4, 5))
    (artifact,) = export_network(network, [Format.TFLITE], Precision.FLOAT32, tmp_path)
    assert artifact.name == "digits/0-1-2-3-4-5"
    assert artifact.path == tmp_path / "digits_0-1-2-3-4-5.tflite"


def test_a_chain_holds_its_copies_in_one_file(tmp_path: Path) -> None:
    block = parse_key("mb_i16e48o16_h8_k3s1_relu_res")
    one = export_chain(block, 1, Format.TFLITE, Precision.FLOAT32, tmp_path)
    four = export_chain(block, 4, Format.TFLITE, Precision.FLOAT32, tmp_path)
    assert four.name == f"chain-4x{block.key}"
    assert four.role is Role.CHAIN
    assert four.path == tmp_path / "chain" / f"chain-4x{block.key}.tflite"
    assert 3 * one.num_bytes < four.num_bytes < 4.2 * one.num_bytes


LIMITED = """
import resource, sys
from pathlib import Path
from mogakit.export.artifact import Format, Precision
from mogakit.flows.deploy.export import export_network
from mogakit.nets import zoo
network = zoo.get("moga-a", input_size=64).network
resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))
try:
    export_network(network, [Format.TFLITE], Precision.FLOAT32, Path(sys.argv[1]))
except OSError as error:
    sys.exit(7)
"""


def test_a_full_disk_leaves_no_half_file(tmp_path: Path) -> None:
    """A file size limit stands for the full disk: writing fails in the middle of the file, as there."""
    finished = subprocess.run([sys.executable, "-c", LIMITED, str(tmp_path / "out")], check=False)
    assert finished.returncode == 7
    assert [path.name for path in (tmp_path / "out").rglob("*")] == ["manifest.json"]
    assert not read_manifest(tmp_path / "out").artifacts


def two_layers(first_scale: float, second: list[float]) -> nn.Module:
    """Return two linear layers: the sum over channels times `first_scale`, twice, then both weighted and added."""
    layers = nn.Conv2d(3, 2, 1, bias=False), nn.Conv2d(2, 1, 1, bias=False)
    nn.init.constant_(layers[0].weight, first_scale)
    layers[1].weight = nn.Parameter(torch.tensor(second).reshape(1, 2, 1, 1))
    return nn.Sequential(*layers).eval()


@pytest.mark.parametrize(
    ("first_scale", "second", "reason"),
    [
        pytest.param(1e-8, [1e4, 1e4], r"differs from torch by 1 of .* allowed is 0\.\d+", id="weights vanish"),
        pytest.param(1.0, [1000.1, -1000.0], "the same on every check input, within what", id="weights cancel"),
    ],
)
def test_a_file_that_does_not_agree_with_torch_is_never_written(
    first_scale: float, second: list[float], reason: str, tmp_path: Path
) -> None:
    """Half precision has no weights below 3e-8, and drops all that is left when two large ones cancel.

    Of the last, torch with such weights is as wrong as the file: there the comparison says nothing.
    """
    module = two_layers(first_scale, second)
    with pytest.raises(ExportError, match=f"faulty as tflite float16: .*{reason}.*Nothing was written"):
        export_module(module, "faulty", Role.NETWORK, Format.TFLITE, Precision.FLOAT16, (1, 3, 8, 8), tmp_path)
    assert not list(tmp_path.iterdir())
