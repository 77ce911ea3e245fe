"""IDX, the format of MNIST's files: an array of bytes behind a short header."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["read_idx"]


def read_idx(path: str | Path) -> np.ndarray[Any, Any]:
    """Read an IDX file of bytes, compressed by gzip or not.

    An IDX file is: two zero bytes, the element type (8 for bytes), the number of dimensions, each
    size as a big-endian 32-bit integer, then the elements.

    Raises
    ------
    ValueError
        If it is something else, or shorter or longer than its sizes say.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "labels")
    ...     _ = path.write_bytes(bytes([0, 0, 8, 1]) + (3).to_bytes(4, "big") + bytes([7, 2, 1]))
    ...     read_idx(path)
    array([7, 2, 1], dtype=uint8)
    """
    content = Path(path).read_bytes()
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(
                f"{path} is damaged: {error}; remove it, and fetch it again"
            ) from error
    if len(content) < 4 or content[:3] != b"\x00\x00\x08":
        raise ValueError(
            f"{path} is no IDX file of bytes, which begins with 000008: it begins with "
            f"{content[:4].hex() or 'nothing'}"
        )
    start = 4 + 4 * content[3]
    sizes = tuple(np.frombuffer(content[4:start], ">u4").tolist()) if len(content) >= start else ()
    expected = start + math.prod(sizes)
    if len(content) != expected or len(sizes) != content[3]:
        raise ValueError(
            f"{path} is damaged: its header says {list(sizes)}, {expected} bytes, but it has "
            f"{len(content)}; remove it, and fetch it again"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(sizes).copy()
