"""From a list of samples to a batch."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

from minigrad.core import dtypes
from minigrad.core.public import PUBLIC
from minigrad.core.tensor import Tensor
from minigrad.ops.creation import as_tensor, tensor

__all__ = ["default_collate", "default_convert"]


def default_collate(batch: Sequence[Any]) -> Any:
    """Stack samples into a batch, with a new first dimension.

    Tensors, numpy arrays and numbers become one tensor (Python floats a float64 one); strings stay
    a list; of dictionaries, named tuples, tuples and lists, each place is collated for itself.
    Tuples become lists, as in PyTorch.

    Raises
    ------
    TypeError
        For anything else.
    RuntimeError
        For lists of different length, and tensors of different shape.

    Examples
    --------
    >>> from minigrad.data import default_collate
    >>> default_collate([{"x": 1, "name": "a"}, {"x": 2, "name": "b"}])
    {'x': tensor([1, 2]), 'name': ['a', 'b']}
    """
    first = batch[0]
    if isinstance(first, Tensor):
        return _stack(batch)
    if isinstance(first, np.ndarray):
        if first.dtype.kind in "SUO":
            raise TypeError(_not_known(first.dtype))
        return _stack([as_tensor(b) for b in batch])
    if isinstance(first, np.generic) and not isinstance(first, (str, bytes, float)):
        return as_tensor(np.array(batch))
    if isinstance(first, float):
        return tensor(list(batch), dtype=dtypes.float64)
    if isinstance(first, int):
        return tensor(list(batch))
    if isinstance(first, (str, bytes)):
        return batch
    if isinstance(first, Mapping):
        return _like_mapping(first, {k: default_collate([b[k] for b in batch]) for k in first})
    if isinstance(first, Sequence):
        return _collate_sequences(first, batch)
    raise TypeError(_not_known(type(first)))


def _not_known(kind: Any) -> str:
    return (
        "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; "
        f"found {kind}; give the DataLoader a collate_fn of your own"
    )


def _stack(batch: Sequence[Tensor]) -> Tensor:
    """One tensor of tensors of the same shape; by numpy alone where no graph is wanted."""
    shape, dtype = batch[0].array.shape, batch[0].array.dtype
    for i, t in enumerate(batch):
        if t.array.shape != shape:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(shape)} at entry 0 and "
                f"{list(t.array.shape)} at entry {i}"
            )
    if any(t._requires_grad or t.array.dtype != dtype for t in batch):
        recorded: Tensor = PUBLIC["stack"](list(batch))
        return recorded
    return Tensor(np.array([t.array for t in batch]))


def _collate_sequences(first: Any, batch: Sequence[Any]) -> Any:
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*[default_collate(place) for place in zip(*batch, strict=True)])
    if any(len(b) != len(first) for b in batch):
        raise RuntimeError("each element in list of batch should be of equal size")
    places = [default_collate(place) for place in zip(*batch, strict=True)]
    return places if isinstance(first, tuple) else _like_sequence(first, places)


def _like_mapping(first: Any, values: dict[Any, Any]) -> Any:
    """`values` as a mapping of the class of `first`, as far as that can be made."""
    try:
        if isinstance(first, MutableMapping):
            clone = copy.copy(first)
            clone.update(values)
            return clone
        return type(first)(values)
    except TypeError:
        return values


def _like_sequence(first: Any, places: list[Any]) -> Any:
    """`places` as a sequence of the class of `first`, as far as that can be made."""
    try:
        if isinstance(first, MutableSequence):
            clone = copy.copy(first)
            for i, place in enumerate(places):
                clone[i] = place
            return clone
        return type(first)(places)
    except TypeError:
        return places


def default_convert(data: Any) -> Any:
    """Turn numpy arrays into tensors, also inside dictionaries and lists; without a new dimension.

    What the loader does to samples with ``batch_size=None``.
    """
    convert: Callable[[Any], Any] = default_convert
    if isinstance(data, Tensor):
        return data
    if isinstance(data, (np.ndarray, np.generic)) and not isinstance(data, (str, bytes)):
        return data if np.asarray(data).dtype.kind in "SUO" else as_tensor(np.asarray(data))
    if isinstance(data, Mapping):
        return _like_mapping(data, {k: convert(v) for k, v in data.items()})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*[convert(d) for d in data])
    if isinstance(data, tuple):
        return [convert(d) for d in data]
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return _like_sequence(data, [convert(d) for d in data])
    return data
