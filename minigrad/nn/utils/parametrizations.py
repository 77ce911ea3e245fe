"""Parametrizations of weights: by length and direction, of norm 1, orthogonal."""

from __future__ import annotations

from enum import Enum, auto
from typing import Any

import numpy as np

from minigrad.core.modes import no_grad
from minigrad.core.plain import plain
from minigrad.core.tensor import Array, Tensor, given
from minigrad.nn.module import M, Module
from minigrad.nn.utils import parametrize
from minigrad.nn.utils.norms import default_dim, scaled, unit, weight_matrix, write
from minigrad.ops.aliases import norm_except_dim
from minigrad.ops.join import cat

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]


def _tensor_named(module: Module, name: str) -> Tensor:
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    return weight


# -- length and direction --------------------------------------------------------------------------


class _WeightNorm(Module):
    """``g v / ||v||``, of a length and a direction for each entry along a dimension."""

    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        """The weight."""
        return scaled(weight_g, weight_v, self.dim)

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Length and direction of a weight."""
        return norm_except_dim(weight, 2, self.dim), weight


def weight_norm(module: M, name: str = "weight", dim: int = 0) -> M:
    r"""Learn the length and the direction of weights apart: :math:`w = g \, v / \lVert v \rVert`.

    Salimans and Kingma 2016. The gradient of `v` is perpendicular to `w`, so that its length only
    grows, which slows down the directions that have been moved most.

    Parameters
    ----------
    module : Module
    name : str
        Of the parameter. Instead of it there are ``parametrizations.weight.original0`` (g) and
        ``parametrizations.weight.original1`` (v).
    dim : int or None
        The dimension whose entries have a length each: 0 for one per output; None for a single
        length of the whole tensor.

    Returns
    -------
    Module
        `module`.

    Examples
    --------
    >>> import minigrad as mg
    >>> layer = mg.nn.utils.parametrizations.weight_norm(mg.nn.Linear(20, 40))
    >>> layer.parametrizations.weight.original0.shape
    minigrad.Size([40, 1])
    >>> layer.parametrizations.weight.original1.shape
    minigrad.Size([40, 20])
    """
    parametrize.register_parametrization(module, name, _WeightNorm(dim), unsafe=True)
    module.register_load_state_dict_pre_hook(_OldKeys(name))
    return module


class _OldKeys:
    """Reads what the older, hook based ``nn.utils.weight_norm`` saved."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, module: Module, state_dict: Any, prefix: str, *rest: Any) -> None:
        old = [f"{prefix}{self.name}_g", f"{prefix}{self.name}_v"]
        if all(key in state_dict for key in old):
            for i, key in enumerate(old):
                new = f"{prefix}parametrizations.{self.name}.original{i}"
                state_dict[new] = state_dict.pop(key)


# -- spectral norm ---------------------------------------------------------------------------------


class _SpectralNorm(Module):
    """A weight divided by its largest singular value, which power iteration follows."""

    _u: Tensor
    _v: Tensor

    def __init__(
        self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12
    ) -> None:
        super().__init__()
        ndim = weight.ndim
        if not -ndim <= dim < ndim:
            raise IndexError(
                "Dimension out of range (expected to be in range of "
                f"[-{ndim}, {ndim - 1}] but got {dim})"
            )
        if n_power_iterations <= 0:
            raise ValueError(
                "Expected n_power_iterations to be positive, but got "
                f"n_power_iterations={n_power_iterations}"
            )
        self.dim = dim % ndim
        self.eps = eps
        if ndim > 1:
            self.n_power_iterations = n_power_iterations
            with no_grad():
                matrix = weight_matrix(weight, self.dim)
                for name, size in zip(("_u", "_v"), matrix.shape, strict=True):
                    drawn = matrix.new_empty(size).normal_()
                    self.register_buffer(name, unit(drawn, eps))
            self._power_method(matrix, 15)

    def _power_method(self, matrix: Tensor, times: int) -> None:
        """Turn u and v towards the first left and right singular vectors, in place."""
        with no_grad():
            for _ in range(times):
                write(self._u, unit(matrix @ self._v, self.eps))
                write(self._v, unit(matrix.mT @ self._u, self.eps))

    def forward(self, weight: Tensor) -> Tensor:
        """The weight of spectral norm 1; in training, after a step of power iteration."""
        if weight.ndim == 1:
            return unit(weight, self.eps)
        matrix = weight_matrix(weight, self.dim)
        if self.training:
            self._power_method(matrix, self.n_power_iterations)
        # Copies: the buffers change before the backward pass if the weight is read again.
        u, v = self._u.clone(), self._v.clone()
        return weight / (u @ (matrix @ v))

    def right_inverse(self, value: Tensor) -> Tensor:
        """The value itself: what is set is divided by its norm when it is read."""
        return value


