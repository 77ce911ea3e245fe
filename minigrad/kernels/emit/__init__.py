"""Machine code from formulas: a formula is run on values that write instructions.

=============================  ====================================================================
:mod:`.expressions`            formulas on symbols, taken apart
:mod:`.code`                   the text of a function in LLVM's language, written line by line
:mod:`.vector`                 values on which formulas and elementary functions run, writing it
:mod:`.loops`                  the loop around a formula, for each layout of its operands
:mod:`.target`                 the processor, and LLVM's work: from the text to machine code
:mod:`.objects`                machine code on disk and in memory
:mod:`.call`                   how Python calls it
:mod:`.numba_source`           the same loop as source for numba: to read, to test against, and for
                               processors that are not known here
=============================  ====================================================================

There is nothing to infer, to lower or to vectorise, so a loop takes some 10 ms to compile where
numba takes 300 to 600, and neither compiling nor loading imports numba.
"""
