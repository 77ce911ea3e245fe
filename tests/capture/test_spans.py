"""What contains what: calls of modules, backward passes and steps of optimizers."""

from __future__ import annotations

from typing import Any

import pytest

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn, optim
from minigrad.core.modes import listen


class Tree:
    """What was told, as nested lists: a name, then what happened inside."""

    def __init__(self) -> None:
        self.root: list[Any] = ["step"]
        self._open = [self.root]
        self._events: list[Any] = []
        self.owners: list[Any] = []

    def enter(self, event: Any) -> None:
        inside = [event.op.name]
        self._open[-1].append(inside)
        self._open.append(inside)
        self._events.append(event)
        if event.door == "span":
            self.owners.append(event.op.owner)

    def leave(self, event: Any) -> None:
        assert self._events.pop() is event
        self._open.pop()

    def spans(self, node: list[Any]) -> Any:
        """Spans only."""
        inside = [child for child in node[1:] if child[0] in ("forward", "backward", "step")]
        return [node[0], *map(self.spans, inside)]


def test_a_training_step() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.Tanh()), nn.Linear(3, 1))
    optimizer = optim.SGD(model.parameters(), 0.1)
    x, t = mg.randn(4, 2), mg.randn(4, 1)
    tree = Tree()
    with listen(tree):
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), t)
        loss.backward()
        optimizer.step()
    assert tree.spans(tree.root) == [
        "step",
        ["forward", ["forward"], ["forward", ["forward"]], ["forward"]],
        ["backward"],
        ["step"],
    ]
    assert tree.owners == [
        model, model[0], model[1], model[1][0], model[2], None, optimizer,
    ]  # fmt: skip
    inside = {node[0]: [child[0] for child in node[1:]] for node in tree.root[1:]}
    assert list(inside) == ["forward", "mse_loss", "given", "backward", "step"]
    assert inside["backward"][0] == "mse_loss_backward"
    assert inside["backward"][-1] == "accumulate"
    assert inside["step"] == ["sgd"]
    assert [child[0] for child in tree.root[1][1][1:]] == ["linear"]  # of the first layer


def test_hooks_are_inside_and_errors_are_told() -> None:
    layer = nn.Linear(2, 2)
    layer.register_forward_hook(lambda m, args, y: y.exp())
    seen: list[tuple[str, Any]] = []

    class Listener:
        def enter(self, event: Any) -> None:
            seen.append(("in", event.op.name))

        def leave(self, event: Any) -> None:
            seen.append(("failed" if event.error is not None else "out", event.op.name))

    good, bad = mg.ones(1, 2), mg.ones(1, 3)
    with listen(Listener()):
        layer(good)
    assert seen[0] == ("in", "forward")
    assert seen[-2:] == [("out", "exp"), ("out", "forward")]
    seen.clear()
    with listen(Listener()), pytest.raises(RuntimeError):
        layer(bad)
    assert seen[0] == ("in", "forward")
    assert seen[-1] == ("failed", "forward")


def test_printing_reads() -> None:
    x = mg.ones(2)
    heard: list[Any] = []
    with listen(heard.append):
        text = repr(x)
    assert text == "tensor([1., 1.])"
    assert [(e.door, e.op.name, e.inputs) for e in heard] == [("read", "print", (x,))]
