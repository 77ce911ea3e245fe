"""Direct convolution, and Winograd's, against the definition in float64."""

from __future__ import annotations

import ctypes
import mmap
import sys
from typing import Any, NamedTuple

import numba
import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from minigrad.kernels.conv import convolution, direct_way, general, ways, winograd_way
from minigrad.kernels.conv.case import Case as Sizes
from minigrad.kernels.conv.geometry import Geometry
from minigrad.kernels.conv.tiles import lines_tile, pixels_tile, taps_tile
from minigrad.kernels.run.plan import execute
from minigrad.kernels.run.threads import get_num_threads, set_num_threads
from minigrad.kernels.vector.registers import HOST, Registers

pytestmark = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="the kernels are LLVM code")

AVX2, NEON = Registers(32, 16), Registers(16, 32)


class Case(NamedTuple):
    """A convolution; `x` is (N, C, H, W), `w` (O, KH, KW)."""

    x: tuple[int, int, int, int]
    w: tuple[int, int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1


def square(x, o, k, stride=1, padding=0, dilation=1, groups=1) -> Case:
    return Case(x, (o, k, k), *((n, n) for n in (stride, padding, dilation)), groups)


QUICK = [
    square((2, 16, 8, 8), 32, 3, 1, 1),
    square((1, 3, 9, 11), 17, 3, 2, 1),
    square((2, 17, 13, 10), 48, 3, 2),
    square((1, 1, 28, 28), 6, 5, 1, 2),
    square((3, 32, 6, 5), 16, 1),
    square((2, 6, 10, 10), 16, 5),
    square((2, 32, 8, 8), 48, 3, 1, 1, groups=2),
    Case((2, 8, 9, 1), (8, 3, 1), (2, 1), (1, 0)),
]
CASES = [
    *QUICK,
    square((2, 8, 7, 7), 16, 5, 1, 2),
    square((3, 32, 6, 5), 16, 1, 2),
    square((1, 3, 20, 21), 33, 7, 2, 3),
    square((2, 16, 10, 10), 16, 3, 3, 2),
    square((2, 4, 12, 12), 8, 3, 1, 2, 2),
    square((2, 8, 9, 9), 8, 3, 2, 2, 2),
    square((1, 5, 3, 3), 7, 3, 1, 3),
    square((1, 5, 1, 1), 7, 1),
    square((1, 2, 40, 40), 3, 11, 4, 2),
    square((1, 16, 2, 2), 16, 3, 1, 1),
    square((1, 2, 17, 3), 3, 1, 3),
    square((1, 16, 64, 64), 16, 3, 1, 1),
    square((9, 3, 10, 10), 16, 4, 1, 1),
    Case((2, 6, 9, 8), (9, 3, 2), groups=3),
    Case((2, 4, 5, 7), (6, 2, 3), (3, 1), (1, 0), (1, 2)),
    Case((2, 4, 1, 30), (12, 1, 5), (1, 3), (0, 2)),
    Case((1, 4, 33, 7), (1, 3, 3), padding=(0, 1)),
]
WINOGRAD = [
    square((2, 16, 8, 8), 32, 3, 1, 1),
    square((1, 3, 9, 11), 17, 3, 1, 1),
    square((2, 17, 13, 10), 48, 3),
    square((5, 32, 6, 5), 16, 3, 1, 2),
    square((2, 32, 8, 8), 48, 3, 1, 1, groups=2),
    square((7, 16, 2, 2), 16, 3, 1, 1),
    square((33, 20, 8, 8), 20, 3, 1, 1),
    Case((1, 5, 40, 70), (6, 3, 3), padding=(1, 0)),
]


def arrays(case: Case, dtype: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Random images, weights and bias."""
    rng = np.random.default_rng(sum(case.x))
    w_shape = (case.w[0], case.x[1] // case.groups, *case.w[1:])
    shapes = case.x, w_shape, case.w[:1]
    return tuple(rng.standard_normal(shape).astype(dtype) for shape in shapes)  # type: ignore[return-value]


def steps(case: Case) -> Geometry:
    return Geometry(case.w[1:], case.stride, case.padding, case.dilation, case.groups)


def windows(x: np.ndarray, case: Case) -> np.ndarray:
    """What each output reads: (N, G, C / G, OH, OW, KH, KW), a view of the padded images."""
    (ph, pw), (dh, dw), (sh, sw) = case.padding, case.dilation, case.stride
    padded = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw))).astype("f8")
    sizes = (case.w[1] - 1) * dh + 1, (case.w[2] - 1) * dw + 1
    view = sliding_window_view(padded, sizes, (2, 3))[:, :, ::sh, ::sw, ::dh, ::dw]
    return view.reshape(len(x), case.groups, -1, *view.shape[2:])


def exact(x, w, case: Case) -> np.ndarray:
    view = windows(x, case)
    grouped = w.astype("f8").reshape(case.groups, -1, *w.shape[1:])
    y = np.einsum("ngchwkl,gockl->ngohw", view, grouped, optimize=True)
    return y.reshape(len(x), -1, *y.shape[3:])


def exact_gradients(x, w, g, case: Case) -> tuple[np.ndarray, np.ndarray]:
    view, (kh, kw) = windows(x, case), case.w[1:]
    flows = g.astype("f8").reshape(len(x), case.groups, -1, *g.shape[2:])
    grouped = w.astype("f8").reshape(case.groups, -1, *w.shape[1:])
    dw = np.einsum("ngchwkl,ngohw->gockl", view, flows, optimize=True)
    (ph, pw), (dh, dw_), (sh, sw) = case.padding, case.dilation, case.stride
    dx = np.zeros((*x.shape[:2], x.shape[2] + 2 * ph, x.shape[3] + 2 * pw))
    for i in range(kh):
        for j in range(kw):
            part = np.einsum("ngohw,goc->ngchw", flows, grouped[..., i, j])
            rows = slice(i * dh, i * dh + (g.shape[2] - 1) * sh + 1, sh)
            columns = slice(j * dw_, j * dw_ + (g.shape[3] - 1) * sw + 1, sw)
            dx[:, :, rows, columns] += part.reshape(*x.shape[:2], *g.shape[2:])
    inside = dx[:, :, ph : ph + x.shape[2], pw : pw + x.shape[3]]
    return inside, dw.reshape(w.shape)


def close(got: np.ndarray | None, want: np.ndarray, dtype: str) -> None:
    assert got is not None
    assert got.dtype == dtype
    assert got.shape == want.shape
    tolerance = 4e-6 if dtype == "f4" else 1e-14
    np.testing.assert_allclose(got, want, rtol=0, atol=tolerance * max(1e-3, np.abs(want).max()))


def run(way: Any, case: Sizes, kind: str, *arrays: np.ndarray, make: Any = np.empty) -> np.ndarray:
    """A pass in one way; a third array is the bias."""
    source, other, *bias = arrays
    found = getattr(way, kind)(case)
    result = make(case.of(kind), source.dtype)
    start = found.start
    assert start.dtype == source.dtype  # of another type, what is read would go beyond its end
    if bias:
        start = convolution._filled(bias[0], case.how.groups, found.channels or bias[0].size)
        if not found.channels:
            start = bias[0]
    execute(found.plan, source, other, start, result, bool(bias))
    return result


def check(way: Any, case: Case, dtype: str, registers: Registers) -> None:
    """All passes in one way."""
    x, w, bias = arrays(case, dtype)
    y = exact(x, w, case)
    g = np.random.default_rng(1).standard_normal(y.shape).astype(dtype)
    dx, dw = exact_gradients(x, w, g, case)
    sizes = Sizes(registers, x.itemsize, x.shape, w.shape, y.shape, steps(case))
    close(run(way, sizes, "forward", x, w, bias), y + bias[:, None, None], dtype)
    shifts = bias[:1] + np.zeros(x.shape[1], dtype)
    close(run(way, sizes, "data", g, w), dx, dtype)
    close(run(way, sizes, "data", g, w, shifts), dx + shifts[:, None, None], dtype)
    close(run(way, sizes, "weight", x, g), dw, dtype)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_direct(case: Case) -> None:
    check(direct_way, case, "f4", HOST)


@pytest.mark.parametrize("case", WINOGRAD, ids=str)
def test_winograd(case: Case) -> None:
    check(winograd_way, case, "f4", HOST)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("case", CASES[::3], ids=str)
def test_columns(case: Case, dtype: str) -> None:
    check(general, case, dtype, HOST)


@pytest.mark.parametrize("case", QUICK[1:4], ids=str)
def test_direct_in_float64(case: Case) -> None:
    check(direct_way, case, "f8", HOST)


@pytest.mark.slow
@pytest.mark.parametrize("registers", [AVX2, NEON], ids=str)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_narrower_registers(registers: Registers, dtype: str) -> None:
    for case in QUICK:
        check(direct_way, case, dtype, registers)
    for case in WINOGRAD[:4]:
        check(winograd_way, case, dtype, registers)


def all_passes(case: Case) -> list[np.ndarray]:
    """What the choice of ways gives, as the operations call it."""
    x, w, bias = arrays(case, "f4")
    how = steps(case)
    y = convolution.conv(x, w, bias, how)
    dx = convolution.conv_data(y, w, None, x.shape[2:], how)
    return [y, dx, convolution.conv_weight(y, x, how)]


SHARED = [
    square((6, 32, 16, 16), 32, 3, 1, 1),  # Winograd's
    square((6, 32, 17, 17), 48, 3, 2, 1),
    square((1, 16, 60, 60), 16, 5),
]


@pytest.mark.parametrize("case", SHARED, ids=str)
def test_bits_do_not_depend_on_the_number_of_threads(case: Case) -> None:
    before = get_num_threads()
    try:
        set_num_threads(1)
        one = all_passes(case)
        for threads in (2, 3):
            set_num_threads(threads)
            for got, want in zip(all_passes(case), one):
                np.testing.assert_array_equal(got, want)
    finally:
        set_num_threads(before)


@pytest.mark.parametrize("case", SHARED, ids=str)
def test_choice(case: Case) -> None:
    x, w, bias = arrays(case, "f4")
    want = exact(x, w, case) + bias[:, None, None]
    y, dx, dw = all_passes(case)
    want_dx, want_dw = exact_gradients(x, w, y, case)
    for got, expected in ((y, want), (dx, want_dx), (dw, want_dw)):
        close(got, expected, "f4")


def test_the_way_follows_from_the_sizes() -> None:
    def way(case: Case, kind: str) -> Any:
        x, w, _ = arrays(case, "f4")
        sizes = Sizes(HOST, 4, x.shape, w.shape, exact(x, w, case).shape, steps(case))
        return ways.choose(kind, sizes)

    few = square((8, 1, 32, 32), 64, 3, 2, 1)
    for case, kind, wanted in (
        (square((6, 32, 16, 16), 32, 3, 1, 1), "forward", "winograd_way"),
        (square((6, 32, 16, 16), 32, 3, 2, 1), "forward", "direct_way"),
        (square((6, 32, 16, 16), 32, 3, 1, 1, groups=32), "data", "depthwise"),
        (square((1, 2, 4, 4), 2, 3), "weight", "general"),
        (few, "forward", "direct_way"),
        (few, "data", "general"),  # lanes of absent channels cost more than columns do
    ):
        assert way(case, kind).__name__.endswith(wanted), case


def test_results_are_written_where_they_are_wanted() -> None:
    for case, dtype in ((SHARED[0], "f4"), (QUICK[6], "f8"), (QUICK[0], "f2"), (QUICK[1], "i8")):
        x, w, bias = arrays(case, dtype)
        how = steps(case)
        y = convolution.conv(x, w, bias, how)
        passes = (
            (convolution.conv, (x, w, bias, how)),
            (convolution.conv_data, (y, w, None, x.shape[2:], how)),
            (convolution.conv_weight, (y, x, how)),
        )
        for function, arguments in passes:
            result = function(*arguments)
            out = np.empty_like(result)
            assert function(*arguments, out=out) is out
            np.testing.assert_array_equal(out, result)


def test_nan_and_inf_stay_where_they_are() -> None:
    case = square((1, 32, 16, 16), 32, 3, 1, 1)
    x, w, _ = arrays(case, "f4")
    x[0, 3, 7, 8] = np.nan
    y = convolution.conv(np.concatenate([x, x]), w, None, steps(case))
    touched = np.zeros((16, 16), bool)
    touched[6:9, 7:10] = True
    np.testing.assert_array_equal(np.isnan(y[0, 5]), touched)


def test_nothing_is_written_beyond_the_result() -> None:
    """Results lie between guards; kernels that write on would change them."""
    guard = 64
    held: list[tuple[np.ndarray, int]] = []

    def guarded(shape: Any, dtype: Any) -> np.ndarray:
        count = int(np.prod(shape))
        memory = np.full(count + 2 * guard, 7, dtype)
        held.append((memory, count))
        return memory[guard : guard + count].reshape(shape)

    for case in (square((2, 16, 7, 7), 17, 3, 1, 1), square((2, 6, 10, 10), 5, 5, 1, 4)):
        x, w, _ = arrays(case, "f4")
        y = exact(x, w, case)
        sizes = Sizes(HOST, 4, x.shape, w.shape, y.shape, steps(case))
        g = y.astype("f4")
        for way in (direct_way, winograd_way, general):
            if way is winograd_way and case.w[1:] != (3, 3):
                continue
            close(run(way, sizes, "forward", x, w, make=guarded), y, "f4")
            run(way, sizes, "data", g, w, make=guarded)
            run(way, sizes, "weight", x, g, make=guarded)
    for memory, count in held:
        assert (memory[:guard] == 7).all()
        assert (memory[guard + count :] == 7).all()


class Fenced:
    """Copies of arrays, with a page that must not be read in front of or behind each."""

    def __init__(self, behind: bool) -> None:
        self.behind, self.pages = behind, []  # type: ignore[var-annotated]

    def copy(self, x: np.ndarray) -> np.ndarray:
        page = mmap.PAGESIZE
        size = -(-x.nbytes // page) * page
        pages = mmap.mmap(-1, size + 2 * page)
        self.pages.append(pages)
        base = ctypes.addressof(ctypes.c_char.from_buffer(pages))
        for place in (base, base + page + size):
            assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(place), page, 0) == 0
        start = page + (size - x.nbytes if self.behind else 0)
        fenced = np.frombuffer(pages, x.dtype, x.size, start).reshape(x.shape)
        fenced[...] = x
        return fenced


@pytest.mark.skipif(sys.platform != "linux", reason="mprotect")
@pytest.mark.parametrize("behind", [True, False])
def test_nothing_is_read_beyond_the_arrays(behind: bool) -> None:
    fences = Fenced(behind)
    for case in (*QUICK, square((5, 32, 9, 9), 32, 3, 1, 1)):
        x, w, bias = (fences.copy(array) for array in arrays(case, "f4"))
        sizes = Sizes(HOST, 4, x.shape, w.shape, exact(x, w, case).shape, steps(case))
        for way in (direct_way, general):
            flow = fences.copy(run(way, sizes, "forward", x, w, bias))
            run(way, sizes, "data", flow, w)
            run(way, sizes, "weight", x, flow)


@pytest.mark.parametrize("registers", [HOST, AVX2, NEON], ids=str)
def test_tiles_fit_the_registers(registers: Registers) -> None:
    lanes = registers.vector(4).lanes
    for width in (1, 4, 7, 26, 224):
        for channels in (1, 6, 16, 48, 64):
            tile = taps_tile(registers, lanes, width, channels, 3, 1)
            sums = tile.height * tile.vectors
            assert sums + tile.vectors * tile.taps < registers.number
            line = lines_tile(registers, lanes, width, width, channels, 3)
            assert line.rows * line.vectors * (line.channels + 1) < registers.number
            assert channels % line.channels == 0
            tile = pixels_tile(registers, lanes, width, channels, 3)
            assert tile.height * tile.taps * tile.vectors + tile.vectors < registers.number
