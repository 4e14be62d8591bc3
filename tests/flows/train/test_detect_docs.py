"""The page on detectors has the counts that the code has."""

from pathlib import Path

from mogakit.flows.train.detector import list_published
from mogakit.training.detection.recipes import DETECTION_RECIPES

PAGE = (Path(__file__).parents[3] / "docs" / "detection.md").read_text(encoding="utf-8")


def test_the_table_has_every_detector_with_its_counts() -> None:
    for each in list_published():
        if each.name is None or each.params is None or each.madds is None or each.params_without_norm is None:
            continue
        row = (
            f"| `{each.name}` | {each.num_classes + 1} | {each.params / 1e6:.3f}M | "
            f"{each.params_without_norm / 1e6:.3f}M | {each.madds / 1e9:.3f}B | "
        )
        assert row in PAGE


def test_the_table_has_every_recipe() -> None:
    assert all(f"| `{name}` |" in PAGE for name in DETECTION_RECIPES)
