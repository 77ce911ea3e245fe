"""Save and load nested data: one safe file, tensors in the safetensors format, all else as JSON.

What is saved here adds a text of its own to the header of the file, ``"minigrad"``: the structure
that the tensors are parts of (see :mod:`minigrad.serialize.structure`).
"""

from __future__ import annotations

import json
import zlib
from collections import OrderedDict
from typing import Any

import numpy as np

from minigrad.core.tensor import Tensor
from minigrad.place import only_cpu
from minigrad.serialize.errors import FileError
from minigrad.serialize.files import Array, FileLike, name_of, opened, read_content, write
from minigrad.serialize.structure import Packer, Unpacker
from minigrad.serialize.torch_file import is_torch_file, read_torch

__all__ = ["load", "save"]

_KEY = "minigrad"
#: Raised when files are written that older versions would misread.
_VERSION = 1


def save(obj: Any, f: FileLike) -> None:
    """Save tensors, and (nested) dicts, lists, tuples and sets of tensors, numbers and strings.

    The file is in the safetensors format whatever its name ends in (``.safetensors`` says it best;
    ``.pt`` does not make it one of torch's), so other programs can read its tensors. It is written
    whole or not at all: a crash leaves the old file as it was.

    Parameters
    ----------
    obj : object
        Whatever ``state_dict()`` of modules, optimizers and schedules gives; dictionaries with
        strings or integers as keys. Parameters and buffers come back as such; views are stored as
        their elements; tensors over the same memory (tied weights) are stored once and come back as
        one.
    f : path or binary stream

    Raises
    ------
    TypeError
        For objects of other classes: nothing is pickled.
    ImportError
        Without safetensors: ``pip install safetensors``.

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
    packer = Packer()
    packed = packer.pack(obj)
    check = _checksum(packed, packer.arrays)
    # One text: of several, safetensors writes one or the other first, and files would differ.
    text = json.dumps({"version": _VERSION, "crc32": check, "object": packed})
    write(f, packer.arrays, {_KEY: text})


def load(
    f: FileLike, map_location: Any = None, *, weights_only: bool = True, mmap: bool | None = None
) -> Any:
    """Load what :func:`save` saved, a safetensors file of others, or a file of ``torch.save``.

    Nothing in the file is executed. Of safetensors files of others, the result is a dictionary of
    the tensors. Of torch's files (``.pt``, ``.pth``), it is what was saved: state dicts, nested
    dicts, lists and tuples of tensors, numbers and strings. The pickle in them is read by an
    interpreter that knows these and nothing else; whole pickled models are refused.

    Parameters
    ----------
    f : path or binary stream
    map_location : optional
        Tensors go to the CPU, wherever they were saved; a device, a name, or a dict of names is
        checked to be that. A function is not called.
    weights_only : bool
        Accepted for PyTorch's sake. False loads no more than True.
    mmap : bool, optional
        Accepted for PyTorch's sake: files are read into memory.

    Returns
    -------
    object

    Raises
    ------
    FileError
        If the file is damaged, cut off, of another kind, or written by a newer version; a kind of
        RuntimeError.
    FileNotFoundError
        If there is none.
    """
    _check_location(map_location)
    with opened(f) as file:
        if is_torch_file(file):
            return read_torch(file, name_of(f))
        tensors, metadata = read_content(file.read(), name_of(f))
    if _KEY not in metadata:
        return OrderedDict((name, Tensor(array)) for name, array in tensors.items())
    return _described(metadata[_KEY], tensors, name_of(f))


def _checksum(packed: Any, tensors: dict[str, Array]) -> str:
    """Of all that a file holds; it notices what a disk or a transfer has changed."""
    total = zlib.crc32(json.dumps(packed, allow_nan=False).encode())
    for name in sorted(tensors):
        array = np.ascontiguousarray(tensors[name])
        total = zlib.crc32(f"{name} {array.dtype.str} {array.shape}".encode(), total)
        total = zlib.crc32(array.reshape(-1).view(np.uint8).data, total)
    return f"{total:08x}"


def _described(text: str, tensors: dict[str, Array], name: str) -> Any:
    """The data that the text in a header describes."""
    try:
        described = json.loads(text)
        version = described["version"]
        if type(version) is int and version > _VERSION:
            raise FileError(
                f"it was written by a newer minigrad, in version {version} of the format; this one "
                f"knows version {_VERSION}: pip install --upgrade minigrad"
            )
        if version != _VERSION:
            raise FileError(f"it has format version {version!r}")
        if described.get("crc32", "") not in ("", _checksum(described["object"], tensors)):
            raise FileError("it is damaged: its content has changed since it was saved")
        return Unpacker(tensors).unpack(described["object"])
    except (FileError, ValueError, TypeError, KeyError, RuntimeError, OverflowError) as error:
        raise FileError(f"{name} cannot be read: {error}") from error


def _check_location(location: Any) -> None:
    """Refuse locations other than the CPU."""
    if location is None or callable(location):
        return
    for place in location.values() if isinstance(location, dict) else (location,):
        only_cpu(place, "load")
