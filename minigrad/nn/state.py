"""Saving and loading what a module holds: ``state_dict`` and ``load_state_dict``."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from minigrad.autograd.hooks import RemovableHandle
from minigrad.core.modes import no_grad
from minigrad.core.ops.shape import reshape
from minigrad.core.tensor import Tensor, given
from minigrad.nn import hooks
from minigrad.nn.parameter import Parameter, is_lazy
from minigrad.ops.inplace import store

if TYPE_CHECKING:
    from minigrad.nn.module import Module

__all__ = ["IncompatibleKeys", "Stateful"]

_EXTRA = "_extra_state"


class IncompatibleKeys(NamedTuple):
    """What ``load_state_dict`` returns: the keys that did not meet their like."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return (
            f"IncompatibleKeys(missing_keys={self.missing_keys}, "
            f"unexpected_keys={self.unexpected_keys})"
        )

    def __str__(self) -> str:
        return repr(self)


class StateDict(OrderedDict[str, Any]):
    """An ordered dictionary, with the version of each module beside it."""

    _metadata: dict[str, dict[str, Any]]


class Stateful:
    """The part of :class:`Module` that saves and loads."""

    #: Raised by subclasses when what they save changes.
    _version: int = 1

    def state_dict(
        self, *, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> Any:
        """All parameters and persistent buffers by name, as an ordered dictionary.

        Parameters
        ----------
        destination : dict, optional
            Where to put them.
        prefix : str
            What the names begin with.
        keep_vars : bool
            Give the parameters themselves, instead of tensors outside the graph that share memory.

        Examples
        --------
        >>> import minigrad as mg
        >>> list(mg.nn.Linear(2, 3).state_dict())
        ['weight', 'bias']
        """
        self = cast("Module", self)
        if destination is None:
            destination = StateDict()
            destination._metadata = OrderedDict()
        local: dict[str, Any] = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = local
        for hook in list(self._state_dict_pre_hooks.values()):
            hook.function(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(
                    destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars
                )
        for hook in list(self._state_dict_hooks.values()):
            changed = hook.function(self, destination, prefix, local)
            if changed is not None and hook.kind != "replaces":
                raise RuntimeError("state_dict post-hook must return None")
            destination = destination if changed is None else changed
        return destination

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        """Add what this module alone holds."""
        self = cast("Module", self)
        for name, t in self._own_state().items():
            destination[prefix + name] = t if keep_vars else t.detach()
        if hasattr(self, "get_extra_state"):
            destination[prefix + _EXTRA] = self.get_extra_state()

    def _own_state(self) -> dict[str, Tensor]:
        """The parameters and persistent buffers of this module alone."""
        self = cast("Module", self)
        own: dict[str, Any] = dict(self._parameters)
        for name, b in self._buffers.items():
            if name not in self._non_persistent_buffers_set:
                own[name] = b
        return {name: t for name, t in own.items() if t is not None}

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copy values into the parameters and buffers of the same names.

        Parameters
        ----------
        state_dict : mapping of str to Tensor or numpy.ndarray
            What :meth:`state_dict` gave.
        strict : bool
            Whether a missing or unexpected key is an error.
        assign : bool
            Take the given tensors themselves, instead of copying their values.

        Returns
        -------
        IncompatibleKeys
            ``missing_keys`` and ``unexpected_keys``.

        Raises
        ------
        RuntimeError
            If shapes differ, and, if `strict`, if keys are missing or unexpected.
        """
        self = cast("Module", self)
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        for key in state_dict:
            if not isinstance(key, str):
                raise TypeError(
                    f"keys of a state_dict must be str, not {type(key).__name__}: {key}"
                )
        missing: list[str] = []
        unexpected: list[str] = []
        errors: list[str] = []
        metadata = getattr(state_dict, "_metadata", None) or {}
        found = OrderedDict(state_dict)

        def load(module: Module, found: Any, prefix: str) -> None:
            local = dict(metadata.get(prefix[:-1], {}))
            if assign:
                local["assign_to_params_buffers"] = True
            module._load_from_state_dict(found, prefix, local, True, missing, unexpected, errors)
            for name, child in module._modules.items():
                if child is not None:
                    start = f"{prefix}{name}."
                    load(child, {k: v for k, v in found.items() if k.startswith(start)}, start)
            for hook in list(module._load_state_dict_post_hooks.values()):
                if hook.function(module, IncompatibleKeys(missing, unexpected)) is not None:
                    raise AssertionError(
                        "Hooks registered with ``register_load_state_dict_post_hook`` are not "
                        "expected to return new values: change incompatible_keys in place."
                    )

        load(self, found, "")
        if strict:
            listed = [", ".join(f'"{k}"' for k in keys) for keys in (unexpected, missing)]
            if unexpected:
                errors.insert(0, f"Unexpected key(s) in state_dict: {listed[0]}. ")
            if missing:
                errors.insert(0, f"Missing key(s) in state_dict: {listed[1]}. ")
        if errors:
            raise RuntimeError(
                f"Error(s) in loading state_dict for {type(self).__name__}:\n\t"
                + "\n\t".join(errors)
            )
        return IncompatibleKeys(missing, unexpected)

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Load what belongs to this module alone."""
        self = cast("Module", self)
        given = (
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs,
        )  # fmt: skip
        for hook in list(self._load_state_dict_pre_hooks.values()):
            hook.function(*given) if hook.kind == "without module" else hook.function(self, *given)
        assign = local_metadata.get("assign_to_params_buffers", False)
        own = self._own_state()
        for name, t in own.items():
            key = prefix + name
            if key in state_dict:
                error = _load_one(self, name, t, key, state_dict[key], assign)
                if error:
                    error_msgs.append(error)
            elif strict:
                missing_keys.append(key)
        extra = prefix + _EXTRA
        if hasattr(self, "set_extra_state"):
            if extra in state_dict:
                self.set_extra_state(state_dict[extra])
            elif strict:
                missing_keys.append(extra)
        elif strict and extra in state_dict:
            unexpected_keys.append(extra)
        if strict:
            for key in state_dict:
                if key.startswith(prefix) and key != extra:
                    head, dot, _ = key[len(prefix) :].partition(".")
                    if head not in (self._modules if dot else own):
                        unexpected_keys.append(key)

    # -- hooks -----------------------------------------------------------------------------------

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, prefix, keep_vars)`` before :meth:`state_dict` collects."""
        return hooks.add(cast("Module", self)._state_dict_pre_hooks, hooks.Hook(hook))

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, state_dict, prefix, local_metadata)`` after :meth:`state_dict`."""
        return hooks.add(cast("Module", self)._state_dict_hooks, hooks.Hook(hook))

    def _register_state_dict_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """PyTorch's older form of it: what the hook returns takes the place of the dictionary."""
        hooks_ = cast("Module", self)._state_dict_hooks
        return hooks.add(hooks_, hooks.Hook(hook, kind="replaces"))

    def _register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], with_module: bool = False
    ) -> RemovableHandle:
        """PyTorch's older form of the next: without the module as its first argument."""
        kind = "" if with_module else "without module"
        return hooks.add(
            cast("Module", self)._load_state_dict_pre_hooks, hooks.Hook(hook, kind=kind)
        )

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, state_dict, prefix, ...)`` before the module loads."""
        return hooks.add(cast("Module", self)._load_state_dict_pre_hooks, hooks.Hook(hook))

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, incompatible_keys)`` after the module has loaded."""
        return hooks.add(cast("Module", self)._load_state_dict_post_hooks, hooks.Hook(hook))


