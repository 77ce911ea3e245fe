"""Texts as numbers: a vocabulary of characters, and blocks of a text with what comes next."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.core.tensor import Array, Tensor
from minigrad.data.dataset import _Pairs
from minigrad.data.datasets.folder import data_file

__all__ = ["CharText", "TinyShakespeare", "Vocabulary", "read_text"]


def read_text(path: str | Path) -> str:
    r"""The text of a UTF-8 file, line ends as ``\n``.

    Raises
    ------
    ValueError
        If it is empty, or no UTF-8: says where.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is no UTF-8 text: byte {error.start} is {error.object[error.start]:#04x}; "
            "convert it (iconv -t utf-8)"
        ) from error
    if not text:
        raise ValueError(f"{path} is empty: expected a text")
    return text


class Vocabulary:
    """Numbers for characters: their places in sorted order.

    Parameters
    ----------
    characters : iterable of str
        Those of a text, say; each one counts once.
    special : sequence of str
        Names that get the first numbers, as ``"."`` for the start and end of a name.

    Raises
    ------
    ValueError
        If a special name is one of the characters.

    Examples
    --------
    >>> from minigrad.data.datasets import Vocabulary
    >>> vocabulary = Vocabulary("banana")
    >>> len(vocabulary), vocabulary.encode("nab").tolist(), vocabulary.decode([2, 0, 1])
    (3, [2, 0, 1], 'nab')
    """

    def __init__(self, characters: Iterable[str], special: Iterable[str] = ()) -> None:
        special, found = list(special), sorted(set(characters))
        both = sorted(set(special) & set(found))
        if both:
            raise ValueError(f"{both} are special, but the text has them, too: choose others")
        self.characters: tuple[str, ...] = (*special, *found)
        self.index = {c: i for i, c in enumerate(self.characters)}

    def __len__(self) -> int:
        return len(self.characters)

    def encode(self, text: str) -> Tensor:
        """The numbers of the characters of a text, int64.

        Raises
        ------
        ValueError
            For a character that is not in the vocabulary: says which, and where.
        """
        return Tensor(self.numbers(text))

    def numbers(self, text: str) -> Array:
        """What `encode` gives, as an array."""
        try:
            return np.fromiter(map(self.index.__getitem__, text), np.int64, len(text))
        except KeyError as error:
            character = error.args[0]
            raise ValueError(
                f"character {character!r} at place {text.index(character)} is not among the "
                f"{len(self)} of the vocabulary"
            ) from None

    def decode(self, numbers: Any) -> str:
        """The text that a row of numbers stands for.

        Raises
        ------
        IndexError
            For a number outside of the vocabulary.
        """
        array = np.asarray(numbers.array if isinstance(numbers, Tensor) else numbers)
        ids = array.astype(np.int64).ravel()
        if len(ids) and not 0 <= ids.min() <= ids.max() < len(self):
            raise IndexError(
                f"numbers should be from 0 to {len(self) - 1}, got {ids.min()} to {ids.max()}"
            )
        return "".join([self.characters[i] for i in ids.tolist()])


