"""Initialization of residual networks without normalization."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from minigrad.core.tensor import given
from minigrad.nn.fill import kaiming_normal_, ones_, zeros_
from minigrad.nn.init.data_dependent import _scale, _weight, weight_layers
from minigrad.nn.module import M, Module
from minigrad.nn.parameter import Parameter
from minigrad.ops.random import Generator

__all__ = ["fixup_"]


_ACTIVATIONS = (
    "CELU", "ELU", "GELU", "Hardswish", "LeakyReLU", "Mish", "PReLU", "ReLU", "ReLU6", "SELU",
    "SiLU", "Sigmoid", "Softplus", "Tanh",
)  # fmt: skip


def _add_bias(module: Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The hook that adds the scalar bias to the input."""
    return (args[0] + module.fixup_bias, *args[1:])


def _multiply(module: Module, args: tuple[Any, ...], output: Any) -> Any:
    """The hook that multiplies the output with the scalar multiplier."""
    return output * module.fixup_scale


def _add_scalar(module: Module, name: str, kind: np.dtype[Any]) -> bool:
    """Register a scalar parameter; whether it is new."""
    known = name in module._parameters
    if not known:
        module.register_parameter(name, Parameter(given(np.zeros(1, kind))))
    return not known


def fixup_(
    model: M, branches: Iterable[Any], classifier: Any = None, *, scalars: bool = True,
    generator: Generator | None = None,
) -> M:  # fmt: skip
    r"""Set a residual network so that it can be trained deep without normalization.

    Zhang, Dauphin and Ma 2019. In a network of L residual blocks :math:`x + F_l(x)`, each step of
    training changes every block, and with usual weights the sum of the changes grows with L. Here:

    1. the last layer of each branch F and the classification layer are 0;
    2. other layers get He's initialization, those inside a branch of m layers times
       :math:`L^{-1/(2m-2)}`: their variance is :math:`2 / fan_{in} \cdot L^{-1/(m-1)}`;
    3. each branch gets a scalar multiplier (1 at first) behind its last layer, and scalar biases
       (0 at first) before its layers and activations.

    Biases are set to 0. At first each block is the identity, so that signal and gradient have the
    same size at every depth.

    Parameters
    ----------
    model : Module
    branches : iterable of Module, str or sequence of them
        One entry for each residual branch, without its skip connection: the module that computes
        F, its name in `model`, or a list of its layers from the first to the last. The layers of a
        module are taken in the order in which they are registered.
    classifier : Module or str, optional
        The last layer of the network.
    scalars : bool
        Add the scalar parameters of rule 3: ``fixup_bias`` on linear layers, convolutions and
        activation modules of a branch, ``fixup_scale`` on its last layer, with hooks that use them.
        They are in the ``state_dict``; to load it into another model, call ``fixup_`` on that
        first. For an activation that is given as a function no bias is added.
    generator : Generator, optional

    Returns
    -------
    Module
        `model`.

    Raises
    ------
    ValueError
        If there are no branches, or one has no linear layer or convolution.
    TypeError
        If an entry is neither a module nor a name.

    Examples
    --------
    >>> import minigrad as mg
    >>> nn = mg.nn
    >>> class Block(nn.Module):
    ...     def __init__(self, n):
    ...         super().__init__()
    ...         self.branch = nn.Sequential(nn.Linear(n, n), nn.ReLU(), nn.Linear(n, n))
    ...     def forward(self, x):
    ...         return x + self.branch(x)
    >>> net = nn.Sequential(*[Block(8) for _ in range(50)], nn.Linear(8, 3))
    >>> branches = [block.branch for block in net[:-1]]
    >>> _ = nn.init.fixup_(net, branches, classifier=net[-1])
    >>> x = mg.randn(2, 8)
    >>> bool((net[:-1](x) == x).all()), net(x).abs().max().item()
    (True, 0.0)
    >>> [name for name, _ in net[0].branch.named_parameters() if "fixup" in name]
    ['0.fixup_bias', '1.fixup_bias', '2.fixup_bias', '2.fixup_scale']
    """
    listed = [_parts(model, branch) for branch in branches]
    if not listed:
        raise ValueError("fixup_ expects at least one residual branch")
    last = None if classifier is None else _found(model, classifier)
    inside = [layer for layers, _ in listed for layer in layers]
    for layer in weight_layers(model):
        if layer is not last and not any(layer is other for other in inside):
            _he(layer, 1.0, generator)
    for layers, activations in listed:
        *first, end = layers
        shrink = 1.0 if not first else len(listed) ** (-1 / (2 * len(first)))
        for layer in first:
            _he(layer, shrink, generator)
        _zero(end)
        if scalars:
            _add_scalars(layers, activations)
    if last is not None:
        _zero(last)
    return model


def _found(model: Module, part: Any) -> Module:
    """A module, given itself or by its name."""
    found = model.get_submodule(part) if isinstance(part, str) else part
    if not isinstance(found, Module):
        raise TypeError(f"fixup_ expects modules or their names, got {type(part).__name__}")
    return found


def _parts(model: Module, branch: Any) -> tuple[list[Module], list[Module]]:
    """The layers with weights of a branch, and its activations."""
    if isinstance(branch, Sequence) and not isinstance(branch, str):
        roots = [_found(model, part) for part in branch]
    else:
        roots = [_found(model, branch)]
    layers = [layer for root in roots for layer in weight_layers(root)]
    if not layers:
        raise ValueError(f"a residual branch has no linear layer or convolution: {branch}")
    inside = {id(m): m for root in roots for m in root.modules()}
    return layers, [m for m in inside.values() if type(m).__name__ in _ACTIVATIONS]


def _he(layer: Module, factor: float, generator: Generator | None) -> None:
    kaiming_normal_(_weight(layer), nonlinearity="relu", generator=generator)
    _scale(_weight(layer), factor)
    if layer._parameters.get("bias") is not None:
        zeros_(layer.bias)


def _zero(layer: Module) -> None:
    for p in layer._parameters.values():
        if p is not None:
            zeros_(p)


def _add_scalars(layers: list[Module], activations: list[Module]) -> None:
    kind = _weight(layers[0]).array.dtype
    for module in [*layers, *activations]:
        if _add_scalar(module, "fixup_bias", kind):
            module.register_forward_pre_hook(_add_bias)
        zeros_(module.fixup_bias)
    if _add_scalar(layers[-1], "fixup_scale", kind):
        layers[-1].register_forward_hook(_multiply)
    ones_(layers[-1].fixup_scale)
