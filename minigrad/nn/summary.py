"""A table of a model's layers: the shapes they give, their parameters, their multiply-adds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from minigrad.autograd.hooks import RemovableHandle
from minigrad.core.dtypes import as_dtype, get_default_dtype
from minigrad.core.modes import no_grad
from minigrad.core.tensor import Tensor, given
from minigrad.nn.attention import MultiheadAttention
from minigrad.nn.conv import _Conv, _ConvTranspose
from minigrad.nn.linear import Bilinear, Linear, Maxout, TransposedLinear
from minigrad.nn.modes import evaluating
from minigrad.nn.module import Module
from minigrad.nn.parameter import Parameter, is_lazy
from minigrad.nn.recurrent import RNNBase
from minigrad.nn.recurrent_cells import RNNCellBase
from minigrad.ops.inplace import store
from minigrad.ops.random import get_rng_state, set_rng_state

__all__ = ["Row", "Summary", "summary"]

#: Counts the multiply-adds of one call: from the module, its arguments and its result.
Count = Callable[[Any, Sequence[Any], Any], int]


# -- multiply-adds -------------------------------------------------------------------------------


def _tensors(value: Any) -> list[Tensor]:
    """All tensors in (nested) tuples, lists and dictionaries."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, Mapping):
        value = list(value.values())
    return [t for v in value for t in _tensors(v)] if isinstance(value, (tuple, list)) else []


def _size(value: Any) -> int:
    return int(_tensors(value)[0].array.size)


def _linear(module: Any, args: Sequence[Any], output: Any) -> int:
    return _size(output) * int(module.in_features)


def _maxout(module: Any, args: Sequence[Any], output: Any) -> int:
    return _size(output) * int(module.num_pieces) * int(module.in_features)


def _bilinear(module: Any, args: Sequence[Any], output: Any) -> int:
    """``x1 @ (W x2)``: one matrix and one vector product for each element of the result."""
    return _size(output) * int(module.in1_features) * (int(module.in2_features) + 1)


def _conv(module: Any, args: Sequence[Any], output: Any) -> int:
    """Each element of the result reads one window of its group's channels."""
    return _size(output) * int(math.prod(module.weight.shape[1:]))


def _conv_transpose(module: Any, args: Sequence[Any], output: Any) -> int:
    """Each element of the input is spread over one window of its group's output channels."""
    return _size(args[0]) * int(math.prod(module.weight.shape[1:]))


def _recurrent(module: Any, args: Sequence[Any], output: Any) -> int:
    """Every matrix is applied once to each element of each sequence."""
    matrices = sum(p.array.size for p in module.parameters() if p.array.ndim == 2)
    elements = _size(args[0]) // int(module.input_size)
    return elements * int(matrices)


def _attention(module: Any, args: Sequence[Any], output: Any) -> int:
    """The four affine maps, and in each head scores and weighted sums."""
    query, key, value = (t.array for t in _tensors(list(args))[:3])
    width = int(module.embed_dim)
    batch_axis = 0 if module.batch_first else 1
    batch = query.shape[batch_axis] if query.ndim == 3 else 1
    queries, keys = query.size // width // batch, key.size // key.shape[-1] // batch
    maps = 2 * queries * width**2 + keys * width * (key.shape[-1] + value.shape[-1])
    seen = keys + (module.bias_k is not None) + bool(module.add_zero_attn)
    return int(batch * (maps + 2 * queries * seen * width))


#: What is counted; the class that stands first among a layer's bases decides.
_COUNTS: dict[type, Count] = {
    Linear: _linear,
    TransposedLinear: _linear,
    Maxout: _maxout,
    Bilinear: _bilinear,
    _Conv: _conv,
    _ConvTranspose: _conv_transpose,
    RNNBase: _recurrent,
    RNNCellBase: _recurrent,
    MultiheadAttention: _attention,
}

#: Layers that use their children's parameters without calling the children.
_WHOLE = (MultiheadAttention,)


