"""Pruning: weights that are set to 0 and stay 0 while the others are trained on.

A pruned ``weight`` is no parameter any more: it is ``weight_mask * weight_orig``, which a hook
computes before each call. `weight_orig` is the parameter, the mask a buffer; both are saved.
:func:`rewind` sets the weights that are left back to what they were, for lottery tickets.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from minigrad.core.tensor import Tensor
from minigrad.nn.module import M, Module
from minigrad.nn.utils.convert import parameters_to_vector
from minigrad.nn.utils.pruning_methods import (
    BasePruningMethod,
    CustomFromMask,
    Identity,
    L1Unstructured,
    LnStructured,
    PruningContainer,
    RandomStructured,
    RandomUnstructured,
)
from minigrad.nn.utils.rewinding import rewind
from minigrad.ops.creation import ones_like

__all__ = [
    "BasePruningMethod", "CustomFromMask", "Identity", "L1Unstructured", "LnStructured",
    "PruningContainer", "RandomStructured", "RandomUnstructured", "custom_from_mask",
    "global_unstructured", "identity", "is_pruned", "l1_unstructured", "ln_structured",
    "random_structured", "random_unstructured", "remove", "rewind",
]  # fmt: skip


def identity(module: M, name: str) -> M:
    """Prune nothing: only make ``name_orig`` and a mask of ones.

    Parameters
    ----------
    module : Module
    name : str
        Of the parameter.

    Returns
    -------
    Module
        `module`.

    Examples
    --------
    >>> import minigrad as mg
    >>> layer = mg.nn.utils.prune.identity(mg.nn.Linear(2, 3), "bias")
    >>> layer.bias_mask
    tensor([1., 1., 1.])
    """
    Identity.apply(module, name)
    return module


def random_unstructured(module: M, name: str, amount: float) -> M:
    """Prune elements at random.

    Parameters
    ----------
    module : Module
    name : str
        Of the parameter.
    amount : int or float
        How many of those not pruned yet; a float between 0 and 1 is a share of them.

    Returns
    -------
    Module
        `module`.

    Examples
    --------
    >>> import minigrad as mg
    >>> layer = mg.nn.utils.prune.random_unstructured(mg.nn.Linear(2, 3), "weight", amount=1)
    >>> int((layer.weight_mask == 0).sum())
    1
    """
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(
    module: M, name: str, amount: float, importance_scores: Tensor | None = None
) -> M:
    """Prune the elements of the smallest magnitude.

    Parameters
    ----------
    module : Module
    name : str
        Of the parameter.
    amount : int or float
        How many of those not pruned yet; a float between 0 and 1 is a share of them.
    importance_scores : Tensor, optional
        Of the parameter's shape, to compare instead of its elements.

    Returns
    -------
    Module
        `module`.

    Examples
    --------
    >>> import minigrad as mg
    >>> layer = mg.nn.Linear(4, 1)
    >>> _ = layer.weight.data.copy_(mg.tensor([[0.1, -0.4, 0.3, -0.2]]))
    >>> mg.nn.utils.prune.l1_unstructured(layer, "weight", amount=0.5).weight.detach()
    tensor([[ 0.0000, -0.4000,  0.3000, -0.0000]])
    >>> [name for name, _ in layer.named_parameters()]
    ['bias', 'weight_orig']
    """
    L1Unstructured.apply(module, name, amount=amount, importance_scores=importance_scores)
    return module


def random_structured(module: M, name: str, amount: float, dim: int) -> M:
    """Prune whole channels at random: all elements with the same index along `dim`.

    Parameters
    ----------
    module : Module
    name : str
        Of the parameter, of two dimensions at least.
    amount : int or float
        How many of the channels not pruned yet, or what share of them.
    dim : int

    Returns
    -------
    Module
        `module`.
    """
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(
    module: M, name: str, amount: float, n: Any, dim: int,
    importance_scores: Tensor | None = None,
) -> M:  # fmt: skip
    """Prune the channels with the smallest n-norms.

    Parameters
    ----------
    module : Module
    name : str
        Of the parameter, of two dimensions at least.
    amount : int or float
        How many of the channels not pruned yet, or what share of them.
    n : int, float, inf, -inf, "fro" or "nuc"
        As for :func:`minigrad.norm`.
    dim : int
        The dimension that counts the channels.
    importance_scores : Tensor, optional
        Of the parameter's shape, to compare instead of its elements.

    Returns
    -------
    Module
        `module`.

    Examples
    --------
    >>> import minigrad as mg
    >>> conv = mg.nn.Conv2d(3, 4, 3)
    >>> _ = mg.nn.utils.prune.ln_structured(conv, "weight", amount=0.5, n=2, dim=0)
    >>> int((conv.weight == 0).all((1, 2, 3)).sum())  # of 4 filters
    2
    """
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def custom_from_mask(module: M, name: str, mask: Tensor) -> M:
    """Prune where a mask is 0.

    Parameters
    ----------
    module : Module
    name : str
        Of the parameter.
    mask : Tensor
        Of its shape.

    Returns
    -------
    Module
        `module`.

    Examples
    --------
    >>> import minigrad as mg
    >>> layer = mg.nn.Linear(5, 3)
    >>> _ = mg.nn.utils.prune.custom_from_mask(layer, "bias", mg.tensor([0, 1, 0]))
    >>> layer.bias_mask
    tensor([0., 1., 0.])
    """
    CustomFromMask.apply(module, name, mask)
    return module


def global_unstructured(
    parameters: Any, pruning_method: type[BasePruningMethod], importance_scores: Any = None,
    **kwargs: Any,
) -> None:  # fmt: skip
    """Prune many parameters as if they were one: more where the weights are smaller.

    Parameters
    ----------
    parameters : iterable of (Module, str)
        Modules with the names of their parameters.
    pruning_method : type
        An unstructured method, such as ``L1Unstructured``.
    importance_scores : dict, optional
        From ``(module, name)`` to tensors to compare instead of the parameter's elements.
    **kwargs
        For the method: ``amount``.

    Raises
    ------
    TypeError
        If `parameters` cannot be iterated, `importance_scores` is no dict, or the method prunes
        whole channels.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.nn.utils import prune
    >>> net = mg.nn.Sequential(mg.nn.Linear(10, 4), mg.nn.ReLU(), mg.nn.Linear(4, 1))
    >>> both = [(net[0], "weight"), (net[2], "weight")]
    >>> prune.global_unstructured(both, prune.L1Unstructured, amount=10)
    >>> sum(int((module.weight == 0).sum()) for module, _ in both)
    10
    """
    if not isinstance(parameters, Iterable):
        raise TypeError("global_unstructured(): parameters is not an Iterable")
    scores = {} if importance_scores is None else importance_scores
    if not isinstance(scores, dict):
        raise TypeError("global_unstructured(): importance_scores must be of type dict")
    places: list[tuple[Module, str]] = [(module, name) for module, name in parameters]
    tensors = [getattr(module, name) for module, name in places]
    compared = [scores.get(place, t) for place, t in zip(places, tensors, strict=True)]
    masks = [
        getattr(module, f"{name}_mask", None) for module, name in places
    ]  # those of earlier pruning
    known = [ones_like(t) if m is None else m for m, t in zip(masks, tensors, strict=True)]
    method = pruning_method(**kwargs)
    if method.PRUNING_TYPE != "unstructured":
        raise TypeError(
            'Only "unstructured" PRUNING_TYPE supported for the `pruning_method`. Found method '
            f"{pruning_method} of type {method.PRUNING_TYPE}"
        )
    method._tensor_name = "temp"
    container = PruningContainer(method)
    mask = container.compute_mask(
        parameters_to_vector(compared).detach(), parameters_to_vector(known)
    )
    start = 0
    for (module, name), t in zip(places, tensors, strict=True):
        part = mask[start : start + t.numel()]
        custom_from_mask(module, name, mask=part.reshape(t.shape))
        start += t.numel()


def remove(module: M, name: str) -> M:
    """Make a pruned parameter a plain one again, with the zeros in it: pruning is permanent.

    Parameters
    ----------
    module : Module
    name : str
        Of the parameter, without ``_orig``.

    Returns
    -------
    Module
        `module`.

    Raises
    ------
    ValueError
        If it is not pruned.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.nn.utils import prune
    >>> layer = prune.random_unstructured(mg.nn.Linear(5, 7), "weight", amount=0.2)
    >>> _ = prune.remove(layer, "weight")
    >>> [name for name, _ in layer.named_parameters()], int((layer.weight == 0).sum())
    (['bias', 'weight'], 7)
    """
    for key, hook in module._forward_pre_hooks.items():
        method: Any = hook.function
        if isinstance(method, BasePruningMethod) and method._tensor_name == name:
            method.remove(module)
            del module._forward_pre_hooks[key]
            return module
    raise ValueError(
        f"Parameter '{name}' of module {module} has to be pruned before pruning can be removed"
    )


def is_pruned(module: Module) -> bool:
    """Whether anything in a module is pruned.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.nn.utils import prune
    >>> net = mg.nn.Sequential(mg.nn.Linear(5, 7))
    >>> prune.is_pruned(net)
    False
    >>> _ = prune.identity(net[0], "weight")
    >>> prune.is_pruned(net)
    True
    """
    return any(
        isinstance(hook.function, BasePruningMethod)
        for inner in module.modules()
        for hook in inner._forward_pre_hooks.values()
    )
