"""Random keys: what ``x[key]`` gives and ``x[key] = value`` writes, against PyTorch.

Keys mix numbers, slices, None, Ellipsis, booleans, lists, arrays and tensors; some do not fit.
Elements, types, shared memory, gradients and the types of errors are compared.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import minigrad as mg  # noqa: E402
from tests.torch.twins import owner  # noqa: E402

SHAPES = [(), (4,), (3, 4), (2, 3, 4), (2, 1, 3, 2), (0, 3), (5, 5)]
ROUNDS = range(24)
KINDS = [
    "int", "slice", "slice", "slice", "tensor", "tensor", "mask", "mask2", "list", "array", "none",
    "bool", "zero", "flags", "scalar",
]  # fmt: skip
CASES = 60


class Wrapped:
    """A part of a key that becomes a tensor of either module."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __repr__(self) -> str:
        return f"tensor({self.array.tolist()}, {self.array.dtype})"


def unwrapped(module: Any, part: Any) -> Any:
    """A key for one of the modules."""
    if isinstance(part, Wrapped):
        return module.tensor(part.array)
    if isinstance(part, (tuple, list)):
        return type(part)(unwrapped(module, p) for p in part)
    if isinstance(part, slice):
        return slice(*(unwrapped(module, p) for p in (part.start, part.stop, part.step)))
    return part


def index(rng: np.random.Generator, size: int, shape: tuple[int, ...]) -> Any:
    """Integers for a dimension, seldom out of range."""
    low, high = (-size, size) if size and rng.random() > 0.04 else (-size - 1, size + 1)
    return rng.integers(low, max(high, low + 1), shape)


def a_slice(rng: np.random.Generator, size: int) -> slice:
    bounds = [None if rng.random() < 0.4 else int(rng.integers(-size - 2, size + 3))
              for _ in range(2)]  # fmt: skip
    step = None if rng.random() < 0.6 else int(rng.integers(1, 4))
    if rng.random() < 0.02:
        step = int(rng.integers(-1, 1))
    return slice(*bounds, step)


def part(rng: np.random.Generator, sizes: tuple[int, ...], common: int) -> tuple[Any, int]:
    """A part of a key, and how many dimensions it speaks about."""
    size = sizes[0]
    kind = str(rng.choice(KINDS))
    shape = [(common,), (2, common), (1,), (common,)][int(rng.integers(4))]
    flags = sizes[: 2 if kind == "mask2" else 1]
    if rng.random() < 0.04:
        flags = tuple(n + 1 for n in flags)
    if kind == "int":
        return int(index(rng, size, ())), 1
    if kind == "slice":
        return a_slice(rng, size), 1
    if kind == "tensor":
        dtype = rng.choice(["int64", "int64", "int32"])
        return Wrapped(index(rng, size, shape).astype(dtype)), 1
    if kind in ("mask", "mask2"):
        return Wrapped(rng.random(flags) > 0.4), len(flags)
    if kind == "flags":
        return [bool(v) for v in rng.random(flags[0]) > 0.5], 1
    if kind == "list":
        return [int(v) for v in index(rng, size, (common,))], 1
    if kind == "array":
        return (index(rng, size, shape), 1) if rng.random() < 0.7 else (rng.random(flags) > 0.4, 1)
    if kind == "zero":
        return Wrapped(np.asarray(index(rng, size, ()))), 1
    if kind == "scalar":
        return np.int64(index(rng, size, ())), 1
    return (None, 0) if kind == "none" else (bool(rng.random() < 0.6), 0)


