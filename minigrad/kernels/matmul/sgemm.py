"""Products of float32 matrices by kernels of our own, for processors with AVX2 or AVX-512.

OpenBLAS chooses its kernels by the model of the processor. On one it does not know, or of which it
does not believe that it has wide registers, it uses half of them: on AMD's Zen 5 this file is more
than twice as fast, on Intel's processors it is level for large matrices, and faster for small ones.

A product is computed in *blocks*: some hundred steps of the inner dimension (`DEPTH`), times
columns of `b` that together fill a part of the second-level cache. The block of `b` is packed in
*panels*, as wide as a tile of the result, so that the innermost loop reads it straight through; its
transpose is packed by transposing in registers. Then for each tile of rows, and each panel, the
innermost loop runs (`kernels.matmul.sgemm_code`). `a` is read where it lies. (Goto and van
de Geijn, "Anatomy of high-performance matrix multiplication", 2008.)

- Rows are cut into tiles of equal height but for one: 128 rows into 8 of 13 and 2 of 12. So all
  heights need code, and no row is computed in vain.
- A panel of 384 steps and 32 columns is 48 KB, as large as the first-level cache of today. Between
  256 and 400 steps, nothing changes.
- `b` stays where it is if it is small or if there are few rows, to which a copy would not pay.

Each number of the result is the sum over the inner dimension in ascending order, cut every `DEPTH`
steps at most, wherever the number lies in whatever tile. So bits depend neither on the number of
threads nor on which rows are computed together.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any, NamedTuple

import numba
import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from minigrad.kernels import costs
from minigrad.kernels.matmul.sgemm_code import VECTORS
from minigrad.kernels.run.atomics import load
from minigrad.kernels.run.bodies import Body, inner, numbers_at
from minigrad.kernels.run.jit import jit
from minigrad.kernels.run.threads import launch, pool_address, run_body, stack_address
from minigrad.kernels.scalar import smaller
from minigrad.kernels.vector.emitter import LINE, call
from minigrad.kernels.vector.registers import HOST, variant

__all__ = ["AVAILABLE", "NOTHING", "Packed", "packed", "product", "times_packed"]

Array = NDArray[Any]

_VECTOR = HOST.vector(4)
LANES = _VECTOR.lanes
#: Whether these kernels can run.
AVAILABLE = LANES in (8, 16) and not numba.config.DISABLE_JIT
#: Rows of a tile at most: with two vectors each, their sums leave registers for the factors.
ROWS = 14 if LANES == 16 else 6
#: Columns of a panel.
COLUMNS = LANES * VECTORS
#: Steps along the inner dimension, and columns, of a block at most.
DEPTH, WIDTH = 384, 256
#: Up to so many tiles go along a panel together, which is then read once from the second-level
#: cache; it is read more often where there are more, since all their rows would not fit the first.
FEW_TILES = 4
#: Multiplications that make a part worth a task of its own, some 10 us of work, and tasks at most.
TASK, MOST_TASKS = 1_000_000, 16

BYTES = 4
_ROW = COLUMNS * BYTES  # from one row of a panel to the next
_SLACK = LANES * COLUMNS + LINE // BYTES  # what `_transpose` may overwrite; and to begin at a line
_ONE = int(np.float32(1).view(np.int32))

# --- The table of functions ---------------------------------------------------------------------

_CODE = "matmul.sgemm_code"
#: Where in the table the functions are that pack; those for tiles, by height and number of vectors,
#: follow. A place whose function nobody has needed yet holds 0.
_PACK, _TRANSPOSE, _TILES = 0, 8, 16
_table = np.zeros(2 + ROWS * VECTORS, np.int64)


def _table_address(rows: Iterable[int], n: int, packs: bool, turned: bool) -> int:
    """Where the addresses of the functions are, after those have been compiled that are needed.

    Parameters
    ----------
    rows : iterable of int
        How many rows there may be at a time.
    n : int
        The number of columns.
    packs, turned : bool
        Whether `b` is packed, and whether its transpose is given.
    """
    if packs:
        place, name = (_TRANSPOSE, "transpose") if turned else (_PACK, "pack")
        _table[place // 8] = variant(_CODE, name, _VECTOR)
    widths = {VECTORS} if n >= COLUMNS else set()
    widths.add((n - 1) % COLUMNS // LANES + 1)
    for height in {height for m in rows for height in _heights(m)}:
        for width in widths:
            place = _TILES // 8 + VECTORS * (height - 1) + width - 1
            _table[place] = variant(_CODE, "tile", _VECTOR, height, width)
    return int(_table.ctypes.data)


def _heights(m: int) -> set[int]:
    """The heights of the tiles that :func:`_block` cuts so many rows into."""
    tiles = -(-m // ROWS)
    return {m // tiles, -(-m // tiles)}


@register_jitable
def _packs(m, n, k, turned):
    """Whether `b` is packed: its transpose must be."""
    return turned or (m > 4 * ROWS and n * k > costs.UNPACKED)


@register_jitable
def _depth(k):
    """Steps in each block of the inner dimension, nearly equal."""
    blocks = (k + DEPTH - 1) // DEPTH
    return (k + blocks - 1) // blocks


# --- Blocks -------------------------------------------------------------------------------------


@inner
def _pack(table, b, b_row, turned, k, n, target):
    """A block of `b` to panels. `turned`: the transpose is stored, and rows are its columns."""
    if not turned:
        call(load(table + _PACK), (b, b_row, k, n, target, (k + 1) * _ROW))
        return
    for j in range(0, n, LANES):  # in this order: what is written beyond a panel is not the next's
        place = target + j // COLUMNS * ((k + 1) * _ROW) + j % COLUMNS * BYTES
        columns = smaller(LANES, n - j)
        call(load(table + _TRANSPOSE), (b + j * b_row, b_row, columns, k, place, _ROW))


@inner
def _block(
    table, m, n, k, a, a_row, a_step, b, b_step, b_panel, start, start_row, add, c, c_row, scale,
):  # fmt: skip
    """``c = scale * a @ b``, or that plus what is at `start`; panels of `b` lie `b_panel` apart."""
    tiles = (m + ROWS - 1) // ROWS
    low = m // tiles
    higher = m - low * tiles  # tiles of one row more come first
    together = tiles if tiles <= FEW_TILES else 1
    for t in range(0, tiles, together):
        panel = b
        for j in range(0, n, COLUMNS):
            width = smaller(COLUMNS, n - j)
            for u in range(t, t + together):
                i = u * low + smaller(u, higher)
                height = low + 1 if u < higher else low
                tile = load(table + _TILES + 8 * (VECTORS * (height - 1) + (width - 1) // LANES))
                call(
                    tile,
                    (
                        a + i * a_row, a_row, a_step, panel, b_step, k,
                        start + i * start_row + j * BYTES, start_row, add,
                        c + i * c_row + j * BYTES, c_row, width, scale,
                    ),
                )  # fmt: skip
            panel += b_panel


@inner
def _multiply(
    table, m, n, k, a, a_row, a_step, b, b_row, turned, packs, start, start_row, add, c, c_row,
    scale, depth, width, memory,
):  # fmt: skip
    """As :func:`_block`, of any size; `memory` is where to pack."""
    b_step = BYTES if turned else b_row  # along the inner dimension, and along the columns
    b_across = b_row if turned else BYTES
    for first in range(0, k, depth):
        steps = smaller(depth, k - first)
        for j in range(0, n, width):
            columns = smaller(width, n - j)
            panels, step, panel = b + first * b_step + j * b_across, b_row, _ROW
            if packs:
                _pack(table, panels, b_row, turned, steps, columns, memory)
                panels, step, panel = memory, _ROW, (steps + 1) * _ROW
            _block(
                table, m, columns, steps, a + first * a_step, a_row, a_step, panels, step, panel,
                start + j * BYTES, start_row, add, c + j * BYTES, c_row, scale,
            )  # fmt: skip
        start, start_row, add = c, c_row, 1  # what the next steps are added to


# --- Products of arrays -------------------------------------------------------------------------


class _Plan(NamedTuple):
    """What a product's tasks read of its sizes, and how it is cut into tasks."""

    table: int
    m: int
    n: int
    k: int
    a_row: int  # distances in bytes, also from one matrix of many to the next
    a_step: int
    a_item: int
    b_row: int
    b_item: int
    turned: int
    packs: int
    start_row: int
    add: int
    scale: int
    row_parts: int
    column_parts: int
    depth: int
    width: int


