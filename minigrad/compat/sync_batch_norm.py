"""Batch normalization over several processes, of which there is one."""

from __future__ import annotations

from typing import Any, ClassVar

from minigrad.core.tensor import Tensor
from minigrad.nn.module import M
from minigrad.nn.normalization import _BatchNorm

__all__ = ["SyncBatchNorm"]


class SyncBatchNorm(_BatchNorm):
    """Batch normalization of (N, C, *), with the statistics of the batch of this process.

    PyTorch's layer averages over the processes of a group, and without a group is a
    :class:`BatchNorm2d` that takes any number of dimensions; as that it serves here.

    Parameters
    ----------
    num_features, eps, momentum, affine, track_running_stats
        As of :class:`BatchNorm1d`.
    process_group : optional
        Let go.
    device, dtype, bias
        As of :class:`BatchNorm1d`.

    Raises
    ------
    ValueError
        For an input of less than two dimensions, or without channels.

    Examples
    --------
    >>> import minigrad as mg
    >>> net = mg.nn.Sequential(mg.nn.Conv2d(3, 4, 1), mg.nn.BatchNorm2d(4))
    >>> mg.nn.SyncBatchNorm.convert_sync_batchnorm(net)[1]
    SyncBatchNorm(4, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
    """

    _dims: ClassVar[tuple[int, ...]] = ()

    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1,
        affine: bool = True, track_running_stats: bool = True, process_group: Any = None,
        device: Any = None, dtype: Any = None, *, bias: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )
        self.process_group = process_group

    def _check_input_dim(self, input: Tensor) -> None:
        shape = input.array.shape
        if len(shape) < 2:
            raise ValueError(f"expected at least 2D input (got {len(shape)}D input)")
        if shape[1] == 0:
            raise ValueError("SyncBatchNorm number of input channels should be non-zero")

    @classmethod
    def convert_sync_batchnorm(cls, module: M, process_group: Any = None) -> M | SyncBatchNorm:
        """The module with each batch normalization in it replaced, parameters and all.

        Parameters
        ----------
        module : Module
            Changed in place, unless it is a batch normalization itself.
        process_group : optional
            Let go.
        """
        if isinstance(module, _BatchNorm):
            return cls._converted(module, process_group)
        for name, child in module.named_children():
            module.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return module

    @classmethod
    def _converted(cls, old: _BatchNorm, process_group: Any) -> SyncBatchNorm:
        new = cls(
            old.num_features, old.eps, old.momentum, old.affine, old.track_running_stats,
            process_group, bias=old.bias is not None,
        )  # fmt: skip
        new._parameters.update(old._parameters)  # the very parameters: optimizers hold them
        new._buffers.update(old._buffers)
        new.training = old.training
        return new