def spectral_norm(
    module: M, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12,
    dim: int | None = None,
) -> M:  # fmt: skip
    r"""Divide a weight by its largest singular value: :math:`W / \sigma(W)`.

    Miyato et al. 2018. The layer then has the Lipschitz constant 1, as the discriminator of a GAN
    should. The singular value is found by power iteration,
    :math:`u \leftarrow W v / \lVert W v \rVert`, :math:`v \leftarrow W^T u / \lVert W^T u \rVert`,
    :math:`\sigma \approx u^T W v`, which goes on a step each time the weight is read in training.

    Parameters
    ----------
    module : Module
    name : str
    n_power_iterations : int
        Steps at each reading.
    eps : float
        What norms count as at least.
    dim : int, optional
        The dimension of the outputs; all others together are the other one of the matrix. 0, and 1
        for transposed convolutions, by default.

    Returns
    -------
    Module
        `module`.

    Raises
    ------
    ValueError
        If there is no such tensor, or `n_power_iterations` is not positive.
    IndexError
        If `dim` is out of range.

    Examples
    --------
    >>> import minigrad as mg
    >>> layer = mg.nn.utils.parametrizations.spectral_norm(mg.nn.Linear(20, 40)).eval()
    >>> bool(mg.linalg.matrix_norm(layer.weight, 2) < 1.2)
    True
    >>> list(layer.state_dict())[1:]  # doctest: +NORMALIZE_WHITESPACE
    ['parametrizations.weight.original', 'parametrizations.weight.0._u',
     'parametrizations.weight.0._v']
    """
    weight = _tensor_named(module, name)
    along = default_dim(module) if dim is None else dim
    made = _SpectralNorm(weight, n_power_iterations, along, eps)
    return parametrize.register_parametrization(module, name, made)


# -- orthogonal matrices ---------------------------------------------------------------------------


class _OrthMaps(Enum):
    matrix_exp = auto()
    cayley = auto()
    householder = auto()


def _is_orthogonal(q: Tensor) -> bool:
    n, k = q.shape[-2:]
    precision = 10.0 * n * float(np.finfo(q.array.dtype).eps)
    product = (q.mT @ q).numpy()
    return bool(np.allclose(product, np.eye(k), atol=precision))


def _made_orthogonal(a: Tensor) -> Tensor:
    """The Q of the QR decomposition of a tall matrix, such that R has a positive diagonal."""
    x, tau = a.geqrf()
    q: Tensor = x.orgqr(tau)
    signs: Tensor = x.diagonal(0, -2, -1).sgn().unsqueeze(-2)
    return q * signs


@plain
def _signed(factored: Array, scales: Array) -> Array:
    """Vectors of reflections below the diagonal, and on it the signs that they are to have."""
    A = factored.copy()
    i = np.arange(A.shape[-1])
    signs = np.sign(A[..., i, i])  # those of R, as Q R with a positive diagonal is wanted
    A[..., i, i] = np.where(scales == 0, -signs, signs)  # no reflection there at all
    return A


