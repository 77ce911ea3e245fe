"""Pruning against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torch.nn.utils.prune")  # torch.nn.utils does not import it

import minigrad as mg  # noqa: E402
from tests.torch.oracle import array  # noqa: E402

PROGRAMS = [
    ["p.identity(a, 'weight')"],
    ["p.l1_unstructured(a, 'weight', 0.3)"],
    ["p.l1_unstructured(a, 'weight', 5)", "p.l1_unstructured(a, 'bias', 0.5)"],
    ["p.l1_unstructured(a, 'weight', 0.5)", "p.l1_unstructured(a, 'weight', 0.5)"],
    ["p.l1_unstructured(a, 'weight', 0.5, importance_scores=1 / a.weight.detach())"],
    ["p.ln_structured(a, 'weight', 0.5, n=2, dim=0)"],
    ["p.ln_structured(a, 'weight', 1, n=1, dim=-1)", "p.l1_unstructured(a, 'weight', 0.25)"],
    ["p.l1_unstructured(a, 'weight', 0.25)", "p.ln_structured(a, 'weight', 2, n=inf, dim=1)"],
    ["p.ln_structured(a, 'weight', 2, n=2, dim=1)", "p.ln_structured(a, 'weight', 1, n=1, dim=1)"],
    ["p.ln_structured(a, 'weight', 1, n=2, dim=0)", "p.ln_structured(a, 'weight', 1, n=1, dim=1)"],
    ["p.custom_from_mask(a, 'bias', m.tensor([1, 0, 1, 1]))", "p.l1_unstructured(a, 'bias', 1)"],
    ["p.l1_unstructured(a, 'bias', 1)", "p.custom_from_mask(a, 'bias', m.tensor([1, 0, 1, 0]))"],
    ["p.global_unstructured([(a, 'weight'), (b, 'weight')], p.L1Unstructured, amount=10)"],
    [
        "p.l1_unstructured(a, 'weight', 0.5)",
        "p.global_unstructured([(a, 'weight'), (b, 'weight'), (b, 'bias')], p.L1Unstructured, "
        "amount=0.5)",
        "p.remove(a, 'weight')",
    ],
    ["p.l1_unstructured(a, 'weight', 0.3)", "p.remove(a, 'weight')"],
]


def run(module: Any, program: list[str]) -> list[Any]:
    rng = np.random.default_rng(0)
    a, b = (module.nn.Linear(n, m).double() for n, m in ((5, 4), (4, 3)))
    for layer in (a, b):
        for p in layer.parameters():
            p.data = module.tensor(rng.normal(size=tuple(p.shape)))
    names = {"p": module.nn.utils.prune, "m": module, "a": a, "b": b, "inf": float("inf")}
    for line in program:
        eval(line, names)
    x = rng.normal(size=(3, 5))
    y = b(a(module.tensor(x)).tanh())
    (y**2).sum().backward()
    found: list[Any] = [array(y), module.nn.utils.prune.is_pruned(a)]
    for layer in (a, b):
        found += [list(layer.state_dict()), *[array(t) for t in layer.state_dict().values()]]
        found += [array(p.grad) for p in layer.parameters()]
        found += [array(layer.weight), array(layer.bias)]
    return found


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p[-1])
def test_programs(program: list[str]) -> None:
    for theirs, ours in zip(run(torch, program), run(mg, program), strict=True):
        if isinstance(theirs, np.ndarray):
            assert theirs.shape == ours.shape
            assert np.allclose(theirs, ours)
        else:
            assert theirs == ours


@pytest.mark.parametrize(
    "wrong",
    [
        "p.l1_unstructured(a, 'weight', 'x')", "p.l1_unstructured(a, 'weight', -1)",
        "p.l1_unstructured(a, 'weight', 1.5)", "p.l1_unstructured(a, 'weight', 1000)",
        "p.l1_unstructured(a, 'x', 1)", "p.ln_structured(a, 'bias', 1, 2, 0)",
        "p.ln_structured(a, 'weight', 1, 2, 2)", "p.ln_structured(a, 'weight', 1, 2, -3)",
        "p.custom_from_mask(a, 'weight', m.ones(2))", "p.remove(a, 'weight')",
        "p.l1_unstructured(a, 'weight', 1, importance_scores=m.ones(3))",
        "p.global_unstructured([(a, 'weight')], p.LnStructured, amount=1, n=1)",
        "p.global_unstructured(1, p.L1Unstructured, amount=1)",
        "p.global_unstructured([(a, 'weight')], p.L1Unstructured, 3, amount=1)",
        "p.BasePruningMethod()", "p.PruningContainer(3)",
    ],
)  # fmt: skip
def test_errors_are_of_the_same_type(wrong: str) -> None:
    kinds = []
    for m in (torch, mg):
        with pytest.raises(Exception) as caught:
            eval(wrong, {"p": m.nn.utils.prune, "m": m, "a": m.nn.Linear(3, 2)})
        kinds.append(type(caught.value).__name__)
    assert kinds[0] == kinds[1]
