"""Whatever is passed: a result, or an exception of the documented kinds; never a crash.

Each function and method runs on random arguments, then backward through what came out. A crash of
the process would end the test run, which is the strongest form of failing.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import Tensor
from minigrad.core import dtypes
from minigrad.core.public import PUBLIC
from minigrad.ops.misuse import by_accident
from tests.fuzz.arguments import calls, keys, tensors, values
from tests.fuzz.valid import VALID, spoiled

#: What functions may raise; anything else is a bug.
DOCUMENTED = (RuntimeError, TypeError, ValueError, IndexError)
#: Also PyTorch raises these: for shapes in multi_head_attention_forward.
PYTORCHS = (AssertionError,)
#: Words of numpy, numba or Python about what went wrong inside.
BETRAYING = (
    "has no attribute", "unexpected keyword", "numba", "ufunc", "operands could not be",
    "could not broadcast", "axes don't match", "cannot reshape array", "Unable to allocate array",
    "object is not iterable", "not subscriptable", "unsupported operand", "reduction operation",
    "out of bounds for axis", "NoneType' object", "cannot be interpreted as", "Maximum allowed",
    "tuple index", "list index", "to unpack", "is too big", "math domain", "zip()", "too large to",
    "an integer is required", "division by zero", "modulo by zero", "ndarray", "np.", "numpy",
)  # fmt: skip
#: Not functions of tensors, or they change the state of the process.
SKIPPED = {
    "manual_seed", "seed", "initial_seed", "get_rng_state", "set_rng_state", "normal_array",
    "set_printoptions", "set_default_dtype", "set_default_device", "set_num_threads",
    "use_deterministic_algorithms", "set_float32_matmul_precision", "set_grad_enabled", "save",
    "load", "compile", "from_numpy", "fork_rng", "gradcheck", "gradgradcheck",
}  # fmt: skip
#: Methods that are not about computing.
NO_METHODS = {
    "backward", "register_hook", "register_post_accumulate_grad_hook", "set_", "share_memory_",
    "tofile", "module_load", "to_dlpack", "data_ptr", "apply_", "map_", "map2_", "cuda",
}  # fmt: skip
MODULES = {
    "nn.functional": F, "linalg": mg.linalg, "special": mg.special, "fft": mg.fft,
    "signal.windows": mg.signal.windows,
}  # fmt: skip


def functions() -> dict[str, Callable[..., Any]]:
    """Everything public that computes, by name."""
    found: dict[str, Any] = {f"minigrad.{n}": f for n, f in PUBLIC.items()}
    for module, members in MODULES.items():
        listed = getattr(members, "__all__", vars(members))
        found |= {f"{module}.{n}": getattr(members, n) for n in listed}
    for name in dir(Tensor):
        if name not in PUBLIC and name not in NO_METHODS:
            found[f"Tensor.{name}"] = getattr(Tensor, name)
    return {
        name: f
        for name, f in sorted(found.items())
        if callable(f)
        and not inspect.isclass(f)
        and not name.split(".")[-1].startswith("_")
        and name.split(".")[-1] not in SKIPPED
        and not inspect.ismethod(f)
        and getattr(f, "__module__", "").startswith("minigrad")
    }


FUNCTIONS = functions()


def described(name: str) -> Callable[..., Any]:
    """The function whose signature tells the arguments: for ``add_`` those of ``add``."""
    base = name.split(".")[-1].removesuffix("_")
    function = FUNCTIONS[name]
    if name.endswith("_") and "args" in inspect.signature(function).parameters:
        written = getattr(Tensor, f"{base}_", None)
        if written is not None and "args" not in inspect.signature(written).parameters:
            return written  # type: ignore[no-any-return]
        return PUBLIC.get(base, function)  # type: ignore[no-any-return]
    return function


class Hang(BaseException):
    """A call took too long."""


@contextlib.contextmanager
def limited(seconds: int) -> Iterator[None]:
    """Interrupt what takes too long, where the system can."""
    if not hasattr(signal, "SIGALRM") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: Any) -> None:
        raise Hang(f"a call took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def parts(found: Any) -> list[Tensor]:
    """The tensors in arguments or results."""
    if isinstance(found, Tensor):
        return [found]
    if isinstance(found, dict):
        return parts(list(found.values()))
    return [t for part in found for t in parts(part)] if isinstance(found, (tuple, list)) else []


def assert_documented(error: Exception) -> None:
    """Raised on purpose, of a documented kind, in words that do not speak of the inside."""
    assert isinstance(error, (*DOCUMENTED, *PYTORCHS)), repr(error)
    assert not by_accident(error), repr(error)
    text = str(error)
    assert not any(word in text for word in BETRAYING if word not in ALLOWED), text


#: Of the betraying words, those that a message may have because it quotes PyTorch's.
ALLOWED = {"numpy", "division by zero", "to unpack"}


def assert_healthy(t: Tensor) -> None:
    """An array of a known type, all of whose elements can be read."""
    assert isinstance(t.array, np.ndarray)
    assert t.array.dtype in dtypes.FROM_NUMPY
    if t.array.size < 100_000:
        t.array.tobytes()
        assert repr(t)


def check(
    call: Callable[..., Any], args: list[Any], kwargs: dict[str, Any], seconds: int = 0
) -> Any:
    """Call it, look at all of the result, and go backward."""
    leaves = [t for t in parts([args, kwargs]) if t.is_leaf and t.requires_grad]
    with warnings.catch_warnings(), limited(seconds or LIMIT):
        warnings.simplefilter("ignore")
        try:
            found = call(*args, **kwargs)
        except Exception as error:
            assert_documented(error)
            return None
        for t in parts(found):
            assert_healthy(t)
            if t.requires_grad and t.node is not None and t.array.size < 100_000:
                backward(t)
    for leaf in leaves:
        if leaf.is_leaf and leaf.grad is not None:  # it may have been written over
            assert leaf.grad.shape == leaf.shape
            assert leaf.grad.dtype == leaf.dtype
            assert_healthy(leaf.grad)
    return found


def backward(t: Tensor) -> None:
    """Its gradients work, or say that something was written over."""
    try:
        t.backward(mg.ones_like(t), retain_graph=True)
    except RuntimeError as error:
        assert_documented(error)
        refused = any(word in str(error) for word in REFUSALS)
        if not refused:
            raise


#: Why a gradient may not be had.
REFUSALS = ("inplace", "in-place", "derivative", "differentiable", "gradient")
LIMIT = 120  # on a slow machine with an empty cache a call may compile for a while
limits = settings(
    max_examples=15, deadline=None, derandomize=True, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
@limits
@given(data=st.data())
def test_only_documented_exceptions(name: str, data: Any) -> None:
    args, kwargs = data.draw(calls(described(name), name.startswith("Tensor.")))
    check(on_a_copy(name), args, kwargs)


@pytest.mark.parametrize("name", VALID)
def test_valid_calls(name: str) -> None:
    assert check(FUNCTIONS[name], list(VALID[name]()), {}) is not None


@pytest.mark.parametrize("name", VALID)
@limits
@given(data=st.data())
def test_spoiled_calls(name: str, data: Any) -> None:
    check(on_a_copy(name), spoiled(data.draw, name), {})


def on_a_copy(name: str) -> Callable[..., Any]:
    """The function; if it writes into its first argument, on a copy, for leaves are refused."""
    function = FUNCTIONS[name]
    if not name.endswith("_"):
        return function

    def written(x: Any, *args: Any, **kwargs: Any) -> Any:
        leaf = isinstance(x, Tensor) and x.requires_grad
        return function(x.clone() if leaf else x, *args, **kwargs)

    return written


@pytest.mark.skipif(
    "MINIGRAD_FUZZ" not in os.environ, reason="a search for new failures: set MINIGRAD_FUZZ=1"
)
@pytest.mark.parametrize("name", VALID)
@settings(limits, max_examples=60, derandomize=False)
@given(data=st.data())
def test_spoiled_calls_at_length(name: str, data: Any) -> None:
    check(on_a_copy(name), spoiled(data.draw, name), {})


@settings(limits, max_examples=150)
@given(data=st.data())
def test_getitem(data: Any) -> None:
    x = data.draw(tensors())
    check(lambda x, key: x[key], [x, data.draw(keys())], {})


@settings(limits, max_examples=150)
@given(data=st.data())
def test_setitem(data: Any) -> None:
    def put(x: Tensor, key: Any, value: Any) -> Tensor:
        y = x.clone()
        y[key] = value
        return y

    x, key = data.draw(tensors()), data.draw(keys())
    check(put, [x, key, data.draw(values)], {})
