"""What all optimizers share: parameter groups, state, hooks, saving, and the loop of a step.

A subclass says which state it keeps for a parameter and how a *run* of parameters is updated by
one kernel call (see :mod:`minigrad.optim.runs`); everything else is here. A class that defines
``step`` itself, as PyTorch's users write them, works too.
"""

from __future__ import annotations

import functools
import threading
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable
from copy import deepcopy
from itertools import chain
from operator import is_
from typing import Any

import numpy as np

from minigrad.autograd.hooks import RemovableHandle, add_hook
from minigrad.core.events import span
from minigrad.core.modes import current, enable_grad
from minigrad.core.tensor import Tensor, given
from minigrad.ops.inplace import store
from minigrad.optim.options import as_number, check_group
from minigrad.optim.runs import Plan, Run, copy_of, kernels, number_state, plan_runs, work_dtype

__all__ = ["Optimizer", "as_number", "required"]

Group = dict[str, Any]
Counts = dict[str, Any]
Params = Iterable[Tensor] | Iterable[Group] | Iterable[tuple[str, Tensor]]


class _Required:
    """Stands where a parameter group must give a value of its own."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = _Required()


def _with_hooks(step: Callable[..., Any]) -> Callable[..., Any]:
    """`step` with what goes before and after it."""

    @functools.wraps(step)
    def told(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
        if not current.get().listeners:
            return hooked(self, args, kwargs)
        with span("step", self):
            return hooked(self, args, kwargs)

    def hooked(self: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        for before in [*self._optimizer_step_pre_hooks.values()]:
            replaced = before(self, args, kwargs)
            if replaced is not None:
                if not isinstance(replaced, tuple) or len(replaced) != 2:
                    raise RuntimeError(
                        "a step pre hook must return None or a tuple of (new_args, new_kwargs), "
                        f"but got {replaced}."
                    )
                args, kwargs = replaced
        result = step(self, *args, **kwargs)
        self._opt_called = True
        for after in [*self._optimizer_step_post_hooks.values()]:
            after(self, args, kwargs)
        return result

    return told


class Optimizer:
    """Base class of the optimizers.

    Parameters
    ----------
    params : iterable of Tensor, of (name, Tensor), or of dict
        What is optimized. Dictionaries are parameter groups: ``{"params": [...], "lr": ...}``.
    defaults : dict
        Options of groups that do not give them.

    Attributes
    ----------
    param_groups : list of dict
        The options may be changed at any time.
    state : defaultdict
        From parameters to dictionaries of what the optimizer remembers of them.

    Raises
    ------
    TypeError
        If `params` is a tensor, a set, or contains something else than tensors.
    ValueError
        If it is empty, contains results of operations, or the same parameter in two groups.
    """

    #: The kernel of an update, by its name in `minigrad.kernels.optim`.
    _kernel = ""
    #: Names of state that is one number for each parameter, such as the step count.
    _counts: tuple[str, ...] = ("step",)
    #: Names of state that is an array for each parameter, in the order of the kernel.
    _arrays: tuple[str, ...] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:
            cls.step = _with_hooks(cls.step)  # type: ignore[method-assign]

    def __init__(self, params: Params, defaults: dict[str, Any]) -> None:
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or "
                f"dicts, but got {type(params).__name__}"
            )
        self.defaults = defaults
        self.state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[Group] = []
        self._reset_extras()
        groups: list[Any] = _entries(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def _reset_extras(self) -> None:
        """What is neither copied nor saved with an optimizer."""
        self._opt_called = False
        self._optimizer_step_pre_hooks: dict[int, Callable[..., Any]] = {}
        self._optimizer_step_post_hooks: dict[int, Callable[..., Any]] = {}
        self._optimizer_state_dict_pre_hooks: dict[int, Callable[..., Any]] = {}
        self._optimizer_state_dict_post_hooks: dict[int, Callable[..., Any]] = {}
        self._optimizer_load_state_dict_pre_hooks: dict[int, Callable[..., Any]] = {}
        self._optimizer_load_state_dict_post_hooks: dict[int, Callable[..., Any]] = {}
        self._lock = threading.RLock()
        self._plans: dict[int, Plan] = {}
        self._known_states: list[dict[str, Any]] = []

    def __getstate__(self) -> dict[str, Any]:
        return {
            "defaults": self.defaults,
            "state": self.state,
            "param_groups": self.param_groups,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._reset_extras()

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
        return "\n".join([*lines, ")"])

    # -- groups ----------------------------------------------------------------------------------

    def add_param_group(self, param_group: Group) -> None:
        """Optimize more parameters, with options of their own.

        Parameters
        ----------
        param_group : dict
            ``"params"`` (a tensor, or an ordered collection of them), and options.
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        if "params" not in param_group:
            raise KeyError(f"a parameter group needs 'params'; this one has {sorted(param_group)}")
        params, names = _listed(param_group["params"])
        param_group["params"] = params
        if names:
            param_group["param_names"] = names
        for p in params:
            _check_param(p)
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(
                    "parameter group didn't specify a value of required optimization parameter "
                    f"{name}"
                )
            param_group.setdefault(name, default)
        if len(params) != len(set(params)):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; in future, this "
                "will cause an error",
                stacklevel=3,
            )
        for group in self.param_groups:
            if ("param_names" in param_group) != ("param_names" in group):
                kind = "with names" if names else "without names"
                raise ValueError(
                    "all optimizer param groups should be with/without names. cannot add param "
                    f"group {kind} to the optimizer"
                )
            if not set(group["params"]).isdisjoint(params):
                raise ValueError("some parameters appear in more than one parameter group")
        self.param_groups.append(param_group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters.

        Parameters
        ----------
        set_to_none : bool
            Set ``grad`` to None; otherwise overwrite it with zeros. A parameter without gradient is
            left out of the next step, one with a gradient of 0 is not.
        """
        for group in self.param_groups:
            for p in group["params"]:
                g = p._grad
                if g is None:
                    continue
                if set_to_none:
                    p._grad = None
                else:
                    g.detach_()
                    if g.array.flags.writeable:
                        store(g, 0)
                    else:  # an expanded one
                        p._grad = given(np.zeros(g.array.shape, g.array.dtype))

    # -- the step --------------------------------------------------------------------------------

    @_with_hooks
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update all parameters that have a gradient.

        Parameters
        ----------
        closure : callable, optional
            Computes the loss anew, with its gradients, and returns it.

        Returns
        -------
        The loss that `closure` returned, or None.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        with self._lock:  # the tables of addresses are for one step at a time
            for group in self.param_groups:
                try:
                    for run in self._plan(group).runs:
                        self._update(group, run)
                except (TypeError, ValueError, KeyError, OverflowError):
                    check_group(type(self).__name__, group, self.defaults)
                    raise
        return loss

    def _plan(self, group: Group) -> Plan:
        """How the parameters of a group are updated; made anew when something has changed."""
        states = self._known_states
        if len(states) != len(self.state) or not all(map(is_, self.state.values(), states)):
            self._plans.clear()
        plan = self._plans.get(id(group))
        names = self._names(group)
        if plan is None or not plan.holds(group["params"], names):
            plan = plan_runs(self, group, names)
            self._plans[id(group)] = plan
            self._known_states = list(self.state.values())
        return plan

    def _names(self, group: Group) -> tuple[str, ...]:
        """`_arrays` with these options; an empty name for one that the kernel does without."""
        return self._arrays

    def _start(self, name: str, group: Group) -> float:
        """What a new state is filled with."""
        return 0.0

    def _numbers(self, group: Group, counts: Counts) -> dict[str, float]:
        """What the kernel reads besides arrays: a function of nothing but options and counts.

        `counts` has the state that is one number, ``step`` as that of this step, from 1, the others
        as the last step left them; and ``first``, whether the arrays are new. The kernel picks
        what it has a name for. A step that was recorded is done again by calling this again.
        """
        raise TypeError(f"{type(self).__name__} must define step()")

    def _counted(self, group: Group, counts: Counts) -> Counts:
        """State that is one number after a step, besides ``step``: again a pure function."""
        return {}

    def _update(self, group: Group, run: Run) -> None:
        counts = run.count()
        run.update(getattr(kernels, self._kernel), self._numbers(group, counts))
        run.keep(self._counted(group, counts))

    # -- hooks -----------------------------------------------------------------------------------

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` before each step; it may return new ones."""
        return add_hook(self, hook, "_optimizer_step_pre_hooks")

    def register_step_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` after each step."""
        return add_hook(self, hook, "_optimizer_step_post_hooks")

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer)`` before the state is saved."""
        return add_hook(self, hook, "_optimizer_state_dict_pre_hooks")

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer, state_dict)`` on what is saved; it may return another."""
        return add_hook(self, hook, "_optimizer_state_dict_post_hooks")

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer, state_dict)`` on what is loaded; it may return another."""
        return add_hook(self, hook, "_optimizer_load_state_dict_pre_hooks")

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer)`` after a state has been loaded."""
        return add_hook(self, hook, "_optimizer_load_state_dict_post_hooks")

    # -- saving ----------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """State and options, with numbers in place of the parameters, as PyTorch lays them out.

        Returns
        -------
        dict
            ``{"state": {0: {...}, ...}, "param_groups": [{..., "params": [0, ...]}, ...]}``. The
            tensors are those that the optimizer works on, not copies.
        """
        for before in list(self._optimizer_state_dict_pre_hooks.values()):
            before(self)
        index: dict[int, int] = {}
        for p in chain.from_iterable(g["params"] for g in self.param_groups):
            index.setdefault(id(p), len(index))
        groups = [
            {k: v for k, v in group.items() if k != "params"}
            | {"params": [index[id(p)] for p in group["params"]]}
            for group in self.param_groups
        ]
        state = {
            (index[id(p)] if isinstance(p, Tensor) else p): dict(s) if isinstance(s, dict) else s
            for p, s in self.state.items()
            if not isinstance(p, Tensor) or id(p) in index  # not what has left the groups
        }
        result: dict[str, Any] = {"state": state, "param_groups": groups}
        for after in list(self._optimizer_state_dict_post_hooks.values()):
            replaced = after(self, result)
            result = result if replaced is None else replaced
        return result

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over state and options that :meth:`state_dict` gave; tensors are copied.

        Raises
        ------
        ValueError
            If the groups are not as many, or not of the same sizes, as here; if a tensor does not
            fit its parameter.
        """
        if not isinstance(state_dict, dict):
            raise TypeError(f"state_dict must be a dict, not {type(state_dict).__name__}")
        state_dict = dict(state_dict)
        for before in list(self._optimizer_load_state_dict_pre_hooks.values()):
            replaced = before(self, state_dict)
            state_dict = state_dict if replaced is None else replaced
        for key in ("param_groups", "state"):
            if key not in state_dict:
                raise KeyError(
                    f"not the state of an optimizer: it has no '{key}', but {list(state_dict)[:5]}"
                )
        saved_groups = deepcopy(state_dict["param_groups"])
        groups = self.param_groups
        if len(groups) != len(saved_groups):
            raise ValueError("loaded state dict has a different number of parameter groups")
        pairs = list(zip(groups, saved_groups, strict=True))
        if any(len(g["params"]) != len(s["params"]) for g, s in pairs):
            raise ValueError(
                "loaded state dict contains a parameter group that doesn't match the size of "
                "optimizer's group"
            )
        param_of: dict[Any, Tensor] = {}
        for group, saved in pairs:
            param_of.update(zip(saved["params"], group["params"], strict=True))
            saved["params"] = group["params"]
            self._complete(saved)
            if "param_names" in group:
                saved.setdefault("param_names", group["param_names"])
        state: defaultdict[Any, Any] = defaultdict(dict)
        for key, value in state_dict["state"].items():
            p = param_of.get(key)
            if p is None:
                state[key] = value
            else:
                state[p] = {n: self._fitted(n, v, p, key) for n, v in value.items()}
        hooks = {k: v for k, v in self.__dict__.items() if k.endswith("_hooks")}
        self.__setstate__({"state": state, "param_groups": saved_groups})
        self.__dict__.update(hooks)
        for after in list(self._optimizer_load_state_dict_post_hooks.values()):
            after(self)

    def _complete(self, group: Group) -> None:
        """Give a saved group the options that have come since, which are off by default."""
        missing = [name for name in self.defaults if name not in group]
        off = (None, False, required)  # but 0 is a number
        unknown = [n for n in missing if not any(self.defaults[n] is value for value in off)]
        if unknown:
            raise ValueError(
                f"loaded state dict has no {', '.join(unknown)}: it was not saved by "
                f"{type(self).__name__}"
            )
        for name in missing:
            group[name] = self.defaults[name]

    def _fitted(self, name: str, value: Any, p: Tensor, key: Any) -> Any:
        """A copy of a saved value, as it is kept for parameter `p`."""
        if name == "step":
            return number_state(as_number(value))
        if name in self._counts:  # PyTorch gives these the type of the parameter
            return given(np.array(as_number(value), work_dtype(p)))
        if not isinstance(value, Tensor):
            return deepcopy(value)
        if value.array.shape != p.array.shape:
            raise ValueError(
                f"loaded state dict does not fit: '{name}' of parameter {key} has shape "
                f"{list(value.array.shape)}, the parameter {list(p.array.shape)}"
            )
        return copy_of((value,), work_dtype(p))


def _entries(params: Any) -> list[Any]:
    """Parameters or groups as a list."""
    if not isinstance(params, Iterable):
        kind = type(params).__name__
        hint = "; pass its parameters()" if hasattr(params, "parameters") else ""
        hint = "; call it" if callable(params) and not hint else hint
        raise TypeError(
            "params argument given to the optimizer should be an iterable of Tensors or dicts, "
            f"but got {kind}{hint}"
        )
    return list(params)


def _listed(params: Any) -> tuple[list[Any], list[str]]:
    """Parameters as a list, and their names, if they come as pairs."""
    if isinstance(params, Tensor):
        return [params], []
    if isinstance(params, (set, frozenset)):
        raise TypeError(
            "optimizer parameters need to be organized in ordered collections, but the ordering of "
            "tensors in sets will change between runs. Please use a list instead."
        )
    entries = _entries(params)
    names = [e[0] for e in entries if isinstance(e, tuple)]
    if any(isinstance(e, tuple) and len(e) != 2 for e in entries):
        raise ValueError("named parameters must be pairs of a name and a tensor")
    if names and len(names) != len(entries):
        raise ValueError(
            "all optimizer params should be with/without names. Some param names are missing"
        )
    return [e[1] if isinstance(e, tuple) else e for e in entries], names


def _check_param(p: Any) -> None:
    if not isinstance(p, Tensor):
        raise TypeError(
            f"optimizer can only optimize Tensors, but one of the params is {type(p).__name__}"
        )
    if p.node is not None and not p._retains:
        raise ValueError(
            "can't optimize a non-leaf Tensor: this one is the result of "
            f"{p.node.name()}; optimize what it was computed from"
        )
