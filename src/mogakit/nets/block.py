"""`Block`: one row of an architecture, and its key, the readable name that the whole kit uses.

The key says everything that changes the exported file; `docs/keys.md` decodes it. Two blocks are equal exactly when
their keys are, and `parse_key(block.key) == block`:

    conv_i3o16_h224_k3s2_hswish
    sep_i16o16_h112_k3s1_relu
    mb_i40e240o40_h28_k5s1_hswish_se60_res
    head_i160f960m1280o1000_h7_hswish
"""

import re
from dataclasses import KW_ONLY, dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cached_property

from mogakit.errors import InputError, KeySyntaxError

DEFAULT_NORM_EPS = 1e-5


class Op(StrEnum):
    """What a block computes; every convolution pads `kernel // 2` on each side."""

    CONV = "conv"  # k x k convolution, norm, activation [, squeeze-and-excitation]
    SEP = "sep"  # depthwise k x k, norm, activation [, SE], 1x1, norm, output activation
    MB = "mb"  # 1x1 expansion, norm, activation, then as `sep`
    FUSED = "fused"  # k x k expansion, norm, activation [, SE], 1x1, norm
    HEAD = "head"  # [1x1, norm, activation,] global average pool, [1x1, activation,] linear
    OWN = "own"  # what a user's block kind computes (`nets.kinds`)


class Activation(StrEnum):
    """Element-wise functions; `linear` is none at all."""

    LINEAR = "linear"
    RELU = "relu"
    RELU6 = "relu6"
    HSWISH = "hswish"
    HSIGMOID = "hsigmoid"
    SIGMOID = "sigmoid"
    SILU = "silu"


@dataclass(frozen=True)
class SqueezeExcite:
    """Squeeze-and-excitation: pool, 1x1 to `channels`, `inner`, 1x1 back, `gate`, multiply. Both 1x1 have a bias."""

    channels: int
    inner: Activation
    gate: Activation = Activation.HSIGMOID


@dataclass(frozen=True)
class Block:
    """One block of a network, at one resolution.

    An inverted bottleneck whose expansion convolution is absent is a `sep`, and a fused one a 1x1 `conv`: the same
    graph has one name.

    Attributes:
        op: what it computes.
        in_channels: channels of its input.
        out_channels: channels of its output; of a head, the number of classes.
        input_size: height and width of its square input, in pixels.
        kernel: odd side of the spatial convolution; 1 for a head.
        stride: of the spatial convolution; 1 for a head.
        activation: after every inner convolution (and of a `conv`, its only one); `linear` for a head with none.
        expanded_channels: of `mb`, `fused` and perhaps `own`, otherwise None.
        out_activation: of a `sep`, after its last norm (MobileNetV1); `linear` elsewhere.
        se: squeeze-and-excitation behind the spatial convolution's activation.
        residual: whether the input is added to the output (stride 1, equal channels).
        pool_skip: whether the added input first passes a 3x3 average pool of stride 1 (MnasNet's pooling skip op).
        norm_eps: epsilon of every batch norm; None where no convolution is followed by one.
        bias: whether convolutions that could do without have a bias.
        features: of a head, channels of the 1x1 convolution before the pool; None if absent.
        hidden: of a head, channels of the 1x1 convolution behind the pool; None if absent.
        hidden_bias: whether that convolution has a bias.
        hidden_norm: whether that convolution is followed by a batch norm.
        kind: of an `own` block, the name of its `BlockKind`.
        settings: of an `own` block, whole numbers that its kind gives a meaning to, by name, sorted.

    Raises:
        InputError: a field does not fit the others.

    Source: docs/keys.md has the grammar of `key`, and what each op computes.

    Examples:
        >>> block = mk.Block("mb", 40, 40, 28, kernel=5, activation="hswish", expanded_channels=240, residual=True)
        >>> block.key
        'mb_i40e240o40_h28_k5s1_hswish_res'
        >>> mk.count_params(block), mk.count_madds(block)
        (26240, 19756800)
    """

    op: Op
    in_channels: int
    out_channels: int
    input_size: int
    _: KW_ONLY
    kernel: int = 1
    stride: int = 1
    activation: Activation = Activation.LINEAR
    expanded_channels: int | None = None
    out_activation: Activation = Activation.LINEAR
    se: SqueezeExcite | None = None
    residual: bool = False
    pool_skip: bool = False
    norm_eps: float | None = DEFAULT_NORM_EPS
    bias: bool = False
    features: int | None = None
    hidden: int | None = None
    hidden_bias: bool = False
    hidden_norm: bool = False
    kind: str | None = None
    settings: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        """Reject what no graph could be, and every second way to say the same graph.

        Raises:
            InputError: a field does not fit the others.
        """
        for name, vocabulary in (("op", Op), ("activation", Activation), ("out_activation", Activation)):
            value = getattr(self, name)
            if not isinstance(value, vocabulary):  # written as text, as in a notebook
                if value not in list(vocabulary):
                    raise InputError(f"not a block: {name} {value!r} is unknown; supported: {', '.join(vocabulary)}")
                object.__setattr__(self, name, vocabulary(value))
        problem = _problem(self)
        if problem:
            raise InputError(f"not a block: {problem} (given {self!r})")

    @property
    def output_size(self) -> int:
        """Height and width of the square output in pixels; 1 for a head."""
        return 1 if self.op is Op.HEAD else (self.input_size - 1) // self.stride + 1

    @property
    def has_norm(self) -> bool:
        """Whether any convolution of the block is of the kind that a batch norm may follow."""
        return self.op is not Op.HEAD or self.features is not None or self.hidden_norm

    @cached_property
    def key(self) -> str:
        """The block's name: letters, digits, `_` and `-` only, so that it is also a file name."""
        return format_key(self)


