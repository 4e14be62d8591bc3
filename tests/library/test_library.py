"""The library takes what a person types or makes, and shows results in a notebook."""

import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import mogakit as mk
from mogakit import plugins
from mogakit.errors import InputError
from mogakit.library.progress import NotebookProgress, progress_for
from mogakit.progress import silent
from mogakit.tabular import MAX_SHOWN, Sheet, Tabular

NET = "digits/0-0-0-0-0-0"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what a test registers."""
    monkeypatch.setattr(plugins, "_registered", {group: {} for group in plugins.Group})


@pytest.fixture(scope="module")
def found(measured: Path):
    plan = mk.Plan(space="digits", tables=[measured / "run"], engine="exact")
    return mk.run_search(plan, measured / "exact")


def test_a_run_is_its_folder_its_table_or_itself(measured: Path) -> None:
    run = measured / "run"
    answers = {
        mk.predict(NET, each).latency_ms
        for each in (
            run,
            str(run),
            run / "lut.json",
            mk.load_run(run),
            mk.load_run(run / "lut.json"),
            mk.load_table(run),
        )
    }
    assert len(answers) == 1


def test_a_folder_without_a_run_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no run"):
        mk.load_run(tmp_path)


def test_a_network_is_text_a_file_or_itself(measured: Path, tmp_path: Path) -> None:
    network = mk.get_network(NET)
    path = mk.save_network(network, tmp_path / "net.json")
    table = mk.load_table(measured / "run")
    assert len({mk.predict(each, table).latency_ms for each in (NET, str(path), network)}) == 1
    mine = replace(network, name="mine")
    rows = mk.compare_networks([mine, NET], tables=[table], reference=NET).networks
    assert [row.name for row in rows] == ["mine", NET]
    assert rows[0].f_avg == pytest.approx(1.0)
    with pytest.raises(InputError, match="another network's"):
        mk.compare_networks([replace(network, name="moga-a")], tables=[table], reference=NET)


def test_an_accuracy_function_is_passed_as_itself_and_asked_once_a_network(measured: Path, tmp_path: Path) -> None:
    asked: list[str] = []

    def accuracy(network: mk.Network) -> float | None:
        asked.append(network.name)
        kernel = network.blocks[1].kernel
        return None if kernel == 7 else -float(kernel)

    plan = mk.Plan(
        space="digits",
        tables=[measured / "run"],
        accuracy=accuracy,
        settings={"population": 8, "generations": 6, "mutation": "random"},
    )
    result = mk.run_search(plan, tmp_path / "search")
    assert len(asked) == len(set(asked)) == result.num_networks
    assert set(result.front.column("accuracy")) <= {-5.0, -3.0}
    assert "accuracy" in result.front.metrics[0].source


def test_a_function_is_told_from_another_of_its_name_by_its_code() -> None:
    from mogakit.search.sources import function_identity

    programs = ["def f(n):\n  return 1.0", "def f(n):\n  return 2.0", "\n\ndef f(n):\n  return 1.0"]
    identities = []
    for program in programs:
        scope: dict[str, object] = {}
        exec(program, scope)  # as a notebook runs a cell
        identities.append(function_identity(scope["f"]))
    assert identities[0] == identities[2] != identities[1]


class Halves:
    """A latency of a user's own: half a millisecond a block."""

    name = "halves"

    def latency_ms(self, network: mk.Network) -> float | None:
        return 0.5 * len(network.blocks)


def test_a_latency_of_a_users_own_is_searched_beside_a_table(measured: Path, tmp_path: Path) -> None:
    plan = mk.Plan(
        space="digits", tables=[measured / "run", Halves()], reference=NET, settings={"population": 8, "generations": 3}
    )
    result = mk.run_search(plan, tmp_path / "search")
    assert set(result.front.column("latency:halves")) == {4.0}
    assert result.quality.without  # it does not add up over genes, so there is no exact front


def test_what_has_no_latency_is_rejected(measured: Path) -> None:
    with pytest.raises(InputError, match="has no latency_ms"):
        mk.Plan(space="digits", tables=[object()]).opened()  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"engine": "nsga3"}, "'nsga3' is unknown; supported: nsga2"),
        ({"limits": ["latency<12"]}, "is not a limit"),
        ({"runs_on": ["tpu"]}, "'tpu' is unknown"),
        ({"settings": {"num_fit": 100}}, "engine nsga2 has no setting num_fit"),
        ({"engine": "fit-front", "settings": {"population": 70}}, "it has num_fit, num_check"),
        ({"settings": {"population": 7.5}}, "not a whole number"),
        ({"settings": {"population": True}}, "not a whole number"),
        ({"settings": {"crossover": "none"}}, "supported: "),
        ({"settings": {"second_initial": "maybe"}}, "neither true nor false"),
        ({"settings": {"target_ms": 5.0}}, "engine nsga2 has no setting target_ms"),
        ({"engine": "ppo", "settings": {"reward": "absolute"}}, "needs target_ms"),
        ({"space": "no-space"}, "unknown search space"),
    ],
)
def test_a_plan_that_means_nothing_is_rejected(fields, words: str) -> None:
    with pytest.raises(InputError, match=words):
        mk.Plan(**fields).opened()


