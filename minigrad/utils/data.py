"""PyTorch's name for :mod:`minigrad.data`, and for its files, as scripts import from them.

>>> from minigrad.utils.data.dataloader import DataLoader
>>> DataLoader.__module__
'minigrad.data.dataloader'
"""

from minigrad.data import *  # noqa: F403
from minigrad.data import __all__, dataloader, dataset, sampler  # noqa: F401

__path__: list[str] = []  # its files are those that `minigrad.compat.PLACES` says
