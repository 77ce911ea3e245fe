"""Batch norm as part of the layer before it: in use, both are one affine function."""

from __future__ import annotations

from copy import deepcopy

import numpy as np

from minigrad.core.promotion import cast
from minigrad.core.tensor import Tensor, given
from minigrad.nn.module import M, Module
from minigrad.nn.parameter import Parameter

__all__ = [
    "fuse_conv_bn_eval", "fuse_conv_bn_weights", "fuse_linear_bn_eval", "fuse_linear_bn_weights",
]  # fmt: skip


def _fused(
    weight: Tensor, bias: Tensor | None, mean: Tensor, var: Tensor, eps: float,
    gamma: Tensor | None, beta: Tensor | None, dim: int,
) -> tuple[Parameter, Parameter]:  # fmt: skip
    """``gamma (w x + b - mean) / sqrt(var + eps) + beta`` as weight and bias."""
    kind = mean.array.dtype
    b = given(np.zeros_like(mean.array)) if bias is None else bias
    gamma = given(np.ones(mean.array.shape, kind)) if gamma is None else gamma
    beta = given(np.zeros(mean.array.shape, kind)) if beta is None else beta
    scale = gamma * (var + eps).rsqrt()
    shape = [-1 if i == dim else 1 for i in range(weight.ndim)]
    fused_w = cast(weight * scale.reshape(shape), weight.array.dtype)
    fused_b = cast((b - mean) * scale + beta, (weight if bias is None else bias).array.dtype)
    return (
        Parameter(fused_w.detach(), weight.requires_grad),
        Parameter(fused_b.detach(), b.requires_grad),
    )


def fuse_conv_bn_weights(
    conv_w: Tensor, conv_b: Tensor | None, bn_rm: Tensor, bn_rv: Tensor, bn_eps: float,
    bn_w: Tensor | None, bn_b: Tensor | None, transpose: bool = False,
) -> tuple[Parameter, Parameter]:  # fmt: skip
    r"""Weight and bias of a convolution that does what it and the batch norm behind it do.

    :math:`w' = w \gamma / \sqrt{var + \epsilon}`,
    :math:`b' = (b - mean) \gamma / \sqrt{var + \epsilon} + \beta`.

    Parameters
    ----------
    conv_w : Tensor
    conv_b : Tensor or None
    bn_rm, bn_rv : Tensor
        Running mean and variance.
    bn_eps : float
    bn_w, bn_b : Tensor or None
        The scale and the shift of the batch norm.
    transpose : bool
        Whether the convolution is a transposed one.

    Returns
    -------
    tuple of Parameter
        Of the dtypes that the convolution has.
    """
    return _fused(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, 1 if transpose else 0)


def fuse_linear_bn_weights(
    linear_w: Tensor, linear_b: Tensor | None, bn_rm: Tensor, bn_rv: Tensor, bn_eps: float,
    bn_w: Tensor | None, bn_b: Tensor | None,
) -> tuple[Parameter, Parameter]:  # fmt: skip
    """Weight and bias of a linear layer that does what it and the batch norm behind it do.

    As :func:`fuse_conv_bn_weights`.
    """
    return _fused(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, 0)


def _checked(layer: Module, bn: Module) -> None:
    if layer.training or bn.training:
        raise AssertionError("Fusion only for eval!")
    if bn.running_mean is None or bn.running_var is None:
        raise AssertionError("bn.running_mean and bn.running_var must not be None")


def fuse_conv_bn_eval(conv: M, bn: Module, transpose: bool = False) -> M:
    """A copy of a convolution that does what it and the batch norm behind it do.

    Parameters
    ----------
    conv : Conv1d, Conv2d or Conv3d, or a transposed one
    bn : BatchNorm1d, BatchNorm2d or BatchNorm3d
    transpose : bool
        Whether the convolution is a transposed one (of one group).

    Raises
    ------
    AssertionError
        If one of them is in training, or the batch norm keeps no running statistics.

    Examples
    --------
    >>> import minigrad as mg
    >>> conv, bn = mg.nn.Conv2d(3, 4, 3).eval(), mg.nn.BatchNorm2d(4).eval()
    >>> _ = bn.running_mean.normal_(), bn.running_var.uniform_(0.5, 2)
    >>> x = mg.randn(1, 3, 5, 5)
    >>> fused = mg.nn.utils.fuse_conv_bn_eval(conv, bn)
    >>> mg.allclose(fused(x), bn(conv(x)), atol=1e-5)
    True
    """
    _checked(conv, bn)
    fused = deepcopy(conv)
    fused.weight, fused.bias = fuse_conv_bn_weights(
        conv.weight, conv.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias,
        transpose,
    )  # fmt: skip
    return fused


def fuse_linear_bn_eval(linear: M, bn: Module) -> M:
    """A copy of a linear layer that does what it and the batch norm behind it do.

    Parameters
    ----------
    linear : Linear
    bn : BatchNorm1d
        With as many features as the layer has outputs, or with one.

    Raises
    ------
    AssertionError
        If one of them is in training, if the batch norm keeps no running statistics, or if the
        numbers of features do not fit.
    """
    _checked(linear, bn)
    if bn.num_features not in (linear.out_features, 1):
        raise AssertionError(
            "To fuse, linear.out_features == bn.num_features or bn.num_features == 1, got "
            f"linear.out_features={linear.out_features} and bn.num_features={bn.num_features}"
        )
    fused = deepcopy(linear)
    fused.weight, fused.bias = fuse_linear_bn_weights(
        linear.weight, linear.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias
    )
    return fused
