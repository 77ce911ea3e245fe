"""Random numbers: the generator, and tensors drawn from distributions.

Every draw comes from one stream of numbers, numpy's SFC64 (small state, as fast as any measured),
read by one thread in the order of the calls: the same seed gives the same numbers for any number
of threads. The numbers are not PyTorch's.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.core import dtypes
from minigrad.core.dims import as_sizes
from minigrad.core.dtypes import as_dtype, get_default_dtype
from minigrad.core.events import Event, tell
from minigrad.core.modes import current, interpreter
from minigrad.core.operation import Bare
from minigrad.core.ops.shape import expand
from minigrad.core.promotion import as_operand
from minigrad.core.public import PUBLIC, called, public
from minigrad.core.tensor import Array, Tensor, given
from minigrad.ops.creation import finish
from minigrad.ops.guard import all_values
from minigrad.ops.inplace import check_writable, store
from minigrad.ops.limits import iinfo
from minigrad.ops.shape import broadcast_shapes
from minigrad.place import let_go, only_cpu

__all__ = ["Generator", "Law", "default_generator", "numpy_generator"]

_STATE_WORDS = 7  # four of SFC64, the half word kept back (flag and value), the seed


class Generator:
    """A stream of random numbers with a state of its own.

    Parameters
    ----------
    device : optional
        ``"cpu"``; there is nothing else.

    Examples
    --------
    >>> import minigrad as mg
    >>> g = mg.Generator().manual_seed(0)
    >>> a = mg.rand(3, generator=g)
    >>> bool((mg.rand(3, generator=g.manual_seed(0)) == a).all())
    True
    """

    def __init__(self, device: Any = None) -> None:
        finish(np.empty(0), device=device)
        self._seed = 67280421310721  # PyTorch's default
        self.numpy = np.random.Generator(np.random.SFC64(self._seed))

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream that belongs to `seed` again; returns the generator."""
        seed = int(seed)
        if not -(2**63) <= seed < 2**64:
            raise RuntimeError(f"Overflow when unpacking long: seed must fit 64 bits, got {seed}")
        if not current.get().listeners:
            self._begin(seed)
            return self
        with tell(Event("draw", _SEED, (), (seed,), source=self)):
            self._begin(seed)
        return self

    def _begin(self, seed: int) -> None:
        self._seed = seed
        self.numpy = np.random.Generator(np.random.SFC64(seed % 2**64))

    def seed(self) -> int:
        """Start a stream with a seed from the system, and return that seed."""
        self.manual_seed(secrets.randbits(63))
        return self._seed

    def initial_seed(self) -> int:
        """The seed that the stream was started with."""
        return self._seed

    def get_state(self) -> Tensor:
        """Where in the stream the generator is, as a tensor of bytes."""
        if not current.get().listeners:
            return Tensor(self._state())
        with tell(Event("draw", _GET_STATE, source=self)) as event:
            event.outputs = (Tensor(self._state()),)
        return event.outputs[0]

    def _state(self) -> Array:
        state: Any = self.numpy.bit_generator.state
        words = np.empty(_STATE_WORDS, np.uint64)
        words[:4] = state["state"]["state"]
        words[4:] = state["has_uint32"], state["uinteger"], self._seed % 2**64
        return words.view(np.uint8)

    def set_state(self, new_state: Tensor) -> Generator:
        """Go to a place in the stream that :meth:`get_state` gave."""
        x = as_operand(new_state, "set_state", 0).array
        if x.dtype != np.uint8 or x.size != 8 * _STATE_WORDS:
            raise TypeError(
                f"expected a tensor of {8 * _STATE_WORDS} bytes (uint8) as get_state() returns, "
                f"got {new_state.dtype} of shape {list(x.shape)}"
            )
        if not current.get().listeners:
            self._go_to(x)
            return self
        with tell(Event("draw", _SET_STATE, (new_state,), source=self)):
            self._go_to(x)
        return self

    def _go_to(self, state_bytes: Array) -> None:
        words = np.ascontiguousarray(state_bytes).reshape(-1).view(np.uint64)
        self._seed = int(words[6])
        bits = np.random.SFC64(0)
        state: Any = bits.state
        state["state"]["state"] = words[:4].copy()
        state["has_uint32"], state["uinteger"] = int(words[4]), int(words[5])
        bits.state = state
        self.numpy = np.random.Generator(bits)

    def clone_state(self) -> Generator:
        """Another generator at the same place in the stream."""
        return Generator().set_state(self.get_state())

    def __reduce__(self) -> Any:
        return _restore, (self.get_state(),)

    def __repr__(self) -> str:
        return "<minigrad.Generator device='cpu'>"