def key(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    """A key for a tensor of some shape."""
    parts: list[Any] = []
    left, common = shape, int(rng.integers(1, 4))
    dots = rng.random() < 0.25
    while left and rng.random() < 0.8:
        chosen, used = part(rng, left, common)
        parts.append(chosen)
        left = left[used:]
    if not parts and rng.random() < 0.7:
        parts.append(part(rng, shape or (1,), common)[0])
    if dots:
        parts.insert(int(rng.integers(len(parts) + 1)), Ellipsis)
    if len(parts) == 1 and rng.random() < 0.6:
        return parts[0]
    return tuple(parts)


def attempt(action: Any) -> Any:
    """The result, or the exception."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return action()
        except (IndexError, TypeError, ValueError, RuntimeError) as error:
            return error


def same_error(ours: Any, theirs: Any, what: Any) -> bool:
    """Whether either raised; then both must have, with the same type."""
    if not isinstance(ours, Exception) and not isinstance(theirs, Exception):
        return False
    stricter = "out of bounds" in str(ours) or "shape mismatch" in str(ours)
    if stricter and isinstance(ours, Exception) and not isinstance(theirs, Exception):
        return True  # PyTorch looks at indices and shapes only if there are elements to move
    assert isinstance(theirs, Exception), f"{what}: we raise {ours!r}, PyTorch returns {theirs}"
    assert isinstance(ours, Exception), f"{what}: PyTorch raises {theirs!r}, we return {ours}"
    both = f"{ours} {theirs}"  # of two things that are wrong either may be named
    if ("step" in str(ours) or "shape mismatch" in both) and "ind" in both:
        return True
    assert isinstance(ours, type(theirs)), f"{what}: PyTorch raises {theirs!r}, we {ours!r}"
    return True


def check(ours: Any, theirs: Any, what: Any) -> None:
    """Type, shape and elements."""
    a, b = ours.detach().numpy(), theirs.detach().numpy()
    assert a.dtype == b.dtype, what
    assert a.shape == b.shape, f"{what}: {a.shape}, PyTorch has {b.shape}"
    np.testing.assert_array_equal(a, b, err_msg=str(what))


@pytest.mark.parametrize("seed", ROUNDS)
def test_read(seed: int) -> None:
    rng = np.random.default_rng([seed, 1])
    for _ in range(CASES):
        shape = SHAPES[rng.integers(len(SHAPES))]
        k = key(rng, shape)
        x = rng.normal(size=shape)
        what = f"x{list(shape)}[{k!r}]"
        tensors = [m.tensor(x.copy(), requires_grad=True) for m in (mg, torch)]
        ours, theirs = (
            attempt(lambda t=t, m=m: t[unwrapped(m, k)]) for t, m in zip(tensors, (mg, torch))
        )
        if same_error(ours, theirs, what):
            continue
        check(ours, theirs, what)
        if theirs.numel():
            shares = [owner(y) == owner(t) for y, t in zip((ours, theirs), tensors)]
            assert shares[0] == shares[1], f"{what}: view {shares[0]}, PyTorch {shares[1]}"
        w = rng.normal(size=tuple(theirs.shape))
        (ours * mg.tensor(w)).sum().backward()
        (theirs * torch.tensor(w)).sum().backward()
        np.testing.assert_allclose(tensors[0].grad.numpy(), tensors[1].grad.numpy(), 1e-12)


def value_for(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    """Something to write to a part of a shape: a number, or a tensor that (mostly) fits."""
    choice = rng.integers(6)
    if choice == 0:
        return float(rng.normal())
    if choice == 1:
        return int(rng.integers(5))
    if choice == 2:
        return Wrapped(np.asarray(rng.normal()))
    if choice == 3 and shape:  # broadcasts
        cut = int(rng.integers(len(shape) + 1))
        return Wrapped(rng.normal(size=tuple(1 if rng.random() < 0.3 else n for n in shape[cut:])))
    if choice == 4:
        return Wrapped(rng.normal(size=(1, *shape)))
    if choice == 5 and rng.random() < 0.15:
        return Wrapped(rng.normal(size=tuple(n + 1 for n in shape) or (2,)))
    return Wrapped(rng.normal(size=shape))


@pytest.mark.parametrize("seed", ROUNDS)
def test_write(seed: int) -> None:
    rng = np.random.default_rng([seed, 2])
    for _ in range(CASES):
        shape = SHAPES[rng.integers(len(SHAPES))]
        k = key(rng, shape)
        x = rng.normal(size=shape)
        part_shape = attempt(lambda: tuple(torch.tensor(x)[unwrapped(torch, k)].shape))
        v = value_for(rng, () if isinstance(part_shape, Exception) else part_shape)
        what = f"x{list(shape)}[{k!r}] = {v!r}"
        results = []
        for m in (mg, torch):
            leaf = m.tensor(x.copy(), requires_grad=True)
            value = unwrapped(m, v)
            if isinstance(v, Wrapped) and seed % 2:
                value.requires_grad_()
            t = leaf * 1

            def write(t: Any = t, m: Any = m, value: Any = value) -> Any:
                t[unwrapped(m, k)] = value
                return t

            results.append((attempt(write), leaf, value))
        (ours, *mine), (theirs, *others) = results
        if same_error(ours, theirs, what):
            continue
        if _twice(k, shape):  # which of several values stays is open
            continue
        check(ours, theirs, what)
        w = rng.normal(size=shape)
        (ours * mg.tensor(w)).sum().backward()
        (theirs * torch.tensor(w)).sum().backward()
        for a, b in zip(mine, others):
            if isinstance(b, torch.Tensor) and b.requires_grad:
                p, q = (np.zeros(b.shape) if t.grad is None else t.grad.numpy() for t in (a, b))
                np.testing.assert_allclose(p, q, 1e-10, 1e-12, err_msg=what)


def _twice(k: Any, shape: tuple[int, ...]) -> bool:
    """Whether a key points at an element more than once."""
    places = torch.arange(int(np.prod(shape))).reshape(shape)[unwrapped(torch, k)]
    return len(torch.unique(places)) != places.numel()


@pytest.mark.parametrize("seed", range(6))
def test_types(seed: int) -> None:
    """Reading keeps the type; writing converts to it, or is refused."""
    rng = np.random.default_rng([seed, 3])
    types = ["float32", "float64", "int64", "int32", "uint8", "bool"]
    for _ in range(CASES):
        shape = SHAPES[rng.integers(1, len(SHAPES))]
        k = key(rng, shape)
        x = (rng.normal(size=shape) * 3).astype(str(rng.choice(types)))
        number = [True, 2, -1, 1.5][rng.integers(4)]
        v: Any = Wrapped(np.asarray(number).astype(str(rng.choice(types))))
        v = v if rng.random() < 0.6 else number
        what = f"x{list(shape)} {x.dtype} [{k!r}] = {v!r}"
        results = []
        for m in (mg, torch):
            t = m.tensor(x.copy())

            def write(t: Any = t, m: Any = m) -> Any:
                y = t[unwrapped(m, k)]
                t[unwrapped(m, k)] = unwrapped(m, v)
                return y.clone(), t

            results.append(attempt(write))
        if not same_error(*results, what):
            for ours, theirs in zip(*results):
                check(ours, theirs, what)
