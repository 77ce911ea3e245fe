"""The same arguments for PyTorch and for minigrad, and what differs between their results.

A *twin* of a sample has the same elements, strides and offsets in memory of its own; tensors that
share memory in the sample share it in the twin.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch

import minigrad as mg

Array = np.ndarray[Any, Any]
Tolerances = Mapping[torch.dtype, tuple[float, float]]


class Outside(Exception):
    """A sample speaks of what minigrad does not have on purpose; the text says of what."""


class Missing(Exception):
    """There is no such function here yet."""


#: Functions of PyTorch's samples that are only wrappers.
_WRAPPERS = {"wrapper_set_seed": lambda function, *args, **kwargs: function(*args, **kwargs)}


def resolve(module: Any, path: str) -> Any:
    """``nn.functional.relu`` of a module."""
    for name in path.split("."):
        try:
            module = getattr(module, name)
        except AttributeError:
            raise Missing(f"no {path}") from None
    return module


def rebound(function: Any) -> Any:
    """A Python function of PyTorch's samples with minigrad where it says ``torch``."""
    names = {**function.__globals__, **_WRAPPERS, "torch": mg}
    cells = tuple(types.CellType(_translated(c.cell_contents)) for c in function.__closure__ or ())
    twin = types.FunctionType(
        function.__code__, names, function.__name__, function.__defaults__, cells
    )
    twin.__kwdefaults__ = function.__kwdefaults__
    return twin


def _translated(value: Any) -> Any:
    """What a closure holds."""
    return rebound(value) if isinstance(value, types.FunctionType) else value


class Twins:
    """Makes twins for one of the modules, and remembers the leaves that require grad.

    Attributes
    ----------
    leaves : list
        Of the module's tensors that require grad, in the order of the arguments.
    owners : list of int
        Which memory the tensors among the arguments live in.
    """

    def __init__(self, module: Any, grad: bool = True) -> None:
        self.ours = module is mg
        self.grad = grad
        self.leaves: list[Any] = []
        self.owners: list[int] = []
        self._memory: dict[int, Array] = {}
        self._seen: dict[int, Any] = {}

    def __call__(self, value: Any) -> Any:
        """The twin of an argument."""
        if isinstance(value, torch.Tensor):
            if id(value) not in self._seen:
                self._seen[id(value)] = self._tensor(value)
            return self._seen[id(value)]
        if isinstance(value, (complex, np.complexfloating)):
            raise Outside("complex numbers")
        if isinstance(value, torch.Size):
            return mg.Size(value) if self.ours else value
        if isinstance(value, tuple):
            parts = [self(v) for v in value]
            return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
        if isinstance(value, list):
            return [self(v) for v in value]
        if isinstance(value, dict):
            return {k: self(v) for k, v in value.items()}
        if isinstance(value, slice):
            return slice(self(value.start), self(value.stop), self(value.step))
        return self._other(value) if self.ours else value

    def _tensor(self, t: torch.Tensor) -> Any:
        if t.layout != torch.strided or t.is_quantized:
            raise Outside("sparse and quantized tensors")
        if t.dtype.is_complex:
            raise Outside("complex numbers")
        if t.dtype == torch.bfloat16 or t.dtype not in _DTYPES:
            raise Outside(f"{t.dtype} tensors")
        if t.device.type != "cpu":
            raise Outside("other devices")
        if t.dim() > 64:
            raise Outside("more than 64 dimensions")
        memory = self._elements(t)
        if self.ours:
            steps = tuple(s * memory.itemsize for s in t.stride())
            offset = t.storage_offset() * memory.itemsize
            array: Array = (
                np.ndarray(tuple(t.shape), memory.dtype, memory, offset, steps)
                if t.numel()
                else np.empty(tuple(t.shape), memory.dtype)
            )
            if any(s == 0 and n > 1 for s, n in zip(t.stride(), t.shape)):
                array.flags.writeable = False  # as every expanded tensor here
            twin: Any = mg.Tensor(array)
        else:
            twin = torch.from_numpy(memory).as_strided(t.shape, t.stride(), t.storage_offset())
        self.owners.append(owner(twin))
        if t.requires_grad and self.grad:
            twin.requires_grad_()
            self.leaves.append(twin)
        return twin

    def _elements(self, t: torch.Tensor) -> Array:
        """A copy of all of the memory that the tensor lives in."""
        t = t.detach().resolve_neg().resolve_conj()
        storage = t.untyped_storage()
        if storage.data_ptr() not in self._memory or not storage.nbytes():
            flat = torch.empty(0, dtype=t.dtype).set_(storage)  # type: ignore[call-overload]
            self._memory[storage.data_ptr()] = flat.clone().numpy()
        return self._memory[storage.data_ptr()]

    def _other(self, value: Any) -> Any:
        if isinstance(value, torch.dtype):
            if value not in _DTYPES:
                raise Outside("complex numbers" if value.is_complex else f"{value} tensors")
            return _DTYPES[value]
        if isinstance(value, (torch.memory_format, torch.layout)):
            word = str(value).removeprefix("torch.")
            if not hasattr(mg, word):
                raise Outside("memory formats and layouts")
            return getattr(mg, word)
        if isinstance(value, torch.device):
            if value.type != "cpu":
                raise Outside("other devices")
            return mg.device("cpu")
        if isinstance(value, torch.Generator):
            return mg.Generator()
        if isinstance(value, torch.nn.Module):
            return resolve(mg.nn, type(value).__name__)()
        if isinstance(value, types.FunctionType):
            known = getattr(torch.nn.functional, value.__name__, None) is value
            return resolve(mg.nn.functional, value.__name__) if known else rebound(value)
        return value