class _OfStream(Bare):
    """What is done with a stream of random numbers besides drawing."""

    def __init__(self, name: str, function: Callable[..., Array | None]) -> None:
        self.name = name
        self.function = function

    def forward(
        self, arrays: Sequence[Array], params: tuple[Any, ...], source: Generator
    ) -> Array | None:
        """The same with another stream."""
        return self.function(source, *arrays, *params)


_GET_STATE = _OfStream("get_state", Generator._state)
_SET_STATE = _OfStream("set_state", Generator._go_to)
_SEED = _OfStream("manual_seed", Generator._begin)


def _restore(state: Tensor) -> Generator:
    return Generator().set_state(state)


#: What draws where no generator is given.
default_generator = Generator()


def numpy_generator(generator: Generator | None) -> np.random.Generator:
    """The numpy generator behind `generator`, or behind the default one."""
    if generator is None:
        return default_generator.numpy
    if not isinstance(generator, Generator):
        raise TypeError(f"expected a minigrad.Generator, got {type(generator).__name__}")
    return generator.numpy


@public(method=False)
def manual_seed(seed: int) -> Generator:
    """Start the default stream of random numbers that belongs to `seed`."""
    return default_generator.manual_seed(seed)


@public(method=False)
def seed() -> int:
    """Start the default stream anew with a seed from the system, and return that seed."""
    return default_generator.seed()


@public(method=False)
def initial_seed() -> int:
    """The seed that the default stream was started with."""
    return default_generator.initial_seed()


@public(method=False)
def get_rng_state() -> Tensor:
    """Where the default stream is, as a tensor of bytes."""
    return default_generator.get_state()


@public(method=False)
def set_rng_state(new_state: Tensor) -> None:
    """Go to a place in the default stream that :func:`get_rng_state` gave."""
    default_generator.set_state(new_state)


public(Generator, method=False)
PUBLIC["default_generator"] = default_generator


class Law(Bare):
    """What is drawn: a distribution, as a function of a generator of numpy.

    Parameters
    ----------
    function : callable
        ``function(g, lead, *arrays, *params)`` draws an array. Inside `vmap` the arrays, and what
        it returns, may have dimensions `lead` in front.
    """

    def __init__(self, function: Callable[..., Array]) -> None:
        self.name = function.__name__.strip("_")
        self.function = function

    def __call__(
        self, inputs: tuple[Tensor, ...] = (), params: tuple[Any, ...] = (),
        generator: Generator | None = None,
    ) -> Tensor:  # fmt: skip
        """A tensor of random numbers, which depend on `inputs`: the door of all that is drawn."""
        if interpreter() is not None:
            return interpreter().draw(  # type: ignore[no-any-return]
                self, inputs, params, generator
            )
        return self.drawn((), inputs, params, generator)

    def drawn(
        self, lead: tuple[int, ...], inputs: tuple[Tensor, ...], params: tuple[Any, ...],
        generator: Generator | None,
    ) -> Tensor:  # fmt: skip
        """The same with the dimensions `lead` in front."""
        g, arrays = numpy_generator(generator), [t.array for t in inputs]
        if not current.get().listeners:
            return Tensor(self.function(g, lead, *arrays, *params))
        source = default_generator if generator is None else generator
        with tell(Event("draw", self, inputs, (lead, *params), source=source)) as event:
            t = Tensor(self.function(g, lead, *arrays, *params))
            event.outputs = (t,)
        return t

    def forward(self, arrays: Sequence[Array], params: tuple[Any, ...], source: Generator) -> Array:
        """Draw from a generator."""
        lead, *numbers = params
        return self.function(source.numpy, lead, *arrays, *numbers)


def _finished(t: Tensor, requires_grad: bool, device: Any) -> Tensor:
    if device is not None:
        only_cpu(device)
    return t.requires_grad_() if requires_grad else t


# -- arrays --------------------------------------------------------------------------------------


