"""Linear algebra under the names of ``torch.linalg``.

All functions take batches: dimensions before the last two are many matrices. LAPACK computes, by
way of numpy; every derivative can be differentiated again. Results are real: what has complex ones
for real input (:func:`eig`, :func:`eigvals`) is refused.

Examples
--------
>>> import minigrad as mg
>>> A = mg.tensor([[2.0, 1.0], [1.0, 3.0]], requires_grad=True)
>>> mg.linalg.slogdet(A).logabsdet.backward()
>>> mg.allclose(A.grad, mg.linalg.inv(A).mT)
True
"""

from __future__ import annotations

from typing import Any, NoReturn

from minigrad.core.ops.matmul import matmul as _matmul
from minigrad.core.tensor import Tensor
from minigrad.ops.guard import guarded
from minigrad.ops.linear_algebra.cholesky import cholesky_ex
from minigrad.ops.linear_algebra.cholesky import linalg_cholesky as cholesky
from minigrad.ops.linear_algebra.determinant import linalg_det as det
from minigrad.ops.linear_algebra.determinant import linalg_slogdet as slogdet
from minigrad.ops.linear_algebra.factorizations import eigh, eigvalsh, svdvals
from minigrad.ops.linear_algebra.factorizations import linalg_qr as qr
from minigrad.ops.linear_algebra.factorizations import linalg_svd as svd
from minigrad.ops.linear_algebra.lu import linalg_lu as lu
from minigrad.ops.linear_algebra.lu import linalg_lu_solve as lu_solve
from minigrad.ops.linear_algebra.lu import lu_factor, lu_factor_ex
from minigrad.ops.linear_algebra.matrices import LinAlgError
from minigrad.ops.linear_algebra.matrix_functions import householder_product, multi_dot, vecdot
from minigrad.ops.linear_algebra.matrix_functions import linalg_cross as cross
from minigrad.ops.linear_algebra.matrix_functions import linalg_diagonal as diagonal
from minigrad.ops.linear_algebra.matrix_functions import linalg_matrix_exp as matrix_exp
from minigrad.ops.linear_algebra.matrix_functions import linalg_matrix_power as matrix_power
from minigrad.ops.linear_algebra.matrix_functions import linalg_vander as vander
from minigrad.ops.linear_algebra.matrix_norms import cond, matrix_norm, matrix_rank
from minigrad.ops.linear_algebra.matrix_norms import linalg_norm as norm
from minigrad.ops.linear_algebra.norms import vector_norm
from minigrad.ops.linear_algebra.solve import (
    inv,
    inv_ex,
    lstsq,
    pinv,
    solve,
    solve_ex,
    tensorinv,
    tensorsolve,
)
from minigrad.ops.linear_algebra.triangular import solve_triangular

__all__ = [
    "LinAlgError", "cholesky", "cholesky_ex", "cond", "cross", "det", "diagonal", "eig", "eigh",
    "eigvals", "eigvalsh", "householder_product", "inv", "inv_ex", "lstsq", "lu", "lu_factor",
    "lu_factor_ex", "lu_solve", "matmul", "matrix_exp", "matrix_norm", "matrix_power",
    "matrix_rank", "multi_dot", "norm", "pinv", "qr", "slogdet", "solve", "solve_ex",
    "solve_triangular", "svd", "svdvals", "tensorinv", "tensorsolve", "vander", "vecdot",
    "vector_norm",
]  # fmt: skip


@guarded
def matmul(input: Tensor, other: Tensor) -> Tensor:
    """The product of matrices, vectors or batches of them; see :func:`minigrad.matmul`."""
    return _matmul(input, other)


@guarded
def eig(A: Tensor, **_: Any) -> NoReturn:
    """Refused: the eigenvalues of a matrix that is not symmetric are complex numbers."""
    raise RuntimeError(
        "linalg.eig: its results are complex, and minigrad has no complex numbers; for symmetric "
        "matrices use linalg.eigh, for singular values linalg.svd"
    )


@guarded
def eigvals(A: Tensor, **_: Any) -> NoReturn:
    """Refused: the eigenvalues of a matrix that is not symmetric are complex numbers."""
    raise RuntimeError(
        "linalg.eigvals: its results are complex, and minigrad has no complex numbers; for "
        "symmetric matrices use linalg.eigvalsh, for singular values linalg.svdvals"
    )
