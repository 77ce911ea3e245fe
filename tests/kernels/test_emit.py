"""Loops written from formulas: the same bits as numba's, whatever the layout, length and processor.

Two NaN count as the same, whatever their sign and payload: which operand's NaN comes out is up to
the order in which a processor's instruction has them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minigrad.core import expr as fx
from minigrad.core.declare import REGISTRY
from minigrad.core.expr import Expr, symbol, symbols
from minigrad.kernels import elementwise, reduce, reduce_loops
from minigrad.kernels.elementwise import Fused
from minigrad.kernels.emit import bodies, numba_source, objects, target
from minigrad.kernels.emit.call import caller
from minigrad.kernels.emit.code import Code, Kind, literal
from minigrad.kernels.emit.expressions import spelling, walk
from minigrad.kernels.emit.loops import ElementwiseLoop
from minigrad.kernels.emit.reduction import TOTAL, RowReduction
from minigrad.kernels.emit.vector import Vector
from minigrad.kernels.run import store
from minigrad.kernels.run.settings import get_num_threads, set_num_threads
from minigrad.kernels.run.sizes import BLOCK
from minigrad.kernels.run.team import NOBODY, team
from minigrad.kernels.run.threads import pool_address
from minigrad.ops.loops import Compiled

pytestmark = pytest.mark.skipif(target.host() is None, reason="no code for this processor")

#: Compare all layouts of all formulas in both types: minutes, nearly all of them numba's.
EVERYTHING = os.environ.get("MINIGRAD_TEST_EMIT") == "all"

ELEMENTWISE = sorted(n for n, op in REGISTRY.items() if isinstance(op, Compiled))
SPECIAL = [
    0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.5, 3.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 1e-40,
    5e-324, 2.0**-126, -(2.0**-1022), 1e30, -1e30, 3e38, 1e300, -1e300, 88.5, -88.5, 709.5, 1e-8,
]  # fmt: skip


def numbers(kind: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Special values, usual ones and any bits, in an order of their own for each seed."""
    rng = np.random.default_rng(seed)
    size = int(np.prod(shape))
    with np.errstate(all="ignore"):
        special = rng.choice(np.array(SPECIAL), size).astype(kind)
    usual = (rng.standard_normal(size) * 3).astype(kind)
    wild = np.frombuffer(rng.bytes(size * np.dtype(kind).itemsize), kind)
    which = rng.integers(0, 3, size)
    return np.choose(which, [special, usual, wild]).astype(kind).reshape(shape)


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether all bits are equal, but those of NaN."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.dtype.kind == "f":
        a, b = (np.where(np.isnan(v), np.array(np.nan, v.dtype), v) for v in (a, b))
    return a.tobytes() == b.tobytes()