# -- what comes out ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One call of a layer.

    Attributes
    ----------
    path : str
        Where the layer stands in the model: ``"encoder.0"``; "" for the model itself.
    kind : str
        The name of its class.
    depth : int
        How many calls it lies inside.
    input_shapes, output_shapes : tuple of tuple of int
        Of all tensors in its arguments and its result; no output if it was never called.
    parameters : int
        The number of elements of its own parameters that no row above has counted.
    trainable : int
        How many of them require grad.
    shared : int
        The number of elements of its parameters that were counted above.
    mult_adds : int
        Of this call, without those of the layers inside.
    """

    path: str
    kind: str
    depth: int
    input_shapes: tuple[tuple[int, ...], ...] = ()
    output_shapes: tuple[tuple[int, ...], ...] = ()
    parameters: int = 0
    trainable: int = 0
    shared: int = 0
    mult_adds: int = 0

    def _cells(self) -> tuple[str, str, str, str]:
        name = self.path.rpartition(".")[2]
        title = f"{name}: {self.kind}" if name else self.kind
        shapes = ", ".join(str(list(s)) for s in self.output_shapes) or "not called"
        count = f"{self.parameters:,}" if self.parameters else "shared" if self.shared else "-"
        products = f"{self.mult_adds:,}" if self.mult_adds else "-"
        return "  " * self.depth + title, shapes, count, products


@dataclass(frozen=True)
class Summary:
    """What :func:`summary` returns; its text is the table.

    Attributes
    ----------
    rows : tuple of Row
        The calls in their order, each before those inside it.
    total_params, trainable_params, frozen_params : int
        Numbers of elements; shared parameters count once.
    total_mult_adds : int
        Multiply-adds of one forward pass.
    input_bytes, parameter_bytes, buffer_bytes : int
    activation_bytes : int
        Of the results of all layers that have no layers inside, views and in-place results not
        counted: about what one forward pass keeps for the backward pass.
    depth : int, optional
        The table shows no rows deeper than this; what they count is added to those above.
    """

    rows: tuple[Row, ...]
    total_params: int
    trainable_params: int
    total_mult_adds: int
    input_bytes: int
    parameter_bytes: int
    buffer_bytes: int
    activation_bytes: int
    depth: int | None = field(default=None)

    @property
    def frozen_params(self) -> int:
        """Elements of parameters that do not require grad."""
        return self.total_params - self.trainable_params

    @property
    def total_bytes(self) -> int:
        """All memory that the other attributes speak of."""
        return self.input_bytes + self.parameter_bytes + self.buffer_bytes + self.activation_bytes

    def _shown(self) -> list[Row]:
        """The rows down to `depth`, with what lies deeper added."""
        shown: list[Row] = []
        for row in self.rows:
            if self.depth is None or row.depth <= self.depth:
                shown.append(row)
                continue
            above = shown[-1]
            shown[-1] = replace(
                above,
                parameters=above.parameters + row.parameters,
                shared=above.shared + row.shared,
                mult_adds=above.mult_adds + row.mult_adds,
            )
        return shown

    def __str__(self) -> str:
        table = [("Layer", "Output shape", "Parameters", "Mult-adds")]
        table += [row._cells() for row in self._shown()]
        widths = [max(len(cells[i]) for cells in table) for i in range(4)]
        lines = [
            f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}  {d:>{widths[3]}}"
            for a, b, c, d in table
        ]
        rule = "-" * len(lines[0])
        sizes = {
            "input": self.input_bytes,
            "parameters": self.parameter_bytes,
            "buffers": self.buffer_bytes,
            "activations": self.activation_bytes,
        }
        memory = ", ".join(f"{name} {_bytes(n)}" for name, n in sizes.items())
        return "\n".join(
            [
                lines[0],
                rule,
                *lines[1:],
                rule,
                f"Parameters: {self.total_params:,} ({self.trainable_params:,} trainable, "
                f"{self.frozen_params:,} frozen)",
                f"Mult-adds: {self.total_mult_adds:,}",
                f"Memory: {memory}, total {_bytes(self.total_bytes)}",
            ]
        )

    __repr__ = __str__


def _bytes(n: int) -> str:
    size, unit = float(n), "B"
    for unit in ("B", "kB", "MB", "GB"):  # noqa: B007
        if size < 1000:
            break
        size /= 1000
    return f"{n} B" if n < 1000 else f"{size:.2f} {unit}"


# -- watching a call -----------------------------------------------------------------------------


class _Watch:
    """Notes a row for each call, by hooks before and after `forward`."""

    def __init__(self, model: Module, counts: Mapping[type, Count]) -> None:
        self.counts = counts
        self.paths = {module: path for path, module in model.named_modules()}
        self.rows: list[Row] = []
        self.open: list[tuple[int, Module]] = []  # places of rows whose call has not ended
        self.leaves: dict[int, int] = {}  # bytes of the result by row
        self.counted: set[int] = set()
        self.called: set[Module] = set()
        self.counting = False  # reading a computed weight calls modules, too

    def attach(self) -> list[RemovableHandle]:
        """Put the hooks on all modules."""
        handles = []
        for module in self.paths:
            handles.append(module.register_forward_pre_hook(self._before, with_kwargs=True))
            handles.append(module.register_forward_hook(self._after, with_kwargs=True))
        return handles

    def _parameters(self, module: Module) -> dict[str, Any]:
        """Numbers of the module's own parameters, each tensor counted by the first that has it."""
        whole = isinstance(module, _WHOLE)
        sizes = {"parameters": 0, "trainable": 0, "shared": 0}
        for p in module.parameters(recurse=whole):
            if is_lazy(p):
                continue
            seen = id(p) in self.counted
            self.counted.add(id(p))
            sizes["shared" if seen else "parameters"] += p.array.size
            sizes["trainable"] += 0 if seen or not p._requires_grad else p.array.size
        return sizes

    def _row(self, module: Module, **more: Any) -> Row:
        return Row(
            self.paths[module], module._get_name(), len(self.open), **self._parameters(module),
            **more,
        )  # fmt: skip

    def _before(self, module: Module, args: Any, kwargs: Any) -> None:
        if self.counting:
            return
        shapes = tuple(t.array.shape for t in _tensors((args, kwargs)))
        self.called.add(module)
        for place, _ in self.open:  # they have layers inside
            self.leaves.pop(place, None)
        self.rows.append(self._row(module, input_shapes=shapes))
        self.open.append((len(self.rows) - 1, module))

    def _after(self, module: Module, args: Any, kwargs: Any, output: Any) -> None:
        if self.counting:
            return
        while self.open[-1][1] is not module:  # calls whose failure the model caught
            self.open.pop()
        place, _ = self.open[-1]
        row = self.rows[place]
        results, given = _tensors(output), [*args, *kwargs.values()]
        # a lazy layer has its parameters only now
        late = self._parameters(module) if not row.parameters and not row.shared else {}
        self.rows[place] = replace(
            row,
            kind=module._get_name(),
            output_shapes=tuple(t.array.shape for t in results),
            mult_adds=self._count(module, given, output),
            **late,
        )
        if place == len(self.rows) - 1:
            inside = [t.array for t in _tensors(given)]
            self.leaves[place] = sum(
                t.array.nbytes
                for t in results
                if not any(np.may_share_memory(t.array, a) for a in inside)
            )
        self._uncalled(module)
        self.open.pop()

    def _count(self, module: Module, args: Sequence[Any], output: Any) -> int:
        kind = next((k for k in type(module).__mro__ if k in self.counts), None)
        if kind is None:
            return 0
        self.counting = True
        try:
            return int(self.counts[kind](module, args, output))
        finally:
            self.counting = False

    def _uncalled(self, module: Module) -> None:
        """Rows for children whose parameters would be missing: used, but not by calling them."""
        if isinstance(module, _WHOLE):
            self.called.update(module.modules())
            return
        for child in module.children():
            if child not in self.called and child in self.paths:
                self.called.add(child)
                own = child.parameters(recurse=isinstance(child, _WHOLE))
                if any(id(p) not in self.counted for p in own):
                    self.rows.append(self._row(child))
                self.open.append((-1, child))
                self._uncalled(child)
                self.open.pop()


