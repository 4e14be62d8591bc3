"""Images come in the same order with the same crops, and broken ones are counted and named."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from synthetic_images import open_synthetic

from mogakit.errors import InputError
from mogakit.training.data import (
    HeldOut,
    ImageFolder,
    epoch_order,
    open_dataset,
    open_digits,
    open_image_folder,
    read_batch,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of 30 images; one file of the first is cut short."""
    rng = np.random.default_rng(0)
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        for number in range(30):
            pixels = rng.integers(0, 255, (40, 50, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / label / f"{number}.png")
    whole = (tmp_path / "cat" / "0.png").read_bytes()
    (tmp_path / "cat" / "0.png").write_bytes(whole[: len(whole) // 2])
    return tmp_path


def all_of(dataset: ImageFolder) -> set[Path]:
    return {path for path, _ in dataset.files}


def test_a_validation_split_is_carved_by_hash_and_survives_new_files(folder: Path) -> None:
    train, val = open_image_folder(folder, 32, validation_percent=25)
    assert not all_of(train) & all_of(val)
    assert len(train) + len(val) == 60
    assert train.classes == ("cat", "dog")
    Image.new("RGB", (40, 40)).save(folder / "dog" / "new.png")
    train2, val2 = open_image_folder(folder, 32, validation_percent=25)
    assert all_of(train) <= all_of(train2)
    assert all_of(val) <= all_of(val2)


def test_a_broken_image_is_left_out_and_named(folder: Path) -> None:
    files = tuple((path, 0) for path in sorted((folder / "cat").glob("*.png")))
    dataset = ImageFolder(name="cats", classes=("cat",), files=files, input_size=32, resize=36)
    batch = read_batch(dataset, range(len(dataset)), 0, 0, augment=False)
    assert batch.images.shape == (29, 3, 32, 32)
    assert dataset.broken == {folder / "cat" / "0.png"}


def test_a_batch_of_broken_images_only_is_an_error(folder: Path) -> None:
    dataset = ImageFolder(
        name="cats", classes=("cat",), files=((folder / "cat" / "0.png", 0),), input_size=32, resize=36
    )
    with pytest.raises(InputError, match="none of the 1 images"):
        read_batch(dataset, [0], 0, 0, augment=False)


def test_augmentation_follows_from_seed_epoch_and_index_alone(folder: Path) -> None:
    train, _ = open_image_folder(folder, 32, validation_percent=25)
    index = next(i for i, (path, _) in enumerate(train.files) if path.name != "0.png")
    first = read_batch(train, [index], 1, 2, augment=True).images
    assert first.equal(read_batch(train, [index], 1, 2, augment=True).images)
    assert not first.equal(read_batch(train, [index], 1, 3, augment=True).images)


@pytest.fixture
def both(tmp_path: Path) -> Path:
    """Make ImageNet's layout: 200 images below `train/`, 4 below `val/`."""
    for part, count in (("train", 100), ("val", 2)):
        for label in ("a", "b"):
            (tmp_path / part / label).mkdir(parents=True)
            for number in range(count):
                Image.new("RGB", (8, 8)).save(tmp_path / part / label / f"{number}.png")
    return tmp_path


def test_what_chooses_never_sees_the_val_folder(both: Path) -> None:
    train, val = open_image_folder(both, 8, validation_percent=25)
    assert all_of(train) | all_of(val) == set((both / "train").rglob("*.png"))
    assert not all_of(train) & all_of(val)
    again = open_image_folder(both / "train", 8, validation_percent=25)
    assert [all_of(each) for each in again] == [all_of(train), all_of(val)]
    searched = open_dataset(str(both), 8)
    assert (both / "val") not in {path.parent.parent for each in searched for path in all_of(each)}


def test_the_last_score_is_on_the_val_folder_and_all_of_train_trains(both: Path) -> None:
    train, val = open_dataset(str(both), 8, HeldOut.VAL_FOLDER)
    assert isinstance(train, ImageFolder) and isinstance(val, ImageFolder)
    assert all_of(train) == set((both / "train").rglob("*.png"))
    assert all_of(val) == set((both / "val").rglob("*.png"))
    (both / "val" / "c").mkdir()
    with pytest.raises(InputError, match="lack: c"):
        open_image_folder(both, 8, held_out=HeldOut.VAL_FOLDER)


@pytest.mark.parametrize("held_out", HeldOut)
def test_without_a_val_folder_a_share_is_carved_either_way(folder: Path, held_out: HeldOut) -> None:
    train, val = open_image_folder(folder, 32, 25, held_out)
    assert not all_of(train) & all_of(val)
    assert len(train) + len(val) == 60


def test_bad_folders_are_explained(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="one folder a class"):
        open_image_folder(tmp_path)
    (tmp_path / "a").mkdir()
    with pytest.raises(InputError, match="0 training and 0 validation"):
        open_image_folder(tmp_path)
    with pytest.raises(InputError, match="neither a folder"):
        open_dataset(str(tmp_path / "nowhere"), 32)


def test_an_epoch_visits_each_image_once_in_another_order() -> None:
    first, second = epoch_order(100, 0, 0), epoch_order(100, 0, 1)
    assert sorted(first) == sorted(second) == list(range(100))
    assert not np.array_equal(first, second)
    assert np.array_equal(first, epoch_order(100, 0, 0))


def test_digits_are_1797_real_images_in_three_disjoint_parts() -> None:
    train, val, test = open_digits(16)
    assert (len(train), len(val), len(test)) == (1000, 300, 497)
    assert train.images.shape[1:] == (3, 16, 16)
    assert set(np.unique(train.labels)) == set(range(10))
    with pytest.raises(InputError, match="not a multiple of 8"):
        open_digits(12)


def test_synthetic_images_depend_on_the_seed_only() -> None:
    assert np.array_equal(open_synthetic(4, 8, 3).images, open_synthetic(4, 8, 3).images)
