"""What this implementation of the standard can do."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from minigrad.core import dtypes
from minigrad.place import device as Device
from minigrad.xp._dtypes import KINDS, check_device

__all__ = ["VERSIONS", "__array_namespace_info__", "check_version"]

#: The versions of the standard, the newest last.
VERSIONS = ("2021.12", "2022.12", "2023.12", "2024.12", "2025.12")


def check_version(api_version: str | None) -> ModuleType:
    """The namespace for a version of the standard: the same for all that are supported."""
    if api_version is not None and api_version not in VERSIONS:
        raise ValueError(
            f"version {api_version!r} of the array API standard is not supported; "
            f"{', '.join(VERSIONS)} are"
        )
    return sys.modules["minigrad.xp"]


class __array_namespace_info__:
    """What can be asked about the namespace.

    Examples
    --------
    >>> from minigrad import xp
    >>> info = xp.__array_namespace_info__()
    >>> info.default_dtypes()["integral"], info.devices()
    (minigrad.int64, (device(type='cpu'),))
    """

    def capabilities(self) -> dict[str, Any]:
        """Masks pick elements, shapes may depend on values, and there may be 64 dimensions."""
        return {
            "boolean indexing": True,
            "data-dependent shapes": True,
            "max dimensions": 64,
        }

    def default_device(self) -> Device:
        """The CPU."""
        return Device("cpu")

    def devices(self) -> tuple[Device, ...]:
        """The CPU alone."""
        return (Device("cpu"),)

    def default_dtypes(self, *, device: Any = None) -> dict[str, Any]:
        """The types where none is given; there is no complex one."""
        check_device(device)
        return {
            "real floating": dtypes.get_default_dtype(),
            "complex floating": None,
            "integral": dtypes.int64,
            "indexing": dtypes.int64,
        }

    def dtypes(self, *, device: Any = None, kind: Any = None) -> dict[str, dtypes.dtype]:
        """The types of the standard, all or those of a kind (``"integral"``, ...), by name."""
        check_device(device)
        if kind is None:
            kind = ("bool", "numeric")
        if isinstance(kind, tuple):
            return {n: d for k in kind for n, d in self.dtypes(kind=k).items()}
        if kind not in KINDS:
            raise ValueError(f"dtypes(): kind must be one of {', '.join(KINDS)}, got {kind!r}")
        return {d.name: d for d in KINDS[kind]}
