"""Sequences of different lengths in one tensor: padded to the longest, or packed without padding.

A packed batch holds the first elements of all sequences, then the second elements of those that
have one, and so on. Sequences are sorted by falling length, so what is still running is always the
first so many of them, and a recurrent layer computes nothing for padding.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from minigrad.core.events import read
from minigrad.core.ops.shape import reshape
from minigrad.core.plain import plain, plain_results
from minigrad.core.promotion import cast
from minigrad.core.tensor import Array, Tensor, given
from minigrad.ops.join import cat
from minigrad.ops.select import index_select

__all__ = [
    "PackedSequence", "invert_permutation", "pack_padded_sequence", "pack_sequence",
    "pad_packed_sequence", "pad_sequence", "unpack_sequence", "unpad_sequence",
]  # fmt: skip


class _Packed(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(_Packed):
    """A batch of sequences of different lengths without padding; all recurrent layers take it.

    Made by :func:`pack_padded_sequence` and :func:`pack_sequence`.

    Parameters
    ----------
    data : Tensor, shape (sum of the lengths, *)
        The elements of step 0, then those of step 1...
    batch_sizes : Tensor of int64, shape (T,)
        How many sequences each step has.
    sorted_indices : Tensor of int64, shape (N,), optional
        Where each sequence stood before they were sorted by length.
    unsorted_indices : Tensor of int64, shape (N,), optional
        The inverse of that.

    Examples
    --------
    >>> import minigrad as mg
    >>> packed = pack_sequence([mg.tensor([1, 2, 3]), mg.tensor([4, 5])])
    >>> packed.data, packed.batch_sizes
    (tensor([1, 4, 2, 5, 3]), tensor([2, 2, 1]))
    """

    __slots__ = ()

    def __new__(
        cls, data: Any, batch_sizes: Tensor | None = None, sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> PackedSequence:  # fmt: skip
        """Fill in the inverse permutation; take ``(data, batch_sizes)`` as one argument, too."""
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        if batch_sizes is None:
            if not (isinstance(data, (list, tuple)) and len(data) == 2):
                raise AssertionError("Expected data to be a list or tuple of length 2")
            data, batch_sizes = data
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """Convert the data, as ``Tensor.to`` does."""
        data = self.data.to(*args, **kwargs)
        return self if data is self.data else self._replace(data=data)

    def cpu(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """Itself: it is there already."""
        return self

    def pin_memory(self) -> PackedSequence:
        """Itself: there is no memory to copy to faster."""
        return self

    def double(self) -> PackedSequence:
        """The data as float64."""
        return self._as("float64")

    def float(self) -> PackedSequence:
        """The data as float32."""
        return self._as("float32")

    def half(self) -> PackedSequence:
        """The data as float16."""
        return self._as("float16")

    def long(self) -> PackedSequence:
        """The data as int64."""
        return self._as("int64")

    def int(self) -> PackedSequence:
        """The data as int32."""
        return self._as("int32")

    def short(self) -> PackedSequence:
        """The data as int16."""
        return self._as("int16")

    def char(self) -> PackedSequence:
        """The data as int8."""
        return self._as("int8")

    def byte(self) -> PackedSequence:
        """The data as uint8."""
        return self._as("uint8")

    def _as(self, name: str) -> PackedSequence:
        kind = np.dtype(name)
        if self.data.array.dtype == kind:
            return self
        return self._replace(data=cast(self.data, kind))

    @property
    def is_cuda(self) -> bool:
        """False."""
        return False

    def is_pinned(self) -> bool:
        """False."""
        return False


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation that undoes one; None for None.

    Examples
    --------
    >>> import minigrad as mg
    >>> invert_permutation(mg.tensor([2, 0, 1]))
    tensor([1, 2, 0])
    """
    if permutation is None:
        return None
    return _inverse((permutation,))


@plain
def _inverse(permutation: Array) -> Array:
    inverse = np.empty_like(permutation)
    inverse[permutation] = np.arange(inverse.size)
    return inverse


def _rows_or(data: Tensor, index: Tensor, missing: Tensor, padding_value: float) -> Tensor:
    """Rows of `data` in the shape of `missing`, and padding where that is true."""
    shape, rest = missing.array.shape, data.array.shape[1:]
    if data.array.shape[0] == 0:
        return given(np.full((*shape, *rest), padding_value, data.array.dtype))
    out: Any = reshape(index_select(data, 0, index), (*shape, *rest))
    if not missing.array.any():  # it follows from sizes that Python knows
        return out  # type: ignore[no-any-return]
    mask = reshape(missing, (*shape, *(1,) * len(rest)))
    return out.masked_fill(mask, padding_value)  # type: ignore[no-any-return]


def _places(rows: Array) -> tuple[Array, Array]:
    """Rows as a vector of indices, and which of them are negative: padding."""
    return np.maximum(rows, 0).reshape(-1), rows < 0


