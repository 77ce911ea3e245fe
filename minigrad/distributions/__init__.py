"""Random variables: samples, probabilities and their gradients.

A policy is trained with the gradient of ``log_prob``, an autoencoder with that of samples
(``rsample``) and of divergences (:func:`kl_divergence`)::

    policy = Categorical(logits=net(state))
    action = policy.sample()
    loss = -policy.log_prob(action) * reward
"""

from minigrad.distributions import constraints, kl
from minigrad.distributions.discrete import (
    Bernoulli,
    Categorical,
    OneHotCategorical,
    OneHotCategoricalStraightThrough,
)
from minigrad.distributions.distribution import Distribution
from minigrad.distributions.joint import Independent, MultivariateNormal
from minigrad.distributions.kl import kl_divergence, register_kl
from minigrad.distributions.normal import Normal, Uniform

__all__ = [
    "Bernoulli", "Categorical", "Distribution", "Independent", "MultivariateNormal", "Normal",
    "OneHotCategorical", "OneHotCategoricalStraightThrough", "Uniform", "constraints", "kl",
    "kl_divergence", "register_kl",
]  # fmt: skip
