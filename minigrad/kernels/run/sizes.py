"""How work is cut, and from which size on it is shared: measured numbers."""

from __future__ import annotations

__all__ = ["BLOCK", "PARALLEL_CHEAP", "PARALLEL_MATH"]

#: Elements in one block of work. Blocks are fixed by the size of the data alone, so the bits of a
#: result never depend on the number of threads; 8192 floats also bound the error of a float32 sum.
BLOCK = 8192

#: From how many elements a kernel is worth sharing between threads: where each element costs an
#: ``exp`` or so, and where the kernel is bound by memory (measured: a launch costs about 0.5 us).
PARALLEL_MATH = 32_768
PARALLEL_CHEAP = 131_072
