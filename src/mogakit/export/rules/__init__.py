"""How each ATen operator becomes nodes. `RULES` is the list of what can be exported; the rest is rejected by name."""

from mogakit.export.rules import (
    attention,
    convolution,
    elementwise,
    joining,
    matrix,
    normalise,
    pooling,
    resize,
    shape,
    writing,
)
from mogakit.export.rules import reduce as reductions
from mogakit.export.rules.rule import Made, Rule

__all__ = ["RULES", "Made", "Rule"]

RULES: dict[str, Rule] = {
    **convolution.RULES,
    **normalise.RULES,
    **elementwise.RULES,
    **reductions.RULES,
    **pooling.RULES,
    **resize.RULES,
    **shape.RULES,
    **joining.RULES,
    **matrix.RULES,
    **attention.RULES,
    **writing.RULES,
}
"""ATen operator -> how it becomes nodes. Linear layers, dropout and flatten arrive split into these."""
