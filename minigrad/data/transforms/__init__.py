"""Transforms of whole batches: preprocessing that learns from data, and random augmentation.

Each is a small callable object. It takes an array or a tensor, ``(N, channels, height, width)`` or,
where pixels do not matter, ``(N, features)``, and gives back the same kind. What learns from data
(`fit`) does so from the training set only.
"""

from minigrad.data.transforms.base import CollateThen, Compose, Lambda, Transform
from minigrad.data.transforms.geometry import *  # noqa: F403
from minigrad.data.transforms.mixing import *  # noqa: F403
from minigrad.data.transforms.noise import GaussianNoise, RandomErasing
from minigrad.data.transforms.normalize import *  # noqa: F403
from minigrad.data.transforms.whitening import *  # noqa: F403

from minigrad.data.transforms import geometry, mixing, normalize, whitening  # isort: skip

__all__ = [
    "CollateThen", "Compose", "GaussianNoise", "Lambda", "RandomErasing", "Transform",
    *geometry.__all__, *mixing.__all__, *normalize.__all__, *whitening.__all__,
]  # fmt: skip
