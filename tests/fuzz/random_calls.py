"""Random calls of everything public, in a process that may die of them.

``python -m tests.fuzz.random_calls SEED COUNT`` makes COUNT calls, each of a function drawn at
random, with arguments drawn by the names of its parameters. A call must end in a result or in an
exception of the documented kinds, soon. Memory is limited, so that absurd sizes are noticed. What
fails is printed with its number: ``python -m tests.fuzz.random_calls SEED NUMBER only`` makes that
call alone and shows the arguments and the traceback.

Other than the tests with hypothesis this is quick, and does not stop at the first failure.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import resource
import sys
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np

import minigrad as mg
from minigrad import Tensor
from minigrad.core.public import PUBLIC
from tests.fuzz.arguments import DTYPES, LEFT
from tests.fuzz.test_fuzz import FUNCTIONS, Hang, check, described, on_a_copy
from tests.fuzz.valid import VALID

MEMORY = 5 * 2**30  #: bytes of address space for a process that computes and compiles
SECONDS = 20  #: a call may compile a kernel or two

Rng = np.random.Generator
_LARGE = (2**31 - 1, 2**31, 2**40, 2**62, 2**63, -(2**40), -(2**63))
_ODD_FLOATS = (np.nan, np.inf, -np.inf, 1e30, -1e30, 0.0, -0.0, 1e-300)
_WORDS = (
    "mean", "sum", "none", "constant", "reflect", "replicate", "circular", "nearest", "bilinear",
    "bicubic", "linear", "zeros", "border", "same", "valid", "fro", "nuc", "ortho", "ij", "xy",
    "floor", "trunc", "amax", "amin", "prod", "max", "L", "U", "reduced", "complete", "", "typo",
)  # fmt: skip
_JUNK = (None, "typo", 1.5, (), [], {}, object, True, -1, b"x", float, ("a", 1))


def one_of(rng: Rng, values: Any) -> Any:
    return values[int(rng.integers(len(values)))]


def integer(rng: Rng) -> int:
    """Mostly small; sometimes negative, sometimes absurd."""
    kind = rng.integers(12)
    if kind == 0:
        return int(one_of(rng, _LARGE))
    return int(rng.integers(-3, 7)) if kind < 4 else int(rng.integers(0, 4))


def number(rng: Rng) -> Any:
    kind = rng.integers(6)
    if kind == 0:
        return float(one_of(rng, _ODD_FLOATS))
    if kind == 1:
        return bool(rng.integers(2))
    return integer(rng) if kind == 2 else float(rng.normal())


def shape(rng: Rng) -> tuple[int, ...]:
    """Suffixes of one shape, so that operands often fit each other; or anything small."""
    if rng.integers(3):
        full = (2, 3, 4, 4)[int(rng.integers(5)) :]
        return tuple(1 if rng.integers(6) == 0 else n for n in full)
    return tuple(int(n) for n in rng.integers(0, 5, int(rng.integers(0, 6))))


def tensor(rng: Rng, kind: Any = None) -> Tensor:
    """Of any type and layout, with odd numbers among the elements."""
    kind = kind or one_of(rng, [mg.float32] * 6 + [mg.float64] * 3 + DTYPES)
    values = rng.normal(0, 2, shape(rng))
    if kind.is_floating_point and rng.integers(5) == 0:
        values = np.where(rng.random(values.shape) < 0.3, one_of(rng, _ODD_FLOATS), values)
    with np.errstate(all="ignore"):
        t = mg.tensor(np.asarray(values).astype(kind.numpy))
    if t.ndim > 1 and rng.integers(4) == 0:
        t = t.transpose(0, -1)
    if t.ndim and rng.integers(6) == 0:
        t = t[..., ::2]
    if t.numel() and t.ndim and rng.integers(12) == 0:
        t = t[:1].expand(7, *t.shape[1:])
    return t.detach().requires_grad_() if kind.is_floating_point and rng.integers(2) else t


def index(rng: Rng) -> Tensor:
    low, high = one_of(rng, [(0, 2), (0, 2), (0, 4), (-3, 8), (-(2**40), 2**40)])
    kind = one_of(rng, ["int64", "int64", "int32", "uint8"])
    return mg.tensor(np.asarray(rng.integers(low, high, shape(rng))).astype(kind))


def argument(rng: Rng, name: str, p: inspect.Parameter) -> Any:
    """What to pass for a parameter, guessed from its name, annotation and default."""
    if rng.integers(25) == 0:
        return one_of(rng, _JUNK)
    hint, default = str(p.annotation), p.default
    if default is not p.empty and rng.integers(3) == 0:
        return default
    if "mask" in name or name == "condition":
        return tensor(rng, mg.bool)
    if "ind" in name or name in ("target", "sorted_sequence", "offsets"):
        return index(rng) if rng.integers(2) else tensor(rng)
    if "Sequence[Tensor]" in hint or name == "tensors":
        return [tensor(rng) for _ in range(rng.integers(0, 4))]
    if name == "dtype" or "dtype" in hint:
        return one_of(rng, [None, *DTYPES])
    if isinstance(default, bool) or hint == "bool":
        return bool(rng.integers(2))
    if isinstance(default, str) or hint.startswith("str"):
        return one_of(rng, _WORDS)
    if "Tensor" in hint:
        return tensor(rng) if rng.integers(10) else number(rng)
    if "float" in hint or isinstance(default, float):
        return number(rng)
    if rng.integers(3) == 0:
        return tuple(integer(rng) for _ in range(rng.integers(0, 4)))
    return integer(rng) if "int" in hint or rng.integers(3) else number(rng)


def arguments(rng: Rng, name: str) -> tuple[list[Any], dict[str, Any]]:
    """A call that works with something changed, where one is known; else all at random."""
    if name in VALID and rng.integers(2):
        return _changed(rng, list(VALID[name]())), {}
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    method = name.startswith("Tensor.")
    function = METHODS[name] if name in METHODS else described(name)
    op = getattr(function, "op", None)
    if op is not None and hasattr(op, "formula"):
        args = [tensor(rng) if i or rng.integers(9) else number(rng) for i in range(op.arity)]
        args += [number(rng) for _ in op.defaults if rng.integers(2)]
    else:
        for key, p in inspect.signature(function).parameters.items():
            if p.kind is p.VAR_KEYWORD or (key in LEFT and p.default is not p.empty):
                continue
            if p.kind is p.VAR_POSITIONAL:
                draw: Callable[[Rng], Any] = tensor if "Tensor" in str(p.annotation) else integer
                args += [draw(rng) for _ in range(rng.integers(0, 4))]
            elif p.default is p.empty and p.kind is not p.KEYWORD_ONLY:
                args.append(argument(rng, key, p))
            elif p.default is p.empty or rng.integers(3) == 0:
                kwargs[key] = argument(rng, key, p)
    if method and (not args or not isinstance(args[0], Tensor)):
        args[:1] = [tensor(rng)]
    return args, kwargs


def _changed(rng: Rng, args: list[Any]) -> list[Any]:
    for _ in range(rng.integers(0, 3)):
        k = int(rng.integers(len(args)))
        old = args[k]
        if isinstance(old, Tensor):
            args[k] = index(rng) if not old.is_floating_point() else tensor(rng)
        elif isinstance(old, (tuple, list)) and old and rng.integers(2):
            at = int(rng.integers(len(old)))
            args[k] = type(old)(integer(rng) if i == at else v for i, v in enumerate(old))
        else:
            args[k] = one_of(rng, _WORDS) if isinstance(old, str) else integer(rng)
    return args


def made(seed: int, number: int) -> tuple[str, list[Any], dict[str, Any]]:
    """The call of this number: what it is depends on nothing else."""
    rng = np.random.default_rng([seed, number])
    name = one_of(rng, NAMES)
    return name, *arguments(rng, name)


def called(name: str) -> Callable[..., Any]:
    """The function or method of that name, writing to copies only."""
    return METHODS[name] if name in METHODS else on_a_copy(name)


def attempt(seed: int, number: int) -> str:
    """Make a call, and go backward; what is wrong about how it ended, or nothing."""
    name, args, kwargs = made(seed, number)
    try:
        check(called(name), args, kwargs, SECONDS)
    except Hang:
        return f"{name}: no end after {SECONDS} s"
    except Exception as error:
        return f"{name}: {type(error).__name__}: {error}".replace("\n", " ")[:300]
    return ""


#: Methods of tensors with the name of a function, which may have other guards around them.
METHODS: dict[str, Any] = {
    f"Tensor.{name}": getattr(Tensor, name)
    for name in PUBLIC
    if hasattr(Tensor, name) and f"minigrad.{name}" in FUNCTIONS and not name.endswith("_")
}
NAMES = sorted({**FUNCTIONS, **METHODS})


def main(seed: int, count: int, only: bool) -> None:
    with contextlib.suppress(ValueError, OSError):  # systems that do not limit
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    if only:
        name, args, kwargs = made(seed, count)
        print(name, args, kwargs)
        try:
            called(name)(*args, **kwargs)
        except Exception:
            traceback.print_exc()
        return
    first = int(os.environ.get("MINIGRAD_FUZZ_FIRST", "0"))
    for number in range(first, first + count):
        print(f"\r{number}", end="", file=sys.stderr, flush=True)  # where it stood if it dies
        wrong = attempt(seed, number)
        if wrong:
            print(f"{number}\t{wrong}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), len(sys.argv) > 3)
