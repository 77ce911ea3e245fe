"""What layers compute: convolution, pooling, attention, recurrence, normalization, losses."""

from minigrad.ops.layers import (
    activations,
    affine,
    attention,
    bag,
    batching_losses,
    channels,
    conv,
    conv_functions,
    ctc,
    interpolate,
    losses,
    normalization,
    pad,
    pool,
    recurrent,
    resample,
    vision,
)

__all__ = [
    "activations", "affine", "attention", "bag", "batching_losses", "channels", "conv",
    "conv_functions", "ctc", "interpolate", "losses", "normalization", "pad", "pool", "recurrent",
    "resample", "vision",
]  # fmt: skip
