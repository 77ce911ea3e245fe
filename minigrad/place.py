"""Where tensors are and how they lie in memory: devices, memory formats and layouts, as values.

Scripts make such values before they know what there is: ``device("cuda")`` and ``channels_last``
can be named, compared and printed. There is one place, the CPU, and one order, row-major; what asks
for another device is refused by :func:`only_cpu`, where it is asked.
"""

from __future__ import annotations

import re
from typing import Any

__all__ = [
    "channels_last", "channels_last_3d", "contiguous_format", "device", "layout", "memory_format",
    "only_cpu", "preserve_format", "strided", "wants_rows",
]  # fmt: skip

_KINDS = (
    "cpu", "cuda", "ipu", "xpu", "mkldnn", "opengl", "opencl", "ideep", "hip", "ve", "fpga",
    "maia", "xla", "lazy", "vulkan", "mps", "meta", "hpu", "mtia", "privateuseone",
)  # fmt: skip
_SPELLING = re.compile(r"([a-z_]+)(?::(0|[1-9][0-9]*))?")


class device:
    """The name of a device. Tensors live on ``"cpu"``; others can be named, but not used.

    Parameters
    ----------
    type : str or device
        ``"cpu"``, ``"cuda"``, ``"cuda:1"`` and so on.
    index : int, optional
        Which of several.

    Raises
    ------
    RuntimeError
        For a name that is none.

    Examples
    --------
    >>> device("cpu"), device("cuda:1"), device("cuda", 1) == device("cuda:1")
    (device(type='cpu'), device(type='cuda', index=1), True)
    """

    def __init__(self, type: str | device = "cpu", index: int | None = None) -> None:
        self.type: str
        self.index: int | None
        if isinstance(type, device):
            self.type, self.index = type.type, type.index
            return
        if isinstance(type, int):
            raise RuntimeError(
                f"device({type}) is the number of an accelerator, and there is none: use 'cpu'"
            )
        if not isinstance(type, str):
            raise TypeError(
                f"device() takes a name such as 'cpu', got {type!r} of type {_kind_of(type)}"
            )
        found = _SPELLING.fullmatch(type)
        if index is not None and (not isinstance(index, int) or index < 0):
            raise RuntimeError(f"Device index must not be negative, got {index!r}")
        if found is None or (found[2] is not None and index is not None):
            raise RuntimeError(f"Invalid device string: {type!r}")
        if found[1] not in _KINDS:
            raise RuntimeError(
                f"Expected one of {', '.join(_KINDS)} device type at start of device string: {type}"
            )
        self.type = found[1]
        self.index = index if found[2] is None else int(found[2])

    def __enter__(self) -> device:
        """Make tensors on this device by default: where they are made anyway."""
        only_cpu(self, "with device()")
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing to undo."""

    def __repr__(self) -> str:
        end = "" if self.index is None else f", index={self.index}"
        return f"device(type={self.type!r}{end})"

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and self.type == other.type and self.index == other.index

    def __hash__(self) -> int:
        return hash((self.type, self.index))


def _kind_of(value: object) -> str:
    return value.__class__.__name__


def only_cpu(place: Any, name: str = "") -> None:
    """Refuse to put something on another device than the CPU.

    >>> only_cpu("cuda", "zeros")
    Traceback (most recent call last):
    ...
    RuntimeError: zeros: minigrad computes on the CPU only: device must be 'cpu', got 'cuda'
    """
    if place == "cpu":
        return
    place = device(place)
    if place.type != "cpu":
        raise RuntimeError(
            f"{name}{': ' if name else ''}minigrad computes on the CPU only: device must be 'cpu', "
            f"got {str(place)!r}"
        )


class memory_format:
    """How a copy lies in memory: row-major, or with ``preserve_format`` like its source.

    The formats with the channels last are those of other hardware's convolutions. They are taken
    wherever a format is, and mean row-major here, which convolutions on the CPU are fastest in.

    >>> preserve_format
    minigrad.preserve_format
    """

    def __init__(self, name: str, ndim: int | None = None) -> None:
        self.name = name
        self.ndim = ndim

    def __repr__(self) -> str:
        return f"minigrad.{self.name}"

    def __reduce__(self) -> str:
        return self.name


contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
channels_last = memory_format("channels_last", 4)
channels_last_3d = memory_format("channels_last_3d", 5)


def wants_rows(form: Any, name: str, ndim: int) -> bool:
    """Whether a copy is to be row-major whatever its source is.

    Raises
    ------
    TypeError
        For what is no memory format.
    RuntimeError
        For a format of images, and a tensor of another number of dimensions.
    """
    if form is None:
        return False
    if not isinstance(form, memory_format):
        raise TypeError(
            f"{name}(): argument 'memory_format' must be a minigrad.memory_format, got {form!r}"
        )
    if form.ndim is not None and ndim != form.ndim:
        raise RuntimeError(
            f"{name}(): required rank {form.ndim} tensor to use {form.name} format, got {ndim} "
            "dimensions"
        )
    return form is not preserve_format


class layout:
    """How the elements of a tensor are kept: ``strided``, in an array.

    >>> strided
    minigrad.strided
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"minigrad.{self.name}"

    def __reduce__(self) -> str:
        return self.name


strided = layout("strided")


def let_go(options: dict[str, Any], name: str) -> None:
    """Take out of keyword arguments those that say how memory lies, and change nothing here.

    >>> options = {"layout": strided, "pin_memory": True, "size": 3}
    >>> let_go(options, "zeros")
    >>> options
    {'size': 3}
    """
    options.pop("pin_memory", None)  # for copies to a GPU
    form = options.pop("memory_format", None)
    if form is not None and not isinstance(form, memory_format):
        raise TypeError(f"{name}(): memory_format must be a minigrad.memory_format, got {form!r}")
    kept = options.pop("layout", None)
    if kept is not None and kept is not strided:
        raise RuntimeError(f"{name}(): tensors are arrays: layout must be minigrad.strided")
