"""What a training step may change, kept before and put back after, bit for bit."""

from __future__ import annotations

import copy
import functools
import random
from collections.abc import Callable
from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from minigrad.core.modes import no_grad
from minigrad.core.tensor import Tensor
from minigrad.nn.module import Module
from minigrad.ops.random import Generator, default_generator
from minigrad.optim.optimizer import Optimizer

__all__ = ["Kept", "reachable"]


#: How far what a function refers to is followed, and how many entries of a container.
_FAR, _MANY = 4, 100


def reachable(function: Any) -> list[Any]:
    """The modules, optimizers and other things with a state that a function of users refers to.

    By its cells, the globals that it names, its object and arguments; so also what functions and
    objects of users refer to that it finds there.
    """
    found: dict[int, Any] = {}
    seen = {id(function): function}
    now = [function]
    for _ in range(_FAR):
        now = [v for value in now for v in _referred(value) if id(v) not in seen]
        seen |= {id(v): v for v in now}
        found |= {id(v): v for v in now if _has_state(v)}
        now = [v for v in now if id(v) not in found]
    return list(found.values())


def _has_state(value: Any) -> bool:
    if isinstance(value, type):
        return False
    if isinstance(value, (Module, Optimizer, Generator)):
        return True
    return callable(getattr(value, "state_dict", None)) and callable(
        getattr(value, "load_state_dict", None)
    )


def _referred(value: Any) -> list[Any]:
    """What a value of users can see."""
    if isinstance(value, functools.partial):
        return [value.func, *value.args, *value.keywords.values()]
    if isinstance(value, MethodType):
        return [value.__self__, value.__func__]
    if isinstance(value, FunctionType):
        return _named_by(value) if _of_users(value) else []
    if isinstance(value, (list, tuple, set)):
        return list(value)[:_MANY]
    if isinstance(value, dict):
        return list(value.values())[:_MANY]
    if isinstance(value, (type, ModuleType, Tensor)) or not _of_users(type(value)):
        return []
    return [*vars(value).values(), *_methods(value)] if hasattr(value, "__dict__") else []


def _of_users(thing: Any) -> bool:
    """Whether a function or class is of neither this package nor a library that it stands on."""
    top = (getattr(thing, "__module__", "") or "").partition(".")[0]
    return top not in ("builtins", "minigrad", "numpy", "numba", "matplotlib")


def _methods(value: Any) -> list[Any]:
    return [f for f in vars(type(value)).values() if isinstance(f, FunctionType)]


def _named_by(function: FunctionType) -> list[Any]:
    """Cells, and the globals that the code names."""
    found = []
    for cell in function.__closure__ or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:  # not yet filled
            continue
    names = _names(function.__code__)
    return found + [v for k, v in function.__globals__.items() if k in names]


def _names(code: Any) -> set[str]:
    inner = (c for c in code.co_consts if hasattr(c, "co_names"))
    return set(code.co_names).union(*map(_names, inner))


