"""Transforms of functions: derivatives, and many examples at once.

Each takes a function and returns a function, so they nest: ``vmap(grad(loss))`` computes the
gradient of each sample, ``jacfwd(jacrev(f))`` is the Hessian. The names are those of `torch.func`.
"""

from minigrad.func import custom  # noqa: F401 - it tells the interpreter how to call Functions
from minigrad.func.derivatives import (
    grad,
    grad_and_value,
    hessian,
    jacfwd,
    jacrev,
    jvp,
    linearize,
    vjp,
)
from minigrad.func.modules import (
    functional_call,
    replace_all_batch_norm_modules_,
    stack_module_state,
)
from minigrad.func.vmap import vmap

__all__ = [
    "functional_call", "grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "linearize",
    "replace_all_batch_norm_modules_", "stack_module_state", "vjp", "vmap",
]  # fmt: skip