_NAMES = [
    "float16", "float32", "float64", "bfloat16", "int8", "int16", "int32", "int64", "uint8",
    "uint16", "uint32", "uint64", "bool",
]  # fmt: skip
_DTYPES = {getattr(torch, name): getattr(mg, name) for name in _NAMES if hasattr(mg, name)}


def owner(t: Any) -> int:
    """The address of the memory that a tensor lives in."""
    if isinstance(t, torch.Tensor):
        return t.untyped_storage().data_ptr()
    array = t.array
    base = array
    while base is not None:
        if isinstance(base, np.ndarray):
            array = base
        base = getattr(base, "base", None)
    return array.__array_interface__["data"][0]  # type: ignore[no-any-return]


def at_indices(result: Any, sample: Any, place: tuple[int, int | None]) -> Any:
    """A result with what its indices point at in their place: of equal elements any may be found.

    `place` says which argument is the dimension, and its default.
    """
    *values, indices = tensors(result)
    x, (at, default) = sample.input, place
    dim = sample.kwargs.get("dim", sample.args[at] if len(sample.args) > at else default)
    if not x.dim() or dim is None or not isinstance(indices, TENSORS):
        return result
    squeezed = indices.dim() < x.dim()
    at = np.expand_dims(array(indices), dim) if squeezed else array(indices)
    found = np.take_along_axis(array(x), at, dim)
    found = np.squeeze(found, dim) if squeezed else found
    module = mg if isinstance(indices, mg.Tensor) else torch
    return [*values, module.tensor(np.ascontiguousarray(found)), indices.dtype]


# -- comparing results -----------------------------------------------------------------------------

TENSORS = (torch.Tensor, mg.Tensor)


def tensors(result: Any) -> Iterator[Any]:
    """The tensors in a result, in order."""
    if isinstance(result, TENSORS):
        yield result
    elif isinstance(result, (tuple, list)):
        for part in result:
            yield from tensors(part)


def array(t: Any) -> Array:
    """The elements, whether a graph hangs on them or not."""
    return t.detach().numpy(force=True)  # type: ignore[no-any-return]


