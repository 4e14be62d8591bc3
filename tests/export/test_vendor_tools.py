"""Tools of others that the kit drives when the user has them: Coral's compiler, Qualcomm's SDK, MACE's converter."""

import hashlib
import stat
import sys
from pathlib import Path

import pytest
import yaml

from mogakit.errors import ExportError, InputError, ParseError
from mogakit.export import edgetpu, snpe
from mogakit.export.artifact import Format, Precision, Role
from mogakit.export.mace.deployment import ConverterRuntime, deployment
from mogakit.export.pipeline import describe_file, export_module
from mogakit.export.writers import Options
from mogakit.flows.deploy.export import export_network
from mogakit.nets import zoo
from mogakit.nets.block import parse_key
from mogakit.nets.modules import build_block

# The shape of a report of edgetpu_compiler 15 and 16, as users print it in google-coral/edgetpu's issues.
REPORT = """\
Edge TPU Compiler version 16.0.384591198
Started a compilation timeout timer of 180 seconds.

Model compiled successfully in 3388 ms.

Input model: net.tflite
Input size: 13.35MiB
Output model: net_edgetpu.tflite
Output size: 13.79MiB
On-chip memory used for caching model parameters: 6.15MiB
On-chip memory remaining for caching model parameters: 5.75KiB
Off-chip memory used for streaming uncached model parameters: 7.03MiB
Number of Edge TPU subgraphs: 1
Total number of operations: 84
Operation log: net_edgetpu.log

Model successfully compiled but not all operations are supported by the Edge TPU.
Number of operations that will run on Edge TPU: 78
Number of operations that will run on CPU: 6

Operator                       Count      Status

CONV_2D                        1          More than one subgraph is not supported
CONV_2D                        77         Mapped to Edge TPU
HARD_SWISH                     5          Operation not supported
QUANTIZE                       1          Mapped to Edge TPU
"""


