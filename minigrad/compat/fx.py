"""The functions that formulas are written with; and the mark of PyTorch's tracer of that name.

``minigrad.fx`` has what arithmetic does not spell in formulas, ``fx.exp`` and so on. Models
written for ``torch.fx`` mark functions that are not to be traced; nothing is traced here.

>>> import minigrad as mg
>>> @mg.fx.wrap
... def window(x):
...     return x[..., :2]
>>> window(mg.arange(4))
tensor([0, 1])
"""

from __future__ import annotations

from typing import Any

from minigrad.core import expr

__all__ = [*(name for name in vars(expr) if not name.startswith("_")), "wrap"]

globals().update({name: getattr(expr, name) for name in __all__[:-1]})


def wrap(fn_or_name: Any) -> Any:
    """The function, or its name, as it is."""
    return fn_or_name
