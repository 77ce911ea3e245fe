"""MNIST: handwritten digits, 28 x 28 (LeCun, Cortes, Burges 1998; CC BY-SA 3.0)."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.data.datasets.folder import data_file
from minigrad.data.datasets.images import GreyImages
from minigrad.tensor import Tensor

__all__ = ["MNIST", "read_idx"]

_MIRROR = "https://ossci-datasets.s3.amazonaws.com/mnist/"
_SHA256 = {
    f"{name}-ubyte.gz": sha256
    for name, sha256 in {
        "train-images-idx3": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "train-labels-idx1": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "t10k-images-idx3": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "t10k-labels-idx1": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    }.items()
}


class MNIST(GreyImages):
    """Handwritten digits: 60,000 to train with, 10,000 to test with.

    The files are read from the subfolder ``mnist`` of `root`, or of the folder that the
    environment variable ``MINIGRAD_DATA`` names, or of the cache; if they are in none, they are
    fetched once, 11 MB, and their checksums compared. How many images a file has is read from it.

    Parameters
    ----------
    root : path, optional
    train : bool
        The training set, or the test set.
    transform, target_transform : callable, optional
        Applied to each image, a float32 tensor of shape ``(1, 28, 28)`` from 0 to 1; and to each
        label, an int.
    download : bool
        Fetch the files if they are nowhere.

    Raises
    ------
    FileNotFoundError
        If the files are nowhere and may or can not be fetched.
    ValueError
        If a file is no IDX file, or damaged.
    """

    classes = tuple(str(digit) for digit in range(10))

    def __init__(
        self,
        root: str | Path | None = None,
        train: bool = True,
        transform: Callable[[Tensor], Any] | None = None,
        target_transform: Callable[[int], Any] | None = None,
        download: bool = True,
    ) -> None:
        self.train = train
        kind = "train" if train else "t10k"
        images, labels = (
            read_idx(data_file("mnist", name, _MIRROR + name, _SHA256[name], root, download))
            for name in (f"{kind}-images-idx3-ubyte.gz", f"{kind}-labels-idx1-ubyte.gz")
        )
        if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels):
            raise ValueError(
                f"MNIST expects images (N, height, width) and labels (N,), got {images.shape} and "
                f"{labels.shape}"
            )
        super().__init__(images, labels, 255, transform, target_transform)


def read_idx(path: str | Path) -> np.ndarray[Any, Any]:
    """Read an IDX file of bytes, compressed by gzip or not.

    An IDX file is: two zero bytes, the element type (8 for bytes), the number of dimensions, each
    size as a big-endian 32-bit integer, then the elements.

    Raises
    ------
    ValueError
        If it is something else, or shorter or longer than its sizes say.
    """
    content = Path(path).read_bytes()
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"{path} is damaged: {error}") from error
    if len(content) < 4 or content[:3] != b"\x00\x00\x08":
        raise ValueError(f"{path} is no IDX file of bytes: it begins with {content[:4].hex()}")
    start = 4 + 4 * content[3]
    sizes = tuple(np.frombuffer(content[4:start], ">u4").tolist()) if len(content) >= start else ()
    expected = start + int(np.prod(sizes, dtype=object))
    if len(content) != expected:
        raise ValueError(
            f"{path} is damaged: its header says {list(sizes)}, {expected} bytes, but it has "
            f"{len(content)}"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(sizes).copy()
