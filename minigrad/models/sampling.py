"""What models that write have in common: drawing the next token."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from minigrad import nn
from minigrad.core.modes import no_grad
from minigrad.core.tensor import Tensor
from minigrad.names import multinomial
from minigrad.nn.modes import evaluating
from minigrad.ops.random import Generator

__all__ = ["draw", "writing"]


@contextmanager
def writing(model: nn.Module) -> Iterator[None]:
    """No gradients and no dropout inside; afterwards each part of the model is as it was."""
    with evaluating(model), no_grad():
        yield


def draw(
    logits: Tensor, temperature: float = 1.0, top_k: int | None = None,
    generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Draw a token for each row, with the probabilities ``softmax(logits / temperature)``.

    Parameters
    ----------
    logits : Tensor, shape (N, V)
    temperature : float
        Below 1 the likely tokens get likelier; at 0 the likeliest is taken.
    top_k : int, optional
        Only so many of the likeliest tokens are drawn from.
    generator : Generator, optional
        Where the random numbers come from.

    Returns
    -------
    Tensor of int64, shape (N, 1)

    Examples
    --------
    >>> import minigrad as mg
    >>> draw(mg.tensor([[0.0, 2.0, 1.0]]), temperature=0)
    tensor([[1]])
    """
    if temperature < 0:
        raise ValueError(f"temperature must not be negative, got {temperature}")
    if temperature == 0:
        return logits.argmax(-1, keepdim=True)
    logits = logits / temperature
    if top_k is not None:
        least = logits.topk(min(top_k, logits.shape[-1]), -1)[0][:, -1:]
        logits = logits.masked_fill(logits < least, -float("inf"))
    return multinomial(logits.softmax(-1), 1, generator=generator)
