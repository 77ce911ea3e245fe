"""Datasets, samplers, and the loader that makes batches; also importable as `utils.data`.

`datasets`, `transforms` and `preprocessing` are imported when they are asked for: a loop over
tensors needs nothing that reads archives or fetches files.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from minigrad.data.collate import default_collate, default_convert
from minigrad.data.dataloader import DataLoader
from minigrad.data.dataset import *  # noqa: F403
from minigrad.data.randomness import batch_generator
from minigrad.data.sampler import *  # noqa: F403
from minigrad.data.workers import WorkerInfo, get_worker_info

from minigrad.data import dataset, sampler  # isort: skip

__all__ = [
    "DataLoader", "WorkerInfo", "batch_generator", "default_collate", "default_convert",
    "get_worker_info", *dataset.__all__, *sampler.__all__,
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in ("datasets", "preprocessing", "transforms"):
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
