"""PyTorch's name for :mod:`minigrad.data`, and for its files, as scripts import from them.

>>> from minigrad.utils.data.dataloader import DataLoader
>>> DataLoader.__module__
'minigrad.data.dataloader'
"""

import sys as _sys

from minigrad.data import *  # noqa: F403
from minigrad.data import (
    __all__,  # noqa: F401  # what the star brings
    dataloader,
    dataset,
    sampler,
)

for _file in (dataloader, dataset, sampler):
    _sys.modules[f"{__name__}.{_file.__name__.rpartition('.')[2]}"] = _file
