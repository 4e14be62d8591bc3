"""Bundles: complete, honest on random weights, checkable anywhere, and caught when one byte changes."""

import errno
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from mogakit import files
from mogakit.cli.main import cli
from mogakit.errors import CheckpointError, InputError
from mogakit.export.bundle.layout import SEAL_NAME, SUMS_NAME, damages, load, payload
from mogakit.export.bundle.layout import save as save_bundle
from mogakit.export.calibration import ImageFolder
from mogakit.flows.deploy.ship import SHIPPED, ShipRequest, _labels, ship
from mogakit.flows.deploy.ship_check import check
from mogakit.luts.linear import CostModel, ModelKind, save_model
from mogakit.luts.statistic import Statistic
from mogakit.luts.table import UNKNOWN_IDENTITY, LatencyTable, Origin, Row, save
from mogakit.nets.modules import build_network
from mogakit.nets.resolve import resolve

NETWORK = resolve("digits/10-7-6-3-3-0")  # small: 8 x 8 pixels, 86,170 parameters


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ship") / "bundle"
    ship(ShipRequest(network=NETWORK), folder)
    return folder


@pytest.fixture
def bundle(shipped, tmp_path):
    return shutil.copytree(shipped, tmp_path / "copy")


def test_a_bundle_holds_every_format_and_what_an_author_needs(shipped):
    made = load(shipped)
    assert [(item.format, item.precision) for item in made.artifacts] == [(fmt, kind) for fmt, kind, _ in SHIPPED]
    names = set(payload(shipped))
    assert {"README.md", "card.json", "LICENSE-NOTE.txt", "bundle.json"} <= names
    assert {f"snippets/{name}" for name in ("load_android.kt", "load_python.py", "load_mace.cc")} <= names
    assert sum(name.endswith(".pb") for name in names) == 8
    assert any(name.endswith(".mace.yml") for name in names)
    assert set(made.samples) == {item.path.as_posix() for item in made.artifacts}
    assert not any(item.path.is_absolute() for item in made.artifacts)


def test_a_bundle_passes_its_check_from_another_directory(bundle):
    checks = check(bundle)
    assert all(item.passed for item in checks), [item for item in checks if not item.passed]
    kinds = {item.what for item in checks}
    assert kinds == {"checksums", "signature", "agreement on the sample", "MACE's rules"}
    assert len(checks) == 1 + 2 * len(SHIPPED) + 8


