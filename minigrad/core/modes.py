"""What is going on while operations run: is a graph recorded, is anybody listening.

The current :class:`Mode` is one immutable value in a context variable, so every thread and every
asyncio task has its own, and the hot path reads it once per operation.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, NamedTuple, Protocol, TypeVar, cast

__all__ = [
    "RECORDING", "Listener", "Mode", "Switch", "current", "enable_grad", "interpreter", "listen",
    "no_grad",
]  # fmt: skip

F = TypeVar("F", bound=Callable[..., Any])


class Listener(Protocol):
    """Who is told what passes the doors (`core.events`)."""

    def enter(self, event: Any) -> None:
        """Something begins."""

    def leave(self, event: Any) -> None:
        """It is over: its outputs are known, or its error."""


class Mode(NamedTuple):
    """Whether operations record a graph, and who is told about what happens.

    `locate` names the user's line that is running; only anomaly mode wants to know. `saving` is
    called with each node that keeps something, to keep it in another way. The `interpreter`
    computes operations on tensors that stand for something else than their values.
    """

    grad: bool = True
    inference: bool = False
    listeners: tuple[Listener, ...] = ()
    locate: Callable[[], str] | None = None
    saving: Callable[[Any], None] | None = None
    interpreter: Any = None


#: What is usual: a graph is recorded, nobody listens. One identity test finds it.
RECORDING = Mode()
current: ContextVar[Mode] = ContextVar("minigrad_mode", default=RECORDING)


def interpreter() -> Any:
    """Who computes operations on tensors that stand for something else than their values."""
    return current.get().interpreter


class Switch:
    """A context manager and decorator that changes the mode for a while; safe to nest and reuse."""

    def __init__(self, **changes: Any) -> None:
        self._changes = changes
        self._before: list[Mode] = []

    def _changed(self, mode: Mode) -> Mode:
        """The mode inside."""
        return mode._replace(**self._changes)

    def __enter__(self) -> None:
        before = current.get()
        self._before.append(before)
        try:
            current.set(self._changed(before))
        except BaseException:  # interrupted here, nobody would call __exit__
            current.set(self._before.pop())
            raise

    def __exit__(self, *exc: object) -> None:
        current.set(self._before.pop())

    def __call__(self, function: F) -> F:
        """The function, switched while it runs; a generator, while it computes its next value."""
        changes = self._changes
        if inspect.isgeneratorfunction(function):
            return cast(F, _each_step(function, changes))

        @functools.wraps(function)
        def switched(*args: Any, **kwargs: Any) -> Any:
            with Switch(**changes):
                return function(*args, **kwargs)

        return cast(F, switched)


def _each_step(function: Callable[..., Any], changes: dict[str, Any]) -> Callable[..., Any]:
    """A generator function that is switched while it runs, and not while its caller does."""

    @functools.wraps(function)
    def stepping(*args: Any, **kwargs: Any) -> Any:
        running = function(*args, **kwargs)
        resume, value = running.send, None
        while True:
            try:
                with Switch(**changes):
                    given = resume(value)
            except StopIteration as stop:
                return stop.value
            try:
                resume, value = running.send, (yield given)
            except GeneratorExit:
                with Switch(**changes):
                    running.close()
                raise
            except BaseException as error:
                resume, value = running.throw, error

    return stepping


class _Plain(Switch):
    """A switch that decorates with or without parentheses."""

    _own: dict[str, Any]

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        """The switch; or, given a function, that function switched."""
        self = super().__new__(cls)
        if function is None:
            return self
        Switch.__init__(self, **cls._own)
        return self(function)

    def __init__(self, function: Callable[..., Any] | None = None) -> None:
        super().__init__(**self._own)


class no_grad(_Plain):
    """Compute without recording a graph; results do not require grad.

    A context manager, or a decorator with or without parentheses.

    >>> import minigrad as mg
    >>> w = mg.ones(2, requires_grad=True)
    >>> with mg.no_grad():
    ...     (w * 2).requires_grad
    False
    """

    _own = {"grad": False}  # noqa: RUF012


class enable_grad(_Plain):
    """Record a graph again, inside :class:`no_grad`."""

    _own = {"grad": True, "inference": False}  # noqa: RUF012


class _AtTheEnd:
    """A function as a listener, which hears what is over and ended well."""

    def __init__(self, function: Callable[[Any], None]) -> None:
        self._function = function

    def enter(self, event: Any) -> None:
        """Not told."""

    def leave(self, event: Any) -> None:
        """Tell the function."""
        if event.error is None:
            self._function(event)


class listen(Switch):
    """Tell `listener` what happens inside the ``with``: operations, gradients, draws, writes.

    Parameters
    ----------
    listener : Listener or callable
        Something with ``enter(event)`` and ``leave(event)``; or a function of an event, which is
        called when that is over. See :class:`minigrad.core.events.Event`.

    Examples
    --------
    >>> import minigrad as mg
    >>> names = []
    >>> x = mg.ones(2)
    >>> with listen(lambda event: names.append(event.op.name)):
    ...     _ = (x * 3).sum()
    >>> names
    ['mul', 'sum']
    """

    def __init__(self, listener: Listener | Callable[[Any], None]) -> None:
        super().__init__()
        known: Any = listener
        self._listener: Listener = known if hasattr(known, "leave") else _AtTheEnd(known)

    def _changed(self, mode: Mode) -> Mode:
        """The mode with one more listener."""
        return mode._replace(listeners=(*mode.listeners, self._listener))
