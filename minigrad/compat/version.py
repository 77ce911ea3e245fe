"""The version, for people and for scripts that ask PyTorch's.

``minigrad.__version__`` is minigrad's own: so it prints, splits and parses. Scripts compare it with
releases of PyTorch to know which names they can use; minigrad has those of PyTorch 2.13, and
answers for these when it is compared with a version from 1.0 on. A version below 1.0 is one of
minigrad. What parses the text first, as ``packaging.version.parse(mg.__version__)``, gets
minigrad's own, and can parse ``minigrad.version.torch`` instead.

>>> import minigrad as mg
>>> mg.__version__, mg.__version__ >= "2.0", mg.__version__ >= (2, 14), mg.__version__ < "0.2"
('0.1.0', True, False, True)
"""

from __future__ import annotations

import re
from typing import Any

__all__ = ["Version", "cuda", "debug", "hip", "torch", "xpu"]

#: The release of PyTorch whose names these are.
torch = "2.13.0"
#: There is no GPU to have a version of.
cuda = hip = xpu = None
debug = False

_PYTORCH = (2, 13)


def _release(version: Any) -> tuple[int, ...] | None:
    """The numbers of a version: a text, a tuple, or an object with a ``release``."""
    if isinstance(version, str):
        found = re.match(r"v?(\d+(?:\.\d+)*)", version)
        return None if found is None else tuple(map(int, found[1].split(".")))
    numbers = getattr(version, "release", version)
    if isinstance(numbers, (tuple, list)):
        return tuple(n for n in numbers if isinstance(n, int)) or None
    return None


class Version(str):
    """A version that is a text, and orders itself as this module says."""

    __slots__ = ()
    __hash__ = str.__hash__

    def _compared(self, other: Any) -> int | None:
        """-1, 0 or 1: below, equal to or above the other; None if that is no version."""
        theirs = _release(other)
        if theirs is None:
            return None
        own = _PYTORCH if theirs[0] >= 1 else _release(str(self)) or ()
        length = max(len(own), len(theirs))
        a, b = (n + (0,) * (length - len(n)) for n in (own, theirs))
        return (a > b) - (a < b)

    def __lt__(self, other: Any) -> bool:
        found = self._compared(other)
        return NotImplemented if found is None else found < 0

    def __le__(self, other: Any) -> bool:
        found = self._compared(other)
        return NotImplemented if found is None else found <= 0

    def __gt__(self, other: Any) -> bool:
        found = self._compared(other)
        return NotImplemented if found is None else found > 0

    def __ge__(self, other: Any) -> bool:
        found = self._compared(other)
        return NotImplemented if found is None else found >= 0


__version__ = Version("0.1.0")
