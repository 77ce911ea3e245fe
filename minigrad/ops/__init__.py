"""What can be computed: one declaration per operation, in files by family.

Importing this package fills the registry of operations, puts the methods on tensors, and gives the
engine what it needs to add gradients.
"""

from minigrad.ops import loops  # noqa: F401 - before the first formula is declared

# isort: split
from minigrad.autograd import nonfinite  # noqa: F401 - looks at what backward passes begin at
from minigrad.core.declare import REGISTRY
from minigrad.core.public import PUBLIC
from minigrad.ops import (  # noqa: F401 - copies, guard, layout: what tensors and functions get
    activations,
    aliases,
    arithmetic,
    assign,
    batching_core,
    compare,
    compiled,
    copies,
    counting,
    creation,
    guard,
    index,
    join,
    later,
    layers,
    layout,
    linear_algebra,
    mathematics,
    random,
    random_in_place,
    rearrange,
    reduce,
    refusals,
    scatter,
    select,
    shape,
    slices,
    sort,
    strides,
    to_python,
)

# isort: split
from minigrad.ops import bfloat16  # noqa: F401 - after all of them are declared

__all__ = [
    "PUBLIC",
    "REGISTRY",
    "activations",
    "aliases",
    "arithmetic",
    "assign",
    "compare",
    "counting",
    "creation",
    "index",
    "join",
    "layers",
    "linear_algebra",
    "mathematics",
    "random",
    "random_in_place",
    "rearrange",
    "reduce",
    "scatter",
    "select",
    "shape",
    "slices",
    "sort",
    "strides",
]
