"""The version: minigrad's for people, PyTorch's for scripts that ask what they can use.

``minigrad.__version__`` prints as minigrad's own version, and is equal to it. Scripts parse it, cut
it up, and compare it with releases of PyTorch to know which names there are; minigrad has those of
PyTorch 2.13, so its characters are those of that release, with its own version as what Python's
packages call the local part. Ordered against a version below 1.0 it is minigrad's own.

>>> import minigrad as mg
>>> print(mg.__version__, mg.__version__ == "0.1.0", mg.__version__ < "0.2")
0.1.0 True True
>>> mg.__version__ >= "2.0", mg.__version__ >= (2, 14), mg.__version__.split(".")[:2]
(True, False, ['2', '13'])
>>> mg.__version__[:]
'2.13.0+minigrad.0.1.0'
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
    """A text with two readings, as this module says.

    Parameters
    ----------
    own : str
        The version of minigrad.
    """

    own: str

    def __new__(cls, own: str) -> Version:
        """The text that scripts read, which remembers what people read."""
        made = super().__new__(cls, f"{torch}+minigrad.{own}")
        made.own = own
        return made

    def __getnewargs__(self) -> tuple[str]:
        return (self.own,)

    def __str__(self) -> str:
        return self.own

    def __repr__(self) -> str:
        return repr(self.own)

    def __format__(self, spec: str) -> str:
        return format(self.own, spec)

    def __add__(self, other: str) -> str:
        return self.own + other

    def __radd__(self, other: str) -> str:
        return other + self.own

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and self.own == str(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self.own)

    def _compared(self, other: Any) -> int | None:
        """-1, 0 or 1: below, equal to or above the other; None if that is no version."""
        theirs = _release(other)
        if theirs is None:
            return None
        own = _PYTORCH if theirs[0] >= 1 else _release(self.own) or ()
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
