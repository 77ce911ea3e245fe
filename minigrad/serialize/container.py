"""One safe file for nested data: tensors in the safetensors format, all else as JSON in its header.

A safetensors file is the length of its header, the header (JSON: names, types, shapes, places, and
text that the writer adds), and the bytes of the tensors. Nothing in it is ever executed. What is
saved here adds a text of its own, ``"minigrad"``: the structure that the tensors are parts of.
"""

from __future__ import annotations

import json
import math
import os
import struct
import tempfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

from minigrad import dtypes
from minigrad.tensor import Tensor

__all__ = ["FileError", "load", "read", "save", "write"]

Array = np.ndarray[Any, Any]
PathLike = str | os.PathLike[str]

_KEY = "minigrad"
_VERSION = 1
_MAX_DEPTH = 64


#: The types of the format that tensors hold.
_KINDS = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64",
    "I32": "int32", "I16": "int16", "I8": "int8", "U64": "uint64", "U32": "uint32",
    "U16": "uint16", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip


class FileError(RuntimeError):
    """A file cannot be read: it is damaged, cut off, or of another kind."""


# -- structure -> JSON, and back -------------------------------------------------------------------
#
# Plain JSON values stand for themselves. A list, and everything that JSON lacks, is an object with
# one key that begins with "$": {"$tensor": name}, {"$list": [...]}, {"$tuple": [...]},
# {"$dict": [[key, value], ...]}, {"$float": "inf"}, {"$dtype": "float32"}.


def _packed(value: Any, where: str, tensors: dict[str, Array], depth: int = 0) -> Any:
    if depth > _MAX_DEPTH:
        raise ValueError(f"cannot save {where}: nested more than {_MAX_DEPTH} levels deep")

    def inner(v: Any, name: Any) -> Any:
        return _packed(v, f"{where}.{name}" if where else str(name), tensors, depth + 1)

    if isinstance(value, (Tensor, np.ndarray)):
        return {"$tensor": _put(value, where or "tensor", tensors)}
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"$float": repr(float(value))}
    if isinstance(value, dict):
        return {"$dict": [[_key(k, where), inner(v, k)] for k, v in value.items()]}
    if isinstance(value, tuple):
        return {"$tuple": [inner(v, i) for i, v in enumerate(value)]}
    if isinstance(value, list):
        return {"$list": [inner(v, i) for i, v in enumerate(value)]}
    if isinstance(value, dtypes.dtype):
        return {"$dtype": value.name}
    raise TypeError(
        f"cannot save {where or 'the object'}: a file holds tensors, numbers, strings, None, and "
        f"dicts, lists and tuples of them, not {type(value).__name__}; save its state_dict()"
    )


def _key(key: Any, where: str) -> Any:
    if isinstance(key, (str, bool, int)):
        return key
    raise TypeError(f"cannot save {where}: keys must be strings or integers, got {key!r}")


def _put(value: Tensor | Array, name: str, tensors: dict[str, Array]) -> str:
    array = value.array if isinstance(value, Tensor) else value
    dtypes.from_numpy(array.dtype)
    unique, n = name, 1
    while unique in tensors:  # "a.b" may be one key, or two
        n += 1
        unique = f"{name}#{n}"
    tensors[unique] = np.array(array, array.dtype.newbyteorder("="), order="C")
    return unique


def _unpacked(packed: Any, tensors: dict[str, Array], depth: int = 0) -> Any:
    if depth > 2 * _MAX_DEPTH:
        raise FileError("nested too deep")
    if packed is None or isinstance(packed, (bool, int, float, str)):
        return packed
    if not isinstance(packed, dict) or len(packed) != 1:
        raise FileError("the description of the contents is not one of minigrad")
    (kind, value), *_ = packed.items()
    if kind == "$tensor" and isinstance(value, str) and value in tensors:
        return Tensor(tensors[value])
    if kind == "$float" and value in ("inf", "-inf", "nan"):
        return float(value)
    if kind == "$dtype" and value in {*(d.name for d in dtypes.ALL), "bfloat16"}:
        return dtypes.as_dtype(value)
    if kind in ("$list", "$tuple") and isinstance(value, list):
        parts = [_unpacked(v, tensors, depth + 1) for v in value]
        return parts if kind == "$list" else tuple(parts)
    if kind == "$dict" and isinstance(value, list):
        return dict([_unpacked_pair(pair, tensors, depth + 1) for pair in value])
    raise FileError(f"the description of the contents has an unknown part {kind!r}")


