"""What tools print becomes the right numbers, in every generation; what holds none is an error, never a number."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mogakit.android_runner.parsers import benchmark_model, mace_run, onnxruntime, op_profile, snpe
from mogakit.errors import MeasurementError, ParseError

DATA = Path(__file__).parent / "data"
TIMINGS = "Inference timings in us: Init: 900, First inference: 13, Warmup (avg): 12.5, Inference (avg): {mean}\n"


def read(name: str) -> str:
    return (DATA / name).read_text()


def classic(line: str, mean: str, prefix: str = "") -> str:
    return (
        f"{prefix}count=3 first=1 curr=1 min=1 max=1 avg=1 std=0\n{prefix}{line}\n{prefix}{TIMINGS.format(mean=mean)}"
    )


def test_an_old_gpu_log_without_prefixes() -> None:
    timing = benchmark_model.parse_classic(read("benchmark_model_2020_gpu.txt"))
    assert (timing.summary.count, timing.summary.mean_ms, timing.summary.std_ms) == (50, 119.375, 1.948)
    assert (timing.summary.min_ms, timing.summary.max_ms, timing.summary.median_ms) == (113.737, 124.776, None)
    assert (timing.init_ms, timing.first_run_ms, timing.warmup_ms) == (870.557, 130.565, 122.373)
    assert timing.peak_memory_mb == 18.7227


def test_a_cpu_log_with_fractions_of_a_microsecond() -> None:
    timing = benchmark_model.parse_classic(read("benchmark_model_2022_cpu.txt"))
    assert (timing.summary.count, timing.summary.mean_ms) == (1000, 1.03966)
    assert timing.peak_memory_mb is None


@pytest.mark.parametrize("prefix", ["", "INFO: "])
@pytest.mark.parametrize(
    ("line", "mean", "count", "mean_ms", "median_ms"),
    [
        ("count=1 curr=12345", "12345", 1, 12.345, None),
        ("count=7 curr=12(all same)", "12", 7, 0.012, None),
        ("count=1 curr=12345 p5=12345 median=12345 p95=12345", "12345", 1, 12.345, 12.345),
        ("count=9 first=4 curr=4 min=3 max=5e6 avg=1.19375e+06 std=8", "1.19375e+06", 9, 1193.75, None),
        ("count=50 first=4 curr=4 min=3 max=5 avg=4.25 std=1 p5=3 median=4 p95=5", "4.25", 50, 0.00425, 0.004),
    ],
)
def test_every_shape_of_the_statistics_line(
    prefix: str, line: str, mean: str, count: int, mean_ms: float, median_ms: float | None
) -> None:
    summary = benchmark_model.parse_classic(classic(line, mean, prefix)).summary
    assert (summary.count, summary.median_ms) == (count, median_ms)
    assert summary.mean_ms == pytest.approx(mean_ms, rel=1e-12)


def test_peak_memory_by_monitoring_is_preferred_to_the_high_water_mark() -> None:
    text = read("benchmark_model_2020_gpu.txt") + "Overall peak memory footprint (MB) via periodic monitoring: 31.5\n"
    assert benchmark_model.parse_classic(text).peak_memory_mb == 31.5


@pytest.mark.parametrize(
    "text",
    [
        "",
        "STARTING!\nERROR: Benchmarking failed.\n",
        classic("count=0", "0"),
        TIMINGS.format(mean="12"),
        "count=50 first=4 curr=4 min=3 max=5 avg=4.25 std=1\n",
        classic("count=50 first=4 curr=4 min=3 max=5 avg=119375 std=1", "119"),
        "Average inference timings in us: Warmup: 83235, Init: 38467, no stats: 79760.9\n",
        classic("count=50 first=4 curr=4 min=3 max=5 avg=nan std=1", "nan"),
    ],
)
def test_output_without_the_numbers_is_an_error_with_its_tail(text: str) -> None:
    with pytest.raises(ParseError) as caught:
        benchmark_model.parse_classic(text)
    lines = [line for line in text.splitlines() if line.strip()]
    assert (lines[-1] if lines else "(nothing was printed)") in str(caught.value)


WHOLE_LINE = "count=50 first=119212 curr=118055 min=113737 max=124776 avg=119375 std=1948"
PERCENTILES = " p5=113900 median=119012 p95=123900"


@pytest.mark.parametrize(
    ("percentiles", "said"),
    [
        (" p5=113900 median=11", "lacks p95"),
        (" p5=1139", "lacks median and p95"),
        (" p5=113900 median=11 p95=123900", "do not rise"),
        (" p5=113900 median=119012 p95=12", "do not rise"),
        (" p5=11 median=119012 p95=123900", "do not rise"),
        (" p5=113900 median=119012 p95=1239000", "do not rise"),
        (" p5=113700 median=119012 p95=123900", "do not rise"),
    ],
)
def test_a_median_that_was_cut_is_never_a_time(percentiles: str, said: str) -> None:
    with pytest.raises(ParseError, match=said) as caught:
        benchmark_model.parse_classic(classic(WHOLE_LINE + percentiles, "119375"))
    assert "Inference (avg): 119375" in str(caught.value)
    litert = read("litert_prefill.txt").replace("7430.20 ms", "119.38 ms")
    with pytest.raises(ParseError, match=said):
        benchmark_model.parse_litert(f"{WHOLE_LINE}{percentiles}\n{litert}")


def test_a_line_of_one_run_has_its_percentiles_checked() -> None:
    with pytest.raises(ParseError, match="do not rise"):
        benchmark_model.parse_classic(classic("count=1 curr=12345 p5=12345 median=12 p95=12345", "12345"))


@given(st.integers(0, len(PERCENTILES)))
def test_a_statistics_line_cut_among_its_percentiles_gives_the_median_or_none(length: int) -> None:
    try:
        timing = benchmark_model.parse_classic(classic(WHOLE_LINE + PERCENTILES[:length], "119375"))
    except ParseError:
        return
    assert timing.summary.median_ms in (None, 119.012)


@pytest.mark.parametrize(
    ("least", "greatest", "percentiles"),
    [
        ("3.7", "9.2", " p5=3 median=4 p95=9"),  # percentiles cut to whole microseconds
        ("3", "9", " p5=3.7 median=4.5 p95=9.9"),  # the ends cut
        ("1.19376e+06", "1.19376e+06", " p5=1193757 median=1193758 p95=1193759"),  # the ends with six digits
    ],
)
def test_what_a_tool_rounds_away_is_no_disorder(least: str, greatest: str, percentiles: str) -> None:
    line = f"count=9 first=4 curr=4 min={least} max={greatest} avg=4 std=1{percentiles}"
    assert benchmark_model.parse_classic(classic(line, "4")).summary.median_ms is not None


@given(st.integers(0, 1600))
def test_a_log_cut_anywhere_gives_its_own_number_or_an_error(length: int) -> None:
    whole = read("benchmark_model_2020_gpu.txt")
    try:
        timing = benchmark_model.parse_classic(whole[:length])
    except ParseError:
        return
    assert timing.summary.mean_ms == 119.375


@given(st.text())
def test_no_text_makes_a_parser_fail_otherwise_than_by_saying_so(text: str) -> None:
    for parse in (benchmark_model.parse_classic, benchmark_model.parse_litert, mace_run.parse, onnxruntime.parse):
        with pytest.raises(ParseError):
            parse(text)


def test_the_litert_tool_of_the_same_name() -> None:
    timing = benchmark_model.parse_litert(read("litert_prefill.txt"))
    summary = timing.summary
    assert (summary.count, summary.mean_ms, summary.std_ms) == (10, 7430.20, 9.92)
    assert (summary.min_ms, summary.max_ms) == (7416.40, 7448.86)
    assert (timing.init_ms, timing.first_run_ms, timing.peak_memory_mb) == (23744.73, 7441.04, 6391.74)


def test_the_litert_statistics_line_gives_the_digits_that_its_summary_rounds_away() -> None:
    text = read("litert_prefill.txt").replace("7430.20 ms", "0.41 ms")
    precise = "count=10 first=420 curr=410 min=400 max=430 avg=412.75 std=9\n" + text
    assert benchmark_model.parse_litert(precise).summary.mean_ms == 0.41275
    with pytest.raises(ParseError, match="statistics line says"):
        benchmark_model.parse_litert(precise.replace("avg=412.75", "avg=512.75"))


def test_several_signatures_are_no_single_number() -> None:
    with pytest.raises(ParseError, match="2 signatures"):
        benchmark_model.parse_litert(read("litert_prefill.txt") * 2)


@pytest.mark.parametrize(
    ("name", "count", "mean_ms", "init_ms", "first_ms"),
    [
        ("mace_run_cpu_run.txt", 10, 3.829, 9.511, 2.878),
        ("mace_run_cpu_benchmark.txt", 10, 3.826, 1.469, 2.583),
        ("mace_run_gpu_pocl_benchmark.txt", 5, 5.006, 314.042, 930.529),
        ("mace_run_v1.0.4_cpu_run.txt", 3, 2.746, 1.400, 2.852),
    ],
)
def test_mace_run_of_both_generations(name: str, count: int, mean_ms: float, init_ms: float, first_ms: float) -> None:
    timing = mace_run.parse(read(name))
    assert (timing.summary.count, timing.summary.mean_ms, timing.summary.std_ms) == (count, mean_ms, None)
    assert (timing.init_ms, timing.first_run_ms) == (init_ms, first_ms)


def test_mace_run_with_restarts_has_a_spread() -> None:
    text = read("mace_run_cpu_run.txt") + "time         470.000       9.000       2.900       3.929\n"
    summary = mace_run.parse(text).summary
    assert (summary.count, summary.min_ms, summary.max_ms) == (20, 3.829, 3.929)
    assert summary.mean_ms == pytest.approx(3.879)


@pytest.mark.parametrize("broken", ["no table", "mismatch", "minus one"])
def test_mace_run_that_measured_nothing(broken: str) -> None:
    text = read("mace_run_cpu_run.txt")
    if broken == "no table":
        text = text[: text.index("time  ")]
    elif broken == "mismatch":
        text += "E mace/libmace/mace.cc:12] inputs' names do not match: input vs in\n"
    else:
        text = text.replace("      3.829", "     -1.000")
    with pytest.raises(ParseError):
        mace_run.parse(text)


def test_onnxruntime_mixes_seconds_and_milliseconds() -> None:
    timing = onnxruntime.parse(read("onnxruntime_perf_test.txt"))
    summary = timing.summary
    assert (summary.count, summary.mean_ms) == (5, 98.961997)
    assert (summary.min_ms, summary.max_ms, summary.median_ms) == pytest.approx((95.8204, 101.519, 99.5086))
    assert (timing.init_ms, timing.first_run_ms) == pytest.approx((217.932, 196.0))
    assert timing.peak_memory_mb == pytest.approx(271.122432)


def test_onnxruntime_of_older_versions() -> None:
    text = "Total iterations: 20\nAverage time cost:58.8 ms\nMin Latency is 0.0572sec\nMax Latency is 0.0611sec\n"
    summary = onnxruntime.parse(text + "P50 Latency is 0.0587108sec\n").summary
    assert (summary.count, summary.mean_ms, summary.median_ms) == pytest.approx((20, 58.8, 58.7108))


def test_onnxruntime_whose_mean_lies_outside_its_runs_was_misread() -> None:
    with pytest.raises(ParseError, match="outside"):
        onnxruntime.parse(read("onnxruntime_perf_test.txt").replace("98.961997 ms", "0.098961997 ms"))


@pytest.mark.parametrize(
    ("line", "replacement", "said"),
    [
        ("P50 Latency: 0.0995086 s", "P50 Latency: 0.00995086 s", "do not rise"),
        ("P95 Latency: 0.101519 s", "P95 Latency: 0.0961519 s", "do not rise"),
        ("Min Latency: 0.0958204 s", "Min Latency: 0.09", "without the least"),
    ],
)
def test_onnxruntime_whose_percentiles_are_of_no_runs_was_misread(line: str, replacement: str, said: str) -> None:
    text = read("onnxruntime_perf_test.txt")
    assert line in text
    with pytest.raises(ParseError, match=said):
        onnxruntime.parse(text.replace(line, replacement))


def test_snpe_throughput_is_inverted() -> None:
    summary = snpe.parse_throughput("Total throughput: 250.0 infs/sec\n", duration_s=2.0).summary
    assert (summary.mean_ms, summary.count) == (4.0, 500)


def test_snpe_goes_on_after_an_instance_failed_and_the_parser_does_not() -> None:
    text = (
        "[Instance 0 - dsp_fixed8_tf] Unable to successfully create SNPE instance. Will continue to creation of other "
        "SNPE instance(s). error_code=402; error_message=Network partition has failed.\n"
        "Total throughput: 250.0 infs/sec\n"
    )
    with pytest.raises(MeasurementError, match="error_code=402"):
        snpe.parse_throughput(text, 1.0)


def test_of_two_rows_of_one_name_snpe_diagviews_first_counts() -> None:
    text = "x,Avg_Total_Inference_Time,us,1500\nx,Avg_Total_Inference_Time,us,9000\n"
    assert snpe.parse_diagview(text, num_runs=10).summary.mean_ms == 1.5


def test_snpe_diagview() -> None:
    text = "x,init,us,2500\nx,avg_total_inference_time,us,1500.5\n"
    timing = snpe.parse_diagview(text, num_runs=10)
    assert (timing.summary.mean_ms, timing.init_ms, timing.summary.count) == (1.5005, 2.5, 10)


OLD_HEADER = "\t[node type]\t[start]\t[first]\t[avg ms]\t[%]\t[cdf%]\t[mem KB]\t[times called]\t[Name]"
NEW_HEADER = "\t[node type]\t[first]\t[avg ms]\t[%]\t[cdf%]\t[mem KB]\t[times called]\t[Name]"


@pytest.mark.parametrize(("header", "start"), [(OLD_HEADER, "0.000\t"), (NEW_HEADER, "")])
@pytest.mark.parametrize("prefix", ["", "INFO: "])
def test_operator_tables_old_and_new(header: str, start: str, prefix: str) -> None:
    kind = "Convolution (NHWC, F32) IGEMM"
    lines = [
        "Profiling Info for Benchmark Initialization:",
        "============================== Run Order ==============================",
        header,
        f"\tModifyGraphWithDelegate\t{start}9.1\t9.1\t100%\t100%\t0\t1\tModifyGraphWithDelegate/0",
        "",
        "Operator-wise Profiling Info for Regular Benchmark Runs:",
        "============================== Run Order ==============================",
        header,
        f"\t{kind}\t{start}0.5\t0.412\t60%\t60%\t0.000\t1\t[conv,1/a]:0",
        f"\tMEAN\t{start}0.1\t0.101\t40%\t100%\t0.000\t1\t[pool]:1",
        "",
        "============================== Top by Computation Time ==============================",
        header,
    ]
    rows = op_profile.parse_benchmark_model("\n".join(prefix + line for line in lines))
    assert [(row.op_type, row.name, row.avg_ms) for row in rows] == [(kind, "conv,1/a", 0.412), ("MEAN", "pool", 0.101)]


def test_operator_table_of_mace_run() -> None:
    rows = op_profile.parse_mace_run(read("mace_run_gpu_pocl_benchmark.txt"))
    assert (rows[0].op_type, rows[0].name, rows[0].avg_ms) == ("BufferTransform", "mace_node_input_mem_type_2", 0.043)
    rows = op_profile.parse_mace_run(read("mace_run_cpu_benchmark.txt"))
    assert len(rows) == 51  # the tool itself says `51 ops total.`
    assert sum(row.avg_ms for row in rows) == pytest.approx(3.741, abs=0.01)


def test_a_missing_operator_table_is_an_error() -> None:
    for parse, name in (
        (op_profile.parse_benchmark_model, "benchmark_model_2020_gpu.txt"),
        (op_profile.parse_mace_run, "mace_run_cpu_run.txt"),
    ):
        with pytest.raises(ParseError):
            parse(read(name))


def test_runs_that_all_took_the_same_agree_with_a_summary_of_more_digits() -> None:
    text = (
        "INFO: count=20 curr=10(all same) p5=10 median=10 p95=10\n"
        "INFO: Inference timings in us: Init: 11394, First inference: 27, Warmup (avg): 12.1, Inference (avg): {}\n"
    )
    assert benchmark_model.parse_classic(text.format("10.0179")).summary.mean_ms == pytest.approx(0.01)
    for wrong in ("11.2", "100.179", "1"):
        with pytest.raises(ParseError, match="statistics line says"):
            benchmark_model.parse_classic(text.format(wrong))
