"""Scaled dot-product attention, spelled out as two products and a softmax."""

import math

import numpy as np

from mogakit.export.builder import Builder, NotInThisForm
from mogakit.export.rules.rule import Rule
from mogakit.export.trace import Call

LARGEST = 1e9
"""What a mask takes away instead of infinity: as far below any product, and no NaN where a whole row is masked."""


def _attention(builder: Builder, call: Call) -> list[str | None]:
    arguments = call.arguments
    query, key, value = (builder.read(call, name) for name in ("query", "key", "value"))
    if arguments.get("dropout_p"):
        raise NotInThisForm("it drops out; supported is dropout_p=0")
    *batch, length, width = builder.shape(query)
    other = builder.shape(key)[-2]
    scale = arguments.get("scale") or 1 / math.sqrt(width)
    rank = len(batch) + 2
    turned = builder.permute(key, [*range(rank - 2), rank - 1, rank - 2])
    scores = builder.matmul(builder.scaled(query, scale), turned)
    mask = arguments.get("attn_mask")
    if arguments.get("is_causal"):
        scores = builder.add(scores, builder.constant(np.triu(np.full((length, other), -LARGEST, np.float32), 1)))
    if mask is not None:
        scores = builder.add(scores, builder.operand(_finite(mask)))
    attended = builder.matmul(builder.softmax(scores, -1), value)
    return [attended, *[None] * (len(call.results) - 1)]


def _finite(mask: object) -> object:
    """Return a mask to be added: a boolean one keeps where it is true."""
    import torch

    if not isinstance(mask, torch.Tensor):
        return mask
    if mask.dtype == torch.bool:
        return (~mask).float() * -LARGEST
    return mask.clamp(min=-LARGEST)


RULES: dict[str, Rule] = {
    "_scaled_dot_product_flash_attention_for_cpu": _attention,
    "_scaled_dot_product_attention_math": _attention,
}
