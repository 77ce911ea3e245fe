"""There is no GPU: what scripts ask before they choose a device, answered.

>>> import minigrad as mg
>>> device = mg.device("cuda" if mg.cuda.is_available() else "cpu")
>>> device
device(type='cpu')
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from minigrad.compat.cuda import amp, nvtx
from minigrad.compat.devices import (
    device_count,
    is_available,
    manual_seed,
    manual_seed_all,
    synchronize,
)
from minigrad.compat.refusal import refused

__all__ = [
    "BFloat16Tensor", "BoolTensor", "ByteTensor", "DoubleTensor", "Event", "FloatTensor",
    "HalfTensor", "IntTensor", "LongTensor", "OutOfMemoryError", "Stream", "amp", "current_device",
    "current_stream", "default_stream", "device", "device_count", "empty_cache", "get_arch_list",
    "get_device_capability", "get_device_name", "get_device_properties", "get_rng_state",
    "get_rng_state_all", "init", "initial_seed", "ipc_collect", "is_available",
    "is_bf16_supported", "is_current_stream_capturing", "is_initialized", "manual_seed",
    "manual_seed_all", "max_memory_allocated", "max_memory_reserved", "mem_get_info",
    "memory_allocated", "memory_reserved", "memory_stats", "nvtx", "reset_max_memory_allocated",
    "reset_peak_memory_stats", "seed", "seed_all", "set_device", "set_rng_state",
    "set_rng_state_all", "stream", "synchronize",
]  # fmt: skip

_NONE = "minigrad computes on the CPU only; ask minigrad.cuda.is_available() before"


class OutOfMemoryError(RuntimeError):
    """What a GPU without memory raises; scripts catch it. Never raised here."""


def is_initialized() -> bool:
    """Whether a GPU is in use: never."""
    return False


def get_arch_list() -> list[str]:
    """The kinds of GPUs that can be used: none."""
    return []


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Whether the GPU computes in bfloat16: there is none."""
    return False


def is_current_stream_capturing() -> bool:
    """Whether work is being recorded instead of done: never."""
    return False


# -- memory of a GPU: nothing is in use ----------------------------------------------------------


def memory_allocated(device: Any = None) -> int:
    """Bytes of a GPU in use: 0."""
    return 0


def max_memory_allocated(device: Any = None) -> int:
    """Bytes of a GPU that were in use at most: 0."""
    return 0


def memory_reserved(device: Any = None) -> int:
    """Bytes of a GPU kept for use: 0."""
    return 0


def max_memory_reserved(device: Any = None) -> int:
    """Bytes of a GPU that were kept at most: 0."""
    return 0


def memory_stats(device: Any = None) -> dict[str, Any]:
    """What is known of the memory of a GPU: nothing."""
    return {}


def reset_peak_memory_stats(device: Any = None) -> None:
    """Forget nothing: nothing was in use."""


def reset_max_memory_allocated(device: Any = None) -> None:
    """Forget nothing: nothing was in use."""


def empty_cache() -> None:
    """Free nothing of a GPU; ``minigrad.empty_cache`` returns the memory of the CPU."""


def ipc_collect() -> None:
    """Free nothing: no memory of a GPU is shared."""


# -- random numbers of a GPU: there is no generator ----------------------------------------------


def seed() -> None:
    """Seed nothing."""


def seed_all() -> None:
    """Seed nothing."""


def get_rng_state_all() -> list[Any]:
    """The states of the generators of all GPUs: none."""
    return []


def set_rng_state_all(new_states: list[Any]) -> None:
    """Set no state; there can be no states to set."""
    if new_states:
        raise RuntimeError(f"cuda.set_rng_state_all: got {len(new_states)} states; {_NONE}")


# -- contexts that scripts enter with nothing ----------------------------------------------------


@contextmanager
def stream(stream: Any) -> Iterator[None]:
    """A context in which work goes to a stream; None, for no stream, is all that is taken."""
    if stream is not None:
        raise RuntimeError(f"cuda.stream: {_NONE}")
    yield


@contextmanager
def device(device: Any) -> Iterator[None]:
    """A context in which a GPU is chosen; None and -1, for none, are all that is taken."""
    if device not in (None, -1):
        raise RuntimeError(f"cuda.device: {_NONE}")
    yield


# -- what needs a GPU ----------------------------------------------------------------------------

current_device = refused("cuda.current_device", _NONE)
current_stream = refused("cuda.current_stream", _NONE)
default_stream = refused("cuda.default_stream", _NONE)
get_device_capability = refused("cuda.get_device_capability", _NONE)
get_device_name = refused("cuda.get_device_name", _NONE)
get_device_properties = refused("cuda.get_device_properties", _NONE)
get_rng_state = refused("cuda.get_rng_state", _NONE)
set_rng_state = refused("cuda.set_rng_state", _NONE)
init = refused("cuda.init", _NONE)
initial_seed = refused("cuda.initial_seed", _NONE)
mem_get_info = refused("cuda.mem_get_info", _NONE)
set_device = refused("cuda.set_device", _NONE)


class _Absent(type):
    """Classes of objects of a GPU: nothing is an instance, and none can be made."""

    def __instancecheck__(cls, value: object) -> bool:
        return False

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(f"cuda.{cls.__name__}: {_NONE}")


class Event(metaclass=_Absent):
    """A point in the work of a GPU; ``time.perf_counter()`` measures on the CPU."""


class Stream(metaclass=_Absent):
    """A queue of work for a GPU."""


def _typed(name: str) -> Any:
    return _Absent(
        name, (), {"__doc__": "Tensors on a GPU: there are none.", "__module__": __name__}
    )


BFloat16Tensor = _typed("BFloat16Tensor")
BoolTensor = _typed("BoolTensor")
ByteTensor = _typed("ByteTensor")
DoubleTensor = _typed("DoubleTensor")
FloatTensor = _typed("FloatTensor")
HalfTensor = _typed("HalfTensor")
IntTensor = _typed("IntTensor")
LongTensor = _typed("LongTensor")
