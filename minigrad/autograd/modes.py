"""What is going on while operations run: is a graph recorded, is anybody listening.

The current :class:`Mode` is one immutable value in a context variable, so every thread and every
asyncio task has its own, and the hot path reads it once per operation.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar, Token
from typing import Any, NamedTuple, TypeVar

__all__ = [
    "Mode",
    "enable_grad",
    "inference_mode",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "listen",
    "no_grad",
    "set_grad_enabled",
]

F = TypeVar("F", bound=Callable[..., Any])

#: Called after each operation with ``(op, inputs, params, outputs)``.
Listener = Callable[[Any, tuple[Any, ...], tuple[Any, ...], tuple[Any, ...]], None]
#: Called in backward passes, after each node, with ``(node, gradient, gradients of its inputs)``.
Watcher = Callable[[Any, Any, Sequence[Any]], None]


class Mode(NamedTuple):
    """Whether operations record a graph, and who is told about them, and about backward passes.

    `locate` names the user's line that is running; only anomaly mode wants to know. `saving` is
    called with each node that keeps something, to keep it in another way.
    """

    grad: bool = True
    inference: bool = False
    listeners: tuple[Listener, ...] = ()
    watchers: tuple[Watcher, ...] = ()
    locate: Callable[[], str] | None = None
    saving: Callable[[Any], None] | None = None


#: What is usual: a graph is recorded, nobody listens. One identity test finds it.
RECORDING = Mode()
current: ContextVar[Mode] = ContextVar("minigrad_mode", default=RECORDING)


class _Switch:
    """A context manager and decorator that changes the mode for a while; safe to nest and reuse."""

    def __init__(self, **changes: Any) -> None:
        self._changes = changes
        self._tokens: list[Token[Mode]] = []

    def __enter__(self) -> None:
        self._tokens.append(current.set(current.get()._replace(**self._changes)))

    def __exit__(self, *exc: object) -> None:
        current.reset(self._tokens.pop())

    def __call__(self, function: F) -> F:
        """The function, switched while it runs; a generator, while it computes its next value."""
        changes = self._changes
        if inspect.isgeneratorfunction(function):
            return _each_step(function, changes)  # type: ignore[return-value]

        @functools.wraps(function)
        def switched(*args: Any, **kwargs: Any) -> Any:
            with _Switch(**changes):
                return function(*args, **kwargs)

        return switched  # type: ignore[return-value]


def _each_step(function: Callable[..., Any], changes: dict[str, Any]) -> Callable[..., Any]:
    """A generator function that is switched while it runs, and not while its caller does."""

    @functools.wraps(function)
    def stepping(*args: Any, **kwargs: Any) -> Any:
        running = function(*args, **kwargs)
        resume, value = running.send, None
        while True:
            try:
                with _Switch(**changes):
                    given = resume(value)
            except StopIteration as stop:
                return stop.value
            try:
                resume, value = running.send, (yield given)
            except GeneratorExit:
                with _Switch(**changes):
                    running.close()
                raise
            except BaseException as error:
                resume, value = running.throw, error

    return stepping


class no_grad(_Switch):
    """Compute without recording a graph; results do not require grad.

    A context manager, or a decorator with or without parentheses.

    >>> import minigrad as mg
    >>> w = mg.ones(2, requires_grad=True)
    >>> with mg.no_grad():
    ...     (w * 2).requires_grad
    False
    """

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        """The switch; or, given a function, that function switched."""
        self = super().__new__(cls)
        if function is None:
            return self
        self.__init__()  # type: ignore[misc]
        return self(function)

    def __init__(self, function: Callable[..., Any] | None = None) -> None:
        super().__init__(grad=False)


class enable_grad(_Switch):
    """Record a graph again, inside :class:`no_grad`."""

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        """The switch; or, given a function, that function switched."""
        self = super().__new__(cls)
        if function is None:
            return self
        self.__init__()  # type: ignore[misc]
        return self(function)

    def __init__(self, function: Callable[..., Any] | None = None) -> None:
        super().__init__(grad=True, inference=False)


class inference_mode(_Switch):
    """As :class:`no_grad`; in minigrad its tensors may be used in a graph later, too."""

    def __new__(cls, mode: bool | Callable[..., Any] = True) -> Any:
        """The switch; or, given a function, that function switched."""
        self = super().__new__(cls)
        if not callable(mode):
            return self
        self.__init__()  # type: ignore[misc]
        return self(mode)

    def __init__(self, mode: bool | Callable[..., Any] = True) -> None:
        super().__init__(**({"grad": False, "inference": True} if mode else {}))


class set_grad_enabled(_Switch):
    """Switch recording on or off: at once when called, back again at the end of a ``with``."""

    def __init__(self, mode: bool) -> None:
        super().__init__(grad=bool(mode))
        self._before = current.get()
        current.set(self._before._replace(grad=bool(mode)))

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc: object) -> None:
        current.set(current.get()._replace(grad=self._before.grad))

    def __call__(self, function: F) -> F:
        """The function, switched while it runs."""
        self.__exit__()  # decorating is no call
        return super().__call__(function)


def is_grad_enabled() -> bool:
    """Whether operations record a graph now."""
    return current.get().grad


def is_inference_mode_enabled() -> bool:
    """Whether :class:`inference_mode` is on."""
    return current.get().inference


@contextmanager
def _listening(listener: Listener) -> Iterator[None]:
    mode = current.get()
    token = current.set(mode._replace(listeners=(*mode.listeners, listener)))
    try:
        yield
    finally:
        current.reset(token)


def listen(listener: Listener) -> AbstractContextManager[None]:
    """Tell `listener` about every operation inside the ``with``.

    >>> import minigrad as mg
    >>> names = []
    >>> with listen(lambda op, inputs, params, outputs: names.append(op.name)):
    ...     _ = (mg.ones(2) * 3).sum()
    >>> names
    ['mul', 'sum']
    """
    return _listening(listener)
