"""Bodies straight from their source to LLVM, without numba.

What the pool runs (:mod:`minigrad.kernels.run.bodies`) is Python over integers of 64 bits: sizes,
addresses, loops around calls of machine code. Nothing about that is to be inferred, so its syntax
tree is walked once, and each node writes its instructions; functions that a body calls are walked
in its place. LLVM takes variables into registers and simplifies the rest.

===================  =============================================================================
:mod:`.source`       from a function to its syntax tree, and what its names mean
:mod:`.text`         the text of the module, written line by line
:mod:`.statements`   what each statement writes
:mod:`.expressions`  what each expression writes
:mod:`.known`        what stands for numba's intrinsics
:mod:`.entry`        from a body to the address of its machine code
===================  =============================================================================

What is not understood is refused (:class:`.source.UnsupportedError`) and left to numba, which
stays the reference: ``MINIGRAD_EMIT=0`` leaves it everything.
"""