@contextmanager
def _unchanged(model: Module) -> Iterator[None]:
    """Put back values of parameters and buffers, and the random state."""
    buffers = {module: dict(module._buffers) for module in model.modules()}
    tensors = [t for t in (*model.parameters(), *model.buffers()) if not is_lazy(t)]
    values = [t.detach().clone() for t in tensors]
    state = get_rng_state()
    try:
        yield
    finally:
        set_rng_state(state)
        for module, before in buffers.items():
            for name, b in before.items():
                if not is_lazy(b) and name in module._buffers:
                    module._buffers[name] = b
        for t, value in zip(tensors, values, strict=True):
            if t.array.tobytes() != value.array.tobytes():
                with no_grad():
                    store(t, value)


def _example(size: Any, dtype: Any) -> Any:
    """An example of the given shape: ones, or class 0 for integers."""
    if not all(isinstance(n, int) for n in size):
        return tuple([_example(s, dtype) for s in size])
    return given((np.ones if as_dtype(dtype).is_floating_point else np.zeros)(size, dtype.numpy))


def _inputs(model: Module, inputs: Any, input_size: Any, dtype: Any) -> tuple[tuple[Any, ...], Any]:
    """Positional and named arguments for the model."""
    if (inputs is None) == (input_size is None):
        raise ValueError(
            "summary needs an example: pass an input tensor (or a tuple of all inputs), or "
            "input_size=, the shape of the input including the batch dimension"
        )
    if input_size is not None:
        kinds = [p.dtype for p in model.parameters() if p.dtype.is_floating_point]
        usual = kinds[0] if kinds else get_default_dtype()
        inputs = _example(tuple(input_size), usual if dtype is None else as_dtype(dtype))
    if isinstance(inputs, Mapping):
        return (), dict(inputs)
    if isinstance(inputs, (tuple, list)) and not hasattr(inputs, "_fields"):
        return tuple(inputs), {}
    return (inputs,), {}


