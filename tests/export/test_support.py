"""Who runs which operator: the answers for the zoo, the space's intersection, and where each answer was read."""

from pathlib import Path

import numpy as np
import pytest

from mogakit.errors import InputError
from mogakit.export import tflite
from mogakit.export.artifact import Precision
from mogakit.export.calibration import Synthetic
from mogakit.export.graph import Graph, Tensor
from mogakit.export.lower import lower
from mogakit.export.mace.interpreter import load
from mogakit.export.mace.netdef import Generation, RuntimeType
from mogakit.export.mace.writer import write as write_mace
from mogakit.export.nodes import Add, Concat
from mogakit.export.quantize import calibrate, quantize
from mogakit.export.support.entry import Answer, Condition, Hardware
from mogakit.export.support.network import check_block, check_network
from mogakit.export.support.report import check
from mogakit.export.support.space import intersect
from mogakit.export.support.tables import TABLES
from mogakit.export.support.usage import Operators, Usage, of_file, of_mace, of_tflite
from mogakit.nets import zoo
from mogakit.nets.block import parse_key
from mogakit.nets.modules import build_block
from mogakit.nets.spaces import get_space

CASES = Path(__file__).parent / "data" / "cases"


@pytest.mark.parametrize("hardware", list(Hardware))
@pytest.mark.parametrize("name", ["multi-avg", "multi-max"])
def test_the_multi_hardware_networks_run_everywhere(name, hardware):
    report = check_network(zoo.get(name, input_size=64).network, hardware)
    assert (report.answer, report.num_running, report.num_partitions) == (Answer.YES, report.num_operators, 1)
    assert report.sources


def test_mobilenet_v3_is_rejected_on_edgetpu_as_in_the_paper():
    report = check_network(zoo.get("mobilenet-v3-large", input_size=64).network, Hardware.EDGETPU)
    assert report.answer is Answer.NO
    assert {finding.operator for finding in report.findings} == {"HARD_SWISH"}
    assert len(report.findings) == 21  # the h-swish of stem, 18 expansions and depthwise, features and hidden
    assert all("google-coral/edgetpu" in finding.source and "ReLU" in finding.remedy for finding in report.findings)
    assert check_network(zoo.get("mobilenet-v3-large-minimalistic", input_size=64).network, Hardware.EDGETPU).runs


@pytest.mark.parametrize(
    ("name", "rejected_on"),
    [
        ("moga-a", {Hardware.EDGETPU, Hardware.XNNPACK_INT8}),
        ("mobilenet-v2", set()),
        ("mnasnet-a1", set()),
        ("fairnas-a", set()),
    ],
)
def test_the_zoos_answers(name, rejected_on):
    network = zoo.get(name, input_size=64).network
    assert {hardware for hardware in Hardware if not check_network(network, hardware).runs} == rejected_on


def test_every_answer_of_every_table_names_a_page():
    for table in TABLES.values():
        entries = [entry for found in table.operators.values() for entry in found]
        for entry in (*entries, table.absent, *(item for _, item in table.others.values())):
            assert "/" in entry.source.page or "NeuralNetworks.h" in entry.source.page
            assert entry.source.text
            assert entry.answer in Answer


def test_mogas_own_space_is_empty_on_edgetpu_and_its_relu_variant_is_offered():
    found = intersect(get_space("moga"), [Hardware.EDGETPU])
    assert found.size == 0
    assert found.blocked_fixed == 2  # stem and head use h-swish
    assert [len(slot) for slot in found.slots] == [12] * 5 + [0] * 9
    assert found.suggestion == "moga-relu"
    relu = intersect(get_space("moga-relu"), [Hardware.EDGETPU, Hardware.HEXAGON, Hardware.TFLITE_GPU])
    assert relu.size == get_space("moga-relu").size
    assert relu.blocked == () and relu.suggestion is None


def test_mogas_own_space_is_whole_where_h_swish_runs():
    found = intersect(get_space("moga"), [Hardware.TFLITE_GPU, Hardware.HEXAGON, Hardware.MACE_GPU])
    assert found.size == get_space("moga").size


def test_a_block_is_judged_by_its_operators():
    assert check_block(parse_key("mb_i40e120o40_h28_k5s1_relu_se30_res"), Hardware.EDGETPU).runs
    report = check_block(parse_key("mb_i40e120o40_h28_k5s1_hswish_se30_res"), Hardware.EDGETPU)
    assert report.num_partitions > 1 and report.num_running == report.num_operators - 3


def test_an_operator_that_no_source_names_is_unknown_not_yes():
    usages = (Usage("a", "CONV_2D", frozenset(Condition)), Usage("b", "SEGMENT_SUM", frozenset(Condition)))
    operators = Operators(Precision.FLOAT32, False, usages)
    assert check(operators, Hardware.NNAPI).answer is Answer.UNKNOWN
    assert check(operators, Hardware.XNNPACK_FLOAT).findings[0].answer is Answer.UNKNOWN
    assert check(operators, Hardware.TFLITE_GPU).answer is Answer.NO  # the delegate's own check is complete


