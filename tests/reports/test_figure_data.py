"""The numbers behind a figure are those that it was drawn from."""

import csv
import io

from mogakit.reports import gallery
from mogakit.reports.figure_data import figure_data
from mogakit.reports.figures import operators, targets
from mogakit.reports.run import RunContent


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_points_are_those_that_were_drawn() -> None:
    rows = read(figure_data(targets.scatter([1.0, 2.0, 3.5], [2.0, 4.25, 6.0], "a", "b")))
    points = {(float(row["x"]), float(row["y"])) for row in rows if row["kind"] == "point"}
    assert {(1.0, 2.0), (2.0, 4.25), (3.5, 6.0)} <= points


def test_shares_of_a_ring_add_up_to_one() -> None:
    shares = [operators.Shares("net", "t", {"conv": 3.0, "add": 1.0})]
    rows = read(figure_data(operators.time_by_operator(shares)))
    assert sorted(round(float(row["value"]), 4) for row in rows if row["kind"] == "share") == [0.25, 0.75]


def test_a_heat_map_has_a_cell_for_every_row_of_the_table(content: RunContent) -> None:
    (table,) = [one for one in gallery.table_figures(content) if one.name == "table"]
    cells = [row for row in read(figure_data(table.figure)) if row["kind"] == "cell" and row["value"]]
    assert len(cells) == 14 * 12
    assert all(float(row["value"]) > 0 for row in cells)


def test_a_name_that_a_spreadsheet_would_compute_is_text() -> None:
    rows = read(figure_data(operators.time_by_operator([operators.Shares("=1+1", "t", {"=cmd()": 1.0})])))
    assert rows and all(not value.startswith("=") for row in rows for value in row.values())


def test_a_drawing_without_numbers_has_no_points(content: RunContent) -> None:
    (one,) = [one for one in gallery.all_figures(content) if one.name == "architectures"]
    assert not any(row["kind"] == "point" for row in read(figure_data(one.figure)))
