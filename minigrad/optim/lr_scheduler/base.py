"""What all learning-rate schedules share: counting epochs, and writing rates into the groups."""

from __future__ import annotations

import types
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from minigrad.core.tensor import Tensor
from minigrad.ops.inplace import store
from minigrad.optim.optimizer import Optimizer, as_number

__all__ = ["LRScheduler"]

Rate = Any  # a float, or a 0-dim tensor that is written in place


def as_optimizer(optimizer: Any) -> Optimizer:
    """`optimizer`, if it is one."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
    return optimizer


def per_group(name: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """One value for each parameter group: a sequence as it is, a single one repeated."""
    groups = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [value] * groups
    if len(value) != groups:
        raise ValueError(
            f"{name} must have the same length as optimizer.param_groups. "
            f"{name} has {len(value)} values, param_groups has {groups}."
        )
    return list(value)


def positive(name: str, value: Any) -> Any:
    """A number of epochs; not 0, which would be divided by."""
    if not hasattr(value, "__float__"):
        raise TypeError(f"{name} must be a number, not {type(value).__name__} ({value!r})")
    if not value > 0:
        raise ValueError(f"Expected positive {name}, but got {value}")
    return value


def values_of(optimizer: Optimizer, key: str) -> list[Rate]:
    """What stands under `key` in each group; tensors are copied, for they are written in place."""
    values = [group[key] for group in optimizer.param_groups]
    return [v.clone() if isinstance(v, Tensor) else v for v in values]


def set_rate(group: dict[str, Any], value: Any, key: str = "lr") -> None:
    """Put a rate into a group: over the tensor, if it is kept in one."""
    if isinstance(group[key], Tensor):
        store(group[key], as_number(value))
    else:
        group[key] = value


def set_momentum(group: dict[str, Any], value: float) -> None:
    """Put a momentum into a group: the first of Adam's betas is one."""
    if "betas" in group:
        group["betas"] = (value, *group["betas"][1:])
    else:
        group["momentum"] = value


def rates_of(optimizer: Optimizer) -> list[Any]:
    """The learning rate of each group."""
    return [group["lr"] for group in optimizer.param_groups]


class LRScheduler:
    """Base class of the schedules.

    A schedule is a recursion: :meth:`get_lr` gives the rates of epoch ``last_epoch`` from those
    that the groups have now, so that several schedules on one optimizer multiply. Making one does
    the step to epoch 0.

    Parameters
    ----------
    optimizer : Optimizer
    last_epoch : int
        The epoch to continue from; -1 starts anew, and notes the rate of each group as its
        ``initial_lr``.

    Raises
    ------
    TypeError
        If `optimizer` is not an :class:`~minigrad.optim.Optimizer`.
    KeyError
        If `last_epoch` says to continue, but the groups have no ``initial_lr``.
    """

    _is_initial = False
    _get_lr_called_within_step = False
    _not_saved: tuple[str, ...] = ("optimizer",)

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self.optimizer = as_optimizer(optimizer)
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                rate = group["lr"]
                group.setdefault("initial_lr", rate.clone() if isinstance(rate, Tensor) else rate)
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{i}] when resuming "
                    "scheduler with last_epoch >= 0: load the optimizer's state first, or start "
                    "with last_epoch=-1"
                )
        self.base_lrs = values_of(optimizer, "initial_lr")
        self.last_epoch = last_epoch
        self._initial_step()

    def _initial_step(self) -> None:
        """The step to the first epoch."""
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    # -- saving --------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer, by name.

        Functions are not saved; of callable objects, their attributes are.
        """
        return {k: v for k, v in self.__dict__.items() if k not in self._not_saved}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue where the schedule that gave `state_dict` was.

        Raises
        ------
        TypeError
            If `state_dict` is no dictionary.
        ValueError
            If it was saved by a scheduler of another kind, or by something else.
        """
        self._check_state(state_dict)
        self.__dict__.update(state_dict)

    def _check_state(self, state_dict: Any, *needed: str) -> None:
        """Refuse what was saved by a scheduler of another kind, or by something else."""
        if not isinstance(state_dict, dict):
            raise TypeError(f"state_dict must be a dict, not {type(state_dict).__name__}")
        public = [k for k in self.__dict__ if k[0] != "_" and k not in self._not_saved]
        missing = [k for k in [*public, *needed] if k not in state_dict]
        if missing:
            raise ValueError(
                f"not the state of a {type(self).__name__}: it has {list(state_dict)[:8]}, but no "
                f"{', '.join(missing)}"
            )

    # -- rates ---------------------------------------------------------------------------------

    def get_last_lr(self) -> list[Rate]:
        """The rates that were set last, one for each group."""
        return self._last_lr

    def get_lr(self) -> list[Rate]:
        """The rates of epoch ``last_epoch``, from those of the epoch before."""
        raise TypeError(f"{type(self).__name__} must define get_lr()")

    def _asked_inside_step(self) -> None:
        if not self._get_lr_called_within_step:
            warnings.warn(
                "To get the last learning rate computed by the scheduler, please use "
                "`get_last_lr()`.",
                UserWarning,
                stacklevel=3,
            )

    def step(self, epoch: int | None = None) -> None:
        """Go on to the next epoch; call it after ``optimizer.step()``.

        Warns
        -----
        UserWarning
            If the optimizer has not made a step yet: the first rate would never be used. If
            `epoch` is given: PyTorch deprecates it.
        """
        if self._step_count == 1 and not self.optimizer._opt_called:
            warnings.warn(
                "Detected call of `lr_scheduler.step()` before `optimizer.step()`. You should call "
                "them in the opposite order: `optimizer.step()` before `lr_scheduler.step()`. "
                "Otherwise the first value of the learning rate schedule is skipped.",
                UserWarning,
                stacklevel=2,
            )
        self._step_count += 1
        if epoch is not None:
            warn_of_epoch()
        self._update_lr(epoch)

    def _update_lr(self, epoch: int | None = None) -> None:
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        closed_form = None if epoch is None else getattr(self, "_get_closed_form_lr", None)
        self._set_rates(closed_form or self.get_lr)

    def _set_rates(self, rates: Callable[[], Sequence[Rate]]) -> None:
        """Put the rates that a method gives for this epoch into the groups."""
        self._get_lr_called_within_step = True
        try:
            values = rates()
        finally:
            self._get_lr_called_within_step = False
        for group, value in zip(self.optimizer.param_groups, values, strict=True):
            set_rate(group, value)
        self._last_lr = values_of(self.optimizer, "lr")


def warn_of_epoch() -> None:
    """PyTorch's warning for ``step(epoch)``."""
    warnings.warn(
        "The epoch parameter in `scheduler.step()` is deprecated: call `scheduler.step()`. With an "
        "epoch the closed form of the schedule is used, where there is one.",
        UserWarning,
        stacklevel=3,
    )


def saved_callable(function: Any) -> dict[str, Any] | None:
    """What is saved of a callable: the attributes of an object, nothing of a function."""
    if function is None or isinstance(function, (types.FunctionType, types.BuiltinFunctionType)):
        return None
    return dict(getattr(function, "__dict__", {}))
