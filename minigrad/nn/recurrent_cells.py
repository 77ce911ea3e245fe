"""Recurrent cells: one step of a recurrent layer, for loops of one's own."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.core.ops.shape import reshape
from minigrad.core.tensor import Tensor, given
from minigrad.nn import fill
from minigrad.nn.functions.sparse import linear
from minigrad.nn.linear import new_parameter
from minigrad.nn.module import Module
from minigrad.ops.layers import recurrent as ops

__all__ = ["GRUCell", "LSTMCell", "RNNCell", "RNNCellBase"]


class RNNCellBase(Module):
    """What the cells have in common.

    Parameters
    ----------
    input_size, hidden_size : int
    bias : bool
    num_chunks : int
        The number of gates.
    device, dtype : optional

    Attributes
    ----------
    weight_ih, weight_hh : Parameter
        Shapes (num_chunks * hidden_size, input_size) and (num_chunks * hidden_size, hidden_size).
    bias_ih, bias_hh : Parameter, shape (num_chunks * hidden_size,), or None
    """

    input_size: int
    hidden_size: int
    bias: bool

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool, num_chunks: int, device: Any = None,
        dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        rows = num_chunks * hidden_size
        self.weight_ih = new_parameter((rows, input_size), dtype, device)
        self.weight_hh = new_parameter((rows, hidden_size), dtype, device)
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(name, new_parameter((rows,), dtype, device) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew: uniform in ``+-1 / sqrt(hidden_size)``."""
        bound = 1 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            fill.uniform_(weight, -bound, bound)

    def extra_repr(self) -> str:
        """The sizes, and what is not as by default."""
        text = f"{self.input_size}, {self.hidden_size}"
        if self.bias is not True:
            text += f", bias={self.bias}"
        nonlinearity = getattr(self, "nonlinearity", "tanh")
        return text if nonlinearity == "tanh" else f"{text}, nonlinearity={nonlinearity}"

    def _checked(self, input: Tensor, states: Any, names: tuple[str, ...]) -> list[Tensor]:
        """Input and states as matrices, zeros where no state was given."""
        cell = type(self).__name__
        ndim = input.array.ndim
        if ndim not in (1, 2):
            raise ValueError(f"{cell}: Expected input to be 1D or 2D, got {ndim}D instead")
        for name, s in zip(names, states or (), strict=False):
            if s.array.ndim not in (1, 2):
                raise ValueError(
                    f"{cell}: Expected {name} to be 1D or 2D, got {s.array.ndim}D instead"
                )
        if ndim == 1:
            input = reshape(input, (1, -1))
            states = states and [s.unsqueeze(0) for s in states]
        size = input.array.shape[1]
        if size != self.input_size:
            raise RuntimeError(
                f"input has inconsistent input_size: got {size} expected {self.input_size}"
            )
        if input.array.dtype != self.weight_ih.array.dtype:
            raise RuntimeError(
                f"{cell}: input and weights must have the same dtype, but got {input.dtype} and "
                f"{self.weight_ih.dtype}: convert the input with .to({self.weight_ih.dtype})"
            )
        if states is None:
            zeros = np.zeros((input.array.shape[0], self.hidden_size), input.array.dtype)
            return [input, *[given(zeros)] * len(names)]
        for i, s in enumerate(states):
            self._check_state(input, s, i)
        return [input, *states]

    def _check_state(self, input: Tensor, state: Tensor, i: int) -> None:
        count, shape = input.array.shape[0], state.array.shape
        if shape[0] != count:
            raise RuntimeError(
                f"Input batch size {count} doesn't match hidden{i} batch size {shape[0]}"
            )
        if len(shape) != 2 or shape[1] != self.hidden_size:
            raise RuntimeError(
                f"hidden{i} has inconsistent hidden_size: got {shape[-1]}, expected "
                f"{self.hidden_size}"
            )
        if state.array.dtype != input.array.dtype:
            raise RuntimeError(
                f"{type(self).__name__}: input and hidden state must have the same dtype, but got "
                f"{input.dtype} and {state.dtype}"
            )

    def _both_biases(self) -> Any:
        return None if self.bias_ih is None else self.bias_ih + self.bias_hh


def _one_step(x: Tensor) -> tuple[tuple[int, ...], bool]:
    return (x.array.shape[0],), False


def _given(hx: Any, states: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
    return None if hx is None else states


class RNNCell(RNNCellBase):
    """``h' = tanh(W_ih x + b_ih + W_hh h + b_hh)``, or relu.

    Parameters
    ----------
    input_size, hidden_size : int
    bias : bool
    nonlinearity : {"tanh", "relu"}
    device, dtype : optional

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.RNNCell(3, 4)(mg.ones(2, 3)).shape
    minigrad.Size([2, 4])
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh",
        device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """The next state, from an input (N, I) or (I,) and a state (N, H) or (H,), 0 by default."""
        x, h = self._checked(input, _given(hx, (hx,)), ("hidden",))
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        gates = linear(x, self.weight_ih, self._both_biases())
        params = (*_one_step(x), self.nonlinearity == "relu")
        y: Any = ops.rnn((gates, self.weight_hh, h), params)[1]
        return y if input.array.ndim == 2 else y.squeeze(0)  # type: ignore[no-any-return]


class LSTMCell(RNNCellBase):
    """One step of an :class:`LSTM`.

    Parameters
    ----------
    input_size, hidden_size : int
    bias : bool
    device, dtype : optional

    Examples
    --------
    >>> import minigrad as mg
    >>> h, c = mg.nn.LSTMCell(3, 4)(mg.ones(2, 3))
    >>> h.shape, c.shape
    (minigrad.Size([2, 4]), minigrad.Size([2, 4]))
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None,
        dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(
        self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """The next state and cell; `hx` is the pair before, zeros by default."""
        states = None if hx is None else (hx[0], hx[1])
        x, h, c = self._checked(input, states, ("hx[0]", "hx[1]"))
        gates = linear(x, self.weight_ih, self._both_biases())
        found: Any = ops.lstm((gates, self.weight_hh, h, c, None), _one_step(x))
        if input.array.ndim == 2:
            return found[1], found[2]
        return found[1].squeeze(0), found[2].squeeze(0)


class GRUCell(RNNCellBase):
    """One step of a :class:`GRU`.

    Parameters
    ----------
    input_size, hidden_size : int
    bias : bool
    device, dtype : optional

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.GRUCell(3, 4)(mg.ones(3)).shape
    minigrad.Size([4])
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None,
        dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """The next state, from an input (N, I) or (I,) and a state (N, H) or (H,), 0 by default."""
        x, h = self._checked(input, _given(hx, (hx,)), ("hidden",))
        w, b = self.weight_hh, self.bias_hh
        if b is None:
            b = given(np.zeros(w.array.shape[0], w.array.dtype))
        gates = linear(x, self.weight_ih, self.bias_ih)
        y: Any = ops.gru((gates, w, b, h), _one_step(x))[1]
        return y if input.array.ndim == 2 else y.squeeze(0)  # type: ignore[no-any-return]
