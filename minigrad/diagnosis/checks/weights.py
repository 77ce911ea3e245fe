"""Checks of weights: is their spread what keeps signals the size they are."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from minigrad.diagnosis.findings import Said, check
from minigrad.diagnosis.layers import Layer, rms
from minigrad.diagnosis.observed import Observed

#: ``Var(s_k) = [n Var(w)]^k Var(x)``: PyTorch's defaults (1/3) are a sixth of what ReLU wants, and
#: do. A tenth shrinks signals three times in a layer, from 1 to 1/1000 in six.
SMALL = 0.1
#: Eight times is a signal that grows nearly three times in a layer.
LARGE = 8.0


def _scale(layer: Layer) -> tuple[float, float] | None:
    """``n Var(w)`` over what is wanted, and by how much the signal gets longer in the layer."""
    spread = layer.spread()
    if spread is None or not layer.inputs or not layer.outputs:
        return None
    read = rms(np.concatenate([a.reshape(-1) for a in layer.inputs]))
    gave = rms(np.concatenate([_centred(a) for a in layer.outputs]))
    if not np.isfinite(read) or not np.isfinite(gave) or read == 0:
        return None
    return spread / layer.wanted(), gave / read


def _centred(a: np.ndarray) -> np.ndarray:
    """Without what is the same for all examples, which biases add."""
    wide = a.astype(np.float64)
    return np.asarray((wide - wide.mean(0)).reshape(-1))


def _free(layer: Layer) -> bool:
    """Whether nothing sets the scale right again: no normalization before or behind, no sum."""
    return not (layer.normalized or layer.from_norm or layer.added)


@check("weights_too_large", claim=6)
def weights_too_large(seen: Observed) -> Iterator[Said]:
    """``n Var(w)`` eight times what the activation wants, so that signals grow or saturate.

    Not where a normalization follows, nor where the network has learned.
    """
    if seen.learned:
        return
    for layer in seen.weighted:
        found = _scale(layer)
        if found is None or layer.normalized or layer.added:
            continue
        ratio, growth = found
        if ratio < LARGE or (growth < 2 and layer.kind != "recurrent"):
            continue
        yield (
            layer.name, "error" if ratio > LARGE**3 else "warning",
            {"n Var(w)": ratio * layer.wanted(), "wanted": layer.wanted(), "growth": growth},
            "variances are multiplied by n Var(w) in every layer: signals and gradients explode, "
            "or squashing units saturate",
            _remedy(layer),
        )  # fmt: skip


@check("weights_too_small", claim=6)
def weights_too_small(seen: Observed) -> Iterator[Said]:
    """``n Var(w)`` a tenth of what the activation wants, so that signals vanish with depth.

    Hidden layers only; not where a normalization or a shortcut restores the signal, nor where the
    network has learned.
    """
    if seen.learned:
        return
    for layer in seen.hidden:
        found = _scale(layer)
        if found is None or not _free(layer):
            continue
        ratio, growth = found
        if ratio > SMALL or (growth > 0.3 and layer.kind != "recurrent"):
            continue
        yield (
            layer.name, "error" if ratio < SMALL**4 else "warning",
            {"n Var(w)": ratio * layer.wanted(), "wanted": layer.wanted(), "growth": growth},
            "variances are multiplied by n Var(w) in every layer: signals and gradients vanish",
            _remedy(layer),
        )  # fmt: skip


def _remedy(layer: Layer) -> str:
    if layer.activation in ("relu", "leaky_relu", "relu6"):
        return "nn.init.kaiming_normal_(weight): n Var(w) = 2"
    return "nn.init.xavier_normal_(weight): n Var(w) = 1"
