"""Layers that learn the size of their input from the first input they get."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import numpy as np

from minigrad.core.tensor import Tensor, given
from minigrad.nn.conv import (
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
    _Conv,
    _ConvNd,
    _ConvTranspose,
)  # fmt: skip
from minigrad.nn.linear import Linear
from minigrad.nn.module import Module
from minigrad.nn.normalization import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    InstanceNorm1d,
    InstanceNorm2d,
    InstanceNorm3d,
    _NormBase,
)  # fmt: skip
from minigrad.nn.parameter import UninitializedBuffer, UninitializedParameter, is_lazy

__all__ = [
    "LazyBatchNorm1d", "LazyBatchNorm2d", "LazyBatchNorm3d", "LazyConv1d", "LazyConv2d",
    "LazyConv3d", "LazyConvTranspose1d", "LazyConvTranspose2d", "LazyConvTranspose3d",
    "LazyInstanceNorm1d", "LazyInstanceNorm2d", "LazyInstanceNorm3d", "LazyLinear",
    "LazyModuleMixin",
]  # fmt: skip

L = TypeVar("L", bound="LazyModuleMixin")


class LazyModuleMixin(Module):
    """A module whose parameters get their shapes from the first input.

    Subclasses set :class:`UninitializedParameter` as attributes and define
    ``initialize_parameters(*args)``, which calls their ``materialize``. The first call, or loading
    a state, does so; the first call then makes the module one of :attr:`cls_to_become`. Convert
    the model and call it on an example before counting or drawing its parameters.

    Attributes
    ----------
    cls_to_become : type, optional
        What the module is once it is initialized.

    Examples
    --------
    >>> import minigrad as mg
    >>> net = mg.nn.Sequential(mg.nn.LazyLinear(8), mg.nn.ReLU(), mg.nn.LazyLinear(2))
    >>> net[0].weight
    <UninitializedParameter>
    >>> net(mg.ones(3, 5)).shape
    minigrad.Size([3, 2])
    >>> net
    Sequential(
      (0): Linear(in_features=5, out_features=8, bias=True)
      (1): ReLU()
      (2): Linear(in_features=8, out_features=2, bias=True)
    )
    """

    cls_to_become: ClassVar[type[Module] | None] = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._initialize_hook = self.register_forward_pre_hook(_initialize, with_kwargs=True)

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Give the parameters the shapes that the arguments of the first call ask for."""
        raise NotImplementedError(
            f"initialize_parameters is not implemented for {type(self).__name__}"
        )

    def has_uninitialized_params(self) -> bool:
        """Whether some parameter or buffer has no shape yet."""
        return any(is_lazy(t) for t in (*self._parameters.values(), *self._buffers.values()))

    def _declare(self, bias: bool, device: Any, dtype: Any) -> None:
        """Set a weight, and perhaps a bias, whose shapes are to be found."""
        for name in ("weight", "bias")[: 1 + bool(bias)]:
            setattr(self, name, UninitializedParameter(device=device, dtype=dtype))

    def _apply(self: L, fn: Callable[[Tensor], Tensor]) -> L:
        waiting = [
            (registry, name, t)
            for registry in (self._parameters, self._buffers)
            for name, t in registry.items()
            if is_lazy(t)
        ]
        registry: Any
        for registry, name, _ in waiting:
            registry[name] = None  # the others are converted as in every module
        super()._apply(fn)
        for registry, name, t in waiting:
            t.data = fn(t.data)  # type: ignore[union-attr]
            registry[name] = t
        return self

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *rest: Any) -> None:
        for name, t in (*self._parameters.items(), *self._buffers.items()):
            given = state_dict.get(prefix + name)
            if is_lazy(t) and given is not None and not is_lazy(given):
                t.materialize(tuple(given.shape))  # type: ignore[union-attr]
        super()._load_from_state_dict(state_dict, prefix, *rest)