def summary(
    model: Module, inputs: Any = None, *, input_size: Any = None, dtype: Any = None,
    depth: int | None = None, counts: Mapping[type, Count] | None = None,
) -> Summary:  # fmt: skip
    """Call a model on an example, and tell what each layer gives, holds and computes.

    The model is called once in evaluation mode without gradients; its mode, gradients, parameters,
    running statistics and the random state are as before (but lazy layers are initialized).

    Counted are the multiply-adds of products with weights and between activations in Linear,
    Bilinear, Maxout, convolutions, attention, recurrent layers and cells. Additions of biases,
    norms, activations, pooling and lookups in tables are not; nor are products that a ``forward``
    of one's own computes by functions.

    Parameters
    ----------
    model : Module
    inputs : Tensor, tuple or dict
        An example: the input, the tuple of all inputs, or the inputs by name.
    input_size : tuple of int, or tuple of those
        Instead: the shape(s) of the input(s), including the batch dimension.
    dtype : dtype, optional
        Of the example that is made for `input_size`; that of the parameters by default.
    depth : int, optional
        Show no layers deeper than this: 0 is the model alone.
    counts : mapping of type to callable, optional
        ``count(module, args, output)`` for layers of one's own, or instead of the usual ones.

    Returns
    -------
    Summary
        With `rows` and totals; its text is the table.

    Raises
    ------
    RuntimeError
        If a layer failed on the example; the message says which one.
    TypeError, ValueError
        If `model` is no module, or not exactly one of `inputs` and `input_size` is given.

    Examples
    --------
    >>> from minigrad import nn
    >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10))
    >>> found = nn.summary(net, input_size=(1, 1, 8, 8))
    >>> found
    Layer         Output shape  Parameters  Mult-adds
    -------------------------------------------------
    Sequential    [1, 10]                -          -
      0: Conv2d   [1, 4, 6, 6]          40      1,296
      1: ReLU     [1, 4, 6, 6]           -          -
      2: Flatten  [1, 144]               -          -
      3: Linear   [1, 10]            1,450      1,440
    -------------------------------------------------
    Parameters: 1,490 (1,490 trainable, 0 frozen)
    Mult-adds: 2,736
    Memory: input 256 B, parameters 5.96 kB, buffers 0 B, activations 1.19 kB, total 7.41 kB
    >>> found.total_params, found.total_mult_adds
    (1490, 2736)
    """
    if not isinstance(model, Module):
        raise TypeError(f"summary expects an nn.Module, got {type(model).__name__}")
    args, kwargs = _inputs(model, inputs, input_size, dtype)
    watch = _Watch(model, {**_COUNTS, **(counts or {})})
    with _unchanged(model), evaluating(model), no_grad():
        handles = watch.attach()
        try:
            model(*args, **kwargs)
        except Exception as error:
            raise RuntimeError(_failure(watch, error)) from error
        finally:
            for handle in handles:
                handle.remove()
    return _result(watch, model, _tensors((args, kwargs)), depth)


def _failure(watch: _Watch, error: Exception) -> str:
    """Which layer failed, on what."""
    if not watch.open:
        return f"summary: the model failed before any layer was called: {error}"
    place, module = watch.open[-1]
    row = watch.rows[place]
    shapes = ", ".join(str(list(s)) for s in row.input_shapes)
    name = f"layer '{row.path}'" if row.path else "the model itself"
    done = [r.path for i, r in enumerate(watch.rows) if i not in dict(watch.open)]
    after = f", after {', '.join(done[-3:])}" if done else ""
    return (
        f"summary: {name} ({module._get_name()}) failed on input of shape {shapes}{after}: "
        f"{type(error).__name__}: {error}"
    )


def _result(watch: _Watch, model: Module, given: list[Tensor], depth: int | None) -> Summary:
    def size(tensors: Iterator[Any]) -> int:
        return sum(t.array.nbytes for t in tensors)

    parameters: list[Parameter] = list(model.parameters())
    return Summary(
        rows=tuple(watch.rows),
        total_params=sum(p.array.size for p in parameters),
        trainable_params=sum(p.array.size for p in parameters if p._requires_grad),
        total_mult_adds=sum(row.mult_adds for row in watch.rows),
        input_bytes=size(iter(given)),
        parameter_bytes=size(iter(parameters)),
        buffer_bytes=size(model.buffers()),
        activation_bytes=sum(watch.leaves.values()),
        depth=depth,
    )
