"""Memory shared with other libraries by the DLPack protocol, without copying.

What another library writes into shared memory is not seen by version counters: a derivative that
needs the old values computes with the new ones. Between tensors of minigrad the counter is shared.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.core import dtypes
from minigrad.core.tensor import Tensor
from minigrad.place import only_cpu

__all__ = ["capsule", "from_dlpack"]

_CPU = 1  # kDLCPU


def capsule(
    t: Tensor,
    stream: Any,
    max_version: tuple[int, int] | None,
    dl_device: tuple[Any, int] | None,
    copy: bool | None,
) -> Any:
    """What ``Tensor.__dlpack__`` returns."""
    if t._requires_grad:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
    if stream not in (None, -1):
        raise BufferError(f"stream must be None on the CPU, got {stream!r}")
    if dl_device is not None and int(dl_device[0]) != _CPU:
        raise BufferError(
            f"this tensor lives on the CPU, DLPack device (1, 0); it cannot be exported to "
            f"{dl_device}"
        )
    x = t.array
    if x.dtype.kind == "V":  # numpy does not know how to export bfloat16
        raise BufferError(f"DLPack export of {t.dtype} is not supported: convert with .float()")
    if not x.flags.writeable and not copy and (max_version is None or max_version[0] < 1):
        raise BufferError(
            "Cannot export read-only memory: the consumer asks for a version of DLPack that has no "
            "flag for it; clone() the tensor first"
        )
    return x.__dlpack__(max_version=max_version, copy=copy)


class _Exporter:
    """A bare capsule, in the form that numpy takes."""

    def __init__(self, capsule: Any) -> None:
        self.capsule = capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return _CPU, 0  # numpy looks into the capsule, and refuses other devices

    def __dlpack__(self, **kwargs: Any) -> Any:
        return self.capsule


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor that shares the memory of an array or tensor of another library.

    Parameters
    ----------
    ext_tensor : object
        Whatever has ``__dlpack__`` and ``__dlpack_device__`` (of numpy, PyTorch, JAX, CuPy on the
        CPU, ...), or a DLPack capsule.
    device : optional
        ``"cpu"``; there is nothing else.
    copy : bool, optional
        True always copies, False never does (or raises), None copies where it must.

    Returns
    -------
    Tensor
        It does not require grad. Memory that the other library marked as read-only stays so:
        in-place operations on it are refused.

    Raises
    ------
    TypeError
        If the object does not speak DLPack, or for complex numbers.
    BufferError
        If the other library refuses, or the memory is not the CPU's.

    Examples
    --------
    >>> import numpy as np
    >>> import minigrad as mg
    >>> a = np.zeros(3)
    >>> t = mg.from_dlpack(a)
    >>> a[0] = 7
    >>> t
    tensor([7., 0., 0.], dtype=minigrad.float64)
    """
    if device is not None:
        _check_device(device)
    if isinstance(ext_tensor, Tensor):
        if ext_tensor._requires_grad:
            raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
        shared = ext_tensor.detach()
        return shared.clone() if copy else shared
    if type(ext_tensor).__name__ == "PyCapsule":
        ext_tensor = _Exporter(ext_tensor)
    if not hasattr(ext_tensor, "__dlpack__"):
        raise TypeError(
            f"from_dlpack(): expected an object with __dlpack__, got {type(ext_tensor).__name__}; "
            "minigrad.tensor() makes tensors of numbers and sequences"
        )
    try:
        array = np.from_dlpack(ext_tensor, copy=copy)
    except RuntimeError as error:  # numpy's words for another device or type
        raise BufferError(f"from_dlpack(): {error}") from error
    dtypes.from_numpy(array.dtype)
    return Tensor(array)


def _check_device(device: Any) -> None:
    """Refuse other devices than the CPU, spelled in any way."""
    if isinstance(device, tuple):  # DLPack's numbers
        if int(device[0]) == _CPU:
            return
        raise RuntimeError(f"from_dlpack: minigrad computes on the CPU only, not on {device}")
    only_cpu(device, "from_dlpack")
