"""The doors: what happens during a computation, told to whoever listens.

Everything passes one of a few doors: an operation *computes* new arrays; random numbers are a
*draw*; memory that exists is a *write*, or an *update* by an optimizer; a *read* hands values to
Python. What contains other things (a backward pass, the call of a module) is a *span*. Each is an
:class:`Event`, with an entry before it and an exit after it, so what happens inside lies between.

Nobody listens as a rule, and then a door is one test of the mode. What runs is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.core.modes import current
from minigrad.core.operation import Bare

__all__ = ["Change", "Event", "change", "heard", "on_arrays", "read", "span", "tell", "told"]


class Event:
    """Something that passes a door.

    Attributes
    ----------
    door : str
        ``compute``, ``draw``, ``write``, ``update``, ``read`` or ``span``.
    op : Operation
        What it is. ``op.forward(arrays, params)`` does it again: it returns the results; or None,
        if it changes some of the arrays.
    inputs : tuple
        Tensors; in backward passes arrays; a Python number is a :class:`~core.promotion.Number`.
    params : tuple
        Numbers and shapes.
    outputs : tuple
        What was made or changed; empty at the entry.
    residuals : tuple
        What `op` returned besides the results, for its derivative.
    node : Node or None
        In backward passes, whose derivative it is.
    source : object
        Of a draw, the generator.
    error : BaseException or None
        What ended it, if it did not end well.
    """

    __slots__ = (
        "door",
        "error",
        "inputs",
        "node",
        "op",
        "outputs",
        "params",
        "residuals",
        "source",
    )

    def __init__(
        self, door: str, op: Any, inputs: Sequence[Any] = (), params: tuple[Any, ...] = (),
        node: Any = None, source: Any = None,
    ) -> None:  # fmt: skip
        self.door = door
        self.op = op
        self.inputs = tuple(inputs)
        self.params = params
        self.outputs: tuple[Any, ...] = ()
        self.residuals: tuple[Any, ...] = ()
        self.node = node
        self.source = source
        self.error: BaseException | None = None

    def __repr__(self) -> str:
        return f"<{self.door} {self.op.name}>"


class tell:
    """Tell the listeners that `event` begins and, at the end of the ``with``, that it is over.

    A listener may compute: of what it does nobody hears.
    """

    __slots__ = ("_event", "_heard_by")

    def __init__(self, event: Event) -> None:
        self._event = event
        self._heard_by: tuple[Any, ...] = current.get().listeners

    def __enter__(self) -> Event:
        self._call([listener.enter for listener in self._heard_by])
        return self._event

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        self._event.error = error
        self._call([listener.leave for listener in reversed(self._heard_by)])

    def _call(self, functions: list[Callable[[Event], None]]) -> None:
        before = current.get()
        current.set(before._replace(listeners=()))
        try:
            for function in functions:
                function(self._event)
        finally:
            current.set(before)


def heard(record: Any, op: Any, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
    """Compute and `record`, as the engine does, and tell it."""
    mode = current.get()
    with tell(Event("compute", op, inputs, params)) as event:
        out = _as_arrays(op.forward([t.array for t in inputs], params))
        current.set(quiet := mode._replace(saving=None))
        try:
            made = record(op, inputs, params, out, quiet)
        finally:
            current.set(mode)
        event.outputs = made if made.__class__ is tuple else (made,)
        if out.__class__ is tuple:
            event.residuals = out[len(event.outputs) :]
    if mode.saving is not None:  # users keep in their way what is needed: that is told by itself
        nodes = [y.node for y in event.outputs if y.node is not None]
        if nodes:
            mode.saving(nodes[0].edges[0] if made.__class__ is tuple else nodes[0])
    return made


def _as_arrays(out: Any) -> Any:
    """Results as arrays: numpy turns those of no dimension into numbers, which have no memory."""
    if isinstance(out, np.generic):
        return np.asarray(out)
    if isinstance(out, (tuple, list)):
        return tuple([_as_arrays(a) for a in out])
    return out


def told(event: Event, do: Callable[[], Any]) -> Any:
    """Do it and tell it; what `do` returns is the output."""
    with tell(event):
        out = _as_arrays(do())
        event.outputs = out if isinstance(out, tuple) else (out,)
    return out


def on_arrays(op: Any, arrays: tuple[Any, ...], params: tuple[Any, ...] = ()) -> Any:
    """Compute on arrays, as backward passes do."""
    if not current.get().listeners:
        return op.forward(arrays, params)
    return told(Event("compute", op, arrays, params), lambda: op.forward(arrays, params))


class Change(Bare):
    """Something that changes memory: ``function(target, *arrays, *params)``."""

    def __init__(self, name: str, function: Callable[..., None]) -> None:
        self.name = name
        self.function = function

    def __call__(self, target: Any, inputs: tuple[Any, ...] = (), *params: Any) -> None:
        """Change `target`, a tensor or an array, by tensors or arrays."""
        everything = (target, *inputs)
        arrays = [getattr(x, "array", x) for x in everything]
        if not current.get().listeners:
            self.forward(arrays, params)
            return
        event = Event("write", self, everything, params)
        with tell(event):
            self.forward(arrays, params)
            event.outputs = (target,)

    def forward(self, arrays: Sequence[Any], params: tuple[Any, ...]) -> None:
        """Change the first of the arrays."""
        self.function(*arrays, *params)


def change(function: Callable[..., None]) -> Change:
    """A function that changes its first argument, as an operation."""
    return Change(function.__name__.strip("_"), function)


class _Read(Bare):
    """Values leave for Python: nothing is computed."""

    def __init__(self, name: str) -> None:
        self.name = name

    def forward(self, arrays: Sequence[Any], params: tuple[Any, ...]) -> None:
        """Nothing."""


def read(name: str, tensor: Any) -> None:
    """Tell that `name` (``item``, ``numpy``, ...) hands the values of a tensor to Python."""
    if current.get().listeners:
        with tell(Event("read", _Read(name), (tensor,))):
            pass


class _Span(Bare):
    """The operation of something that contains others."""

    def __init__(self, name: str, owner: Any) -> None:
        self.name = name
        self.owner = owner


def span(name: str, owner: Any = None) -> tell:
    """``with span("backward"): ...``: what happens inside belongs together.

    Whoever opens one looks first whether anybody listens.
    """
    return tell(Event("span", _Span(name, owner)))
