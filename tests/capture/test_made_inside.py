"""Layers, models and initial values that are made inside a recording are made again by a replay.

Nothing is named to the recording, so nothing may come from elsewhere: memory, fills and draws of
parameters and buffers are all heard.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import capture, models, nn
from tests.capture.again import recorded
from tests.capture.test_layers_replay import CONTAINERS, INPUTS
from tools.surface_samples import ABSTRACT, LAYERS, MODELS

NAMES = {"mg": mg, "nn": nn, "models": models, "init": nn.init, "utils": nn.utils}
LAYER_TEXTS = [
    f"nn.{name}({text})" for name, texts in LAYERS.items() for text in texts
    if name not in ABSTRACT | CONTAINERS
]  # fmt: skip
FILLS = [
    "uniform_(w)", "normal_(w,1.0,2.0)", "constant_(w,2.0)", "ones_(w)", "zeros_(w)", "eye_(w)",
    "dirac_(v)", "sparse_(w,0.3)", "xavier_uniform_(w)", "xavier_normal_(w)",
    "kaiming_uniform_(w)", "kaiming_normal_(w)", "lecun_normal_(w)", "lecun_uniform_(w)",
    "trunc_normal_(w)", "orthogonal_(w)", "orthogonal_(v)", "random_walk_(w)",
]  # fmt: skip
NETWORK = "nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))"
IMAGES = (
    "nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.ConvTranspose2d(4, 2, 3, groups=2)),"
    "mg.randn(5, 2, 6, 6)"
)
BY_DATA = [
    f"init.lsuv_({NETWORK}, mg.randn(20, 4))",
    f"init.krahenbuhl_({NETWORK}, mg.randn(20, 4), beta=0.1, balance=True)",
    f"init.krahenbuhl_({IMAGES})",
]
#: What changes how a layer gets its weight; each is called, too.
WEIGHTS = [
    "utils.parametrizations.weight_norm(L)",
    "utils.parametrizations.spectral_norm(L)",
    "utils.parametrizations.orthogonal(L)",
    "utils.parametrizations.orthogonal(L, orthogonal_map='cayley')",
    "utils.parametrizations.orthogonal(L, orthogonal_map='householder')",
    "utils.parametrizations.orthogonal(L, orthogonal_map='householder', use_trivialization=False)",
    "utils.weight_norm(L)",
    "utils.spectral_norm(L)",
    "utils.prune.random_unstructured(L, 'weight', 0.5)",
    "utils.prune.l1_unstructured(L, 'weight', 0.5)",
    "utils.prune.ln_structured(L, 'weight', 1, 2, 0)",
    "utils.prune.random_structured(L, 'weight', 1, 0)",
    "utils.prune.l1_unstructured(utils.prune.random_structured(L, 'weight', 1, 0), 'weight', 0.5)",
]


def _again(make: Callable[[], Any]) -> Any:
    """Make a module inside a recording, and compare all of it with what a replay makes."""
    mg.manual_seed(1)
    seen, module = recorded([], make)
    again = seen.replay()
    for name, t in [*module.named_parameters(), *module.named_buffers()]:
        if not isinstance(t, nn.parameter.UninitializedTensorMixin):
            np.testing.assert_array_equal(again.value(t), t.array, err_msg=name)
    return module


@pytest.mark.parametrize("text", LAYER_TEXTS + MODELS)
def test_layers_and_models(text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of arguments that are old-fashioned
        _again(lambda: eval(text if text.startswith("nn.") else f"models.{text}", NAMES))


@pytest.mark.parametrize("name", [n for n in LAYERS if n.startswith("Lazy")])
def test_lazy_layers_at_their_first_call(name: str) -> None:
    def make() -> Any:
        layer = eval(f"nn.{name}({LAYERS[name][0]})", NAMES)
        layer(*INPUTS.get(name, lambda _: (mg.randn(3, 4),))(""))
        return layer

    assert len([*_again(make).parameters()]) or "InstanceNorm" in name


@pytest.mark.parametrize("text", FILLS)
def test_fills(text: str) -> None:
    tensors = {"w": mg.empty(4, 5), "v": mg.empty(4, 5, 3)}
    seen, result = recorded(tensors, lambda: eval(f"nn.init.{text}", {"nn": nn, **tensors}))
    np.testing.assert_array_equal(seen.replay().value(result), result.array)


@pytest.mark.parametrize("text", BY_DATA)
def test_initialization_by_data(text: str) -> None:
    _again(lambda: eval(text, NAMES))


@pytest.mark.filterwarnings("ignore:`nn.utils.weight_norm` is deprecated")
@pytest.mark.parametrize("text", WEIGHTS)
def test_weights_that_are_computed(text: str) -> None:
    def make() -> Any:
        layer = eval(text, {**NAMES, "L": nn.Linear(4, 3)})
        layer(mg.randn(2, 4)).sum().backward()
        return layer

    _again(make)


def test_an_array_that_is_stored_is_refused() -> None:
    """The fill would be the same in each replay, whatever it was computed from."""
    w = mg.zeros(2)
    with capture.recording([w]), pytest.raises(capture.UnknownTensor, match="store"):
        mg.ops.inplace.store(w, np.ones(2))
