"""``diagnose``: run a few training steps, look at everything, put everything back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.autograd.nonfinite import expected
from minigrad.core.modes import listen, no_grad
from minigrad.core.tensor import Tensor
from minigrad.diagnosis.checks import rate
from minigrad.diagnosis.findings import CHECKS, Finding
from minigrad.diagnosis.observed import LOSSES, Observed, Step
from minigrad.diagnosis.observer import Observer
from minigrad.diagnosis.report import Report
from minigrad.diagnosis.running import Batch, bound, plain_step
from minigrad.diagnosis.state import Kept, reachable
from minigrad.nn.module import Module
from minigrad.optim.optimizer import Optimizer

__all__ = ["diagnose"]

#: How many steps are listened to: in the second, what the first left behind is seen.
_LISTENED = 2


def diagnose(
    model: Any, loss_fn: Any = None, batch: Any = None, optimizer: Any = None, step: Any = None,
    steps: int = 10,
) -> Report:  # fmt: skip
    """Find out why a network does not learn.

    A training step is run and listened to: signals, gradients, weights, what is applied to what.
    Short runs show what the learning rate does. Afterwards model, optimizer, gradients, buffers and
    random streams are as they were, bit for bit.

    Parameters
    ----------
    model : Module
    loss_fn : callable, optional
        ``loss_fn(output, target)``; of a batch without a target ``loss_fn(output)``. Not needed
        with a `step` of your own.
    batch : tuple, dict or Tensor
        ``(*inputs, target)``, as a loader gives it; or a dict with a key target, label or y, whose
        other entries are given to the model by name.
    optimizer : Optimizer, optional
        Without one, no update is made, and what concerns updates is not looked for.
    step : callable, optional
        Your own training step. It is called with what it names of model, loss_fn, batch (or x and
        y) and optimizer; or with nothing, and then refers to what is around it.
    steps : int
        How many steps the short runs take that try learning rates; 0 for none.

    Returns
    -------
    Report
        ``findings``, ``layers``; as text, as a page, as data.

    Raises
    ------
    TypeError
        If `model` is no module, or there is neither a loss nor a step.
    Exception
        What your code raises, unless it is a consequence of what is found.

    Examples
    --------
    A network whose rectifiers are all off:

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> _ = mg.manual_seed(0)
    >>> net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
    >>> with mg.no_grad():
    ...     _ = net[0].bias.fill_(-100.0)
    >>> batch = mg.randn(32, 4), mg.randint(0, 3, (32,))
    >>> report = mg.diagnose(net, nn.CrossEntropyLoss(), batch)
    >>> [(f.name, f.layer, f.severity) for f in report.findings][0]
    ('dead_units', '0', 'error')
    """
    given = Batch(batch)
    _check_arguments(model, loss_fn, given, optimizer, step, steps)
    names = {id(m): path for path, m in model.named_modules()}
    observed = Observed(
        model, names, dict(model.named_parameters()), [optimizer] if optimizer else [],
        given.tensors(), given.targets(),
    )  # fmt: skip
    kept = Kept([model, *([optimizer] if optimizer else []), *reachable(step), *reachable(loss_fn)])
    run = _step(model, loss_fn, given, optimizer, step, observed)
    try:
        with expected():
            _listen(observed, run, kept)
            if observed.first.error is None and steps:
                _probe(observed, run, kept, steps)
        if step is None and observed.first.error is None:
            kept.restore()
            observed.output = _without_dropout(model, given, observed.output)
    finally:
        kept.restore()
    findings = [f for c in CHECKS.values() for f in c.look(observed)]
    error = observed.first.error
    if error is not None and not any(f.severity == "error" for f in findings):
        raise error
    return Report(_sorted(findings), observed)


def _check_arguments(
    model: Any, loss_fn: Any, batch: Batch, optimizer: Any, step: Any, steps: int
) -> None:
    if not isinstance(model, Module):
        raise TypeError(f"diagnose: expected model as a Module, got {type(model).__name__}")
    if optimizer is not None and not isinstance(optimizer, Optimizer):
        raise TypeError(
            f"diagnose: expected optimizer as an Optimizer, got {type(optimizer).__name__}"
        )
    if step is None and (loss_fn is None or batch.given is None):
        raise TypeError(
            "diagnose: expected loss_fn and batch, such as diagnose(model, "
            "nn.CrossEntropyLoss(), (x, y)); or your own training step as step="
        )
    for name, value in (("loss_fn", loss_fn), ("step", step)):
        if value is not None and not callable(value):
            raise TypeError(f"diagnose: {name} must be callable, got {type(value).__name__}")
    if steps < 0:
        raise ValueError(f"diagnose: steps must not be negative, got {steps}")


def _step(
    model: Any, loss_fn: Any, batch: Batch, optimizer: Any, step: Any, observed: Observed
) -> Callable[[], Any]:
    if step is not None:
        return bound(step, model, loss_fn, batch, optimizer)

    def seen(output: Any) -> None:
        first = output[0] if isinstance(output, (tuple, list)) and output else output
        if observed.output is None and isinstance(first, Tensor):
            observed.output = first.array

    return plain_step(model, loss_fn, batch, optimizer, seen)


def _listen(observed: Observed, run: Callable[[], Any], kept: Kept) -> None:
    """Run the step twice; what it raises is kept, for it may be a consequence."""
    observer = Observer(observed, kept.include)
    for _ in range(_LISTENED):
        error: BaseException | None = None
        try:
            with listen(observer):
                run()
        except Exception as raised:
            error = raised
        done = observer.go_on()
        done.error = error
        if not observed.steps:
            _name_last(observed, done)
            _keep_gradients(observed, observed.gradients)
        observed.steps.append(done)
        _keep_gradients(observed, observed.later)
        if error is not None:
            return


def _without_dropout(model: Module, batch: Batch, known: Any) -> Any:
    """What the network gives where nothing is dropped, so that what differs is not the masks."""
    for module in model.modules():
        if "Dropout" in type(module).__name__:
            module.training = False
    with no_grad():
        output = model(*batch.inputs, **batch.named)
    first = output[0] if isinstance(output, (tuple, list)) and output else output
    return first.array if isinstance(first, Tensor) else known


def _name_last(observed: Observed, step: Step) -> None:
    """Which layer gives what the loss reads."""
    for call in step.calls:
        if call.name in LOSSES and call.origins and call.origins[0].layer is not None:
            call.origins[0].layer.last = True
            if observed.output is None:
                observed.output = call.inputs[0].array
    weighted = [x for x in step.layers.values() if x.weights]
    if weighted and not any(x.last for x in weighted):
        weighted[-1].last = True


def _keep_gradients(observed: Observed, into: dict[int, Any]) -> None:
    """Those of a step: the next one changes them."""
    for p in observed.parameters.values():
        if p._grad is not None:
            into[id(p)] = p._grad.array.copy()


def _probe(observed: Observed, run: Callable[[], Any], kept: Kept, steps: int) -> None:
    """Short runs from the same beginning.

    Without learning, which shows what dropout and other noise do to the loss; with the learning
    rate; and, where the loss does not fall, with smaller ones, or where it stands still, with
    larger ones.
    """
    if not observed.optimizers or not observed.first.losses:
        return
    for factor in (0.0, 1.0):
        observed.probes[factor] = _short_run(observed, run, kept, steps, factor)
    for factor in rate.worth_trying(observed):
        observed.probes[factor] = _short_run(observed, run, kept, steps, factor)


def _short_run(
    observed: Observed, run: Callable[[], Any], kept: Kept, steps: int, factor: float
) -> list[float]:
    """The losses of some steps with learning rates multiplied by `factor`."""
    kept.restore()
    groups = [g for o in observed.optimizers for g in o.param_groups]
    rates = [g["lr"] for g in groups]
    losses: list[float] = []
    try:
        for g, lr in zip(groups, rates, strict=True):
            g["lr"] = lr * factor
        for _ in range(steps):
            losses.append(_loss_of(run))
    except (RuntimeError, ValueError, FloatingPointError, OverflowError):
        losses.append(float("nan"))  # it left the numbers
    finally:
        for g, lr in zip(groups, rates, strict=True):
            g["lr"] = lr
    return losses


def _loss_of(run: Callable[[], Any]) -> float:
    """Run a step; the loss that it began with."""
    quick = _Losses()
    with listen(quick):
        run()
    return quick.losses[0] if quick.losses else float("nan")


class _Losses:
    """A listener for losses only: the last number with a graph before a backward pass."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self._last: Any = None
        self._inside = 0

    def enter(self, event: Any) -> None:
        """A backward pass begins."""
        if event.door == "span" and event.op.name == "backward":
            if self._last is not None:
                self.losses.append(float(self._last.reshape(())))
            self._inside += 1

    def leave(self, event: Any) -> None:
        """Numbers with a graph."""
        if event.door == "span" and event.op.name == "backward":
            self._inside -= 1
        elif event.door == "compute" and event.node is None and not self._inside:
            for y in event.outputs:
                if isinstance(y, Tensor) and y._requires_grad and y.array.size == 1:
                    self._last = np.asarray(y.array)


def _sorted(findings: list[Finding]) -> list[Finding]:
    order = list(CHECKS)
    return sorted(findings, key=lambda f: (f.rank, order.index(f.name)))
