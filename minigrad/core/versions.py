"""Versions of memory: who wrote where, and whether what backward kept is still what it was."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from itertools import count
from threading import Lock
from typing import Any

from minigrad.core.methods import NodeMethods
from minigrad.core.modes import current

__all__ = ["Counter", "Keeping", "clock"]

#: Numbers nodes and writes in the order in which they happen.
clock = count().__next__
_lock = Lock()


class Counter:
    """How often some memory was written in place; shared by a tensor and its views.

    Attributes
    ----------
    count : int
        The number of writes.
    last : int
        When the last one was: nodes made before it saved something else.
    writer : str or None
        Where the last one happened, in anomaly mode.
    """

    count = 0
    last = -1
    writer: str | None = None
    _views: list[weakref.ref[Any]] = []  # noqa: RUF012 - replaced, never changed
    _limit = 16

    #: When the last write to any memory was: older than a node, it need not look.
    newest = -1

    def bump(self) -> None:
        """Count a write."""
        with _lock:  # of two threads, the later one must be the one that is remembered
            self.count += 1
            self.last = Counter.newest = clock()
        locate = current.get().locate
        if locate is not None:
            self.writer = locate()

    def add_view(self, t: Any) -> None:
        """Remember a view, weakly; now and then forget those that are gone."""
        if not self._views:
            self._views = []
        elif len(self._views) >= self._limit:
            self._views = [r for r in self._views if r() is not None]
            self._limit = max(16, 2 * len(self._views))
        self._views.append(weakref.ref(t))

    def views(self) -> list[Any]:
        """The views that are alive, oldest first."""
        return [t for r in self._views if (t := r()) is not None]


class Keeping(NodeMethods):
    """The part of a node that keeps what the derivative will read, and lets it go.

    What few nodes set is read from here and stored on the instance.
    """

    op: Any
    saved: tuple[Any, ...] | None
    shape: tuple[int, ...]
    dtype: Any
    seq: int

    #: The result, where the derivative reads it; of several results, all of them.
    out: Any = None
    #: Counts the writes to the result.
    counter: Counter | None = None
    #: Other arrays that the derivative reads.
    residuals: tuple[Any, ...] = ()
    #: Shape and type of each of several results.
    outputs: tuple[tuple[tuple[int, ...], Any], ...] = ()
    #: Functions that see, and may replace, the gradient of the result.
    hooks: dict[int, Callable[[Any], Any]] | None = None
    #: The user's line that recorded it, in anomaly mode.
    where: str | None = None

    def name(self) -> str:
        """The name PyTorch's users know, such as ``MulBackward``."""
        if self.op.name[:1].isupper():  # a custom function: the name of its class
            return f"{self.op.name}Backward"
        return "".join(part.capitalize() for part in self.op.name.split("_")) + "Backward"

    def keep_result(self, y: Any) -> None:
        """The derivative reads the result: a write to it must be noticed."""
        self.out = y.array
        self.counter = y._counter = Counter()

    def free(self) -> None:
        """Drop what the derivative would read; the edges stay, so the graph can still be drawn."""
        if self.saved:
            self.saved = None
        if not self.op.plain and (self.out is not None or self.residuals):
            self.saved = self.out = None
            self.residuals = ()

    def check(self) -> None:
        """Refuse to run twice, or over memory that was written since."""
        if self.saved is None:
            raise RuntimeError(
                f"Trying to backward through the graph a second time (in {self.name()}): the "
                "values saved for the derivative were freed by the first backward. Call the first "
                "one with retain_graph=True, or run the forward pass again."
            )
        if self.counter is not None and self.counter.last > self.seq:
            self._refuse("its result", self.shape, self.dtype, self.counter)
        for i, t in enumerate(self.saved):
            if t is not None and t._counter is not None and t._counter.last > self.seq:
                self._refuse(f"its input {i}", t.array.shape, t.array.dtype, t._counter)

    def _refuse(self, what: str, shape: tuple[int, ...], dtype: Any, counter: Counter) -> None:
        by = f" The last write was at {counter.writer}." if counter.writer else ""
        at = f" (recorded at {self.where})" if self.where else ""
        raise RuntimeError(
            "one of the variables needed for gradient computation has been modified by an inplace "
            f"operation: {self.name()}{at} saved {what}, {dtype} of shape {list(shape)}, and it "
            f"was written since.{by} Use the out-of-place form, or clone() before writing."
        )