def _initialize(module: LazyModuleMixin, args: Any, kwargs: dict[str, Any]) -> None:
    """The hook that runs before the first call."""
    module.initialize_parameters(*args, **kwargs)
    if module.has_uninitialized_params():
        raise RuntimeError(f"module {module._get_name()} has not been fully initialized")
    module._initialize_hook.remove()
    del module._initialize_hook
    if module.cls_to_become is not None:
        module.__class__ = module.cls_to_become  # type: ignore[assignment]


class LazyLinear(LazyModuleMixin, Linear):
    """:class:`Linear` whose `in_features` is the last size of the first input.

    Parameters
    ----------
    out_features : int
    bias : bool
    device, dtype : optional
    """

    cls_to_become = Linear

    def __init__(
        self, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(0, 0, False)
        self.out_features = out_features
        self._declare(bias, device, dtype)

    def reset_parameters(self) -> None:
        """Draw the parameters anew, once they are there."""
        if not self.has_uninitialized_params() and self.in_features:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor) -> None:
        """Find `in_features`."""
        size = input.array.shape[-1]
        if self.has_uninitialized_params():
            self.in_features = size
            self.weight.materialize((self.out_features, size))  # type: ignore[attr-defined]
            if self.bias is not None:
                self.bias.materialize((self.out_features,))
            self.reset_parameters()
        elif self.in_features == 0:  # a state was loaded
            if size != self.weight.array.shape[-1]:
                raise AssertionError(
                    f"The in_features inferred from input: {size} is not equal to in_features from "
                    f"self.weight: {self.weight.array.shape[-1]}"
                )
            self.in_features = size


