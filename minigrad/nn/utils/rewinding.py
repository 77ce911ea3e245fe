"""Lottery tickets: the weights that are left after pruning, as they were before training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from minigrad.core.modes import no_grad
from minigrad.nn.module import M, Module
from minigrad.nn.parameter import Parameter
from minigrad.nn.utils.pruning_methods import BasePruningMethod
from minigrad.ops.inplace import store

__all__ = ["rewind"]


def rewind(model: M, state: Mapping[str, Any]) -> M:
    """Set all weights back to earlier values, and keep what is pruned.

    Frankle and Carbin 2019: a network contains a much smaller one that trains as well, if it starts
    from the weights that it had in the large network. It is found by training, pruning the smallest
    weights, and rewinding the others to their initial values; often in several rounds, each of
    which prunes a share. Frankle et al. 2020 rewind to the weights after a few steps instead, which
    larger networks need.

    Parameters
    ----------
    model : Module
        Pruned or not.
    state : mapping of str to Tensor
        Copies of all parameters (:func:`copy.deepcopy` of ``state_dict()``), before the
        pruning or since; buffers that are in it are set back, too, but no masks.

    Returns
    -------
    Module
        `model`. Make a new optimizer, so that nothing of the old training is left in it.

    Raises
    ------
    KeyError
        If `state` lacks a parameter.
    RuntimeError
        If one has another shape, or shares its memory with the model: ``state_dict()`` does not
        copy, so that what it gave before training has followed the training.

    Examples
    --------
    >>> import copy
    >>> import minigrad as mg
    >>> from minigrad.nn.utils import prune
    >>> net = mg.nn.Linear(4, 1)
    >>> initial = copy.deepcopy(net.state_dict())
    >>> optimizer = mg.optim.SGD(net.parameters(), lr=0.1)
    >>> net(mg.ones(1, 4)).sum().backward()
    >>> optimizer.step()
    >>> _ = prune.l1_unstructured(net, "weight", amount=0.5)
    >>> _ = prune.rewind(net, initial)
    >>> bool((net.weight == initial["weight"] * net.weight_mask).all())
    True
    """
    found: list[tuple[Any, Any]] = []  # all are looked up before any is changed
    for name, t in _all_tensors(model):
        value = state.get(name, state.get(name.removesuffix("_orig")))
        if value is None and isinstance(t, Parameter):
            raise KeyError(f"there is no {name!r} to rewind to in the given state")
        if value is None:
            continue
        if value.shape != t.shape:
            raise RuntimeError(
                f"{name} is of shape {t.shape}, and of shape {value.shape} in the given state"
            )
        if np.may_share_memory(t.array, value.array):
            raise RuntimeError(
                f"rewind: {name} of the given state is the memory of the model itself, which has "
                "the values of now: state_dict() does not copy; before training keep "
                "copy.deepcopy(model.state_dict())"
            )
        found.append((t, value))
    with no_grad():
        for t, value in found:
            store(t, value)
    for module in model.modules():
        for hook in module._forward_pre_hooks.values():
            if isinstance(hook.function, BasePruningMethod):
                hook.function(module, ())
    return model


def _all_tensors(model: Module) -> list[tuple[str, Any]]:
    """Parameters and buffers, without the masks of pruned parameters."""
    parameters = dict(model.named_parameters())
    masks = {f"{name.removesuffix('_orig')}_mask" for name in parameters if name.endswith("_orig")}
    buffers = [(name, b) for name, b in model.named_buffers() if name not in masks]
    return [*parameters.items(), *buffers]
