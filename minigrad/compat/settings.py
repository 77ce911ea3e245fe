"""Settings of PyTorch that have one value here, and its old way to choose the default type."""

from __future__ import annotations

from typing import Any

from minigrad.core.dtypes import dtype, float16, set_default_dtype

__all__ = [
    "get_autocast_gpu_dtype", "get_num_interop_threads", "is_autocast_cpu_enabled",
    "is_autocast_enabled", "is_deterministic_algorithms_warn_only_enabled", "is_storage",
    "set_default_tensor_type", "set_deterministic_debug_mode", "set_flush_denormal",
    "set_num_interop_threads", "set_warn_always",
]  # fmt: skip


def set_default_tensor_type(t: Any, /) -> None:
    """Set the type that floats get where none is named; :func:`set_default_dtype` is its new name.

    Parameters
    ----------
    t : type or str
        One of the types of tensors, ``minigrad.DoubleTensor``, or its name.

    Raises
    ------
    TypeError
        For types of a GPU, and of integers.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.set_default_tensor_type("torch.DoubleTensor")
    >>> mg.ones(1).dtype
    minigrad.float64
    >>> mg.set_default_tensor_type(mg.FloatTensor)
    """
    from minigrad.compat import typed

    kind: Any = t
    if isinstance(t, str):
        kind = getattr(typed, t.rpartition(".")[2] if ".cuda." not in t else "", None)
    if not isinstance(getattr(kind, "dtype", None), dtype):
        raise TypeError(
            "set_default_tensor_type: expected a type of tensors on the CPU, such as "
            f"'minigrad.DoubleTensor', got {t!r}"
        )
    set_default_dtype(kind.dtype)


def set_flush_denormal(mode: bool) -> bool:
    """Whether very small numbers could be made 0: they are computed with, always."""
    return not mode


def is_storage(obj: Any, /) -> bool:
    """Whether something is memory without a shape: nothing is."""
    return False


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """Take any mode: results never depend on chance or on the number of threads."""


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """Whether operations that depend on chance warn only: there are none."""
    return False


def set_num_interop_threads(count: int) -> None:
    """Take any number: one operation runs after the other, each on several threads."""


def get_num_interop_threads() -> int:
    """How many operations run at the same time: one."""
    return 1


def set_warn_always(b: bool, /) -> None:
    """Take any choice: Python's ``warnings`` decides how often a warning is shown."""


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Whether operations compute in a smaller type by themselves: never."""
    return False


def is_autocast_cpu_enabled() -> bool:
    """Whether operations compute in a smaller type by themselves: never."""
    return False


def get_autocast_gpu_dtype() -> dtype:
    """The type that a GPU would compute in."""
    return float16


def _assert(condition: Any, message: str) -> None:
    """``assert condition, message``, as models write it for PyTorch's tracer."""
    assert condition, message
