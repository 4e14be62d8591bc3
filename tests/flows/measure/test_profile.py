"""From nothing to a validated table, on this computer, with the MoGA space at 32 pixels."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from mogakit.bench.host import HostRunner
from mogakit.bench.journal import Journal
from mogakit.bench.measurement import Status
from mogakit.bench.target import parse_target
from mogakit.cli.profile import command as profile_command
from mogakit.cli.validate import command as validate_command
from mogakit.errors import InputError, TableError
from mogakit.flows.measure.effort import effort_for
from mogakit.flows.measure.profile import ProfileRequest, ProfileResult, calibration_networks, profile
from mogakit.flows.measure.runs import RunFolder, RunSettings
from mogakit.flows.measure.sampling import sample_networks, strata
from mogakit.flows.measure.validate import ValidateRequest, validate, validation_networks
from mogakit.luts.calibrate import CalibrationChoice, CalibrationKind
from mogakit.luts.table import load, save
from mogakit.luts.validation import load_validation
from mogakit.nets.network_file import save_network
from mogakit.nets.resolve import resolve
from mogakit.nets.spaces import get_space
from mogakit.records import to_json

TARGET = parse_target("tflite/cpu/float32")


@pytest.fixture(scope="module")
def request_(tmp_path_factory: pytest.TempPathFactory) -> ProfileRequest:
    folder = tmp_path_factory.mktemp("run") / "RUN"
    return ProfileRequest(space="moga", target=TARGET, folder=folder, quick=True, rounds=1, input_size=32)


@pytest.fixture(scope="module")
def profiled(request_: ProfileRequest) -> ProfileResult:
    return profile(request_, HostRunner())


def test_a_profile_has_a_row_for_every_block_an_overhead_and_a_calibration(profiled: ProfileResult) -> None:
    table = profiled.table
    space = get_space("moga", 32)
    assert set(table.rows) == {block.key for block in (*space.choice_blocks, *space.fixed_blocks)}
    assert all(row.latency_ms is not None and row.count >= 4 for row in table.rows.values() if row.count is not None)
    assert table.overhead is not None and table.overhead.num_chains == 6
    assert table.calibration.num_networks == 8
    assert load(profiled.path) == table
    biggest, smallest = space.slots[0][10], space.slots[13][0]
    assert (table.rows[biggest.key].latency_ms or 0) > (table.rows[smallest.key].latency_ms or 0)


def test_a_finished_profile_resumes_to_the_same_table(profiled: ProfileResult, request_: ProfileRequest) -> None:
    before = profiled.path.read_bytes()
    with pytest.raises(InputError, match="--resume"):
        profile(request_, HostRunner())
    again = profile(replace(request_, resume=True), HostRunner())
    assert again.outcome.num_measured == 0
    assert again.path.read_bytes() == before


def test_the_blocks_of_a_network_outside_the_space_are_measured_and_it_is_predicted(tmp_path: Path) -> None:
    """The reference of several latencies is a network of another space."""
    own = tmp_path / "small.json"
    save_network(resolve("mobilenet-v1", input_size=32), own)
    other = tmp_path / "other.json"
    save_network(resolve("mobilenet-v2", input_size=32), other)
    folder = tmp_path / "RUN"
    request = ProfileRequest(space="digits", target=TARGET, folder=folder, quick=True, rounds=1, input_size=32)
    request = replace(request, networks=(str(own),))
    with pytest.raises(InputError, match=r"takes 224 px.*at 32 px"):
        profile(replace(request, networks=("mobilenet-v1",)), HostRunner())
    assert not request.folder.exists(), "nothing is started before every network is known to fit"
    table = profile(request, HostRunner()).table
    assert table.latency_ms(resolve(str(own))) > 0
    again = profile(replace(request, networks=(), resume=True), HostRunner())
    assert again.outcome.num_measured == 0 and again.table == table, "the run remembers the network"
    with pytest.raises(InputError, match="resume it without --network"):
        profile(replace(request, networks=(str(other),), resume=True), HostRunner())


def test_a_finished_run_can_be_given_another_calibration_and_keeps_it(
    profiled: ProfileResult, request_: ProfileRequest
) -> None:
    again = replace(request_, resume=True)
    before = profiled.path.read_bytes()
    scaled = profile(replace(again, calibration=CalibrationChoice.SCALE), HostRunner())
    assert scaled.outcome.num_measured == 0
    assert scaled.table.calibration.kind is CalibrationKind.SCALE
    assert set(scaled.table.calibration.loo_mape_percent_by_kind) == {"none", "scale", "affine"}
    assert profile(again, HostRunner()).table == scaled.table
    profile(replace(again, calibration=CalibrationChoice.BEST), HostRunner())
    assert profiled.path.read_bytes() == before


def test_a_calibration_that_the_run_has_too_few_networks_for_is_rejected_before_measuring(tmp_path: Path) -> None:
    few = RunSettings(
        space="moga",
        target=str(TARGET),
        device="host",
        seed=0,
        num_calibration=4,
        num_passes=6,
        num_sentinels=3,
        input_size=32,
    )
    folder = RunFolder(tmp_path / "RUN")
    folder.begin(few, resume=False)
    asked = ProfileRequest(space="moga", target=TARGET, folder=folder.path, quick=True, resume=True, input_size=32)
    with pytest.raises(InputError, match="needs at least 5 networks, and this run measures 4"):
        profile(replace(asked, calibration=CalibrationChoice.AFFINE), HostRunner())
    assert folder.read_settings() == few


def test_a_run_of_something_else_is_not_resumed(profiled: ProfileResult, request_: ProfileRequest) -> None:
    with pytest.raises(InputError, match="seed 0, not 7"):
        profile(replace(request_, resume=True, seed=7), HostRunner())
    with pytest.raises(InputError, match="input_size 32, not 64"):
        profile(replace(request_, resume=True, input_size=64), HostRunner())


def test_the_stored_table_is_scored_on_networks_that_the_calibration_has_not_seen(
    profiled: ProfileResult, request_: ProfileRequest
) -> None:
    folder = RunFolder(request_.folder)
    stored = folder.table.read_bytes()
    result = validate(ValidateRequest(folder=folder.path, num_models=3, quick=True, rounds=1), HostRunner())
    assert folder.table.read_bytes() == stored
    assert {stratum.name: stratum.raw.num for stratum in result.strata} == {"all": 6, "without-7x7": 3, "published": 3}
    names = {one.name for one in result.networks}
    assert {"moga-a@32px", "moga-b@32px", "moga-c@32px"} <= names
    assert not names & set(profiled.table.calibration.networks)
    for one in result.networks:
        assert one.calibrated_ms == pytest.approx(profiled.table.calibration.apply(one.raw_ms))
        assert one.fresh_raw_ms is not None
        assert 0.2 < one.raw_ms / one.measured_ms < 5
    assert result.drift.num_rows == len(profiled.table.rows)
    assert load_validation(folder.validation) == result
    with pytest.raises(InputError, match="--resume"):
        validate(ValidateRequest(folder=folder.path, num_models=3), HostRunner())
    with pytest.raises(InputError, match="3 models"):
        validate(ValidateRequest(folder=folder.path, num_models=4, resume=True), HostRunner())


def test_a_table_of_another_machine_is_not_validated(profiled: ProfileResult, request_: ProfileRequest) -> None:
    folder = RunFolder(request_.folder)
    stored = folder.table.read_bytes()
    save(replace(profiled.table, identity=replace(profiled.table.identity, device="other")), folder.table)
    with pytest.raises(TableError, match="device"):
        validate(ValidateRequest(folder=folder.path, num_models=3), HostRunner())
    folder.table.write_bytes(stored)


def test_the_commands_speak_json_and_tables(profiled: ProfileResult, request_: ProfileRequest) -> None:
    folder = str(request_.folder)
    options = ["--quick", "--rounds", "1", "--resume"]
    said = CliRunner().invoke(profile_command, ["-o", folder, "--input-size", "32", *options, "--json"])
    assert said.exit_code == 0, said.output
    document = json.loads(said.stdout)
    assert document["num_rows"] == 123
    assert document["outcome"]["num_measured"] == 0
    table = CliRunner().invoke(profile_command, ["-o", folder, "--input-size", "32", *options])
    assert "123 of 123" in table.stdout
    with Journal(RunFolder(request_.folder).journal) as journal:
        assert journal.identity(TARGET) == profiled.table.identity
    checked = CliRunner().invoke(validate_command, [folder, "--models", "3", *options])
    assert checked.exit_code == 0, checked.output
    assert "Noise floor" in checked.stdout or "num" not in checked.stdout
    assert "Drift since the table was made" in checked.stdout


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("chapter one")
    with pytest.raises(InputError, match="not empty"):
        profile(ProfileRequest(space="moga", target=TARGET, folder=tmp_path), HostRunner())
    with pytest.raises(InputError, match="no run"):
        RunFolder(tmp_path).read_settings()


def test_a_precision_that_no_writer_makes_is_rejected_before_anything_is_written(tmp_path: Path) -> None:
    request = ProfileRequest(space="digits", target=parse_target("onnx/cpu/uint8"), folder=tmp_path / "RUN", quick=True)
    with pytest.raises(InputError, match=r"no writer makes onnx in uint8; supported: onnx/float32, onnx/int8"):
        profile(request, HostRunner())
    assert not (tmp_path / "RUN").exists()


def test_a_target_that_does_not_run_here_is_rejected_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give a phone"):
        profile(
            ProfileRequest(space="moga", target=parse_target("mace/cpu/float32"), folder=tmp_path / "RUN"), HostRunner()
        )
    assert not (tmp_path / "RUN").exists()


def test_strata_hold_what_they_say_and_calibration_and_validation_share_nothing(profiled: ProfileResult) -> None:
    space = get_space("moga")
    whole, small = strata(space)
    rng = np.random.default_rng(0)
    nets = sample_networks(small, 20, rng, space)
    assert all(block.kernel < 7 for net in nets for block in net.blocks)
    assert all(space.decode(space.encode(net)).name == net.name for net in nets)
    calibration = {net.name for net in calibration_networks(space, 20, 0)}
    assert len(calibration) == 20
    table = replace(
        profiled.table, calibration=replace(profiled.table.calibration, networks=tuple(sorted(calibration)))
    )
    chosen = validation_networks(space, table, 224, 30, 0)
    assert len(chosen) == 63
    assert not calibration & set(chosen)
    with pytest.raises(InputError, match="does not hold"):
        tiny = replace(whole, space=replace(space, slots=tuple(choices[:1] for choices in space.slots)))
        sample_networks(tiny, 2, rng, space)


def test_settings_say_what_a_run_is_of(tmp_path: Path) -> None:
    asked = RunSettings(
        space="moga", target=str(TARGET), device="host", seed=0, num_calibration=8, num_passes=6, num_sentinels=3
    )
    folder = RunFolder(tmp_path / "RUN")
    assert folder.begin(asked, resume=False) == asked
    assert folder.begin(replace(asked, num_passes=99), resume=True) == asked  # the passes of a run do not change
    revised = folder.revise(asked, True, None, CalibrationChoice.SCALE)
    assert folder.begin(asked, resume=True) == revised
    assert (revised.accepted, revised.calibration) == ((Status.PARTIAL,), CalibrationChoice.SCALE)
    assert folder.revise(revised, None, True, None).accepted == (Status.PARTIAL, Status.UNKNOWN_DELEGATION)
    assert folder.revise(revised, False, None, None).accepted == ()
    old = {name: value for name, value in to_json(asked).items() if name not in ("accept_partial", "calibration")}
    (tmp_path / "RUN" / "run.json").write_text(json.dumps(old))
    assert folder.read_settings() == asked  # of a run begun before these could be chosen
    (tmp_path / "RUN" / "run.json").write_text("{}")
    with pytest.raises(InputError, match=r"run\.json"):
        folder.read_settings()


def test_less_is_measured_when_it_must_be_quick() -> None:
    full, quick = (effort_for(HostRunner(), quick) for quick in (False, True))
    assert full.num_rounds * full.num_passes > 4 * quick.num_rounds * quick.num_passes
