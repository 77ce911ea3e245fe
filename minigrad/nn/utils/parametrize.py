"""Parameters that are functions of other parameters: ``weight = f(original)``.

Training then changes ``original``, and what the layer uses always has the form that `f` gives:
symmetric, orthogonal, of norm 1. The module gets a class of its own, with a property in the place
of the parameter that computes it whenever it is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from copy import deepcopy
from typing import Any, NoReturn
from weakref import WeakValueDictionary

from minigrad.core.modes import no_grad
from minigrad.core.tensor import Tensor
from minigrad.nn.containers import ModuleDict, ModuleList
from minigrad.nn.module import M, Module
from minigrad.nn.parameter import Parameter
from minigrad.ops.inplace import written

__all__ = [
    "ParametrizationList", "cached", "is_parametrized", "register_parametrization",
    "remove_parametrizations", "transfer_parametrizations_and_params",
    "type_before_parametrizations",
]  # fmt: skip


# -- reading a parametrized tensor --------------------------------------------------------------


class _Cache:
    """What was computed inside :func:`cached`, by module and name."""

    def __init__(self) -> None:
        self.depth = 0
        # With the module, so that no other gets its id.
        self.values: dict[tuple[int, str], tuple[Module, Tensor]] = {}


_CACHE = _Cache()


@contextmanager
def cached() -> Iterator[None]:
    """Compute each parametrized tensor once inside this context, however often it is read.

    For a recurrent cell that is called at each step, or a weight that several layers share.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.nn.utils import parametrizations, parametrize
    >>> cell = parametrizations.orthogonal(mg.nn.RNNCell(2, 2), "weight_hh")
    >>> h = mg.zeros(1, 2)
    >>> with parametrize.cached():
    ...     for x in mg.ones(5, 1, 2):
    ...         h = cell(x, h)
    """
    _CACHE.depth += 1
    try:
        yield
    finally:
        _CACHE.depth -= 1
        if not _CACHE.depth:
            _CACHE.values = {}


def _parametrized(name: str) -> property:
    """The property that stands for a parametrized tensor."""

    def get(self: Module) -> Tensor:
        listed = _list(self, name)
        if not _CACHE.depth:
            return listed()  # type: ignore[no-any-return]
        key = (id(self), name)
        if key not in _CACHE.values:
            _CACHE.values[key] = (self, listed())
        return _CACHE.values[key][1]

    def set_(self: Module, value: Tensor) -> None:
        _list(self, name).right_inverse(value)

    return property(get, set_)


def _list(module: Module, name: str) -> ParametrizationList:
    return module._modules["parametrizations"][name]  # type: ignore[index, no-any-return]


# -- the classes of parametrized modules -----------------------------------------------------------

#: By base class and names of the properties; shared, and never changed.
_CLASSES: WeakValueDictionary[tuple[type, tuple[str, ...]], type] = WeakValueDictionary()


def _copy(self: Module, memo: dict[int, Any]) -> Module:
    if id(self) in memo:
        return memo[id(self)]  # type: ignore[no-any-return]
    replica: Module = self.__new__(type(self))
    memo[id(self)] = replica
    replica.__dict__.update(deepcopy(self.__dict__, memo))
    replica.__dict__["_spans"].clear()
    return replica


def _refuse(self: Module) -> NoReturn:
    raise RuntimeError(
        "Serialization of parametrized modules is only supported through state_dict(): save "
        "module.state_dict(), and load it into a module parametrized in the same way; or call "
        "remove_parametrizations() first"
    )


def _class_of(base: type, names: Sequence[str]) -> type:
    """The subclass of `base` with properties of these names."""
    key = (base, tuple(sorted(names)))
    found = _CLASSES.get(key)
    if found is None:
        body: dict[str, Any] = {name: _parametrized(name) for name in names}
        body |= {"__getstate__": _refuse, "__module__": base.__module__}
        if not hasattr(base, "__deepcopy__"):
            body["__deepcopy__"] = _copy
        found = type(f"Parametrized{base.__name__}", (base,), body)
        _CLASSES[key] = found
    return found


# -- the list of parametrizations ------------------------------------------------------------------


def _register(module: Module, name: str, t: Tensor) -> None:
    if isinstance(t, Parameter):
        module.register_parameter(name, t)
    else:
        module.register_buffer(name, t)


def _set(t: Tensor, value: Tensor) -> None:
    """Give `t` the values and the shape of `value`; it stays the tensor that optimizers know."""
    if value.array is not t.array:
        with no_grad():
            t.array = value.contiguous().array
            written(t, None)


def _check_dtype(name: str, before: Tensor, after: Tensor) -> None:
    if before.dtype != after.dtype:
        raise ValueError(
            f"The tensor returned by `right_inverse` has dtype {after.dtype} while `{name}` has "
            f"dtype {before.dtype}"
        )


def _changes(before: Tensor, after: Tensor) -> Iterator[tuple[str, Any, Any]]:
    """What of dtype and shape is another: its name, what it was and what it is."""
    pairs = ("dtype", before.dtype, after.dtype), ("shape", before.shape, after.shape)
    return (pair for pair in pairs if pair[1] != pair[2])


def _check_kept(what: str, before: Tensor, after: Any, flag: str) -> None:
    """A parametrization must give a tensor of the dtype and shape of what it stands for."""
    if not isinstance(after, Tensor):
        raise ValueError(f"A parametrization must return a tensor. Got {type(after).__name__}.")
    for kind, old, new in _changes(before, after):
        raise ValueError(
            f"Registering a parametrization may not change the {kind} of the tensor, unless "
            f"{flag} flag is enabled.\nunparametrized {kind} ({what}): {old}\n"
            f"parametrized {kind}: {new}"
        )


class ParametrizationList(ModuleList):
    """The parametrizations of one tensor, and the tensors they start from.

    ``module.parametrizations[name]`` is of this class. It computes
    ``f_n(...f_2(f_1(original)))``; if the first one depends on several tensors (its
    ``right_inverse`` returns a sequence), they are ``original0``, ``original1``, ...
    :func:`register_parametrization` makes it.

    Parameters
    ----------
    modules : sequence of Module
        The parametrizations, the innermost first.
    original : Tensor
        The parameter or buffer to parametrize.
    unsafe : bool
        Whether they may change the dtype and the shape.

    Attributes
    ----------
    is_tensor : bool
        Whether there is one ``original``.
    ntensors : int
        How many there are.

    Raises
    ------
    ValueError
        If `modules` is empty, if a ``right_inverse`` returns no tensors, or if the result is of
        another dtype or shape.
    """

    original: Tensor
    unsafe: bool

    def __init__(
        self, modules: Sequence[Module], original: Tensor, unsafe: bool = False
    ) -> None:  # fmt: skip
        if len(modules) == 0:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        before = Tensor(original.array)  # `original` itself is about to change
        new = self._inverted(original)
        self.is_tensor = isinstance(new, Tensor)
        self.ntensors = 1 if self.is_tensor else len(new)
        if self.is_tensor:
            self._take_one(original, new)
        else:
            self._take_several(original, new)
        if not unsafe:
            with no_grad():
                _check_kept("original", before, self(), "`unsafe`")

    def _inverted(self, original: Tensor) -> Any:
        """What the parametrizations must start from, to give `original` as far as they can."""
        new: Any = original
        with no_grad():
            for module in reversed(list(self)):
                if hasattr(module, "right_inverse"):
                    with suppress(NotImplementedError):  # it counts as the identity
                        new = module.right_inverse(new)
        if not isinstance(new, (Tensor, Sequence)):
            raise ValueError(
                "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). "
                f"Got {type(new).__name__}"
            )
        return new

    def _take_one(self, original: Tensor, new: Tensor) -> None:
        if original.dtype != new.dtype:
            raise ValueError(
                "When `right_inverse` outputs one tensor, it may not change the dtype.\n"
                f"original.dtype: {original.dtype}\nright_inverse(original).dtype: {new.dtype}"
            )
        _set(original, new)
        _register(self, "original", original)

    def _take_several(self, original: Tensor, new: Sequence[Any]) -> None:
        for i, part in enumerate(new):
            if not isinstance(part, Tensor):
                raise ValueError(
                    "'right_inverse' must return a Tensor or a Sequence of tensors (list, "
                    f"tuple...). Got element {i} of the sequence with type {type(part).__name__}."
                )
            if isinstance(original, Parameter):
                part = Parameter(part.detach(), original.requires_grad)
            else:
                part = part.detach().requires_grad_(original.requires_grad)
            _register(self, f"original{i}", part)

    def right_inverse(self, value: Tensor) -> None:
        """Set the originals so that the parametrized tensor becomes `value`, if that is possible.

        Raises
        ------
        RuntimeError
            If a parametrization has no ``right_inverse``.
        ValueError
            If they return other dtypes or another number of tensors than there are.
        """
        new: Any = value
        with no_grad():
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(
                        f"parametrization {type(module).__name__} does not implement right_inverse."
                    )
                new = module.right_inverse(new)
        if self.is_tensor:
            if not isinstance(new, Tensor):
                raise ValueError(
                    f"`right_inverse` should return a tensor. Got {type(new).__name__}"
                )
            _check_dtype("original", self.original, new)
            _set(self.original, new)
            return
        if not isinstance(new, Sequence):
            raise ValueError(
                f"'right_inverse' must return a sequence of tensors. Got {type(new).__name__}."
            )
        if len(new) != self.ntensors:
            raise ValueError(
                "'right_inverse' must return a sequence of tensors of length "
                f"{self.ntensors}. Got a sequence of length {len(new)}."
            )
        for name, part in zip(self._names(), new, strict=True):
            if not isinstance(part, Tensor):
                raise ValueError(
                    "'right_inverse' must return a sequence of tensors. Got an element of type "
                    f"{type(part).__name__}."
                )
            _check_dtype(name, getattr(self, name), part)
            _set(getattr(self, name), part)

    def _names(self) -> list[str]:
        return ["original"] if self.is_tensor else [f"original{i}" for i in range(self.ntensors)]

    def forward(self) -> Tensor:
        """The parametrized tensor."""
        first, *others = self
        x: Tensor = first(*[getattr(self, name) for name in self._names()])
        for module in others:
            x = module(x)
        return x


# -- registering and removing ----------------------------------------------------------------------


def register_parametrization(
    module: M, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> M:
    """Make a parameter or buffer of a module a function of what training changes.

    ``module.weight`` becomes ``parametrization(original)``, computed anew each time it is read
    (see :func:`cached`); the parameter is ``module.parametrizations.weight.original``. Called
    again, it puts another function around the first. Assigning ``module.weight = value`` calls
    ``parametrization.right_inverse(value)`` to find what ``original`` must be; if that returns
    several tensors, there are ``original0``, ``original1``, ..., and ``forward`` takes as many.

    Parameters
    ----------
    module : Module
        Its class becomes a subclass, named ``Parametrized...``.
    tensor_name : str
        Of a parameter, a buffer or a tensor that is parametrized already.
    parametrization : Module
    unsafe : bool
        Let it change the dtype and the shape, and check nothing.

    Returns
    -------
    Module
        `module`.

    Raises
    ------
    ValueError
        If there is no such tensor, or the parametrization changes the dtype or the shape.

    Examples
    --------
    A weight that is symmetric, whatever training does:

    >>> import minigrad as mg
    >>> from minigrad.nn.utils import parametrize
    >>> class Symmetric(mg.nn.Module):
    ...     def forward(self, x):
    ...         return x.triu() + x.triu(1).mT
    ...     def right_inverse(self, a):
    ...         return a.triu()
    >>> layer = parametrize.register_parametrization(mg.nn.Linear(3, 3), "weight", Symmetric())
    >>> layer
    ParametrizedLinear(
      in_features=3, out_features=3, bias=True
      (parametrizations): ModuleDict(
        (weight): ParametrizationList(
          (0): Symmetric()
        )
      )
    )
    >>> bool((layer.weight == layer.weight.T).all())
    True
    >>> list(layer.state_dict())
    ['bias', 'parametrizations.weight.original']
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        if not unsafe:
            _check_chained(module, tensor_name, parametrization)
        listed = _list(module, tensor_name)
        listed.append(parametrization)
        listed.unsafe |= unsafe
        return module
    if tensor_name not in module._parameters and tensor_name not in module._buffers:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element "
            f"with name '{tensor_name}'"
        )
    original = getattr(module, tensor_name)
    if original is None:
        raise ValueError(
            f"{tensor_name} of {type(module).__name__} is None: there is nothing to parametrize"
        )
    listed = ParametrizationList([parametrization], original, unsafe=unsafe)
    delattr(module, tensor_name)
    if not is_parametrized(module):
        module.parametrizations = ModuleDict()
    base = type_before_parametrizations(module)
    module.parametrizations[tensor_name] = listed
    module.__class__ = _class_of(base, list(module.parametrizations))
    return module


