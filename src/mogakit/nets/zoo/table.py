"""The tables from which zoo networks are built, and their one-line block language.

A line is a block key (`docs/keys.md`) without the sizes that follow from the line before:

    mb_e6o40_k3s2_hswish_se_res
    |  |     |    |      |  └ the input is added to the output
    |  |     |    |      └ squeeze-and-excitation, its width from the table's `SeRule`
    |  |     |    └ activation; left out where it is the table's own
    |  |     └ kernel and stride
    |  └ expansion relative to the input's channels (`e2.3`), output channels
    └ conv | sep | mb | fused | head

`_x3` at the end stands for three such blocks, `_out-relu6` for an activation behind the last norm of a `sep`. A head is
`head_f960m1280_mbias`: 1x1 to 960, pool, 1x1 to 1280 with a bias, linear.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain, repeat

from mogakit.errors import InputError, KeySyntaxError
from mogakit.nets.block import DEFAULT_NORM_EPS, Activation, Block, Op, SqueezeExcite
from mogakit.nets.network import Network


class SeRule(StrEnum):
    """How a family sizes its squeeze-and-excitation."""

    NONE = "none"
    HIDDEN_QUARTER = "hidden // 4"  # MoGA; inner activation of the block, h-sigmoid
    HIDDEN_QUARTER_BY_8 = "hidden / 4, divisible by 8"  # MobileNetV3; inner ReLU, h-sigmoid
    INPUT_QUARTER = "input / 4"  # MnasNet: a quarter of the block's input channels; inner ReLU, sigmoid


@dataclass(frozen=True, kw_only=True)
class Table:
    """A network before width, resolution and classes are chosen.

    Attributes:
        body: stem and body blocks, one line each.
        head: the head's line.
        activation: of every line that names none.
        norm_eps: epsilon of every batch norm.
        bias: whether convolutions have a bias beside their batch norm (FBNet).
        dropout: before the classifier; 0 where no source states one.
    """

    body: tuple[str, ...]
    head: str
    activation: Activation
    norm_eps: float = DEFAULT_NORM_EPS
    se_rule: SeRule = SeRule.NONE
    bias: bool = False
    dropout: float = 0.0


def make_divisible(value: float, divisor: int = 8) -> int:
    """Round to the nearest multiple of `divisor`, but never down by more than a tenth (the rule of slim)."""
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


_LINE = re.compile(
    rf"(?P<op>conv|sep|mb|fused)_(?:e(?P<e>[\d.]+))?o(?P<o>\d+)_k(?P<k>\d+)s(?P<s>\d+)"
    rf"(?:_(?P<act>{'|'.join(Activation)}))?(?:_out-(?P<out>{'|'.join(Activation)}))?"
    rf"(?P<se>_se)?(?P<res>_res)?(?:_x(?P<repeat>\d+))?"
)
_HEAD = re.compile(r"head(?:_(?:f(?P<f>\d+))?(?:m(?P<m>\d+))?)?(?P<mbias>_mbias)?")


def build(name: str, table: Table, width: float, input_size: int, num_classes: int) -> Network:
    """Build a network from its table.

    Width follows slim's MobileNets: channels are scaled and rounded first, expansions are relative to the scaled input.
    The last 1x1 convolution grows with a width above 1 and keeps its size below (MobileNetV2 section 5).

    Raises:
        InputError: width, input size or number of classes is not positive.
    """
    if width <= 0 or input_size < 1 or num_classes < 1:
        raise InputError(f"width {width}, input size {input_size} and classes {num_classes} must all be positive")
    blocks: list[Block] = []
    channels, size = 3, input_size
    for line in chain.from_iterable(repeat(line, _repeats(line)) for line in table.body):
        blocks.append(_body_block(line, table, width, channels, size))
        channels, size = blocks[-1].out_channels, blocks[-1].output_size
    blocks.append(_head_block(table, width, channels, size, num_classes))
    return Network(name, tuple(blocks), table.dropout)


def _match(pattern: re.Pattern[str], line: str) -> re.Match[str]:
    found = pattern.fullmatch(line)
    if found is None:
        raise KeySyntaxError(f"{line!r} is not a line of a zoo table, such as mb_e6o40_k3s2_hswish_se_res")
    return found


def _repeats(line: str) -> int:
    return int(_match(_LINE, line)["repeat"] or 1)


def _body_block(line: str, table: Table, width: float, channels: int, size: int) -> Block:
    """Build the block of a line behind `channels` channels of `size` pixels."""
    found = _match(_LINE, line)
    activation = Activation(found["act"] or table.activation)
    expanded = make_divisible(channels * float(found["e"])) if found["e"] else None
    return Block(
        Op(found["op"]),
        channels,
        make_divisible(int(found["o"]) * width),
        size,
        kernel=int(found["k"]),
        stride=int(found["s"]),
        activation=activation,
        expanded_channels=expanded,
        out_activation=Activation(found["out"] or Activation.LINEAR),
        se=_squeeze_excite(table.se_rule, channels, expanded or channels, activation) if found["se"] else None,
        residual=bool(found["res"]),
        norm_eps=table.norm_eps,
        bias=table.bias,
    )


def _squeeze_excite(rule: SeRule, channels: int, hidden: int, activation: Activation) -> SqueezeExcite:
    """Size squeeze-and-excitation by a family's rule."""
    if rule is SeRule.HIDDEN_QUARTER:
        return SqueezeExcite(hidden // 4, activation)
    if rule is SeRule.HIDDEN_QUARTER_BY_8:
        return SqueezeExcite(make_divisible(hidden / 4), Activation.RELU)
    if rule is SeRule.INPUT_QUARTER:
        return SqueezeExcite(channels // 4, Activation.RELU, Activation.SIGMOID)
    raise KeySyntaxError("a line asks for squeeze-and-excitation, but its table has no SeRule")


def _head_block(table: Table, width: float, channels: int, size: int, num_classes: int) -> Block:
    """Build the head of a table."""
    found = _match(_HEAD, table.head)
    features, hidden = (int(found[group]) if found[group] else None for group in "fm")
    last = max(width, 1.0)
    if features is not None:
        features = make_divisible(features * (width if hidden is not None else last))
    if hidden is not None:
        hidden = make_divisible(hidden * last)
    return Block(
        Op.HEAD,
        channels,
        num_classes,
        size,
        activation=Activation.LINEAR if features is hidden is None else table.activation,
        norm_eps=None if features is None else table.norm_eps,
        bias=table.bias and features is not None,
        features=features,
        hidden=hidden,
        hidden_bias=bool(found["mbias"]),
    )
