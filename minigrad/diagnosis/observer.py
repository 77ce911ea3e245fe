"""Who listens to a training step.

Each tensor that an operation makes is remembered with where it comes from: the last layer with
weights on its way, what was computed behind it, whether it is a target. So a check can ask what is
applied to what, however the user wrote it: as a module or as a function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from minigrad.autograd.anomaly import user_line
from minigrad.core.events import Event
from minigrad.core.several import picked
from minigrad.core.tensor import Tensor
from minigrad.diagnosis.layers import ACTIVATIONS, Layer
from minigrad.diagnosis.observed import LOSSES, Call, Observed, Origin, Step
from minigrad.nn.module import Module

__all__ = ["Observer"]

Array = np.ndarray[Any, Any]

NORMS = ("batch_norm", "batch_norm_eval", "layer_norm", "rms_norm", "group_norm")
#: Operations that read weights, and along which axis of the second operand its units lie.
_AFFINE = {
    "linear": 0, "linear_plain": 0, "convolution": 0, "convolution_plain": 0, "bilinear": 0,
    "transposed_convolution": 1, "transposed_convolution_plain": 1, "matmul": 1,
}  # fmt: skip
_RECURRENT = ("rnn", "lstm", "lstm_projected", "gru")
#: What these give is what they read, in another form or place.
_FORMS = (
    "reshape", "permute", "expand", "unbind", "split", "slice", "index", "select", "clone",
    "contiguous", "dropout", "cat", "stack", "mean", "max_pool", "avg_pool", "pad", "resample",
)  # fmt: skip
_PROBABILITIES = ("softmax", "sigmoid")
_RESCALES = ("clamp", "clamp_both", "clamp_min", "clamp_max", "add", "mul", "div", "sub", "maximum")
#: Infinities that these give were put there.
_MOVES = ("masked_fill", "where", "fill", "full", "pad", "add", "choose")


class Observer:
    """Listens to one training step after the other.

    Parameters
    ----------
    observed : Observed
        What is known before.
    met : callable
        Told of each optimizer before it makes a step.
    """

    def __init__(self, observed: Observed, met: Callable[[Any], None]) -> None:
        self.step = Step()
        self._met = met
        self.detailed = True
        self._known = observed
        self._modules = {id(m) for m in observed.model.modules()}
        self._owners = _owners(observed.model)
        self._stack: list[tuple[str, Any]] = []
        self._origins: dict[int, tuple[Any, Origin]] = {}
        self._nodes: dict[int, Layer] = {}
        self._paths: dict[int, str] = {}  # of nodes: where they were made
        self._depth = 0  # inside backward passes and updates
        self._before: dict[int, Array] = {}
        self._used: dict[int, Array] = {}
        self._left: dict[int, float] = {}  # norms of used gradients, as a backward pass began
        self._scalar: Any = None  # the last one with a graph: what backward begins at, as a rule
        for t in observed.targets:
            self._mark(t, Origin(target=True))

    def go_on(self) -> Step:
        """The step is over: what was seen. Of the next one, signals are not kept."""
        done, self.step, self.detailed = self.step, Step(), False
        self._origins = {k: (t, o) for k, (t, o) in self._origins.items() if o.target and not o.op}
        self._nodes, self._paths = {}, {}
        self._stack.clear()
        self._depth = 0
        return done

    # -- listening ---------------------------------------------------------------------------------

    def enter(self, event: Event) -> None:
        """Modules open, backward passes and updates begin."""
        if event.door != "span":
            return
        name, owner = event.op.name, event.op.owner
        if name == "backward":
            self._begin_backward()
        elif name == "step":
            self._begin_update(owner)
        elif isinstance(owner, Module):
            self._open(owner)

    def leave(self, event: Event) -> None:
        """What is over is remembered, also what ended badly."""
        if event.door == "span":
            self._close(event)
        elif event.node is not None:
            self._derivative(event)
        elif event.door == "write":
            self._written(event)
        elif event.door == "compute" and not self._depth and event.error is None:
            self._operation(event)

    def _open(self, module: Any) -> None:
        inside = id(module) in self._modules
        path = self._known.names.get(id(module), "") if inside else self._path()
        self._stack.append((path, module))
        if inside:
            self.step.modes[path] = (module, module.training)

    def _path(self) -> str:
        """The module that runs; "loss" where none does."""
        return self._stack[-1][0] if self._stack else "loss"

    def _close(self, event: Event) -> None:
        name, owner = event.op.name, event.op.owner
        if name == "backward":
            self._depth -= 1
        elif name == "step":
            self._depth -= 1
            self._end_update(owner)
        elif isinstance(owner, Module):
            self._stack.pop()

    # -- forward -----------------------------------------------------------------------------------

    def _mark(self, t: Any, origin: Origin) -> None:
        self._origins[id(t)] = (t, origin)  # which holds it, so that its id stays its own

    def origin(self, t: Any) -> Origin:
        """Where a tensor comes from."""
        known = self._origins.get(id(t))
        return Origin() if known is None else known[1]

    def _operation(self, event: Event) -> None:
        inputs = tuple(x for x in event.inputs if isinstance(x, Tensor))
        outputs = tuple(y for y in event.outputs if isinstance(y, Tensor))
        if not outputs:
            return
        origins = tuple(map(self.origin, inputs))
        for x in inputs:
            if id(x) in self._owners:
                self.step.read.setdefault(id(x), len(self.step.read))
                recorded = any(y._requires_grad for y in outputs)
                self.step.recorded[id(x)] = self.step.recorded.get(id(x), False) or recorded
        if outputs[0].array.size == 1 and outputs[0]._requires_grad:
            self._scalar = outputs[0].array
        call = Call(event.op.name, self._path(), inputs, origins, outputs, "")
        for y in outputs:
            if y.node is not None:
                self._paths[_whole(y.node).seq] = call.path
        if self._worth(call):
            call = call._replace(line=user_line())
            self.step.calls.append(call)
        self._look_at_values(call)
        self._follow(call)

    def _worth(self, call: Call) -> bool:
        """Whether a check may ask for it."""
        if call.name in LOSSES or call.name.endswith("softmax") or call.name == "sigmoid":
            return True
        return call.name in ("sub", "mul") and any(o.target for o in call.origins)

    def _look_at_values(self, call: Call) -> None:
        """Remember the first operation that gives what is not finite."""
        if self.step.bad is not None or all(finite(y.array) for y in call.outputs):
            return
        infinite_only = not any(np.isnan(y.array).any() for y in call.outputs)
        if not infinite_only or call.name not in _MOVES:
            self.step.bad = call._replace(line=call.line or user_line())

    def _follow(self, call: Call) -> None:
        """Where the results come from."""
        name, main = call.name, self._main(call)
        layer = self._layer(call)
        if layer is not None:
            origin = Origin(layer, name, name not in _RECURRENT)
        elif name in _FORMS:
            origin = main
        elif name == "add" and any(id(x) in self._owners for x in call.inputs):
            origin = main  # a bias
        elif name == "add" and self._in_cell():
            origin = main
        elif main.op in _PROBABILITIES and name in _RESCALES:
            origin = main  # clamped against log(0), say: probabilities they stay
        else:
            self._relate(call, main)
            origin = Origin(main.layer, name, False)
        for y in call.outputs:
            self._mark(y, origin)

    def _main(self, call: Call) -> Origin:
        """The origin that counts: of the operand that comes from a layer, or of the first."""
        first = next((o for o in call.origins if o.layer is not None), None)
        return first or (call.origins[0] if call.origins else Origin())

    def _in_cell(self) -> bool:
        return bool(self._stack) and hasattr(self._stack[-1][1], "hidden_size")

    def _relate(self, call: Call, source: Origin) -> None:
        """An activation behind a layer; a sum of branches; a normalization without weights."""
        name = {"gelu_tanh": "gelu"}.get(call.name, call.name)
        if name == "add" and sum(x.ndim > 1 for x in call.inputs) > 1:
            for o in call.origins:
                if o.layer is not None:
                    o.layer.added = True
        if source.layer is None or not source.fresh:
            return
        if name in NORMS:
            source.layer.normalized = True
        if name in ACTIVATIONS and source.layer.activation in (None, name):
            source.layer.activation = name
            if self.detailed:
                source.layer.activated.append(call.outputs[0].array)

    # -- layers ------------------------------------------------------------------------------------

    def _layer(self, call: Call) -> Layer | None:
        """The layer whose weights the operation reads, with what it reads and gives.

        None for layers of other networks that the step runs: they are not looked at.
        """
        foreign = self._stack and id(self._stack[-1][1]) not in self._modules
        if foreign and not any(id(t) in self._owners for t in call.inputs):
            return None
        if call.name in _RECURRENT and self._stack:
            return self._recurrent(call)
        if call.name in NORMS:
            return self._norm(call)
        if "embedding" in call.name and self._stack:
            return self._entered(self._path(), self._stack[-1][1], "embedding", call)
        if call.name not in _AFFINE or len(call.inputs) < 2:
            return None
        x, w = call.inputs[:2]
        if w.ndim < 2 or (call.name == "matmul" and id(w) not in self._owners):
            return None
        name, module = self._name_of(w)
        if module is None:
            return None
        if hasattr(module, "hidden_size") and hasattr(module, "num_layers"):
            return None  # the sequence is what counts
        kind = "conv" if "conv" in call.name else "linear"
        layer = self._entered(name, module, kind, call, x)
        if all(w is not known for _, known, _ in layer.weights):
            layer.weights.append((name, w, _AFFINE[call.name]))
        return layer

    def _name_of(self, w: Any) -> tuple[str, Any]:
        """The layer that a weight belongs to: of the module that runs, or that owns it."""
        running = self._stack[-1] if self._stack else ("", None)
        owned = id(w) in {id(p) for p in getattr(running[1], "_parameters", {}).values()}
        known = self._owners.get(id(w))
        if running[1] is not None and (owned or known is None) and not _is_users(running[1]):
            return running
        if known is None:
            return running if id(running[1]) in self._modules else ("", None)
        path, module, name = known
        if name == "weight" or not _is_users(module):
            return path, module
        return f"{path}.{name}".lstrip("."), module

    def _recurrent(self, call: Call) -> Layer:
        path, module = self._stack[-1]
        layer = self._entered(path, module, "recurrent", call)
        layer.activation = "relu" if getattr(module, "nonlinearity", "") == "relu" else "tanh"
        if self.detailed:
            layer.activated.append(call.outputs[0].array)
        layer.weights = [
            (n, p, 0) for n, p in module._parameters.items() if p is not None and p.ndim > 1
        ]
        return layer

    def _norm(self, call: Call) -> Layer | None:
        for o in call.origins[:1]:
            if o.layer is not None and o.fresh:
                o.layer.normalized = True
        if not self._stack or self._stack[-1][1] is None or _is_users(self._stack[-1][1]):
            return None
        path, module = self._stack[-1]
        return self._entered(path, module, "norm", call)

    def _entered(self, name: str, module: Any, kind: str, call: Call, x: Any = None) -> Layer:
        layer = self.step.layers.get(name)
        if layer is None:
            layer = self.step.layers[name] = Layer(name, module, kind)
        source = self.origin(x) if x is not None else Origin()
        layer.from_norm = layer.from_norm or source.op in NORMS
        y = call.outputs[0]
        if self.detailed:
            layer.inputs.append((call.inputs[0] if x is None else x).array)
            layer.outputs.append(y.array)
            for t in call.outputs[:1]:
                if t.node is not None:
                    self._nodes[_whole(t.node).seq] = layer
        return layer

    # -- backward and updates ----------------------------------------------------------------------

    def _begin_backward(self) -> None:
        self._depth += 1
        if self._scalar is not None:
            self.step.losses.append(float(self._scalar.reshape(())))
        for p in self._known.parameters.values():
            self._left.pop(id(p), None)
            used = self._used.get(id(p))
            if used is None or p._grad is None:
                continue
            g = p._grad.array
            if g.any() and np.array_equal(g, used, equal_nan=True):
                self._left[id(p)] = float(np.linalg.norm(g))

    def _derivative(self, event: Event) -> None:
        node: Any = event.node
        layer = self._nodes.get(node.seq)
        g = event.inputs[0]
        arrays = [_array(a) for a in (g if isinstance(g, list) else [g]) if a is not None]
        if layer is not None and arrays:
            layer.gradients.append(arrays[0])
            if node.op.name in _RECURRENT and event.outputs[0] is not None:
                layer.over_time = _by_time(_array(event.outputs[0]), node.params)
        if self.step.bad_backward is None and all(map(finite, arrays)):
            parts = [_array(p) for p in event.outputs if p is not None and hasattr(p, "shape")]
            if not all(map(finite, parts)):
                where = layer.name if layer is not None else self._paths.get(node.seq, "loss")
                self.step.bad_backward = (node.op.name, where, node.where or "")

    def _begin_update(self, optimizer: Any) -> None:
        self._depth += 1
        self._met(optimizer)
        for p in _parameters_of(optimizer):
            arrived = id(p) in self.step.reached
            if arrived and (p._grad is None or not p._grad.array.any()):
                self.step.emptied.add(id(p))
            self._before[id(p)] = p.array.copy()
            if id(p) in self._left:  # what was left and what arrived are used together
                self.step.stale[id(p)] = self._left[id(p)]
            if p._grad is not None:
                self._used[id(p)] = p._grad.array.copy()

    def _end_update(self, optimizer: Any) -> None:
        if all(optimizer is not o for o in self._known.optimizers):
            self._known.optimizers.append(optimizer)
        for p in _parameters_of(optimizer):
            before = self._before.pop(id(p), None)
            if before is None or p._grad is None:
                continue
            length = float(np.linalg.norm(before.astype(np.float64)))
            moved = float(np.linalg.norm(p.array.astype(np.float64) - before))
            self.step.trains = True
            self.step.updated[id(p)] = moved / length if length else moved

    def _written(self, event: Event) -> None:
        """Gradients that arrive at leaves; parameters that the user changes by hand."""
        t = event.inputs[0] if event.inputs else None
        if not isinstance(t, Tensor) or id(t) not in self._owners:
            return
        if event.op.name == "accumulate":
            self.step.reached[id(t)] = t
        elif not self._depth and t._requires_grad and t._grad is not None:
            if id(t) in self._left:
                self.step.stale[id(t)] = self._left[id(t)]
            self._used[id(t)] = t._grad.array.copy()
            self.step.trains = True


def finite(a: Array) -> bool:
    """Whether all elements are."""
    return a.dtype.kind != "f" or bool(np.isfinite(a).all())


def _array(a: Any) -> Array:
    return a.array if isinstance(a, Tensor) else np.asarray(a)


def _owners(model: Any) -> dict[int, tuple[str, Any, str]]:
    """Of each parameter, the module that owns it: its path, itself, and the parameter's name."""
    found: dict[int, tuple[str, Any, str]] = {}
    for path, module in model.named_modules():
        for name, p in module._parameters.items():
            if p is not None:
                found.setdefault(id(p), (path, module, name))
    return found


def _is_users(module: Any) -> bool:
    return not type(module).__module__.startswith("minigrad.")


def _parameters_of(optimizer: Any) -> Iterable[Any]:
    return [p for group in optimizer.param_groups for p in group["params"]]


def _by_time(g: Array, params: tuple[Any, ...]) -> list[float]:
    """The norm of the gradient of what a recurrent layer read, step by step."""
    sizes = next((p for p in params if isinstance(p, tuple) and sum(p) == len(g)), ())
    ends = np.cumsum(sizes)
    return [float(np.linalg.norm(part)) for part in np.split(g, ends[:-1])] if sizes else []


def _whole(node: Any) -> Any:
    """Of one of several results, the node of all."""
    found = picked(node)
    return node if found is None else found[0]
