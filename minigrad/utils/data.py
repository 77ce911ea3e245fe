"""PyTorch's name for :mod:`minigrad.data`, and for its files, as scripts import from them.

>>> from minigrad.utils.data.dataloader import DataLoader
>>> DataLoader.__module__
'minigrad.data.dataloader'
"""

from typing import Any as _Any

from minigrad.data import *  # noqa: F403
from minigrad.data import __all__, dataloader, dataset, sampler  # noqa: F401

__path__: list[str] = []  # its files are those that `minigrad.compat.PLACES` says


def __getattr__(name: str) -> _Any:
    if name == "DistributedSampler":
        from minigrad.compat.distributed_sampler import DistributedSampler

        return DistributedSampler
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
