"""Answers for networks and blocks that are not files yet: they are lowered as an export would, with seeded weights."""

from functools import lru_cache

from torch import nn

from mogakit.export import tflite
from mogakit.export.artifact import Precision
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
    return check(_network_operators(network, TABLES[hardware].is_mace), hardware, natural_precision(hardware))


def check_block(block: Block, hardware: Hardware) -> Report:
    """Say the same of one block."""
    return check(_block_operators(block, TABLES[hardware].is_mace), hardware, natural_precision(hardware))


@lru_cache(maxsize=4)
def _network_operators(network: Network | Detector, is_mace: bool) -> Operators:
    return _operators(build_model(network), network.input_shape, is_mace)


@lru_cache(maxsize=1024)
def _block_operators(block: Block, is_mace: bool) -> Operators:
    shape = (1, block.in_channels, block.input_size, block.input_size)
    return _operators(build_block(block), shape, is_mace)


def _operators(module: nn.Module, shape: tuple[int, ...], is_mace: bool) -> Operators:
    graph = lower(module, shape)
    if not is_mace:
        return of_tflite(tflite.write(graph))
    plan = lower_to_mace(graph, DataType.FLOAT)
    usages = tuple(Usage(operator.output, operator.type, frozenset(Condition)) for operator in plan.operators)
    return Operators(Precision.FLOAT32, True, usages)