class Formulas:
    """The value of an operation and its derivatives, as one loop with several outputs."""

    def __init__(self, op: Compiled) -> None:
        self.name = f"all_of_{op.name}"
        self.roots: list[Expr] = [op.root]
        for i, rule in enumerate(op.rules):
            fused = None if rule is None else op.fused_rule(i)
            if fused is not None:
                self.roots.append(fused.root)
        used = {e.args[0] for e in walk(*self.roots) if e.op == "symbol"}
        self.params = [n for n in op.names[op.arity :] if n in used]
        self.operands = [n for n in ("g", "y", *op.names[: op.arity]) if n in used]
        self.flags = set(op.names[: op.flags])
        self.boolean = op.boolean
        self.values = [float(v) for n, v in zip(op.names[op.arity :], op.defaults) if n in used]

    def arrays(self, kind: str, pattern: str, rows: int, columns: int) -> list[np.ndarray]:
        shapes = {"f": (rows, columns), "r": (columns,), "c": (rows,), "s": (1,)}
        made = []
        for k, (name, letter) in enumerate(zip(self.operands, pattern)):
            a = numbers(kind, shapes[letter], 10 * k + ord(letter))
            made.append(a > 0 if name in self.flags else a)
        return made

    def outputs(self, kind: str, rows: int, columns: int) -> list[np.ndarray]:
        kinds = [np.dtype("?" if self.boolean else kind), *[np.dtype(kind)] * (len(self.roots) - 1)]
        return [np.zeros((rows, columns), k) for k in kinds]

    def by_numba(self, kind: str, pattern: str, rows: int, columns: int) -> list[np.ndarray]:
        dtype = np.dtype(kind)
        text = numba_source.source(
            self.name, self.roots, self.operands, pattern, dtype.name, self.params
        )
        module = store.load(f"{self.name}_{pattern}_{dtype.name}", text)
        flat = "r" not in pattern and "c" not in pattern
        operands = [
            a.item() if letter == "s" else a.reshape(-1) if flat else a
            for a, letter in zip(self.arrays(kind, pattern, rows, columns), pattern)
        ]
        outs = self.outputs(kind, rows, columns)
        written = [o.reshape(-1) if flat else o for o in outs]
        module.blocks(*operands, *self.values, *written, 0, rows * columns)
        return outs

    def emitted(self, kind: str, pattern: str, rows: int, columns: int) -> list[np.ndarray]:
        arrays = self.arrays(kind, pattern, rows, columns)
        outs = self.outputs(kind, rows, columns)
        chars = "".join(a.dtype.char for a in (*arrays, *outs))
        entry = bodies.elementwise(
            self.name, self.roots, self.operands, pattern, chars, np.dtype(kind).char, self.params
        )
        run(entry, rows, columns, [*arrays, *(np.array(v) for v in self.values), *outs])
        return outs


def run(entry: int, rows: int, columns: int, arrays: list[np.ndarray]) -> None:
    """All blocks of a body, by the only thing it knows: numbers at an address."""
    import ctypes

    words = np.array([rows, columns, *(a.ctypes.data for a in arrays)], np.int64)
    function = ctypes.CFUNCTYPE(ctypes.c_int32, *[ctypes.c_void_p] * 2, *[ctypes.c_int64] * 3)
    assert function(entry)(None, None, words.ctypes.data, 0, rows * columns) == 0


def check(op: Compiled, kind: str, pattern: str, rows: int, columns: int) -> None:
    formulas = Formulas(op)
    pattern = (pattern * 6)[: len(formulas.operands)]
    expected = formulas.by_numba(kind, pattern, rows, columns)
    found = formulas.emitted(kind, pattern, rows, columns)
    for root, a, b in zip(formulas.roots, found, expected):
        assert same_bits(a, b), f"{op.name}, {kind}, {pattern}: {root}"


def wanted(name: str, kind: str) -> bool:
    """In float64 those of the usual run that have an elementary function in them."""
    op = REGISTRY[name]
    assert isinstance(op, Compiled)
    return EVERYTHING or kind == "f4" or op.fused.math


@pytest.mark.parametrize(
    ("name", "kind"), [(n, k) for n in ELEMENTWISE for k in ("f4", "f8") if wanted(n, k)]
)
def test_values_and_derivatives_have_the_bits_of_numbas_loop(name: str, kind: str) -> None:
    op = REGISTRY[name]
    assert isinstance(op, Compiled)
    check(op, kind, "f", 1, 2 * BLOCK + 837)


LAYOUTS = ["fr", "rf", "fc", "cf", "fs", "sf", "rc", "cr", "frc", "csf"] if EVERYTHING else [
    "frc", "csf", "rc",
]  # fmt: skip


@pytest.mark.parametrize("kind", ["f4", "f8"])
@pytest.mark.parametrize("pattern", LAYOUTS)
@pytest.mark.parametrize("name", ELEMENTWISE if EVERYTHING else ["where", "lerp"])
def test_layouts_have_the_bits_of_numbas_loop(name: str, pattern: str, kind: str) -> None:
    op = REGISTRY[name]
    assert isinstance(op, Compiled)
    check(op, kind, pattern, 211, 87)


# -- lengths, blocks, memory -----------------------------------------------------------------------

a, b, x = symbols("a b x")
SOFT = fx.where(a > b, fx.tanh(a) * b, fx.exp(-fx.abs(a)) + b)


