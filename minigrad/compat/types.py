"""Element types that scripts name and no tensor here has: complex, quantized, and of 8 bits.

They can be compared, printed, and looked up in tables; what would make a tensor of one is refused.

>>> import minigrad as mg
>>> mg.ones(1).dtype in (mg.complex64, mg.complex128), mg.complex64.is_complex
(False, True)
>>> mg.zeros(2, dtype=mg.complex64)
Traceback (most recent call last):
...
TypeError: minigrad tensors hold float16, ...; got elements of type minigrad.complex64
"""

from __future__ import annotations

from typing import NoReturn

from minigrad.core.dtypes import dtype

__all__ = [
    "cdouble", "cfloat", "chalf", "complex32", "complex64", "complex128", "float8_e4m3fn",
    "float8_e5m2", "qint8", "qint32", "quint8",
]  # fmt: skip


class _Absent(dtype):
    """The name of a type without tensors."""

    __slots__ = ("is_complex",)

    def __init__(self, name: str, itemsize: int, kind: str) -> None:
        known = {
            "name": name,
            "itemsize": itemsize,
            "is_complex": kind == "complex",
            "is_floating_point": kind == "float",
            "is_signed": name != "quint8",
            "category": 3,  # above all that there is
        }
        for attribute, value in known.items():
            setattr(self, attribute, value)

    def __getattr__(self, name: str) -> NoReturn:
        if name == "numpy":  # what asks for numpy's type is about to make a tensor
            raise TypeError(
                f"minigrad has no tensors of type {self.name}, only of bool, integers and real "
                "floats"
            )
        raise AttributeError(f"'dtype' object has no attribute {name!r}")


complex32 = chalf = _Absent("complex32", 4, "complex")
complex64 = cfloat = _Absent("complex64", 8, "complex")
complex128 = cdouble = _Absent("complex128", 16, "complex")
float8_e4m3fn = _Absent("float8_e4m3fn", 1, "float")
float8_e5m2 = _Absent("float8_e5m2", 1, "float")
qint8 = _Absent("qint8", 1, "quantized")
quint8 = _Absent("quint8", 1, "quantized")
qint32 = _Absent("qint32", 4, "quantized")
