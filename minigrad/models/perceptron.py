"""The perceptron: one linear threshold unit, and the rule by which it learns."""

from __future__ import annotations

from minigrad import nn
from minigrad.core.modes import no_grad
from minigrad.core.tensor import Tensor
from minigrad.nn.linear import new_parameter

__all__ = ["Perceptron", "PerceptronLoss"]


class Perceptron(nn.Module):
    """``y = 1 if w . x + b >= 0 else 0``: a hyperplane with two sides (Rosenblatt 1958).

    The step has no useful derivative, so a perceptron learns by a rule of its own: look at one
    example after the other, do nothing where the answer is right, and where it is wrong add the
    error times the input to the weights,

    ::

        w <- w + lr * (t - y) * x
        b <- b + lr * (t - y)

    If a hyperplane separates the classes, the rule finds one after at most ``(R / margin)**2``
    errors, R the length of the longest input (Novikoff 1962). If none does, as for XOR, it never
    comes to rest (Minsky and Papert 1969).

    Parameters
    ----------
    in_features : int

    Attributes
    ----------
    weight : Parameter, shape (in_features,)
        Starts at 0.
    bias : Parameter, shape ()
        Starts at 0.

    References
    ----------
    Rosenblatt, "The perceptron: a probabilistic model for information storage and organization in
    the brain", 1958.

    Examples
    --------
    >>> import minigrad as mg
    >>> corners = mg.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> unit = Perceptron(2)
    >>> unit.learn(corners, mg.tensor([0.0, 0.0, 0.0, 1.0]), epochs=10)  # AND: errors per epoch
    [2, 3, 3, 2, 1, 0]
    >>> unit(corners)
    tensor([0., 0., 0., 1.])
    """

    def __init__(self, in_features: int) -> None:
        super().__init__()
        self.in_features = in_features
        self.weight = new_parameter((in_features,))
        self.bias = new_parameter(())
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set weights and bias to 0."""
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)

    def score(self, x: Tensor) -> Tensor:
        """The signed, unnormalized distance from the hyperplane, ``w . x + b``; differentiable.

        Parameters
        ----------
        x : Tensor, shape (..., in_features)

        Returns
        -------
        Tensor, shape (...)
        """
        return x.matmul(self.weight) + self.bias

    def forward(self, x: Tensor) -> Tensor:
        """The side of the hyperplane, 0 or 1; no gradient flows back.

        Parameters
        ----------
        x : Tensor, shape (..., in_features)

        Returns
        -------
        Tensor, shape (...)
        """
        with no_grad():
            return (self.score(x) >= 0).to(x.dtype)

    def learn(self, x: Tensor, target: Tensor, epochs: int = 100, lr: float = 1.0) -> list[int]:
        """Apply the rule to one example after the other, until an epoch passes without an error.

        Parameters
        ----------
        x : Tensor, shape (N, in_features)
        target : Tensor, shape (N,)
            0 or 1.
        epochs : int
            How often to go through the examples at most.
        lr : float
            The size of a step. From zero weights it only scales the result.

        Returns
        -------
        list of int
            The number of errors in each epoch; the last one is 0 if the rule came to rest.
        """
        if x.ndim != 2 or x.shape[1] != self.in_features or target.shape != x.shape[:1]:
            raise RuntimeError(
                f"Perceptron.learn: expected x of shape (N, {self.in_features}) and target of "
                f"shape (N,), got {tuple(x.shape)} and {tuple(target.shape)}"
            )
        errors: list[int] = []
        with no_grad():
            for _ in range(epochs):
                errors.append(sum(self._learn_one(x[i], target[i], lr) for i in range(len(x))))
                if errors[-1] == 0:
                    break
        return errors

    def _learn_one(self, x: Tensor, target: Tensor, lr: float) -> bool:
        """One application of the rule; whether there was an error."""
        error = target.to(x.dtype) - self(x)
        if error.item() == 0:
            return False
        self.weight.add_(lr * error * x)
        self.bias.add_(lr * error)
        return True

    def extra_repr(self) -> str:
        """The number of inputs."""
        return f"in_features={self.in_features}"


class PerceptronLoss(nn.Module):
    """``sum_i max(0, -s_i z_i)``, ``s = 2 t - 1`` being -1 or 1: the rule as a gradient.

    An example on the right side costs nothing; one on the wrong side costs its distance. The
    gradient of an example with an error is ``-s x``, so that a step of stochastic gradient descent
    with batches of one *is* Rosenblatt's rule.

    Examples
    --------
    >>> import minigrad as mg
    >>> unit = Perceptron(2)
    >>> _ = unit.bias.data.fill_(0.5)
    >>> loss = PerceptronLoss()(unit.score(mg.tensor([[1.0, 2.0]])), mg.tensor([0.0]))
    >>> loss.backward()
    >>> unit.weight.grad
    tensor([1., 2.])
    """

    def forward(self, score: Tensor, target: Tensor) -> Tensor:
        """The sum over the examples.

        Parameters
        ----------
        score : Tensor, shape (N,)
        target : Tensor, shape (N,)
            0 or 1.
        """
        return (-(2 * target.to(score.dtype) - 1) * score).relu().sum()
