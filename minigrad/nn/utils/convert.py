"""All parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

from minigrad.core.ops.shape import reshape
from minigrad.core.promotion import cast
from minigrad.core.tensor import Tensor
from minigrad.ops.join import cat

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """The elements of all parameters, one parameter after the other, in the graph.

    Parameters
    ----------
    parameters : iterable of Tensor

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.utils.parameters_to_vector([mg.ones(2), mg.zeros(1, 2)])
    tensor([1., 1., 0., 0.])
    """
    return cat([reshape(p, (-1,)) for p in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Set the parameters to the elements of a vector.

    Parameters
    ----------
    vec : Tensor
        As :func:`parameters_to_vector` gives.
    parameters : iterable of Tensor
        They stay the same tensors.

    Raises
    ------
    TypeError
        If `vec` is no tensor.
    RuntimeError
        If it has not as many elements as the parameters together.

    Examples
    --------
    >>> import minigrad as mg
    >>> layer = mg.nn.Linear(2, 1)
    >>> mg.nn.utils.vector_to_parameters(mg.tensor([1.0, 2.0, 3.0]), layer.parameters())
    >>> layer.bias
    Parameter containing:
    tensor([3.], requires_grad=True)
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected a Tensor as vec, got {type(vec).__name__}")
    listed = list(parameters)
    wanted = sum(p.array.size for p in listed)
    if vec.array.size != wanted:
        raise RuntimeError(
            f"the vector has {vec.array.size} elements, the parameters have {wanted} together"
        )
    start, flat = 0, reshape(vec.detach(), (-1,))
    for p in listed:
        n = p.array.size
        part = reshape(flat[start : start + n], p.array.shape)
        p.data = cast(part, p.array.dtype).clone()
        start += n