def _float_kind(dtype: Any, name: str) -> np.dtype[Any]:
    kind = get_default_dtype() if dtype is None else as_dtype(dtype)
    if not kind.is_floating_point:
        raise RuntimeError(f'"{name}" not implemented for {kind}: it needs a floating point dtype')
    return kind.numpy


def _with_lead(make: Callable[..., Array]) -> Callable[..., Array]:
    """A function of sizes, a type and a generator, as laws have it."""

    def function(
        g: np.random.Generator, lead: tuple[int, ...], shape: tuple[int, ...], kind: Any
    ) -> Array:
        return make((*lead, *shape), kind, g)

    function.__name__ = make.__name__.removesuffix("_array")
    return function


def uniform_array(shape: tuple[int, ...], kind: np.dtype[Any], g: np.random.Generator) -> Array:
    """Uniform on [0, 1)."""
    if kind.char in "fd":
        return np.asarray(g.random(shape, kind))
    drawn = np.floor(g.random(shape, np.float32) * np.float32(2048)) / np.float32(2048)
    return np.asarray(drawn, kind)  # eleven bits: float16 holds them, so never 1


def normal_array(shape: tuple[int, ...], kind: np.dtype[Any], g: np.random.Generator) -> Array:
    """Mean 0, standard deviation 1."""
    drawn = g.standard_normal(shape, kind if kind.char in "fd" else np.float32)
    return np.asarray(drawn, kind)


def check_range(low: Any, high: Any, kind: dtypes.dtype) -> None:
    if low >= high:
        raise RuntimeError(
            f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}"
        )
    if not -(2**63) <= low < high <= 2**63:
        raise RuntimeError(f"from={low} and to={high} must fit int64, in which numbers are drawn")
    if kind.category == 1:
        info = iinfo(kind)
        if low < info.min or high - 1 > info.max:
            raise RuntimeError(f"from={low} and to - 1 = {high - 1} must fit {kind}")


def integer_array(
    low: int, high: int, shape: tuple[int, ...], kind: dtypes.dtype, g: np.random.Generator
) -> Array:
    check_range(low, high, kind)
    if kind.category == 1:
        return np.asarray(g.integers(low, high, shape, kind.numpy))
    return np.asarray(g.integers(low, high, shape, np.int64)).astype(kind.numpy)


UNIFORM, NORMAL = Law(_with_lead(uniform_array)), Law(_with_lead(normal_array))


@Law
def integers(
    g: np.random.Generator, lead: tuple[int, ...], low: int, high: int, shape: tuple[int, ...],
    kind: dtypes.dtype,
) -> Array:  # fmt: skip
    """Whole numbers of [low, high)."""
    return integer_array(low, high, (*lead, *shape), kind, g)


@Law
def binomials(g: np.random.Generator, lead: tuple[int, ...], count: Array, chance: Array) -> Array:
    """How many of `count` trials succeed, each with the probability `chance`."""
    return np.asarray(g.binomial(count.astype(np.int64), chance), count.dtype)


# -- new tensors ---------------------------------------------------------------------------------


def _drawn(name: str, law: Law, text: str) -> Any:
    @called(name, f"A tensor of the given sizes with {text}.")
    def function(
        *size: Any, generator: Generator | None = None, dtype: Any = None, device: Any = None,
        requires_grad: bool = False, **kwargs: Any,
    ) -> Tensor:  # fmt: skip
        if "size" in kwargs:
            size = (kwargs.pop("size"),)
        if kwargs:
            let_go(kwargs, name)
        if kwargs:
            raise TypeError(f"{name}() got an unexpected keyword argument '{next(iter(kwargs))}'")
        shape = _sizes(size, name)
        t = law((), (shape, _float_kind(dtype, name)), generator)
        return _finished(t, requires_grad, device)

    @called(f"{name}_like", f"A tensor of the sizes and type of `input` with {text}.")
    def like(
        input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
        memory_format: Any = None, generator: Generator | None = None,
    ) -> Tensor:  # fmt: skip
        x = as_operand(input, f"{name}_like", 0)
        kind = _float_kind(x.dtype if dtype is None else dtype, name)
        t = law((), (x.array.shape, kind), generator)
        return _finished(t, requires_grad, device)

    public(like, method=False)
    return public(function, method=False)


def _sizes(size: tuple[Any, ...], name: str) -> tuple[int, ...]:
    shape = as_sizes(size, name)
    if shape and min(shape) < 0:
        raise RuntimeError(
            f"{name}: Trying to create tensor with negative dimension: {list(shape)}"
        )
    return shape


