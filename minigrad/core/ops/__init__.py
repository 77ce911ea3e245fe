"""The operations of a whole small library: what `core` needs to train a network."""

from minigrad.core import gradients, several
from minigrad.core.ops import elementwise, index, matmul, operators, reduce, shape

__all__ = ["elementwise", "gradients", "index", "matmul", "operators", "reduce", "several", "shape"]
