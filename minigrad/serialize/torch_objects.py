"""What pickles of ``torch.save`` ask to be made: tensors, parameters, and a few kinds of data.

These tables are all that a pickle can reach. Each function checks what it is given.
"""

from __future__ import annotations

import re
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.core import dtypes
from minigrad.core.tensor import Array, Size, Tensor
from minigrad.nn.parameter import Buffer, Parameter
from minigrad.place import device
from minigrad.serialize import numpy_objects
from minigrad.serialize.errors import FileError
from minigrad.serialize.numpy_objects import check_counts
from minigrad.serialize.pickles import Named, Reader, Unfinished, check_key, refusal

__all__ = ["CALLS", "Storage", "build", "value_of"]

Arguments = tuple[Any, ...]

_STORAGES = {
    "Double": "float64", "Float": "float32", "Half": "float16", "BFloat16": "bfloat16",
    "Long": "int64", "Int": "int32", "Short": "int16", "Char": "int8", "Byte": "uint8",
    "Bool": "bool",
}  # fmt: skip


class Storage(Unfinished):
    """The memory of tensors: bytes, and the type of element under which they were saved.

    Parameters
    ----------
    kind : Named
        The class of the storage, such as ``torch.FloatStorage``.
    content : numpy.ndarray of uint8
    """

    def __init__(self, kind: Any, content: Array) -> None:
        self.content = content
        self.itemsize = self.itemsize_of(kind)
        self.dtype = _element_type(kind)

    def __repr__(self) -> str:
        return "a storage without a tensor"

    @staticmethod
    def itemsize_of(kind: Any) -> int:
        """Bytes of an element; 1 where the class does not say the type."""
        found = _element_type(kind)
        return 1 if found is None else found.itemsize

    def seen_as(self, kind: Any, count: int) -> Storage:
        """The same memory under another class, with `count` elements or more."""
        seen = Storage(kind, self.content)
        if count * seen.itemsize > self.content.size:
            raise FileError(
                f"a storage of {count} elements of {seen.itemsize} bytes has only "
                f"{self.content.size} bytes"
            )
        return seen

    def view(self, dtype: dtypes.dtype, offset: Any, size: Any, stride: Any) -> Tensor:
        """A tensor on this memory; offset and strides count elements."""
        check_counts(offset, size, stride)
        last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
        has = self.content.size // dtype.itemsize
        if (last >= has and 0 not in size) or offset > has:
            raise FileError(
                f"a tensor of size {list(size)}, stride {list(stride)} and offset {offset} does "
                f"not fit into its storage of {has} elements"
            )
        if 0 in size:
            return Tensor(np.empty(size, dtype.numpy))
        flat = self.content[: has * dtype.itemsize].view(dtype.numpy)[offset:]
        strides = [s * dtype.itemsize for s in stride]
        return Tensor(np.lib.stride_tricks.as_strided(flat, size, strides))


def _element_type(kind: Any) -> dtypes.dtype | None:
    """The type of the elements of a class of storages; None of untyped ones."""
    name = kind.name if isinstance(kind, Named) else ""
    if name == "torch.storage.UntypedStorage":
        return None
    found = re.fullmatch(r"torch\.(?:storage\.|cuda\.)?(\w+)Storage", name)
    if found is None:
        raise FileError(f"its pickle has a storage of class {kind!r}")
    if found[1] not in _STORAGES:
        raise FileError(f"it has a {name}, whose elements tensors of minigrad do not hold")
    return dtypes.as_dtype(_STORAGES[found[1]])


# -- tensors ---------------------------------------------------------------------------------------


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise FileError("a tensor has a flag that is neither True nor False")
    return value


def _no_hooks(hooks: Any) -> None:
    if hooks is not None and (not isinstance(hooks, dict) or hooks):
        raise FileError("a tensor has hooks, which are code")


def _rebuild(dtype: Any, storage: Any, arguments: Arguments) -> Tensor:
    if not isinstance(storage, Storage) or not isinstance(dtype, dtypes.dtype):
        raise FileError("a tensor has no storage, or no type")
    offset, size, stride, *rest = arguments
    made = storage.view(dtype, offset, size, stride)
    if rest and _flag(rest[0]):
        made.requires_grad_()
    return made


def _rebuild_tensor(reader: Reader, arguments: Arguments) -> Tensor:
    storage, offset, size, stride = arguments
    return _rebuild(getattr(storage, "dtype", None), storage, (offset, size, stride))


def _rebuild_tensor_v2(reader: Reader, arguments: Arguments) -> Tensor:
    storage, offset, size, stride, grad, hooks, *metadata = arguments
    _no_hooks(hooks)
    if len(metadata) > 1:
        raise FileError("a tensor has too many parts")
    return _rebuild(getattr(storage, "dtype", None), storage, (offset, size, stride, grad))


