"""Checks of how things are put together: what is applied to what, and what reaches what."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from minigrad.diagnosis.findings import Said, check
from minigrad.diagnosis.observed import Observed


@check("softmax_before_cross_entropy")
def softmax_before_cross_entropy(seen: Observed) -> Iterator[Said]:
    """A softmax or sigmoid whose result goes into a loss that applies its own: a warning.

    So also probabilities in nll_loss, which wants their logarithms.
    """
    for call in seen.first.calls:
        wrong = {
            "cross_entropy": ("softmax", "sigmoid"), "linear_cross_entropy": ("softmax",),
            "bce_with_logits": ("sigmoid", "softmax"), "nll_loss": ("softmax", "sigmoid"),
        }.get(call.name, ())  # fmt: skip
        if not call.origins or call.origins[0].op not in wrong:
            continue
        before = call.origins[0].op
        made = next((c for c in reversed(seen.first.calls) if c.name == before), None)
        instead = (
            f"pass what goes into the {before}; apply it only to look at probabilities"
            if call.name != "nll_loss"
            else "log_softmax before nll_loss, or cross_entropy on the values before the softmax"
        )
        yield (
            "loss" if made is None else made.path, "warning",
            {"before": before, "loss": call.name},
            f"{call.name} gets the result of a {before} that it does not expect: its slope is "
            "flattened twice, training is slow and the loss stays high",
            instead,
        )  # fmt: skip


@check("gradients_accumulate")
def gradients_accumulate(seen: Observed) -> Iterator[Said]:
    """Gradients that an update has used are still there when the next ones arrive: an error.

    Several backward passes before one update are no fault.
    """
    stale: dict[int, float] = {}
    for step in seen.steps:
        stale |= step.stale
    if not stale:
        return
    names = [name for name, p in seen.parameters.items() if id(p) in stale]
    yield (
        "optimizer", "error", {"parameters": len(names), "norm that was left": max(stale.values())},
        "backward adds to .grad: without zeroing, each step goes along the sum of all gradients so "
        "far",
        "optimizer.zero_grad() before each backward",
    )  # fmt: skip


def _groups(names: list[str], seen: Observed) -> Iterator[tuple[str, list[str]]]:
    """Parameters by the outermost modules all of whose parameters are among them."""
    left = set(names)
    for path, module in seen.model.named_modules():
        if not path:
            continue
        own = {f"{path}.{n}" for n, p in module.named_parameters() if p.requires_grad}
        if own and own <= left:
            yield path, sorted(own)
            left -= own
    for name in sorted(left):
        yield name.rpartition(".")[0] or name, [name]


@check("parameters_not_optimized")
def parameters_not_optimized(seen: Observed) -> Iterator[Said]:
    """Parameters that get gradients and that no optimizer updates: a warning.

    An error where all gradients are gone when the optimizer makes its step. Frozen ones
    (``requires_grad=False``) are left out on purpose.
    """
    if not seen.optimizers:
        return
    emptied = {i for step in seen.steps for i in step.emptied}
    if emptied and not any(step.trains for step in seen.steps):
        yield (
            "optimizer", "error", {"parameters": len(emptied)},
            "gradients arrived, and were gone when the optimizer made its step: nothing moves",
            "zero_grad() before backward, or after step, not between them",
        )  # fmt: skip
    known = {id(p) for o in seen.optimizers for g in o.param_groups for p in g["params"]}
    reached = {i for step in seen.steps for i in step.reached}
    names = [
        n for n, p in seen.parameters.items()
        if p.requires_grad and id(p) not in known and id(p) in reached
    ]  # fmt: skip
    for layer, members in _groups(names, seen):
        yield (
            layer, "warning", {"parameters": len(members)},
            "they get gradients, but no optimizer knows them: they stay as they were drawn",
            "give model.parameters() to the optimizer after all layers are made; freeze on purpose "
            "by requires_grad_(False)",
        )  # fmt: skip


def _without_gradient(seen: Observed) -> list[str]:
    reached = {i for step in seen.steps for i in step.reached}
    return [n for n, p in seen.parameters.items() if p.requires_grad and id(p) not in reached]


@check("parameters_unused")
def parameters_unused(seen: Observed) -> Iterator[Said]:
    """Parameters that no operation read: a warning."""
    if seen.first.error is not None or not seen.first.read:
        return
    read = {i for step in seen.steps for i in step.read}
    names = [n for n in _without_gradient(seen) if id(seen.parameters[n]) not in read]
    for layer, members in _groups(names, seen):
        yield (
            layer, "warning", {"parameters": len(members)},
            "forward never reads them: they are no part of the network",
            "call the layer in forward, or take it out",
        )  # fmt: skip


@check("graph_detached")
def graph_detached(seen: Observed) -> Iterator[Said]:
    """Parameters that forward reads and that no gradient reaches: the graph is cut behind them.

    An error: detach(), .data, item(), numpy() or no_grad() lies between them and the loss.
    """
    step = seen.first
    if step.error is not None and not _no_graph(step.error):
        return
    read = {i: k for s in seen.steps for i, k in s.read.items()}
    names = [n for n in _without_gradient(seen) if id(seen.parameters[n]) in read]
    if not names:
        return
    last = max(names, key=lambda n: read[id(seen.parameters[n])])
    layer = _layer_of(last, seen)
    without = not any(step.recorded.get(id(seen.parameters[n])) for n in names)
    optimized = {id(p) for o in seen.optimizers for g in o.param_groups for p in g["params"]}
    meant = bool(optimized) and not any(id(seen.parameters[n]) in optimized for n in names)
    yield (  # whom no optimizer trains may be meant to stay
        layer, "note" if meant else "error", {"parameters without gradient": len(names)},
        f"{layer or 'the network'} is computed, but the loss does not know by what: "
        + ("it ran without a graph" if without else "the graph is cut behind it"),
        "no detach(), .data, item(), numpy() or tensor(...) on the way to the loss"
        + (", and no no_grad() around it" if without else ""),
    )  # fmt: skip


def _no_graph(error: BaseException) -> bool:
    return "does not require grad" in str(error) or "grad_fn" in str(error)


def _layer_of(name: str, seen: Observed) -> str:
    wanted = id(seen.parameters[name])
    for layer in seen.first.layers.values():
        if any(id(w) == wanted for _, w, _ in layer.weights):
            return layer.name
    return name.rpartition(".")[0] or name


def _trains(module: Any) -> bool:
    """Whether it has parameters of its own that are trained, or none at all."""
    own = [p for p in module._parameters.values() if p is not None]
    return not own or any(p.requires_grad for p in own)


def _is_training(seen: Observed) -> bool:
    """Whether what was run is training: an update was made, or could be."""
    return any(s.trains for s in seen.steps) or bool(seen.first.reached)


@check("batchnorm_in_eval", claim=15)
def batchnorm_in_eval(seen: Observed) -> Iterator[Said]:
    """Batch normalization in evaluation mode while its parameters are trained: a warning.

    Not where it is frozen on purpose (its parameters do not require gradients).
    """
    if not _is_training(seen):
        return
    for path, (module, training) in seen.first.modes.items():
        is_norm = type(module).__name__.startswith(("BatchNorm", "SyncBatchNorm"))
        if is_norm and not training and _trains(module) and module.track_running_stats:
            yield (
                path, "warning", {"training": 0},
                "it normalizes by running averages that nothing updates: after some steps they no "
                "longer fit, and what it promises for training is lost",
                "model.train() before training; after an evaluation, back to it",
            )  # fmt: skip


@check("dropout_in_eval", claim=20)
def dropout_in_eval(seen: Observed) -> Iterator[Said]:
    """Dropout in evaluation mode behind layers that are trained: a warning."""
    if not _is_training(seen):
        return
    below = False  # whether anything before it is trained: else it is frozen with the rest
    for path, (module, training) in seen.first.modes.items():
        below = below or any(p.requires_grad for p in module._parameters.values() if p is not None)
        p = getattr(module, "p", 0)
        dropout = "Dropout" in type(module).__name__ and isinstance(p, (int, float)) and p > 0
        inside = getattr(module, "dropout", 0)  # attention, recurrent layers
        dropout = dropout or (isinstance(inside, float) and inside > 0)
        if dropout and not training and below:
            yield (
                path, "warning", {"p": float(p or inside), "training": 0},
                "it passes everything on: the network is trained without the regularization that "
                "it was given",
                "model.train() before training; after an evaluation, back to it",
            )  # fmt: skip
