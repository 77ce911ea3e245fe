"""Thresholds of kernels, as they were measured, and what measures them.

How work is cut, and from which size on elements are shared at all, is in
`minigrad.kernels.run.sizes`; the rest is here. Each number says from where on one way of computing
is quicker than another. To measure anew, vary the number and run the command beside it, on an idle
machine, both values in turn.
"""

from __future__ import annotations

from minigrad.kernels.run.sizes import BLOCK, PARALLEL_CHEAP

# -- convolution: python -m tools.bench --only conv: ----------------------------------------------

#: Below so many multiplications the matrix products take no longer, and compile faster.
SMALL = 20_000
#: Multiplications of a task that is worth sharing between threads (some 4 us), and tasks to make.
TASK, TASKS = 500_000, 16
#: The same for convolutions of single channels, which are bound by memory.
DEPTHWISE_TASK = 200_000
#: Numbers of a plane that still is in the cache when the next element of the kernel reads it.
PLANE = 65_536
#: Numbers that direct convolution copies at most to read one row: more only if there is huge
#: padding or dilation, of which columns copy nothing.
COPIED = 16_777_216

#: From how many channels, read and made, Winograd's maps cost less than they save.
READ, MADE = 16, 32
#: The least number of Winograd's tiles: fewer do not pay for mapping the weights, or adding their
#: gradients.
TILES, TILES_OF_WEIGHT = 64, 256
#: The least part of the tiles' pixels that must be wanted.
USED = 0.75

#: Bytes of the padded rows that a task works on, to stay in the second-level cache.
FRAME = 262_144
#: Bytes of sums between two transposes, to stay in the first-level cache.
SCRATCH = 16_384
#: Channels read, up to which pixels may be in the lanes though channels would fill them: what is
#: saved is the transpose, of so many half cycles for a number.
FEW, TRANSPOSE = 4, 0.6
#: Numbers of columns that a unit of the matrix products has at a time.
COLUMNS = 65_536
#: A product with fewer columns than this takes several images together.
NARROW = 64

# -- pooling: python -m tools.bench --only pool: --------------------------------------------------

#: From how many numbers on, of what is pooled, the pool of threads takes part.
POOLED = 32_768
#: Up to how many offsets along the width are written out, one after the other.
WRITTEN_OUT = 3
#: From how many windows in a row on inputs ask for their maximum; below, maxima are dealt out one
#: by one (48 us against 29 for 64x16x10x10, 302 against 320 for 32x32x32x32).
WIDE = 16

# -- rows, columns, losses: python -m tools.bench --only norm,loss,reduce ------------------------

#: Numbers from which reductions over rows or columns are shared between threads.
REDUCED = 65_536
#: Logits below which a loss is computed in one pass by one thread.
SMALL_LOSS = 8192
#: Numbers read or made by a change of size (interpolation) that is worth sharing.
RESAMPLED = PARALLEL_CHEAP // 4
#: Numbers of a special function (a loop of its own inside) that are worth sharing.
SPECIAL = 4 * BLOCK
#: Places times times of connectionist temporal classification that are worth sharing.
ALIGNED = 8192

# -- products, attention, recurrent layers: python -m tools.bench --only matmul,attention,rnn ----

#: Multiplications of a matrix product from which our own kernel computes it. It is quicker to call
#: than numpy's library from 65,536; but compiling it takes part of the time to the first step of a
#: small network, which the library's products would take some 5 us longer for.
OWN_PRODUCT = 1_000_000
#: The same, from which it shares the work; and the largest operand that is not packed.
SHARED_PRODUCT, UNPACKED = 1_000_000, 16_384
#: Multiplications of attention, of the steps of a recurrent layer, and of solving triangular
#: systems that are worth sharing.
ATTENDED, UNROLLED, SUBSTITUTED = 200_000, 1_000_000, 100_000
