"""The module: a function with parameters, made of other modules."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np

from minigrad.autograd.hooks import RemovableHandle
from minigrad.core import dtypes
from minigrad.core.modes import current, no_grad
from minigrad.core.promotion import cast
from minigrad.core.tensor import Tensor, given
from minigrad.core.versions import clock
from minigrad.nn import hooks
from minigrad.nn.misuse import explained, explaining
from minigrad.nn.parameter import Buffer, Parameter
from minigrad.nn.state import Stateful
from minigrad.nn.tree import tree_html
from minigrad.ops.inplace import store
from minigrad.place import device as _device
from minigrad.place import memory_format, only_cpu

__all__ = ["Module"]

M = TypeVar("M", bound="Module")

#: How many calls a module remembers, for drawings.
SPANS = 64

_everywhere, _mode = hooks.everywhere, current.get

_REGISTRIES = ("_parameters", "_buffers", "_modules")
_HOOKS = (
    "_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks",
    "_state_dict_hooks", "_state_dict_pre_hooks", "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
)  # fmt: skip


def _indented(text: str) -> str:
    return text.replace("\n", "\n  ")


class Module(Stateful):
    """A function with parameters. Subclasses define ``forward`` and set parts as attributes.

    Attributes
    ----------
    training : bool
        Whether layers such as dropout behave as in training; see :meth:`train` and :meth:`eval`.
    _spans : deque of (int, int)
        For the last calls, the sequence numbers between which their nodes lie (``first < node.seq
        < last``), the latest call at the end: so that a drawing knows what made a node.

    Examples
    --------
    >>> import minigrad as mg
    >>> class Net(mg.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.first = mg.nn.Linear(4, 8)
    ...         self.last = mg.nn.Linear(8, 2)
    ...     def forward(self, x):
    ...         return self.last(self.first(x).relu())
    >>> net = Net()
    >>> net
    Net(
      (first): Linear(in_features=4, out_features=8, bias=True)
      (last): Linear(in_features=8, out_features=2, bias=True)
    )
    >>> net(mg.ones(3, 4)).shape
    minigrad.Size([3, 2])
    """

    training: bool
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Module | None]
    _non_persistent_buffers_set: set[str]
    _forward_hooks: dict[int, hooks.Hook]
    _forward_pre_hooks: dict[int, hooks.Hook]
    _backward_hooks: dict[int, hooks.Hook]
    _backward_pre_hooks: dict[int, hooks.Hook]
    _state_dict_hooks: dict[int, hooks.Hook]
    _state_dict_pre_hooks: dict[int, hooks.Hook]
    _load_state_dict_pre_hooks: dict[int, hooks.Hook]
    _load_state_dict_post_hooks: dict[int, hooks.Hook]
    _spans: deque[tuple[int, int]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in cls.__dict__ and cls.__module__.startswith("minigrad."):
            cls.__init__ = explaining(cls.__init__)  # type: ignore[method-assign]

    def __init__(self) -> None:
        own = self.__dict__  # not by attribute: __setattr__ needs these to be there
        for name in _REGISTRIES + _HOOKS:
            own[name] = {}
        own["_non_persistent_buffers_set"] = set()
        own["_spans"] = deque(maxlen=SPANS)
        own["training"] = True

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; subclasses define it."""
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function'
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Compute ``forward`` with the hooks around it."""
        own = self.__dict__
        start = clock()
        try:
            if (
                own["_forward_hooks"] or own["_forward_pre_hooks"]
                or own["_backward_hooks"] or own["_backward_pre_hooks"] or _everywhere
                or _mode().listeners
            ):  # fmt: skip
                result = hooks.call_with_hooks(self, args, kwargs)
            else:
                result = self.forward(*args, **kwargs)
        except KeyError:
            if "_spans" not in own:
                raise AttributeError(
                    f"{type(self).__name__} was called before Module.__init__(): call "
                    "super().__init__() first in its __init__"
                ) from None
            raise
        except Exception as error:
            better = explained(error, self.forward, type(self).__name__, args, kwargs)
            hooks.name_layer(better, self)
            try:
                if better is error:
                    raise
                raise better from better.__cause__
            finally:
                del better  # with its traceback it would keep this frame alive, and its tensors
        own["_spans"].append((start, clock()))
        return result

    # -- attributes ------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        own = self.__dict__
        for registry in _REGISTRIES:
            found = own.get(registry)
            if found is not None and name in found:
                return found[name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __setattr__(self, name: str, value: Any) -> None:
        own = self.__dict__
        if isinstance(value, Parameter):
            if "_parameters" not in own:
                raise AttributeError("cannot assign parameters before Module.__init__() call")
            self._forget(name, "_parameters")
            self.register_parameter(name, value)
        elif isinstance(value, Module):
            if "_modules" not in own:
                raise AttributeError("cannot assign module before Module.__init__() call")
            self._forget(name, "_modules")
            own["_modules"][name] = hooks.registered("module", self, name, value)
        elif isinstance(value, Buffer):
            self.register_buffer(name, value, value.persistent)
        elif name in own.get("_parameters", ()):
            self._must_be(value is None, value, "parameter", name, "nn.Parameter or None")
            own["_parameters"][name] = None
        elif name in own.get("_modules", ()):
            self._must_be(value is None, value, "child module", name, "nn.Module or None")
            own["_modules"][name] = hooks.registered("module", self, name, value)
        elif name in own.get("_buffers", ()):
            good = value is None or isinstance(value, Tensor)
            self._must_be(good, value, "buffer", name, "nn.Buffer, Tensor or None")
            own["_buffers"][name] = hooks.registered("buffer", self, name, value)
        else:
            object.__setattr__(self, name, value)

    def _forget(self, name: str, but: str) -> None:
        """A new part replaces whatever had its name."""
        self.__dict__.pop(name, None)
        for registry in _REGISTRIES:
            if registry != but:
                self.__dict__[registry].pop(name, None)
        self._non_persistent_buffers_set.discard(name)

    @staticmethod
    def _must_be(good: bool, value: Any, what: str, name: str, wanted: str) -> None:
        if not good:
            raise TypeError(
                f"cannot assign '{_typename(value)}' as {what} '{name}' ({wanted} expected)"
            )

    def __delattr__(self, name: str) -> None:
        for registry in _REGISTRIES:
            if name in self.__dict__[registry]:
                del self.__dict__[registry][name]
                self._non_persistent_buffers_set.discard(name)
                return
        object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        names = {*dir(type(self)), *self.__dict__}
        for registry in _REGISTRIES:
            names.update(self.__dict__[registry])
        return sorted(n for n in names if not n[:1].isdigit())

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        state.pop("_spans", None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__dict__["_spans"] = deque(maxlen=SPANS)

    # -- registration ----------------------------------------------------------------------------

    def _check_name(self, name: Any, kind: str, registry: str) -> None:
        if registry not in self.__dict__:
            raise AttributeError(f"cannot assign {kind} before Module.__init__() call")
        if not isinstance(name, str):
            raise TypeError(f"{kind} name should be a string. Got {_typename(name)}")
        if "." in name:
            raise KeyError(f'{kind} name can\'t contain ".", got: {name}')
        if name == "":
            raise KeyError(f'{kind} name can\'t be empty string ""')
        if hasattr(self, name) and name not in self.__dict__[registry]:
            raise KeyError(f"attribute '{name}' already exists")

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter under a name; None reserves the name."""
        self._check_name(name, "parameter", "_parameters")
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign '{_typename(param)}' object to parameter '{name}' "
                "(nn.Parameter or None required)"
            )
        if param is not None and param.node is not None:
            raise ValueError(
                f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be "
                f"created explicitly. To express '{name}' as a function of another Tensor, compute "
                "the value in the forward() method."
            )
        if param is not None:
            param = hooks.registered("parameter", self, name, param)
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that is part of the state but not trained; not saved if not `persistent`."""
        self._check_name(name, "buffer", "_buffers")
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{_typename(tensor)}' object to buffer '{name}' (Tensor or None "
                "required)"
            )
        self._buffers[name] = hooks.registered("buffer", self, name, tensor)
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a child module under a name."""
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{_typename(module)} is not a Module subclass")
        self._check_name(name, "module", "_modules")
        self._modules[name] = hooks.registered("module", self, name, module)

    def register_module(self, name: str, module: Module | None) -> None:
        """The same as :meth:`add_module`."""
        self.add_module(name, module)

    # -- finding parts ---------------------------------------------------------------------------

    def get_submodule(self, target: str) -> Module:
        """The module at a path such as ``"encoder.0"``."""
        module = self
        for name in target.split(".") if target else ():
            if not hasattr(module, name):
                raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
            module = getattr(module, name)
            if not isinstance(module, Module):
                raise AttributeError(f"`{name}` is not an nn.Module")
        return module

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put a module at a path such as ``"encoder.0"``; its parent must exist.

        Parameters
        ----------
        target : str
        module : Module
        strict : bool
            Only replace a module that is there.

        Raises
        ------
        ValueError
            If the path is empty, or `module` is no module.
        AttributeError
            If the path leads nowhere, or to something else than a module.
        """
        if target == "":
            raise ValueError("Cannot set the submodule without a target name!")
        if not isinstance(module, Module):
            raise ValueError(f"`module` is not an nn.Module, found {type(module)}")
        path, _, name = target.rpartition(".")
        parent = self.get_submodule(path)
        if hasattr(parent, name):
            if not isinstance(getattr(parent, name), Module):
                raise AttributeError(f"`{name}` is not an nn.Module")
        elif strict:
            raise AttributeError(f"{parent._get_name()} has no attribute `{name}`")
        setattr(parent, name, module)

    def _get_member(self, target: str) -> tuple[Module, str, Any]:
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if not hasattr(module, name):
            raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
        return module, name, getattr(module, name)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a path such as ``"encoder.0.weight"``."""
        _, name, found = self._get_member(target)
        if not isinstance(found, Parameter):
            raise AttributeError(f"`{name}` is not an nn.Parameter")
        return found

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a path such as ``"norm.running_mean"``."""
        module, name, found = self._get_member(target)
        if name not in module._buffers:
            raise AttributeError(f"`{name}` is not a buffer")
        return found  # type: ignore[no-any-return]

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """The module and all inside it, with their paths; each once, unless told otherwise."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                path = f"{prefix}.{name}" if prefix else name
                yield from module.named_modules(memo, path, remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """The module itself and all inside it."""
        for _, module in self.named_modules():
            yield module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules directly inside, with their names."""
        seen: set[Module] = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        """The modules directly inside."""
        for _, module in self.named_children():
            yield module

    def _named_members(
        self, registry: str, prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        inside = self.named_modules(None, prefix, remove_duplicate) if recurse else [(prefix, self)]
        for path, module in inside:
            for name, t in module.__dict__[registry].items():
                if t is None or id(t) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(t))
                yield (f"{path}.{name}" if path else name), t

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """All parameters with their paths; shared ones once, unless told otherwise."""
        yield from self._named_members("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """All parameters, each once."""
        for _, p in self.named_parameters(recurse=recurse):
            yield p

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """All buffers with their paths."""
        yield from self._named_members("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """All buffers, each once."""
        for _, b in self.named_buffers(recurse=recurse):
            yield b

    # -- changing all parts ----------------------------------------------------------------------

    def apply(self: M, fn: Callable[[Module], None]) -> M:
        """Call ``fn(module)`` for all modules inside, then for this one."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def _apply(self: M, fn: Callable[[Tensor], Tensor]) -> M:
        """Replace the values of all parameters, their gradients, and buffers."""
        for module in self.children():
            module._apply(fn)
        with no_grad():
            for p in self._parameters.values():
                if p is not None:
                    p.data = fn(p)
                    if p._grad is not None:
                        p._grad.data = fn(p._grad)
            for name, b in self._buffers.items():
                if b is not None:
                    self._buffers[name] = fn(b)
        return self

    def to(self: M, *args: Any, **kwargs: Any) -> M:
        """Convert parameters and buffers: ``to(dtype)``, ``to(tensor)``, ``to("cpu")``.

        Only floating point ones change their type.
        """
        kind = kwargs.pop("dtype", None)
        for a in (*args, kwargs.pop("device", None)):
            if isinstance(a, Tensor):
                kind = a.dtype
            elif isinstance(a, dtypes.dtype):
                kind = a
            elif isinstance(a, (str, _device)):
                only_cpu(a, "Module.to")
            elif a is not None and not isinstance(a, bool):
                raise TypeError(f"to() takes a dtype, a device or a tensor, got {type(a).__name__}")
        kwargs.pop("non_blocking", None)
        form = kwargs.pop("memory_format", None)  # of 4 and 5 dimensions; row-major here
        if form is not None and not isinstance(form, memory_format):
            raise TypeError(f"to() takes a minigrad.memory_format, got {form!r}")
        if kwargs:
            raise TypeError(f"to() got an unexpected keyword argument '{next(iter(kwargs))}'")
        return self if kind is None else self._convert(kind)

    def _convert(self: M, kind: dtypes.dtype) -> M:
        if not kind.is_floating_point:
            raise TypeError(
                f"nn.Module.to only accepts floating point dtypes, but got desired dtype={kind}"
            )
        return self._apply(lambda t: cast(t, kind.numpy) if t.is_floating_point() else t)

    def float(self: M) -> M:
        """Convert floating point parameters and buffers to float32."""
        return self._convert(dtypes.float32)

    def double(self: M) -> M:
        """Convert floating point parameters and buffers to float64."""
        return self._convert(dtypes.float64)

    def half(self: M) -> M:
        """Convert floating point parameters and buffers to float16."""
        return self._convert(dtypes.float16)

    def type(self: M, dst_type: Any) -> M:
        """Convert all parameters and buffers to a type."""
        return self._apply(lambda t: cast(t, dtypes.as_dtype(dst_type).numpy))

    def to_empty(self: M, *, device: Any = None) -> M:
        """Give all parameters and buffers new memory, whose values are to be set."""
        if device is not None:
            only_cpu(device, "to_empty")
        return self._apply(lambda t: given(np.empty_like(t.array)))

    def cuda(self: M, device: Any = None) -> M:
        """Refused: there is one device, the CPU."""
        raise RuntimeError(
            "Module.cuda(): minigrad computes on the CPU only; leave the call out, or write "
            "model.to(device) with device = 'cuda' if minigrad.cuda.is_available() else 'cpu'"
        )

    def cpu(self: M) -> M:
        """Itself: it is there already."""
        return self

    def train(self: M, mode: bool = True) -> M:
        """Behave as in training: dropout drops, batch norm normalizes by the batch."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self: M) -> M:
        """Behave as in use: ``train(False)``."""
        return self.train(False)

    def requires_grad_(self: M, requires_grad: bool = True) -> M:
        """Train all parameters, or freeze them."""
        for p in self.parameters():
            p.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or set them to 0."""
        for p in self.parameters():
            if p._grad is None:
                continue
            if set_to_none:
                p._grad = None
            else:
                p._grad.detach_()
                store(p._grad, 0)

    # -- hooks -----------------------------------------------------------------------------------

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args)`` before ``forward``; what it returns is taken instead."""
        return hooks.add(self._forward_pre_hooks, hooks.Hook(hook, with_kwargs), prepend)

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:  # fmt: skip
        """Call ``hook(module, args, output)`` after ``forward``; what it returns is taken.

        Parameters
        ----------
        hook : callable
        prepend : bool
            Call it before the hooks that are there.
        with_kwargs : bool
            Call ``hook(module, args, kwargs, output)`` instead.
        always_call : bool
            Call it also when ``forward`` raised.
        """
        return hooks.add(self._forward_hooks, hooks.Hook(hook, with_kwargs, always_call), prepend)

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, grad_output)`` when the gradients of the outputs are known."""
        return hooks.add(self._backward_pre_hooks, hooks.Hook(hook), prepend)

    def register_full_backward_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` when the inputs' gradients are known.

        Both are tuples with an entry for each positional input and output; what the hook returns
        replaces ``grad_input``.
        """
        return hooks.add(self._backward_hooks, hooks.Hook(hook), prepend)

    # -- text ------------------------------------------------------------------------------------

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """What stands in the brackets of the module's text."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        children = [f"({name}): {_indented(repr(m))}" for name, m in self._modules.items()]
        if not children and len(lines) <= 1:
            return f"{self._get_name()}({extra})"
        return f"{self._get_name()}(\n  " + "\n  ".join(lines + children) + "\n)"

    def _repr_html_(self) -> str:
        """What a notebook shows: a tree that opens, with the parameters of each part."""
        return tree_html("", self)


def _typename(value: Any) -> str:
    kind = type(value)
    return (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )
