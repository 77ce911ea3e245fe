"""Transforms of whole batches: preprocessing that learns from data, and random augmentation.

Each is a small callable object. It takes an array or a tensor, ``(N, channels, height, width)`` or,
where pixels do not matter, ``(N, features)``, and gives back the same kind. What learns from data
(`fit`) does so from the training set only.
"""

from minigrad.data.transforms.base import CollateThen, Compose, Lambda, Transform
from minigrad.data.transforms.geometry import (
    CenterCrop,
    RandomCrop,
    RandomHorizontalFlip,
    RandomRotation,
    RandomShift,
    RandomVerticalFlip,
)
from minigrad.data.transforms.mixing import CutMix, LabelNoise, MixUp
from minigrad.data.transforms.noise import GaussianNoise, RandomErasing
from minigrad.data.transforms.normalize import (
    MeanImage,
    Normalize,
    PerChannelMean,
    PerChannelStandardize,
    Standardize,
    ToTensor,
    UnitNorm,
)
from minigrad.data.transforms.whitening import PCA, Whitening

__all__ = [
    "PCA", "CenterCrop", "CollateThen", "Compose", "CutMix", "GaussianNoise", "LabelNoise",
    "Lambda", "MeanImage", "MixUp", "Normalize", "PerChannelMean", "PerChannelStandardize",
    "RandomCrop", "RandomErasing", "RandomHorizontalFlip", "RandomRotation", "RandomShift",
    "RandomVerticalFlip", "Standardize", "ToTensor", "Transform", "UnitNorm", "Whitening",
]  # fmt: skip