def _load_one(
    module: Module, name: str, t: Tensor, key: str, value: Any, assign: bool
) -> str | None:
    """Load one tensor; returns what went wrong."""
    if isinstance(value, (np.ndarray, np.generic)):
        value = given(np.asarray(value))
    if not isinstance(value, Tensor):
        return (
            f'While copying the parameter named "{key}", expected minigrad.Tensor or numpy array '
            f"from checkpoint but received {type(value)}"
        )
    if is_lazy(value):
        return (
            None
            if is_lazy(t)
            else (
                f'While copying the parameter named "{key}": it is uninitialized in the state, as '
                "those of lazy modules before their first call: call that model, then save it"
            )
        )
    if t.array.shape == () and value.array.shape == (1,):
        value = reshape(value.detach(), ())
    if t.array.shape != value.array.shape:
        return (
            f"size mismatch for {key}: copying a param with shape {value.shape} from checkpoint, "
            f"the shape in current model is {t.shape}."
        )
    with no_grad():
        if not assign:
            store(t, value)
            return None
        if isinstance(t, Parameter) and not isinstance(value, Parameter):
            value = Parameter(value, requires_grad=t._requires_grad)
        elif isinstance(t, Parameter):
            value.requires_grad_(t._requires_grad)
        setattr(module, name, value)
    return None
