"""Checks of what comes from outside: inputs, targets, how they meet, batches."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from minigrad.diagnosis.findings import Said, check
from minigrad.diagnosis.layers import rms
from minigrad.diagnosis.observed import LOSSES, Call, Observed

#: Weights are drawn for inputs of size 1. Ten times that, and the first layer's gradients are as
#: large; a mean of three deviations, and what is the same in all examples outweighs what differs.
LARGE, OFF_CENTRE = 10.0, 3.0
#: One feature a hundred times the usual: the loss is a ravine, a hundred squared times as steep
#: along one side.
UNEVEN = 100.0
#: The deviation of a variance estimated from m numbers is ``sqrt(2 / (m - 1))``: of 4, 80 % of it.
TINY_BATCH, FEW = 4, 64


@check("inputs_not_scaled", claim=22)
def inputs_not_scaled(seen: Observed) -> Iterator[Said]:
    """Inputs far from mean 0 and deviation 1: ten times as large, or three deviations off centre.

    Also one feature a hundred times as large as others. Not where a normalization comes first.
    """
    first = next(iter(seen.first.layers.values()), None)
    if first is not None and first.kind == "norm":
        return
    for i, t in enumerate(seen.inputs):
        x = t.array
        if x.dtype.kind != "f" or x.size < 8 or not np.isfinite(x).all():
            continue
        wide = x.astype(np.float64)
        size, mean, std = rms(wide), float(wide.mean()), float(wide.std())
        uneven = _unevenness(wide)
        if not (size > LARGE or (std > 0 and abs(mean) > OFF_CENTRE * std) or uneven > UNEVEN):
            continue
        measured = {"mean": mean, "std": std}
        if uneven > UNEVEN:
            measured["largest / usual feature"] = uneven
        yield (
            "input" if len(seen.inputs) == 1 else f"input {i}", "warning", measured,
            "gradients of the first weights are proportional to their inputs: large ones force a "
            "small learning rate on all, features off centre move all weights together",
            "subtract the mean and divide by the standard deviation of the training set "
            "(data.transforms.Standardize), or start with batch normalization",
        )  # fmt: skip


def _unevenness(x: np.ndarray) -> float:
    """The largest deviation of a feature over the usual one, of those that vary."""
    if x.ndim != 2:
        return 1.0
    std = x.std(0)
    std = std[std > 0]
    return float(std.max() / np.median(std)) if len(std) > 1 else 1.0


@check("labels_out_of_range")
def labels_out_of_range(seen: Observed) -> Iterator[Said]:
    """Classes below 0 or beyond the outputs, or probabilities outside of 0 to 1: an error."""
    for t in seen.targets:
        if t.array.dtype.kind in "iu":
            yield from _classes(seen, t.array)
    for call in _losses(seen):
        if call.name in ("bce", "bce_with_logits") and len(call.inputs) > 1:
            y = call.inputs[1].array
            if y.size and (y.min() < 0 or y.max() > 1):
                yield (
                    "target", "error", {"smallest": float(y.min()), "largest": float(y.max())},
                    "binary cross entropy compares probabilities, which lie from 0 to 1",
                    "targets of 0 and 1; for several classes cross_entropy",
                )  # fmt: skip


def _classes(seen: Observed, y: np.ndarray) -> Iterator[Said]:
    error = seen.first.error
    if not isinstance(error, (IndexError, RuntimeError)) or "out of " not in str(error):
        return
    count = seen.output.shape[1 if seen.output.ndim > 1 else 0] if seen.output is not None else 0
    if not count or (y.min() >= 0 and y.max() < count) or (y.max() < count and y.min() == -100):
        return
    yield (
        "target", "error",
        {"smallest": int(y.min()), "largest": int(y.max()), "outputs": int(count)},
        f"{count} outputs stand for the classes 0 to {count - 1}",
        "number the classes from 0 (labels - 1, if they begin at 1), or give the last layer more "
        "outputs",
    )  # fmt: skip


def _losses(seen: Observed) -> list[Call]:
    return [c for c in seen.first.calls if c.name in LOSSES]


@check("loss_shape_broadcast")
def loss_shape_broadcast(seen: Observed) -> Iterator[Said]:
    """Predictions and targets of different shapes, which are compared all with all: an error."""
    error = str(seen.first.error or "")
    if "target size" in error and "different to the input size" in error:
        shapes = [list(seen.output.shape)] if seen.output is not None else []
        yield _said_broadcast(*shapes, *(list(t.shape) for t in seen.targets[:1]))
        return
    for call in seen.first.calls:
        compares = call.name in LOSSES[2:] or any(o.target for o in call.origins)
        if not compares or len(call.inputs) < 2 or call.name in ("cross_entropy", "nll_loss"):
            continue
        a, b = (tuple(x.shape) for x in call.inputs[:2])
        if a == b or 1 in (call.inputs[0].array.size, call.inputs[1].array.size):
            continue
        try:
            both = np.broadcast_shapes(a, b)
        except ValueError:
            continue
        if both in (a, b) and len(a) == len(b):
            continue  # a weight for each class, say: one of them is as it should be
        yield _said_broadcast(list(a), list(b))
        return


def _said_broadcast(*shapes: list[int]) -> Said:
    """Of a prediction and a target."""
    return (
        "loss", "error", dict(zip(("prediction", "target"), shapes, strict=False)),
        "every prediction is compared with every target: the best answer is their mean",
        "the same shape for both: target.unsqueeze(1), or output.squeeze(1)",
    )  # fmt: skip


@check("batchnorm_tiny_batch", claim=15)
def batchnorm_tiny_batch(seen: Observed) -> Iterator[Said]:
    """Batch normalization of two examples, or of four with few numbers each: a warning.

    With three or four examples of many pixels a note; a single number for each channel an error.
    """
    for path, (module, training) in seen.first.modes.items():
        if not type(module).__name__.startswith(("BatchNorm", "SyncBatchNorm")) or not training:
            continue
        layer = seen.first.layers.get(path)
        if layer is None or not layer.inputs:
            if "more than 1 value per channel" in str(seen.first.error or ""):
                yield _said_tiny(path, "error", 1, 1)
            continue
        x = layer.inputs[0]
        numbers = x.size // x.shape[1]
        if len(x) <= TINY_BATCH:
            tiny = len(x) <= 2 or numbers <= FEW
            yield _said_tiny(path, "warning" if tiny else "note", len(x), numbers)


def _said_tiny(path: str, severity: str, examples: int, numbers: int) -> Said:
    return (
        path, severity, {"examples": examples, "numbers a channel": numbers},
        "mean and variance of so few examples are noise, and the running ones do not fit them: "
        "training and evaluation compute different networks",
        "larger batches, or GroupNorm or LayerNorm, which do not look at the batch",
    )  # fmt: skip
