"""Reads CIFAR's Python version, whose files are pickles, without trusting them.

A pickle can name any function of any module to be called. Here it may name only what pickled
arrays of numbers need; everything else is refused before it is looked up.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["load_batch"]

Array = np.ndarray[Any, Any]


def _blank(kind: Any, shape: Any, code: Any) -> Array:
    """What a pickled array starts as; numpy's own function would make any class."""
    if kind is not np.ndarray:
        raise pickle.UnpicklingError(f"expected an array, got {kind!r}")
    return np.ndarray.__new__(np.ndarray, (0,), np.dtype("u1"))


def _number_type(code: Any, align: Any = False, copy: Any = True) -> np.dtype[Any]:
    """A type of numbers; objects, which could hide anything, are refused."""
    dtype = np.dtype(code.decode() if isinstance(code, bytes) else code)
    if dtype.kind not in "biuf":
        raise pickle.UnpicklingError(f"expected numbers, got the type {dtype}")
    return dtype


def _bytes(text: str, encoding: str) -> bytes:
    """How Python 3 writes bytes in old protocols."""
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"expected latin1, got {encoding}")
    return text.encode("latin1")


_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _blank,
    ("numpy._core.multiarray", "_reconstruct"): _blank,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): _number_type,
    ("_codecs", "encode"): _bytes,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str, /) -> Any:
        found = _ALLOWED.get((module, name))
        if found is None:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no array needs")
        return found


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
    with path.open("rb") as file:
        try:
            batch = _Unpickler(file, encoding="latin1").load()
        except Exception as error:
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
