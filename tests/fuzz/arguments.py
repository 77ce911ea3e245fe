"""Random arguments for a function, guessed from the names and defaults of its parameters.

Most are meant to be nearly right: shapes come from one small family, so that operands often fit
each other, dimensions are mostly in range, and indices are mostly legal. Some are wrong.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
from hypothesis import strategies as st

import minigrad as mg

DTYPES = [
    mg.float32, mg.float64, mg.float16, mg.int64, mg.int32, mg.int16, mg.int8, mg.uint8, mg.bool,
]  # fmt: skip
#: Parameters that are left at their defaults.
LEFT = {
    "generator", "out", "memory_format", "device", "layout", "pin_memory", "copy", "_stacklevel",
    "like", "names", "size_average", "is_complex",
}  # fmt: skip
_SIZES = st.sampled_from([0, 1, 1, 2, 3, 3, 4, 5])


@st.composite
def shapes(draw: Any, most: int = 4) -> tuple[int, ...]:
    """Mostly a suffix of (2, 3, 4, 4) with some sizes replaced by 1, which broadcast together."""
    if draw(st.integers(0, 3)):
        shape = (2, 3, 4, 4)[draw(st.integers(0, most)) :]
        return tuple(1 if draw(st.integers(0, 5)) == 0 else n for n in shape)
    return tuple(draw(st.lists(_SIZES, max_size=most)))


@st.composite
def tensors(draw: Any, dtypes: Any = None) -> Any:
    """Any type, contiguous or not, with the numbers that break formulas."""
    kind = draw(st.sampled_from(dtypes or [mg.float32] * 6 + [mg.float64] * 3 + DTYPES))
    shape = draw(shapes())
    rng = np.random.default_rng(draw(st.integers(0, 2**20)))
    values = rng.normal(0, 2, shape)
    if kind.is_floating_point and draw(st.integers(0, 5)) == 0:
        values = rng.choice([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e30, 1e-30], shape)
    with np.errstate(all="ignore"):
        array = np.asarray(values).astype(kind.numpy)
    t = mg.tensor(array)
    if t.ndim > 1 and draw(st.integers(0, 3)) == 0:
        t = t.transpose(0, -1)
    if t.ndim and draw(st.integers(0, 5)) == 0:
        t = t[..., ::2]
    if kind.is_floating_point and draw(st.booleans()):
        t = t.detach().requires_grad_()
    return t


@st.composite
def indices(draw: Any) -> Any:
    """Mostly small and legal; negative ones and ones out of range, too."""
    rng = np.random.default_rng(draw(st.integers(0, 2**20)))
    low, high = draw(st.sampled_from([(0, 2), (0, 2), (0, 4), (-3, 8), (-(2**40), 2**40)]))
    kind = draw(st.sampled_from(["int64", "int64", "int64", "int32", "uint8", "float32"]))
    values = rng.integers(low, high, draw(shapes()))
    return mg.tensor(np.asarray(values).astype(kind))


dims = st.one_of(
    st.integers(-2, 2), st.integers(-5, 5), st.none(), st.lists(st.integers(-3, 3), max_size=3),
    st.just(2**40),
)  # fmt: skip
counts = st.one_of(
    st.integers(1, 3), st.integers(1, 3), st.integers(-2, 6), st.none(), st.just(2**40),
    st.lists(st.integers(0, 4), max_size=4).map(tuple), st.floats(-3, 3),
)  # fmt: skip
numbers = st.one_of(
    st.floats(-3, 3), st.integers(-3, 3), st.booleans(),
    st.sampled_from([float("nan"), float("inf"), -0.0, 1e30]),
)  # fmt: skip
words = st.sampled_from(["mean", "sum", "none", "constant", "reflect", "ij", "amax", "", "typo"])
junk = st.sampled_from([None, "typo", 1.5, (), [], {}, object, True, -1])

_INT = {
    "size", "shape", "sizes", "kernel_size", "stride", "padding", "dilation", "output_size", "k",
    "n", "m", "groups", "chunks", "split_size_or_sections", "indices_or_sections", "repeats",
    "sections", "step", "steps", "start", "end", "length", "offset", "diagonal", "bins", "dims_",
    "num_samples", "minlength", "num_classes", "num_groups", "normalized_shape", "sizes_", "high",
    "low", "N", "M", "pad", "output_padding", "upscale_factor", "r", "storage_offset", "depth",
}  # fmt: skip


def argument(name: str, parameter: inspect.Parameter) -> st.SearchStrategy[Any]:
    """What to pass for a parameter."""
    annotation, default = str(parameter.annotation), parameter.default
    if "mask" in name or name == "condition":
        return tensors([mg.bool])
    if "ind" in name or name in ("target", "sorted_sequence", "offsets"):
        return st.one_of(indices(), tensors())
    if name in ("tensors", "arrays") or "Sequence[Tensor]" in annotation:
        return st.lists(tensors(), max_size=3)
    if "dim" in name or "axis" in name or "axes" in name:
        return dims
    if name in _INT or annotation == "int":
        return counts
    if name == "dtype":
        return st.sampled_from([None, *DTYPES])
    if isinstance(default, bool):
        return st.booleans()
    if isinstance(default, str):
        return st.one_of(st.just(default), words)
    if isinstance(default, (int, float)):
        return st.one_of(st.just(default), numbers)
    if "Tensor" in annotation or default is parameter.empty:
        return st.one_of(tensors(), tensors(), tensors(), numbers)
    return st.one_of(st.just(default), numbers, tensors())


values = st.one_of(tensors(), numbers)  # what may be written into a part of a tensor
_places = st.one_of(st.none(), st.integers(-5, 5))
_key = st.one_of(
    st.integers(-4, 4), st.integers(0, 1), st.builds(slice, _places, _places),
    st.builds(slice, _places, _places, st.sampled_from([None, 1, 2, -1, 0])),
    st.just(...), st.none(), st.booleans(), indices(), indices(), tensors([mg.bool]),
    st.lists(st.integers(-3, 3), max_size=3), junk,
)  # fmt: skip


def keys() -> st.SearchStrategy[Any]:
    """What may stand in brackets after a tensor."""
    return st.one_of(_key, st.lists(_key, max_size=4).map(tuple))


@st.composite
def calls(draw: Any, function: Any, method: bool = False) -> tuple[list[Any], dict[str, Any]]:
    """Positional and keyword arguments; now and then one that makes no sense."""
    op = getattr(function, "op", None)
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    if op is not None and hasattr(op, "formula"):
        args = [draw(tensors()) for _ in range(op.arity)]
        args += [draw(numbers) for _ in op.defaults if draw(st.booleans())]
    else:
        for name, p in inspect.signature(function).parameters.items():
            if name in LEFT and p.default is not p.empty:
                continue
            if p.kind is p.VAR_POSITIONAL:
                if "Tensor" in str(p.annotation):
                    args += draw(st.lists(tensors(), max_size=3))
                else:
                    args += draw(
                        st.one_of(st.lists(counts, max_size=3), st.lists(dims, max_size=3))
                    )
            elif p.kind is p.VAR_KEYWORD:
                continue
            elif method and not args:
                args.append(draw(tensors()))
            elif p.default is p.empty and p.kind is p.KEYWORD_ONLY:
                kwargs[name] = draw(argument(name, p))
            elif p.default is p.empty:
                args.append(draw(argument(name, p)))
            elif draw(st.booleans()):
                kwargs[name] = draw(argument(name, p))
    if len(args) > method and draw(st.integers(0, 14)) == 0:
        args[draw(st.integers(method, len(args) - 1))] = draw(junk)
    return args, kwargs
