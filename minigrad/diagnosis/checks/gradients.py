"""Checks of gradients: do they reach the first layers, in what size, and are they numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from minigrad.autograd.nonfinite import likely
from minigrad.diagnosis.findings import Said, check
from minigrad.diagnosis.layers import Layer, one_signed, owned_rows
from minigrad.diagnosis.observed import Observed, Step

#: From layer to layer the norm of the gradient is multiplied by the slope of the activation times
#: the root of ``n Var(w)``. With He's or Xavier's weights that is 1. PyTorch's defaults (1/3) give
#: 0.41 with ReLU; a sigmoid, whose slope is at most 1/4, at most 0.25 with Xavier's weights.
FACTOR = 1 / 3
#: Layers that move a hundred times less than others do not train beside them; ten thousand times
#: less is hopeless, whatever the factor for a layer is.
SMALL, TINY, NOTHING = 1e-2, 1e-4, 1e-6
#: In time, default weights of recurrent layers halve gradients at each step: that is how they are.
#: A fifth for a step is the work of small weights.
TIME_FACTOR = 0.2


def profile(seen: Observed) -> list[tuple[Layer, float]]:
    """Layers and the norms of what arrives at their outputs; without those that nothing reaches."""
    found = [(x, x.gradient()) for x in seen.weighted if x.kind != "embedding"]
    return [(x, g) for x, g in found if g is not None and np.isfinite(g) and g > 0]


def _ends(norms: Sequence[float]) -> tuple[float, float, int]:
    """The first over the last quarter (medians), and how many layers lie between."""
    n = len(norms)
    k = max(1, n // 4)
    first, last = float(np.median(norms[:k])), float(np.median(norms[-k:]))
    return first, last, n - k


def _over_depth(seen: Observed, falling: bool) -> Iterator[Said]:
    """Gradients that change too much from the last layers to the first."""
    layers = profile(seen)
    if len(layers) < 3:
        return
    first, last, between = _ends([g for _, g in layers])
    ratio = first / last
    factor = ratio ** (1 / between)
    loss = ratio if falling else 1 / ratio  # how little is left of the one, or of the other
    if not ((loss < SMALL and loss ** (1 / between) < FACTOR) or loss < TINY):
        return
    yield (
        layers[0][0].name, "error" if loss < NOTHING else "warning",
        {"first / last": ratio, "factor a layer": factor, "layers": len(layers)},
        f"from {layers[-1][0].name} to {layers[0][0].name} every layer multiplies the gradient by "
        f"{factor:.2g}: the first layers "
        + ("hardly move" if falling else "jump where the last ones step"),
        "ReLU instead of sigmoid, He's or Xavier's initialization, batch normalization, shortcuts "
        "around blocks" if falling
        else "He's or Xavier's initialization, batch normalization, clip_grad_norm_",
    )  # fmt: skip


def _in_time(layer: Layer, falling: bool) -> Iterator[Said]:
    norms = [g for g in layer.over_time if np.isfinite(g)]
    if len(norms) < 8 or max(norms, default=0) == 0:
        return
    floor = 1e-30  # below, a float32 gradient is 0
    first, last, between = _ends([max(g, floor) for g in norms])
    factor = (first / last) ** (1 / between)
    if falling and first / last < 1e-3:
        yield (
            layer.name, "warning" if factor < TIME_FACTOR else "note",
            {"first / last step": first / last, "factor a step": factor, "steps": len(norms)},
            f"each step back in time multiplies the gradient by {factor:.2g}: what came early is "
            "not learned from",
            "LSTM or GRU with a forget bias of 1, orthogonal recurrent weights, shorter sequences",
        )  # fmt: skip
    if not falling and first / last > 1e3:
        yield (
            layer.name, "error" if first / last > 1e6 else "warning",
            {"first / last step": first / last, "factor a step": factor, "steps": len(norms)},
            f"each step back in time multiplies the gradient by {factor:.2g}",
            "clip_grad_norm_, smaller or orthogonal recurrent weights, LSTM or GRU",
        )  # fmt: skip


@check("vanishing_gradients", claim=10)
def vanishing_gradients(seen: Observed) -> Iterator[Said]:
    """Gradients that get smaller from layer to layer on the way to the input, or from step to step.

    To a hundredth, and to a third or less at each layer: a warning; so also to a ten-thousandth in
    all; to a millionth an error.
    """
    yield from _over_depth(seen, falling=True)
    for layer in seen.weighted:
        yield from _in_time(layer, falling=True)


@check("exploding_gradients", claim=6)
def exploding_gradients(seen: Observed) -> Iterator[Said]:
    """Gradients that get larger from layer to layer on the way to the input, or from step to step.

    A hundred times, and three times or more at each layer: a warning; so also ten thousand times in
    all; a million times an error.
    """
    yield from _over_depth(seen, falling=False)
    for layer in seen.weighted:
        yield from _in_time(layer, falling=False)


@check("one_signed_gradients", claim=11)
def one_signed_gradients(seen: Observed) -> Iterator[Said]:
    """Rows of gradients in which all entries have the same sign, since what the layer reads has.

    A note: nine of ten rows, in layers of eight inputs or more.
    """
    for layer in seen.weighted:
        for _, w, axis in layer.weights[:1]:
            g = seen.gradients.get(id(w))
            if g is None or layer.kind == "recurrent" or not layer.inputs:
                continue
            rows = owned_rows(g, axis)
            if rows.shape[1] < 8:
                continue
            x = np.concatenate([a.reshape(-1) for a in layer.inputs])
            one_sided = max(float((x > 0).mean()), float((x < 0).mean()))
            alike = one_signed(g, axis)
            if one_sided < 0.99 or alike < 0.9 or not rows.any():
                continue
            yield (
                layer.name, "note", {"one-signed rows": alike, "inputs of one sign": one_sided},
                "all weights into a unit grow together or shrink together: the path zigzags",
                "inputs with mean 0: tanh instead of sigmoid, centred data, batch normalization",
            )  # fmt: skip


@check("nan_origin")
def nan_origin(seen: Observed) -> Iterator[Said]:
    """A loss or gradient that is not finite, and the first operation that made it so: an error."""
    for step in seen.steps:
        found = list(_origin(seen, step))
        yield from found
        if found:
            return


def _origin(seen: Observed, step: Step) -> Iterator[Said]:
    broken = [x for x in step.losses if not np.isfinite(x)]
    gradients = [g for g in seen.gradients.values() if not np.isfinite(g).all()]
    if not broken and not gradients:
        return
    for t in seen.inputs:
        if t.array.dtype.kind == "f" and not np.isfinite(t.array).all():
            count = int((~np.isfinite(t.array)).sum())
            yield (
                "input", "error", {"not finite": count}, "the data is not finite already",
                "look for missing values and for divisions by 0 in the preparation of the data",
            )  # fmt: skip
            return
    for name, p in seen.parameters.items():
        if not np.isfinite(p.array).all():
            layer = name.rpartition(".")[0] or name
            yield (
                layer, "error", {"not finite": int((~np.isfinite(p.array)).sum())},
                f"the parameter {name} is not finite: a step before went too far",
                "start again with a smaller learning rate, or clip the gradients",
            )  # fmt: skip
            return
    if step.bad is not None:
        call = step.bad
        yield (
            call.path, "error", {"operation": call.name, "line": call.line},
            f"{call.name} gives what is not finite: likely {likely(call.name)[0]}",
            likely(call.name)[1],
        )  # fmt: skip
    elif step.bad_backward is not None:
        name, layer, _ = step.bad_backward
        yield (
            layer or "loss", "error", {"operation": name},
            f"the derivative of {name} is not finite: {_SLOPES.get(name, 'its slope overflows')}",
            "keep its input away from there: add a small number, or clamp",
        )  # fmt: skip


_SLOPES = {
    "sqrt": "its slope at 0 is infinite", "log": "its slope at 0 is infinite",
    "pow": "a negative power of 0", "norm2": "the slope of a root at 0",
    "div": "a division by 0", "reciprocal": "a division by 0",
}  # fmt: skip
