"""Reads CIFAR's Python version, whose files are pickles, without executing anything in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from minigrad.serialize import numpy_objects
from minigrad.serialize.errors import FileError
from minigrad.serialize.pickles import Reader

__all__ = ["load_batch"]

Array = np.ndarray[Any, Any]


def _contents(path: Path) -> Any:
    """What the pickle holds: numbers, texts, arrays, and lists and dictionaries of them."""

    def outside(place: Any) -> Any:
        raise FileError(f"its pickle refers to something outside of it, {place!r}")

    reader = Reader(
        path.read_bytes(),
        numpy_objects.CALLS,
        value_of=lambda name: None,  # arrays of numbers need none
        build=numpy_objects.build,
        persistent=outside,
    )
    return reader.read()


def load_batch(path: Path, labels: dict[str, int]) -> tuple[Array, dict[str, Array]]:
    """The images ``(N, 3, 32, 32)`` and the labels of one file of the Python version.

    Parameters
    ----------
    path : pathlib.Path
    labels : dict
        Names of the labels to read, with how many classes each has.

    Raises
    ------
    ValueError
        If the file is no pickle of arrays and numbers, or they are not those of CIFAR.
    FileNotFoundError
        If it is missing.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing, though other parts are there: fetch it again")
    try:
        batch = _contents(path)
    except FileError as error:
        raise ValueError(
            f"{path} is no batch of CIFAR ({error}); use the official binary version (.tar.gz) "
            "instead"
        ) from error
    try:
        data = np.asarray(batch["data"])
        found = {kind: np.asarray(batch[kind]) for kind in labels}
    except (TypeError, KeyError, ValueError) as error:
        raise ValueError(f"{path} is no batch of CIFAR: it lacks {error}") from error
    if data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != 3072:
        raise ValueError(
            f"{path}: expected bytes of shape (N, 3072), got {data.dtype} {data.shape}"
        )
    for kind, values in found.items():
        right = values.shape == (len(data),) and values.dtype.kind in "iu"
        if not right or not len(data) or values.min() < 0 or values.max() >= labels[kind]:
            raise ValueError(
                f"{path}: expected {len(data)} {kind} from 0 to {labels[kind] - 1}, got "
                f"{values.dtype} of shape {values.shape}"
            )
    return data.reshape(-1, 3, 32, 32), found