rand = _drawn("rand", UNIFORM, "numbers uniform on [0, 1)")
randn = _drawn("randn", NORMAL, "standard normal numbers")


@public(method=False)
def randint(
    low: int, high: Any = None, size: Any = None, *, generator: Generator | None = None,
    dtype: Any = None, device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Integers from `low` (0 if left out) up to, and without, `high`.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.randint(3, 4, (2,))
    tensor([3, 3])
    """
    if size is None and isinstance(high, (tuple, list)):
        low, high, size = 0, low, high
    elif high is None:
        low, high = 0, low
    if size is None:
        raise TypeError("randint() missing the argument 'size'")
    kind = dtypes.int64 if dtype is None else as_dtype(dtype)
    t = integers((), (int(low), int(high), _sizes((size,), "randint"), kind), generator)
    return _finished(t, requires_grad, device)


@public(method=False)
def randint_like(
    input: Tensor, low: int, high: Any = None, *, generator: Generator | None = None,
    dtype: Any = None, device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """As :func:`randint`, of the sizes and type of `input`."""
    kind = input.dtype if dtype is None else dtype
    if high is None:
        low, high = 0, low
    return randint(
        low, high, input.array.shape, generator=generator, dtype=kind, device=device,
        requires_grad=requires_grad,
    )  # fmt: skip


@public(method=False)
def randperm(
    n: int, *, generator: Generator | None = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """The integers from 0 to n - 1 in random order."""
    if n < 0:
        raise RuntimeError(f"n must be non-negative, got {n}")
    kind = dtypes.int64 if dtype is None else as_dtype(dtype)
    return _finished(_permutation((), (int(n), kind.numpy), generator), requires_grad, device)


@Law
def _permutation(
    g: np.random.Generator, lead: tuple[int, ...], n: int, kind: np.dtype[Any]
) -> Array:
    if not lead:
        return g.permutation(n).astype(kind, copy=False)
    rows = np.broadcast_to(np.arange(n), (*lead, n))
    return g.permuted(rows, axis=-1).astype(kind, copy=False)


@public(method=False)
def normal(
    mean: Any, std: Any = 1.0, size: Any = None, *, generator: Generator | None = None,
    dtype: Any = None, device: Any = None, requires_grad: bool = False, layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Normal numbers; `mean` and `std` are numbers (then `size` is needed) or tensors."""
    let_go({"layout": layout}, "normal")
    if size is None and not (isinstance(mean, Tensor) or isinstance(std, Tensor)):
        raise TypeError("normal() needs a tensor as mean or std, or the argument 'size'")
    tensors = [t for t in (mean, std) if isinstance(t, Tensor)]
    if size is None:
        shape: tuple[int, ...] = broadcast_shapes(*[t.array.shape for t in tensors])
        kind = _float_kind(tensors[0].dtype if dtype is None else dtype, "normal")
    else:
        shape, kind = _sizes((size,), "normal"), _float_kind(dtype, "normal")
        for t in tensors:
            try:
                np.broadcast_to(t.array, shape)
            except ValueError:
                raise RuntimeError(
                    f"normal: mean and std must broadcast to size {list(shape)}, got "
                    f"{list(t.array.shape)}"
                ) from None
    check_std(all_values(std) if isinstance(std, Tensor) else std)
    numbers = [None if isinstance(v, Tensor) else v for v in (mean, std)]
    t = _normal_law(tuple(tensors), (*numbers, shape, kind), generator)
    return _finished(t, requires_grad, device)


def _normal_of(g: np.random.Generator, lead: tuple[int, ...], *given: Any) -> Array:
    """Normal numbers: the arrays among mean and deviation, these two as numbers, sizes, type."""
    *arrays, mean, std, shape, kind = given
    each = [a.reshape((*lead, *(1,) * (len(shape) + len(lead) - a.ndim), *a.shape[len(lead) :]))
            for a in arrays]  # fmt: skip
    m, s = (each.pop(0) if v is None else v for v in (mean, std))
    return np.asarray(normal_array((*lead, *shape), kind, g) * s + m, kind)


_normal_law = Law(_normal_of)


def check_std(std: Any) -> None:
    if not np.all(np.asarray(std) >= 0):
        raise RuntimeError(f"normal expects all elements of std >= 0.0, but found std {std}")


def check_probability(p: Array) -> None:
    if p.size and not bool(((p >= 0) & (p <= 1)).all()):
        raise RuntimeError(
            "Expected p_in >= 0 && p_in <= 1 to be true, but got probabilities outside"
        )


@public
def bernoulli(input: Tensor, p: Any = None, *, generator: Generator | None = None) -> Tensor:
    """1 with the probability that `input` holds (or `p`, if given), else 0; no gradient flows."""
    x = as_operand(input, "bernoulli", 0)
    kind, shape = x.array.dtype, x.array.shape
    if p is None and kind.kind != "f":
        raise RuntimeError(f"bernoulli expects floating point probabilities, got {kind}")
    chances = x if p is None else p if isinstance(p, Tensor) else given(np.asarray(p))
    check_probability(all_values(chances))
    return flags((expand(chances, shape),), (shape, kind), generator)


@Law
def flags(
    g: np.random.Generator, lead: tuple[int, ...], chance: Array, shape: tuple[int, ...], kind: Any
) -> Array:
    """1 with the probability `chance`, else 0."""
    return np.asarray(g.random((*lead, *shape)) < chance, kind)


@public
def multinomial(
    input: Tensor,
    num_samples: int,
    replacement: bool = False,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Indices drawn with the given weights, for a vector or for each row of a matrix.

    Raises
    ------
    RuntimeError
        If weights are negative, not finite or all 0, or without replacement too few are positive.
    """
    given = as_operand(input, "multinomial", 0)
    x = given.array
    if x.ndim not in (1, 2):
        raise RuntimeError(f"prob_dist must be 1 or 2 dim, got shape {list(x.shape)}")
    if x.dtype.kind != "f":
        raise RuntimeError(
            f"multinomial only supports floating-point dtypes for input, got {x.dtype}"
        )
    if num_samples <= 0:
        raise RuntimeError("cannot sample n_sample <= 0 samples")
    return _indices((given,), (num_samples, replacement), generator)


@Law
def _indices(
    g: np.random.Generator, lead: tuple[int, ...], chances: Array, num_samples: int,
    replacement: bool,
) -> Array:  # fmt: skip
    if not chances.shape[-1]:
        raise RuntimeError("cannot sample from no categories: prob_dist is empty")
    rows = chances.reshape(math.prod(chances.shape[:-1]), chances.shape[-1]).astype(np.float64)
    found = _weighted(rows, num_samples, replacement, g)
    return found.reshape(*chances.shape[:-1], num_samples)


def _weighted(weights: Array, num_samples: int, replacement: bool, g: np.random.Generator) -> Array:
    """Indices drawn by the weights in each row."""
    if not bool((np.isfinite(weights) & (weights >= 0)).all()):
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    enough = 1 if replacement else num_samples
    if bool(((weights > 0).sum(1) < enough).any()):
        raise RuntimeError(
            "invalid multinomial distribution: cannot sample "
            f"{num_samples} samples from fewer positive weights"
        )
    if replacement:
        ladder = np.cumsum(weights, 1)
        marks = g.random((len(weights), num_samples)) * ladder[:, -1:]
        rows = [np.searchsorted(s, m, "right") for s, m in zip(ladder, marks, strict=True)]
        return np.array(rows, np.int64).reshape(len(weights), num_samples)
    # the first of exponential clocks with the weights as rates: Efraimidis, Spirakis 2006
    times = g.standard_exponential(weights.shape)
    times = np.divide(times, weights, out=np.full_like(times, math.inf), where=weights > 0)
    return np.ascontiguousarray(np.argsort(times, 1, kind="stable")[:, :num_samples])


@public(method=False)
def poisson(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Poisson numbers with the rates that `input` holds; no gradient flows."""
    x = as_operand(input, "poisson", 0)
    if x.array.dtype.kind != "f" or not bool((all_values(x) >= 0).all()):
        raise RuntimeError("poisson expects floating point rates, all elements >= 0")
    return _poisson((x,), (), generator)


@Law
def _poisson(g: np.random.Generator, lead: tuple[int, ...], rate: Array) -> Array:
    return np.asarray(g.poisson(rate), rate.dtype)


def overwrite(x: Tensor, values: Any, name: str) -> Tensor:
    """Put values into a tensor that do not depend on it."""
    check_writable(x, name)
    store(x, values)
    return x
