"""The truth is additive over blocks in every format; what is measured strays from it as it is told to."""

import statistics
from pathlib import Path

import numpy as np
import pytest
from phone_simulator.graphs import NotAModel, read_model
from phone_simulator.latency import QUIET, Plan, Repetitions, Request, Truth, Variation, divide, play
from phone_simulator.profiles import PIXEL_6, SNAPDRAGON_8_GEN_2, Unit
from phone_simulator.state import Clock, State
from phone_simulator.truth import request_of, truth_ms

from mogakit.export.artifact import Format, Precision
from mogakit.flows.deploy.export import export_network, export_parts
from mogakit.nets.spaces import get_space

FORMATS = [
    (Format.TFLITE, Precision.FLOAT32, ("tflite/cpu/float32", "tflite/cpu/float32,xnnpack=off", "tflite/gpu/float16")),
    (Format.TFLITE, Precision.INT8, ("tflite/cpu/int8", "tflite/gpu/int8")),
    (Format.ONNX, Precision.FLOAT32, ("onnx/cpu/float32,threads=4",)),
    (Format.MACE, Precision.FLOAT32, ("mace/cpu/float32", "mace/gpu/float32")),
]


@pytest.mark.parametrize(("form", "precision", "targets"), FORMATS, ids=lambda value: str(value)[:24])
def test_a_network_costs_what_its_blocks_cost(
    tmp_path: Path, form: Format, precision: Precision, targets: tuple[str, ...]
) -> None:
    space = get_space("digits")
    network = space.decode(space.sample(np.random.default_rng(0)))
    whole = read_model(export_network(network, [form], precision, tmp_path / "net")[0].path)
    parts = export_parts((), tuple(dict.fromkeys(network.blocks)), [form], precision, tmp_path / "parts")
    models = {artifact.name: read_model(artifact.path) for artifact in parts}
    for profile in (PIXEL_6, SNAPDRAGON_8_GEN_2):
        truth = Truth(profile, seed=3)
        for target in targets:
            overhead = profile.units[request_of(truth, target).unit].overhead_ms
            summed = sum(truth_ms(truth, models[block.key], target) - overhead for block in network.blocks)
            assert summed + overhead == pytest.approx(truth_ms(truth, whole, target), rel=1e-9)


def test_seed_phone_and_target_each_change_the_truth(tmp_path: Path) -> None:
    space = get_space("digits")
    network = space.decode(space.sample(np.random.default_rng(0)))
    model = read_model(export_network(network, [Format.TFLITE], Precision.FLOAT32, tmp_path)[0].path)
    values = {
        truth_ms(Truth(profile, seed), model, target)
        for profile in (PIXEL_6, SNAPDRAGON_8_GEN_2)
        for seed in (0, 1)
        for target in (
            "tflite/cpu/float32",
            "tflite/cpu/float32,threads=2",
            "tflite/cpu/float32,cpus=little",
            "tflite/gpu/float32",
            "tflite/gpu/float16",
            "tflite/gpu/float16,backend=gl",
        )
    }
    assert len(values) == 22  # the Snapdragon's big cluster is one core: two threads gain nothing there


def test_bytes_that_are_no_model_are_refused(tmp_path: Path) -> None:
    for name in ("x.tflite", "x.onnx", "x.pb"):
        path = tmp_path / name
        path.write_bytes(b"\x08\x07\xff\xff not a model")
        with pytest.raises(NotAModel):
            read_model(path)


def test_measurements_scatter_around_the_truth() -> None:
    variation = Variation(process=0.02, sample=0.02, drift=0.0)
    means = [
        statistics.fmean(play(5.0, variation, 1.0, 0.0, f"run {n}", Repetitions(), 1_000_000).runs) for n in range(400)
    ]
    assert statistics.fmean(means) == pytest.approx(5.0, rel=0.004)
    assert statistics.stdev(means) == pytest.approx(0.1, rel=0.15)
    assert play(5.0, variation, 1.0, 0.0, "a", Repetitions(), 1) == play(
        5.0, variation, 1.0, 0.0, "a", Repetitions(), 1
    )
    quiet = play(5.0, QUIET, 1.3, 0.0, "a", Repetitions(), 1)
    assert statistics.fmean(quiet.runs) == pytest.approx(6.5)


def test_repetitions_follow_the_tools_rule() -> None:
    assert len(play(5.0, QUIET, 1.0, 0.0, "", Repetitions(), 1).runs) == 200  # at least one second
    assert len(play(50.0, QUIET, 1.0, 0.0, "", Repetitions(), 1).runs) == 50
    assert len(play(50_000.0, QUIET, 1.0, 0.0, "", Repetitions(), 1).runs) == 3  # no longer than 150 s


def test_a_unit_takes_runs_of_what_it_supports(tmp_path: Path) -> None:
    space = get_space("moga", input_size=32, num_classes=10)
    network = space.decode(space.sample(np.random.default_rng(1)))
    model = read_model(export_network(network, [Format.TFLITE], Precision.FLOAT32, tmp_path)[0].path)
    picky = Unit(10.0, 10.0, 1.0, refuses=(("HARD_SWISH", "*"),))
    several = divide(model.operators, picky)
    assert several.num_taken == sum(operator.kind != "HARD_SWISH" for operator in model.operators)
    assert several.num_partitions > 5
    assert divide(model.operators, picky, max_partitions=1).num_partitions == 1
    assert divide(model.operators, Unit(1.0, 1.0, 1.0)) == Plan((True,) * len(model.operators))


def test_a_busy_phone_grows_hot_slow_and_cools_again() -> None:
    clock = Clock(scale=0.0)
    state = State(PIXEL_6, clock)
    state.heat_to(46.0)
    assert state.slowdown == pytest.approx(1.15, abs=0.01)
    assert state.thermal_status == 2
    clock.skip(600.0)
    state.pass_time()
    assert state.slowdown == 1.0 and state.thermal_status == 0
    clock.skip(600.0)
    state.pass_time(watts=3.5)
    assert 35.0 < state.temperature_c < 41.0, "plain work does not throttle it"


def test_cores_that_may_be_used_decide_the_speed() -> None:
    truth = Truth(PIXEL_6)
    from phone_simulator.graphs import Operator

    conv = Operator("CONV", "CONV_2D", "c", "float32", ((1, 8, 8, 64),), (1, 8, 8, 64), (64, 3, 3, 64), 2_359_296)
    times = [truth.operator_ms(conv, Request("cpu-xnnpack", cpus=mask)) for mask in (0xC0, 0x30, 0x0F)]
    assert times == sorted(times) and times[2] > 3 * times[0]
    with pytest.raises(ValueError, match="names no core"):
        truth.operator_ms(conv, Request("cpu-xnnpack", cpus=0x100))