@pytest.mark.parametrize("kind", ["f4", "f8"])
def test_every_length_gives_the_beginning_and_touches_nothing_else(kind: str) -> None:
    entry = bodies.elementwise("soft", [SOFT], ["a", "b"], "ff", 3 * np.dtype(kind).char,
                               np.dtype(kind).char)  # fmt: skip
    left, right = numbers(kind, (66,), 1), numbers(kind, (66,), 2)
    whole = np.empty(66, kind)
    run(entry, 1, 66, [left, right, whole])
    for n in range(66):
        out = np.full(66, 77, kind)
        # operands end where their memory does, or nearly: reading beyond would be seen, or crash
        run(entry, 1, n, [left[:n].copy(), right[:n].copy(), out])
        assert same_bits(out[:n], whole[:n])
        assert (out[n:] == 77).all()


@pytest.mark.parametrize("columns", [1, 3, 15, 16, 17, 40, BLOCK + 5])
def test_rows_of_every_length(columns: int) -> None:
    fused = Fused("soft", SOFT, ["a", "b"])
    rows = 5 if columns > BLOCK else 900
    left, right = numbers("f4", (rows, columns), 1), numbers("f4", (columns,), 2)
    full = np.ascontiguousarray(np.broadcast_to(right, left.shape))
    dtype = left.dtype
    assert same_bits(fused((left, right), (), dtype), fused((left, full), (), dtype))
    column = numbers("f4", (rows, 1), 3)
    full = np.ascontiguousarray(np.broadcast_to(column, left.shape))
    assert same_bits(fused((column, left), (), dtype), fused((full, left), (), dtype))


