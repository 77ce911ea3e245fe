"""Data at hand: pictures, texts and names, read from their official files.

Files are looked for in `root`, then in the folder that the environment variable ``MINIGRAD_DATA``
names, then in the cache; missing ones are fetched once, and their checksums compared.
"""

from minigrad.data.datasets.cifar import CIFAR10, CIFAR100
from minigrad.data.datasets.digits import Digits
from minigrad.data.datasets.download import download
from minigrad.data.datasets.idx import read_idx
from minigrad.data.datasets.images import Images
from minigrad.data.datasets.mnist import MNIST, FashionMNIST
from minigrad.data.datasets.names import Names, NamesByLanguage
from minigrad.data.datasets.text import CharText, TinyShakespeare, Vocabulary, read_text

__all__ = [
    "CIFAR10", "CIFAR100", "MNIST", "CharText", "Digits", "FashionMNIST", "Images", "Names",
    "NamesByLanguage", "TinyShakespeare", "Vocabulary", "download", "read_idx", "read_text",
]  # fmt: skip
