"""The methods of pruning: which elements go. :mod:`minigrad.nn.utils.prune` has the functions."""

from __future__ import annotations

import numbers
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np

from minigrad.core.modes import no_grad
from minigrad.core.plain import plain
from minigrad.core.promotion import cast
from minigrad.core.public import named
from minigrad.core.tensor import Array, Tensor
from minigrad.nn.module import Module
from minigrad.nn.parameter import Parameter
from minigrad.ops.creation import ones_like
from minigrad.ops.random import UNIFORM

__all__ = [
    "BasePruningMethod", "CustomFromMask", "Identity", "L1Unstructured", "LnStructured",
    "PruningContainer", "RandomStructured", "RandomUnstructured",
]  # fmt: skip

# -- arguments -------------------------------------------------------------------------------------


def _check_amount(amount: Any) -> None:
    if not isinstance(amount, numbers.Real):
        raise TypeError(f"Invalid type for amount: {amount}. Must be int or float.")
    whole = isinstance(amount, numbers.Integral)
    if float(amount) < 0 or (not whole and float(amount) > 1):
        raise ValueError(
            f"amount={amount} should either be a float in the range [0, 1] or a non-negative "
            "integer"
        )


def _count(amount: float, size: int) -> int:
    """How many of `size` are to be pruned."""
    if not isinstance(amount, numbers.Integral):
        return round(amount * size)
    count = int(amount)
    if count > size:
        raise ValueError(
            f"amount={amount} should be smaller than the number of parameters to prune={size}"
        )
    return count


def _check_channels(t: Tensor, dim: int) -> None:
    if t.ndim <= 1:
        raise ValueError(
            "Structured pruning can only be applied to multidimensional tensors. Found tensor of "
            f"shape {t.shape} with {t.ndim} dims"
        )
    if not -t.ndim <= dim < t.ndim:
        raise IndexError(f"Invalid index {dim} for tensor of size {t.shape}")


def _check_scores(scores: Tensor, t: Tensor, what: str) -> None:
    if scores.shape != t.shape:
        raise AssertionError(
            f"importance_scores should have the same shape as {what}, got {scores.shape} vs "
            f"{t.shape}"
        )


# -- the base class --------------------------------------------------------------------------------


