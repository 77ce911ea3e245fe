"""The functions of ``import minigrad``: what the operations offer under their public names.

Type checkers read `names.pyi`, which ``tools/stubs.py`` writes from the same declarations.
"""

from minigrad.ops import PUBLIC

globals().update(PUBLIC)
__all__ = sorted(PUBLIC)
