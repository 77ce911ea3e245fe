"""What only moves elements or compares them, and so takes those of bfloat16, as views do."""

from __future__ import annotations

from minigrad.core.declare import Primitive
from minigrad.core.rules import REGISTRY

__all__: list[str] = []

_MOVES = (
    "_cast", "_convert", "all", "amax", "amin", "any", "argmax", "argmin", "best_places", "cat",
    "clone", "contiguous", "count_nonzero", "embed_diagonal", "embedding", "flip", "gather",
    "im2col", "index", "index_put", "logical_and", "logical_not", "logical_or", "logical_xor",
    "median_places", "mode_places", "pad_copies", "place_at_rank", "roll", "scatter",
    "scatter_amax", "scatter_amin", "sorting", "split", "tril", "triu", "unbind",
)  # fmt: skip

for _name in _MOVES:
    _op = REGISTRY[_name]
    assert isinstance(_op, Primitive), _name
    _op.moves = True
