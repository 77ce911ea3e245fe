"""Weight normalization by a hook: the older form, for scripts and checkpoints that have it."""

from __future__ import annotations

import warnings
from typing import Any

from minigrad.core.tensor import Tensor
from minigrad.nn.module import M, Module
from minigrad.nn.parameter import Parameter
from minigrad.nn.utils.norms import scaled
from minigrad.ops.aliases import norm_except_dim

__all__ = ["WeightNorm", "remove_weight_norm", "weight_norm"]


class WeightNorm:
    """The hook that computes the weight before each call of the module.

    Parameters
    ----------
    name : str
        Of the parameter.
    dim : int or None
        As for :func:`weight_norm`.
    """

    def __init__(self, name: str, dim: int | None) -> None:
        self.name = name
        self.dim = -1 if dim is None else dim

    def compute_weight(self, module: Module) -> Tensor:
        """``g v / ||v||``."""
        g, v = (getattr(module, f"{self.name}_{part}") for part in "gv")
        return scaled(g, v, self.dim)

    @staticmethod
    def apply(module: Module, name: str, dim: int | None) -> WeightNorm:
        """Put the hook on a module."""
        for hook in module._forward_pre_hooks.values():
            if isinstance(hook.function, WeightNorm) and hook.function.name == name:
                raise RuntimeError(
                    f"Cannot register two weight_norm hooks on the same parameter {name}"
                )
        made = WeightNorm(name, dim)
        weight = getattr(module, name)
        del module._parameters[name]
        norms = norm_except_dim(weight.detach(), 2, made.dim)
        module.register_parameter(f"{name}_g", Parameter(norms))
        module.register_parameter(f"{name}_v", Parameter(weight.detach()))
        setattr(module, name, made.compute_weight(module))
        module.register_forward_pre_hook(made)
        return made

    def remove(self, module: Module) -> None:
        """Make the weight a parameter again."""
        weight = self.compute_weight(module)
        delattr(module, self.name)
        del module._parameters[f"{self.name}_g"], module._parameters[f"{self.name}_v"]
        setattr(module, self.name, Parameter(weight.detach()))

    def __call__(self, module: Module, inputs: Any) -> None:
        """Compute the weight anew, before `module` is called."""
        setattr(module, self.name, self.compute_weight(module))


def weight_norm(module: M, name: str = "weight", dim: int = 0) -> M:
    """Replace a weight by its length and its direction, ``g v / ||v||`` (Salimans and Kingma 2016).

    The parameters are ``weight_g`` and ``weight_v``, and a hook sets ``weight`` before each call.
    Deprecated: :func:`minigrad.nn.utils.parametrizations.weight_norm` does the same, is right at
    any time, and reads what this form saved.

    Parameters
    ----------
    module : Module
    name : str
    dim : int or None
        The dimension whose entries have a length each; None for one length of the whole tensor.

    Returns
    -------
    Module
        `module`.

    Raises
    ------
    RuntimeError
        If the parameter has such a hook already.

    Warns
    -----
    FutureWarning
        Always.
    """
    warnings.warn(
        "`nn.utils.weight_norm` is deprecated in favor of `nn.utils.parametrizations.weight_norm`.",
        FutureWarning,
        stacklevel=2,
    )
    WeightNorm.apply(module, name, dim)
    return module


def remove_weight_norm(module: M, name: str = "weight") -> M:
    """Make a parameter that :func:`weight_norm` replaced a plain one again.

    Raises
    ------
    ValueError
        If there is no such hook.
    """
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook.function, WeightNorm) and hook.function.name == name:
            hook.function.remove(module)
            del module._forward_pre_hooks[key]
            return module
    raise ValueError(f"weight_norm of '{name}' not found in {module}")
