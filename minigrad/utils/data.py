"""PyTorch's name for :mod:`minigrad.data`."""

from minigrad.data import *  # noqa: F403
from minigrad.data import __all__  # noqa: F401  # what the star brings