def _flipped(t: Tensor) -> Tensor:
    return t.transpose(0, 1)


# -- packing -------------------------------------------------------------------------------------


def _check_lengths(lengths: Array, batch: int, enforce_sorted: bool) -> None:
    if lengths.ndim != 1:
        raise RuntimeError(
            "'lengths' argument should be a 1D CPU int64 tensor, but got "
            f"{lengths.ndim}D cpu Long tensor"
        )
    if lengths.size != batch:
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {lengths.size} "
            f"(batch_size={batch})"
        )
    if lengths.min(initial=1) <= 0:
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' "
            "that is <= 0"
        )
    if enforce_sorted and (lengths[1:] > lengths[:-1]).any():
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You "
            "can pass `enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to "
            "sidestep this requirement."
        )


def pack_padded_sequence(
    input: Tensor, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Pack sequences that were padded to one length.

    Parameters
    ----------
    input : Tensor, shape (T, N, *), or (N, T, *) if `batch_first`
    lengths : sequence of int, or Tensor, shape (N,)
        The lengths without padding, from 1 to T.
    batch_first : bool
    enforce_sorted : bool
        The sequences come sorted by falling length; otherwise they are sorted here.

    Raises
    ------
    RuntimeError
        If `lengths` does not fit, or is not sorted.

    Examples
    --------
    >>> import minigrad as mg
    >>> padded = mg.tensor([[1, 2, 0], [3, 0, 0], [4, 5, 6]])
    >>> packed = pack_padded_sequence(padded, [2, 1, 3], batch_first=True, enforce_sorted=False)
    >>> packed.data, packed.batch_sizes, packed.sorted_indices
    (tensor([4, 1, 3, 5, 2, 6]), tensor([3, 2, 1]), tensor([2, 0, 1]))
    """
    if isinstance(lengths, Tensor):
        read("pack_padded_sequence", lengths)
        counts = cast(lengths, np.dtype(np.int64))
    else:
        counts = given(np.asarray(lengths).astype(np.int64))
    sizes, shape = counts.array, input.array.shape
    if len(shape) < 2:
        raise IndexError(
            f"Dimension out of range: pack_padded_sequence() expects sequences in two dimensions "
            f"or more, got {len(shape)}"
        )
    steps, batch = (shape[1], shape[0]) if batch_first else shape[:2]
    if input.array.size == 0:
        raise RuntimeError("Cannot pack empty tensors.")
    _check_lengths(sizes, batch, enforce_sorted)
    if sizes.max() > steps:
        raise RuntimeError(
            f"pack_padded_sequence(): a length of {sizes.max()} was given, but the input has "
            f"{steps} steps only (its shape is {list(shape)}, batch_first={batch_first})"
        )
    strides = (steps, 1) if batch_first else (1, batch)
    rows, running, order = _packed_rows((counts,), strides, enforce_sorted)
    flat = reshape(input, (steps * batch, *shape[2:]))
    data = index_select(flat, 0, rows)
    return PackedSequence(data, running, None if enforce_sorted else order)


@plain_results(3)
def _packed_rows(
    sizes: Array, strides: tuple[int, int], is_sorted: bool
) -> tuple[Array, Array, Array]:
    """Which rows are packed, how many sequences run in each step, and the order of these."""
    order = np.arange(sizes.size) if is_sorted else np.argsort(-sizes, kind="stable")
    running = np.arange(sizes.max())[:, None] < sizes[order]
    step, place = np.nonzero(running)
    return order[place] * strides[0] + step * strides[1], running.sum(1), order


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Pack a list of sequences (L, *) of different lengths.

    Parameters
    ----------
    sequences : sequence of Tensor
    enforce_sorted : bool
        They come sorted by falling length; otherwise they are sorted here.
    """
    lengths = [s.array.shape[0] for s in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def packed_sizes(sequence: PackedSequence) -> tuple[int, ...]:
    """The batch sizes as numbers, if they make sense.

    Raises
    ------
    RuntimeError
        If they grow, are not positive, or do not add up to the data.
    """
    sizes = tuple(sequence.batch_sizes.tolist())
    rows = sequence.data.array.shape[0]
    falling = all(a >= b for a, b in pairwise(sizes))
    if not sizes or sizes[-1] <= 0 or not falling or sum(sizes) != rows:
        raise RuntimeError(
            f"the batch_sizes of a PackedSequence must be positive, must not grow, and must add up "
            f"to its {rows} rows of data, got {list(sizes)}: make it with pack_sequence() or "
            "pack_padded_sequence()"
        )
    return sizes


# -- padding -------------------------------------------------------------------------------------


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The sequences of a packed batch in their first order, padded to one length; their lengths.

    Parameters
    ----------
    sequence : PackedSequence
    batch_first : bool
        The result is (N, T, *) instead of (T, N, *).
    padding_value : float
    total_length : int, optional
        Pad to this length instead of that of the longest sequence.

    Raises
    ------
    ValueError
        If the longest sequence is longer than `total_length`.

    Examples
    --------
    >>> import minigrad as mg
    >>> packed = pack_sequence([mg.tensor([1, 2, 3]), mg.tensor([4, 5])])
    >>> pad_packed_sequence(packed, batch_first=True)
    (tensor([[1, 2, 3],
            [4, 5, 0]]), tensor([3, 2]))
    """
    steps = len(packed_sizes(sequence))
    if total_length is not None:
        if total_length < steps:
            raise ValueError(
                "Expected total_length to be at least the length of the longest sequence in input, "
                f"but got total_length={total_length} and max sequence length being {steps}"
            )
        steps = total_length
    known = (sequence.batch_sizes, sequence.unsorted_indices)
    index, missing, lengths = _padded_rows(
        tuple([t for t in known if t is not None]), steps, batch_first
    )
    return _rows_or(sequence.data, index, missing, padding_value), lengths


@plain_results(3)
def _padded_rows(sizes: Array, *rest: Any) -> tuple[Array, Array, Array]:
    """Where each element of a padded batch is packed, where there is padding, and the lengths.

    Of the sizes of the steps, the order of the sequences if it is another, how many steps there are
    to be, and whether these come second.
    """
    *order, steps, batch_first = rest
    rows = np.full((steps, sizes[0]), -1)
    running = np.arange(sizes[0]) < sizes[:, None]
    rows[: sizes.size][running] = np.arange(sizes.sum())
    lengths = running.sum(0)
    for places in order:
        rows, lengths = rows[:, places], lengths[places]
    return (*_places(rows.T if batch_first else rows), lengths)


def pad_sequence(
    sequences: Any, batch_first: bool = False, padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:  # fmt: skip
    """Pad sequences (L, *) to the longest, and stack them.

    Parameters
    ----------
    sequences : iterable of Tensor
    batch_first : bool
        The result is (N, T, *) instead of (T, N, *).
    padding_value : float
    padding_side : {"right", "left"}
        Where the padding goes: behind the sequences, or before them.

    Raises
    ------
    RuntimeError
        If there are none, or their other dimensions differ.

    Examples
    --------
    >>> import minigrad as mg
    >>> pad_sequence([mg.tensor([1, 2, 3]), mg.tensor([4])], batch_first=True)
    tensor([[1, 2, 3],
            [4, 0, 0]])
    """
    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            "pad_sequence: Expected iterable for input sequences, but got arg of type: "
            f"{type(sequences)}"
        )
    parts = tuple(sequences)
    if not parts:
        raise RuntimeError("received an empty list of sequences")
    if padding_side not in ("left", "right"):
        raise RuntimeError(
            f"Expected padding_side to be one of left or right, but got {padding_side}."
        )
    for part in parts:
        if not isinstance(part, Tensor):
            raise TypeError(f"pad_sequence(): expected tensors, got {type(part).__name__}")
    _check_rest(parts)
    dtype = parts[0].array.dtype
    data = cat([p if p.array.dtype == dtype else cast(p, dtype) for p in parts], 0)
    lengths = np.array([p.array.shape[0] for p in parts])
    starts, steps = np.cumsum(lengths) - lengths, np.arange(lengths.max())[:, None]
    if padding_side == "left":
        steps = steps - (lengths.max() - lengths)
    rows = np.where((steps >= 0) & (steps < lengths), steps + starts, -1)
    index, missing = map(given, _places(rows.T if batch_first else rows))
    return _rows_or(data, index, missing, padding_value)


def _check_rest(parts: Sequence[Tensor]) -> None:
    rest = parts[0].array.shape[1:]
    for i, part in enumerate(parts):
        shape = part.array.shape
        if not shape:
            raise RuntimeError("pad_sequence(): sequences need at least one dimension, got 0-D")
        if shape[1:] != rest:
            raise RuntimeError(
                "pad_sequence(): The size of tensors must match but for their first dimension: "
                f"sequence 0 has shape {list(parts[0].array.shape)}, sequence {i} {list(shape)}"
            )


def unpad_sequence(
    padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False
) -> list[Tensor]:
    """The sequences without their padding.

    Parameters
    ----------
    padded_sequences : Tensor, shape (T, N, *), or (N, T, *) if `batch_first`
    lengths : Tensor, shape (N,)
    batch_first : bool

    Raises
    ------
    ValueError
        If there are not as many lengths as sequences.
    """
    rows = padded_sequences if batch_first else _flipped(padded_sequences)
    sizes = (lengths if isinstance(lengths, Tensor) else np.asarray(lengths)).tolist()
    found = [row[: max(n, 0)] for row, n in zip(rows, sizes, strict=True)]
    return found


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences of a packed batch.

    Examples
    --------
    >>> import minigrad as mg
    >>> unpack_sequence(pack_sequence([mg.tensor([1, 2, 3]), mg.tensor([4, 5])]))
    [tensor([1, 2, 3]), tensor([4, 5])]
    """
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
