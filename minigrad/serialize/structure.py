"""Nested data as JSON that names its tensors, and back.

Plain JSON values stand for themselves. A list, and everything that JSON lacks, is an object with
one key that begins with ``$``::

    {"$list": [...]}, {"$tuple": [...]}, {"$set": [...]}, {"$size": [2, 3]},
    {"$dict": [[key, value], ...]}, {"$ordered": [[key, value], ...]},
    {"$state": [[[key, value], ...], metadata]},            # a state_dict() of a module
    {"$float": "inf"}, {"$complex": [real, imaginary]}, {"$dtype": "float32"}, {"$device": "cpu"},
    {"$tensor": name}, {"$tensor": [name, requires_grad]}, {"$parameter": [name, requires_grad]},
    {"$buffer": [name, persistent]}, {"$array": name}, {"$bytes": name}

where `name` is that of a tensor of the file. Tensors over the same memory have one name: they are
stored once, and come back as one.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Any

import numpy as np

from minigrad.core import dtypes
from minigrad.core.tensor import Array, Size, Tensor
from minigrad.nn.parameter import Buffer, Parameter
from minigrad.nn.state import StateDict
from minigrad.place import device
from minigrad.serialize.errors import FileError
from minigrad.serialize.files import RESERVED

__all__ = ["Packer", "Unpacker"]

_MAX_DEPTH = 64


class Packer:
    """Turns nested data into JSON, and collects the arrays that it names.

    Attributes
    ----------
    arrays : dict of str to numpy.ndarray
        What the JSON names: row-major, of the machine's byte order.
    """

    def __init__(self) -> None:
        self.arrays: dict[str, Array] = {}
        self._names: dict[Any, str] = {}  # from places in memory

    def pack(self, value: Any, where: str = "", depth: int = 0) -> Any:
        """The JSON of `value`, which is at the place `where` of the whole."""
        if depth > _MAX_DEPTH:
            raise ValueError(f"cannot save {where}: nested more than {_MAX_DEPTH} levels deep")
        if isinstance(value, (Tensor, np.ndarray)):
            return self._tensor(value, where or "tensor")
        if isinstance(value, np.generic):
            value = value.item()
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return str(value)
        if isinstance(value, int):
            return int(value)
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else {"$float": repr(float(value))}
        if isinstance(value, dict):
            return self._dict(value, where, depth)
        for kind, name in ((Size, "$size"), (tuple, "$tuple"), (list, "$list"), (set, "$set")):
            if isinstance(value, kind):
                parts = enumerate(value)
                return {name: [self._part(v, i, where, depth) for i, v in parts]}
        return self._other(value, where)

    def _part(self, value: Any, key: Any, where: str, depth: int) -> Any:
        return self.pack(value, f"{where}.{key}" if where else str(key), depth + 1)

    def _dict(self, value: dict[Any, Any], where: str, depth: int) -> Any:
        pairs = [[_key(k, where), self._part(v, k, where, depth)] for k, v in value.items()]
        if not isinstance(value, OrderedDict):
            return {"$dict": pairs}
        metadata = getattr(value, "_metadata", None)
        if metadata is None:
            return {"$ordered": pairs}
        return {"$state": [pairs, self._part(metadata, "_metadata", where, depth)]}

    def _other(self, value: Any, where: str) -> Any:
        if isinstance(value, complex):
            return {"$complex": [repr(value.real), repr(value.imag)]}
        if isinstance(value, dtypes.dtype):
            return {"$dtype": dtypes.as_dtype(value).name}  # not of names that no tensor has
        if isinstance(value, device):
            return {"$device": str(value)}
        if isinstance(value, (bytes, bytearray)):
            return {"$bytes": self._put(np.frombuffer(value, np.uint8), where or "bytes")}
        raise TypeError(
            f"cannot save {where or 'the object'}: a file holds tensors, numbers, strings, None, "
            "and dicts, lists, tuples and sets of them, not "
            f"{type(value).__name__}; save its state_dict()"
        )

    def _tensor(self, value: Tensor | Array, where: str) -> Any:
        if isinstance(value, np.ndarray):
            return {"$array": self._put(value, where)}
        name = self._put(value.array, where)
        if isinstance(value, Parameter):
            return {"$parameter": [name, value.requires_grad]}
        if isinstance(value, Buffer):
            return {"$buffer": [name, bool(value.persistent)]}
        return {"$tensor": [name, True] if value.requires_grad else name}

    def _put(self, array: Array, name: str) -> str:
        dtypes.from_numpy(array.dtype)
        place = (array.ctypes.data, array.shape, array.strides, array.dtype)
        if array.size and place in self._names:
            return self._names[place]
        name = name.encode("utf-8", "replace").decode()
        unique, n = name, 1
        while unique in self.arrays or unique == RESERVED:  # "a.b" may be one key, or two
            n += 1
            unique = f"{name}#{n}"
        self._names[place] = unique
        self.arrays[unique] = np.asarray(array, array.dtype.newbyteorder("="), order="C")
        return unique


def _key(key: Any, where: str) -> Any:
    if isinstance(key, (str, bool, int)):
        return key
    raise TypeError(f"cannot save {where}: keys must be strings or integers, got {key!r}")


class Unpacker:
    """Turns JSON of :class:`Packer` back into data.

    Parameters
    ----------
    arrays : dict of str to numpy.ndarray

    Raises
    ------
    FileError
        From :meth:`unpack`, for anything that a packer does not write.
    """

    def __init__(self, arrays: dict[str, Array]) -> None:
        self._arrays = arrays
        self._tensors: dict[Any, Tensor] = {}

    def unpack(self, packed: Any, depth: int = 0) -> Any:
        """The data that `packed` describes."""
        if depth > 2 * _MAX_DEPTH:
            raise FileError("nested too deep")
        if packed is None or isinstance(packed, (bool, int, float, str)):
            return packed
        if not isinstance(packed, dict) or len(packed) != 1:
            raise FileError("the description of the contents is not one of minigrad")
        (kind, value), *_ = packed.items()
        if kind in ("$tensor", "$parameter", "$buffer"):
            return self._tensor(kind, value)
        if kind in ("$array", "$bytes"):
            array = self._array(value)
            return array if kind == "$array" else array.tobytes()
        if kind in _SEQUENCES and isinstance(value, list):
            return _SEQUENCES[kind](self.unpack(v, depth + 1) for v in value)
        if kind in ("$dict", "$ordered") and isinstance(value, list):
            pairs = self._pairs(value, depth)
            return dict(pairs) if kind == "$dict" else OrderedDict(pairs)
        if kind == "$state" and isinstance(value, list) and len(value) == 2:
            return self._state(value, depth)
        return _plain(kind, value)

    def _pairs(self, pairs: Any, depth: int) -> list[tuple[Any, Any]]:
        found = []
        for pair in pairs:
            if not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[0], (str, int)):
                raise FileError("the description of the contents has a broken dictionary")
            found.append((pair[0], self.unpack(pair[1], depth + 1)))
        return found

    def _state(self, value: list[Any], depth: int) -> StateDict:
        pairs, metadata = value[0], self.unpack(value[1], depth + 1)
        if not isinstance(pairs, list) or not isinstance(metadata, dict):
            raise FileError("the description of the contents has a broken dictionary")
        state = StateDict(self._pairs(pairs, depth))
        state._metadata = metadata
        return state

    def _array(self, name: Any) -> Array:
        if not isinstance(name, str) or name not in self._arrays:
            raise FileError(
                f"the description of the contents names a tensor {name!r} that is not there"
            )
        return self._arrays[name]

    def _tensor(self, kind: str, value: Any) -> Tensor:
        """A tensor of its kind; the same one each time it is named."""
        name, flag = value if isinstance(value, list) and len(value) == 2 else (value, False)
        if not isinstance(flag, bool):
            raise FileError(f"the description of the contents has an unknown part {kind!r}")
        array = self._array(name)
        known = self._tensors.get((kind, name, flag))
        if known is None:
            if kind == "$parameter":
                known = Parameter(Tensor(array), requires_grad=flag)
            elif kind == "$buffer":
                known = Buffer(Tensor(array), persistent=flag)
            else:
                known = Tensor(array)
                if flag:
                    known.requires_grad_()
            self._tensors[kind, name, flag] = known
        return known


_SEQUENCES: dict[str, Any] = {"$list": list, "$tuple": tuple, "$set": set, "$size": Size}


def _plain(kind: str, value: Any) -> Any:
    """What JSON lacks, of things without parts."""
    if kind == "$float" and value in ("inf", "-inf", "nan"):
        return float(value)
    if kind == "$complex" and isinstance(value, list) and len(value) == 2:
        return complex(float(value[0]), float(value[1]))
    if kind == "$dtype" and value in {*(d.name for d in dtypes.ALL), "bfloat16"}:
        return dtypes.as_dtype(value)
    if kind == "$device" and isinstance(value, str):
        return device(value)
    raise FileError(f"the description of the contents has an unknown part {kind!r}")