class _Places(NamedTuple):
    """Addresses of a call: of the arrays, of its plan, and of memory to pack in for each thread."""

    a: int
    b: int
    start: int
    c: int
    plan: int


@Body
def _tasks(address, b0, b1):
    """Parts `b0` to `b1` of all products, each a range of rows times one of panels."""
    at = numbers_at(_Places, address)
    p = numbers_at(_Plan, at.plan)
    size = (p.depth + 1) * p.width + _SLACK if p.packs else LINE
    memory = np.empty(size, np.float32)
    lines = (memory.ctypes.data + LINE - 1) // LINE * LINE
    panels = (p.n + COLUMNS - 1) // COLUMNS
    parts = p.row_parts * p.column_parts
    for task in range(b0, b1):
        item = task // parts
        part = task - item * parts
        row = part // p.column_parts
        column = part - row * p.column_parts
        i, end = row * p.m // p.row_parts, (row + 1) * p.m // p.row_parts
        j = column * panels // p.column_parts * COLUMNS
        columns = smaller(p.n, (column + 1) * panels // p.column_parts * COLUMNS) - j
        _multiply(
            p.table, end - i, columns, p.k, at.a + item * p.a_item + i * p.a_row, p.a_row, p.a_step,
            at.b + item * p.b_item + j * (p.b_row if p.turned else BYTES), p.b_row, p.turned,
            p.packs, at.start + j * BYTES, p.start_row, p.add,
            at.c + ((item * p.m + i) * p.n + j) * BYTES, p.n * BYTES, p.scale, p.depth, p.width,
            lines,
        )  # fmt: skip
    memory[0] = 0  # it is in use up to here


@jit
def _run(pool, entry, a, b, start, c, plan, count):
    places = (a.ctypes.data, b.ctypes.data, start.ctypes.data, c.ctypes.data, plan.ctypes.data)
    launch(pool, entry, stack_address(places), count)


@jit
def _run_alone(entry, a, b, start, c, plan, count):
    """Without the pool, which small programs need not compile."""
    places = (a.ctypes.data, b.ctypes.data, start.ctypes.data, c.ctypes.data, plan.ctypes.data)
    run_body(entry, stack_address(places), 0, count)


def _cut(m: int, n: int, count: int) -> tuple[int, int]:
    """Parts of the rows and of the columns for about `count` tasks.

    Each part of the rows packs `b` again, which costs some 12 rows of work, and each part of the
    columns reads `a` again, some 2 columns (measured); few parts keep few threads busy.
    """
    tiles, panels = -(-m // ROWS), -(-n // COLUMNS)
    best, chosen = float("inf"), (1, 1)
    for wanted in (1, 2, 4, 8, 16):
        rows = min(wanted, count, tiles)
        for columns in {min(other, count // rows, panels) for other in (1, 2, 4, 8, 16)}:
            cost = 2 * columns / n + 12 * rows / m + 1 / (rows * columns)
            if cost < best:
                best, chosen = cost, (rows, columns)
    return chosen


@functools.lru_cache(maxsize=1024)
def _plan(
    m: int, n: int, k: int, ta: bool, tb: bool, batch: int, steps: tuple[int, int], add: bool
) -> tuple[Array, int, bool]:
    """The plan, the number of tasks, and whether the pool takes part."""
    work = m * n * k
    count = 1 if batch >= MOST_TASKS else max(1, min(MOST_TASKS, work // TASK))
    rows, columns = _cut(m, n, count)
    panels = -(-n // (COLUMNS * columns))
    blocks = -(-panels * COLUMNS // WIDTH)
    a_row, a_step = (1, m) if ta else (k, 1)
    packs = bool(_packs(m, n, k, tb))
    heights = {(r + 1) * m // rows - r * m // rows for r in range(rows)}
    table = _table_address(heights, n, packs, tb)
    plan = _Plan(
        table, m, n, k, a_row * BYTES, a_step * BYTES, steps[0] * BYTES,
        (k if tb else n) * BYTES, steps[1] * BYTES, tb, packs, 0, add, _ONE,
        rows, columns, _depth(k), -(-panels // blocks) * COLUMNS,
    )  # fmt: skip
    return np.array(plan, np.int64), batch * rows * columns, batch * work >= costs.SHARED_PRODUCT


_NONE = np.empty(0, np.float32)


def product(a: Array, b: Array, ta: bool, tb: bool, out: Array, bias: Array | None = None) -> None:
    """``out = a @ b + bias``, of matrices or of many at once.

    Parameters
    ----------
    a, b : ndarray of float32, shape (m, k) and (k, n), or (count, m, k) and (count, k, n)
        Without gaps, no size 0; a count of 1 is a matrix that takes part in all products.
    ta, tb : bool
        Whether the transposed matrices are given.
    out : ndarray of float32, shape (m, n) or (count, m, n)
    bias : ndarray of float32, shape (n,), optional

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad.kernels.matmul import sgemm
    >>> a, out = np.ones((2, 3), np.float32), np.empty((2, 2), np.float32)
    >>> if sgemm.AVAILABLE:
    ...     sgemm.product(a, a, False, True, out, np.array([0, 1], np.float32))
    ... else:
    ...     out[:] = [3, 4]
    >>> out
    array([[3., 4.],
           [3., 4.]], dtype=float32)
    """
    m, n = out.shape[-2:]
    k = a.shape[-2 if ta else -1]
    batch, steps = 1, (0, 0)
    if out.ndim == 3:
        batch = out.shape[0]
        steps = (m * k if a.shape[0] > 1 else 0, n * k if b.shape[0] > 1 else 0)
    numbers, count, shared = _plan(m, n, k, ta, tb, batch, steps, bias is not None)
    start = _NONE if bias is None else bias
    if shared:
        _run(pool_address(), _tasks.entry, a, b, start, out, numbers, count)
    else:
        _run_alone(_tasks.entry, a, b, start, out, numbers, count)


# --- A matrix that takes part in many products --------------------------------------------------


class Packed(NamedTuple):
    """A matrix (k, n) in panels, for jitted code: numbers only. Its memory must be kept alive."""

    table: int
    panels: int
    k: int
    n: int
    depth: int
    scale: int  # the bits of 1


#: A matrix without columns.
NOTHING = Packed(0, 0, 0, 0, 1, _ONE)


@jit
def _pack_whole(table, b, turned, k, n, depth, target):
    row = k if turned else n
    step = BYTES if turned else n * BYTES
    panels = (n + COLUMNS - 1) // COLUMNS
    for first in range(0, k, depth):
        source = b.ctypes.data + first * step
        place = target + first // depth * (depth + 1) * panels * _ROW
        _pack(table, source, row * BYTES, turned, smaller(depth, k - first), n, place)


def packed(b: Array, turned: bool) -> tuple[Packed, Array]:
    """A matrix for :func:`times_packed`, and the memory that it lies in.

    Parameters
    ----------
    b : ndarray of float32, shape (k, n)
        Without gaps, no size 0.
    turned : bool
        Whether the transposed matrix is given.
    """
    k, n = b.shape[::-1] if turned else b.shape
    blocks = -(-k // _depth(k))
    memory = np.empty((k + blocks) * -(-n // COLUMNS) * COLUMNS + _SLACK, np.float32)
    start = -(-memory.ctypes.data // LINE) * LINE
    table = _table_address(range(1, 2 * ROWS + 1), n, True, turned)
    _pack_whole(table, b, turned, k, n, _depth(k), start)
    return Packed(table, start, k, n, _depth(k), _ONE), memory


@inner
def times_packed(p, m, a, a_row, start, start_row, add, c, c_row):
    """``c = a @ p`` for `m` rows, or that plus what is at `start`; distances in bytes."""
    panels = (p.n + COLUMNS - 1) // COLUMNS
    for first in range(0, p.k, p.depth):
        steps = smaller(p.depth, p.k - first)
        place = p.panels + first // p.depth * (p.depth + 1) * panels * _ROW
        if first > 0:
            start, start_row, add = c, c_row, 1
        _block(
            p.table, m, p.n, steps, a + first * BYTES, a_row, BYTES, place, _ROW,
            (steps + 1) * _ROW, start, start_row, add, c, c_row, p.scale,
        )  # fmt: skip
