"""Report which hardware can run a network, a file or a search space, and what leaves it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mogakit import files
from mogakit.errors import InputError, ParseError, UnsupportedOperator
from mogakit.export import edgetpu
from mogakit.export.artifact import Converter, Format, Precision
from mogakit.export.support.entry import Answer, Hardware
from mogakit.export.support.network import check_network
from mogakit.export.support.report import Finding, Report, check
from mogakit.export.support.space import Intersection, intersect
from mogakit.export.support.tables import TABLES
from mogakit.export.support.usage import SUFFIXES, Operators, of_file
from mogakit.flows.deploy.export import export_network
from mogakit.nets.detection.network import Detector, resolve_model
from mogakit.nets.network import Network
from mogakit.nets.spaces import get_space
from mogakit.progress import Progress, silent

RELU_TWINS = {"mobilenet-v3-large": "mobilenet-v3-large-minimalistic"}
"""Zoo networks whose ReLU variant is a network of its own."""


@dataclass(frozen=True, kw_only=True)
class Checked:
    """The answer for one network or file on one hardware.

    Attributes:
        suggestion: a network of the kit that would run, None where there is none or none is needed.
        compilation: of `edgetpu_compiler`, where the user has it.
        remark: what the user should know of how the answer came about.
        error: why a file could not be read, or a program not be asked; None where all went well.
    """

    name: str
    report: Report
    suggestion: str | None = None
    compilation: edgetpu.Compilation | None = None
    remark: str = ""
    error: str | None = None


def check_models(
    models: Sequence[str],
    hardware: Sequence[Hardware],
    progress: Progress = silent,
    converter: Converter | None = None,
) -> list[Checked]:
    """Check several as `check_model` does each."""
    answers: list[Checked] = []
    for index, model in enumerate(models):
        answers += check_model(model, hardware, converter)
        progress(index + 1, len(models), model)
    return answers


def check_model(text: str, hardware: Sequence[Hardware], converter: Converter | None = None) -> list[Checked]:
    """Check a `.tflite`, `.onnx` or MACE `.pb` file, or a network or detector by name, on each hardware.

    A file that is damaged has the answer unknown everywhere, and `error` says why.

    Args:
        converter: of a format's makers, whose file of a network by name is checked in place of the kit's.

    Raises:
        InputError: there is neither such a file nor such a network.
        ExportError: the converter does not take the network.
    """
    path = Path(text)
    if path.suffix.lower() not in SUFFIXES:
        network = resolve_model(text)
        if converter is not None:
            return _check_converted(network, hardware, converter)
        return [_check_network(network, one) for one in hardware]
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    try:
        operators = of_file(path)
    except (InputError, OSError) as error:
        report = [_decided(one, Answer.UNKNOWN, str(error)) for one in hardware]
        return [Checked(name=path.name, report=item, error=str(error)) for item in report]
    return [_check_file(path, operators, one) for one in hardware]


def _check_converted(network: Network | Detector, hardware: Sequence[Hardware], converter: Converter) -> list[Checked]:
    with files.scratch() as folder:
        (artifact,) = export_network(network, [], Precision.FLOAT32, folder, converter=converter)
        operators = of_file(artifact.path)
        return [_check_file(artifact.path, operators, one) for one in hardware]


def check_space(name: str, hardware: Sequence[Hardware]) -> Intersection:
    """Cut a search space down to what runs on every hardware, fixed parts included.

    Raises:
        InputError: there is no such space, or it has no independent slots.
    """
    space = get_space(name).slotted
    if space is None:
        raise InputError(f"the space {name!r} has no independent slots to intersect; check its networks one by one")
    return intersect(space, hardware)


def _check_file(path: Path, operators: Operators, hardware: Hardware) -> Checked:
    table = TABLES[hardware]
    own = Format.MACE if table.is_mace else Format.TFLITE
    if operators.format is not own and operators.format not in table.others:
        reason = f"takes {_NAMES[own]} files, this is a {_NAMES[operators.format]} file"
        return Checked(name=path.name, report=_decided(hardware, Answer.NO, reason))
    report = check(operators, hardware)
    if hardware is not Hardware.EDGETPU:
        return Checked(name=path.name, report=report)
    program = edgetpu.find()
    if program is None or table.precisions is None or operators.precision not in table.precisions:
        return Checked(name=path.name, report=report, remark=edgetpu.MISSING if program is None else "")
    return _compiled(path.name, report, program, path, None)


_NAMES = {Format.TFLITE: "TFLite", Format.ONNX: "ONNX", Format.MACE: "MACE"}


def _check_network(network: Network | Detector, hardware: Hardware) -> Checked:
    try:
        report = check_network(network, hardware)
    except UnsupportedOperator as error:
        return Checked(name=network.name, report=_decided(hardware, Answer.NO, str(error)))
    suggestion = None if report.runs else _relu_twin(network, hardware)
    if hardware is not Hardware.EDGETPU:
        return Checked(name=network.name, report=report, suggestion=suggestion)
    program = edgetpu.find()
    if program is None:
        return Checked(name=network.name, report=report, suggestion=suggestion, remark=edgetpu.MISSING)
    with files.scratch() as folder:
        (artifact,) = export_network(network, [Format.TFLITE], Precision.INT8, folder)
        return _compiled(network.name, report, program, artifact.path, suggestion)


def _compiled(name: str, report: Report, program: Path, model: Path, suggestion: str | None) -> Checked:
    """Ask the compiler, whose word stands above the list's: its count, or its failure, is the answer."""
    try:
        with files.scratch() as folder:
            compilation = edgetpu.compile_file(program, model, folder)
    except edgetpu.CompilationFailed as error:
        decided = replace(_decided(Hardware.EDGETPU, Answer.NO, str(error)), caveat=report.caveat)
        return Checked(name=name, report=decided, suggestion=suggestion, remark=f"{edgetpu.PROGRAM} was run")
    except ParseError as error:  # it hung, or said something else: the list is what remains
        return Checked(name=name, report=report, suggestion=suggestion, error=str(error))
    remark = f"{edgetpu.PROGRAM} {compilation.version} was run; its count is the answer, whatever the list says"
    return Checked(
        name=name,
        report=_overruled(report, compilation),
        suggestion=suggestion if compilation.num_on_cpu else None,
        compilation=compilation,
        remark=remark,
    )


