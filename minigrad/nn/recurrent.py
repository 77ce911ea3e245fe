"""Recurrent layers over whole sequences: RNN, LSTM, GRU."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from minigrad.core.ops.shape import reshape
from minigrad.core.tensor import Tensor, given
from minigrad.nn import fill
from minigrad.nn.functions.dropout import dropout as drop
from minigrad.nn.functions.sparse import linear
from minigrad.nn.functions.warn import warn_user
from minigrad.nn.linear import new_parameter
from minigrad.nn.module import Module
from minigrad.nn.parameter import Parameter
from minigrad.nn.utils.rnn import PackedSequence, packed_sizes
from minigrad.ops.join import cat, stack
from minigrad.ops.layers import recurrent as ops
from minigrad.ops.select import index_select
from minigrad.ops.slices import unbind

__all__ = ["GRU", "LSTM", "RNN", "RNNBase"]

_GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


def _check_sizes(
    input_size: Any, hidden_size: Any, num_layers: int, bias: Any, batch_first: Any, dropout: Any,
    proj_size: int,
) -> None:  # fmt: skip
    if (
        not isinstance(dropout, numbers.Number)
        or isinstance(dropout, bool)
        or not 0 <= dropout <= 1  # type: ignore[operator]
    ):
        raise ValueError(
            "dropout should be a number in range [0, 1] representing the probability of an element "
            f"being zeroed, got {dropout!r}"
        )
    if dropout > 0 and num_layers == 1:  # type: ignore[operator]
        warn_user(
            "dropout option adds dropout after all but last recurrent layer, so non-zero dropout "
            f"expects num_layers greater than 1, but got dropout={dropout} and "
            f"num_layers={num_layers}"
        )
    for name, value in (("bias", bias), ("batch_first", batch_first)):
        if not isinstance(value, bool):
            raise TypeError(f"{name} should be of type bool, got: {type(value).__name__}")
    for name, value in (("input_size", input_size), ("hidden_size", hidden_size)):
        if not isinstance(value, int):
            raise TypeError(f"{name} should be of type int, got: {type(value).__name__}")
        if value <= 0:
            raise ValueError(f"{name} must be greater than zero, got {value}")
    if num_layers <= 0:
        raise ValueError(f"num_layers must be greater than zero, got {num_layers}")
    if proj_size < 0:
        raise ValueError(
            "proj_size should be a positive integer or zero to disable projections, got "
            f"{proj_size}"
        )
    if proj_size >= hidden_size:
        raise ValueError(
            f"proj_size has to be smaller than hidden_size, got {proj_size} and {hidden_size}"
        )


class RNNBase(Module):
    """What RNN, LSTM and GRU have in common: layers, directions, packed and padded sequences.

    Parameters
    ----------
    mode : {"RNN_TANH", "RNN_RELU", "LSTM", "GRU"}
    input_size, hidden_size : int
    num_layers : int
        Each layer reads the states of the one below.
    bias : bool
    batch_first : bool
        Sequences are (N, T, I) instead of (T, N, I).
    dropout : float
        The probability of a state to be zeroed on its way to the next layer, in training.
    bidirectional : bool
        A second network reads each sequence from its end; the states of both stand side by side.
    proj_size : int
        Project the hidden state of an LSTM to this size, if it is not 0.
    device, dtype : optional

    Attributes
    ----------
    weight_ih_l0, weight_hh_l0 : Parameter, shapes (gates * hidden_size, input) and (..., hidden)
        From the input, and from the hidden state, to the gates one below the other; one pair for
        each layer, and ``weight_ih_l0_reverse``... for the other direction.
    bias_ih_l0, bias_hh_l0 : Parameter, shape (gates * hidden_size,)
    weight_hr_l0 : Parameter, shape (proj_size, hidden_size)
    """

    mode: str
    input_size: int
    hidden_size: int
    num_layers: int
    bias: bool
    batch_first: bool
    dropout: float
    bidirectional: bool
    proj_size: int

    def __init__(
        self, mode: str, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True,
        batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False,
        proj_size: int = 0, device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        _check_sizes(input_size, hidden_size, num_layers, bias, batch_first, dropout, proj_size)
        if mode not in _GATES:
            raise ValueError(f"Unrecognized RNN mode: {mode}; known: {', '.join(_GATES)}")
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self._all_weights: list[list[str]] = []
        for layer in range(num_layers):
            for suffix in ("", "_reverse")[: self._directions]:
                shapes = self._shapes(layer)
                names = {f"{name}_l{layer}{suffix}": shape for name, shape in shapes.items()}
                for name, shape in names.items():
                    setattr(self, name, new_parameter(shape, dtype, device))
                self._all_weights.append(list(names))
        self.reset_parameters()

    @property
    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def _out_size(self) -> int:
        return self.proj_size or self.hidden_size

    def _shapes(self, layer: int) -> dict[str, tuple[int, ...]]:
        """The parameters of a layer in one direction."""
        rows = _GATES[self.mode] * self.hidden_size
        width = self._out_size * self._directions if layer else self.input_size
        shapes: dict[str, tuple[int, ...]] = {
            "weight_ih": (rows, width), "weight_hh": (rows, self._out_size)
        }  # fmt: skip
        if self.bias:
            shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
        if self.proj_size:
            shapes["weight_hr"] = (self.proj_size, self.hidden_size)
        return shapes

    @property
    def _flat_weights_names(self) -> list[str]:
        return [name for names in self._all_weights for name in names]

    @property
    def _flat_weights(self) -> list[Any]:
        return [getattr(self, name) for name in self._flat_weights_names]

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    def flatten_parameters(self) -> None:
        """Nothing: parameters need not lie together in memory."""

    def reset_parameters(self) -> None:
        """Draw the parameters anew: uniform in ``+-1 / sqrt(hidden_size)``."""
        bound = 1 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            fill.uniform_(weight, -bound, bound)

    # -- checks ----------------------------------------------------------------------------------

    def check_input(self, input: Tensor, batch_sizes: Any) -> None:
        """Refuse input of another type or size.

        Raises
        ------
        ValueError
            If its dtype is not that of the parameters.
        RuntimeError
            If its shape does not fit.
        """
        kind = self._flat_weights[0].dtype
        if input.dtype != kind:
            raise ValueError(
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({kind}). Convert "
                f"input: input.to({kind}), or convert model: model.to({input.dtype})"
            )
        expected, shape = (2 if batch_sizes is not None else 3), input.array.shape
        if len(shape) != expected:
            raise RuntimeError(f"input must have {expected} dimensions, got {len(shape)}")
        if shape[-1] != self.input_size:
            raise RuntimeError(
                "input.size(-1) must be equal to input_size. Expected "
                f"{self.input_size}, got {shape[-1]}"
            )

    def _expected(self, input: Tensor, batch_sizes: Any, size: int) -> tuple[int, int, int]:
        if batch_sizes is not None:
            batch = int(batch_sizes[0])
        else:
            batch = input.array.shape[0 if self.batch_first else 1]
        return self.num_layers * self._directions, batch, size

    def get_expected_hidden_size(self, input: Tensor, batch_sizes: Any) -> tuple[int, int, int]:
        """The shape of the hidden state for an input."""
        return self._expected(input, batch_sizes, self._out_size)

    def check_hidden_size(
        self, hx: Tensor, expected_hidden_size: tuple[int, int, int],
        msg: str = "Expected hidden size {}, got {}",
    ) -> None:  # fmt: skip
        """Refuse a state of another shape.

        Raises
        ------
        RuntimeError
            With both shapes.
        """
        if tuple(hx.array.shape) != tuple(expected_hidden_size):
            raise RuntimeError(msg.format(expected_hidden_size, list(hx.array.shape)))

    def check_forward_args(self, input: Tensor, hidden: Any, batch_sizes: Any) -> None:
        """Refuse an input or a state that does not fit."""
        self.check_input(input, batch_sizes)
        self.check_hidden_size(hidden, self.get_expected_hidden_size(input, batch_sizes))

    def permute_hidden(self, hx: Any, permutation: Tensor | None) -> Any:
        """The state with its sequences in another order."""
        return hx if permutation is None else index_select(hx, 1, permutation)

    # -- forward ---------------------------------------------------------------------------------

    def _states_of(self, hx: Any) -> tuple[Tensor, ...]:
        return (hx,)

    def _state_from(self, states: Sequence[Tensor]) -> Any:
        return states[0]

    def _zeros(self, input: Tensor, batch_sizes: Any) -> Any:
        shape = self.get_expected_hidden_size(input, batch_sizes)
        return given(np.zeros(shape, input.array.dtype))

    def _check_ranks(self, hx: Any, ndim: int) -> None:
        found = hx.array.ndim
        if found != ndim:
            batched = "batched 3-D" if ndim == 3 else "unbatched 2-D"
            raise RuntimeError(
                f"For {batched} input, hx should also be {ndim}-D but got {found}-D tensor"
            )

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        """The states of the last layer at all steps, and the last states of all layers.

        Parameters
        ----------
        input : Tensor, shape (T, N, I), (N, T, I) if `batch_first`, or (T, I); or PackedSequence
        hx : Tensor, shape (num_layers * directions, N, H), or without N; optional
            The initial state, zeros if there is none; of an LSTM two: hidden state and cell.

        Returns
        -------
        output : Tensor or PackedSequence
            As the input, with the hidden size (twice, if bidirectional) in place of I.
        hx : Tensor
            The state after the last step, in the shape of the initial one; of an LSTM two.
        """
        if isinstance(input, PackedSequence):
            return self._forward_packed(input, hx)
        shape = input.array.shape
        if len(shape) not in (2, 3):
            tensor = " tensor" if self.mode.startswith("RNN") else ""
            name = self.mode.partition("_")[0]
            raise ValueError(
                f"{name}: Expected input to be 2D or 3D, got {len(shape)}D{tensor} instead"
            )
        unbatched = len(shape) == 2
        if hx is not None:
            self._check_ranks(hx, len(shape))
        if unbatched:
            input = input.unsqueeze(0 if self.batch_first else 1)
            if hx is not None:
                hx = self._state_from([s.unsqueeze(1) for s in self._states_of(hx)])
        hx = self._zeros(input, None) if hx is None else hx
        self.check_forward_args(input, hx, None)
        if self.batch_first:
            input = input.transpose(0, 1)
        steps, count = input.array.shape[:2]
        if steps == 0:
            raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
        rows = reshape(input, (steps * count, self.input_size))
        rows, states = self._layers(rows, self._states_of(hx), (count,) * steps)
        output: Any = reshape(rows, (steps, count, rows.array.shape[-1]))
        if self.batch_first:
            output = output.transpose(0, 1)
        if unbatched:
            output = output.squeeze(0 if self.batch_first else 1)
            states = [s.squeeze(1) for s in states]
        return output, self._state_from(states)

    def _forward_packed(self, input: PackedSequence, hx: Any) -> tuple[PackedSequence, Any]:
        data, batch_sizes, order, inverse = input
        self.check_input(data, batch_sizes)
        sizes = packed_sizes(input)
        hx = self._zeros(data, sizes) if hx is None else self.permute_hidden(hx, order)
        self.check_forward_args(data, hx, sizes)
        rows, states = self._layers(data, self._states_of(hx), sizes)
        output = PackedSequence(rows, batch_sizes, order, inverse)
        return output, self.permute_hidden(self._state_from(states), inverse)

    def _layers(
        self, rows: Tensor, states: Sequence[Tensor], sizes: tuple[int, ...]
    ) -> tuple[Tensor, list[Any]]:
        """All layers, on rows of all steps; the rows of the last one, and the last states."""
        for s in states:
            if s.array.dtype != rows.array.dtype:
                raise RuntimeError(
                    f"{type(self).__name__}: the input has dtype {rows.dtype}, but the initial "
                    f"state {s.dtype}: convert the state with .to({rows.dtype})"
                )
        parts: Iterator[tuple[Tensor, ...]] = zip(*[unbind(s, 0) for s in states], strict=True)
        last: list[Sequence[Tensor]] = []
        names = iter(self._all_weights)
        for layer in range(self.num_layers):
            outs = []
            for backwards in (False, True)[: self._directions]:
                out, *after = self._direction(rows, next(names), next(parts), sizes, backwards)
                outs.append(out)
                last.append(after)
            rows = outs[0] if len(outs) == 1 else cat(outs, 1)
            if self.dropout and self.training and layer < self.num_layers - 1:
                rows = drop(rows, self.dropout)
        return rows, [_stacked(parts) for parts in zip(*last, strict=True)]

    def _direction(
        self, rows: Tensor, names: list[str], states: tuple[Tensor, ...], sizes: tuple[int, ...],
        backwards: bool,
    ) -> tuple[Tensor, ...]:  # fmt: skip
        """One layer in one direction."""
        weights = [getattr(self, name) for name in names]
        w_ih, w_hh, *rest = weights
        b_ih, b_hh = rest[:2] if self.bias else (None, None)
        if self.mode == "GRU":
            gates = linear(rows, w_ih, b_ih)
            if b_hh is None:
                b_hh = given(np.zeros(w_hh.array.shape[0], w_hh.array.dtype))
            return ops.gru((gates, w_hh, b_hh, *states), (sizes, backwards))  # type: ignore[return-value]
        gates = linear(rows, w_ih, None if b_ih is None else b_ih + b_hh)
        if self.mode != "LSTM":
            params = (sizes, backwards, self.mode == "RNN_RELU")
            return ops.rnn((gates, w_hh, *states), params)  # type: ignore[return-value]
        projection = weights[-1] if self.proj_size else None
        found: tuple[Tensor, ...] = ops.lstm((gates, w_hh, *states, projection), (sizes, backwards))
        return found

    def extra_repr(self) -> str:
        """The sizes, and what is not as by default."""
        text = f"{self.input_size}, {self.hidden_size}"
        for name, default in (
            ("proj_size", 0), ("num_layers", 1), ("bias", True), ("batch_first", False),
            ("dropout", 0), ("bidirectional", False),
        ):  # fmt: skip
            value = getattr(self, name)
            if value != default:
                text += f", {name}={value}"
        return text


def _stacked(parts: Sequence[Any]) -> Any:
    if len(parts) == 1:
        return reshape(parts[0], (1, *parts[0].array.shape))
    return stack(parts)


def _refuse(more: dict[str, Any], name: str) -> None:
    if "proj_size" in more:
        raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
    if more:
        raise TypeError(f"{name}() got an unexpected keyword argument '{next(iter(more))}'")


class RNN(RNNBase):
    """``h_t = tanh(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh)``, or relu (Elman 1990).

    Parameters
    ----------
    input_size, hidden_size, num_layers : int
    nonlinearity : {"tanh", "relu"}
    bias, batch_first, dropout, bidirectional, device, dtype
        As in :class:`RNNBase`.

    Examples
    --------
    >>> import minigrad as mg
    >>> y, h = mg.nn.RNN(3, 4, num_layers=2)(mg.ones(5, 2, 3))
    >>> y.shape, h.shape
    (minigrad.Size([5, 2, 4]), minigrad.Size([2, 2, 4]))
    """

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, nonlinearity: str = "tanh",
        bias: bool = True, batch_first: bool = False, dropout: float = 0.0,
        bidirectional: bool = False, device: Any = None, dtype: Any = None, **more: Any,
    ) -> None:  # fmt: skip
        _refuse(more, "RNN")
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(
                f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'."
            )
        super().__init__(
            f"RNN_{nonlinearity.upper()}", input_size, hidden_size, num_layers, bias, batch_first,
            dropout, bidirectional, 0, device, dtype,
        )  # fmt: skip
        self.nonlinearity = nonlinearity


class GRU(RNNBase):
    """Gated recurrent units (Cho et al. 2014).

    ::

        r = sigmoid(W_ir x + b_ir + W_hr h + b_hr)
        z = sigmoid(W_iz x + b_iz + W_hz h + b_hz)
        n = tanh(W_in x + b_in + r * (W_hn h + b_hn))
        h' = (1 - z) * n + z * h

    Parameters
    ----------
    input_size, hidden_size, num_layers : int
    bias, batch_first, dropout, bidirectional, device, dtype
        As in :class:`RNNBase`.

    Examples
    --------
    >>> import minigrad as mg
    >>> y, h = mg.nn.GRU(3, 4, bidirectional=True)(mg.ones(5, 2, 3))
    >>> y.shape, h.shape
    (minigrad.Size([5, 2, 8]), minigrad.Size([2, 2, 4]))
    """

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True,
        batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False,
        device: Any = None, dtype: Any = None, **more: Any,
    ) -> None:  # fmt: skip
        _refuse(more, "GRU")
        super().__init__(
            "GRU", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
            0, device, dtype,
        )  # fmt: skip


class LSTM(RNNBase):
    """Long short-term memory (Hochreiter and Schmidhuber 1997; forget gate: Gers et al. 2000).

    ::

        i = sigmoid(W_ii x + b_ii + W_hi h + b_hi)
        f = sigmoid(W_if x + b_if + W_hf h + b_hf)
        g = tanh(W_ig x + b_ig + W_hg h + b_hg)
        o = sigmoid(W_io x + b_io + W_ho h + b_ho)
        c' = f * c + i * g
        h' = o * tanh(c')                    W_hr (o * tanh(c')) with proj_size (Sak et al. 2014)

    Parameters
    ----------
    input_size, hidden_size, num_layers : int
    bias, batch_first, dropout, bidirectional, proj_size, device, dtype
        As in :class:`RNNBase`.

    Examples
    --------
    >>> import minigrad as mg
    >>> y, (h, c) = mg.nn.LSTM(3, 4, batch_first=True)(mg.ones(2, 5, 3))
    >>> y.shape, h.shape, c.shape
    (minigrad.Size([2, 5, 4]), minigrad.Size([1, 2, 4]), minigrad.Size([1, 2, 4]))
    """

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True,
        batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False,
        proj_size: int = 0, device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(
            "LSTM", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
            proj_size, device, dtype,
        )  # fmt: skip

    def get_expected_cell_size(self, input: Tensor, batch_sizes: Any) -> tuple[int, int, int]:
        """The shape of the cell for an input."""
        return self._expected(input, batch_sizes, self.hidden_size)

    def check_forward_args(self, input: Tensor, hidden: Any, batch_sizes: Any) -> None:
        """Refuse an input, a hidden state or a cell that does not fit."""
        self.check_input(input, batch_sizes)
        expected = self.get_expected_hidden_size(input, batch_sizes)
        self.check_hidden_size(hidden[0], expected, "Expected hidden[0] size {}, got {}")
        expected = self.get_expected_cell_size(input, batch_sizes)
        self.check_hidden_size(hidden[1], expected, "Expected hidden[1] size {}, got {}")

    def permute_hidden(self, hx: Any, permutation: Tensor | None) -> Any:
        """Hidden state and cell with their sequences in another order."""
        if permutation is None:
            return hx
        return index_select(hx[0], 1, permutation), index_select(hx[1], 1, permutation)

    def _states_of(self, hx: Any) -> tuple[Tensor, ...]:
        return hx[0], hx[1]

    def _state_from(self, states: Sequence[Tensor]) -> Any:
        return tuple(states)

    def _zeros(self, input: Tensor, batch_sizes: Any) -> Any:
        hidden = super()._zeros(input, batch_sizes)
        shape = self.get_expected_cell_size(input, batch_sizes)
        return hidden, given(np.zeros(shape, input.array.dtype))

    def _check_ranks(self, hx: Any, ndim: int) -> None:
        found = [hx[i].array.ndim for i in (0, 1)]
        if found != [ndim, ndim]:
            batched = "batched 3-D" if ndim == 3 else "unbatched 2-D"
            raise RuntimeError(
                f"For {batched} input, hx and cx should also be {ndim}-D but got ({found[0]}-D, "
                f"{found[1]}-D) tensors"
            )
