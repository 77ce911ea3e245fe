"""What happens around ``forward``: hooks, and naming the layer that failed."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.autograd.engine import Node, apply
from minigrad.autograd.hooks import RemovableHandle
from minigrad.autograd.modes import is_grad_enabled
from minigrad.ops.batching import same
from minigrad.tensor import Tensor

if TYPE_CHECKING:
    from minigrad.nn.module import Module

__all__ = ["Hook", "add", "call_with_hooks", "name_layer"]


class Hook:
    """A function that watches a module, and how it wants to be called."""

    __slots__ = ("always", "function", "kwargs")

    def __init__(
        self, function: Callable[..., Any], kwargs: bool = False, always: bool = False
    ) -> None:
        self.function = function
        self.kwargs = kwargs
        self.always = always


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
    for hook in list(module._forward_pre_hooks.values()):
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
    """``forward`` with everything that watches it."""
    called: set[int] = set()
    result: Any = None
    try:
        args, kwargs = _before(module, args, kwargs)
        watcher = None
        if module._backward_hooks or module._backward_pre_hooks:
            watcher = _BackwardWatcher(module)
            args = watcher.watch_inputs(args)
        result = module.forward(*args, **kwargs)
        for key, hook in list(module._forward_hooks.items()):
            called.add(key)
            result = _after(hook, module, args, kwargs, result)
        return result if watcher is None else watcher.watch_outputs(result)
    except Exception:
        for key, hook in list(module._forward_hooks.items()):
            if hook.always and key not in called:
                try:
                    result = _after(hook, module, args, kwargs, result)
                except Exception as second:
                    warnings.warn(
                        "module forward hook with ``always_call=True`` raised an exception that "
                        f"was silenced as another error was raised in forward: {second}",
                        stacklevel=3,
                    )
        raise


# -- backward ------------------------------------------------------------------------------------


class _Gate:
    """The identity of some tensors together: its backward sees all their gradients at once."""

    name = "module_gate"
    batch = staticmethod(same)
    differentiable = True
    broadcasts = False
    plain = False
    reads_output = False
    arity = -1

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
            Tensor(np.zeros(*shape)) if p is None else p if isinstance(p, Tensor) else Tensor(p)
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


class _BackwardWatcher:
    """Calls the backward hooks of one call of a module, when both ends of it are known."""

    def __init__(self, module: Module) -> None:
        self.module = module
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
        for hook in list(self.module._backward_pre_hooks.values()):
            changed = hook.function(self.module, flows)
            if changed is None:
                continue
            changed = changed if isinstance(changed, tuple) else (changed,)
            if len(changed) != len(flows):
                raise RuntimeError(
                    "Backward pre hook returned an invalid number of grad_output, got "
                    f"{len(changed)}, but expected {len(flows)}"
                )
            flows = changed
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
        for hook in list(self.module._backward_hooks.values()):
            changed = hook.function(self.module, row, self.flows)
            if changed is None:
                continue
            changed = changed if isinstance(changed, tuple) else (changed,)
            if len(changed) != len(row):
                raise RuntimeError(
                    "Backward hook returned an invalid number of grad_input, got "
                    f"{len(changed)}, but expected {len(row)}"
                )
            if not self.inputs and any(c is not None for c in changed):
                raise RuntimeError(
                    "Backward hook for Modules where no input requires gradient should always "
                    "return None or None for all gradients."
                )
            row = changed
        return row
