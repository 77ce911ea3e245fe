"""What happens around ``forward``: hooks, and naming the layer that failed."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.autograd.hooks import RemovableHandle
from minigrad.autograd.modes import is_grad_enabled
from minigrad.core.engine import Node, apply
from minigrad.core.events import span
from minigrad.core.modes import current
from minigrad.core.operation import Bare
from minigrad.core.tensor import Tensor, given, tensor_of
from minigrad.ops.batching import same

if TYPE_CHECKING:
    from minigrad.nn.module import Module

__all__ = [
    "Hook", "add", "call_with_hooks", "name_layer", "register_module_buffer_registration_hook",
    "register_module_forward_hook", "register_module_forward_pre_hook",
    "register_module_full_backward_hook", "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook", "register_module_parameter_registration_hook",
]  # fmt: skip


@dataclass(eq=False, slots=True)
class Hook:
    """A function that watches a module, and how it wants to be called."""

    function: Callable[..., Any]
    kwargs: bool = False
    always: bool = False
    kind: str = ""

    def __getattr__(self, name: str) -> Any:
        """What the function has: scripts find their own hook by its attributes."""
        if name in Hook.__slots__:  # not set yet, while it is copied
            raise AttributeError(name)
        return getattr(self.function, name)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.function)  # type: ignore[call-overload, no-any-return]


#: What watches the calls of all modules; a hook's kind is the name of the registry that a module
#: has for its own. One dictionary, so that a call without hooks asks for one more thing only.
everywhere: dict[int, Hook] = {}

#: What watches all modules getting parts; the kind is "parameter", "buffer" or "module".
registrations: dict[int, Hook] = {}


def add(hooks: dict[int, Hook], hook: Hook, prepend: bool = False) -> RemovableHandle:
    """Put a hook last (or first) among `hooks`."""
    if not callable(hook.function):
        raise TypeError(f"a hook must be callable, got {type(hook.function).__name__}")
    handle = RemovableHandle(hooks)
    if prepend:
        others = dict(hooks)
        hooks.clear()
        hooks[handle.id] = hook
        hooks.update(others)
    else:
        hooks[handle.id] = hook
    return handle


# -- hooks of all modules ------------------------------------------------------------------------


def _watch_calls(
    kind: str, hook: Callable[..., Any], kwargs: bool = False, always: bool = False
) -> RemovableHandle:
    return add(everywhere, Hook(hook, kwargs, always, kind))


def register_module_forward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, args)`` before the ``forward`` of every module, and before its own hooks.

    What it returns, if not None, is taken instead of the arguments.

    Returns
    -------
    RemovableHandle

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.nn.modules.module import register_module_forward_pre_hook
    >>> net = mg.nn.Sequential(mg.nn.Flatten(), mg.nn.ReLU())
    >>> with register_module_forward_pre_hook(lambda m, args: print(type(m).__name__)):
    ...     y = net(mg.ones(1, 2))
    Sequential
    Flatten
    ReLU
    """
    return _watch_calls("_forward_pre_hooks", hook)


def register_module_forward_hook(
    hook: Callable[..., Any], *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Call ``hook(module, args, output)`` after the ``forward`` of every module.

    Parameters
    ----------
    hook : callable
        What it returns, if not None, is taken instead of the output. It runs before the module's
        own hooks.
    with_kwargs : bool
        Call ``hook(module, args, kwargs, output)`` instead.
    always_call : bool
        Call it also when ``forward`` raised.
    """
    return _watch_calls("_forward_hooks", hook, with_kwargs, always_call)


def register_module_full_backward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, grad_output)`` when the gradients of any module's outputs are known."""
    return _watch_calls("_backward_pre_hooks", hook)


def register_module_full_backward_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, grad_input, grad_output)`` when any module's gradients are known."""
    return _watch_calls("_backward_hooks", hook)


def register_module_parameter_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, name, param)`` when any module gets a parameter.

    What it returns, if not None, is taken instead of the parameter.
    """
    return add(registrations, Hook(hook, kind="parameter"))


def register_module_buffer_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, name, buffer)`` when any module gets a buffer.

    What it returns, if not None, is taken instead of the buffer.
    """
    return add(registrations, Hook(hook, kind="buffer"))