def _unpacked_pair(pair: Any, tensors: dict[str, Array], depth: int) -> tuple[Any, Any]:
    if not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[0], (str, int)):
        raise FileError("the description of the contents has a broken dictionary")
    return pair[0], _unpacked(pair[1], tensors, depth)


# -- files -----------------------------------------------------------------------------------------


def _library() -> Any:
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ImportError(
            "saving and loading needs safetensors, which comes with the extra 'io': "
            'pip install "minigrad[io]"'
        ) from error
    return safetensors


def write(path: PathLike, tensors: dict[str, Array], metadata: dict[str, str] | None) -> None:
    """Write a safetensors file, whole or not at all.

    The file is written under another name in the same folder, flushed to the disk, and renamed: a
    crash in between leaves the old file as it was.
    """
    content = _library().numpy.save(tensors, metadata)
    target = Path(path)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, _usual_mode(target))
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise


def _usual_mode(path: Path) -> int:
    """The permissions of the file that is replaced, or of a new one (mkstemp's are private)."""
    try:
        return path.stat().st_mode & 0o777
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask


def read(path: PathLike) -> tuple[dict[str, Array], dict[str, str]]:
    """The tensors of a safetensors file, and its metadata.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FileError
        If it is no safetensors file, is damaged or cut off, or holds types that tensors do not.
    ImportError
        If it holds bfloat16, and ml_dtypes is not installed.
    """
    library = _library()
    content = Path(path).read_bytes()
    try:
        parts = library.deserialize(content)
        (length,) = struct.unpack("<Q", content[:8])
        metadata = json.loads(content[8 : 8 + length]).get("__metadata__", {})
    except Exception as error:  # whatever a damaged file brings about
        raise FileError(
            f"{os.fspath(path)} cannot be read as a safetensors file ({error}): it is damaged, cut "
            "off, or of another kind" + _hint(content)
        ) from error
    tensors = {}
    for name, part in parts:
        kind = _KINDS.get(part["dtype"])
        if kind is None:
            raise FileError(
                f"{os.fspath(path)}: '{name}' has elements of type {part['dtype']}, which tensors "
                "of minigrad do not hold"
            )
        numpy = dtypes.as_dtype(kind).numpy
        tensors[name] = np.frombuffer(part["data"], numpy).reshape(part["shape"])
    return tensors, metadata


def _hint(content: bytes) -> str:
    if content[:2] == b"PK" or content[:1] == b"\x80":
        return (
            ". It looks like a pickle, as torch.save writes: loading one would run whatever code "
            "it contains; convert it with safetensors.torch.save_file"
        )
    return ""


def save(obj: Any, path: PathLike) -> None:
    """Save tensors, and (nested) dicts, lists and tuples of tensors, numbers and strings.

    The file is in the safetensors format, so other programs can read its tensors. It is written
    whole or not at all.

    Parameters
    ----------
    obj : object
        Whatever ``state_dict()`` of modules, optimizers and schedules gives; dictionaries with
        strings or integers as keys.
    path : path

    Raises
    ------
    TypeError
        For objects of other classes: nothing is pickled.
    ImportError
        Without safetensors: ``pip install "minigrad[io]"``.

    Examples
    --------
    >>> import tempfile, os
    >>> import minigrad as mg
    >>> from minigrad.serialize import load, save
    >>> path = os.path.join(tempfile.mkdtemp(), "file.safetensors")
    >>> save({"w": mg.ones(2), "epoch": 3}, path)
    >>> load(path)
    {'w': tensor([1., 1.]), 'epoch': 3}
    """
    tensors: dict[str, Array] = {}
    packed = _packed(obj, "", tensors)
    text = json.dumps({"version": _VERSION, "object": packed}, allow_nan=False)
    write(path, tensors, {_KEY: text})


def load(path: PathLike) -> Any:
    """Load what :func:`save` saved; of other safetensors files, a dictionary of their tensors.

    Nothing in the file is executed.

    Parameters
    ----------
    path : path

    Returns
    -------
    object

    Raises
    ------
    FileError
        If the file is damaged, cut off, or of another kind; a kind of RuntimeError.
    FileNotFoundError
        If there is none.
    """
    tensors, metadata = read(path)
    if _KEY not in metadata:
        return OrderedDict((name, Tensor(array)) for name, array in tensors.items())
    try:
        described = json.loads(metadata[_KEY])
        if described["version"] != _VERSION:
            raise FileError(f"it has format version {described['version']}")
        return _unpacked(described["object"], tensors)
    except (FileError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise FileError(f"{os.fspath(path)} cannot be read: {error}") from error
