"""The demonstration runs from a supernet to a bundle, and says what it does not prove."""

import html
import json
from pathlib import Path

import pytest

from mogakit.export.bundle.layout import load
from mogakit.flows.demo.digits import PROVES_NOT, DigitsDemo, Efforts, run_digits_demo
from mogakit.flows.deploy.ship import ShipRequest, ship
from mogakit.flows.deploy.ship_check import check
from mogakit.nets.resolve import resolve

LEAST = Efforts(warm_epochs=0.2, fair_epochs=0.2, num_fit=10, num_check=4, alone_epochs=1.0, num_ranked=3)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DigitsDemo]:
    folder = tmp_path_factory.mktemp("demo")
    return folder, run_digits_demo(folder, efforts=LEAST)


@pytest.mark.slow
def test_the_ranking_has_its_ceiling_and_its_baseline(demo: tuple[Path, DigitsDemo]) -> None:
    folder, result = demo
    written = json.loads((folder / "digits.json").read_text())["ranking"]
    for figure in ("by_likelihood", "by_top1"):
        assert len(written[figure]["networks"]) == 3
        assert {"tau", "ceiling", "params_only"} <= set(written[figure])
    by_likelihood = result.ranking.by_likelihood
    for value in (by_likelihood.tau, by_likelihood.ceiling, by_likelihood.params_only):
        assert -1 <= value <= 1


@pytest.mark.slow
def test_the_page_says_what_is_not_proven(demo: tuple[Path, DigitsDemo]) -> None:
    _, result = demo
    page = html.unescape(Path(result.page).read_text(encoding="utf-8"))
    assert PROVES_NOT in page
    assert f"{result.ranking.by_likelihood.tau:.3f}" in page
    assert all(pick.network in page for pick in result.picks)


@pytest.mark.slow
def test_the_picks_are_of_the_front_and_were_trained_alone(demo: tuple[Path, DigitsDemo]) -> None:
    _, result = demo
    assert 1 <= len(result.picks) <= 3
    for pick in result.picks:
        assert pick.predicted_ms > 0
        assert pick.alone.network == pick.network
        assert pick.alone.score.num_images == 300
        assert {Path(path).suffix for path in pick.exported} == {".tflite", ".onnx"}
        assert all(Path(path).is_file() for path in pick.exported)


@pytest.mark.slow
def test_a_pick_ships_with_its_weights_to_a_folder_of_its_own(demo: tuple[Path, DigitsDemo]) -> None:
    picks = demo[1].picks
    assert len({pick.bundle for pick in picks}) == len(picks)
    pick = picks[0]
    ship(ShipRequest(network=resolve(pick.network, num_classes=10), weights=Path(pick.alone.checkpoint)), pick.bundle)
    made = load(pick.bundle)
    assert not made.random_weights
    assert made.network == pick.network
    checks = check(pick.bundle)
    assert all(item.passed for item in checks), [item for item in checks if not item.passed]