def register_module_module_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, name, submodule)`` when any module gets a child.

    What it returns, if not None, is taken instead of the child.
    """
    return add(registrations, Hook(hook, kind="module"))


def registered(kind: str, module: Module, name: str, value: Any) -> Any:
    """What the hooks make of a part that a module gets."""
    for hook in list(registrations.values()) if registrations else ():
        if hook.kind == kind:
            changed = hook.function(module, name, value)
            value = value if changed is None else changed
    return value


def _hooks(module: Module, kind: str) -> list[tuple[int, Hook]]:
    """The hooks of a kind that watch a module: those of all modules first."""
    own = module.__dict__[kind].items()
    return [*((key, h) for key, h in everywhere.items() if h.kind == kind), *own]


# -- errors --------------------------------------------------------------------------------------


def _line(module: Module) -> str:
    """A module in one line: without its children."""
    extra = module.extra_repr()
    return f"{module._get_name()}({extra})" if "\n" not in extra else module._get_name()


def name_layer(error: Exception, module: Module) -> None:
    """Note on an error which layer it happened in; outer modules complete the path to it."""
    known: Any = error.__dict__.get("_layer")
    if known is None:
        error.add_note(f"in {_line(module)}")
        error.__dict__["_layer"] = module, len(error.__notes__) - 1
        return
    inner, place = known
    for path, found in module.named_modules():
        if found is inner and path:
            error.__notes__[place] = f"in {module._get_name()}.{path}: {_line(inner)}"
            return


# -- calls ---------------------------------------------------------------------------------------


def _before(module: Module, args: Any, kwargs: Any) -> tuple[Any, Any]:
    for _, hook in _hooks(module, "_forward_pre_hooks"):
        if hook.kwargs:
            changed = hook.function(module, args, kwargs)
            if changed is not None:
                if not (
                    isinstance(changed, tuple)
                    and len(changed) == 2
                    and isinstance(changed[1], dict)
                ):
                    raise RuntimeError(
                        "forward pre-hook must return None or a tuple of (new_args, new_kwargs), "
                        f"but got {changed}."
                    )
                args, kwargs = changed
        else:
            changed = hook.function(module, args)
            if changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
    return args, kwargs


def _after(hook: Hook, module: Module, args: Any, kwargs: Any, result: Any) -> Any:
    if hook.kwargs:
        changed = hook.function(module, args, kwargs, result)
    else:
        changed = hook.function(module, args, result)
    return result if changed is None else changed


def call_with_hooks(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The call of a module with hooks, or one that somebody hears of."""
    if not current.get().listeners:
        return _surrounded(module, args, kwargs)
    with span("forward", module):
        return _surrounded(module, args, kwargs)