def test_blocks_make_up_the_whole() -> None:
    for pattern, rows, columns in (("ff", 1, 3 * BLOCK + 11), ("fr", 700, 50), ("cf", 3, 9000)):
        entry = bodies.elementwise("soft", [SOFT], ["a", "b"], pattern, "fff", "f")
        shapes = {"f": rows * columns, "r": columns, "c": rows}
        arrays = [numbers("f4", (shapes[p],), k) for k, p in enumerate(pattern)]
        whole, parts = np.empty((2, rows * columns), "f4")
        run(entry, rows, columns, [*arrays, whole])
        words = np.array([rows, columns, *(v.ctypes.data for v in (*arrays, parts))], np.int64)
        import ctypes

        kind = ctypes.CFUNCTYPE(ctypes.c_int32, *[ctypes.c_void_p] * 2, *[ctypes.c_int64] * 3)
        for block in reversed(range(rows * columns // BLOCK + 3)):
            kind(entry)(None, None, words.ctypes.data, block, block + 1)
        assert same_bits(whole, parts)


def test_the_result_may_replace_an_operand() -> None:
    fused = Fused("soft", SOFT, ["a", "b"])
    for n in (5, 64, BLOCK + 3):
        left, right = numbers("f4", (n,), 1), numbers("f4", (n,), 2)
        expected = fused((left, right), (), left.dtype)
        assert fused((left, right), (), left.dtype, out=left) is left
        assert same_bits(left, expected)


def test_the_pool_is_started_when_there_has_been_work_for_it(tmp_path: Path) -> None:
    code = """
import sys
import numpy as np
from minigrad import set_num_threads
from minigrad.kernels import reduce
from minigrad.kernels.run.team import NOBODY, team
set_num_threads(2)
reduce.sum(np.ones(200_000, "f4"), (0,))
assert "numba" not in sys.modules
for _ in range(2000):
    first = team(1_000_000)
    if first != NOBODY:
        break
set_num_threads(1)
print(_, first == NOBODY, team(10**9) == NOBODY, "numba" in sys.modules)
"""
    assert Process(tmp_path).run(code, warnings="ignore") == "66 False True True"


def test_a_pool_that_is_there_is_used() -> None:
    before = get_num_threads()
    try:
        set_num_threads(2)
        assert pool_address() == 0 or team(1) != NOBODY
    finally:
        set_num_threads(before)


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_change_no_bit(threads: int) -> None:
    fused = Fused("soft", SOFT, ["a", "b"])
    left, right = numbers("f4", (1_000_003,), 1), numbers("f4", (1_000_003,), 2)
    before = get_num_threads()
    try:
        set_num_threads(1)
        expected = fused((left, right), (), left.dtype)
        set_num_threads(threads)
        pool_address()  # `team` would start it later
        assert same_bits(fused((left, right), (), left.dtype), expected)
    finally:
        set_num_threads(before)


# -- other types -----------------------------------------------------------------------------------


def computed(root: Expr, dtype: str, out: str, **operands: np.ndarray) -> np.ndarray:
    """A formula of whole arrays, computed in one type and written in another."""
    size = next(iter(operands.values())).size
    result = np.empty(size, out)
    chars = "".join(a.dtype.char for a in (*operands.values(), result))
    entry = bodies.elementwise("types", [root], list(operands), "f" * len(operands), chars, dtype)
    run(entry, 1, size, [*operands.values(), result])
    return result


@pytest.mark.parametrize("char", ["i", "l"])
def test_integers(char: str) -> None:
    rng = np.random.default_rng(0)
    p, q = (rng.integers(-1000, 1000, 333).astype(char) for _ in range(2))
    roots = {
        a + b * 3 - 7: p + q * 3 - 7,
        fx.maximum(a, b): np.maximum(p, q),
        fx.where(a > b, fx.abs(a), -b): np.where(p > q, np.abs(p), -q),
    }
    for root, expected in roots.items():
        assert same_bits(computed(root, char, char, a=p, b=q), expected.astype(char))
    assert same_bits(computed(a >= b, char, "?", a=p, b=q), p >= q)
    wide = np.array([2**31 - 1, -(2**31)], char)
    assert same_bits(computed(a + 1, char, char, a=wide), wide + np.array(1, char))  # wraps
    with pytest.raises(TypeError, match="for floating point numbers"):
        computed(a * 0.5, char, char, a=p)


def test_conversions_between_types() -> None:
    rng = np.random.default_rng(0)
    values: dict[str, np.ndarray] = {
        "f": (rng.standard_normal(99) * 100).astype("f4"),
        "d": rng.standard_normal(99) * 100,
        "i": rng.integers(-(2**31), 2**31 - 1, 99).astype("i4"),
        "l": rng.integers(-(2**62), 2**62, 99),
        "?": rng.random(99) > 0.5,
    }
    for source, array in values.items():
        for target_ in "fdil?":
            if source in "fd" and target_ in "il":
                array = np.trunc(array)
            compute = target_ if source == "?" else source  # flags are no type to compute in
            if compute == "?":
                continue
            expected = array.astype(target_)
            assert same_bits(computed(a, compute, target_, a=array), expected), source + target_


# -- reductions of rows ----------------------------------------------------------------------------

LENGTHS = [1, 2, 3, 7, 8, 15, 16, 17, 31, 63, 64, 65, 100, 129, BLOCK - 1, BLOCK, BLOCK + 1]
LENGTHS += [2 * BLOCK + 70]


def reduced(operation: str, array: np.ndarray, root: Expr = x, **others: np.ndarray) -> np.ndarray:
    """The rows of an array (`x`) and of columns, reduced."""
    rows, columns = array.shape
    out = np.full(rows + 2, 77, array.dtype)  # and two that must stay as they are
    char = array.dtype.char
    entry = bodies.row_reduction(
        "rows", operation, root, TOTAL, ["x", *others], "f" + "c" * len(others),
        char * (2 + len(others)), char,
    )  # fmt: skip
    run(entry, rows, columns, [array, *others.values(), out])
    assert (out[rows:] == 77).all()
    return out[:rows]


@pytest.mark.parametrize("kind", ["f4", "f8"])
@pytest.mark.parametrize("length", LENGTHS)
def test_sums_of_every_length(length: int, kind: str) -> None:
    rng = np.random.default_rng(length)
    array = rng.standard_normal((3, length)).astype(kind)
    exact = array.astype(np.longdouble).sum(1)
    error = np.abs(reduced("add", array) - exact) / np.abs(array).sum(1)
    # lanes of at most BLOCK values, and less where they are many
    assert error.max() <= 16 * np.finfo(kind).eps


@pytest.mark.parametrize("kind", ["f4", "f8"])
@pytest.mark.parametrize("length", LENGTHS)
def test_extremes_have_the_bits_of_numbas_loop(length: int, kind: str) -> None:
    array = numbers(kind, (5, length), length)
    array[0] = np.where(np.isnan(array[0]), -0.0, array[0])
    array[1] = -0.0
    for operation, down in (("max", False), ("min", True)):
        expected = np.empty(5, kind)
        reduce_loops.extreme_rows(0, array.reshape(-1), length, down, expected)
        assert same_bits(reduced(operation, array), expected), operation


def test_formulas_around_a_sum() -> None:
    """The sum of exp(x - m), of which the logarithm is taken: in one loop over the rows."""
    array = np.random.default_rng(0).standard_normal((6, 1000)).astype("f4") * 10
    most = reduced("max", array)
    sums = reduced("add", array, fx.exp(x - symbol("m")), m=most)
    expected = np.exp(array.astype("f8") - most[:, None]).sum(1)
    np.testing.assert_allclose(sums, expected, rtol=1e-6)
    entry = bodies.row_reduction(
        "log_sum", "add", fx.exp(x), fx.log(TOTAL) / symbol("n"), ["x"], "f", "fd", "f", ["n"]
    )
    small, out = array / 10, np.empty(6)
    run(entry, 6, 1000, [small, np.array(3.0), out])
    np.testing.assert_allclose(out, np.log(np.exp(small.astype("f8")).sum(1)) / 3, rtol=1e-6)


@pytest.mark.parametrize("shape", [(3, 300_000), (70_000, 9), (1, 2_000_000)])
def test_threads_change_no_bit_of_a_reduction(shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).standard_normal(shape).astype("f4")
    before = get_num_threads()
    found = []
    try:
        for threads in (1, 2, 3):
            set_num_threads(threads)
            pool_address()
            found.append([f(array, (1,)) for f in (reduce.sum, reduce.mean, reduce.max)])
    finally:
        set_num_threads(before)
    for results in found[1:]:
        assert all(same_bits(p, q) for p, q in zip(found[0], results))


# -- other processors ------------------------------------------------------------------------------

OLDER = {
    "avx2": {"avx": True, "avx2": True, "fma": True, "sse4.1": True, "sse4.2": True},
    "sse2": {},
}


@pytest.mark.skipif(
    not (target.host() and target.llvm().get_process_triple().startswith("x86_64")),
    reason="for 64-bit x86",
)
@pytest.mark.parametrize("kind", ["f4", "f8"])
@pytest.mark.parametrize("older", OLDER)
def test_older_processors_give_the_same_bits(older: str, kind: str) -> None:
    features = dict(target.llvm().get_host_cpu_features())
    if older == "avx2" and not features.get("avx2"):
        pytest.skip("this one is older still")
    there = {name: OLDER[older].get(name, False) for name in features if name not in ("sse2",)}
    there |= {name: True for name in ("sse", "sse2", "64bit", "cx8", "cmov", "fxsr", "mmx", "x87")
              if name in features}  # fmt: skip
    chosen = target.target("x86_64", "x86-64", there)
    assert chosen.register == (32 if older == "avx2" else 16)
    char = np.dtype(kind).char
    root = SOFT + fx.sin(a) * fx.erf(b) + fx.where(fx.isnan(b), a**b, fx.floor(b))
    roots, chars = [root, a <= b], char * 3 + "?"
    loop = ElementwiseLoop(
        f"older_{older}_{kind}", roots, ["a", "b"], "fr", chars, char, (), chosen.register
    )
    entry = objects._engine.load(target.compile_text(loop.text(), chosen), loop.name)
    usual = bodies.elementwise("usual", roots, ["a", "b"], "fr", chars, char)
    arrays = [numbers(kind, (70, 37), 1), numbers(kind, (37,), 2)]
    found = [[np.empty((70, 37), kind), np.empty((70, 37), bool)] for _ in range(2)]
    for one, outs in zip((entry, usual), found):
        run(one, 70, 37, [*arrays, *outs])
    for p, q in zip(*found):
        assert same_bits(p, q)
    rows = RowReduction(
        f"older_rows_{older}_{kind}", "max", root, TOTAL, ["a", "b"], "fr", char * 3, char, (),
        chosen.register,
    )  # fmt: skip
    entry = objects._engine.load(target.compile_text(rows.text(), chosen), rows.name)
    out, expected = np.empty(70, kind), found[0][0].max(1)
    run(entry, 70, 37, [*arrays, out])
    assert np.array_equal(out, expected, equal_nan=True)


# -- what Python may call it with ------------------------------------------------------------------


def test_arrays_of_any_kind_give_what_plain_ones_give() -> None:
    fused = Fused("soft", SOFT, ["a", "b"])
    plain = [numbers("f4", (40, 30), k) for k in (1, 2)]
    expected = fused(plain, (), plain[0].dtype)
    other = plain[1]
    bytes_ = np.zeros(4 * 1200 + 1, "u1")
    unaligned = bytes_[1:].view("f4").reshape(40, 30)
    unaligned[...] = plain[0]
    wider = np.empty((40, 60), "f4")
    wider[:, ::2] = plain[0]
    readonly = plain[0].copy()
    readonly.flags.writeable = False

    class Mine(np.ndarray):
        pass

    kinds = {
        "strided": wider[:, ::2],
        "Fortran": np.asfortranarray(plain[0]),
        "backwards": plain[0][::-1].copy()[::-1],
        "foreign bytes": plain[0].astype(">f4"),
        "float64": plain[0].astype("f8"),
        "unaligned": unaligned,
        "read-only": readonly,
        "subclass": plain[0].view(Mine),
    }
    for what, array in kinds.items():
        for _ in range(2):
            assert same_bits(fused((array, other), (), plain[0].dtype), expected), what


def test_numbers_of_any_kind_are_taken() -> None:
    fused = Fused("scaled", x * symbol("alpha"), ["x"], ["alpha"])
    values = np.arange(5, dtype="f4")
    for alpha in (2.0, 2, True, np.float32(2), np.float64(2), np.int64(2)):
        expected = values * np.float32(alpha)
        assert same_bits(fused((values,), (alpha,), values.dtype), expected)


@pytest.mark.parametrize("parallel", [False, True])
def test_other_processors_are_served_by_numba(
    monkeypatch: pytest.MonkeyPatch, parallel: bool
) -> None:
    rows = 40_000 if parallel else 40
    whole, row = numbers("f4", (rows, 30), 1), numbers("f4", (30,), 2)
    column, one = numbers("f4", (rows, 1), 3), np.array(1.5, "f4")
    pairs = [(whole, whole[::-1]), (whole, row), (column, whole), (whole, one)]
    with np.errstate(all="ignore"):
        here = [Fused("soft", SOFT, ["a", "b"])(pair, (), whole.dtype) for pair in pairs]
        monkeypatch.setattr(elementwise.target, "host", lambda: None)
        there = Fused("soft", SOFT, ["a", "b"])
        for pair, expected in zip(pairs, here):
            assert same_bits(there(pair, (), whole.dtype), expected)


def test_empty_and_0_dimensional_arrays() -> None:
    fused = Fused("soft", SOFT, ["a", "b"])
    f4 = np.dtype("f4")
    for shape in ((0,), (3, 0), (0, 4)):
        assert fused((np.empty(shape, f4), np.empty(shape, f4)), (), f4).shape == shape
    zero = np.array(2.0, f4)
    assert fused((zero, zero), (), f4).shape == ()
    assert fused((np.empty((0, 4), f4), np.empty(4, f4)), (), f4).shape == (0, 4)


def test_an_unusable_result_is_refused() -> None:
    fused = Fused("soft", SOFT, ["a", "b"])
    one = np.ones((4, 4), "f4")
    readonly = np.empty((4, 4), "f4")
    readonly.flags.writeable = False
    for out in (readonly, np.empty((4, 8), "f4")[:, ::2]):
        with pytest.raises(TypeError, match="out must be"):
            fused((one, one), (), one.dtype, out=out)
    with pytest.raises(ValueError, match="out has shape"):
        fused((one, one), (), one.dtype, out=np.empty(16, "f4"))


def test_the_function_itself_refuses_all_that_it_does_not_know() -> None:
    f4 = np.dtype("f4")
    entry = bodies.elementwise("one", [x * symbol("p")], ["x"], "f", "ff", "f", ["p"])
    function = caller(entry, [f4, f4], 1, False)
    x1, out = np.ones(3, f4), np.empty(3, f4)
    assert function(0, 0, 0, 0, out, x1, 2.0) is out
    wrong: list[tuple[Any, ...]] = [
        (), (0, 0, 0, 0, out, x1), (0, 0, 0, 0, out, x1, 2), (0, 0, 0, 0, out, [1.0], 2.0),
        (0, 0, 0, 0, None, x1, 2.0), (0, 0, 0, 0, out, np.float32(3), 2.0),
        (0, 0, 0, 0, out, np.ones(3), 2.0), (0, 0, 0, 0, out, np.ones(4, f4), 2.0),
        (0, 0, 0, 0, out, np.ones((1, 3), f4), 2.0), (0, 0, 0, 0, out, x1.astype(">f4"), 2.0),
        (0, 0, 0, 0, out, np.ones(6, f4)[::2], 2.0), (0, 0, 0, 0, out, x1, 2.0, 3.0),
    ]  # fmt: skip
    for arguments in wrong:
        before = out.copy()
        assert function(*arguments) is None
        assert same_bits(out, before)


# -- values that write -----------------------------------------------------------------------------


def vector(dtype: str = "f32", lanes: int = 4) -> Vector:
    return Vector(Code(), Kind(dtype, lanes), "%x")


def test_a_shared_part_is_written_once() -> None:
    v = vector()
    fx.exp(v) + fx.exp(v) * (1 + fx.exp(v))
    calls = [line for line in v.code.lines if "llvm.fma" in line]
    one = vector()
    fx.exp(one)
    assert len(calls) == len([line for line in one.code.lines if "llvm.fma" in line])


def test_a_formula_cannot_branch_on_a_vector() -> None:
    with pytest.raises(TypeError, match=r"use fx\.where"):
        _ = 1 if vector() > 0 else 2


def test_types_do_not_mix_by_accident() -> None:
    v = vector()
    for wrong in (np.float64(1), np.int32(1), vector("f64"), vector("f32", 8)):
        with pytest.raises(TypeError, match="of one type are expected"):
            v + wrong
    with pytest.raises(TypeError, match="div is not for i64"):
        vector("i64") / 2


def test_numbers_are_spelled_by_their_bits() -> None:
    assert literal(1.0, "f32") == literal(1.0, "f64") == "0x3FF0000000000000"
    assert literal(0.1, "f32") == "0x3FB99999A0000000"
    assert literal(-0.0, "f64") == "0x8000000000000000"
    assert literal(1e300, "f32") == "0x7FF0000000000000"
    assert literal(7, "i64") == "7"


def test_different_formulas_are_spelled_differently() -> None:
    assert repr(-(a**b)) == repr((-a) ** b)  # as one reads them
    spelled = {
        spelling(root)
        for root in (-(a**b), (-a) ** b, x * 1, x * 1.0, x * True, x * -0.0, x * 0.0, x - a, a - x)
    }
    assert len(spelled) == 9
    assert spelling(a, b) != spelling(b, a)


# -- the cache -------------------------------------------------------------------------------------

USE = """
import sys
import numpy as np
from minigrad.core import expr as fx
from minigrad.kernels.elementwise import Fused
fused = Fused("fresh", fx.exp(fx.symbol("x")) * 3, ["x"])
out = fused((np.arange(7, dtype="f4"),), (), np.dtype("f4"))
print(out.tobytes().hex(), "numba" in sys.modules, "minigrad.kernels.emit.loops" in sys.modules)
"""


class Process:
    def __init__(self, cache: Path | str) -> None:
        self.environment = {
            **os.environ, "MINIGRAD_CACHE": str(cache), "PYTHONPATH": os.pathsep.join(sys.path)
        }  # fmt: skip

    def start(self, code: str = USE, warnings: str = "error") -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-W", warnings, "-c", code],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.environment,
        )  # fmt: skip

    def run(self, code: str = USE, warnings: str = "error") -> str:
        process = self.start(code, warnings)
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        return out.strip() + err.strip()


def test_a_second_process_reads_what_the_first_has_compiled(tmp_path: Path) -> None:
    process = Process(tmp_path)
    first, second = process.run(), process.run()
    assert first.endswith("False True")  # no numba; the loop was written
    assert second == first.replace("False True", "False False")
    assert len(list((tmp_path / "objects").glob("fresh*.o"))) == 1


@pytest.mark.parametrize("damage", ["cut", "bit", "empty", "text"])
def test_damaged_files_are_made_anew(tmp_path: Path, damage: str) -> None:
    process = Process(tmp_path)
    first = process.run()
    for file in (tmp_path / "objects").glob("*.o"):
        whole = file.read_bytes()
        middle = len(whole) // 2
        file.write_bytes({
            "cut": whole[:middle], "empty": b"", "text": b"not a machine's code",
            "bit": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
        }[damage])  # fmt: skip
    assert process.run() == first
    assert process.run().split()[0] == first.split()[0]
    assert process.run().endswith("False False")


def test_two_processes_at_once(tmp_path: Path) -> None:
    processes = [Process(tmp_path).start() for _ in range(3)]
    results = {process.communicate(timeout=120)[0].split()[0] for process in processes}
    assert len(results) == 1
    assert all(process.returncode == 0 for process in processes)
    assert not list(tmp_path.rglob("*.tmp"))


def test_without_a_cache_it_works_all_the_same(tmp_path: Path) -> None:
    assert Process("0").run().split()[0] == Process(tmp_path).run().split()[0]


def test_a_folder_that_vanishes_means_one_line(tmp_path: Path) -> None:
    code = """
import pathlib, shutil
from minigrad.kernels.run.folder import cache_folder
folder = cache_folder()
shutil.rmtree(folder)
pathlib.Path(folder).touch()
"""
    said = Process(tmp_path / "cache").run(code + USE, warnings="default")
    assert said.count("minigrad cannot keep") == 1


def test_a_forked_child_compiles_and_runs(tmp_path: Path) -> None:
    code = """
import os, threading
import numpy as np
from minigrad.core import expr as fx
from minigrad.kernels.elementwise import Fused
from minigrad.kernels.emit import objects
x, f4 = fx.symbol("x"), np.dtype("f4")
ones = np.ones(1_000_000, "f4")
Fused("before", x * 3, ["x"])((ones,), (), f4)
objects._engine.lock.acquire()  # as if another thread were compiling just now
child = os.fork()
if child == 0:
    assert (Fused("before", x * 3, ["x"])((ones,), (), f4) == 3).all()
    assert (Fused("after", fx.floor(x) * 5, ["x"])((ones,), (), f4) == 5).all()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""
    Process(tmp_path).run(code, warnings="ignore")


def test_threads_that_come_first_together(tmp_path: Path) -> None:
    roots = [x * float(k) + fx.exp(x) for k in range(6)]
    values = numbers("f4", (100,), 1)
    found: list[list[np.ndarray]] = [[] for _ in range(8)]

    def work(mine: list[np.ndarray]) -> None:
        for k, root in enumerate(roots):
            fused = Fused(f"together{k}", root, ["x"])
            mine.append(fused((values,), (), values.dtype))

    threads = [threading.Thread(target=work, args=(mine,)) for mine in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for mine in found:
        assert len(mine) == len(roots)
        assert all(same_bits(p, q) for p, q in zip(mine, found[0]))
