"""MNIST and Fashion-MNIST: ten classes of grey pictures, 28 x 28, in IDX files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from minigrad.data.datasets.folder import data_file
from minigrad.data.datasets.idx import read_idx
from minigrad.data.datasets.images import FetchedImages

__all__ = ["MNIST", "FashionMNIST", "read_idx"]


class MNIST(FetchedImages):
    """Handwritten digits: 60,000 to train with, 10,000 to test with.

    LeCun, Cortes, Burges 1998; CC BY-SA 3.0. The files are read from the subfolder ``mnist`` of
    `root`, of the folder that the environment variable ``MINIGRAD_DATA`` names, or of the cache (or
    from ``MNIST/raw`` there, compressed or not); if they are in none, they are fetched once, 11 MB,
    and their checksums compared. How many images a file has is read from it.

    Parameters
    ----------
    root : path, optional
        Downloads go there; by default to the cache.
    train : bool
        The training set, or the test set.
    transform, target_transform : callable, optional
        Applied to each image, a float32 tensor of shape ``(1, 28, 28)`` from 0 to 1; and to each
        label, an int. Transforms of :mod:`minigrad.data.transforms` are applied to whole batches.
    download : bool
        Fetch the files if they are nowhere.

    Attributes
    ----------
    data, targets : Tensor
        All images as they are stored, uint8 ``(N, 28, 28)``, and all labels, int64.

    Raises
    ------
    FileNotFoundError
        If the files are nowhere and may or can not be fetched.
    RuntimeError
        If what was fetched has another checksum.
    ValueError
        If a file is no IDX file, or damaged.
    """

    classes: tuple[str, ...] = tuple(str(digit) for digit in range(10))
    mirrors: ClassVar[tuple[str, ...]] = (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    )
    #: SHA-256 or MD5 of each file.
    checksums: ClassVar[dict[str, str]] = {
        "train-images-idx3-ubyte.gz": (
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
        ),
        "train-labels-idx1-ubyte.gz": (
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
        ),
        "t10k-images-idx3-ubyte.gz": (
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
        ),
        "t10k-labels-idx1-ubyte.gz": (
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"
        ),
    }
    _folders: ClassVar[tuple[str, ...]] = ("mnist", "MNIST/raw")

    def _load(self, root: str | Path | None, download: bool) -> tuple[Any, Any]:
        kind = "train" if self.train else "t10k"
        images, labels = (
            self._read(f"{kind}-{part}-ubyte.gz", root, download)
            for part in ("images-idx3", "labels-idx1")
        )
        name = type(self).__name__
        if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels):
            raise ValueError(
                f"{name} expects images (N, height, width) and labels (N,), got {images.shape} and "
                f"{labels.shape}"
            )
        if len(labels) and labels.max() >= len(self.classes):
            raise ValueError(
                f"{name} has labels 0 to {len(self.classes) - 1}, got {labels.max()}: the files "
                "are damaged, or those of another dataset"
            )
        return images, labels

    @classmethod
    def _read(cls, name: str, root: str | Path | None, download: bool) -> Any:
        names = (name, name.removesuffix(".gz"))
        urls = [mirror + name for mirror in cls.mirrors]
        return read_idx(data_file(cls._folders, names, urls, cls.checksums[name], root, download))


class FashionMNIST(MNIST):
    """Pictures of clothes: MNIST's size and format, but harder (Xiao, Rasul, Vollgraf 2017; MIT).

    The files are read from the subfolder ``fashion-mnist`` (or ``FashionMNIST/raw``), otherwise as
    for `MNIST`; 30 MB.

    Parameters
    ----------
    root : path, optional
    train : bool
    transform, target_transform : callable, optional
    download : bool
        As for `MNIST`.
    """

    classes = (
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
        "Ankle boot",
    )  # fmt: skip
    mirrors = (
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    )
    checksums: ClassVar[dict[str, str]] = {
        "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
    }
    _folders = ("fashion-mnist", "FashionMNIST/raw")
