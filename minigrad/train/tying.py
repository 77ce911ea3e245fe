"""Weight tying: one parameter that works in two places."""

from __future__ import annotations

from typing import Any

from minigrad.nn.module import Module
from minigrad.nn.parameter import Parameter
from minigrad.tensor import Tensor

__all__ = ["tie"]

_TIES = "_tied_to"


def tie(
    source: Module, name: str, target: Module, target_name: str, transpose: bool = False
) -> Module:
    """Give `target` a parameter of `source`: there is one, and the gradients of both uses add up.

    A decoder tied to its encoder, or the output layer of a language model tied to its embedding
    (Press & Wolf 2017). It is parameter sharing, as a regularizer: half the weights, and none to
    overfit on its own.

    Parameters
    ----------
    source : Module
    name : str
        The parameter of `source` that is used.
    target : Module
    target_name : str
        The parameter of `target` that it takes the place of.
    transpose : bool
        `target` uses it transposed: a linear decoder of a linear encoder. Its own parameter is then
        gone from ``parameters()`` and ``state_dict()``: it is computed whenever it is read. Without
        it, the state dict has the one parameter under both names.

    Returns
    -------
    Module
        `target`.

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
    >>> encoder, decoder = mg.nn.Linear(5, 2), mg.nn.Linear(2, 5)
    >>> _ = tie(encoder, "weight", decoder, "weight", transpose=True)
    >>> bool((decoder.weight == encoder.weight.T).all())
    True
    >>> [name for name, _ in decoder.named_parameters()]
    ['bias']
    """
    shared, old = source.get_parameter(name), target.get_parameter(target_name)
    shape = tuple(reversed(shared.shape)) if transpose else tuple(shared.shape)
    if shape != tuple(old.shape):
        how = "transposed " if transpose else ""
        raise RuntimeError(
            f"cannot tie '{target_name}' of {type(target).__name__}, of shape {list(old.shape)}, "
            f"to the {how}'{name}' of {type(source).__name__}, of shape {list(shared.shape)}"
        )
    if not transpose:
        setattr(target, target_name, shared)
        return target
    delattr(target, target_name)
    ties: dict[str, tuple[Module, str]] = target.__dict__.setdefault(_TIES, {})
    ties[target_name] = (source, name)
    target.__class__ = _tied_class(type(target), target_name)
    return target


def _tied_class(kind: type[Module], name: str) -> type[Module]:
    """A class like `kind`, in which one parameter is read from elsewhere."""

    def read(self: Any) -> Tensor:
        source, other = self.__dict__[_TIES][name]
        shared: Parameter = getattr(source, other)
        return shared.permute(*reversed(range(shared.ndim)))  # type: ignore[attr-defined, no-any-return]

    read.__doc__ = "The transposed parameter of another module."
    return type(f"Tied{kind.__name__}", (kind,), {name: property(read)})
