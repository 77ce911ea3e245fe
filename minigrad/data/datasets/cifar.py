"""CIFAR-10 and CIFAR-100: colour pictures, 32 x 32 (Krizhevsky 2009)."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from minigrad.core.tensor import Array, Tensor
from minigrad.data.datasets.folder import data_file, places
from minigrad.data.datasets.images import FetchedImages
from minigrad.data.datasets.pickled import load_batch

__all__ = ["CIFAR10", "CIFAR100"]

_PIXELS = 3 * 32 * 32
_MIRRORS = ("https://www.cs.toronto.edu/~kriz/", "https://cave.cs.toronto.edu/kriz/")


class CIFAR10(FetchedImages):
    """Colour pictures of ten classes: 50,000 to train with, 10,000 to test with.

    Looked for in the subfolder ``cifar10`` of `root` (or in `root` itself), of the folder that the
    environment variable ``MINIGRAD_DATA`` names, or of the cache: the folder
    ``cifar-10-batches-bin`` or the archive ``cifar-10-binary.tar.gz`` of the official binary
    version; or ``cifar-10-batches-py``, the official Python version, of which only arrays and
    numbers are unpickled. If there is none, the binary archive is fetched once, 162 MB, and its
    checksum compared.

    Parameters
    ----------
    root : path, optional
        Downloads go there; by default to the cache.
    train : bool
        The training set, or the test set.
    transform, target_transform : callable, optional
        Applied to each image, a float32 tensor of shape ``(3, 32, 32)`` from 0 to 1; and to each
        label, an int. Transforms of :mod:`minigrad.data.transforms` are applied to whole batches.
    download : bool
        Fetch the archive if there is nothing.

    Attributes
    ----------
    data, targets : Tensor
        All images as they are stored, uint8 ``(N, 3, 32, 32)``, and all labels, int64.

    Raises
    ------
    FileNotFoundError
        If there are no files and they may or can not be fetched.
    RuntimeError
        If what was fetched has another checksum.
    ValueError
        If a file is damaged: of another size than whole records, or with other labels.
    """

    classes: tuple[str, ...] = (
        "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
    )  # fmt: skip
    _subfolder: ClassVar[str] = "cifar10"
    _archive: ClassVar[str] = "cifar-10-binary.tar.gz"
    checksum: ClassVar[str] = "c32a1d4ab5d03f1284b67883e8d87530"  # MD5
    mirrors: ClassVar[tuple[str, ...]] = _MIRRORS
    _binary: ClassVar[str] = "cifar-10-batches-bin"
    _pickled: ClassVar[str] = "cifar-10-batches-py"
    _parts: ClassVar[dict[bool, tuple[str, ...]]] = {
        True: tuple(f"data_batch_{i}" for i in range(1, 6)),
        False: ("test_batch",),
    }
    #: Names of the labels in a record, with how many classes each has.
    _labels: ClassVar[dict[str, int]] = {"labels": 10}

    def _load(self, root: str | Path | None, download: bool) -> tuple[Array, Array]:
        images, labels = self._read(root, download)
        return images, self._targets(labels)

    def _targets(self, labels: dict[str, Array]) -> Array:
        return labels["labels"]

    def _read(self, root: str | Path | None, download: bool) -> tuple[Array, dict[str, Array]]:
        parts = self._parts[self.train]
        for place in places(root):
            for base in (place / self._subfolder, place):
                binary, pickled = base / self._binary, base / self._pickled
                if (binary / f"{parts[0]}.bin").is_file():
                    self._names(lambda name: _text(binary / name))  # noqa: B023 - called at once
                    return self._joined([_file(binary / f"{part}.bin") for part in parts])
                if (pickled / parts[0]).is_file():
                    return _whole([load_batch(pickled / part, self._labels) for part in parts])
        folders = (self._subfolder, ".")
        urls = [mirror + self._archive for mirror in self.mirrors]
        path = data_file(folders, (self._archive,), urls, self.checksum, root, download)
        with _opened(path) as archive:
            there = set(archive.getnames())

            def read(name: str) -> str | None:
                name = f"{self._binary}/{name}"
                content = _member(path, archive, name)[1] if name in there else None
                return None if content is None else content.decode("ascii", "replace")

            self._names(read)
            names = [f"{self._binary}/{part}.bin" for part in parts]
            return self._joined([_member(path, archive, name) for name in names])

    def _names(self, read: Callable[[str], str | None]) -> None:
        """Where a file names the classes, read them; `read` gives its text, or None."""

    def _joined(self, files: list[tuple[str, bytes]]) -> tuple[Array, dict[str, Array]]:
        return _whole([self._records(name, content) for name, content in files])

    def _records(self, name: str, content: bytes) -> tuple[Array, dict[str, Array]]:
        """The images and labels of a file of records: the labels, then red, green and blue."""
        size = len(self._labels) + _PIXELS
        if not content or len(content) % size:
            raise ValueError(
                f"{name} is damaged: it has {len(content)} bytes, expected a multiple of {size} "
                f"({len(self._labels)} for the labels and {_PIXELS} for the pixels of each image); "
                "remove it, and fetch it again"
            )
        rows = np.frombuffer(content, np.uint8).reshape(-1, size)
        labels = {kind: rows[:, i] for i, kind in enumerate(self._labels)}
        for kind, count in self._labels.items():
            if labels[kind].max() >= count:
                raise ValueError(
                    f"{name} is damaged: it has {kind} up to {labels[kind].max()}, expected 0 to "
                    f"{count - 1}; remove it, and fetch it again"
                )
        return rows[:, len(self._labels) :].reshape(-1, 3, 32, 32), labels


class CIFAR100(CIFAR10):
    """Colour pictures of a hundred classes in twenty groups: 50,000 to train, 10,000 to test with.

    Looked for as `CIFAR10` is, in the subfolder ``cifar100``: ``cifar-100-binary`` as a folder or
    ``.tar.gz``, or ``cifar-100-python``; 161 MB are fetched.

    Parameters
    ----------
    root : path, optional
    train : bool
    transform, target_transform : callable, optional
    download : bool
        As for `CIFAR10`.
    coarse : bool
        The twenty groups as labels instead of the hundred classes.

    Attributes
    ----------
    classes : tuple of str
        The names, where the files hold them.
    """

    classes: tuple[str, ...] = ()
    _subfolder = "cifar100"
    _archive = "cifar-100-binary.tar.gz"
    checksum = "03b5dce01913d631647c71ecec9e9cb8"  # MD5
    _binary = "cifar-100-binary"
    _pickled = "cifar-100-python"
    _parts: ClassVar[dict[bool, tuple[str, ...]]] = {True: ("train",), False: ("test",)}
    _labels: ClassVar[dict[str, int]] = {"coarse_labels": 20, "fine_labels": 100}

    def __init__(
        self,
        root: str | Path | None = None,
        train: bool = True,
        transform: Callable[[Tensor], Any] | None = None,
        target_transform: Callable[[int], Any] | None = None,
        download: bool = True,
        coarse: bool = False,
    ) -> None:
        self.coarse = coarse
        super().__init__(root, train, transform, target_transform, download)

    def _targets(self, labels: dict[str, Array]) -> Array:
        return labels["coarse_labels" if self.coarse else "fine_labels"]

    def _names(self, read: Callable[[str], str | None]) -> None:
        text = read(f"{'coarse' if self.coarse else 'fine'}_label_names.txt")
        if text is not None:
            self.classes = tuple(text.split())


def _file(path: Path) -> tuple[str, bytes]:
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing, though other parts are there: fetch it again")
    return str(path), path.read_bytes()


def _text(path: Path) -> str | None:
    return path.read_text("ascii", "replace") if path.is_file() else None


@contextmanager
def _opened(path: Path) -> Iterator[tarfile.TarFile]:
    """An archive; whatever is wrong with it while it is read is a ValueError."""
    try:
        with tarfile.open(path, "r:gz") as archive:
            yield archive
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ValueError(f"{path} is damaged: {error}; remove it, and fetch it again") from error


def _member(path: Path, archive: tarfile.TarFile, name: str) -> tuple[str, bytes]:
    try:
        file = archive.extractfile(name)
    except KeyError:
        file = None
    if file is None:
        raise ValueError(f"{path} has no file {name}: it is no official binary version of CIFAR")
    return f"{path}: {name}", file.read()


def _whole(parts: list[tuple[Array, dict[str, Array]]]) -> tuple[Array, dict[str, Array]]:
    """The parts one after the other."""
    images = np.concatenate([images for images, _ in parts])
    kinds = parts[0][1]
    return images, {kind: np.concatenate([labels[kind] for _, labels in parts]) for kind in kinds}