class BasePruningMethod(ABC):
    """A hook that multiplies a parameter with its mask; subclasses say how to find the mask.

    Attributes
    ----------
    PRUNING_TYPE : {"unstructured", "structured", "global"}
        What of a tensor that is pruned already :meth:`compute_mask` gets to see: the elements that
        are left, the channels along ``dim`` that are left, or all.
    """

    PRUNING_TYPE: str
    _tensor_name: str

    def __call__(self, module: Module, inputs: Any) -> None:
        """Mask the parameter anew, before `module` is called."""
        setattr(module, self._tensor_name, self.apply_mask(module))

    @abstractmethod
    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The new mask.

        Parameters
        ----------
        t : Tensor
            What to judge by: the parameter, or importance scores.
        default_mask : Tensor
            The mask so far, of the same shape.
        """

    def apply_mask(self, module: Module) -> Tensor:
        """``mask * orig``: what the parameter stands for."""
        if getattr(self, "_tensor_name", None) is None:
            raise AssertionError(f"Module {module} has to be pruned")
        mask = getattr(module, f"{self._tensor_name}_mask")
        orig = getattr(module, f"{self._tensor_name}_orig")
        return cast(mask, orig.array.dtype) * orig  # type: ignore[no-any-return]

    @classmethod
    def apply(
        cls, module: Module, name: str, *args: Any, importance_scores: Tensor | None = None,
        **kwargs: Any,
    ) -> BasePruningMethod:  # fmt: skip
        """Prune a parameter of a module, on top of the pruning that is there.

        Parameters
        ----------
        module : Module
        name : str
        *args, **kwargs
            For the method.
        importance_scores : Tensor, optional
            To judge by instead of the parameter.

        Returns
        -------
        BasePruningMethod
            The hook; a :class:`PruningContainer` if there were others before.
        """
        key, old = _hook_of(module, name)
        method: BasePruningMethod = cls(*args, **kwargs)
        method._tensor_name = name
        orig = getattr(module, name)
        if importance_scores is not None:
            _check_scores(importance_scores, orig, f"parameter {name} of {module}")
        scores = (orig if importance_scores is None else importance_scores).detach()
        if old is not None:
            container = old if isinstance(old, PruningContainer) else PruningContainer(old)
            method = container._with(method)
            mask = method.compute_mask(scores, getattr(module, f"{name}_mask").clone())
            del module._forward_pre_hooks[key]
        else:
            if not isinstance(orig, Parameter):
                raise TypeError(
                    f"{name} of {type(module).__name__} is a {type(orig).__name__}: only "
                    "parameters can be pruned"
                )
            mask = method.compute_mask(scores, ones_like(orig).detach())
            del module._parameters[name]
            module.register_parameter(f"{name}_orig", orig)
        module.register_buffer(f"{name}_mask", mask)
        setattr(module, name, method.apply_mask(module))
        module.register_forward_pre_hook(method)
        return method

    def prune(
        self, t: Tensor, default_mask: Tensor | None = None,
        importance_scores: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        """A pruned version of a tensor, which is left as it is.

        Parameters
        ----------
        t : Tensor
        default_mask : Tensor, optional
            The mask of earlier pruning.
        importance_scores : Tensor, optional
            To judge by instead of `t`.
        """
        if importance_scores is not None:
            _check_scores(importance_scores, t, "tensor t")
        scores = (t if importance_scores is None else importance_scores).detach()
        mask = ones_like(t).detach() if default_mask is None else default_mask
        return t * self.compute_mask(scores, default_mask=mask)

    def remove(self, module: Module) -> None:
        """Make the parameter a plain one again, with the zeros in it; the hook stays."""
        name = self._tensor_name
        with no_grad():
            weight = self.apply_mask(module)
        if hasattr(module, name):
            delattr(module, name)
        orig = module._parameters.pop(f"{name}_orig")
        assert orig is not None
        orig.data = weight
        del module._buffers[f"{name}_mask"]
        setattr(module, name, orig)


def _hook_of(module: Module, name: str) -> tuple[int, BasePruningMethod | None]:
    """The pruning hook on a parameter, with its key; None if there is none."""
    found: list[tuple[int, Any]] = [
        (key, hook.function)
        for key, hook in module._forward_pre_hooks.items()
        if isinstance(hook.function, BasePruningMethod) and hook.function._tensor_name == name
    ]
    if len(found) > 1:
        raise AssertionError(
            f"Avoid adding multiple pruning hooks to the same tensor {name} of module {module}. "
            "Use a PruningContainer."
        )
    return found[0] if found else (-1, None)


class PruningContainer(BasePruningMethod):
    """Several methods one after the other; each prunes what those before it have left.

    Parameters
    ----------
    *args : BasePruningMethod
        For the same parameter.
    """

    PRUNING_TYPE = "container"

    def __init__(self, *args: BasePruningMethod) -> None:
        self._pruning_methods: tuple[BasePruningMethod, ...] = ()
        if args:
            self._tensor_name = args[0]._tensor_name
        for method in args:
            self.add_pruning_method(method)

    def add_pruning_method(self, method: BasePruningMethod) -> None:
        """Put a method behind the others.

        Raises
        ------
        TypeError
            If it is no pruning method.
        ValueError
            If it is for another parameter.
        """
        if not isinstance(method, BasePruningMethod):
            raise TypeError(f"{type(method)} is not a BasePruningMethod subclass")
        if self._tensor_name != method._tensor_name:
            raise ValueError(
                "Can only add pruning methods acting on the parameter named "
                f"'{self._tensor_name}' to PruningContainer {self}. Found '{method._tensor_name}'"
            )
        self._pruning_methods += (method,)

    def _with(self, method: BasePruningMethod) -> PruningContainer:
        """Itself and one more: a new container, should the new method fail."""
        return PruningContainer(*self._pruning_methods, method)

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self) -> Iterator[BasePruningMethod]:
        return iter(self._pruning_methods)

    def __getitem__(self, idx: Any) -> Any:
        return self._pruning_methods[idx]

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask after the last method, which judges what `default_mask` leaves."""
        method = self._pruning_methods[-1]
        with no_grad():
            left = self._left(method, t, default_mask)
            partial = method.compute_mask(t[left], default_mask=default_mask[left])
            mask = cast(default_mask, t.array.dtype).clone()
            mask[left] = cast(partial, t.array.dtype)
        return mask

    @staticmethod
    def _left(method: BasePruningMethod, t: Tensor, mask: Tensor) -> Any:
        """An index of the part of a tensor that a method is to judge."""
        if method.PRUNING_TYPE == "unstructured":
            return mask == 1
        whole: list[Any] = [slice(None)] * t.ndim
        if method.PRUNING_TYPE == "structured":
            dim = getattr(method, "dim", None)
            if dim is None:
                raise AttributeError(
                    'Pruning methods of PRUNING_TYPE "structured" need to have the attribute '
                    "`dim` defined."
                )
            if dim < -t.ndim:
                raise IndexError(f"Index is out of bounds for tensor with dimensions {t.ndim}")
            dim %= t.ndim
            others = tuple(d for d in range(t.ndim) if d != dim)
            whole[dim] = _some((mask,), others)
        elif method.PRUNING_TYPE != "global":
            raise ValueError(f"Unrecognized PRUNING_TYPE {method.PRUNING_TYPE}")
        return tuple(whole)


