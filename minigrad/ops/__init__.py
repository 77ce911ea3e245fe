"""What can be computed: one declaration per operation, in files by family.

Importing this package fills the registry of operations, puts the methods on tensors, and gives the
engine what it needs to add gradients.
"""

from minigrad.ops import (
    activations,
    arithmetic,
    assign,
    compare,
    creation,
    einsum,
    elementwise,
    index,
    join,
    linalg,
    losses,
    nn,
    normalization,
    parts,
    random,
    rearrange,
    reduce,
    scatter,
    select,
    shape,
    sort,
    special,
    statistics,
)
from minigrad.ops.declare import REGISTRY
from minigrad.ops.functions import PUBLIC

__all__ = [
    "PUBLIC",
    "REGISTRY",
    "activations",
    "arithmetic",
    "assign",
    "compare",
    "creation",
    "einsum",
    "elementwise",
    "index",
    "join",
    "linalg",
    "losses",
    "nn",
    "normalization",
    "parts",
    "random",
    "rearrange",
    "reduce",
    "scatter",
    "select",
    "shape",
    "sort",
    "special",
    "statistics",
]
