"""Weights alone, in files that every safetensors library reads; and whole checkpoints."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np

from minigrad.serialize.container import FileError, PathLike, load, read, save, write
from minigrad.tensor import Tensor

__all__ = ["load_checkpoint", "load_file", "save_checkpoint", "save_file"]


def save_file(
    tensors: Mapping[str, Tensor], path: PathLike, metadata: dict[str, str] | None = None
) -> None:
    """Save named tensors, such as ``model.state_dict()``, as a plain safetensors file.

    Parameters
    ----------
    tensors : mapping from str to Tensor
    path : path
    metadata : dict of str, optional
        Text to put into the header.

    Raises
    ------
    TypeError
        If something in it is no tensor.
    ImportError
        Without safetensors: ``pip install "minigrad[io]"``.
    """
    arrays = {}
    for name, t in tensors.items():
        if not isinstance(t, Tensor):
            raise TypeError(
                f"save_file() takes named tensors, but '{name}' is {type(t).__name__}; save() "
                "takes nested data"
            )
        arrays[name] = np.ascontiguousarray(t.array).reshape(t.array.shape)
    write(path, arrays, metadata)


def load_file(path: PathLike) -> OrderedDict[str, Tensor]:
    """The named tensors of a safetensors file, whoever wrote it.

    Raises
    ------
    FileError
        If the file is damaged, cut off, or of another kind.
    """
    tensors, _ = read(path)
    return OrderedDict((name, Tensor(array)) for name, array in tensors.items())


def save_checkpoint(
    path: PathLike,
    model: Any = None,
    optimizer: Any = None,
    scheduler: Any = None,
    epoch: int | None = None,
    **extra: Any,
) -> None:
    """Save the state of a training run in one file, written whole or not at all.

    Parameters
    ----------
    path : path
    model, optimizer, scheduler : optional
        Whatever has a ``state_dict()``.
    epoch : int, optional
    **extra
        More to remember: numbers, strings, tensors, dicts and lists of them.

    Examples
    --------
    >>> import tempfile, os
    >>> import minigrad as mg
    >>> from minigrad import optim, serialize
    >>> w = mg.ones(2, requires_grad=True)
    >>> opt = optim.Adam([w], lr=0.5)
    >>> path = os.path.join(tempfile.mkdtemp(), "run.safetensors")
    >>> serialize.save_checkpoint(path, optimizer=opt, epoch=7, best=0.25)
    >>> other = optim.Adam([w])
    >>> serialize.load_checkpoint(path, optimizer=other)
    {'epoch': 7, 'best': 0.25}
    >>> other.param_groups[0]["lr"]
    0.5
    """
    parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
    states = {name: part.state_dict() for name, part in parts.items() if part is not None}
    save({**states, "extra": {"epoch": epoch, **extra}}, path)


def load_checkpoint(
    path: PathLike, model: Any = None, optimizer: Any = None, scheduler: Any = None
) -> dict[str, Any]:
    """Load a checkpoint into `model`, `optimizer` and `scheduler`, as far as they are given.

    Returns
    -------
    dict
        ``"epoch"``, and what else was saved.

    Raises
    ------
    FileError
        If the file is damaged or is no checkpoint.
    KeyError
        If it lacks the state of something that is given.
    """
    saved = load(path)
    if not isinstance(saved, dict) or not isinstance(saved.get("extra"), dict):
        raise FileError(f"{path} is no checkpoint of save_checkpoint()")
    parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
    for name, part in parts.items():
        if part is not None and name not in saved:
            raise KeyError(f"{path} holds no state of the {name}; it has {sorted(saved)}")
    for name, part in parts.items():
        if part is not None:
            part.load_state_dict(saved[name])
    return dict(saved["extra"])
