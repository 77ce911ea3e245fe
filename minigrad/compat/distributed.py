"""Training over several processes is not here: what scripts ask before they begin, answered.

>>> import minigrad as mg
>>> if mg.distributed.is_available() and mg.distributed.is_initialized():
...     print("several processes")
"""

from __future__ import annotations

from enum import IntEnum

from minigrad.compat.refusal import refused

__all__ = [
    "ReduceOp", "all_gather", "all_reduce", "barrier", "broadcast",
    "destroy_process_group", "gather", "get_backend", "get_rank", "get_world_size",
    "init_process_group", "is_available", "is_gloo_available", "is_initialized",
    "is_mpi_available", "is_nccl_available", "is_torchelastic_launched", "reduce",
    "reduce_scatter", "scatter",
]  # fmt: skip

_NONE = (
    "minigrad trains in one process; ask minigrad.distributed.is_available() before, and leave "
    "this out"
)


class ReduceOp(IntEnum):
    """How values of several processes are put together."""

    SUM = 0
    AVG = 1
    PRODUCT = 2
    MIN = 3
    MAX = 4


def is_available() -> bool:
    """Whether several processes can train together: no."""
    return False


def is_initialized() -> bool:
    """Whether this process is one of several: never."""
    return False


def is_nccl_available() -> bool:
    """Whether processes can talk by way of NCCL: no."""
    return False


def is_gloo_available() -> bool:
    """Whether processes can talk by way of Gloo: no."""
    return False


def is_mpi_available() -> bool:
    """Whether processes can talk by way of MPI: no."""
    return False


def is_torchelastic_launched() -> bool:
    """Whether ``torchrun`` has started this process: never."""
    return False


all_gather = refused("distributed.all_gather", _NONE)
all_reduce = refused("distributed.all_reduce", _NONE)
barrier = refused("distributed.barrier", _NONE)
broadcast = refused("distributed.broadcast", _NONE)
destroy_process_group = refused("distributed.destroy_process_group", _NONE)
gather = refused("distributed.gather", _NONE)
get_backend = refused("distributed.get_backend", _NONE)
get_rank = refused("distributed.get_rank", _NONE)
get_world_size = refused("distributed.get_world_size", _NONE)
init_process_group = refused("distributed.init_process_group", _NONE)
reduce = refused("distributed.reduce", _NONE)
reduce_scatter = refused("distributed.reduce_scatter", _NONE)
scatter = refused("distributed.scatter", _NONE)
