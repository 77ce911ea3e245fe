"""Transforms of functions: derivatives, and many examples at once.

Each takes a function and returns a function, so they nest: ``vmap(grad(loss))`` computes the
gradient of each sample, ``jacfwd(jacrev(f))`` is the Hessian. The names are those of `torch.func`.
"""

from minigrad.func import custom  # noqa: F401 - it tells the interpreter how to call Functions
from minigrad.func.derivatives import *  # noqa: F403
from minigrad.func.modules import *  # noqa: F403
from minigrad.func.vmap import vmap

from minigrad.func import derivatives, modules  # isort: skip

__all__ = ["vmap", *derivatives.__all__, *modules.__all__]
