"""Which kernel computes attention: a choice between GPUs' kernels in PyTorch, of one here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

__all__ = ["SDPBackend", "sdpa_kernel"]


class SDPBackend(IntEnum):
    """The names of PyTorch's kernels for attention."""

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4


@contextmanager
def sdpa_kernel(
    backends: list[SDPBackend] | SDPBackend, set_priority: bool = False
) -> Iterator[None]:
    """A context in which attention is computed as always: by the one kernel there is.

    Raises
    ------
    TypeError
        If `backends` is neither a name nor a list of names.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.nn.attention import SDPBackend, sdpa_kernel
    >>> q = mg.ones(1, 2, 4)
    >>> with sdpa_kernel([SDPBackend.FLASH_ATTENTION, SDPBackend.MATH]):
    ...     mg.nn.functional.scaled_dot_product_attention(q, q, q).shape
    minigrad.Size([1, 2, 4])
    """
    if not isinstance(backends, (list, SDPBackend)):
        raise TypeError(
            "Backend must be an instance of SDPBackend or a list of SDPBackend instances, got "
            f"{type(backends).__name__}"
        )
    yield