def _overruled(report: Report, compilation: edgetpu.Compilation) -> Report:
    """Return the report with the compiler's count in place of the list's answer."""
    found = tuple(
        Finding(
            layer=f"({row.count} operators)",
            operator=row.operator,
            answer=Answer.NO,
            reason=f"{edgetpu.PROGRAM}: {row.status}",
            source="",
            remedy="",
        )
        for row in compilation.operators
        if row.status != edgetpu.MAPPED
    )
    if compilation.num_on_cpu and not found:
        reason = f"{edgetpu.PROGRAM} leaves {compilation.num_on_cpu} operators to the CPU"
        found = _decided(Hardware.EDGETPU, Answer.NO, reason).findings
    return replace(
        report,
        answer=Answer.NO if compilation.num_on_cpu else Answer.YES,
        num_operators=compilation.num_on_edgetpu + compilation.num_on_cpu,
        num_running=compilation.num_on_edgetpu,
        num_partitions=compilation.num_subgraphs,
        findings=found,
    )


def _relu_twin(network: Network | Detector, hardware: Hardware) -> str | None:
    """Return the name of the network's ReLU variant if it runs there."""
    if isinstance(network, Detector):
        return None
    space, slash, chromosome = network.name.partition("/")
    candidate = f"{space}-relu/{chromosome}" if slash else RELU_TWINS.get(network.name)
    if candidate is None and network.name.startswith("moga-"):
        found = get_space("moga").encode(network)
        candidate = f"moga-relu/{'-'.join(map(str, found))}"
    if candidate is None:
        return None
    try:
        return candidate if check_network(resolve_model(candidate), hardware).runs else None
    except InputError:  # a space without a ReLU variant
        return None


def _decided(hardware: Hardware, answer: Answer, reason: str) -> Report:
    finding = Finding(layer="(file)", operator="-", answer=answer, reason=reason, source="", remedy="")
    return Report(
        hardware=hardware,
        answer=answer,
        num_operators=0,
        num_running=0,
        num_partitions=0,
        findings=(finding,),
        sources=(),
        caveat=TABLES[hardware].caveat,
    )
