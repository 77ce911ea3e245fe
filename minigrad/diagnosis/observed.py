"""What was seen of training steps: what the checks look at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from minigrad.diagnosis.layers import Layer

__all__ = ["LOSSES", "Call", "Observed", "Origin", "Step"]

Array = np.ndarray[Any, Any]

#: Operations that compare predictions (first) with targets (second).
LOSSES = (
    "cross_entropy", "nll_loss", "mse_loss", "squared_error", "absolute_error", "huber",
    "smooth_l1", "bce", "bce_with_logits", "kl_pointwise", "kl_pointwise_log",
    "linear_cross_entropy",
)  # fmt: skip


class Origin(NamedTuple):
    """Where a tensor comes from.

    Attributes
    ----------
    layer : Layer or None
        The last layer with weights on the way here.
    op : str
        The last operation that computed, forms left out.
    fresh : bool
        Whether nothing but changes of form lies between it and that layer.
    target : bool
        Whether it is, or is a form of, a target.
    """

    layer: Layer | None = None
    op: str = ""
    fresh: bool = False
    target: bool = False


class Call(NamedTuple):
    """An operation that was computed.

    Attributes
    ----------
    name : str
    path : str
        The module it ran in.
    inputs : tuple of Tensor
    origins : tuple of Origin
    outputs : tuple of Tensor
    line : str
        The user's line.
    """

    name: str
    path: str
    inputs: tuple[Any, ...]
    origins: tuple[Origin, ...]
    outputs: tuple[Any, ...]
    line: str


@dataclass
class Step:
    """What was seen of one training step.

    Attributes
    ----------
    layers : dict of str to Layer
        In the order of their first calls.
    calls : list of Call
        The operations forward that a check may ask for: losses, softmax and sigmoid, and what
        compares with targets.
    losses : list of float
        Where backward passes began.
    read : dict of int to int
        Parameters that operations read, by id: the how manyth it was.
    recorded : dict of int to bool
        Whether what they were read for has a graph.
    reached : dict of int to Tensor
        Parameters that a gradient arrived at, by id.
    stale : dict of int to float
        Norms of gradients that an update had used, that were still there when the next backward
        pass began, and that the next update used again; by ``id`` of the parameter.
    emptied : set of int
        Parameters that a gradient had arrived at, and whose gradient was gone when the optimizer
        made its step, by id.
    updated : dict of int to float
        How far each parameter went, relative to its length.
    modes : dict of str to (Module, bool)
        Whether each module that was called was in training mode.
    trains : bool
        Whether parameters were changed.
    error : BaseException or None
        What ended it.
    bad : Call or None
        The first operation forward that gave what is not finite.
    bad_backward : tuple of str, or None
        The first derivative that did: the operation, the layer, the user's line.
    """

    layers: dict[str, Layer] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    read: dict[int, int] = field(default_factory=dict)
    recorded: dict[int, bool] = field(default_factory=dict)
    reached: dict[int, Any] = field(default_factory=dict)
    stale: dict[int, float] = field(default_factory=dict)
    emptied: set[int] = field(default_factory=set)
    updated: dict[int, float] = field(default_factory=dict)
    modes: dict[str, tuple[Any, bool]] = field(default_factory=dict)
    trains: bool = False
    error: BaseException | None = None
    bad: Call | None = None
    bad_backward: tuple[str, str, str] | None = None


@dataclass
class Observed:
    """All that the checks look at.

    Attributes
    ----------
    model : Module
    names : dict of int to str
        Paths of the modules, by id.
    parameters : dict of str to Parameter
    optimizers : list of Optimizer
    inputs, targets : list of Tensor
    output : ndarray or None
        What the network gave in the first step.
    gradients, later : dict of int to ndarray
        Those of the parameters after the first and after the last step, by id.
    steps : list of Step
    probes : dict of float to list of float
        Losses of short runs, by the factor of the learning rate.
    """

    model: Any
    names: dict[int, str]
    parameters: dict[str, Any]
    optimizers: list[Any]
    inputs: list[Any]
    targets: list[Any]
    output: Array | None = None
    gradients: dict[int, Array] = field(default_factory=dict)
    later: dict[int, Array] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    probes: dict[float, list[float]] = field(default_factory=dict)

    @property
    def first(self) -> Step:
        """The first step."""
        return self.steps[0]

    @property
    def hidden(self) -> list[Layer]:
        """Layers with weights but the last one, in order."""
        return [x for x in self.weighted if not x.last]

    @property
    def weighted(self) -> list[Layer]:
        """Layers with matrices or filters, in the order they were called."""
        return [x for x in self.first.layers.values() if x.weights]

    def rate(self) -> float:
        """The largest learning rate."""
        return max(float(g["lr"]) for o in self.optimizers for g in o.param_groups)

    @property
    def loss(self) -> float | None:
        """The loss of the first step."""
        return self.first.losses[0] if self.first.losses else None

    @property
    def learned(self) -> bool:
        """Whether the loss is below half of what the best constant prediction would have.

        What looks sick in a network that does what it should (large weights, saturated units) is
        the result of its training.
        """
        chance = self.chance()
        return chance is not None and self.loss is not None and self.loss < 0.5 * chance

    def chance(self) -> float | None:
        """The loss of the best prediction that does not look at the input, where that is known."""
        calls = [c for c in self.first.calls if c.name in LOSSES]
        if len(self.targets) != 1 or not calls or not self.targets[0].array.size:
            return None
        t, kind = self.targets[0].array, calls[-1].name
        if kind in ("cross_entropy", "nll_loss", "linear_cross_entropy") and t.dtype.kind in "iu":
            share = np.unique(t, return_counts=True)[1] / t.size
            return float(-(share * np.log(share)).sum())
        if kind in ("mse_loss", "squared_error"):
            return float(np.var(t, axis=0, dtype=np.float64).mean())
        if kind in ("bce", "bce_with_logits"):
            p = np.clip(t.mean(0, dtype=np.float64), 1e-6, 1 - 1e-6)
            return float(-(p * np.log(p) + (1 - p) * np.log(1 - p)).mean())
        return None
