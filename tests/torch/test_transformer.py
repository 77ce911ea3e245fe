"""Transformers with masks and hints against PyTorch: values, gradients, warnings, refusals."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import minigrad as mg  # noqa: E402
from tests.torch.twins import array  # noqa: E402

E, HEADS, S, T, N = 4, 2, 5, 3, 2


def pair(**settings: Any) -> tuple[Any, Any]:
    """Transformers of both libraries in float64 with the same parameters."""
    torch.manual_seed(1)
    nets = []
    for module in (torch, mg):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            nets.append(
                module.nn.Transformer(
                    E, HEADS, 1, 2, 8, 0.0, dtype=module.float64, **settings
                )
            )  # fmt: skip
    nets[1].load_state_dict({k: array(v) for k, v in nets[0].state_dict().items()})
    return nets[0], nets[1]


def causal(size: int, kind: str, module: Any) -> Any:
    mask = module.nn.Transformer.generate_square_subsequent_mask(size, dtype=module.float64)
    return mask < 0 if kind == "bool" else mask


def run(module: Any, net: Any, batch_first: bool, kind: str, hints: Any, padded: bool) -> list[Any]:
    rng = np.random.default_rng(2)
    x, y = (module.tensor(rng.normal(size=(N, n, E)), requires_grad=True) for n in (S, T))
    given = (x, y) if batch_first else (x.transpose(0, 1), y.transpose(0, 1))
    more: dict[str, Any] = {}
    if padded:
        padding = np.zeros((N, S), bool)
        padding[1, 3:] = True
        mask = module.tensor(padding)
        more = {"src_key_padding_mask": mask, "memory_key_padding_mask": mask}
    masks = {"src_mask": causal(S, kind, module), "tgt_mask": causal(T, kind, module)}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        out = net(*given, **masks, **more, src_is_causal=hints, tgt_is_causal=hints)
    flow = module.tensor(rng.normal(size=tuple(out.shape)))
    grads = module.autograd.grad(out, [x, y, *net.parameters()], flow)
    return [[str(w.message) for w in caught], out, *grads]


@pytest.mark.parametrize(
    ("batch_first", "norm_first", "kind"),
    list(itertools.product([False, True], [False, True], ["float", "bool"])),
)
def test_masks_and_hints(batch_first: bool, norm_first: bool, kind: str) -> None:
    theirs, ours = pair(batch_first=batch_first, norm_first=norm_first, activation="gelu")
    for hints, padded, training in itertools.product((None, True, False), (False, True), (0, 1)):
        if kind == "float" and padded:
            continue  # of mixed types, which both warn of
        theirs.train(bool(training))
        ours.train(bool(training))
        a, b = (
            run(module, net, batch_first, kind, hints, padded)
            for module, net in ((mg, ours), (torch, theirs))
        )
        assert a[0] == b[0]
        for p, q in zip(a[1:], b[1:], strict=True):
            np.testing.assert_allclose(array(p), array(q), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("name", ["mask", "mixed", "integers"])
def test_warnings_and_refusals(name: str) -> None:
    said = []
    for module in (torch, mg):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            layer = module.nn.TransformerEncoderLayer(E, HEADS, 8, 0.0)
            net = module.nn.TransformerEncoder(layer, 1)
            x = module.ones(S, N, E)
            mask = module.zeros(S, S)
            if name == "mixed":
                net(x, mask, module.zeros(N, S) > 0)
                layer(x, mask, module.zeros(N, S) > 0)
            elif name == "integers":
                with pytest.raises(AssertionError) as info:
                    net(x, mask.long())
                said.append(str(info.value))
        said.append([str(w.message) for w in caught])
    half = len(said) // 2
    assert said[half:] == said[:half]


@pytest.mark.parametrize("module", [torch, mg])
def test_the_mask_itself(module: Any) -> None:
    mask = module.nn.Transformer.generate_square_subsequent_mask(3)
    assert mask.dtype == module.float32
    upper = [[0, -np.inf, -np.inf], [0, 0, -np.inf], [0, 0, 0]]
    assert np.array_equal(array(mask), np.array(upper))
