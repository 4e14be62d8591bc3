"""`report.json`: the page's numbers, read back as they were written."""

import json
from dataclasses import fields
from pathlib import Path

import pytest

from mogakit import files
from mogakit.errors import InputError
from mogakit.flows.report import ReportRequest, report
from mogakit.luts.error_metrics import ErrorReport, Metric
from mogakit.luts.table import load
from mogakit.luts.validation import load_validation
from mogakit.reports import gallery
from mogakit.reports.record import Report, load_record, make_record, save_record
from mogakit.reports.run import RunContent


@pytest.fixture(scope="module")
def record(content: RunContent) -> Report:
    return make_record(content, gallery.all_figures(content))


def test_it_is_read_back_as_it_was_written(record: Report, tmp_path: Path) -> None:
    save_record(record, tmp_path / "report.json")
    assert load_record(tmp_path / "report.json") == record
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["schema_version"] == 2


def test_it_holds_what_the_files_of_the_run_hold(record: Report, run: Path) -> None:
    table, checked = load(run / "lut.json"), load_validation(run / "validation.json")
    assert record.table.identity == table.identity
    assert record.table.num_counting == record.table.num_rows == sum(record.table.statuses.values()) == len(table.rows)
    assert record.validation is not None
    assert record.validation.strata == checked.strata
    assert (record.validation.noise, record.validation.drift) == (checked.noise, checked.drift)
    assert record.validation.num_networks == 23
    assert record.cost_models is not None
    assert record.cost_models.loo_mape_percent == {"table+one-hot": 1.0}
    search = record.searches[0]
    assert [metric.name for metric in search.metrics] == ["proxy", "latency", "params", "madds"]
    assert all(len(pick.values) == 4 and pick.network.startswith("moga/") for pick in search.picks)
    assert search.quality.archive_percent == search.history[-1].archive_percent
    assert [one.target for one in record.others] == ["tflite/gpu/float16"]
    assert record.comparison is not None
    assert record.sources["lut.json"] == files.sha256_of(run / "lut.json")


def test_every_error_metric_stands_there_with_its_interval(record: Report) -> None:
    assert record.validation is not None
    errors = record.validation.strata[0].calibrated
    metrics = [getattr(errors, field.name) for field in fields(ErrorReport)]
    intervals = [one for one in metrics if isinstance(one, Metric) and one.low is not None and one.high is not None]
    assert len(intervals) == 13


def test_it_lies_beside_the_page_and_is_the_same_each_time(run: Path, tmp_path: Path) -> None:
    request = ReportRequest(folder=run, output=tmp_path / "page.html")
    done = report(request)
    assert done.record == tmp_path / "page.json"
    first = done.record.read_bytes()
    assert report(request).record.read_bytes() == first
    assert str(run.parent) not in first.decode("utf-8")
    with pytest.raises(InputError, match=r"page\.html"):
        report(ReportRequest(folder=run, output=tmp_path / "page.json"))


def test_what_is_no_report_is_rejected(tmp_path: Path, run: Path) -> None:
    with pytest.raises(InputError, match="moga report"):
        load_record(tmp_path / "report.json")
    (tmp_path / "report.json").write_text('{"schema_version": 99}')
    with pytest.raises(InputError, match="this kit reads up to 2"):
        load_record(tmp_path / "report.json")
    with pytest.raises(InputError, match="valid Report"):
        (tmp_path / "report.json").write_text('{"schema_version": 1}')
        load_record(tmp_path / "report.json")
