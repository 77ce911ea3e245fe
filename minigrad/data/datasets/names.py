"""Lists of names: to make up new ones, and to tell which language one comes from."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.core.tensor import Array, Tensor
from minigrad.data.dataset import _Pairs
from minigrad.data.datasets.folder import data_file, places
from minigrad.data.datasets.text import Vocabulary, read_text

__all__ = ["Names", "NamesByLanguage"]

_END = "."  # starts and ends each name, and pads; number 0


def _lines(path: Path) -> list[str]:
    """The lines of a file that are not blank."""
    lines = [line.strip() for line in read_text(path).splitlines()]
    lines = [line for line in lines if line]
    if not lines:
        raise ValueError(f"{path} has blank lines only: expected one name a line")
    return lines


def _padded(names: Sequence[str], vocabulary: Vocabulary, width: int) -> tuple[Array, Array]:
    """Numbers of the names ``(N, width)``, zeros behind, and their lengths."""
    lengths = np.fromiter(map(len, names), np.int64, len(names))
    ids = np.zeros((len(names), width), np.int64)
    ids[np.arange(width) < lengths[:, None]] = vocabulary.numbers("".join(names))
    return ids, lengths


class Names(_Pairs):
    r"""Names, one a line, for models that predict the next character (Karpathy's makemore).

    Number 0 is the token ``"."``, which starts and ends every name; letters follow in order. Sample
    `i` is ``(x, y)``, both of the length of the longest name and one more: `x` the token, the name,
    then zeros; `y` the name, the token, then `ignore_index`, which `cross_entropy` leaves out.

    Looked for as ``text/names.txt`` in `root`, in the folder that ``MINIGRAD_DATA`` names, or in
    the cache; otherwise 32,033 first names of the US Social Security Administration are fetched.

    Parameters
    ----------
    root : path, optional
        A folder; or a file of names of one's own.
    split : {"train", "val", "test"}, optional
        80, 10 or 10 % of the names, in an order shuffled by `seed`; by default all in file order.
    seed : int
    ignore_index : int
        What stands in `y` behind the end.
    transform, target_transform : callable, optional
        Applied to each `x`, each `y`.
    download : bool
        Fetch the list if it is nowhere.

    Attributes
    ----------
    names : list of str
    vocabulary : Vocabulary
        Of all names, whatever the split.

    Raises
    ------
    FileNotFoundError
        If there is no list and it may or can not be fetched.
    ValueError
        If the list is empty, no UTF-8, or has a ``"."``.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from minigrad.data.datasets import Names
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "mine.txt")
    ...     _ = path.write_text("ada\nbo\n")
    ...     names = Names(path)
    >>> x, y = names[1]
    >>> x.tolist(), y.tolist(), names.vocabulary.decode(x)
    ([0, 2, 4, 0], [2, 4, 0, -100], '.bo.')
    """

    url = "https://raw.githubusercontent.com/karpathy/makemore/master/names.txt"
    checksum = "0a30b5557f192f32ab962680889aac5f6fda0f4cecf40a6d0b5694f58ea8cc4d"

    def __init__(
        self,
        root: str | Path | None = None,
        split: str | None = None,
        seed: int = 0,
        ignore_index: int = -100,
        transform: Callable[[Tensor], Any] | None = None,
        target_transform: Callable[[Tensor], Any] | None = None,
        download: bool = True,
    ) -> None:
        if split not in (None, "train", "val", "test"):
            raise ValueError(f"split should be 'train', 'val', 'test' or None, got {split!r}")
        if root is not None and Path(root).is_file():
            path = Path(root)
        else:
            folders, names = ("text", "."), ("names.txt",)
            path = data_file(folders, names, (self.url,), self.checksum, root, download)
        lines = _lines(path)
        self.vocabulary = Vocabulary("".join(lines), special=[_END])
        width = max(map(len, lines)) + 1
        if split is not None:
            lines = _part(lines, split, seed)
        self.names = lines
        ids, lengths = _padded(lines, self.vocabulary, width)
        self._x = np.concatenate([np.zeros_like(ids[:, :1]), ids[:, :-1]], 1)
        self._y = np.where(np.arange(width) <= lengths[:, None], ids, ignore_index)
        self.ignore_index = ignore_index
        self.transform, self.target_transform = transform, target_transform

    def __len__(self) -> int:
        return len(self.names)

    def _pair(self, index: int) -> tuple[Tensor, Tensor]:
        """Numbers of a name, and of what follows each."""
        return Tensor(self._x[index].copy()), Tensor(self._y[index].copy())

    def _pairs(self, indices: Array) -> list[Tensor]:
        """Those of several."""
        return [Tensor(self._x.take(indices, 0)), Tensor(self._y.take(indices, 0))]

    def contexts(self, block_size: int = 3) -> tuple[Tensor, Tensor]:
        """Every character of every name with the `block_size` before it, for n-gram models.

        Returns
        -------
        tuple of Tensor
            The contexts ``(M, block_size)``, filled up with 0 on the left, and what follows
            ``(M,)``: M is the number of characters, one end of each name included.
        """
        padded = np.concatenate(
            [np.zeros((len(self._x), block_size - 1), np.int64), self._x], axis=1
        )
        windows = np.lib.stride_tricks.sliding_window_view(padded, block_size, 1)
        real = np.arange(self._y.shape[1]) <= np.fromiter(map(len, self.names), np.int64)[:, None]
        return Tensor(np.ascontiguousarray(windows[real])), Tensor(self._y[real])


def _part(lines: list[str], split: str, seed: int) -> list[str]:
    order = np.random.default_rng(seed).permutation(len(lines)).tolist()
    first, second = int(0.8 * len(lines)), int(0.9 * len(lines))
    chosen = {"train": order[:first], "val": order[first:second], "test": order[second:]}[split]
    if not chosen:
        raise ValueError(f"{len(lines)} names are too few for a {split!r} part")
    return [lines[i] for i in chosen]


class NamesByLanguage(_Pairs):
    """Names of several languages, one file ``<language>.txt`` each, to tell the languages apart.

    As the folder ``names`` of PyTorch's tutorial on classifying names (data.zip). Sample `i` is
    ``(x, label)``: the character numbers, padded with 0 to the longest name, and the number of the
    language in `classes`.

    Parameters
    ----------
    root : path, optional
        The folder of the files; by default the subfolder ``names`` of that which ``MINIGRAD_DATA``
        names, or of the cache.
    plain : bool
        Turn letters with marks into those without (Ślusàrski: Slusarski).
    transform, target_transform : callable, optional
        Applied to each `x`, each label.

    Attributes
    ----------
    names : list of str
    lengths, targets : Tensor
        Length and language of each name, int64.
    classes : tuple of str
        The languages, in order of their file names.
    vocabulary : Vocabulary

    Raises
    ------
    FileNotFoundError
        If there is no such folder, or no ``.txt`` file in it.
    """

    def __init__(
        self,
        root: str | Path | None = None,
        plain: bool = True,
        transform: Callable[[Tensor], Any] | None = None,
        target_transform: Callable[[int], Any] | None = None,
    ) -> None:
        folders = [place / "names" for place in places(None)] if root is None else [Path(root)]
        files = next((f for f in (sorted(d.glob("*.txt")) for d in folders) if f), None)
        if files is None:
            raise FileNotFoundError(
                f"no <language>.txt in {', '.join(map(str, folders))}: expected a folder with one "
                "file for each language, one name a line, as in data/names of "
                "https://download.pytorch.org/tutorial/data.zip"
            )
        lists = [[_plain(n) if plain else n for n in _lines(path)] for path in files]
        self.classes = tuple(path.stem for path in files)
        self.names = [name for names in lists for name in names]
        self.vocabulary = Vocabulary("".join(self.names), special=["\0"])
        ids, lengths = _padded(self.names, self.vocabulary, max(map(len, self.names)))
        self._x, self.lengths = ids, Tensor(lengths)
        self.targets = Tensor(np.repeat(np.arange(len(lists)), [len(names) for names in lists]))
        self.transform, self.target_transform = transform, target_transform

    def __len__(self) -> int:
        return len(self.names)

    def _pair(self, index: int) -> tuple[Tensor, int]:
        """Numbers of a name, and its language."""
        return Tensor(self._x[index].copy()), int(self.targets.array[index])

    def _pairs(self, indices: Array) -> list[Tensor]:
        """Those of several."""
        return [Tensor(self._x.take(indices, 0)), Tensor(self.targets.array.take(indices))]


def _plain(name: str) -> str:
    marked = unicodedata.normalize("NFD", name)
    return "".join([c for c in marked if unicodedata.category(c) != "Mn"])
