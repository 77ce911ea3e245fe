"""``watch``: what happens in a network over a training, recorded while it trains."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.core.events import Event
from minigrad.core.modes import current
from minigrad.core.tensor import Tensor
from minigrad.diagnosis.layers import ACTIVATIONS, RECTIFIERS, SQUASHING, saturated_share
from minigrad.kernels.run.whole_file import write_whole
from minigrad.nn.module import Module

__all__ = ["BINS", "Watch", "watch"]

Array = np.ndarray[Any, Any]

#: Histograms have so many bins.
BINS = 32
#: Of larger tensors so many elements, evenly spread, stand for all: histograms and shares then cost
#: some 50 us, whatever the layer.
SAMPLED = 8192


class Watch:
    """What :func:`watch` recorded; a context manager, or closed by :meth:`close`.

    Attributes
    ----------
    records : list of dict
        For each recorded step: ``step``, ``loss``, ``lr``; ``layers``: by path, ``mean``, ``std``,
        ``dead`` and ``saturated`` (shares), ``histogram`` of what leaves a module; ``parameters``:
        by name, ``norm`` of the weights, ``gradient`` (its norm), ``update`` (how far the step
        went, relative to the weights), ``histogram`` of the gradient. A histogram is ``(counts,
        lowest, highest)``.
    """

    def __init__(self, model: Any, every: int = 1) -> None:
        if not isinstance(model, Module):
            raise TypeError(f"watch: expected model as a Module, got {type(model).__name__}")
        if not isinstance(every, int) or every < 1:
            raise ValueError(f"watch: every must be a positive number of steps, got {every!r}")
        self.records: list[dict[str, Any]] = []
        self.every = every
        self._model = model
        self._names = {id(m): path for path, m in model.named_modules()}
        self._parameters = {id(p): name for name, p in model.named_parameters()}
        self._step = 0
        self._trained = False  # whether a backward pass ran since the step began
        self._now: dict[str, Any] | None = None
        self._stack: list[_Call] = []
        self._inside = 0
        self._scalar: Any = None
        self._before: dict[int, Array] = {}
        self._hook = model.register_forward_pre_hook(self._begins)
        self._listening = False
        self._closed = False
        self._listen()

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop recording; what was recorded stays."""
        if not self._closed:
            self._closed = True
            self._hook.remove()
            self._deafen()
            self._finish()

    def __len__(self) -> int:
        return len(self.records)

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"at step {self._step}"
        return f"Watch({len(self.records)} steps recorded, {state})"

    # -- when to listen ----------------------------------------------------------------------------

    def _listen(self) -> None:
        mode = current.get()
        if not self._listening:
            self._listening = True
            current.set(mode._replace(listeners=(*mode.listeners, self)))

    def _deafen(self) -> None:
        mode = current.get()
        self._listening = False
        others = tuple(x for x in mode.listeners if x is not self)
        current.set(mode._replace(listeners=others))

    def _begins(self, module: Any, args: Any) -> None:
        """The network is called: a new step, if a backward pass has run since the last one."""
        if not current.get().grad and not self._trained:
            return  # an evaluation
        if self._trained or not self._step:
            self._trained = False
            self._finish()
            self._step += 1
        wanted = self._step % self.every == 0
        if wanted and self._now is None:
            self._now = {
                "step": self._step,
                "loss": None,
                "lr": None,
                "layers": {},
                "parameters": {},
            }
        if wanted and self not in current.get().listeners:
            self._listening = False
            self._listen()
        elif not wanted and self._listening:
            self._deafen()
        if not wanted:
            self._trained = True  # nobody listens for the backward pass: each call is a step

    def _finish(self) -> None:
        """Keep the record of the step that is over, if it trained."""
        if self._now is not None and (self._now["parameters"] or self._now["loss"] is not None):
            self.records.append(self._now)
        self._now, self._scalar = None, None
        self._stack.clear()
        self._inside = 0

    # -- listening ---------------------------------------------------------------------------------

    def enter(self, event: Event) -> None:
        """Modules, backward passes and updates begin."""
        if event.door != "span" or self._now is None:
            return
        name, owner = event.op.name, event.op.owner
        if name == "backward":
            self._inside += 1
            self._trained = True
            if self._scalar is not None:
                self._now["loss"] = float(self._scalar.reshape(()))
        elif name == "step":
            self._inside += 1
            self._keep_weights(owner)
        elif id(owner) in self._names:
            self._stack.append(_Call(self._names[id(owner)], not owner._modules))

    def leave(self, event: Event) -> None:
        """What is over is measured."""
        if self._now is None:
            return
        if event.door == "compute":
            if not self._inside and event.node is None and event.error is None:
                self._computed(event)
            return
        if event.door != "span":
            return
        name, owner = event.op.name, event.op.owner
        if name == "backward":
            self._inside = max(0, self._inside - 1)
            self._measure_gradients()
        elif name == "step":
            self._inside = max(0, self._inside - 1)
            self._measure_updates(owner)
        elif id(owner) in self._names and self._stack:
            self._called(self._stack.pop())

    def _computed(self, event: Event) -> None:
        y = event.outputs[0] if event.outputs else None
        if not isinstance(y, Tensor):
            return
        if y.array.size == 1 and y._requires_grad:
            self._scalar = y.array
        if self._stack and self._stack[-1].leaf:
            self._stack[-1].last, self._stack[-1].op = y.array, event.op.name
        elif event.op.name in ACTIVATIONS:
            self._applied(event.op.name, y.array)

    def _applied(self, op: str, a: Array) -> None:
        """An activation that `forward` of a module with others inside applies as a function."""
        assert self._now is not None
        name = f"{self._stack[-1].path if self._stack else ''}.{op}".lstrip(".")
        layers, number = self._now["layers"], 1
        while name in layers:
            number += 1
            name = f"{name.partition(' ')[0]} {number}"
        layers[name] = _measured(a, op)

    def _called(self, call: _Call) -> None:
        """A module is over: what leaves it, if there are none inside."""
        assert self._now is not None
        if call.last is not None:
            self._now["layers"][call.path] = _measured(call.last, call.op)

    def _measure_gradients(self) -> None:
        assert self._now is not None
        for p in self._model.parameters():
            g = p._grad
            if g is not None:
                known = self._now["parameters"].setdefault(self._parameters.get(id(p), "?"), {})
                known |= {
                    "norm": _norm(p.array), "gradient": _norm(g.array),
                    "histogram": histogram(g.array),
                }  # fmt: skip

    def _keep_weights(self, optimizer: Any) -> None:
        assert self._now is not None
        self._now["lr"] = float(optimizer.param_groups[0].get("lr", math.nan))
        for group in optimizer.param_groups:
            for p in group["params"]:
                if id(p) in self._parameters:
                    self._before[id(p)] = p.array.copy()

    def _measure_updates(self, optimizer: Any) -> None:
        assert self._now is not None
        for group in optimizer.param_groups:
            for p in group["params"]:
                before = self._before.pop(id(p), None)
                if before is None:
                    continue
                known = self._now["parameters"].setdefault(self._parameters[id(p)], {})
                length = _norm(before)
                np.subtract(p.array, before, out=before)
                known["update"] = _norm(before) / length if length else _norm(before)

    # -- what was recorded -------------------------------------------------------------------------

    @property
    def steps(self) -> list[int]:
        """The numbers of the recorded steps."""
        return [r["step"] for r in self.records]

    def series(self, kind: str, name: str | None = None) -> list[Any]:
        """One quantity over the recorded steps; None where it was not measured.

        Parameters
        ----------
        kind : str
            ``"loss"`` or ``"lr"``; of a layer ``"mean"``, ``"std"``, ``"dead"``,
            ``"saturated"``; of a parameter ``"norm"``, ``"gradient"``, ``"update"``; of both
            ``"histogram"``.
        name : str, optional
            The path of the layer, or the name of the parameter.

        Raises
        ------
        KeyError
            If nothing of that name was recorded.
        """
        if name is None:
            return [r.get(kind) for r in self.records]
        if not any(name in r["layers"] or name in r["parameters"] for r in self.records):
            known = sorted({k for r in self.records for k in (*r["layers"], *r["parameters"])})
            raise KeyError(f"watch: nothing was recorded of {name!r}; known: {', '.join(known)}")
        return [(r["layers"].get(name) or r["parameters"].get(name) or {}).get(kind)
                for r in self.records]  # fmt: skip

    def rows(self) -> list[tuple[int, str, str, float]]:
        """All numbers as (step, name, quantity, value), histograms left out."""
        found = []
        for r in self.records:
            found += [(r["step"], "", k, r[k]) for k in ("loss", "lr") if r[k] is not None]
            for name, known in (*r["layers"].items(), *r["parameters"].items()):
                found += [(r["step"], name, k, v) for k, v in known.items() if k != "histogram"]
        return found

    def to_csv(self, path: str | PathLike[str]) -> Path:
        """Write :meth:`rows` with a head; the file is replaced as a whole."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("step", "name", "quantity", "value"))
        writer.writerows(self.rows())
        return _written(path, text.getvalue())

    def to_json(self, path: str | PathLike[str]) -> Path:
        """Write the records, histograms too; what is no finite number is null."""
        return _written(path, json.dumps(_finite(self.records)) + "\n")

    def to_tensorboard(self, folder: str | PathLike[str]) -> Path:
        """Write event files that TensorBoard shows.

        Raises
        ------
        ImportError
            Without the extra ``tensorboard``.
        """
        from minigrad.utils.tensorboard import SummaryWriter

        with SummaryWriter(str(folder)) as writer:
            for step, name, quantity, value in self.rows():
                if math.isfinite(value):
                    writer.add_scalar(f"{quantity}/{name}" if name else quantity, value, step)
            for r in self.records:
                for kind in ("layers", "parameters"):
                    for name, known in r[kind].items():
                        _add_histogram(writer, f"{kind}/{name}", known.get("histogram"), r["step"])
        return Path(folder)

    def plot(self, path: str | PathLike[str] | None = None) -> Any:
        """Loss, signals, gradients and updates over the training; a notebook shows the result.

        Parameters
        ----------
        path : path_like, optional
            Where to write it: .png, .svg, .pdf.

        Raises
        ------
        ValueError
            If nothing was recorded.
        ImportError
            Without matplotlib.
        """
        from minigrad.diagnosis.plots import over_time

        plot = over_time(self)
        return plot if path is None else plot.save(path)

    def histograms(
        self, name: str | None = None, path: str | PathLike[str] | None = None, *,
        step: int | None = None,
    ) -> Any:  # fmt: skip
        """Histograms over depth at a step; or, with the `name` of a layer or parameter, over time.

        Parameters
        ----------
        name : str, optional
        path : path_like, optional
            Where to write it.
        step : int, optional
            Which of the recorded steps; the last one by default.
        """
        from minigrad.diagnosis.plots import over_depth, over_time_of

        plot = over_depth(self, step) if name is None else over_time_of(self, name)
        return plot if path is None else plot.save(path)

    def _repr_png_(self) -> bytes | None:
        return self.plot()._repr_png_() if self.records else None


def watch(model: Any, every: int = 1) -> Watch:
    """Record what happens in a network while it trains.

    Use it around the training, ``with minigrad.watch(model) as seen:``, or call ``close`` at its
    end. A step is a call of `model` with a backward pass after it.

    Parameters
    ----------
    model : Module
    every : int
        Record each step, or every so manyth: in between nobody listens, and nothing is slower.

    Returns
    -------
    Watch
        ``plot()``, ``histograms()``, ``series(...)``, ``to_csv``, ``to_json``, ``to_tensorboard``.

    Raises
    ------
    TypeError, ValueError
        If `model` is no module; if `every` is no positive number.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad import nn, optim
    >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
    >>> optimizer = optim.SGD(net.parameters(), lr=0.1)
    >>> with mg.watch(net) as seen:
    ...     for _ in range(3):
    ...         optimizer.zero_grad()
    ...         net(mg.randn(16, 4)).square().mean().backward()
    ...         optimizer.step()
    >>> seen
    Watch(3 steps recorded, closed)
    >>> len(seen.series("std", "1")), len(seen.series("update", "0.weight"))
    (3, 3)
    """
    return Watch(model, every)


class _Call:
    """A module that is running, and what it computed last."""

    __slots__ = ("last", "leaf", "op", "path")

    def __init__(self, path: str, leaf: bool) -> None:
        self.path = path
        self.leaf = leaf
        self.op = ""
        self.last: Array | None = None


def _norm(a: Array) -> float:
    flat = a.reshape(-1)
    return math.sqrt(float(np.dot(flat, flat)))


def sampled(a: Array) -> Array:
    """Some elements that stand for all."""
    flat = a.reshape(-1)
    step = -(-flat.size // SAMPLED)
    return flat if step <= 1 else flat[::step]


def histogram(a: Array) -> tuple[list[int], float, float] | None:
    """Counts in equal bins between the lowest and the highest finite element.

    >>> histogram(np.array([0.0, 1.0, 1.0]))[0][::31]
    [1, 2]
    """
    some = sampled(a)
    low, high = (float(some.min()), float(some.max())) if some.size else (math.nan, math.nan)
    if not (math.isfinite(low) and math.isfinite(high)):
        some = some[np.isfinite(some)]
        if not some.size:
            return None
        low, high = float(some.min()), float(some.max())
    scale = (BINS - 1e-3) / (high - low) if high > low else 0.0
    counts = np.bincount(((some - low) * scale).astype(np.intp), minlength=BINS)
    return counts[:BINS].tolist(), low, high


def _measured(a: Array, op: str) -> dict[str, Any]:
    """Of what leaves a module; shares and histogram of a sample of it."""
    if a.dtype.kind != "f" or not a.size:
        return {}
    some = sampled(a)
    known: dict[str, Any] = {
        "mean": float(some.mean(dtype=np.float64)), "std": float(some.std(dtype=np.float64))
    }  # fmt: skip
    if op in RECTIFIERS:
        rows = a.reshape(len(a), -1) if a.ndim > 1 else a[None]
        known["dead"] = float((~(rows[:, :: -(-rows.shape[1] // 1024)] > 0).any(0)).mean())
    if op in SQUASHING:
        known["saturated"] = saturated_share(some, op)
    known["histogram"] = histogram(some)
    return known


def _written(path: str | PathLike[str], text: str) -> Path:
    """A file that is whole or not there."""
    write_whole(Path(path), text.encode(), mode=0o644)
    return Path(path)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _add_histogram(writer: Any, tag: str, kept: Sequence[Any] | None, step: int) -> None:
    if kept is None:
        return
    counts, low, high = kept
    high = high if high > low else low + 1e-12
    edges = np.linspace(low, high, BINS + 1)
    middles = (edges[1:] + edges[:-1]) / 2
    writer.add_histogram_raw(
        tag, min=low, max=high, num=int(sum(counts)), sum=float(np.dot(counts, middles)),
        sum_squares=float(np.dot(counts, middles**2)), bucket_limits=edges[1:].tolist(),
        bucket_counts=list(counts), global_step=step,
    )  # fmt: skip
