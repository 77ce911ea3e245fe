"""minigrad among its neighbours: numpy's protocols, DLPack, the array API standard, einops.

Importing this package puts the protocols' methods on tensors. What they do is imported when one of
them is first called, so that ``import minigrad`` does not pay for it.
"""

from __future__ import annotations

from typing import Any

from minigrad.core.public import method
from minigrad.core.tensor import Tensor
from minigrad.interop.imports import after_import
from minigrad.place import only_cpu

__all__: list[str] = []


@method(name="__array_ufunc__")
def array_ufunc(self: Tensor, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
    """``np.exp(t)``, ``np.add(array, t)``, ``array + t``: computed by minigrad, with gradients."""
    from minigrad.interop.numpy_ufuncs import call_ufunc

    return call_ufunc(ufunc, method, inputs, kwargs)


@method(name="__array_function__")
def array_function(self: Tensor, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
    """``np.sum(t, axis=0)``, ``np.concatenate([t, t])``: computed by minigrad, with gradients."""
    from minigrad.interop.numpy_protocol import call_function

    return call_function(func, types, args, kwargs)


@method(name="__dlpack__")
def dlpack(
    self: Tensor,
    *,
    stream: Any = None,
    max_version: tuple[int, int] | None = None,
    dl_device: tuple[Any, int] | None = None,
    copy: bool | None = None,
) -> Any:
    """A DLPack capsule that shares the memory.

    Parameters
    ----------
    stream : None
        There are no streams on the CPU.
    max_version : tuple of int, optional
        The newest version of DLPack that the consumer understands.
    dl_device : tuple of int, optional
        Where the consumer wants it; the CPU, ``(1, 0)``, is the only place.
    copy : bool, optional
        True copies, False and None share.

    Raises
    ------
    BufferError
        If the tensor requires grad, if the memory is read-only and `max_version` is too old to
        say so, or for another device.
    """
    from minigrad.interop.dlpack import capsule

    return capsule(self, stream, max_version, dl_device, copy)


@method(name="__dlpack_device__")
def dlpack_device(self: Tensor) -> tuple[Any, int]:
    """The device in DLPack's numbers: ``(1, 0)``, the CPU."""
    return self.array.__dlpack_device__()


@method(name="__array_namespace__")
def array_namespace(self: Tensor, *, api_version: str | None = None) -> Any:
    """The module `minigrad.xp`, which follows the Python array API standard.

    Parameters
    ----------
    api_version : str, optional
        A version of the standard, such as ``"2024.12"``; by default the newest.

    Raises
    ------
    ValueError
        For a version that is not supported.
    """
    from minigrad import xp

    return xp.check_version(api_version)


@method
def to_device(self: Tensor, device: Any, /, *, stream: Any = None) -> Tensor:
    """The tensor itself: ``"cpu"`` is the only device.

    Raises
    ------
    ValueError
        If a stream is given.
    RuntimeError
        For another device.
    """
    if stream is not None:
        raise ValueError(f"to_device(): there are no streams on the CPU, got stream={stream!r}")
    only_cpu(device, "to_device")
    return self


@method(name="__complex__")
def as_complex(self: Tensor) -> complex:
    """The only element as a complex number of Python."""
    return complex(float(self))


def _register_einops() -> None:
    from minigrad.interop.einops import register

    register()


def _register_opt_einsum() -> None:
    from minigrad.interop.opt_einsum import register

    register()


after_import("einops._backends", _register_einops)
after_import("opt_einsum.backends.dispatch", _register_opt_einsum)