def _program(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!{sys.executable}\n{body}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture(scope="module")
def onnx13(tmp_path_factory):
    module = build_block(parse_key("sep_i16o16_h112_k3s1_relu"))
    folder = tmp_path_factory.mktemp("onnx")
    return export_module(module, "sep/1", Role.NETWORK, Format.ONNX, Precision.FLOAT32, (1, 16, 112, 112), folder,
                         Options(opset=13))  # fmt: skip


def test_corals_report_is_read_to_the_last_number():
    found = edgetpu.parse_report(REPORT)
    assert (found.version, found.num_on_edgetpu, found.num_on_cpu, found.num_subgraphs) == ("16.0.384591198", 78, 6, 1)
    assert found.on_chip_used_bytes == round(6.15 * 2**20)
    assert found.on_chip_remaining_bytes == round(5.75 * 2**10)
    assert found.operators[2] == edgetpu.CompiledOperator("HARD_SWISH", 5, "Operation not supported")


def test_a_report_of_a_model_that_is_mapped_whole_counts_all_of_it():
    lines = [line for line in REPORT.splitlines() if "will run on" not in line and "not supported" not in line]
    found = edgetpu.parse_report("\n".join(lines).replace("operations: 84", "operations: 78"))
    assert (found.num_on_edgetpu, found.num_on_cpu) == (78, 0)


def test_a_report_that_is_none_is_an_error_with_its_tail():
    with pytest.raises(ParseError, match="Segmentation fault"):
        edgetpu.parse_report("Segmentation fault")


def test_corals_compiler_is_run_where_it_is_installed(tmp_path):
    program = _program(
        tmp_path / "edgetpu_compiler", f"import sys\nprint({REPORT!r})\nassert sys.argv[2] == '--out_dir'"
    )
    (tmp_path / "net.tflite").write_bytes(b"x")
    assert edgetpu.compile_file(program, tmp_path / "net.tflite", tmp_path).num_on_edgetpu == 78
    failing = _program(tmp_path / "failing", "import sys\nprint('Invalid model'); sys.exit(1)")
    with pytest.raises(ParseError, match="Invalid model"):
        edgetpu.compile_file(failing, tmp_path / "net.tflite", tmp_path)


def _sdk(root: Path, body: str) -> dict[str, str]:
    """Make a stand-in for Qualcomm's SDK under `root` and return the environment that points at it."""
    _program(root / "bin" / "x86_64-linux-clang" / "snpe-onnx-to-dlc", body)
    return {"SNPE_ROOT": str(root)}


def test_without_qualcomms_sdk_the_error_says_what_to_set(onnx13, tmp_path):
    with pytest.raises(InputError, match="SNPE_ROOT or QNN_SDK_ROOT"):
        snpe.convert(b"onnx", onnx13.inputs, {})
    with pytest.raises(InputError, match=r"holds no bin/\*/snpe-onnx-to-dlc"):
        snpe.convert(b"onnx", onnx13.inputs, {"QNN_SDK_ROOT": str(tmp_path)})


def test_qualcomms_converter_is_run_and_recorded(onnx13, tmp_path):
    environment = _sdk(
        tmp_path / "qairt" / "2.31.0.250130",
        "import sys\nout = sys.argv[sys.argv.index('--output_path') + 1]\n"
        "open(out, 'wb').write(b'dlc ' + ' '.join(sys.argv[1:]).encode())",
    )
    made = snpe.convert(onnx13.path.read_bytes(), onnx13.inputs, environment)
    assert made.notes == {
        "sdk": "2.31.0.250130",
        "command": "$SNPE_ROOT/bin/x86_64-linux-clang/snpe-onnx-to-dlc --input_network network.onnx --output_path "
        "network.dlc --input_dim input 1,16,112,112",
        "from": onnx13.sha256,
    }
    # the converter writes its command line into the container: no path of this computer may be in it
    assert made.data == b"dlc --input_network network.onnx --output_path network.dlc --input_dim input 1,16,112,112"


def test_a_converter_that_fails_or_leaves_nothing_is_an_error(onnx13, tmp_path):
    failing = _sdk(tmp_path / "failing", "import sys\nsys.exit('unsupported layer')")
    with pytest.raises(ExportError, match="unsupported layer"):
        snpe.convert(b"onnx", onnx13.inputs, failing)
    idle = _sdk(tmp_path / "idle", "pass")
    with pytest.raises(ExportError, match="without a file"):
        snpe.convert(b"onnx", onnx13.inputs, idle)


def test_a_dlc_of_the_user_is_taken_as_it_is(tmp_path):
    (tmp_path / "mine.dlc").write_bytes(b"dlc")
    made = describe_file(tmp_path / "mine.dlc")
    assert (made.name, made.format, made.num_bytes, made.agreement) == ("mine", Format.DLC, 3, None)
    with pytest.raises(InputError, match="there is no file"):
        describe_file(tmp_path / "absent.dlc")


def test_a_network_is_exported_as_dlc_through_the_sdk_and_taken_over_the_next_time(tmp_path, monkeypatch):
    network = zoo.get("moga-a", width=0.35, input_size=64, num_classes=10).network
    monkeypatch.delenv("SNPE_ROOT", raising=False)
    monkeypatch.delenv("QNN_SDK_ROOT", raising=False)
    folder = tmp_path / "out"
    with pytest.raises(InputError, match="SNPE_ROOT or QNN_SDK_ROOT"):
        export_network(network, [Format.DLC], Precision.FLOAT32, folder)
    assert not folder.exists()
    body = "open('network.dlc', 'wb').write(b'dlc' + open('network.onnx', 'rb').read())"
    for version in ("2.31", "2.31", "2.32"):
        monkeypatch.setenv("SNPE_ROOT", _sdk(tmp_path / version, body)["SNPE_ROOT"])
        (made,) = export_network(network, [Format.DLC], Precision.FLOAT32, folder)
        assert made.notes["sdk"] == version
        assert made.notes["from"] == hashlib.sha256(made.path.read_bytes()[3:]).hexdigest()
        assert "on the ONNX file that snpe-onnx-to-dlc was given" in made.agreement.checked_with
    assert made.path.suffix == ".dlc"
    with pytest.raises(InputError, match="snpe-dlc-quantize"):
        export_network(network, [Format.DLC], Precision.INT8, folder)


def test_the_deployment_for_maces_converter_carries_the_checksum(onnx13):
    document = yaml.safe_load(deployment(onnx13, ConverterRuntime.GPU))
    (model,) = document["models"].values()
    assert model["model_sha256_checksum"] == onnx13.sha256
    assert model["model_file_path"] == onnx13.path.name
    assert (model["runtime"], model["data_type"]) == ("gpu", "fp16_fp32")
    assert model["subgraphs"][0]["input_shapes"] == ["1,16,112,112"]
    assert model["subgraphs"][0]["input_data_formats"] == ["NCHW"]


def test_maces_converter_gets_no_other_opset(tmp_path):
    module = build_block(parse_key("sep_i16o16_h112_k3s1_relu"))
    newer = export_module(module, "sep", Role.NETWORK, Format.ONNX, Precision.FLOAT32, (1, 16, 112, 112), tmp_path)
    with pytest.raises(InputError, match="--opset 13"):
        deployment(newer)