class _Orthogonal(Module):
    """A matrix with orthonormal columns (or rows, if it is wide), of one without constraints."""

    def __init__(
        self, weight: Tensor, orthogonal_map: _OrthMaps, *, use_trivialization: bool = True
    ) -> None:
        super().__init__()
        self.shape = weight.shape
        self.orthogonal_map = orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X: Tensor) -> Tensor:
        """The orthogonal matrix."""
        wide = X.shape[-2] < X.shape[-1]
        X = X.mT if wide else X
        by_reflections = self.orthogonal_map is _OrthMaps.householder
        Q = self._reflected(X) if by_reflections else self._rotated(X)
        if "base" in self._buffers:
            Q = self.base @ Q
        return Q.mT if wide else Q

    def _rotated(self, X: Tensor) -> Tensor:
        """Of the skew-symmetric matrix below the diagonal of X: its exponential or Cayley map."""
        n, k = X.shape[-2:]
        X = X.tril()
        if n != k:
            rest = given(np.zeros((*X.shape[:-1], n - k), X.array.dtype))
            X = cat([X, rest], -1)
        A = X - X.mT
        if self.orthogonal_map is _OrthMaps.matrix_exp:
            Q: Tensor = A.matrix_exp()
        else:
            one = given(np.eye(n, dtype=A.array.dtype))
            from minigrad.linalg import solve  # loaded by those who need it

            Q = solve(one - 0.5 * A, one + 0.5 * A)
        return Q if n == k else Q[..., :k]

    def _reflected(self, X: Tensor) -> Tensor:
        """The product of the reflections whose vectors stand below the diagonal of X."""
        A = X.tril(-1)
        tau = 2.0 / (1.0 + (A * A).sum(-2))
        Q: Tensor = A.orgqr(tau)
        # The diagonal holds signs: truncated to integers, they get no gradient.
        return Q * X.diagonal(0, -2, -1).int().unsqueeze(-2)

    def right_inverse(self, Q: Tensor) -> Tensor:
        """What gives Q, or, if that is not orthogonal, the Q of its QR decomposition."""
        if Q.shape != self.shape:
            raise ValueError(
                f"Expected a matrix or batch of matrices of shape {self.shape}. Got a tensor of "
                f"shape {Q.shape}."
            )
        wide = Q.shape[-2] < Q.shape[-1]
        with no_grad():
            tall = (Q.mT if wide else Q).detach()
            if "base" not in self._buffers:
                found = self._reflections_of(tall)
                return found.mT if wide else found
            self.base = self._completed(tall)
        # Minus 1 is the sign with which all reflections at 0 give the identity.
        start = np.zeros(Q.array.shape, Q.array.dtype)
        i = np.arange(min(Q.shape[-2:]))
        start[..., i, i] = -1
        return given(start)

    def _reflections_of(self, Q: Tensor) -> Tensor:
        if self.orthogonal_map is not _OrthMaps.householder:
            raise NotImplementedError(
                "It is not possible to assign to the matrix exponential or the Cayley "
                "parametrizations when use_trivialization=False."
            )
        return _signed(tuple(Q.geqrf()))

    def _completed(self, Q: Tensor) -> Tensor:
        """An orthogonal square matrix that begins with Q."""
        n, k = Q.shape[-2:]
        if n == k:
            return Q.clone() if _is_orthogonal(Q) else _made_orthogonal(Q)
        drawn = Q.new_empty((*Q.shape[:-2], n, n - k)).normal_()
        return _made_orthogonal(cat([Q, drawn], -1))


def orthogonal(
    module: M, name: str = "weight", orthogonal_map: str | None = None, *,
    use_trivialization: bool = True,
) -> M:  # fmt: skip
    r"""Keep a matrix orthogonal in training: :math:`Q^T Q = I`, or :math:`Q Q^T = I` if it is wide.

    It neither stretches nor shrinks what goes through it, in either direction, however often: what
    recurrent networks need. Lezcano-Casado 2019.

    Parameters
    ----------
    module : Module
    name : str
        Of a matrix, or of a tensor that is a batch of them.
    orthogonal_map : {"matrix_exp", "cayley", "householder"}, optional
        How it is made from free parameters: :math:`\exp(A)` or
        :math:`(I + A/2)(I - A/2)^{-1}` of a skew-symmetric A, or a product of Householder
        reflections. By default ``"matrix_exp"`` for square matrices and ``"householder"`` for
        others, for which it costs less.
    use_trivialization : bool
        Keep a base B and learn a rotation from there, :math:`B Q`; B is the buffer
        ``parametrizations.weight.0.base``. Training goes better, and any orthogonal matrix can be
        assigned to the weight.

    Returns
    -------
    Module
        `module`; its weight is what it was, if that was orthogonal, and otherwise the Q of its QR
        decomposition (for ``"matrix_exp"`` and ``"cayley"`` only with `use_trivialization`).

    Raises
    ------
    ValueError
        If there is no such tensor, if it is a vector, or if `orthogonal_map` is none of the three.

    Examples
    --------
    >>> import minigrad as mg
    >>> layer = mg.nn.utils.parametrizations.orthogonal(mg.nn.Linear(20, 40))
    >>> Q = layer.weight
    >>> mg.allclose(Q.T @ Q, mg.eye(20), atol=1e-5)
    True
    """
    weight = _tensor_named(module, name)
    if weight.ndim < 2:
        raise ValueError(
            f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions."
        )
    if orthogonal_map is None:
        square = weight.shape[-2] == weight.shape[-1]
        orthogonal_map = "matrix_exp" if square else "householder"
    if orthogonal_map not in _OrthMaps.__members__:
        raise ValueError(
            'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". '
            f"Got: {orthogonal_map}"
        )
    made = _Orthogonal(
        weight, _OrthMaps[orthogonal_map], use_trivialization=use_trivialization
    )  # fmt: skip
    return parametrize.register_parametrization(module, name, made, unsafe=True)