class CharText(_Pairs):
    """Blocks of a text as character numbers, each with the characters that follow.

    Sample `i` is ``(x, y)``: `x` the characters ``i * stride`` to ``i * stride + block_size - 1``,
    `y` those one further, so that ``y[t]`` is what a model shall predict after ``x[: t + 1]``.

    Parameters
    ----------
    text : str
        The text itself; `CharText.from_file` takes a file instead.
    block_size : int
        Length T of a block.
    train : bool, optional
        True for the first part, False for the last, which is for validation; by default all. (The
        parts do not overlap, and no block reaches from one into the other.)
    validation : float
        The share of the last part.
    stride : int
        How far the next block starts: 1 gives every block, `block_size` blocks side by side.
    vocabulary : Vocabulary, optional
        By default that of the whole text, also for a part.
    transform, target_transform : callable, optional
        Applied to each `x`, each `y`.

    Attributes
    ----------
    ids : Tensor
        The whole part, int64.
    vocabulary : Vocabulary

    Raises
    ------
    ValueError
        If the part has no block with a character after it.

    Examples
    --------
    >>> from minigrad.data.datasets import CharText
    >>> text = CharText("to be or not to be", block_size=4)
    >>> x, y = text[3]
    >>> text.vocabulary.decode(x), text.vocabulary.decode(y)
    ('be o', 'e or')
    """

    def __init__(
        self,
        text: str,
        block_size: int = 64,
        train: bool | None = None,
        validation: float = 0.1,
        stride: int = 1,
        vocabulary: Vocabulary | None = None,
        transform: Callable[[Tensor], Any] | None = None,
        target_transform: Callable[[Tensor], Any] | None = None,
    ) -> None:
        if block_size < 1 or stride < 1:
            raise ValueError(
                f"block_size and stride should be positive, got {block_size} and {stride}"
            )
        if not 0 <= validation <= 1:
            raise ValueError(f"validation should be a share from 0 to 1, got {validation}")
        self.vocabulary = Vocabulary(text) if vocabulary is None else vocabulary
        cut = len(text) - round(len(text) * validation)
        part = text if train is None else text[:cut] if train else text[cut:]
        if len(part) <= block_size:
            raise ValueError(
                f"a block of {block_size} and the character after it need {block_size + 1} "
                f"characters, but this part of the text has {len(part)}"
            )
        self.ids = Tensor(self.vocabulary.numbers(part))
        self.block_size, self.stride = block_size, stride
        self.transform, self.target_transform = transform, target_transform

    @classmethod
    def from_file(cls, path: str | Path, *args: Any, **options: Any) -> CharText:
        """The blocks of a UTF-8 file; the other arguments as for the class."""
        return CharText(read_text(path), *args, **options)

    def __len__(self) -> int:
        return (len(self.ids.array) - self.block_size - 1) // self.stride + 1

    def _pair(self, index: int) -> tuple[Tensor, Tensor]:
        n = len(self)
        if not -n <= index < n:
            raise IndexError(f"index {index} is out of range for {n} blocks")
        start = (index % n) * self.stride
        x = Tensor(self.ids.array[start : start + self.block_size].copy())
        y = Tensor(self.ids.array[start + 1 : start + self.block_size + 1].copy())
        return x, y

    def _pairs(self, indices: Array) -> list[Tensor] | None:
        n = len(self)
        if len(indices) and not -n <= indices.min() <= indices.max() < n:
            return None  # one at a time, so that the error names the index
        starts = (indices % n)[:, None] * self.stride
        places = starts + np.arange(self.block_size)
        return [Tensor(self.ids.array.take(places)), Tensor(self.ids.array.take(places + 1))]


class TinyShakespeare(CharText):
    """1.1 MB of Shakespeare: the usual text for character models (Karpathy 2015).

    Looked for as ``text/tinyshakespeare.txt`` in `root`, in the folder that ``MINIGRAD_DATA``
    names, or in the cache; fetched once if it is in none.

    Parameters
    ----------
    root : path, optional
        Downloads go there; by default to the cache.
    train : bool, optional
    block_size, validation, stride : optional
    transform, target_transform : callable, optional
        As for `CharText`.
    download : bool
        Fetch the file if it is nowhere.
    """

    url = (
        "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
    )
    checksum = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"

    def __init__(
        self,
        root: str | Path | None = None,
        train: bool | None = True,
        block_size: int = 64,
        transform: Callable[[Tensor], Any] | None = None,
        target_transform: Callable[[Tensor], Any] | None = None,
        download: bool = True,
        validation: float = 0.1,
        stride: int = 1,
    ) -> None:
        names = ("tinyshakespeare.txt",)
        path = data_file(("text", "."), names, (self.url,), self.checksum, root, download)
        text = read_text(path)
        super().__init__(
            text, block_size, train, validation, stride, None, transform, target_transform
        )
