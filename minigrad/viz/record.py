"""Keeping what a drawing can show beyond the graph itself: results, constants, gradients."""

from __future__ import annotations

import weakref
from time import perf_counter
from typing import Any

from minigrad.autograd.hooks import add_hook
from minigrad.core.events import Event
from minigrad.core.modes import listen
from minigrad.core.several import picked
from minigrad.core.tensor import Tensor
from minigrad.viz.stepping.heard import Heard
from minigrad.viz.text import Summary

__all__ = ["Tape", "record"]


class Tape:
    """What :func:`record` noted down, by the numbers of the nodes.

    Attributes
    ----------
    values : dict of int to Summary
        The result of each operation.
    grads : dict of int to Summary
        The gradient that the last backward pass brought to each result.
    constants : dict of int to tuple
        For each operation, the inputs through which no gradient flows (None for the others).
    forward, backward : dict of int to float
        How long each operation, and its derivative, took while the tape listened, in seconds.
    heard : Heard
        What :func:`~minigrad.viz.steps` shows.
    """

    def __init__(self) -> None:
        self.values: dict[int, Summary] = {}
        self.grads: dict[int, Summary] = {}
        self.constants: dict[int, tuple[Tensor | None, ...]] = {}
        self.forward: dict[int, float] = {}
        self.backward: dict[int, float] = {}
        self.heard = Heard()
        self._begun: list[float] = []
        self._results: dict[int, weakref.ref[Tensor]] = {}
        self._listening: list[Any] = []

    def __enter__(self) -> Tape:
        listening = listen(self)
        listening.__enter__()
        self._listening.append(listening)
        return self

    def __exit__(self, *exc: Any) -> None:
        self._listening.pop().__exit__(*exc)

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        return f"Tape({len(self.values)} results, {len(self.grads)} gradients)"

    def tensor(self, seq: int) -> Tensor | None:
        """The result of the operation numbered `seq`, if somebody still holds it."""
        known = self._results.get(seq)
        return None if known is None else known()

    def enter(self, event: Event) -> None:
        """Something begins."""
        self._begun.append(perf_counter())

    def leave(self, event: Event) -> None:
        """Something is over."""
        seconds = perf_counter() - self._begun.pop() if self._begun else 0.0
        if event.error is None:
            self._hear(event, seconds)

    def _hear(self, event: Event, seconds: float) -> None:
        self.heard.hear(event)
        if event.node is not None:  # a derivative: what it computes by is told as well
            self.backward[event.node.seq] = seconds
            return
        for y in event.outputs:
            if not isinstance(y, Tensor) or y.node is None or event.door != "compute":
                continue
            seq = y.node.seq
            self.values[seq] = Summary.of(y.array)
            self._results[seq] = weakref.ref(y)
            of_result = picked(y.node)
            whole = y.node if of_result is None else of_result[0]
            self.forward[whole.seq] = seconds
            self.constants[whole.seq] = tuple(
                t if isinstance(t, Tensor) and not t._requires_grad else None for t in event.inputs
            )
            add_hook(y.node, self._watch(seq))

    def _watch(self, seq: int) -> Any:
        def see(g: Tensor) -> None:
            self.grads[seq] = Summary.of(g.array)

        return see


def record() -> Tape:
    """Note every result and gradient of what runs in the ``with``, for :func:`draw` and ``steps``.

    Without it a drawing knows the values of parameters and of the loss only, because the graph
    keeps nothing else. Of tensors up to eight elements those are kept, of larger ones mean and
    standard deviation. The backward pass may run inside or after; the last one counts.

    Returns
    -------
    Tape
        To be given to :func:`draw` or :func:`~minigrad.viz.steps` as ``tape=``.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad import viz
    >>> x = mg.tensor(3.0, requires_grad=True)
    >>> with viz.record() as tape:
    ...     y = (x * x).tanh()
    ...     y.backward()
    >>> tape
    Tape(2 results, 2 gradients)
    """
    return Tape()