def test_a_condition_that_does_not_hold_is_a_no_that_says_so():
    usages = (Usage("pool", "MEAN", frozenset(Condition) - {Condition.BATCH_UNTOUCHED}),)
    report = check(Operators(Precision.INT8, False, usages), Hardware.EDGETPU)
    assert report.answer is Answer.NO
    assert report.findings[0].reason == "supported only where it leaves the batch alone"


@pytest.mark.parametrize("hardware", list(Hardware))
def test_no_hardware_takes_text_whatever_the_operator(hardware):
    """Lists name operators by the numbers they compute on; a GATHER of strings is none of theirs."""
    operators = of_file(CASES / "tflite" / "string_in.tflite")
    assert check(operators, hardware).answer is Answer.NO
    (finding,) = [each for each in check(operators, hardware).findings if each.operator == "GATHER"]
    assert finding.reason == "supported only where no tensor holds text"


def test_a_file_of_the_wrong_precision_is_rejected_as_a_whole():
    model = tflite.write(lower(build_block(parse_key("sep_i16o16_h112_k3s1_relu")), (1, 16, 112, 112)))
    report = check(of_tflite(model), Hardware.EDGETPU)
    assert report.answer is Answer.NO
    assert report.findings[-1].reason == "takes int8, uint8 files, this one is float32"
    assert check(of_tflite(quantize(model, calibrate(model, Synthetic(1)), Precision.INT8)), Hardware.EDGETPU).runs


def test_the_precision_of_a_file_is_read_off_it(tmp_path):
    graph = lower(build_block(parse_key("sep_i16o16_h112_k3s1_relu")), (1, 16, 112, 112))
    half = tflite.write(graph, Precision.FLOAT16)
    assert of_tflite(half).precision is Precision.FLOAT16
    files = write_mace(graph, Precision.FLOAT16)
    operators = of_mace(load(files.pb[Generation.MULTI, RuntimeType.GPU], files.data).model)
    assert operators.is_mace and operators.precision is Precision.FLOAT16
    (tmp_path / "a.multi-gpu.pb").write_bytes(files.pb[Generation.MULTI, RuntimeType.GPU])
    (tmp_path / "a.data").write_bytes(files.data)
    assert of_file(tmp_path / "a.multi-gpu.pb") == operators
    (tmp_path / "a.tflite").write_bytes(half)
    assert len(of_file(tmp_path / "a.tflite").usages) == len(of_tflite(half).usages)


def test_conditions_are_read_off_the_operators():
    joined = Concat(name="out", inputs=("a", "b"), shape=(1, 8, 8, 8), axis=1)
    graph = Graph((Tensor("a", (1, 4, 8, 8)), Tensor("b", (1, 4, 8, 8))), (joined,), ("out",))
    (usage,) = of_tflite(tflite.write(graph)).usages
    assert (usage.layer, usage.operator) == ("out", "CONCATENATION")
    assert {Condition.AT_MOST_4_INPUTS, Condition.NO_ACTIVATION} <= usage.holds
    block = lower(build_block(parse_key("mb_i16e48o24_h112_k5s2_relu_se12")), (1, 16, 112, 112))
    by_operator = {usage.operator: usage for usage in of_tflite(tflite.write(block)).usages}
    assert Condition.MEAN_OVER_HEIGHT_AND_WIDTH in by_operator["MEAN"].holds
    assert Condition.PADS_HEIGHT_AND_WIDTH in by_operator["PAD"].holds
    assert Condition.MEAN_OVER_HEIGHT_AND_WIDTH not in by_operator["CONV_2D"].holds


def test_files_of_other_kinds_are_rejected(tmp_path):
    with pytest.raises(InputError, match="TFL3"):
        of_tflite(b"not a model at all")
    (tmp_path / "a.onnx").write_bytes(b"")
    with pytest.raises(InputError, match="the file is empty, so it is not an ONNX model"):
        of_file(tmp_path / "a.onnx")
    (tmp_path / "a.zip").write_bytes(b"")
    with pytest.raises(InputError, match=r"supported suffixes: \.tflite, \.onnx, \.pb"):
        of_file(tmp_path / "a.zip")


def test_a_scalar_sum_stays_on_every_hardware():
    node = Add(name="out", inputs=("x", "three"), shape=(1, 4, 8, 8))
    graph = Graph((Tensor("x", (1, 4, 8, 8)),), (node,), ("out",), {"three": np.array(3, np.float32)})
    (usage,) = of_tflite(tflite.write(graph)).usages
    assert usage.operator == "ADD"