def _rebuild_tensor_v3(reader: Reader, arguments: Arguments) -> Tensor:
    storage, offset, size, stride, grad, hooks, dtype, *metadata = arguments
    _no_hooks(hooks)
    if len(metadata) > 1:
        raise FileError("a tensor has too many parts")
    return _rebuild(dtype, storage, (offset, size, stride, grad))


def _rebuild_parameter(reader: Reader, arguments: Arguments) -> Parameter:
    data, grad, hooks, *state = arguments
    _no_hooks(hooks)
    if not isinstance(data, Tensor) or len(state) > 1:
        raise FileError("a parameter has no tensor")
    return Parameter(data, requires_grad=_flag(grad))


def _rebuild_from_type(reader: Reader, arguments: Arguments) -> Tensor:
    """A tensor with attributes of its own; those of buffers are kept."""
    function, kind, inner, state = arguments
    names = ("torch.Tensor", "torch.nn.parameter.Parameter", "torch.nn.parameter.Buffer")
    if not isinstance(kind, Named) or kind.name not in names:
        raise FileError(refusal(kind))
    if not isinstance(function, Named) or function.name == "torch._tensor._rebuild_from_type_v2":
        raise FileError("its pickle is broken (a tensor made of a tensor)")
    made = reader.call(function, inner)
    if not isinstance(made, Tensor):
        raise FileError("its pickle is broken (a tensor that is none)")
    if isinstance(state, dict) and state.get("_is_buffer") is True:
        return Buffer(made, persistent=state.get("persistent") is not False)
    return made


# -- data ------------------------------------------------------------------------------------------


def _one(arguments: Arguments, kinds: tuple[type, ...], name: str) -> Any:
    if len(arguments) != 1 or not isinstance(arguments[0], kinds):
        raise FileError(f"its pickle is broken (the arguments of {name})")
    return arguments[0]


def _ordered_dict(reader: Reader, arguments: Arguments) -> OrderedDict[Any, Any]:
    made: OrderedDict[Any, Any] = OrderedDict()
    if arguments:
        pairs = _one(arguments, (list, tuple), "OrderedDict")
        reader.spend(len(pairs))
        for key, value in pairs:
            made[check_key(key)] = value
    return made


def _counter(reader: Reader, arguments: Arguments) -> Any:
    counts = _one(arguments, (dict,), "Counter")
    reader.spend(len(counts))
    return Counter(counts)


def _size(reader: Reader, arguments: Arguments) -> Size:
    sizes = _one(arguments, (tuple, list), "Size")
    reader.spend(len(sizes))
    check_counts(0, tuple(sizes), tuple(sizes))
    return Size(sizes)


def _device(reader: Reader, arguments: Arguments) -> device:
    if not arguments or not isinstance(arguments[0], str):
        raise FileError("its pickle is broken (the arguments of device)")
    return device("cpu")


def _set(reader: Reader, arguments: Arguments) -> set[Any]:
    parts = _one(arguments, (list, tuple), "set")
    reader.spend(len(parts))
    return set(map(check_key, parts))


def _complex(reader: Reader, arguments: Arguments) -> complex:
    if len(arguments) != 2 or not all(type(a) is float for a in arguments):
        raise FileError("its pickle is broken (the arguments of complex)")
    return complex(*arguments)


def build(reader: Reader, target: Any, state: Any) -> None:
    """Put a state into an object: metadata into a dict, the contents into a numpy array.

    Raises
    ------
    FileError
        For all other objects and states.
    """
    if isinstance(target, OrderedDict) and isinstance(state, dict):
        metadata = state.get("_metadata")
        if set(state) == {"_metadata"} and isinstance(metadata, dict):
            target._metadata = metadata  # type: ignore[attr-defined]
            return
    numpy_objects.build(reader, target, state)


# -- the tables ------------------------------------------------------------------------------------

CALLS: dict[str, Callable[[Reader, Arguments], Any]] = {
    "torch._utils._rebuild_tensor": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor_v2,
    "torch._utils._rebuild_tensor_v3": _rebuild_tensor_v3,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
    "torch._utils._rebuild_parameter_with_state": _rebuild_parameter,
    "torch._tensor._rebuild_from_type_v2": _rebuild_from_type,
    "collections.OrderedDict": _ordered_dict,
    "collections.Counter": _counter,
    "torch.Size": _size,
    "torch.device": _device,
    **numpy_objects.CALLS,
}
for _module in ("builtins", "__builtin__"):
    CALLS |= {f"{_module}.set": _set, f"{_module}.complex": _complex}
    CALLS |= {f"{_module}.bytes": numpy_objects.as_bytes}

_TYPES = {f"torch.{d.name}" for d in dtypes.ALL} | {"torch.bfloat16"}


def value_of(name: str) -> Any:
    """The value that a name stands for: the element types. None of others."""
    return dtypes.as_dtype(name.removeprefix("torch.")) if name in _TYPES else None
