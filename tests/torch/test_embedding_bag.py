"""Bags of embeddings against PyTorch: values, gradients, errors, the layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import minigrad as mg  # noqa: E402
from tests.torch.oracle import same  # noqa: E402

ROWS = np.array([4, 1, 1, 0, 5, 2, 2, 2, 0])
#: Indices, offsets, and further arguments.
CASES: list[tuple[Any, Any, dict[str, Any]]] = [
    (ROWS, [0, 3, 7], {}),
    (ROWS, [0, 3, 3, 9], {}),
    (ROWS, [0, 0, 4], {"padding_idx": 2}),
    (ROWS, [0, 5], {"padding_idx": -6}),
    (ROWS, [0, 4, 9], {"include_last_offset": True}),
    (ROWS.reshape(3, 3), None, {}),
    (ROWS.reshape(3, 3), None, {"padding_idx": 1}),
    (ROWS[:0], [0, 0], {}),
    (ROWS[:0].reshape(0, 3), None, {}),
    (ROWS, [0, 2], {"max_norm": 1.0}),
    (ROWS, [0, 2], {"max_norm": 0.5, "norm_type": 1.0}),
    (ROWS.astype("int32"), [0, 2], {}),
]


def _run(module: Any, case: Any, mode: str, dtype: str, weighted: bool, **more: Any) -> list[Any]:
    """The bags, the gradients and the table afterwards."""
    index, offsets, kwargs = case
    rng = np.random.default_rng(0)
    weight = module.tensor(rng.normal(size=(6, 4)).astype(dtype)).requires_grad_()
    leaves = [weight]
    extra: dict[str, Any] = {**kwargs, **more}
    if weighted:
        scale = module.tensor(rng.normal(size=index.shape).astype(dtype)).requires_grad_()
        extra["per_sample_weights"] = scale
        leaves.append(scale)
    starts = None if offsets is None else module.tensor(np.array(offsets, index.dtype))
    y = module.nn.functional.embedding_bag(module.tensor(index), weight, starts, mode=mode, **extra)
    flow = module.tensor(rng.normal(size=tuple(y.shape)).astype(dtype))
    return [y, *module.autograd.grad(y, leaves, flow), weight]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("case", CASES)
def test_values_and_gradients(case: Any, mode: str, dtype: str) -> None:
    if mode == "max" and "include_last_offset" in case[2] and case[1][-1] < case[0].size:
        return  # PyTorch lets the last bag go on to the end
    ours, theirs = (_run(m, case, mode, dtype, False) for m in (mg, torch))
    same(ours, theirs, 1e-5 if dtype == "float32" else 1e-12)


@pytest.mark.parametrize("case", [c for c in CASES if "padding_idx" not in c[2]])
def test_weights_of_samples(case: Any) -> None:
    ours, theirs = (_run(m, case, "sum", "float64", True) for m in (mg, torch))
    same(ours, theirs, 1e-12)


@pytest.mark.parametrize("mode", ["sum", "mean"])
@pytest.mark.parametrize("case", CASES[:6])
def test_gradient_by_frequency(case: Any, mode: str) -> None:
    """Divided by how often a row occurs; PyTorch 2.13 looks up the counts of other rows."""
    y, g, _ = _run(mg, case, mode, "float64", False)
    scaled, h, _ = _run(mg, case, mode, "float64", False, scale_grad_by_freq=True)
    counts = np.maximum(np.bincount(case[0].reshape(-1), minlength=6), 1)
    np.testing.assert_array_equal(y.detach().numpy(), scaled.detach().numpy())
    np.testing.assert_allclose(h.numpy(), g.numpy() / counts[:, None], rtol=1e-12)


def test_large_bags_use_kernels_on_all_threads() -> None:
    rng = np.random.default_rng(0)
    index, offsets = rng.integers(0, 500, 4000), np.sort(rng.integers(0, 4000, 200))
    offsets[0] = 0
    found = []
    for module in (mg, torch):
        weight = module.tensor(np.random.default_rng(1).normal(size=(500, 96))).requires_grad_()
        scale = module.tensor(np.random.default_rng(2).normal(size=4000)).requires_grad_()
        y = module.nn.functional.embedding_bag(
            module.tensor(index), weight, module.tensor(offsets), mode="sum",
            per_sample_weights=scale,
        )  # fmt: skip
        found.append([y, *module.autograd.grad((y**2).sum(), [weight, scale])])
    same(*found, 1e-10)


def test_last_offset_ends_the_last_bag() -> None:
    """PyTorch's "max" goes on to the end of the indices, and its gradient of "sum" is not set."""
    table = mg.arange(5).float().reshape(5, 1)
    starts = mg.tensor([0, 2, 3])
    for mode, wanted in (("sum", 1.0), ("mean", 1.0), ("max", 1.0)):
        y = mg.nn.functional.embedding_bag(
            mg.tensor([3, 4, 1, 2]), table, starts, mode=mode, include_last_offset=True
        )
        assert y.shape == (2, 1)
        assert y[1].item() == wanted


