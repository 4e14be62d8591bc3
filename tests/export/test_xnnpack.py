"""`moga check` against XNNPACK itself, a file per operator and precision: no false "no", no false "yes"."""

import pytest
from one_operator import KINDS, Case, build, cases

from mogakit.bench.engines import load
from mogakit.bench.measurement import DelegationKind
from mogakit.bench.target import Hardware as Chip
from mogakit.bench.target import Runtime, Target
from mogakit.errors import MeasurementError
from mogakit.export.artifact import Precision
from mogakit.export.support.entry import Answer, Hardware
from mogakit.export.support.report import check
from mogakit.export.support.usage import of_tflite

CASES = {case.name: case for case in cases()}
TARGET = Target(Runtime.TFLITE, Chip.CPU, Precision.FLOAT32)


def taken(case: Case, kind: str, path) -> bool | None:
    """Return whether XNNPACK takes the whole file, None where LiteRT cannot load such a file at all."""
    for version in (None, 1):  # operators have versions of their own; LiteRT knows one of these two
        path.write_bytes(build(case, kind, version))

        try:
            return load(path, TARGET, 0).delegation.kind is DelegationKind.FULL
        except MeasurementError:
            continue
    return None


@pytest.mark.parametrize("name", CASES)
def test_every_answer_is_what_xnnpack_does(name: str, tmp_path) -> None:
    case = CASES[name]
    for kind in KINDS:
        runs = taken(case, kind, tmp_path / "one.tflite")
        data = (tmp_path / "one.tflite").read_bytes()
        for hardware in (Hardware.XNNPACK_FLOAT, Hardware.XNNPACK_INT8):
            report = check(of_tflite(data), hardware)
            if runs is True:
                assert report.answer is not Answer.NO, (kind, report.findings)
            if runs is False:
                assert report.answer is not Answer.YES, kind