def _check_chained(module: Module, name: str, parametrization: Any) -> None:
    """Another parametrization on top must go from tensors of one dtype and shape to such."""
    with no_grad():
        before = getattr(module, name)
        after = parametrization(before)
        _check_kept(f"module.{name}", before, after, "the `unsafe`")
        if not hasattr(parametrization, "right_inverse"):
            return
        try:
            back = parametrization.right_inverse(after)
        except NotImplementedError:
            return
    if not isinstance(back, Tensor):
        raise ValueError(
            f"parametrization.right_inverse must return a tensor. Got: {type(back).__name__}"
        )
    for kind, old, new in _changes(before, back):
        raise ValueError(
            f"The tensor returned by parametrization.right_inverse must have the same {kind} "
            f"as module.{name}, unless the `unsafe` flag is enabled.\n"
            f"module.{name}.{kind}: {old}\nreturned {kind}: {new}"
        )


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether a module has parametrizations; with a name, whether that tensor has.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.nn.utils import parametrizations, parametrize
    >>> layer = parametrizations.weight_norm(mg.nn.Linear(2, 2))
    >>> parametrize.is_parametrized(layer), parametrize.is_parametrized(layer, "bias")
    (True, False)
    """
    found = module.__dict__.get("_modules", {}).get("parametrizations")
    if not isinstance(found, ModuleDict):
        return False
    return len(found) > 0 if tensor_name is None else tensor_name in found


def remove_parametrizations(module: M, tensor_name: str, leave_parametrized: bool = True) -> M:
    """Make a parametrized tensor a parameter or buffer again.

    Parameters
    ----------
    module : Module
        When its last parametrization is gone, it has its old class again.
    tensor_name : str
    leave_parametrized : bool
        Keep the value that the parametrizations gave; else that of the original tensor.

    Returns
    -------
    Module
        `module`.

    Raises
    ------
    ValueError
        If the tensor has no parametrization; if not `leave_parametrized`, if it depends on
        several tensors.
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    listed = _list(module, tensor_name)
    if listed.is_tensor:
        kept = listed.original
        if leave_parametrized:
            with no_grad():
                value = getattr(module, tensor_name)
            if value.dtype != kept.dtype:
                raise RuntimeError(
                    f"the parametrizations of {tensor_name} turn {kept.dtype} into {value.dtype}: "
                    "remove them with leave_parametrized=False"
                )
            _set(kept, value)
    elif leave_parametrized:
        value = getattr(module, tensor_name)
        kept = Parameter(value.detach()) if value.requires_grad else value
    else:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is "
            "parametrized in terms of a sequence of tensors."
        )
    base = type_before_parametrizations(module)
    del module.parametrizations[tensor_name]
    names = list(module.parametrizations)
    module.__class__ = _class_of(base, names) if names else base
    if not names:
        del module.parametrizations
    _register(module, tensor_name, kept)
    return module


def type_before_parametrizations(module: Module) -> type[Module]:
    """The class that a module had before it was parametrized; its class if it is not.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.nn.utils import parametrizations, parametrize
    >>> layer = parametrizations.weight_norm(mg.nn.Linear(2, 2))
    >>> parametrize.type_before_parametrizations(layer).__name__
    'Linear'
    """
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(
    from_module: Module, to_module: M, tensor_name: str | None = None
) -> M:
    """Parametrize a module as another one is, with the same originals (shared, not copied).

    Parameters
    ----------
    from_module, to_module : Module
        What `to_module` lacks is added to it.
    tensor_name : str, optional
        Only this tensor, instead of all parametrized ones.

    Returns
    -------
    Module
        `to_module`; unchanged if `from_module` has no parametrizations.
    """
    if not is_parametrized(from_module):
        return to_module
    for name in list(from_module.parametrizations) if tensor_name is None else [tensor_name]:
        source = _list(from_module, name)
        if not hasattr(to_module, name):
            setattr(to_module, name, Parameter(getattr(from_module, name).detach()))
        for parametrization in source:
            register_parametrization(to_module, name, parametrization)
        for original in source._names():
            setattr(_list(to_module, name), original, getattr(source, original))
    return to_module
