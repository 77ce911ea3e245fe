"""The functions of ``import minigrad``: what the operations offer under their public names.

Type checkers read `names.pyi`, which ``tools/stubs.py`` writes from the same declarations.
"""

from typing import Any

from minigrad.ops import PUBLIC

globals().update(PUBLIC)
__all__ = sorted(PUBLIC)
#: What is loaded when somebody asks for it.
LATER = sorted(PUBLIC.later)


def __getattr__(name: str) -> Any:
    if name in PUBLIC.later:
        return PUBLIC[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