def _problem(block: Block) -> str | None:
    """Return what is wrong with a block, None if nothing is."""
    widths = [block.in_channels, block.out_channels, block.input_size, block.stride, block.kernel]
    widths += [w for w in (block.expanded_channels, block.features, block.hidden) if w is not None]
    if block.se is not None:
        widths.append(block.se.channels)
    if min(widths) < 1:
        return "channels, sizes, kernel and stride are at least 1"
    if block.kernel % 2 == 0:
        return f"kernel {block.kernel} is even, and would not keep the resolution"
    if block.op is not Op.OWN and (block.expanded_channels is not None) != (block.op in (Op.MB, Op.FUSED)):
        return "expanded_channels belongs to mb and fused, and to no other op"
    if block.out_activation is not Activation.LINEAR and block.op not in (Op.SEP, Op.OWN):
        return "out_activation belongs to sep"
    if block.residual and (block.stride != 1 or block.in_channels != block.out_channels):
        return "a residual needs stride 1 and equal channels"
    if block.pool_skip and not block.residual:
        return "pool_skip says how the residual is taken, and there is none"
    if block.norm_eps is not None and not 0 < block.norm_eps < 1:
        return f"norm_eps {block.norm_eps} is not between 0 and 1"
    if block.norm_eps is not None and not block.has_norm:
        return "norm_eps is given, but the head has no batch norm"
    return _own_problem(block) or _head_problem(block)


def _own_problem(block: Block) -> str | None:
    """Return what is wrong with the fields that only a user's kind of block has."""
    if block.op is not Op.OWN:
        return "kind and settings belong to own" if block.kind is not None or block.settings else None
    if block.kind is None or not _KIND.fullmatch(block.kind):
        return f"kind {block.kind!r} is not a name of lower-case letters and digits that starts with a letter"
    names = [name for name, _ in block.settings]
    if names != sorted(set(names)):
        return f"settings {', '.join(names)} are not sorted by name, each once"
    wrong = [name for name, value in block.settings if not _SETTING.fullmatch(name) or value < 0]
    return (
        f"settings {', '.join(wrong)} are not lower-case letters with a whole number of at least 0" if wrong else None
    )


def _head_problem(block: Block) -> str | None:
    """Return what is wrong with the fields that heads have and others have not."""
    if block.op is not Op.HEAD:
        if block.features or block.hidden or block.hidden_bias or block.hidden_norm:
            return "features and hidden belong to head"
        return None
    if block.kernel != 1 or block.stride != 1 or block.se or block.residual:
        return "a head has kernel 1, stride 1, no SE and no residual"
    if block.hidden is None and (block.hidden_bias or block.hidden_norm):
        return "hidden_bias and hidden_norm need hidden"
    if block.features is None and block.bias:
        return "bias of a head is that of its first convolution, which is absent"
    if block.features is None and block.hidden is None and block.activation is not Activation.LINEAR:
        return "a head without convolutions has no activation"
    if block.hidden_norm and block.norm_eps is None:
        return "hidden_norm needs norm_eps"
    return None


