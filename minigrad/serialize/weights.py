"""Weights alone, in files that every safetensors library reads."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

import numpy as np

from minigrad.core.tensor import Tensor
from minigrad.serialize.files import FileLike, read, write

__all__ = ["load_file", "save_file"]


def save_file(
    tensors: Mapping[str, Tensor], path: FileLike, metadata: dict[str, str] | None = None
) -> None:
    """Save named tensors, such as ``model.state_dict()``, as a plain safetensors file.

    Every tensor is stored under its own name, also where several share their memory: so a state
    dict of tied weights loads everywhere.

    Parameters
    ----------
    tensors : mapping from str to Tensor
    path : path or binary stream
    metadata : dict of str, optional
        Text to put into the header.

    Raises
    ------
    TypeError
        If something in it is no tensor.
    ImportError
        Without safetensors: ``pip install safetensors``.
    """
    if not isinstance(tensors, Mapping):
        raise TypeError(
            f"save_file() takes a dict of named tensors, not {type(tensors).__name__}; save() "
            "takes nested data"
        )
    arrays = {}
    for name, t in tensors.items():
        if not isinstance(name, str):
            raise TypeError(f"names of tensors must be strings, not {type(name).__name__} ({name})")
        if not isinstance(t, Tensor):
            raise TypeError(
                f"save_file() takes named tensors, but '{name}' is {type(t).__name__}; save() "
                "takes nested data"
            )
        arrays[name] = np.asarray(t.array, order="C")
    write(path, arrays, metadata)


def load_file(path: FileLike) -> OrderedDict[str, Tensor]:
    """The named tensors of a safetensors file, whoever wrote it.

    Raises
    ------
    FileError
        If the file is damaged, cut off, or of another kind.
    """
    tensors, _ = read(path)
    return OrderedDict((name, Tensor(array)) for name, array in tensors.items())
