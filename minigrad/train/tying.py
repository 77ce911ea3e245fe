"""Weight tying: one parameter that works in two places."""

from __future__ import annotations

from minigrad.nn.module import M, Module

__all__ = ["tie"]


def tie(source: Module, name: str, target: M, target_name: str) -> M:
    """Give `target` a parameter of `source`: there is one, and the gradients of both uses add up.

    The output layer of a language model tied to its embedding (Press & Wolf 2017), or two branches
    that shall compute the same (Bromley et al. 1993). It is parameter sharing, as a regularizer:
    fewer weights, and none to overfit on its own. A linear decoder that is its encoder transposed
    is a layer: :class:`minigrad.nn.TransposedLinear`.

    Parameters
    ----------
    source : Module
    name : str
        The parameter of `source` that is used.
    target : Module
    target_name : str
        The parameter of `target` that it takes the place of.

    Returns
    -------
    Module
        `target`. The state dict of a model with both has the one parameter under both names.

    Raises
    ------
    AttributeError
        If a module has no such parameter.
    RuntimeError
        If the shapes differ.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.train import tie
    >>> table, scores = mg.nn.Embedding(5, 2), mg.nn.Linear(2, 5, bias=False)
    >>> net = mg.nn.Sequential(table, tie(table, "weight", scores, "weight"))
    >>> len(list(net.parameters())), scores.weight is table.weight
    (1, True)
    """
    shared, old = source.get_parameter(name), target.get_parameter(target_name)
    if shared.shape != old.shape:
        raise RuntimeError(
            f"cannot tie '{target_name}' of {type(target).__name__}, of shape {list(old.shape)}, "
            f"to '{name}' of {type(source).__name__}, of shape {list(shared.shape)}; for a linear "
            "layer that uses a weight transposed there is nn.TransposedLinear"
        )
    setattr(target, target_name, shared)
    return target
