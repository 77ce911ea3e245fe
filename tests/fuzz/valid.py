"""Calls that work, and small things wrong with them.

Functions whose arguments must fit each other are seldom reached by random ones. Here is a call of
each that is right; :func:`spoiled` changes a shape, a type, an index or a number of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

import minigrad as mg
from minigrad import Tensor

__all__ = ["VALID", "spoiled"]


def x(*shape: int) -> Tensor:
    """Numbers around 0."""
    return mg.tensor(np.random.default_rng(3).normal(0, 2, shape).astype(np.float32))


def p(*shape: int) -> Tensor:
    """Numbers between 0 and 1."""
    return mg.tensor(np.random.default_rng(4).uniform(0.1, 0.9, shape).astype(np.float32))


def i(high: int, *shape: int) -> Tensor:
    """Indices below `high`."""
    return mg.tensor(np.asarray(np.random.default_rng(5).integers(0, high, shape)))


def b(*shape: int) -> Tensor:
    """Booleans."""
    return mg.tensor(np.random.default_rng(6).random(shape) < 0.5)


def spd(n: int) -> Tensor:
    """A symmetric, positive definite matrix."""
    return x(n, n) @ x(n, n).T + n * mg.eye(n)


def lu() -> tuple[Tensor, Tensor]:
    return tuple(mg.linalg.lu_factor(spd(3)))  # type: ignore[return-value]


Call = Callable[[], tuple[Any, ...]]

_INDEXING: dict[str, Call] = {
    "minigrad.gather": lambda: (x(3, 4), 1, i(4, 3, 2)),
    "minigrad.scatter": lambda: (x(3, 4), 1, i(4, 3, 2), x(3, 2)),
    "minigrad.scatter_add": lambda: (x(3, 4), 0, i(3, 2, 4), x(2, 4)),
    "minigrad.scatter_reduce": lambda: (x(3, 4), 1, i(4, 3, 2), x(3, 2), "amax"),
    "Tensor.scatter_": lambda: (x(3, 4), 1, i(4, 3, 2), 2.0),
    "Tensor.scatter_add_": lambda: (x(3, 4), 1, i(4, 3, 2), x(3, 2)),
    "Tensor.scatter_reduce_": lambda: (x(3, 4), 1, i(4, 3, 2), x(3, 2), "prod"),
    "minigrad.index_select": lambda: (x(3, 4), 1, i(4, 3)),
    "minigrad.index_add": lambda: (x(3, 4), 1, i(4, 2), x(3, 2)),
    "minigrad.index_copy": lambda: (x(3, 4), 1, i(4, 2), x(3, 2)),
    "minigrad.index_fill": lambda: (x(3, 4), 1, i(4, 2), 2.0),
    "minigrad.index_reduce": lambda: (x(3, 4), 1, i(4, 2), x(3, 2), "amin"),
    "Tensor.index_add_": lambda: (x(3, 4), 1, i(4, 2), x(3, 2)),
    "Tensor.index_copy_": lambda: (x(3, 4), 1, i(4, 2), x(3, 2)),
    "Tensor.index_fill_": lambda: (x(3, 4), 1, i(4, 2), 2.0),
    "Tensor.index_reduce_": lambda: (x(3, 4), 1, i(4, 2), x(3, 2), "mean"),
    "minigrad.index_put": lambda: (x(3, 4), (i(3, 2), i(4, 2)), x(2)),
    "Tensor.put_": lambda: (x(3, 4), i(12, 2), x(2)),
    "minigrad.put": lambda: (x(3, 4), i(12, 2), x(2), True),
    "minigrad.take": lambda: (x(3, 4), i(12, 2)),
    "minigrad.take_along_dim": lambda: (x(3, 4), i(4, 3, 4), 1),
    "minigrad.masked_select": lambda: (x(3, 4), b(3, 4)),
    "minigrad.masked_fill": lambda: (x(3, 4), b(3, 4), 1.0),
    "minigrad.masked_scatter": lambda: (x(3, 4), b(3, 4), x(12)),
    "Tensor.masked_scatter_": lambda: (x(3, 4), b(4), x(12)),
    "minigrad.as_strided": lambda: (x(3, 4), (2, 3), (4, 1), 1),
    "minigrad.as_strided_scatter": lambda: (x(3, 4), x(2, 3), (2, 3), (4, 1), 1),
    "minigrad.narrow": lambda: (x(3, 4), 1, 1, 2),
    "minigrad.narrow_copy": lambda: (x(3, 4), 1, 1, 2),
    "minigrad.select": lambda: (x(3, 4), 1, 2),
    "minigrad.select_scatter": lambda: (x(3, 4), x(3), 1, 2),
    "minigrad.slice_scatter": lambda: (x(3, 4), x(3, 2), 1, 0, 4, 2),
    "minigrad.diagonal_scatter": lambda: (x(3, 4), x(3)),
    "Tensor.unfold": lambda: (x(3, 7), 1, 3, 2),
    "minigrad.repeat_interleave": lambda: (x(3, 4), i(3, 4), 1),
    "minigrad.searchsorted": lambda: (x(3, 4).sort(-1).values, x(3, 2)),
    "minigrad.bucketize": lambda: (x(3, 4), mg.arange(5.0)),
    "minigrad.bincount": lambda: (i(5, 7), p(7), 3),
    "minigrad.unravel_index": lambda: (i(12, 3), (3, 4)),
    "minigrad.topk": lambda: (x(3, 4), 2, 1),
    "minigrad.kthvalue": lambda: (x(3, 4), 2, 1),
    "minigrad.multinomial": lambda: (p(3, 4), 2),
    "minigrad.quantile": lambda: (x(3, 4), p(2), 1),
    "minigrad.nanquantile": lambda: (x(3, 4), 0.3, 1),
    "minigrad.histogram": lambda: (x(12), 4),
    "minigrad.histogramdd": lambda: (x(7, 2), [3, 2]),
    "minigrad.histc": lambda: (x(12), 4, -1, 1),
    "minigrad.combinations": lambda: (x(4), 2),
    "minigrad.renorm": lambda: (x(3, 4), 2, 0, 1.0),
    "minigrad.diff": lambda: (x(3, 4), 2, 1, x(3, 1)),
    "minigrad.gradient": lambda: (x(3, 4),),
    "minigrad.cov": lambda: (x(3, 4),),
    "minigrad.cdist": lambda: (x(3, 4), x(2, 4), 1.5),
    "minigrad.trapezoid": lambda: (x(3, 4), x(4)),
}
_SHAPES: dict[str, Call] = {
    "minigrad.reshape": lambda: (x(3, 4), (2, -1)),
    "minigrad.view": lambda: (x(3, 4), 2, 6),
    "minigrad.unflatten": lambda: (x(3, 4), 1, (2, 2)),
    "minigrad.flatten": lambda: (x(3, 4, 2), 1, 2),
    "minigrad.permute": lambda: (x(3, 4, 2), (2, 0, 1)),
    "minigrad.movedim": lambda: (x(3, 4, 2), (0, 1), (1, 2)),
    "minigrad.transpose": lambda: (x(3, 4, 2), 0, 2),
    "minigrad.roll": lambda: (x(3, 4), (1, -2), (0, 1)),
    "minigrad.rot90": lambda: (x(3, 4), 1, (0, 1)),
    "minigrad.flip": lambda: (x(3, 4), (0,)),
    "Tensor.expand": lambda: (x(3, 1), 3, 4),
    "Tensor.repeat": lambda: (x(3, 1), 2, 3),
    "minigrad.tile": lambda: (x(3, 1), (2, 3)),
    "minigrad.split": lambda: (x(3, 4), 2, 1),
    "minigrad.split_with_sizes": lambda: (x(3, 4), (1, 3), 1),
    "minigrad.chunk": lambda: (x(3, 4), 3, 1),
    "minigrad.tensor_split": lambda: (x(3, 4), (1, 2), 1),
    "minigrad.cat": lambda: ([x(3, 4), x(2, 4)], 0),
    "minigrad.stack": lambda: ([x(3, 4), x(3, 4)], 1),
    "minigrad.block_diag": lambda: (x(3, 4), x(2)),
    "minigrad.meshgrid": lambda: (x(3), x(4)),
    "minigrad.cartesian_prod": lambda: (x(3), x(4)),
    "minigrad.broadcast_to": lambda: (x(3, 1), (2, 3, 4)),
    "minigrad.tril": lambda: (x(3, 4), 1),
    "minigrad.diag": lambda: (x(3, 4), 1),
    "minigrad.diagonal": lambda: (x(3, 4), 1, 0, 1),
    "minigrad.diag_embed": lambda: (x(3, 4), 1),
    "minigrad.vander": lambda: (x(4), 3),
    "minigrad.linspace": lambda: (0.0, 1.0, 5),
    "minigrad.logspace": lambda: (0.0, 1.0, 5),
    "minigrad.arange": lambda: (0, 10, 2),
    "minigrad.full": lambda: ((2, 3), 1.0),
    "minigrad.randint": lambda: (0, 5, (2, 3)),
    "minigrad.einsum": lambda: ("ij,jk->ik", x(3, 4), x(4, 2)),
}
_MATRICES: dict[str, Call] = {
    "minigrad.matmul": lambda: (x(2, 3, 4), x(4, 2)),
    "minigrad.mm": lambda: (x(3, 4), x(4, 2)),
    "minigrad.bmm": lambda: (x(2, 3, 4), x(2, 4, 2)),
    "minigrad.mv": lambda: (x(3, 4), x(4)),
    "minigrad.dot": lambda: (x(4), x(4)),
    "minigrad.outer": lambda: (x(3), x(4)),
    "minigrad.addmm": lambda: (x(2), x(3, 4), x(4, 2)),
    "minigrad.addmv": lambda: (x(3), x(3, 4), x(4)),
    "minigrad.addr": lambda: (x(3, 4), x(3), x(4)),
    "minigrad.addbmm": lambda: (x(3, 2), x(2, 3, 4), x(2, 4, 2)),
    "minigrad.baddbmm": lambda: (x(2, 3, 2), x(2, 3, 4), x(2, 4, 2)),
    "Tensor.addmm_": lambda: (x(3, 2), x(3, 4), x(4, 2)),
    "minigrad.tensordot": lambda: (x(2, 3, 4), x(3, 4, 2), 2),
    "minigrad.kron": lambda: (x(2, 3), x(2, 2)),
    "minigrad.cross": lambda: (x(2, 3), x(2, 3), 1),
    "linalg.inv": lambda: (spd(3),),
    "linalg.inv_ex": lambda: (spd(3),),
    "linalg.det": lambda: (spd(3),),
    "linalg.slogdet": lambda: (spd(3),),
    "linalg.cholesky": lambda: (spd(3),),
    "linalg.cholesky_ex": lambda: (spd(3),),
    "linalg.eigh": lambda: (spd(3),),
    "linalg.eigvalsh": lambda: (spd(3),),
    "linalg.qr": lambda: (x(2, 4, 3),),
    "linalg.svd": lambda: (x(2, 4, 3), False),
    "linalg.svdvals": lambda: (x(2, 4, 3),),
    "linalg.lu": lambda: (x(2, 3, 3),),
    "linalg.lu_factor": lambda: (x(2, 3, 3),),
    "linalg.lu_solve": lambda: (*lu(), x(3, 2)),
    "minigrad.lu_unpack": lambda: lu(),
    "linalg.solve": lambda: (spd(3), x(3, 2)),
    "linalg.solve_ex": lambda: (spd(3), x(3, 2)),
    "minigrad.triangular_solve": lambda: (x(3, 2), spd(3)),
    "minigrad.cholesky_solve": lambda: (x(3, 2), spd(3)),
    "minigrad.cholesky_inverse": lambda: (spd(3),),
    "linalg.lstsq": lambda: (x(4, 3), x(4, 2)),
    "linalg.pinv": lambda: (x(2, 4, 3),),
    "linalg.matrix_power": lambda: (spd(3), 3),
    "linalg.matrix_exp": lambda: (x(2, 3, 3),),
    "linalg.matrix_norm": lambda: (x(2, 4, 3), 2),
    "linalg.matrix_rank": lambda: (x(2, 4, 3),),
    "linalg.vector_norm": lambda: (x(2, 4), 3, 1),
    "linalg.norm": lambda: (x(4, 3), "nuc"),
    "linalg.cond": lambda: (x(2, 3, 3), 2),
    "linalg.multi_dot": lambda: ([x(2, 3), x(3, 4), x(4, 2)],),
    "linalg.vecdot": lambda: (x(2, 3), x(2, 3)),
    "linalg.cross": lambda: (x(2, 3), x(2, 3)),
    "linalg.vander": lambda: (x(2, 3), ),
    "linalg.tensorinv": lambda: (x(2, 3, 6), 2),
    "linalg.tensorsolve": lambda: (x(2, 3, 6), x(2, 3)),
    "linalg.householder_product": lambda: (x(4, 3), x(3)),
    "minigrad.ormqr": lambda: (x(4, 3), x(3), x(4, 2)),
}  # fmt: skip
_LAYERS: dict[str, Call] = {
    "linear": lambda: (x(2, 3), x(4, 3), x(4)),
    "bilinear": lambda: (x(2, 3), x(2, 4), x(5, 3, 4), x(5)),
    "embedding": lambda: (i(5, 2, 3), x(5, 4), 1, 2.0),
    "embedding_bag": lambda: (i(5, 7), x(5, 4), mg.tensor([0, 2, 2, 5])),
    "one_hot": lambda: (i(5, 2), 5),
    "conv1d": lambda: (x(2, 4, 8), x(6, 2, 3), x(6), 2, 1, 1, 2),
    "conv2d": lambda: (x(2, 4, 6, 6), x(6, 2, 3, 3), x(6), (2, 1), 1, 1, 2),
    "conv3d": lambda: (x(1, 2, 4, 4, 4), x(3, 2, 2, 2, 2), x(3)),
    "conv_transpose1d": lambda: (x(2, 4, 5), x(4, 3, 3), x(6), 2, 1, 1, 2),
    "conv_transpose2d": lambda: (x(2, 4, 4, 4), x(4, 3, 3, 3), x(6), 2, 1, 1, 2),
    "conv_transpose3d": lambda: (x(1, 2, 3, 3, 3), x(2, 3, 2, 2, 2)),
    "unfold": lambda: (x(2, 3, 5, 5), 3, 1, 1, 2),
    "fold": lambda: (x(2, 12, 9), (4, 4), 2),
    "max_pool1d": lambda: (x(2, 3, 8), 3, 2, 1),
    "max_pool2d": lambda: (x(2, 3, 6, 6), 3, 2, 1),
    "max_pool3d": lambda: (x(1, 2, 4, 4, 4), 2),
    "max_pool2d_with_indices": lambda: (x(2, 3, 6, 6), 3, 2, 1),
    "avg_pool1d": lambda: (x(2, 3, 8), 3, 2, 1),
    "avg_pool2d": lambda: (x(2, 3, 6, 6), 3, 2, 1),
    "avg_pool3d": lambda: (x(1, 2, 4, 4, 4), 2),
    "lp_pool2d": lambda: (x(2, 3, 6, 6), 2.0, 3, 2),
    "adaptive_avg_pool1d": lambda: (x(2, 3, 8), 3),
    "adaptive_avg_pool2d": lambda: (x(2, 3, 6, 5), (3, 2)),
    "adaptive_max_pool2d": lambda: (x(2, 3, 6, 5), (3, 2)),
    "adaptive_max_pool3d": lambda: (x(1, 2, 4, 4, 4), 2),
    "max_unpool1d": lambda: (x(2, 3, 4), mg.arange(0, 8, 2).expand(2, 3, 4), 2),
    "max_unpool2d": lambda: (x(1, 1, 2, 2), mg.tensor([[[[0, 2], [8, 15]]]]), 2),
    "interpolate": lambda: (x(2, 3, 4, 4), (3, 7)),
    "upsample_bilinear": lambda: (x(2, 3, 4, 4), (3, 7)),
    "grid_sample": lambda: (x(2, 3, 4, 4), x(2, 3, 3, 2)),
    "affine_grid": lambda: (x(2, 2, 3), (2, 3, 4, 4)),
    "pixel_shuffle": lambda: (x(2, 8, 3, 3), 2),
    "pixel_unshuffle": lambda: (x(2, 3, 4, 4), 2),
    "channel_shuffle": lambda: (x(2, 6, 3, 3), 3),
    "pad": lambda: (x(2, 3, 4, 4), (1, 2, 0, 1), "reflect"),
    "batch_norm": lambda: (x(4, 3, 2), p(3), p(3), p(3), p(3), True),
    "instance_norm": lambda: (x(4, 3, 2), p(3), p(3), p(3), p(3)),
    "layer_norm": lambda: (x(4, 3, 2), (3, 2), x(3, 2), x(3, 2)),
    "rms_norm": lambda: (x(4, 3, 2), (2,), x(2)),
    "group_norm": lambda: (x(4, 6, 2), 3, p(6), p(6)),
    "local_response_norm": lambda: (x(2, 5, 3), 3),
    "normalize": lambda: (x(4, 3),),
    "softmax": lambda: (x(4, 3), 1),
    "log_softmax": lambda: (x(4, 3), 1),
    "glu": lambda: (x(4, 6), 1),
    "prelu": lambda: (x(4, 3, 2), p(3)),
    "gumbel_softmax": lambda: (x(4, 3), 1.0, True),
    "scaled_dot_product_attention": lambda: (x(2, 2, 5, 4), x(2, 2, 6, 4), x(2, 2, 6, 3), b(5, 6)),
    "dropout1d": lambda: (x(4, 3, 2), 0.5),
    "dropout2d": lambda: (x(4, 3, 2, 2), 0.5),
    "cosine_similarity": lambda: (x(4, 3), x(4, 3)),
    "pairwise_distance": lambda: (x(4, 3), x(4, 3)),
    "pdist": lambda: (x(4, 3),),
}
_LOSSES: dict[str, Call] = {
    "mse_loss": lambda: (x(4, 3), x(4, 3)),
    "l1_loss": lambda: (x(4, 3), x(4, 3)),
    "huber_loss": lambda: (x(4, 3), x(4, 3), "mean", 0.5),
    "smooth_l1_loss": lambda: (x(4, 3), x(4, 3)),
    "cross_entropy": lambda: (x(4, 5), i(5, 4), p(5)),
    "nll_loss": lambda: (x(4, 5, 2), i(5, 4, 2), p(5)),
    "linear_cross_entropy": lambda: (x(4, 3), x(5, 3), i(5, 4)),
    "binary_cross_entropy": lambda: (p(4, 3), p(4, 3), p(3)),
    "binary_cross_entropy_with_logits": lambda: (x(4, 3), p(4, 3), p(3)),
    "kl_div": lambda: (x(4, 3), p(4, 3)),
    "poisson_nll_loss": lambda: (x(4, 3), p(4, 3)),
    "gaussian_nll_loss": lambda: (x(4, 3), x(4, 3), p(4, 3)),
    "hinge_embedding_loss": lambda: (x(4, 3), b(4, 3) * 2 - 1),
    "margin_ranking_loss": lambda: (x(4), x(4), b(4) * 2 - 1),
    "soft_margin_loss": lambda: (x(4), b(4) * 2 - 1),
    "multi_margin_loss": lambda: (x(4, 5), i(5, 4), 1, 1.0, p(5)),
    "multilabel_margin_loss": lambda: (x(2, 4), mg.tensor([[1, 3, -1, 0], [0, -1, 2, 1]])),
    "multilabel_soft_margin_loss": lambda: (x(4, 5), p(4, 5), p(5)),
    "cosine_embedding_loss": lambda: (x(4, 3), x(4, 3), i(2, 4) * 2 - 1),
    "triplet_margin_loss": lambda: (x(4, 3), x(4, 3), x(4, 3)),
    "ctc_loss": lambda: (
        mg.log_softmax(x(6, 2, 4), -1), i(3, 2, 2) + 1, mg.tensor([6, 5]), mg.tensor([2, 1])
    ),
}  # fmt: skip
#: By name, what makes the arguments of a call that works.
VALID: dict[str, Call] = {
    **_INDEXING, **_SHAPES, **_MATRICES,
    **{f"nn.functional.{name}": call for name, call in {**_LAYERS, **_LOSSES}.items()},
}  # fmt: skip

_DTYPES = [mg.float64, mg.float16, mg.int64, mg.int32, mg.uint8, mg.bool, mg.bfloat16]


def _other_tensor(draw: Any, t: Tensor) -> Any:
    """The same tensor, but for one thing."""
    what = draw(st.integers(0, 9))
    d = draw(st.integers(0, max(t.ndim - 1, 0)))
    if what == 0:
        return t.to(draw(st.sampled_from(_DTYPES)))
    if what == 1:
        return t.unsqueeze(0)
    if what == 2:
        return t.sum() if not t.ndim else t.select(d, 0) if t.shape[d] else t.squeeze()
    if what == 3 and t.ndim:
        return t.narrow(d, 0, draw(st.integers(0, t.shape[d])))
    if what == 4 and t.ndim:
        return mg.cat([t, t], d)
    if what == 5 and t.ndim > 1:
        return t.transpose(0, d)
    if what == 6 and t.numel():
        odd = [-1, 99, 2**40] if not t.is_floating_point() else [np.nan, np.inf, -np.inf, 1e30]
        array = t.numpy().copy()
        with np.errstate(all="ignore"):
            array.flat[draw(st.integers(0, array.size - 1))] = np.asarray(
                draw(st.sampled_from(odd))
            ).astype(array.dtype)
        return mg.tensor(array)
    if what == 7 and t.ndim:
        return t.narrow(d, 0, 0)
    if what == 8:
        return draw(st.sampled_from([None, 1, 1.5, "typo", []]))
    return t.repeat_interleave(2, d)[(slice(None),) * d + (slice(None, None, 2),)] if t.ndim else t


_INTS = [-1, 0, 1, 2, 3, 5, 7, -3, 2**40, 2**63, None, 1.5, "typo", True, (1, 2)]


def _other(draw: Any, value: Any) -> Any:
    if isinstance(value, Tensor):
        return _other_tensor(draw, value)
    if isinstance(value, (tuple, list)) and value:
        k = draw(st.integers(0, len(value) - 1))
        parts = list(value)
        which = draw(st.integers(0, 3))
        if which == 0:
            del parts[k]
        elif which == 1:
            parts.append(parts[k])
        else:
            parts[k] = _other(draw, parts[k])
        return type(value)(parts)
    if isinstance(value, str):
        return draw(st.sampled_from(["", "typo", "sum", "mean", "circular", None, 1]))
    return draw(st.sampled_from(_INTS))


def spoiled(draw: Any, name: str) -> list[Any]:
    """The arguments of a working call, up to two of them changed; some tensors require grad."""
    args = list(VALID[name]())
    for _ in range(draw(st.integers(0, 2))):
        k = draw(st.integers(0, len(args) - 1))
        args[k] = _other(draw, args[k])
    if name.startswith("Tensor.") and not isinstance(args[0], Tensor):
        args[0] = x(3, 4)
    return [_leaf(a) if draw(st.booleans()) else a for a in args]


def _leaf(value: Any) -> Any:
    floating = isinstance(value, Tensor) and value.dtype in (mg.float32, mg.float64, mg.float16)
    return value.detach().requires_grad_() if floating else value