class Kept:
    """The state of some modules and optimizers, and of all random streams.

    Parameters
    ----------
    things : sequence
        Modules, optimizers, generators, and what else has ``state_dict`` and ``load_state_dict``.

    Examples
    --------
    >>> import minigrad as mg
    >>> layer = mg.nn.Linear(2, 2)
    >>> before, kept = layer.weight.clone(), Kept([layer])
    >>> with mg.no_grad():
    ...     _ = layer.weight.zero_()
    >>> kept.restore()
    >>> mg.equal(layer.weight, before)
    True
    """

    def __init__(self, things: list[Any]) -> None:
        modules = _unique(m for t in things if isinstance(t, Module) for m in t.modules())
        optimizers = _unique(t for t in things if isinstance(t, Optimizer))
        generators = _unique(
            [
                default_generator,
                *(t for t in things if isinstance(t, Generator)),
                *(v for m in modules for v in vars(m).values() if isinstance(v, Generator)),
            ]
        )
        others = _unique(t for t in things if not isinstance(t, (Module, Optimizer, Generator)))
        tensors = [t for m in modules for t in (*m._parameters.values(), *m._buffers.values())]
        tensors += [p for o in optimizers for g in o.param_groups for p in g["params"]]
        self._restore: list[Callable[[], None]] = []
        tensors = _unique(t for t in tensors if t is not None)
        self._restore += map(_kept_tensor, tensors)
        self._restore += [_kept_flag(m) for m in modules]
        self._restore += [_kept_optimizer(o) for o in optimizers]
        self._restore += [_kept_state(t) for t in others]
        self._restore += [functools.partial(g.set_state, g.get_state()) for g in generators]
        self._restore.append(functools.partial(np.random.set_state, np.random.get_state()))
        self._restore.append(functools.partial(random.setstate, random.getstate()))

        self._known = {id(x): x for x in (*optimizers, *tensors)}

    def include(self, optimizer: Optimizer) -> None:
        """Keep an optimizer that was not found before, as it begins its first step."""
        if id(optimizer) not in self._known:
            parameters = [p for g in optimizer.param_groups for p in g["params"]]
            self._restore += [_kept_tensor(p) for p in parameters if id(p) not in self._known]
            self._restore.append(_kept_optimizer(optimizer))
            self._known |= {id(x): x for x in (optimizer, *parameters)}

    def restore(self) -> None:
        """Put everything back."""
        for put_back in self._restore:
            put_back()


def _unique(things: Any) -> list[Any]:
    return list({id(t): t for t in things}.values())


def _kept_tensor(t: Tensor) -> Callable[[], None]:
    """A parameter or buffer: its elements, its gradient (the object, what it holds), its flag."""
    elements, asked, g = t.detach().clone(), t.requires_grad, t._grad
    gradient = None if g is None else g.detach().clone()

    def put_back() -> None:
        with no_grad():
            if t.array.shape != elements.array.shape or not _same(t, elements):
                t.copy_(elements)
            if g is not None and gradient is not None and not _same(g, gradient):
                g.copy_(gradient)
        t._grad = g
        if t.node is None and t.requires_grad != asked:
            t.requires_grad_(asked)

    return put_back


def _same(a: Tensor, b: Tensor) -> bool:
    """Whether all bits are the same, so that nothing is to be written."""
    return bool(a.array.tobytes() == b.array.tobytes())


def _kept_flag(m: Module) -> Callable[[], None]:
    training = m.training

    def put_back() -> None:
        m.training = training

    return put_back


def _kept_optimizer(optimizer: Optimizer) -> Callable[[], None]:
    """Groups and state: the same objects, holding what they held."""
    groups = [(g, {**g, "params": list(g["params"])}) for g in optimizer.param_groups]
    state = [(p, dict(known), _copies(known)) for p, known in optimizer.state.items()]
    called = getattr(optimizer, "_opt_called", None)

    def put_back() -> None:
        optimizer.param_groups[:] = [g for g, _ in groups]
        for group, options in groups:
            group.clear()
            group.update(options)
        optimizer.state.clear()
        for p, objects, copies in state:
            with no_grad():
                for t, kept in ((objects[k], c) for k, c in copies.items()):
                    if isinstance(t, Tensor) and not _same(t, kept):
                        t.copy_(kept)
            others = {k: c for k, c in copies.items() if not isinstance(c, Tensor)}
            optimizer.state[p] = {**objects, **others}
        if called is None:
            vars(optimizer).pop("_opt_called", None)

    return put_back


def _copies(known: dict[str, Any]) -> dict[str, Any]:
    return {
        k: v.detach().clone() if isinstance(v, Tensor) else copy.deepcopy(v)
        for k, v in known.items()
    }


def _kept_state(thing: Any) -> Callable[[], None]:
    state = copy.deepcopy(thing.state_dict())
    return lambda: thing.load_state_dict(state) and None
