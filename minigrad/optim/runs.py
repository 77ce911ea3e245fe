"""Which parameters are updated together: *runs*, one kernel call each.

A network has many small parameters, and a call from Python costs more than the arithmetic of a
small one. So all parameters of a group that are of one type and have made the same number of steps
form one run. Each stays in its own memory, and so does its state; the kernel gets a table of where
they lie (:class:`~minigrad.kernels.optim_pieces.Pieces`), which is made once. What a step costs in
Python is to look whether all is still where it was, and where the gradients are: less than a
microsecond for a parameter.

Only a parameter that kernels cannot work on (half precision, or not contiguous) is copied, to
memory of the type that it is computed in, and back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.core.dtypes import get_default_dtype, is_float
from minigrad.core.events import Event, change, on_arrays, tell
from minigrad.core.modes import current
from minigrad.core.operation import Bare
from minigrad.core.plain import plain
from minigrad.core.tensor import Array, Tensor, given
from minigrad.kernels.run.lazy import lazy
from minigrad.optim.options import as_number

if TYPE_CHECKING:
    from minigrad.optim.optimizer import Optimizer

kernels = lazy("optim")

__all__ = ["Plan", "Run", "copy_of", "number_state", "plan_runs", "work_dtype"]


_ARRAY, _GRADIENT, _NO_GRADIENT = attrgetter("array"), attrgetter("_grad"), id(None)


def work_dtype(p: Tensor) -> np.dtype[Any]:
    """The type that updates of `p` are computed in, and its state is kept in."""
    return np.dtype(np.float64 if p.array.dtype == np.float64 else np.float32)


def number_state(value: float) -> Tensor:
    """A state that is one number, as PyTorch keeps it: a 0-dim tensor of the default type."""
    return given(np.array(value, get_default_dtype().numpy))


@plain
def copy_of(values: Array, kind: np.dtype[Any] | None = None) -> Array:
    """A copy, of another type if one is given."""
    return np.array(values, kind)


@plain
def _rows(values: Array, kind: np.dtype[Any]) -> Array:
    """A contiguous copy of a type."""
    return np.array(values, kind, order="C")


@plain
def _joined(*numbers: Array) -> Array:
    return np.array(numbers)


class _Fitted(Bare):
    """Contiguous, and of the type that is computed in."""

    name = "fitted"

    def forward(self, arrays: Sequence[Array], params: tuple[np.dtype[Any]]) -> Array:
        # not ascontiguousarray, which gives a number one dimension
        return np.asarray(arrays[0], params[0], order="C")


_FITTED = _Fitted()


def _fetch(work: Array, array: Array) -> None:
    """Compute `work` from `array`: what it held does not matter."""
    if not current.get().listeners:
        work[...] = array
        return
    with tell(Event("compute", _FITTED, (array,), (work.dtype,))) as event:
        work[...] = array
        event.outputs = (work,)


class Updating(Bare):
    """A step of an optimizer, as an operation that changes parameters and their state.

    Parameters
    ----------
    kernel : Update
        One of :mod:`minigrad.kernels.optim`.
    """

    def __init__(self, kernel: Any) -> None:
        self.kernel = kernel
        self.name = kernel.__name__

    def forward(self, arrays: Sequence[Any], params: tuple[dict[str, float]]) -> None:
        """Update parameters (and columns of state) by gradients."""
        work, columns, gradients = arrays
        self.kernel(kernels.Pieces(work, columns), list(gradients), **params[0])


@change
def _copy(target: Array, value: Any) -> None:
    target[...] = value


@change
def _count(target: Array) -> None:
    target += 1


class Run:
    """Parameters that one kernel call updates.

    Parameters
    ----------
    params : list of Tensor
        Of one working type, with gradients.
    states : list of dict
        The state of each.
    names, numbers : sequence of str
        Which of the state are arrays, in the order of the kernel ("" for one that there is not),
        and which are one number.
    first : bool
        Whether the state has not been used yet.
    """

    def __init__(
        self, params: list[Tensor], states: list[dict[str, Any]], names: Sequence[str],
        numbers: Sequence[str], first: bool,
    ) -> None:  # fmt: skip
        self.params = params
        self.arrays = [p.array for p in params]
        self._ids = [*map(id, self.arrays)]
        self.states = states
        self.first = first
        self._dtype = work_dtype(params[0])
        self._copied: list[tuple[Array, Array]] = []
        self._work = [self._workable(a) for a in self.arrays]
        self._columns = tuple([tuple(self._column(n)) if n else None for n in names])
        self._numbers = {name: self._table([s[name] for s in states]) for name in numbers}
        self._pieces = kernels.Pieces(self._work, self._columns)
        self._known = [self._remembered(name) for name in (*names, *numbers) if name]

    # -- what an optimizer's step needs ------------------------------------------------------------

    def count(self) -> dict[str, Any]:
        """Count the step; the state that is one number, the same for all of the run, and whether
        the arrays of state are new.
        """
        counts: dict[str, Any] = {"first": self.first}
        for name, table in self._numbers.items():
            if name == "step":
                _count(table)
            counts[name] = int(table[0]) if name == "step" else table[0]
        return counts

    def keep(self, counts: dict[str, Any]) -> None:
        """Change state that is one number; to what the default type can hold, as PyTorch does."""
        for name, value in counts.items():
            kept = value if isinstance(value, np.generic) else get_default_dtype().numpy.type(value)
            _copy(self._numbers[name], (), kept)

    def update(self, kernel: Any, numbers: dict[str, float]) -> None:
        """Update all parameters, and count the write for each.

        Parameters
        ----------
        kernel : Update
            One of :mod:`minigrad.kernels.optim`; it gets parameters, gradients and the arrays of
            state in the order of their names.
        numbers : dict
            What else the kernel reads.
        """
        gradients = [p._grad.array for p in self.params]  # type: ignore[union-attr]  # `holds`
        if not self._pieces.fits(gradients):
            gradients = [on_arrays(_FITTED, (g,), (self._dtype,)) for g in gradients]
            if not self._pieces.fits(gradients):
                self._refuse(gradients)
        for array, work in self._copied:
            _fetch(work, array)
        self._call(kernel, gradients, numbers)
        for array, work in self._copied:
            _copy(array, (work,))
        for p in self.params:
            counter = p._counter
            if counter is None:
                counter = p._share_counter()
            counter.bump()
        self.first = False

    def _call(self, kernel: Any, gradients: list[Array], numbers: dict[str, float]) -> None:
        """Run the kernel: the door of updates."""
        if not current.get().listeners:
            kernel(self._pieces, gradients, **numbers)
            return
        targets = (tuple(self._work), self._columns)
        event = Event("update", Updating(kernel), (*targets, tuple(gradients)), (numbers,))
        with tell(event):
            kernel(self._pieces, gradients, **numbers)
            event.outputs = targets

    # -- memory ------------------------------------------------------------------------------------

    def _workable(self, a: Array) -> Array:
        """The array itself if kernels can change it, or else memory for a copy."""
        if not a.flags.writeable:
            raise RuntimeError(
                f"a parameter of shape {list(a.shape)} cannot be updated: its memory is "
                "read-only, or expanded; optimize a clone() of it"
            )
        if a.dtype == self._dtype and a.flags.carray:
            return a
        if not is_float(a.dtype):
            raise RuntimeError(
                f"a parameter of shape {list(a.shape)} is of type {a.dtype}, and only floating "
                "point numbers can be optimized"
            )
        work = np.empty(a.shape, self._dtype)
        self._copied.append((a, work))
        return work

    def _column(self, name: str) -> list[Array]:
        """The arrays of a state, one for each parameter."""
        pairs = zip(self.params, self.states, strict=True)
        return [self._state_array(name, state[name], p) for p, state in pairs]

    def _state_array(self, name: str, t: Any, p: Tensor) -> Array:
        """The array of a state, made contiguous and of the right type if it is not."""
        shape = list(p.array.shape)
        if not isinstance(t, Tensor):
            raise TypeError(
                f"the state '{name}' of a parameter of shape {shape} must be a tensor of that "
                f"shape, but is {type(t).__name__}"
            )
        if t.array.shape != p.array.shape:
            raise RuntimeError(
                f"the state '{name}' of a parameter of shape {shape} has shape "
                f"{list(t.array.shape)}: if the parameter has been replaced by one of another "
                "shape, forget its state (del optimizer.state[p]), or make a new optimizer"
            )
        if t.array.dtype != self._dtype or not t.array.flags.carray:
            t.array = _rows((t,), self._dtype).array
        return t.array

    def _table(self, tensors: list[Tensor]) -> Array:
        """The numbers in one array of which those of `tensors` are views."""
        if len(tensors) == 1:
            return tensors[0].array.reshape(1)
        table = _joined(tuple(tensors)).array
        for i, t in enumerate(tensors):
            t.array = table[i : i + 1].reshape(())
        return table

    def _remembered(self, name: str) -> tuple[Any, list[Tensor], list[int], list[int], list[Array]]:
        """The state of a name as it is now: tensors and arrays, which others may replace."""
        tensors = [s[name] for s in self.states]
        arrays = [t.array for t in tensors]
        return itemgetter(name), tensors, [*map(id, tensors)], [*map(id, arrays)], arrays

    def holds(self) -> bool:
        """Whether parameters and state are still what the run was made of, with gradients."""
        # Lists of ids are compared, not of tensors: nothing but built-in functions runs here.
        if [*map(id, map(_ARRAY, self.params))] != self._ids:
            return False
        if _NO_GRADIENT in map(id, map(_GRADIENT, self.params)):
            return False
        for get, tensors, ids, array_ids, _ in self._known:
            try:
                if [*map(id, map(get, self.states))] != ids:
                    return False
            except KeyError:  # somebody has taken it away
                return False
            if [*map(id, map(_ARRAY, tensors))] != array_ids:
                return False
        for table in self._numbers.values():
            values = table.tolist()
            if values.count(values[0]) != len(values):
                return False
        return True

    def _refuse(self, gradients: list[Array]) -> None:
        for p, g in zip(self.params, gradients, strict=True):
            if g.shape != p.array.shape:
                raise RuntimeError(
                    f"a parameter of shape {list(p.array.shape)} has a gradient of shape "
                    f"{list(g.shape)}; they must be the same"
                )


class Plan:
    """The runs of one group, and the parameters that had no gradient when it was made."""

    def __init__(
        self, runs: list[Run], idle: list[Tensor], params: list[Tensor], names: Any
    ) -> None:
        self.runs = runs
        self.idle = idle
        self.params = list(params)  # keeps them alive: their ids belong to nothing else
        self._ids = [*map(id, params)]
        self.names = names

    def holds(self, params: list[Tensor], names: tuple[str, ...]) -> bool:
        """Whether nothing has changed that would need other runs."""
        if names != self.names or [*map(id, params)] != self._ids:
            return False
        for p in self.idle:
            if p._grad is not None:
                return False
        return all(run.holds() for run in self.runs)


def plan_runs(optimizer: Optimizer, group: dict[str, Any], names: tuple[str, ...]) -> Plan:
    """Put the parameters of a group that have gradients into runs; make state that is missing."""
    numbers = optimizer._counts
    idle: list[Tensor] = []
    seen: Counter[int] = Counter()
    alike: dict[tuple[Any, ...], tuple[list[Tensor], list[dict[str, Any]]]] = {}
    for p in group["params"]:
        if not isinstance(p, Tensor):
            raise TypeError(
                f"optimizer can only optimize Tensors, but one of the params is {type(p).__name__}"
            )
        if p._grad is None:
            idle.append(p)
            continue
        state, first = make_state(optimizer, group, names, p)
        counts = tuple([(state[n].array.dtype.char, state[n].array.item()) for n in numbers])
        # A parameter that is listed twice is updated twice, one time after the other.
        key = (work_dtype(p).char, first, counts, seen[id(p)])
        seen[id(p)] += 1
        params, states = alike.setdefault(key, ([], []))
        params.append(p)
        states.append(state)
    runs = [Run(ps, ss, names, numbers, key[1]) for key, (ps, ss) in alike.items()]
    return Plan(runs, idle, group["params"], names)


def make_state(
    optimizer: Optimizer, group: dict[str, Any], names: tuple[str, ...], p: Tensor
) -> tuple[dict[str, Any], bool]:
    """The state of a parameter, complete, and whether its arrays are new."""
    numbers = optimizer._counts
    if not names and not numbers:
        return {}, True
    state = optimizer.state[p]
    if not isinstance(state, dict):
        raise TypeError(f"the state of a parameter must be a dict, not {type(state).__name__}")
    first = False
    for name in numbers:
        value = state.get(name)
        if not isinstance(value, Tensor):
            start = optimizer._start(name, group) if value is None else as_number(value)
            state[name] = number_state(start)
    for name in filter(None, names):
        if state.get(name) is None:
            fill = optimizer._start(name, group)
            state[name] = given(np.full(p.array.shape, fill, work_dtype(p)))
            first = True
    return state, first
