"""Modules as functions of their parameters: what the transforms differentiate and map over."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from minigrad.core.public import PUBLIC
from minigrad.core.tensor import Tensor

if TYPE_CHECKING:
    from minigrad.nn.module import Module

__all__ = ["functional_call", "replace_all_batch_norm_modules_", "stack_module_state"]

State = dict[str, Tensor]


def _merged(dicts: Any) -> dict[str, Any]:
    """One dictionary of all parameters and buffers."""
    if isinstance(dicts, dict):
        return dict(dicts)
    if not isinstance(dicts, Sequence):
        raise ValueError(
            "Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got "
            f"{type(dicts)}"
        )
    if not all(isinstance(d, dict) for d in dicts):
        raise ValueError("Expected all elements of parameter_and_buffer_dicts to be dictionaries")
    merged: dict[str, Any] = {}
    repeated = [key for i, d in enumerate(dicts) for key in d if any(key in e for e in dicts[:i])]
    if repeated:
        raise ValueError(
            f"{repeated} appeared in multiple dictionaries; behavior of functional call is "
            "ambiguous"
        )
    for d in dicts:
        merged.update(d)
    return merged


def _named(module: Module) -> dict[str, Tensor]:
    """All parameters and buffers, shared ones under each of their names."""
    found: dict[str, Tensor] = dict(module.named_parameters(remove_duplicate=False))
    found.update(module._named_members("_buffers", "", True, False))
    return found


def _untied(given: dict[str, Any], known: dict[str, Tensor]) -> dict[str, Any]:
    """The given tensors also under the other names of what they replace."""
    names: dict[int, list[str]] = {}
    for name, t in known.items():
        names.setdefault(id(t), []).append(name)
    full = dict(given)
    for group in names.values():
        values = [(name, given[name]) for name in group if name in given]
        if len({id(v) for _, v in values}) > 1:
            raise ValueError(
                "functional_call got multiple values for keys "
                f"{sorted(name for name, _ in values)}, which are tied. Consider using "
                "tie_weights=False"
            )
        for name in group if values else ():
            full[name] = values[0][1]
    return full


@contextmanager
def _replaced(module: Module, values: dict[str, Any]) -> Iterator[None]:
    """The module with other tensors in the place of its own."""
    places = []
    for name, value in values.items():
        path, _, last = name.rpartition(".")
        own = module.get_submodule(path).__dict__
        registry = own["_parameters"] if last in own["_parameters"] else own["_buffers"]
        places.append((name, registry, last, registry[last]))
        registry[last] = value
    try:
        yield
    finally:
        for name, registry, last, old in places:
            values[name] = registry[last]  # forward may have put another buffer there
            registry[last] = old


def functional_call(
    module: Module, parameter_and_buffer_dicts: Any, args: Any = None, kwargs: Any = None, *,
    tie_weights: bool = True, strict: bool = False,
) -> Any:  # fmt: skip
    """Call a module with other tensors in the place of its parameters and buffers.

    So the module is a function of them, for `grad`, `vmap` and the others.

    Parameters
    ----------
    module : Module
    parameter_and_buffer_dicts : dict, or tuple of dict
        Tensors by name; parameters that are not named stay those of the module.
    args : tuple, or a single argument
    kwargs : dict, optional
    tie_weights : bool
        What is shared in the module is shared in the call, too.
    strict : bool
        Every parameter and buffer must be given, and nothing else.

    Examples
    --------
    >>> import minigrad as mg
    >>> layer = mg.nn.Linear(2, 1)
    >>> params = {"weight": mg.ones(1, 2), "bias": mg.zeros(1)}
    >>> mg.func.functional_call(layer, params, mg.tensor([3.0, 4.0]))
    tensor([7.])
    >>> loss = lambda p, x: mg.func.functional_call(layer, p, x).sum()
    >>> mg.func.grad(loss)(params, mg.tensor([3.0, 4.0]))
    {'weight': tensor([[3., 4.]]), 'bias': tensor([1.])}
    """
    given = _merged(parameter_and_buffer_dicts)
    known = _named(module)
    unexpected = [name for name in given if name not in known]
    missing = [name for name in known if name not in given]
    if tie_weights:
        given = _untied({k: v for k, v in given.items() if k in known}, known)
        missing = [name for name in known if name not in given]
    if strict and (unexpected or missing):
        parts = [
            f"\n\t{what} key(s): {', '.join(map(repr, names))}."
            for what, names in (("Unexpected", unexpected), ("Missing", missing))
            if names
        ]
        raise RuntimeError(
            f"Error(s) in reparametrizing for {type(module).__name__}:{''.join(parts)}"
        )
    values = {name: t for name, t in given.items() if name in known}
    positional = () if args is None else args if isinstance(args, tuple) else (args,)
    with _replaced(module, values):
        result = module(*positional, **(kwargs or {}))
    if isinstance(parameter_and_buffer_dicts, dict):
        parameter_and_buffer_dicts.update(
            {name: values[name] for name in parameter_and_buffer_dicts if name in values}
        )
    return result


def _stacked(tensors: Sequence[Tensor], name: str) -> Tensor:
    wanting = [t.requires_grad for t in tensors]
    if any(wanting) and not all(wanting):
        raise RuntimeError(f"Expected {name} from each model to have the same .requires_grad")
    stack: Callable[..., Tensor] = PUBLIC["stack"]
    return stack(list(tensors)).detach().requires_grad_(wanting[0])


def stack_module_state(models: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters and the buffers of several models of one kind, stacked: an ensemble.

    Returns
    -------
    (params, buffers)
        By name; dimension 0 runs over the models. The parameters are new leaves.

    Examples
    --------
    >>> import minigrad as mg
    >>> models = [mg.nn.Linear(3, 2) for _ in range(5)]
    >>> params, buffers = mg.func.stack_module_state(models)
    >>> call = lambda p, b, x: mg.func.functional_call(models[0], (p, b), x)
    >>> mg.vmap(call, (0, 0, None))(params, buffers, mg.ones(4, 3)).shape
    minigrad.Size([5, 4, 2])
    """
    models = list(models)
    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if any(m.training != models[0].training for m in models):
        raise RuntimeError(
            "stack_module_state: Expected all models to have the same training/eval mode."
        )
    if any(type(m) is not type(models[0]) for m in models):
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")
    params = [dict(m.named_parameters()) for m in models]
    buffers = [dict(m.named_buffers()) for m in models]
    return (
        {name: _stacked([p[name] for p in params], name) for name in params[0]},
        {name: _stacked([b[name] for b in buffers], name) for name in buffers[0]},
    )


def replace_all_batch_norm_modules_(root: Module) -> Module:
    """Make batch norm normalize by the batch alone, in place: it writes no running statistics.

    Inside `vmap` the statistics would be those of many examples, and there is one place for them.
    """
    for module in root.modules():
        if "running_mean" in module._buffers and hasattr(module, "track_running_stats"):
            module._buffers["running_mean"] = None
            module._buffers["running_var"] = None
            module._buffers["num_batches_tracked"] = None
            module.track_running_stats = False
    return root
