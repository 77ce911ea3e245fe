"""REINFORCE: learn from rewards what to choose, though no gradient flows through the choice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from minigrad.core.tensor import Tensor
from minigrad.names import tensor
from minigrad.optim import Adam

__all__ = ["Reinforce"]


class Reinforce:
    r"""Policy gradient with a moving average of rewards as its baseline.

    The expected reward of a policy has the gradient
    :math:`\nabla E[R] = E[(R - b) \nabla \log \pi(a)]` for any number b that does not depend on
    the choice: decisions that earned more than b become likelier. With b the average of earlier
    rewards, the estimate varies less.

    Parameters
    ----------
    policy : Module
        ``policy.sample(n)`` returns what has ``decisions`` (n rows), ``log_prob`` and ``entropy``
        (n numbers each), as :class:`minigrad.models.Controller` does.
    reward : callable
        What a row of decisions, a list of int, earns: a number, larger is better.
    optimizer : Optimizer, optional
        Of the policy's parameters; Adam with a rate of 0.01 by default.
    decay : float
        How much of the baseline remains in each step.
    entropy : float
        Reward for being undecided, against a policy that settles too early.

    Attributes
    ----------
    baseline : float or None
        The moving average.
    best : tuple of (list of int, float), or None
        The decisions that earned most so far, and how much.
    history : list of float
        The mean reward of each step.

    References
    ----------
    Williams 1992, "Simple statistical gradient-following algorithms for connectionist reinforcement
    learning".

    Examples
    --------
    The third of three options pays:

    >>> import minigrad as mg
    >>> from minigrad import models, train
    >>> _ = mg.manual_seed(0)
    >>> policy = models.Controller([3], hidden=8)
    >>> search = train.Reinforce(policy, lambda decisions: float(decisions[0] == 2))
    >>> for _ in range(60):
    ...     mean = search.step(8)
    >>> search.best, mean > 0.8
    (([2], 1.0), True)
    """

    def __init__(
        self, policy: Any, reward: Callable[[list[int]], float], optimizer: Any = None, *,
        decay: float = 0.9, entropy: float = 0.0,
    ) -> None:  # fmt: skip
        if not 0 <= decay < 1:
            raise ValueError(f"decay must be at least 0 and less than 1, got {decay}")
        self.policy = policy
        self.reward = reward
        self.optimizer = optimizer or Adam(policy.parameters(), lr=0.01)
        self.decay = decay
        self.entropy = entropy
        self.baseline: float | None = None
        self.best: tuple[list[int], float] | None = None
        self.history: list[float] = []

    def step(self, count: int = 8) -> float:
        """Let the policy choose `count` times, and learn from what that earned; the mean reward."""
        sampled = self.policy.sample(count)
        rows: list[list[int]] = sampled.decisions.tolist()
        rewards = [float(self.reward(row)) for row in rows]
        self._remember(rows, rewards)
        mean = sum(rewards) / len(rewards)
        baseline = mean if self.baseline is None else self.baseline
        loss = self._loss(sampled, rewards, baseline)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.baseline = self.decay * baseline + (1 - self.decay) * mean
        self.history.append(mean)
        return mean

    def _loss(self, sampled: Any, rewards: Sequence[float], baseline: float) -> Tensor:
        """What to make small: minus the surrogate of which the gradient is the policy's."""
        log_prob: Tensor = sampled.log_prob
        advantage = tensor([r - baseline for r in rewards], dtype=log_prob.dtype)
        surrogate: Tensor = advantage * log_prob + self.entropy * sampled.entropy
        return -surrogate.mean()

    def _remember(self, rows: list[list[int]], rewards: list[float]) -> None:
        for row, reward in zip(rows, rewards, strict=True):
            if self.best is None or reward > self.best[1]:
                self.best = (row, reward)