def _surrounded(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``forward`` with everything that watches it."""
    called: set[int] = set()
    result: Any = None
    try:
        args, kwargs = _before(module, args, kwargs)
        watcher = None
        before, after = (
            _hooks(module, kind) for kind in ("_backward_pre_hooks", "_backward_hooks")
        )
        if before or after:
            watcher = _BackwardWatcher(module, before, after)
            args = watcher.watch_inputs(args)
        result = module.forward(*args, **kwargs)
        for key, hook in _hooks(module, "_forward_hooks"):
            called.add(key)
            result = _after(hook, module, args, kwargs, result)
        return result if watcher is None else watcher.watch_outputs(result)
    except Exception:
        for key, hook in _hooks(module, "_forward_hooks"):
            if hook.always and key not in called:
                try:
                    result = _after(hook, module, args, kwargs, result)
                except Exception as second:
                    kind = "global module" if key in everywhere else "module"
                    warnings.warn(
                        f"{kind} forward hook with ``always_call=True`` raised an exception that "
                        f"was silenced as another error was raised in forward: {second}",
                        stacklevel=3,
                    )
        raise


# -- backward ------------------------------------------------------------------------------------


class _Gate(Bare):
    """The identity of some tensors together: its backward sees all their gradients at once."""

    name = "module_gate"
    batch = staticmethod(same)
    arity = -1
    opaque = True  # the hooks are the user's

    def __init__(self, count: int, see: Callable[[list[Tensor]], Sequence[Tensor | None]]) -> None:
        self.results = count
        self.view = count == 1
        self.see = see
        self.kept: dict[int, bool] = {}

    def forward(self, arrays: Sequence[Any], params: tuple[Any, ...]) -> Any:
        views = tuple(a.view() for a in arrays)
        return views if len(views) > 1 else views[0]

    def keep(self, inputs: tuple[Tensor, ...], need: int) -> tuple[()]:
        return ()

    def _complete(self, node: Node, g: Any) -> list[Tensor]:
        parts = g if isinstance(g, list) else [g]
        shapes = node.outputs or ((node.shape, node.dtype),)
        return [
            given(np.zeros(*shape)) if p is None else p if isinstance(p, Tensor) else tensor_of(p)
            for p, shape in zip(parts, shapes, strict=True)
        ]

    def vjp(self, node: Node, g: Any) -> Sequence[Tensor | None]:
        return self.see(self._complete(node, g))

    def backward(self, node: Node, g: Any) -> Sequence[Any]:
        return [None if p is None else p.array for p in self.vjp(node, g)]


def _pass_gate(values: tuple[Any, ...], see: Any) -> tuple[tuple[Any, ...], list[int]]:
    """Send the tensors that require grad through one gate; also where they stand."""
    places = [i for i, v in enumerate(values) if isinstance(v, Tensor) and v._requires_grad]
    if not places or not is_grad_enabled():
        return values, []
    passed = apply(_Gate(len(places), see), tuple([values[i] for i in places]))
    changed = list(values)
    for i, t in zip(places, passed if len(places) > 1 else (passed,), strict=True):
        changed[i] = t
    if hasattr(values, "_fields"):  # a named tuple
        return type(values)(*changed), places
    return tuple(changed), places


def _as_many(changed: Any, row: tuple[Any, ...], what: str, which: str) -> tuple[Any, ...]:
    """The gradients that a hook returned instead of those in `row`: as many."""
    new = changed if isinstance(changed, tuple) else (changed,)
    if len(new) != len(row):
        raise RuntimeError(
            f"{what} returned an invalid number of {which}, got {len(new)}, but expected {len(row)}"
        )
    return new


class _BackwardWatcher:
    """Calls the backward hooks of one call of a module, when both ends of it are known."""

    def __init__(
        self, module: Module, before: list[tuple[int, Hook]], after: list[tuple[int, Hook]]
    ) -> None:
        self.module = module
        self.before = [hook.function for _, hook in before]
        self.after = [hook.function for _, hook in after]
        self.inputs: list[int] = []
        self.input_count = 0
        self.outputs: list[int] = []
        self.output_count = 0
        self.flows: tuple[Any, ...] | None = None  # the gradients of the outputs

    def watch_inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        self.input_count = len(args)
        passed, self.inputs = _pass_gate(args, self._leave)
        return passed

    def watch_outputs(self, result: Any) -> Any:
        if not isinstance(result, (Tensor, tuple)):
            warnings.warn(
                "For backward hooks to be called, module output should be a Tensor or a tuple of "
                f"Tensors but received {type(result)}",
                stacklevel=4,
            )
            return result
        values = result if isinstance(result, tuple) else (result,)
        self.output_count = len(values)
        passed, self.outputs = _pass_gate(values, self._enter)
        return passed if isinstance(result, tuple) else passed[0]

    def _spread(self, places: list[int], values: Sequence[Any], count: int) -> tuple[Any, ...]:
        row: list[Any] = [None] * count
        for i, v in zip(places, values, strict=True):
            row[i] = v
        return tuple(row)

    def _enter(self, grads: list[Tensor]) -> list[Tensor | None]:
        """The gradients of the outputs have come."""
        flows = self._spread(self.outputs, grads, self.output_count)
        for hook in self.before:
            changed = hook(self.module, flows)
            if changed is not None:
                flows = _as_many(changed, flows, "Backward pre hook", "grad_output")
        self.flows = flows
        if not self.inputs:  # no gradient will come back through the inputs
            self._call((None,) * self.input_count)
            self.flows = None
        return [flows[i] for i in self.outputs]

    def _leave(self, grads: list[Tensor]) -> list[Tensor | None]:
        """The gradients of the inputs have come."""
        if self.flows is None:  # not by way of the outputs, such as in a double backward
            return list(grads)
        row = self._call(self._spread(self.inputs, grads, self.input_count))
        self.flows = None
        return [row[i] for i in self.inputs]

    def _call(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        for hook in self.after:
            changed = hook(self.module, row, self.flows)
            if changed is None:
                continue
            row = _as_many(changed, row, "Backward hook", "grad_input")
            if not self.inputs and any(g is not None for g in row):
                raise RuntimeError(
                    "Backward hook for Modules where no input requires gradient should always "
                    "return None or None for all gradients."
                )
        return row
