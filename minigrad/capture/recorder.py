"""Listening to a computation, and keeping all of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad.autograd.anomaly import user_line
from minigrad.capture.memory import Memory, Place
from minigrad.capture.replay import Replay
from minigrad.core.events import Event
from minigrad.core.modes import listen
from minigrad.core.tensor import Number, Tensor
from minigrad.ops.random import default_generator

__all__ = ["Recorded", "Recording", "UnknownTensor", "recording"]


class UnknownTensor(RuntimeError):  # noqa: N818 - it says what was met
    """A tensor that nobody made: no event, and it was not known before.

    Its values would be the same in every replay, whatever they depended on. Either an operation
    computes them by the way, or the tensor has to be named to :func:`recording`.
    """


@dataclass
class Recorded:
    """An event, with its arrays as places in memory.

    Attributes
    ----------
    event : Event
    inputs, outputs, residuals
        As the event has them, with a :class:`~minigrad.capture.memory.Place` for every array.
    """

    event: Event
    inputs: Any
    outputs: Any = ()
    residuals: Any = ()

    @property
    def op(self) -> Any:
        """What was done."""
        return self.event.op


class Recording:
    """What :func:`recording` wrote down.

    Attributes
    ----------
    events : list of Recorded
        What has to be done again, in order; what such an event consists of is not listed.
    reads : list of Event
        Where values left for Python.
    """

    def __init__(self, known: Iterable[Any]) -> None:
        self.events: list[Recorded] = []
        self.reads: list[Event] = []
        self.memory = Memory()
        self.sources: dict[int, tuple[Any, Any]] = {}
        self._open: list[Recorded | None] = []  # None inside an event that is written down
        self._inside = 0
        for array in arrays_of(known):
            if array.size and self.memory.find(array) is None:
                self.memory.add(array, keep=True)
        self._remember(default_generator)

    # -- listening ---------------------------------------------------------------------------------

    def enter(self, event: Event) -> None:
        """Refuse inputs that nobody made; inside an event that can be done again, look away."""
        entry = None
        if not self._inside and event.door != "read" and not _contains(event):
            if event.source is not None:
                self._remember(event.source)
            entry = Recorded(event, self._known(event.inputs, event))
        self._open.append(entry)
        self._inside += entry is not None

    def leave(self, event: Event) -> None:
        """Write it down."""
        entry = self._open.pop()
        if event.door == "read" and not self._inside:
            self.reads.append(event)
        if entry is None:
            return
        self._inside -= 1
        if event.error is not None:
            return
        given = event.op.name == "given"
        entry.outputs = self._placed(event.outputs, given)
        entry.residuals = self._placed(event.residuals, False)
        self.events.append(entry)

    def _remember(self, source: Any) -> None:
        if id(source) not in self.sources:
            self.sources[id(source)] = source, source.get_state().array.copy()

    def _known(self, value: Any, event: Event) -> Any:
        """The places of arrays that are known."""

        def at(a: Any, number: bool) -> Place:
            place = self.memory.keep(a, before=True) if number else self.memory.place(a)
            if place is None:
                raise UnknownTensor(
                    f"{event.op.name} ({event.door}) reads {a.dtype} of shape {list(a.shape)}, "
                    f"which no operation made and which was not known before, at {user_line()}"
                )
            return place

        return mapped(value, at)

    def _placed(self, value: Any, keep: bool) -> Any:
        """The places of arrays that were made or changed now."""
        return mapped(value, lambda a, number: self.memory.keep(a, before=keep))

    # -- afterwards --------------------------------------------------------------------------------

    def replay(self, values: Mapping[Tensor, Any] | None = None) -> Replay:
        """Do everything again, on fresh memory.

        Parameters
        ----------
        values : dict of Tensor to array, optional
            What tensors that were known hold this time, instead of what they held.

        Returns
        -------
        Replay
            Which has the values that come out.

        Examples
        --------
        >>> import minigrad as mg
        >>> x = mg.ones(2)
        >>> with recording([x]) as seen:
        ...     y = x + 1
        >>> seen.replay({x: [5.0, 6.0]}).value(y)
        array([6., 7.], dtype=float32)
        """
        return Replay(self, values or {})


def _contains(event: Event) -> bool:
    """Whether what an event does is told piece by piece, so that it need not be done itself."""
    return event.door == "span" or event.op.opaque


def mapped(value: Any, function: Any) -> Any:
    """`function` of every array, with whether it is a Python number, in nested sequences."""
    if isinstance(value, Tensor):
        return function(value.array, isinstance(value, Number))
    if isinstance(value, (np.ndarray, np.generic)):
        return function(np.asarray(value), False)
    if isinstance(value, list):
        return [mapped(v, function) for v in value]
    if isinstance(value, tuple):
        return tuple([mapped(v, function) for v in value])
    return value


def arrays_of(known: Any) -> Iterator[Any]:
    """All arrays of tensors, modules, optimizers, and nested containers of them."""
    if isinstance(known, Tensor):
        yield known.array
        if known._grad is not None:
            yield from arrays_of(known._grad)
    elif isinstance(known, np.ndarray):
        yield known
    elif isinstance(known, dict):
        yield from arrays_of(list(known.values()))
    elif isinstance(known, (list, tuple, set)):
        for one in known:
            yield from arrays_of(one)
    elif hasattr(known, "param_groups"):
        yield from arrays_of([known.param_groups, [*known.state.values()]])
    elif hasattr(known, "named_parameters"):
        yield from arrays_of([*known.parameters(), *known.buffers()])


@contextmanager
def recording(known: Iterable[Any]) -> Iterator[Recording]:
    """Write down what happens in the ``with``.

    Parameters
    ----------
    known : sequence
        What exists before: arguments, modules, optimizers, tensors, in nested containers.

    Returns
    -------
    Recording

    Raises
    ------
    UnknownTensor
        If something is read that was neither known nor made by an event, with the line that did.

    Examples
    --------
    >>> import minigrad as mg
    >>> x = mg.ones(2)
    >>> with recording([x]) as seen:
    ...     y = x * 3
    >>> seen.replay().value(y)
    array([3., 3.], dtype=float32)
    """
    seen = Recording(known)
    with listen(seen):
        yield seen