REFUSED = """
i + 1, w, o | i - 5, w, o | i, w, o + 1 | i, w, o * 3 | i, w | i.float(), w, o | i, w, o.float() |
i, w, o, None, 2.0, False, 'sum', False, m.ones(3) | i.reshape(2, 2), w, o | i, w[0], o | i[0], w |
i, w, o, None, 2.0, False, 'x' | i, w, o, None, 2.0, True, 'max' |
i, w, o, None, 2.0, False, 'mean', False, m.ones(4) |
i, w, o, None, 2.0, False, 'sum', False, m.ones(4).double() | i, w, o[None] |
i, w, o, None, 2.0, False, 'mean', False, None, False, 7 |
i, w, o[:0], None, 2.0, False, 'mean', False, None, True
"""


@pytest.mark.parametrize("text", [c.strip() for c in REFUSED.split("|")])
def test_errors(text: str) -> None:
    kinds = []
    for module in (mg, torch):
        names = {"i": module.tensor([0, 2, 4, 1]), "w": module.ones(5, 3), "m": module}
        names["o"] = module.tensor([0, 2])
        with pytest.raises((RuntimeError, ValueError, NotImplementedError)) as caught:
            module.nn.functional.embedding_bag(*eval(text, names))
        kinds.append(caught.type)
    assert kinds[0] is kinds[1]


def test_offsets_must_ascend() -> None:
    with pytest.raises(RuntimeError, match="ascend"):
        mg.nn.functional.embedding_bag(mg.tensor([0, 1, 2]), mg.ones(3, 2), mg.tensor([0, 2, 1]))


@pytest.mark.parametrize("kwargs", [
    {}, {"mode": "max"}, {"mode": "sum", "padding_idx": -2, "include_last_offset": True},
    {"max_norm": 1.0, "norm_type": 1.0},
])  # fmt: skip
def test_layer(kwargs: dict[str, Any]) -> None:
    ours, theirs = mg.nn.EmbeddingBag(6, 3, **kwargs), torch.nn.EmbeddingBag(6, 3, **kwargs)
    assert repr(ours) == repr(theirs)
    if "padding_idx" in kwargs:
        assert not ours.weight[ours.padding_idx].any()
    ours.load_state_dict({k: mg.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    theirs.load_state_dict({k: torch.tensor(v.numpy()) for k, v in ours.state_dict().items()})
    found = []
    for module, layer in ((mg, ours), (torch, theirs)):
        y = layer(module.tensor([0, 4, 5, 5, 2]), module.tensor([0, 2, 5]))
        (y * y).sum().backward()
        found.append([y, layer.weight.grad])
    same(*found, 1e-5)


def test_from_pretrained() -> None:
    table = mg.arange(6).float().reshape(3, 2)
    layer = mg.nn.EmbeddingBag.from_pretrained(table, mode="sum")
    assert not layer.weight.requires_grad
    assert layer(mg.tensor([[0, 2]])).tolist() == [[4.0, 6.0]]
    with pytest.raises(AssertionError):
        mg.nn.EmbeddingBag.from_pretrained(table[0])
    with pytest.raises(AssertionError):
        mg.nn.EmbeddingBag(3, 2, padding_idx=3)