@plain
def _some(mask: Array, dims: tuple[int, ...]) -> Array:
    """Where along the other dimension something is left."""
    return np.asarray(mask.sum(dims) != 0)


# -- elements --------------------------------------------------------------------------------------


class Identity(BasePruningMethod):
    """Prunes nothing."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask as it is."""
        return default_mask

    @classmethod
    def apply(cls, module: Module, name: str) -> BasePruningMethod:  # type: ignore[override]
        """As :func:`minigrad.nn.utils.prune.identity`."""
        return super().apply(module, name)


class _Unstructured(BasePruningMethod):
    """Prunes the elements with the smallest scores."""

    PRUNING_TYPE = "unstructured"

    def __init__(self, amount: float) -> None:
        _check_amount(amount)
        self.amount = amount

    def _scores(self, t: Tensor) -> Tensor:
        raise NotImplementedError

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask with 0 at the elements that go."""
        count = _count(self.amount, t.numel())
        return _without((default_mask, self._scores(t)), count)


@plain
def _without(mask: Array, scores: Array, count: int) -> Array:
    """The mask with 0 at the lowest scores."""
    left = np.array(mask, order="C")
    order = np.argsort(scores.reshape(-1), kind="stable")
    left.reshape(-1)[order[:count]] = 0
    return left


class RandomUnstructured(_Unstructured):
    """Prunes elements at random.

    Parameters
    ----------
    amount : int or float
        How many, or what share between 0 and 1.
    """

    def _scores(self, t: Tensor) -> Tensor:
        return UNIFORM((), (t.array.shape, np.dtype(np.float64)))

    @classmethod
    def apply(cls, module: Module, name: str, amount: float) -> BasePruningMethod:  # type: ignore[override]
        """As :func:`minigrad.nn.utils.prune.random_unstructured`."""
        return super().apply(module, name, amount=amount)


@plain
def _size(t: Array) -> Array:
    return np.abs(t)


class L1Unstructured(_Unstructured):
    """Prunes the elements of the smallest magnitude.

    Parameters
    ----------
    amount : int or float
        How many, or what share between 0 and 1.
    """

    def _scores(self, t: Tensor) -> Tensor:
        return _size((t,))

    @classmethod
    def apply(  # type: ignore[override]
        cls, module: Module, name: str, amount: float, importance_scores: Tensor | None = None
    ) -> BasePruningMethod:
        """As :func:`minigrad.nn.utils.prune.l1_unstructured`."""
        return super().apply(module, name, amount=amount, importance_scores=importance_scores)


# -- channels --------------------------------------------------------------------------------------


class _Structured(BasePruningMethod):
    """Prunes the channels with the smallest scores."""

    PRUNING_TYPE = "structured"

    def __init__(self, amount: float, dim: int = -1) -> None:
        _check_amount(amount)
        self.amount = amount
        self.dim = dim

    def _scores(self, t: Tensor) -> Tensor:
        raise NotImplementedError

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask with 0 in the channels that go."""
        _check_channels(t, self.dim)
        count = _count(self.amount, t.shape[self.dim])
        if not count:
            return default_mask
        return _without_channels((default_mask, self._scores(t)), count, self.dim)