def difference(ours: Any, theirs: Any, tolerances: Tolerances, *, elements: bool) -> str:
    """What is not the same in two results, or "".

    Parameters
    ----------
    ours, theirs
        Results of minigrad and of PyTorch.
    tolerances : dict
        Relative and absolute, by the type of PyTorch's result.
    elements : bool
        Whether the elements are compared, too; random and empty tensors have only shape and type.
    """
    if isinstance(theirs, torch.Tensor):
        if not isinstance(ours, mg.Tensor):
            return f"{type(ours).__name__} instead of a tensor"
        return _tensor_difference(ours, theirs, tolerances, elements)
    if isinstance(theirs, torch.Size):
        return "" if isinstance(ours, mg.Size) and tuple(ours) == tuple(theirs) else "other size"
    if isinstance(theirs, (tuple, list)):
        return _sequence_difference(ours, theirs, tolerances, elements)
    if isinstance(theirs, torch.dtype):
        same = str(ours).removeprefix("minigrad") == str(theirs).removeprefix("torch")
        return "" if same else f"dtype {ours}, not {theirs}"
    if type(ours) is not type(theirs):
        return f"{type(ours).__name__} instead of {type(theirs).__name__}"
    if isinstance(theirs, float):
        close = np.isclose(ours, theirs, *tolerances[torch.float32], equal_nan=True)
        return "" if close or not elements else f"{ours} instead of {theirs}"
    return "" if ours == theirs or not elements else f"{ours!r} instead of {theirs!r}"


def _sequence_difference(ours: Any, theirs: Any, tolerances: Tolerances, elements: bool) -> str:
    if not isinstance(ours, (tuple, list)):
        return f"{type(ours).__name__} instead of {type(theirs).__name__}"
    if len(ours) != len(theirs):
        return f"{len(ours)} results instead of {len(theirs)}"
    if type(theirs).__module__ == "torch.return_types":
        skip = {"count", "index", "n_fields", "n_sequence_fields", "n_unnamed_fields"}
        for name in dir(theirs):
            if not name.startswith("_") and name not in skip and not hasattr(ours, name):
                return f"no result named {name}"
    for x, y in zip(ours, theirs):
        found = difference(x, y, tolerances, elements=elements)
        if found:
            return found
    return ""


def _tensor_difference(
    ours: mg.Tensor,
    theirs: torch.Tensor,
    tolerances: Tolerances,
    elements: bool,
    scale: float = 1.0,
) -> str:
    if theirs.dtype not in _DTYPES or theirs.layout != torch.strided:
        raise Outside(f"results that are {theirs.dtype} or {theirs.layout}")
    if ours.dtype is not _DTYPES[theirs.dtype]:
        return f"{ours.dtype.name} instead of {str(theirs.dtype).removeprefix('torch.')}"
    if tuple(ours.shape) != tuple(theirs.shape):
        return f"shape {tuple(ours.shape)} instead of {tuple(theirs.shape)}"
    if not elements or theirs.dtype == torch.bfloat16:
        return ""
    relative, absolute = tolerances.get(theirs.dtype, (0.0, 0.0))
    return array_difference(array(ours), array(theirs), (relative, absolute * scale))


def array_difference(x: Array, y: Array, tolerance: tuple[float, float]) -> str:
    """Where elements differ by more than the tolerance."""
    with np.errstate(all="ignore"):
        if y.dtype.kind == "f":
            close = np.isclose(x, y, *tolerance, equal_nan=True)
        else:
            close = x == y
    if np.all(close):
        return ""
    place = tuple(int(i) for i in np.argwhere(~np.asarray(close))[0])
    return f"{x[place]} instead of {y[place]} at {place} of shape {y.shape}"


def gradient_difference(ours: Any, theirs: Any, tolerances: Tolerances, scale: float = 0.0) -> str:
    """As :func:`difference` of two lists of gradients; none is as good as zeros."""
    for i, (x, y) in enumerate(zip(ours, theirs)):
        if x is None and y is None:
            continue
        if x is None or y is None:
            rest = array(y if x is None else x)
            if np.abs(rest).max(initial=0) > 1e-7:
                return f"no gradient {'here' if x is None else 'there'} for input {i}"
            continue
        found = _tensor_difference(x, y, tolerances, True, max(1.0, scale))
        if found:
            return f"of input {i}: {found}"
    return ""
