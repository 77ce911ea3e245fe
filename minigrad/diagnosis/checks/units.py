"""Checks of units: which of them say nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minigrad.diagnosis.findings import Said, check
from minigrad.diagnosis.layers import DERIVATIVE_SHARE, Layer, owned_rows
from minigrad.diagnosis.observed import Observed

#: A rectifier whose input is symmetric around 0 is off for all of so many independent observations
#: with a probability of 2^-16: what is dead on fewer may be chance.
OBSERVATIONS = 16
#: Dead units are as good as absent. Where the signal has become small beside the biases, the signs
#: of these decide, and half of the units are off; from two thirds on, something pushes them off.
#: (K9 tells of 40 % after a learning rate that was too large.) Trained networks have some: a note.
DEAD, DEAD_SOME = 2 / 3, 0.1
#: With more than half of the signals on the flat part, the gradient that passes is less than half.
SATURATED, SATURATED_SOME = 0.5, 0.25
#: Outputs that differ by less than this part of their size do not depend on the input, as far as a
#: float32 loss can tell.
CONSTANT = 1e-4


@check("dead_units", claim=12)
def dead_units(seen: Observed) -> Iterator[Said]:
    """Rectified units that give 0 for every example: no gradient reaches their weights.

    From a tenth of a layer on a note, from two thirds a warning, all of them an error.
    """
    for layer in seen.first.layers.values():
        share = layer.dead()
        if share < DEAD_SOME or len(layer.units()) < OBSERVATIONS:
            continue
        severity = "error" if share == 1 else "warning" if share >= DEAD else "note"
        yield (
            layer.name, severity, {"dead share": share, "units": layer.units().shape[1]},
            "a rectifier that is off for all examples gives 0 and passes no gradient: its weights "
            "stay as they are, for ever",
            "a smaller learning rate, He's initialization with biases at 0 or 0.01, normalized "
            "inputs; or LeakyReLU or ELU, which pass something on below 0",
        )  # fmt: skip


@check("saturated_units", claim=10)
def saturated_units(seen: Observed) -> Iterator[Said]:
    """Hidden tanh or sigmoid units whose slope is below a twentieth of the largest one.

    From a quarter of the signals of a layer on a note, from half a warning, from nine tenths an
    error; a note where the network has learned.
    """
    for layer in seen.first.layers.values():
        share = layer.saturated()
        if layer.last or share < SATURATED_SOME:
            continue
        severity = "error" if share >= 0.9 else "warning" if share >= SATURATED else "note"
        yield (
            layer.name, "note" if seen.learned else severity,
            {"saturated share": share, "slope below": DERIVATIVE_SHARE},
            f"where {layer.activation} is flat, its slope is next to 0, and so is every gradient "
            "that passes it",
            "smaller initial weights (Xavier: n Var(w) = 1), normalized inputs, batch "
            "normalization before the activation, or ReLU",
        )  # fmt: skip


@check("symmetric_units", claim=5)
def symmetric_units(seen: Observed) -> Iterator[Said]:
    """Hidden units with the same weights and the same gradients: they stay the same for ever.

    A note for a few, a warning from half of a layer on, an error where all are alike.
    """
    for layer in seen.hidden:
        shares = [_twins(layer, seen, name, w, axis) for name, w, axis in layer.weights]
        share = max((s for s in shares if s is not None), default=0.0)
        if share < DEAD_SOME:
            continue
        severity = "error" if share == 1 else "warning" if share >= 0.5 else "note"
        yield (
            layer.name, severity, {"share of twins": share},
            "units that are equal compute the same, get the same gradient and stay equal: many do "
            "the work of one",
            "draw the weights at random (nn.init.kaiming_normal_, xavier_uniform_); biases may be "
            "equal",
        )  # fmt: skip


def _twins(layer: Layer, seen: Observed, name: str, w: Any, axis: int) -> float | None:
    """The share of units that have a twin in weights, bias, and the gradients of all steps.

    Where a layer behind starts at 0 on purpose, gradients are 0 in the first step only.
    """
    if not w.requires_grad or w.array.shape[axis] < 2:
        return None
    rows = [owned_rows(w.array, axis)]
    gradients = [g for g in (seen.gradients.get(id(w)), seen.later.get(id(w))) if g is not None]
    if layer.added and not w.array.any():
        return None  # a branch that starts at 0: the path beside it makes its units differ
    rows += [_rounded(owned_rows(g, axis)) for g in gradients]
    bias = layer.module._parameters.get(name.replace("weight", "bias"))
    if bias is not None and bias.array.shape == (len(rows[0]),):
        rows.append(bias.array[:, None])
    both = np.concatenate(rows, 1)
    _, which, counts = np.unique(both, axis=0, return_inverse=True, return_counts=True)
    return float((counts[which.reshape(-1)] > 1).mean())


def _rounded(g: np.ndarray) -> np.ndarray:
    """Equal sums may differ in their last bits."""
    size = float(np.abs(g).max()) if g.size else 0.0
    return np.round(g / size, 4) if size > 0 and np.isfinite(size) else np.zeros_like(g)


@check("constant_output")
def constant_output(seen: Observed) -> Iterator[Said]:
    """The network says the same for every example.

    Outputs that differ by less than a ten-thousandth of their size; not where only the last layer
    starts at 0 on purpose, which its first update ends.
    """
    y = seen.output
    if y is None or y.ndim < 1 or len(y) < 2 or y.dtype.kind != "f" or not np.isfinite(y).all():
        return
    wide = y.reshape(len(y), -1).astype(np.float64)
    differs = float(wide.std(0).max())
    size = float(np.abs(wide).max())
    if differs > CONSTANT * size or _starts_at_zero(seen) or _same_inputs(seen):
        return
    last = next((x for x in reversed(seen.weighted) if x.last), None)
    yield (
        last.name if last is not None else "", "error" if differs == 0 else "warning",
        {"deviation over the batch": differs, "largest output": size},
        "what the network gives does not depend on what it is given: the signal is lost on the way",
        "look at the layers before: dead units, weights that are too small, a constant input",
    )  # fmt: skip


def _starts_at_zero(seen: Observed) -> bool:
    """Whether the last layer is 0 and about to change."""
    for layer in seen.weighted:
        for _, w, _ in layer.weights if layer.last else ():
            g = seen.gradients.get(id(w))
            if not w.array.any() and g is not None and g.any():
                return True
    return False


def _same_inputs(seen: Observed) -> bool:
    return any(len(t) > 1 and not (t.array != t.array[:1]).any() for t in seen.inputs if t.ndim)
