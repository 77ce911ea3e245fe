"""The namespace has the names, signatures, constants and types of the standard."""

from __future__ import annotations

import inspect
import math
from pathlib import Path
from typing import Any

import pytest

strict = pytest.importorskip("array_api_strict")

import minigrad as mg  # noqa: E402
from minigrad import xp  # noqa: E402

#: Names of the reference implementation that are not the standard's, or that are left out.
LEFT_OUT = {"fft", "complex64", "complex128", "linalg.eig", "linalg.eigvals"}
NOT_STANDARD = {
    "Device", "set_array_api_strict_flags", "get_array_api_strict_flags", "__version__",
    "reset_array_api_strict_flags", "ArrayAPIStrictFlags",
}  # fmt: skip
FUNCTIONS = [
    *(n for n in strict.__all__ if inspect.isfunction(getattr(strict, n))),
    *(f"linalg.{n}" for n in strict.linalg.__all__),
]


def find(module: Any, name: str) -> Any:
    for part in name.split("."):
        module = getattr(module, part)
    return module


def test_all_names_are_there() -> None:
    wanted = set(strict.__all__) - NOT_STANDARD
    assert {n for n in wanted if not hasattr(xp, n)} == LEFT_OUT - {
        "linalg.eig", "linalg.eigvals"
    }  # fmt: skip
    assert wanted - set(xp.__all__) <= LEFT_OUT
    assert all(hasattr(xp, name) for name in xp.__all__)


@pytest.mark.parametrize("name", [n for n in FUNCTIONS if n not in NOT_STANDARD | LEFT_OUT])
def test_signatures(name: str) -> None:
    theirs = inspect.signature(find(strict, name)).parameters.values()
    ours = inspect.signature(find(xp, name)).parameters.values()
    assert [(p.name, p.kind) for p in ours] == [(p.name, p.kind) for p in theirs]
    for a, b in zip(ours, theirs, strict=True):
        expected = None if "Undef" in repr(b.default) else b.default
        assert a.default == expected, f"{name}(): the default of {a.name}"
    assert find(xp, name).__doc__
    assert find(xp, name).__name__ == name.split(".")[-1]


def test_what_is_left_out_is_documented() -> None:
    path = Path(__file__).resolve().parents[2] / "docs" / "array_api.md"
    text = path.read_text()
    for name in LEFT_OUT:
        assert f"`{name}`" in text, f"docs/array_api.md does not say why {name} is left out"


def test_constants() -> None:
    assert (xp.e, xp.pi, xp.inf, xp.newaxis) == (math.e, math.pi, math.inf, None)
    assert math.isnan(xp.nan)


def test_versions() -> None:
    t = mg.ones(2)
    assert xp.__array_api_version__ == "2025.12"
    for version in (None, "2021.12", "2022.12", "2023.12", "2024.12", "2025.12"):
        assert t.__array_namespace__(api_version=version) is xp
    with pytest.raises(ValueError, match=r"2019\.12.*not supported"):
        t.__array_namespace__(api_version="2019.12")
    assert xp.ones(2).__array_namespace__() is xp


def test_info() -> None:
    info = xp.__array_namespace_info__()
    assert info.default_device() == mg.device("cpu")
    assert info.devices() == (mg.device("cpu"),)
    assert info.capabilities() == {
        "boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64
    }  # fmt: skip
    defaults = info.default_dtypes()
    assert defaults["real floating"] == xp.float32 == xp.asarray(1.0).dtype
    assert defaults["integral"] == xp.int64 == xp.asarray(1).dtype
    assert defaults["indexing"] == xp.argmax(xp.ones(2)).dtype
    assert defaults["complex floating"] is None
    reference = strict.__array_namespace_info__()
    for kind in ("bool", "signed integer", "unsigned integer", "integral", "real floating",
                 ("bool", "integral"), ()):  # fmt: skip
        assert info.dtypes(kind=kind).keys() == reference.dtypes(kind=kind).keys()
        assert all(getattr(xp, n) == d for n, d in info.dtypes(kind=kind).items())
    assert set(info.dtypes()) == set(reference.dtypes()) - {"complex64", "complex128"}
    assert info.dtypes(kind="complex floating") == {}
    assert mg.ones((1,) * 64).ndim == 64
    for bad in (lambda: info.dtypes(kind="real"), lambda: info.dtypes(device="tpu")):
        with pytest.raises((ValueError, RuntimeError)):
            bad()


METHODS = [n for n in dir(strict.asarray(1)) if n.startswith("__") and n not in (
    "__buffer__", "__slots__", "__weakref__", "__annotations__")]  # fmt: skip


@pytest.mark.parametrize("name", [*METHODS, "T", "mT", "device", "dtype", "ndim", "shape", "size",
                                  "to_device"])  # fmt: skip
def test_arrays_have_the_attributes(name: str) -> None:
    assert hasattr(xp.Array, name)
    if name not in ("size", "__imatmul__"):  # x @= y makes a new tensor, as in PyTorch
        assert hasattr(mg.Tensor, name), f"tensors lack {name}"
