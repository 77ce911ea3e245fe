"""Which parameters are updated together: *runs*, one kernel call each.

A network has many small parameters, and a call from Python costs more than the arithmetic of a
small one. So the small parameters of a group that are in the same state form one run: their state
(``exp_avg``, ...) lies in one buffer, of which each parameter's own state is a view, and for each
step their values and gradients are copied into buffers as well, and the values back. A large
parameter is a run of its own, updated in its own memory.

Measured on 2 cores, one step for the 8 tensors (17,354 numbers) of an MLP: a kernel call for each
tensor takes 25 us (SGD) to 65 us (Adam), copying them together 12 to 18 us. Moving the parameters
themselves into one buffer would save the 4 us of copying values there and back; it was not done,
because a parameter must stay where it is: views, numpy arrays or a second optimizer may hold its
memory. A call costs as much as copying some 10,000 to 30,000 numbers three times, so larger
parameters are better off alone; runs of limited length, to stay in the cache, gained nothing.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from operator import is_, itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.dtypes import get_default_dtype
from minigrad.tensor import Tensor

if TYPE_CHECKING:
    from minigrad.optim.optimizer import Optimizer

__all__ = ["LARGE", "Plan", "Run", "number_state", "plan_runs", "work_dtype"]

Array = np.ndarray[Any, Any]

#: A parameter of so many elements is a run of its own.
LARGE = 16_384


def work_dtype(p: Tensor) -> np.dtype[Any]:
    """The type that updates of `p` are computed in, and its state is kept in."""
    return np.dtype(np.float64 if p.array.dtype == np.float64 else np.float32)


def number_state(value: float) -> Tensor:
    """A state that is one number, as PyTorch keeps it: a 0-dim tensor of the default type."""
    return Tensor(np.array(value, get_default_dtype().numpy))


class Run:
    """Parameters that one kernel call updates.

    Attributes
    ----------
    param, grad : numpy.ndarray
        Values and gradients, one after the other: between :meth:`load` and :meth:`store`.
    first : bool
        Whether the state has not been used yet.
    """

    def __init__(
        self, params: list[Tensor], states: list[dict[str, Any]], names: Sequence[str],
        numbers: Sequence[str], first: bool, scratch: dict[str, list[Array]],
    ) -> None:  # fmt: skip
        self._scratch = scratch
        self.params = params
        self.arrays = [p.array for p in params]
        self.states = states
        self.first = first
        self.size = sum(a.size for a in self.arrays)
        self._dtype = work_dtype(params[0])
        self._buffers = {name: self._joined([s[name] for s in states]) for name in names}
        self._numbers = {name: self._table([s[name] for s in states]) for name in numbers}
        self._tensors = [(itemgetter(n), [s[n] for s in states]) for n in (*names, *numbers)]
        self._place()

    def __getitem__(self, name: str) -> Array:
        """The state of that name, one parameter after the other."""
        return self._buffers[name]

    def get(self, name: str) -> Array | None:
        """The state of that name, if there is one."""
        return self._buffers.get(name)

    def number(self, name: str) -> float:
        """A state that is one number, the same for all of the run."""
        return self._numbers[name].item(0)  # type: ignore[no-any-return]

    def set_number(self, name: str, value: float) -> None:
        """Change it; to what the default type can hold, as PyTorch does."""
        self._numbers[name].fill(get_default_dtype().numpy.type(value))

    def scale_number(self, name: str, factor: float) -> None:
        """Multiply it, in its own type."""
        self._numbers[name] *= factor

    def next_step(self) -> int:
        """Count the step, and return its number, from 1."""
        steps = self._numbers["step"]
        steps += 1
        return int(steps.item(0))

    def descent(self, group: dict[str, Any], lr: float | None = None) -> Array:
        """The gradient to go down: sign and weight decay of the group applied, in a new array.

        With `lr` and decoupled weight decay, the weights shrink instead, at once.
        """
        g: Array = -self.grad if group["maximize"] else self.grad.copy()
        decay = group.get("weight_decay", 0)
        if decay and lr is not None and group.get("decoupled_weight_decay"):
            self.param *= 1 - lr * decay
        elif decay:
            g += decay * self.param
        return g

    # -- memory ----------------------------------------------------------------------------------

    def _joined(self, tensors: list[Tensor]) -> Array:
        """One flat array of which the arrays of `tensors` are the parts, in order."""
        arrays = [t.array for t in tensors]
        if len(arrays) == 1 and arrays[0].dtype == self._dtype and arrays[0].flags.carray:
            return arrays[0].reshape(-1)
        whole = np.concatenate([a.reshape(-1) for a in arrays], dtype=self._dtype)
        for t, part in zip(tensors, self._parts(whole), strict=True):
            t.array = part
        return whole

    def _table(self, tensors: list[Tensor]) -> Array:
        """The numbers in one array of which those of `tensors` are views."""
        table = np.array([t.array for t in tensors])
        for i, t in enumerate(tensors):
            t.array = table[i : i + 1].reshape(())
        return table

    def _parts(self, whole: Array) -> list[Array]:
        """Views of the part of each parameter, in its shape."""
        ends = np.cumsum([a.size for a in self.arrays]).tolist()
        return [
            whole[end - a.size : end].reshape(a.shape)
            for end, a in zip(ends, self.arrays, strict=True)
        ]

    def _place(self) -> None:
        """Decide where values and gradients are when the kernel runs."""
        for a in self.arrays:
            if not a.flags.writeable:
                raise RuntimeError(
                    f"a parameter of shape {list(a.shape)} cannot be updated: its memory is "
                    "read-only, or expanded; optimize a clone() of it"
                )
        first = self.arrays[0]
        self._direct = len(self.arrays) == 1 and first.dtype == self._dtype and first.flags.carray
        if self._direct:
            self.param = self.grad = first.reshape(-1)
            return
        scratch = self._scratch.setdefault(self._dtype.char, [])
        if not scratch or scratch[0].size < self.size:
            scratch[:] = [np.empty(self.size, self._dtype) for _ in range(2)]
        self.param, self.grad = [whole[: self.size] for whole in scratch]
        self._views = self._parts(self.param)
        # Flat views where the memory allows; others are flattened by copying, each time.
        flat = all(a.flags.c_contiguous for a in self.arrays)
        self._flat = [a.reshape(-1) for a in self.arrays] if flat else None

    def holds(self) -> bool:
        """Whether parameters and state are still what the run was made of, with gradients."""
        for p, a in zip(self.params, self.arrays, strict=True):
            if p.array is not a or p._grad is None:
                return False
        for get, tensors in self._tensors:
            if not all(map(is_, map(get, self.states), tensors)):
                return False
        for table in self._numbers.values():
            values = table.tolist()
            if values.count(values[0]) != len(values):
                return False
        return True

    def load(self) -> None:
        """Bring values and gradients to where the kernel reads them."""
        if self._direct:
            grad = self.params[0]._grad.array  # type: ignore[union-attr]
            self.grad = np.ascontiguousarray(grad, self._dtype).reshape(-1)
            return
        grads = [p._grad.array.reshape(-1) for p in self.params]  # type: ignore[union-attr]
        np.concatenate(grads, out=self.grad)
        np.concatenate(self._flat or [a.reshape(-1) for a in self.arrays], out=self.param)

    def store(self) -> None:
        """Put the new values in their places, and count the write for each parameter."""
        if not self._direct:
            for a, view in zip(self.arrays, self._views, strict=True):
                a[...] = view
        for p in self.params:
            counter = p._counter
            if counter is None:
                counter = p._share_counter()
            counter.bump()
        self.first = False


class Plan:
    """The runs of one group, and the parameters that had no gradient when it was made."""

    def __init__(self, runs: list[Run], idle: list[Tensor], count: int, names: Any) -> None:
        self.runs = runs
        self.idle = idle
        self.count = count
        self.names = names

    def holds(self, params: list[Tensor], names: tuple[str, ...]) -> bool:
        """Whether nothing has changed that would need other runs."""
        if len(params) != self.count or names != self.names:
            return False
        for p in self.idle:
            if p._grad is not None:
                return False
        return all(run.holds() for run in self.runs)


def plan_runs(optimizer: Optimizer, group: dict[str, Any], names: tuple[str, ...]) -> Plan:
    """Put the parameters of a group that have gradients into runs; make state that is missing."""
    numbers = optimizer._numbers
    idle: list[Tensor] = []
    alike: dict[Hashable, tuple[list[Tensor], list[dict[str, Any]], bool]] = {}
    for i, p in enumerate(group["params"]):
        if p._grad is None:
            idle.append(p)
            continue
        state, first = make_state(optimizer, group, names, p)
        key: Hashable = i  # by itself
        if p.array.size < LARGE:
            counts = tuple([state[n].array.item() for n in numbers])
            key = (work_dtype(p).char, first, counts)
        params, states, _ = alike.setdefault(key, ([], [], first))
        params.append(p)
        states.append(state)
    scratch = optimizer._scratch
    runs = [Run(ps, ss, names, numbers, first, scratch) for ps, ss, first in alike.values()]
    return Plan(runs, idle, len(group["params"]), names)


def make_state(
    optimizer: Optimizer, group: dict[str, Any], names: tuple[str, ...], p: Tensor
) -> tuple[dict[str, Any], bool]:
    """The state of a parameter, complete, and whether its arrays are new."""
    numbers = optimizer._numbers
    if not names and not numbers:
        return {}, True
    state = optimizer.state[p]
    first = False
    for name in numbers:
        if not isinstance(state.get(name), Tensor):
            value = state.get(name)
            state[name] = number_state(optimizer._start(name, group) if value is None else value)
    for name in names:
        if state.get(name) is None:
            fill = optimizer._start(name, group)
            state[name] = Tensor(np.full(p.array.shape, fill, work_dtype(p)))
            first = True
    return state, first