class _LazyConvXdMixin(LazyModuleMixin, _ConvNd):
    def reset_parameters(self) -> None:
        """Draw the parameters anew, once they are there."""
        if not self.has_uninitialized_params() and self.in_channels:
            super().reset_parameters()

    def _channels(self, input: Tensor) -> int:
        n, shape = self._spatial, input.array.shape
        if len(shape) not in (n + 1, n + 2):
            raise RuntimeError(
                f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to "
                f"{type(self).__name__}, but got input of size: {input.shape}"
            )
        return int(shape[1] if len(shape) == n + 2 else shape[0])

    def initialize_parameters(self, input: Tensor, *args: Any, **kwargs: Any) -> None:
        """Find `in_channels`."""
        inside = self._channels(input)
        if not self.has_uninitialized_params():
            if self.in_channels == 0:  # a state was loaded
                size = self.weight.array.shape[0 if self.transposed else 1]
                self.in_channels = size if self.transposed else size * self.groups
            return
        if inside % self.groups:
            raise ValueError("in_channels must be divisible by groups")
        self.in_channels, outside = inside, self.out_channels
        sizes = (outside, inside // self.groups)
        if self.transposed:
            sizes = (inside, outside // self.groups)
        self.weight.materialize((*sizes, *self.kernel_size))  # type: ignore[attr-defined]
        if self.bias is not None:
            self.bias.materialize((outside,))
        self.reset_parameters()


class _LazyConv(_LazyConvXdMixin, _Conv):
    def __init__(
        self, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0,
        dilation: Any = 1, groups: int = 1, bias: bool = True, padding_mode: str = "zeros",
        device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(0, 0, kernel_size, stride, padding, dilation, groups, False, padding_mode)
        self.out_channels = out_channels
        self._check()
        self._declare(bias, device, dtype)


class LazyConv1d(_LazyConv, Conv1d):
    """:class:`Conv1d` whose `in_channels` are those of the first input."""

    cls_to_become = Conv1d


class LazyConv2d(_LazyConv, Conv2d):
    """:class:`Conv2d` whose `in_channels` are those of the first input.

    Parameters
    ----------
    out_channels : int
    kernel_size, stride, padding, dilation, groups, bias, padding_mode
        As of :class:`Conv2d`.
    device, dtype : optional

    Examples
    --------
    >>> import minigrad as mg
    >>> layer = mg.nn.LazyConv2d(4, 3)
    >>> layer(mg.ones(1, 2, 5, 5)).shape
    minigrad.Size([1, 4, 3, 3])
    >>> layer
    Conv2d(2, 4, kernel_size=(3, 3), stride=(1, 1))
    """

    cls_to_become = Conv2d


class LazyConv3d(_LazyConv, Conv3d):
    """:class:`Conv3d` whose `in_channels` are those of the first input."""

    cls_to_become = Conv3d


class _LazyConvTranspose(_LazyConvXdMixin, _ConvTranspose):
    def __init__(
        self, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0,
        output_padding: Any = 0, groups: int = 1, bias: bool = True, dilation: Any = 1,
        padding_mode: str = "zeros", device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(
            0, 0, kernel_size, stride, padding, output_padding, groups, False, dilation,
            padding_mode,
        )  # fmt: skip
        self.out_channels = out_channels
        self._check()
        self._declare(bias, device, dtype)


class LazyConvTranspose1d(_LazyConvTranspose, ConvTranspose1d):
    """:class:`ConvTranspose1d` whose `in_channels` are those of the first input."""

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyConvTranspose, ConvTranspose2d):
    """:class:`ConvTranspose2d` whose `in_channels` are those of the first input."""

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyConvTranspose, ConvTranspose3d):
    """:class:`ConvTranspose3d` whose `in_channels` are those of the first input."""

    cls_to_become = ConvTranspose3d


class _LazyNormBase(LazyModuleMixin, _NormBase):
    def __init__(
        self, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True,
        track_running_stats: bool = True, device: Any = None, dtype: Any = None, *,
        bias: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(0, eps, momentum, False, False)
        self.affine = affine
        self.track_running_stats = track_running_stats
        if affine:
            self._declare(bias, device, dtype)
        if track_running_stats:
            for name in ("running_mean", "running_var"):
                self.register_buffer(name, UninitializedBuffer(device=device, dtype=dtype))
            self.num_batches_tracked = given(np.zeros((), np.int64))

    def reset_parameters(self) -> None:
        """Scale 1, shift 0, no statistics, once they are there."""
        if not self.has_uninitialized_params() and self.num_features:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor) -> None:
        """Find `num_features`."""
        lazy = [t for t in (*self._parameters.values(), *self._buffers.values()) if is_lazy(t)]
        if lazy:
            self.num_features = input.array.shape[1]
            for t in lazy:
                t.materialize((self.num_features,))  # type: ignore[union-attr]
            self.reset_parameters()
        elif self.num_features == 0:  # a state was loaded
            self.num_features = input.array.shape[1]


class LazyBatchNorm1d(_LazyNormBase, BatchNorm1d):
    """:class:`BatchNorm1d` whose `num_features` are those of the first input.

    Parameters
    ----------
    eps, momentum, affine, track_running_stats
        As of :class:`BatchNorm1d`.
    device, dtype : optional
    """

    cls_to_become = BatchNorm1d


class LazyBatchNorm2d(_LazyNormBase, BatchNorm2d):
    """:class:`BatchNorm2d` whose `num_features` are those of the first input."""

    cls_to_become = BatchNorm2d


class LazyBatchNorm3d(_LazyNormBase, BatchNorm3d):
    """:class:`BatchNorm3d` whose `num_features` are those of the first input."""

    cls_to_become = BatchNorm3d


class LazyInstanceNorm1d(_LazyNormBase, InstanceNorm1d):
    """:class:`InstanceNorm1d` whose `num_features` are those of the first input."""

    cls_to_become = InstanceNorm1d


class LazyInstanceNorm2d(_LazyNormBase, InstanceNorm2d):
    """:class:`InstanceNorm2d` whose `num_features` are those of the first input."""

    cls_to_become = InstanceNorm2d


class LazyInstanceNorm3d(_LazyNormBase, InstanceNorm3d):
    """:class:`InstanceNorm3d` whose `num_features` are those of the first input."""

    cls_to_become = InstanceNorm3d
