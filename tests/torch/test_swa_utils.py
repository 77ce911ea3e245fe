"""Averages of weights against PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import optim

torch = pytest.importorskip("torch")


def averages(lib: Any, utils: Any, options: dict[str, Any]) -> dict[str, Any]:
    """What is averaged over five models, after an update of the statistics."""
    rng = np.random.default_rng(0)
    model = lib.nn.Sequential(lib.nn.Linear(3, 2), lib.nn.BatchNorm1d(2))
    made = {k: getattr(utils, v[0])(*v[1:]) if isinstance(v, tuple) else v
            for k, v in options.items()}  # fmt: skip
    averaged = utils.AveragedModel(model, **made)
    for _ in range(5):
        for p in model.parameters():
            p.data = lib.tensor(rng.standard_normal(tuple(p.shape)).astype("f4"))
        model(lib.tensor(rng.standard_normal((4, 3)).astype("f4")))
        averaged.update_parameters(model)
    if not options.get("use_buffers"):
        batches = [lib.tensor(rng.standard_normal((n, 3)).astype("f4")) for n in (4, 6, 2)]
        utils.update_bn(batches, averaged)
    return {k: v.detach().numpy() for k, v in averaged.state_dict().items()}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"use_buffers": True},
        {"avg_fn": ("get_ema_avg_fn", 0.9)},
        {"multi_avg_fn": ("get_ema_multi_avg_fn", 0.3), "use_buffers": True},
        {"avg_fn": ("get_swa_avg_fn",)},
        {"multi_avg_fn": ("get_swa_multi_avg_fn",)},
    ],
)
def test_averages(options: dict[str, Any]) -> None:
    ours = averages(mg, optim.swa_utils, options)
    theirs = averages(torch, torch.optim.swa_utils, options)
    assert list(ours) == list(theirs)
    for name, value in theirs.items():
        assert ours[name].dtype == value.dtype
        np.testing.assert_allclose(ours[name], value, 2e-6, 1e-6, err_msg=name)
