"""Data at hand: MNIST, and scikit-learn's digits."""

from minigrad.data.datasets.digits import Digits
from minigrad.data.datasets.images import GreyImages
from minigrad.data.datasets.mnist import MNIST, read_idx

__all__ = ["MNIST", "Digits", "GreyImages", "read_idx"]