def format_key(block: Block) -> str:
    """Write a block's key; `docs/keys.md` is its grammar."""
    widths = f"i{block.in_channels}"
    for letter, width in (("e", block.expanded_channels), ("f", block.features), ("m", block.hidden)):
        widths += f"{letter}{width}" if width is not None else ""
    words = [
        block.op.value if block.kind is None else f"{block.op}-{block.kind}",
        f"{widths}o{block.out_channels}",
        f"h{block.input_size}",
    ]
    if block.op is not Op.HEAD:
        words.append(f"k{block.kernel}s{block.stride}")
    words.append(block.activation.value)
    if block.out_activation is not Activation.LINEAR:
        words.append(f"out-{block.out_activation}")
    if block.se is not None:
        usual = block.se.inner is block.activation and block.se.gate is Activation.HSIGMOID
        words.append(f"se{block.se.channels}" if usual else f"se{block.se.channels}-{block.se.inner}-{block.se.gate}")
    if block.residual:
        words.append("respool" if block.pool_skip else "res")
    words += [word for word, flag in _flags(block) if flag]
    if block.settings:
        words.append("-".join(["set", *(f"{name}{value}" for name, value in block.settings)]))
    if block.has_norm and block.norm_eps is None:
        words.append("nobn")
    elif block.norm_eps is not None and block.norm_eps != DEFAULT_NORM_EPS:
        words.append(f"eps{_short_float(block.norm_eps)}")
    return "_".join(words)


def _flags(block: Block) -> tuple[tuple[str, bool], ...]:
    return (("bias", block.bias), ("mbias", block.hidden_bias), ("mbn", block.hidden_norm))


def _short_float(value: float) -> str:
    """Write a float exactly and without a dot (`0.0015` is `15e-4`), since a dot would end a file's stem."""
    _, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    return "".join(map(str, digits)) + f"e{exponent}"


_KIND, _SETTING = re.compile(r"[a-z][a-z0-9]*", re.ASCII), re.compile(r"[a-z]+", re.ASCII)
_ACTIVATION = "|".join(Activation)
_KEY = re.compile(
    rf"(?P<op>{'|'.join(Op)})(?:-(?P<kind>[a-z][a-z0-9]*))?_i(?P<i>\d+)(?:e(?P<e>\d+))?(?:f(?P<f>\d+))?(?:m(?P<m>\d+))?o(?P<o>\d+)_h(?P<h>\d+)"
    rf"(?:_k(?P<k>\d+)s(?P<s>\d+))?_(?P<act>{_ACTIVATION})(?:_out-(?P<out>{_ACTIVATION}))?"
    rf"(?:_se(?P<se>\d+)(?:-(?P<inner>{_ACTIVATION})-(?P<gate>{_ACTIVATION}))?)?"
    rf"(?P<res>_res(?P<pool>pool)?)?(?P<bias>_bias)?(?P<mbias>_mbias)?(?P<mbn>_mbn)?"
    rf"(?:_set(?P<set>(?:-[a-z]+\d+)+))?(?P<nobn>_nobn)?(?:_eps(?P<eps>\d+e-\d+))?",
    re.ASCII,
)


def parse_key(text: str) -> Block:
    """Read a key back: `parse_key(block.key) == block`.

    Raises:
        KeySyntaxError: `text` is not a key, describes no block, or is not in the one form that `format_key` writes.
    """
    found = _KEY.fullmatch(text)
    if found is None:
        raise KeySyntaxError(
            f"{text!r} is not a block key; a key looks like mb_i40e240o40_h28_k5s1_hswish_se60_res "
            f"(ops {', '.join(Op)}; activations {', '.join(Activation)}; docs/keys.md holds the grammar)"
        )
    try:
        block = _from_match(found)
    except InputError as error:
        raise KeySyntaxError(f"{text!r} reads as a block key, but is {error}") from error
    if block.key != text:
        raise KeySyntaxError(f"{text!r} is not in canonical form; the same block is written {block.key!r}")
    return block


def _from_match(found: re.Match[str]) -> Block:
    """Build the block that a matched key describes."""

    def number(group: str) -> int | None:
        return int(found[group]) if found[group] else None

    op, activation = Op(found["op"]), Activation(found["act"])
    se = None
    if found["se"]:
        inner = Activation(found["inner"]) if found["inner"] else activation
        se = SqueezeExcite(int(found["se"]), inner, Activation(found["gate"] or Activation.HSIGMOID))
    without_norm = found["nobn"] or (op is Op.HEAD and not found["f"] and not found["mbn"])
    return Block(
        op,
        int(found["i"]),
        int(found["o"]),
        int(found["h"]),
        kernel=number("k") or 1,
        stride=number("s") or 1,
        activation=activation,
        expanded_channels=number("e"),
        out_activation=Activation(found["out"] or Activation.LINEAR),
        se=se,
        residual=bool(found["res"]),
        pool_skip=bool(found["pool"]),
        norm_eps=None if without_norm else float(found["eps"] or DEFAULT_NORM_EPS),
        bias=bool(found["bias"]),
        features=number("f"),
        hidden=number("m"),
        hidden_bias=bool(found["mbias"]),
        hidden_norm=bool(found["mbn"]),
        kind=found["kind"],
        settings=tuple((name, int(value)) for name, value in re.findall(r"-([a-z]+)(\d+)", found["set"] or "")),
    )
