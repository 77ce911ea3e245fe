"""The Kullback-Leibler divergence between distributions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from minigrad import linalg
from minigrad.core.tensor import Tensor
from minigrad.distributions.discrete import Bernoulli, Categorical, OneHotCategorical
from minigrad.distributions.distribution import Distribution
from minigrad.distributions.joint import Independent, MultivariateNormal, _sum_last
from minigrad.distributions.normal import Normal, Uniform
from minigrad.nn.functional import softplus
from minigrad.ops.arithmetic import where

__all__ = ["kl_divergence", "register_kl"]

Rule = Callable[[Any, Any], Tensor]
_R = TypeVar("_R", bound=Rule)
_RULES: dict[tuple[type, type], Rule] = {}


def register_kl(type_p: type, type_q: type) -> Callable[[_R], _R]:
    """A decorator for the function that computes the divergence of two kinds of distributions.

    It also serves their subclasses; of several that fit, that of the nearest base class of `p`,
    then of `q`, is used.
    """
    for kind in (type_p, type_q):
        if not (isinstance(kind, type) and issubclass(kind, Distribution)):
            raise TypeError(f"Expected a subclass of Distribution but got {kind!r}")

    def register(rule: _R) -> _R:
        _RULES[type_p, type_q] = rule
        return rule

    return register


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    r"""The divergence :math:`\int p \log(p / q)` of `q` from `p`, for each variable.

    Raises
    ------
    NotImplementedError
        If no rule was registered for the two kinds.

    Examples
    --------
    >>> kl_divergence(Normal(0.0, 1.0), Normal(1.0, 1.0))
    tensor(0.5000)
    """
    for kind_p in type(p).__mro__:
        for kind_q in type(q).__mro__:
            rule = _RULES.get((kind_p, kind_q))
            if rule is not None:
                return rule(p, q)
    raise NotImplementedError(
        f"No KL(p || q) is implemented for p type {type(p).__name__} and q type "
        f"{type(q).__name__}; register_kl adds one"
    )


@register_kl(Normal, Normal)
def _normal(p: Normal, q: Normal) -> Tensor:
    ratio = (p.scale / q.scale) ** 2
    shift = ((p.loc - q.loc) / q.scale) ** 2
    return 0.5 * (ratio + shift - 1 - ratio.log())


@register_kl(Uniform, Uniform)
def _uniform(p: Uniform, q: Uniform) -> Tensor:
    divergence = ((q.high - q.low) / (p.high - p.low)).log()
    outside = (q.low > p.low) | (q.high < p.high)
    found: Tensor = where(outside, float("inf"), divergence)
    return found


@register_kl(Bernoulli, Bernoulli)
def _bernoulli(p: Bernoulli, q: Bernoulli) -> Tensor:
    # Of log p = -softplus(-logit): where a side of p has no chance, it does not count.
    ones = p.probs * (softplus(-q.logits) - softplus(-p.logits))
    zeros = (1 - p.probs) * (softplus(q.logits) - softplus(p.logits))
    possible = (ones + zeros).masked_fill((q.probs == 0) & (p.probs > 0), float("inf"))
    return possible.masked_fill((q.probs == 1) & (p.probs < 1), float("inf"))


@register_kl(Categorical, Categorical)
def _categorical(p: Categorical, q: Categorical) -> Tensor:
    terms = p.probs * (p.logits - q.logits)
    terms = terms.masked_fill(q.probs == 0, float("inf"))
    return terms.masked_fill(p.probs == 0, 0.0).sum(-1)


@register_kl(OneHotCategorical, OneHotCategorical)
def _one_hot(p: OneHotCategorical, q: OneHotCategorical) -> Tensor:
    return _categorical(p._categorical, q._categorical)


@register_kl(Independent, Independent)
def _independent(p: Independent, q: Independent) -> Tensor:
    count = p.reinterpreted_batch_ndims
    if count != q.reinterpreted_batch_ndims:
        raise NotImplementedError(
            "the divergence of Independent distributions needs equal reinterpreted_batch_ndims, "
            f"got {count} and {q.reinterpreted_batch_ndims}"
        )
    each = kl_divergence(p.base_dist, q.base_dist)
    return _sum_last(each, count)


@register_kl(MultivariateNormal, MultivariateNormal)
def _multivariate(p: MultivariateNormal, q: MultivariateNormal) -> Tensor:
    if p.event_shape != q.event_shape:
        raise ValueError(
            "KL-divergence between two Multivariate Normals with different event shapes cannot be "
            f"computed: {p.event_shape} and {q.event_shape}"
        )
    shift = (q.loc - p.loc).unsqueeze(-1)
    z = linalg.solve_triangular(q._factor, shift, upper=False).squeeze(-1)
    ratio = linalg.solve_triangular(q._factor, p._factor, upper=False)
    squares = (ratio**2).sum((-2, -1)) + (z**2).sum(-1)
    found: Tensor = 0.5 * (squares - p.event_shape[0]) + q._log_det() - p._log_det()
    return found
