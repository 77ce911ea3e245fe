"""Transfer: freeze what has been learned, learn the rest, and unfreeze in stages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minigrad.nn.module import M, Module

__all__ = ["StagedUnfreezing", "freeze", "unfreeze"]


def freeze(module: M, *names: str) -> M:
    """Let parameters stay as they are: they need no gradient, and optimizers pass them over.

    A frozen batch norm still follows the statistics of the data in training: call ``eval()`` on it
    if it should not.

    Parameters
    ----------
    module : Module
    *names : str
        Submodules or parameters of it, such as ``"0"``, ``"encoder.1"`` or ``"head.bias"``; the
        whole module if there are none.

    Returns
    -------
    Module
        The module itself.

    Raises
    ------
    AttributeError
        If there is no parameter or submodule of a name.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.train import freeze
    >>> net = freeze(mg.nn.Sequential(mg.nn.Linear(2, 3), mg.nn.Linear(3, 1)), "0")
    >>> [name for name, p in net.named_parameters() if p.requires_grad]
    ['1.weight', '1.bias']
    """
    return _set(module, names, False)


def unfreeze(module: M, *names: str) -> M:
    """Let parameters learn again; the counterpart of :func:`freeze`, with its arguments.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.train import freeze, unfreeze
    >>> net = unfreeze(freeze(mg.nn.Linear(2, 1)), "bias")
    >>> [name for name, p in net.named_parameters() if p.requires_grad]
    ['bias']
    """
    return _set(module, names, True)


def _set(module: M, names: tuple[str, ...], flag: bool) -> M:
    known = dict(module.named_parameters(remove_duplicate=False))
    for name in names or ("",):
        found = [p for k, p in known.items() if not name or k == name or k.startswith(f"{name}.")]
        if name and not found:
            raise AttributeError(
                f"{type(module).__name__} has no parameters at {name!r}; it has {sorted(known)}"
            )
        for p in found:
            p.requires_grad_(flag)
            if not flag:
                p.grad = None
    return module


class StagedUnfreezing:
    r"""Fine-tuning from the head down: one more stage learns every few epochs.

    At first only the last stage, the head, learns; a head of random weights would otherwise spoil
    the layers below with its first large gradients. After each `every` calls of :meth:`step` the
    next lower one joins (gradual unfreezing, Howard & Ruder 2018; that lower layers are the more
    general: Yosinski et al. 2014).

    Parameters
    ----------
    stages : sequence of Module
        From the input to the head. Stages without parameters are left out.
    every : int
        Epochs until the next stage joins.

    Attributes
    ----------
    active : int
        How many stages learn.

    Raises
    ------
    ValueError
        If there are no stages, or `every` is below 1.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.train import StagedUnfreezing
    >>> net = mg.nn.Sequential(mg.nn.Linear(4, 3), mg.nn.ReLU(), mg.nn.Linear(3, 2))
    >>> stages = StagedUnfreezing(net)
    >>> optimizer = mg.optim.SGD(stages.param_groups(lr=0.1, factor=2.0))
    >>> [g["lr"] for g in optimizer.param_groups], net[0].weight.requires_grad
    ([0.05, 0.1], False)
    >>> stages.step(), net[0].weight.requires_grad
    (2, True)
    """

    def __init__(self, stages: Sequence[Module], every: int = 1) -> None:
        self.stages = [s for s in stages if next(s.parameters(), None) is not None]
        if not self.stages:
            raise ValueError("there must be at least one stage with parameters")
        if every < 1:
            raise ValueError(f"every must be at least 1, but got {every}")
        self.every = every
        self.epoch = 0
        self._apply()

    @property
    def active(self) -> int:
        """How many stages learn, counted from the head."""
        return min(1 + self.epoch // self.every, len(self.stages))

    def step(self) -> int:
        """Count one more epoch; returns how many stages learn in the next."""
        self.epoch += 1
        self._apply()
        return self.active

    def _apply(self) -> None:
        first = len(self.stages) - self.active
        for stage in self.stages[:first]:
            freeze(stage)
        for stage in self.stages[first:]:
            unfreeze(stage)

    def param_groups(self, lr: float, factor: float = 2.6) -> list[dict[str, Any]]:
        """Parameter groups for an optimizer: the rate falls by `factor` from stage to stage.

        Parameters
        ----------
        lr : float
            The rate of the head.
        factor : float
            What the rate of the stage below is divided by (2.6 in Howard & Ruder 2018).

        Returns
        -------
        list of dict
            One group for each stage, the input's first. Frozen ones get no gradient, so they stay.
        """
        top = len(self.stages) - 1
        return [
            {"params": list(stage.parameters()), "lr": lr / factor ** (top - i)}
            for i, stage in enumerate(self.stages)
        ]

    def state_dict(self) -> dict[str, Any]:
        """The epoch."""
        return {"epoch": self.epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on at the epoch that was saved."""
        self.epoch = state_dict["epoch"]
        self._apply()