def test_a_bundle_passes_its_check_in_a_process_of_its_own(bundle, tmp_path):
    command = [
        sys.executable,
        "-c",
        "from mogakit.cli.main import main; main()",
        "ship",
        "--check",
        str(bundle),
        "--json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["passed"] is True


def test_every_one_of_a_hundred_single_byte_corruptions_is_caught_and_named(bundle):
    rng = random.Random(0)
    names = [SUMS_NAME, SEAL_NAME, *payload(bundle)]
    sizes = [(bundle / name).stat().st_size for name in names]
    targets = [*names, *[SUMS_NAME] * 10, *rng.choices(names, weights=sizes, k=90 - len(names))]
    assert len(targets) == 100
    for name in targets:
        path = bundle / name
        original = path.read_bytes()
        position = rng.randrange(len(original))
        damaged = bytearray(original)
        damaged[position] ^= rng.randrange(1, 256)
        path.write_bytes(damaged)
        found = damages(bundle)
        assert [item.file for item in found] == [name], (name, position, found)
        path.write_bytes(original)
    assert damages(bundle) == []


def test_a_missing_and_a_foreign_file_are_named(bundle):
    (bundle / "models" / "digits_10-7-6-3-3-0.onnx").unlink()
    (bundle / "notes.txt").write_text("mine")
    found = {item.file: item.problem for item in damages(bundle)}
    assert found == {"models/digits_10-7-6-3-3-0.onnx": "is missing", "notes.txt": "does not belong to the bundle"}


def test_a_link_or_a_pipe_in_a_bundle_is_named(bundle, tmp_path):
    (tmp_path / "secret").write_text("secret")
    (bundle / "labels.txt").symlink_to(tmp_path / "secret")
    os.mkfifo(bundle / "models" / "pipe")
    found = {(one.file, one.problem) for one in damages(bundle)}
    problem = "is a link, a device or a pipe, not a regular file"
    assert found == {("labels.txt", problem), ("models/pipe", problem)}


def test_a_damaged_file_is_named_once_and_the_others_are_still_run(bundle):
    path = bundle / "models" / "digits_10-7-6-3-3-0.tflite"
    path.write_bytes(path.read_bytes()[:-1])
    failed = [item for item in check(bundle) if not item.passed]
    assert [(item.file, item.what) for item in failed] == [("models/digits_10-7-6-3-3-0.tflite", "checksum")]
    result = CliRunner().invoke(cli, ["ship", "--check", str(bundle)])
    assert result.exit_code == 1
    assert "digits_10-7-6-3-3-0.tflite" in result.output.replace("\n", "")


def test_an_exchanged_model_with_the_right_checksums_fails_on_its_sample(bundle):
    other = bundle.parent / "other"
    ship(ShipRequest(network=NETWORK, seed=1), other)
    name = "models/digits_10-7-6-3-3-0.onnx"
    shutil.copy(other / name, bundle / name)
    save_bundle(bundle, load(bundle))  # new checksums, as someone who exchanges a model on purpose would write
    failed = [item for item in check(bundle) if not item.passed]
    assert [(item.file, item.what) for item in failed] == [(name, "agreement on the sample")]


def test_random_weights_are_said_on_the_card_and_on_the_screen(shipped, tmp_path):
    card = (shipped / "README.md").read_text()
    assert "The weights are RANDOM" in card and "for timing only" in card
    assert json.loads((shipped / "card.json").read_text())["random_weights"] is True
    result = CliRunner().invoke(cli, ["ship", "digits/10-7-6-3-3-0", "-o", str(tmp_path / "b")])
    assert result.exit_code == 0, result.output
    assert "The weights are RANDOM" in result.output
    assert (tmp_path / "b" / "bundle.json").is_file()


def _checkpoint(path, network=NETWORK):
    torch.save(build_network(network, seed=5).state_dict(), path)
    return path


def _table(path):
    rows = {block.key: Row(key=block.key, latency_ms=0.5, role="choice") for block in NETWORK.blocks}
    identity = UNKNOWN_IDENTITY
    save(
        LatencyTable(
            name="t",
            space="digits",
            target=None,
            identity=identity,
            statistic=Statistic(),
            rows=rows,
            origin=Origin(made_by="a test"),
        ),
        path,
    )
    return path


def test_with_weights_labels_images_and_a_table_the_card_says_so(tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    for index in range(3):
        pixels = np.random.default_rng(index).integers(0, 255, (20, 24, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(photos / f"{index}.png")
    labels = tmp_path / "labels.txt"
    labels.write_text("".join(f"digit {index}\n" for index in range(10)))
    request = ShipRequest(
        network=NETWORK, weights=_checkpoint(tmp_path / "w.pth"), calibration=ImageFolder(photos), labels=labels,
        tables=(_table(tmp_path / "phone.json"),),
    )  # fmt: skip
    made = ship(request, tmp_path / "bundle")
    card = (tmp_path / "bundle" / "README.md").read_text()
    assert "RANDOM" not in card and "were calibrated on noise" not in card
    assert "3 images from folder photos" in card
    assert "not an app" in card and "phone.json" in card
    assert made.latencies[0].latency_ms == pytest.approx(0.5 * len(NETWORK.blocks))
    assert (tmp_path / "bundle" / "labels.txt").read_text().splitlines()[3] == "digit 3"
    assert files.sha256_of(tmp_path / "w.pth") in (tmp_path / "bundle" / "LICENSE-NOTE.txt").read_text()
    assert all(item.passed for item in check(tmp_path / "bundle"))


def _timings(path, *models):
    result = CliRunner().invoke(cli, ["bench", *models, "--quick", "--json"])
    assert result.exit_code == 0, result.output
    path.write_text(result.stdout)
    return path


def test_what_was_measured_goes_into_the_bundle_with_its_interval(shipped, tmp_path):
    """By the network's name, and by the content of a shipped file under whatever name it was timed."""
    copy = tmp_path / "copied.onnx"
    shutil.copy(shipped / "models" / "digits_10-7-6-3-3-0.onnx", copy)
    path = _timings(tmp_path / "here.json", NETWORK.name, str(copy), "digits/0-0-0-0-0-0")
    timed = json.loads(path.read_text())
    made = ship(ShipRequest(network=NETWORK, measurements=(path,)), tmp_path / "bundle")
    assert [(note.target, note.kind, note.latency_ms) for note in made.latencies] == [
        (timing["target"], "measured", timing["latency_ms"]) for timing in timed["timings"][:2]
    ]
    assert {note.device for note in made.latencies} == {timed["device"]}
    low, high = (timed["timings"][0][name] for name in ("low_ms", "high_ms"))
    assert made.latencies[0].spread == f"{low:.3f} to {high:.3f} ms (95 %)"
    card = (tmp_path / "bundle" / "README.md").read_text()
    assert "measured" in card and "here.json" in card and made.latencies[1].spread in card


def test_a_cost_model_predicts_as_a_table_does(tmp_path):
    path = tmp_path / "cost-model.json"
    slots = ((0.25,) * 12,) * 6
    model = CostModel(
        name="m",
        kind=ModelKind.ONE_HOT,
        space="digits",
        target=None,
        identity=UNKNOWN_IDENTITY,
        intercept_ms=1.0,
        coefficients_ms=slots,
        origin=Origin(made_by="a test"),
        loo_mape_percent=2.0,
    )
    save_model(model, path)
    (note,) = ship(ShipRequest(network=NETWORK, tables=(path,)), tmp_path / "bundle").latencies
    assert note.latency_ms == pytest.approx(1.0 + 6 * 0.25)
    assert (note.kind, note.spread) == ("predicted", "2.0 % leave-one-out error")


def test_measurements_of_something_else_are_rejected(tmp_path):
    path = _timings(tmp_path / "other.json", "digits/0-0-0-0-0-0")
    with pytest.raises(InputError, match=r"other\.json times digits/0-0-0-0-0-0; a bundle of digits/10-7-6-3-3-0"):
        ship(ShipRequest(network=NETWORK, measurements=(path,)), tmp_path / "bundle")
    path.write_text('{"timings": 3}')
    with pytest.raises(InputError, match="not hold a valid result of moga bench: timings is not a list"):
        ship(ShipRequest(network=NETWORK, measurements=(path,)), tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_a_partly_delegated_timing_says_so_in_the_bundle(shipped, tmp_path):
    path = _timings(tmp_path / "phone.json", NETWORK.name)
    value = json.loads(path.read_text())
    value["timings"][0] |= {"status": "partial", "delegation": "60 of 64 nodes, 2 partitions"}
    del value["checksum"]
    path.write_text(json.dumps(value))
    made = ship(ShipRequest(network=NETWORK, measurements=(path,)), tmp_path / "bundle")
    assert made.latencies[0].comment == "partial: 60 of 64 nodes, 2 partitions"
    assert "measured, partial: 60 of 64 nodes" in (tmp_path / "bundle" / "README.md").read_text()


def test_the_python_snippet_runs_as_it_is(shipped, tmp_path):
    Image.fromarray(np.full((16, 16, 3), 90, np.uint8)).save(tmp_path / "image.png")
    done = subprocess.run(
        [sys.executable, "load_python.py", str(tmp_path / "image.png")],
        cwd=shipped / "snippets", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) == 10  # five classes and their scores


def test_shipping_again_takes_the_place_of_an_old_bundle(bundle):
    (bundle / "stale.txt").write_text("old")
    ship(ShipRequest(network=NETWORK), bundle)
    assert not (bundle / "stale.txt").exists()
    assert damages(bundle) == []


def test_a_bundle_is_the_same_bytes_twice(shipped, tmp_path):
    ship(ShipRequest(network=NETWORK), tmp_path / "again")
    assert (tmp_path / "again" / "SHA256SUMS").read_bytes() == (shipped / "SHA256SUMS").read_bytes()


def test_a_folder_that_is_not_ours_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="is not a bundle"):
        ship(ShipRequest(network=NETWORK), tmp_path)
    with pytest.raises(InputError, match="is a file"):
        ship(ShipRequest(network=NETWORK), tmp_path / "thesis.tex")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(InputError, match="is not a bundle"):
        check(tmp_path)


def test_a_full_disk_leaves_the_old_bundle_and_nothing_else(bundle, monkeypatch):
    before = (bundle / "SHA256SUMS").read_bytes()

    def full(path, value):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(files, "write_text", full)
    with pytest.raises(OSError, match="No space left"):
        ship(ShipRequest(network=NETWORK), bundle)
    assert (bundle / "SHA256SUMS").read_bytes() == before
    assert [path.name for path in bundle.parent.iterdir()] == [bundle.name]


def test_weights_of_another_network_are_rejected(tmp_path):
    wrong = _checkpoint(tmp_path / "w.pth", resolve("digits/0-0-0-0-0-0"))
    with pytest.raises(CheckpointError):
        ship(ShipRequest(network=NETWORK, weights=wrong), tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["ship"], 2, "give NETWORK and -o"),
        (["ship", "moga-a"], 2, "give NETWORK and -o"),
        (["ship", "moga-a", "--check", str(Path(__file__).parent)], 2, "and neither NETWORK nor -o"),
    ],
)
def test_usage_errors_say_what_to_give(arguments, code, said):
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == code
    assert said in result.output


def test_labels_and_preprocessing_that_do_not_fit_are_rejected(tmp_path):
    (tmp_path / "labels.txt").write_text("one\ntwo\n")
    with pytest.raises(InputError, match="has 2 lines"):
        ship(ShipRequest(network=NETWORK, labels=tmp_path / "labels.txt"), tmp_path / "b")
    (tmp_path / "p.json").write_text('{"size": 16, "resize_shorter_side": 20}')
    arguments = ["ship", "digits/10-7-6-3-3-0", "-o", str(tmp_path / "b"), "--preprocessing", str(tmp_path / "p.json")]
    result = CliRunner().invoke(cli, arguments)
    assert isinstance(result.exception, InputError)
    assert "cuts 16 px" in str(result.exception)


def test_labels_are_stripped_and_an_empty_one_is_named(tmp_path):
    lines = [f" digit {index}\r\n" for index in range(10)]
    (tmp_path / "labels.txt").write_bytes(("\ufeff" + "".join(lines) + "\r\n").encode())
    request = ShipRequest(network=NETWORK, labels=tmp_path / "labels.txt")
    assert _labels(request) == [f"digit {index}" for index in range(10)]
    lines[4] = " \r\n"
    (tmp_path / "labels.txt").write_text("".join(lines))
    with pytest.raises(InputError, match="has no label in line 5"):
        _labels(request)
