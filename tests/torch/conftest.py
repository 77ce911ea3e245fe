"""PyTorch on one thread: its idle threads spin, and would take the processor from the tests."""

from __future__ import annotations

import torch

torch.set_num_threads(1)
