"""Answers for networks and blocks that are not files yet: they are lowered as an export would, with seeded weights."""

from enum import StrEnum
from functools import lru_cache

from torch import nn

from mogakit.export import tflite
from mogakit.export.artifact import Format, Precision
from mogakit.export.lower import lower
from mogakit.export.mace.lower import lower as lower_to_mace
from mogakit.export.mace.netdef import DataType
from mogakit.export.support.entry import Condition, Hardware
from mogakit.export.support.report import Report, check, natural_precision
from mogakit.export.support.tables import TABLES
from mogakit.export.support.usage import Operators, Usage, of_tflite
from mogakit.nets.block import Block
from mogakit.nets.detection.modules import build_model
from mogakit.nets.detection.network import Detector
from mogakit.nets.modules import build_block
from mogakit.nets.network import Network


def check_network(network: Network | Detector, hardware: Hardware) -> Report:
    """Return which operators of a network leave a hardware, in the precision in which it would be exported for it.

    Raises:
        UnsupportedOperator: the network cannot be written for that runtime at all.
    """
    return check(_network_operators(network, _kind(hardware)), hardware, natural_precision(hardware))


def check_block(block: Block, hardware: Hardware) -> Report:
    """Say the same of one block."""
    return check(_block_operators(block, _kind(hardware)), hardware, natural_precision(hardware))


class _Kind(StrEnum):
    """In which form a network's operators are looked at."""

    MACE = "mace"
    FLOAT = "float"
    INT8 = "int8"


def _kind(hardware: Hardware) -> _Kind:
    if TABLES[hardware].is_mace:
        return _Kind.MACE
    return _Kind.INT8 if natural_precision(hardware) is Precision.INT8 else _Kind.FLOAT


@lru_cache(maxsize=8)
def _network_operators(network: Network | Detector, kind: _Kind) -> Operators:
    return _operators(build_model(network), network.input_shape, kind)


@lru_cache(maxsize=1024)
def _block_operators(block: Block, kind: _Kind) -> Operators:
    shape = (1, block.in_channels, block.input_size, block.input_size)
    return _operators(build_block(block), shape, kind)


def _operators(module: nn.Module, shape: tuple[int, ...], kind: _Kind) -> Operators:
    graph = lower(module, shape)
    if kind is not _Kind.MACE:
        return of_tflite(tflite.write(graph), as_int8=kind is _Kind.INT8)
    plan = lower_to_mace(graph, DataType.FLOAT)
    usages = tuple(Usage(operator.output, operator.type, frozenset(Condition)) for operator in plan.operators)
    return Operators(Precision.FLOAT32, True, usages, Format.MACE)