@plain
def _without_channels(mask: Array, scores: Array, count: int, dim: int) -> Array:
    """The mask with 0 in the channels of the lowest scores."""
    left = np.moveaxis(mask.copy(), dim, 0)
    left[np.argsort(scores, kind="stable")[:count]] = 0
    return np.ascontiguousarray(np.moveaxis(left, 0, dim))


class RandomStructured(_Structured):
    """Prunes channels at random.

    Parameters
    ----------
    amount : int or float
        How many, or what share between 0 and 1.
    dim : int
        The dimension that counts the channels.
    """

    def _scores(self, t: Tensor) -> Tensor:
        return UNIFORM((), ((t.shape[self.dim],), np.dtype(np.float64)))

    @classmethod
    def apply(  # type: ignore[override]
        cls, module: Module, name: str, amount: float, dim: int = -1
    ) -> BasePruningMethod:
        """As :func:`minigrad.nn.utils.prune.random_structured`."""
        return super().apply(module, name, amount=amount, dim=dim)


class LnStructured(_Structured):
    """Prunes the channels with the smallest n-norms.

    Parameters
    ----------
    amount : int or float
        How many, or what share between 0 and 1.
    n : int, float, inf, -inf, "fro" or "nuc"
    dim : int
        The dimension that counts the channels.
    """

    def __init__(self, amount: float, n: Any, dim: int = -1) -> None:
        super().__init__(amount, dim)
        self.n = n

    def _scores(self, t: Tensor) -> Tensor:
        others = [d for d in range(t.ndim) if d != self.dim % t.ndim]
        with no_grad():
            return named("norm")(t, self.n, others)

    @classmethod
    def apply(  # type: ignore[override]
        cls, module: Module, name: str, amount: float, n: Any, dim: int,
        importance_scores: Tensor | None = None,
    ) -> BasePruningMethod:  # fmt: skip
        """As :func:`minigrad.nn.utils.prune.ln_structured`."""
        return super().apply(
            module, name, amount=amount, n=n, dim=dim, importance_scores=importance_scores
        )


class CustomFromMask(BasePruningMethod):
    """Prunes where a mask is 0.

    Parameters
    ----------
    mask : Tensor
    """

    PRUNING_TYPE = "global"

    def __init__(self, mask: Tensor) -> None:
        self.mask = mask

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """Both masks together."""
        if default_mask.shape != self.mask.shape:
            raise AssertionError(
                f"default_mask shape {default_mask.shape} must match self.mask shape "
                f"{self.mask.shape}"
            )
        return default_mask * cast(self.mask, default_mask.array.dtype)

    @classmethod
    def apply(cls, module: Module, name: str, mask: Tensor) -> BasePruningMethod:  # type: ignore[override]
        """As :func:`minigrad.nn.utils.prune.custom_from_mask`."""
        return super().apply(module, name, mask=mask)