def test_settings_may_be_text_or_numbers() -> None:
    given = {"population": "20", "crossover_rate": "0.25", "second_initial": "off", "mutation": "random"}
    settings = mk.Plan(settings=given).opened().settings
    assert (settings.population, settings.crossover_rate, settings.second_initial) == (20, 0.25, False)


def test_results_have_short_reprs_tables_in_html_and_data_frames(measured: Path, found) -> None:
    pandas = pytest.importorskip("pandas")
    run = mk.load_run(measured / "run")
    comparison = mk.compare_networks([NET], tables=[run], reference=NET)
    assert run.validation is not None
    for each in (run.table, run.validation, found, found.front, comparison, mk.predict(NET, run), mk.get_network(NET)):
        sheet = each.sheet()
        assert len(repr(each)) < 250
        assert each._repr_html_().count("<tr>") == 1 + min(len(sheet.rows), MAX_SHOWN)
        frame = each.to_pandas()
        assert isinstance(frame, pandas.DataFrame)
        assert frame.shape == (len(sheet.rows), len(sheet.columns))
    assert found.to_pandas()["pick"].sum() == 3


class _Two(Tabular):
    def sheet(self) -> Sheet:
        return Sheet(title="<b>", columns=("a&b",), rows=[("<script>",), (None,), (1.23456789,)], note="n<m")


def test_a_table_in_a_notebook_is_escaped() -> None:
    html = _Two()._repr_html_()
    assert "<script>" not in html
    for text in ("&lt;b&gt;", "a&amp;b", "&lt;script&gt;", "<td>-</td>", "1.235", "n&lt;m"):
        assert text in html


def test_without_pandas_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(InputError, match=r"moga-kit\[pandas\]"):
        _Two().to_pandas()


def test_progress_is_the_callers_a_bar_in_a_notebook_or_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    given = silent
    assert progress_for("x", given) is given
    assert progress_for("x", None) is silent
    shown: list[str] = []

    class Handle:
        def update(self, value: str) -> None:
            shown.append(value)

    def display(value: str, display_id: bool) -> Handle:
        shown.append(value)
        return Handle()

    kernel = ModuleType("IPython")
    kernel.get_ipython = lambda: type("Shell", (), {"kernel": 1})()  # type: ignore[attr-defined]
    tools = ModuleType("IPython.display")
    tools.HTML = str  # type: ignore[attr-defined]
    tools.display = display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", kernel)
    monkeypatch.setitem(sys.modules, "IPython.display", tools)
    drawn = progress_for("measure", None)
    assert isinstance(drawn, NotebookProgress)
    drawn(1, 4, "a<b")
    drawn(2, 4, "c")
    assert len(shown) == 2
    assert "value='1' max='4'" in shown[0]
    assert "a&lt;b" in shown[0]


def test_figures_are_matplotlibs_and_belong_to_no_window(measured: Path, found) -> None:
    figures = mk.draw_figures(measured / "run", searches=[measured / "exact"])
    assert {"table", "cost-by-block"} <= figures.keys()
    assert all(type(figure).__name__ == "Figure" for figure in figures.values())


def test_a_space_of_a_users_own_is_profiled_searched_and_shipped(tmp_path: Path) -> None:
    stem = mk.Block("conv", 3, 8, 16, kernel=3, stride=2, activation="relu")
    slot = tuple(
        mk.Block("mb", 8, 8, 8, kernel=kernel, activation="relu", expanded_channels=24, residual=True)
        for kernel in (3, 5)
    )
    space = mk.SlotSpace("small", (stem,), (slot,) * 3, (mk.Block("head", 8, 4, 8, norm_eps=None),))
    run = mk.profile_space(space, tmp_path / "run", quick=True, calibration="none")
    assert set(run.table.rows) == {block.key for block in (*space.fixed_blocks, *space.choice_blocks)}
    rng = np.random.default_rng(0)
    network = space.decode(space.sample(rng))
    assert mk.predict(network, run).latency_ms == mk.predict(network.name, run).latency_ms
    result = mk.run_search(mk.Plan(space=space, tables=[run], engine="exact"), tmp_path / "search")
    bundle = mk.ship_bundle(f"small/{result.picks[0]}", tmp_path / "bundle", tables=[run])
    assert bundle.latencies[0].kind == "predicted"


def test_a_device_measures_nothing_without_targets(measured: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="measures nothing without targets"):
        mk.run_search(mk.Plan(space="digits", tables=[measured / "run"], device="PHONE"), tmp_path / "x")
