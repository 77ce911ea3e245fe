"""bfloat16, a type that stores and converts: where it comes from, and what takes it.

There is no arithmetic. What only moves elements or compares them takes it, as views do.
"""

from __future__ import annotations

from typing import Any

from minigrad.core.declare import Primitive
from minigrad.core.dtypes import LATER
from minigrad.core.rules import REGISTRY

__all__: list[str] = []


def _bfloat16() -> Any:
    """The type of ml_dtypes."""
    try:
        from ml_dtypes import bfloat16
    except ImportError as error:
        raise ImportError(
            "bfloat16 needs ml_dtypes, which comes with the extra 'bfloat16': "
            'pip install "minigrad[bfloat16]"'
        ) from error
    return bfloat16


LATER["bfloat16"] = _bfloat16

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
