"""Whole training runs in a file: what a run needs to go on as if it had never stopped."""

from __future__ import annotations

from typing import Any

from minigrad.ops.random import default_generator
from minigrad.serialize.container import load, save
from minigrad.serialize.errors import FileError
from minigrad.serialize.files import FileLike, name_of

__all__ = ["load_checkpoint", "save_checkpoint"]


def save_checkpoint(
    path: FileLike,
    model: Any = None,
    optimizer: Any = None,
    scheduler: Any = None,
    epoch: int | None = None,
    **extra: Any,
) -> None:
    """Save the state of a training run in one file, written whole or not at all.

    The state of the random numbers (``minigrad.get_rng_state()``) is always part of it. So a run
    that goes on from the file draws the same dropout masks and the same order of the data, and ends
    with the same bits as one that was never stopped, if it was saved between two epochs.

    Parameters
    ----------
    path : path or binary stream
    model, optimizer, scheduler : optional
        Whatever has a ``state_dict()``.
    epoch : int, optional
    **extra
        More to remember: numbers, strings, tensors, dicts and lists of them, and whatever has a
        ``state_dict()``, of which that is saved.

    Examples
    --------
    >>> import tempfile, os
    >>> import minigrad as mg
    >>> from minigrad import optim, serialize
    >>> w = mg.ones(2, requires_grad=True)
    >>> opt = optim.Adam([w], lr=0.5)
    >>> path = os.path.join(tempfile.mkdtemp(), "run.safetensors")
    >>> serialize.save_checkpoint(path, optimizer=opt, epoch=7, best=0.25)
    >>> other = optim.Adam([w])
    >>> serialize.load_checkpoint(path, optimizer=other)
    {'epoch': 7, 'best': 0.25}
    >>> other.param_groups[0]["lr"]
    0.5
    """
    parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
    states = {name: part.state_dict() for name, part in parts.items() if part is not None}
    rest = {k: v.state_dict() if hasattr(v, "state_dict") else v for k, v in extra.items()}
    rng = default_generator.get_state()
    save({**states, "rng": rng, "extra": {"epoch": epoch, **rest}}, path)


def load_checkpoint(
    path: FileLike,
    model: Any = None,
    optimizer: Any = None,
    scheduler: Any = None,
    *,
    rng: bool = True,
) -> dict[str, Any]:
    """Load a checkpoint into `model`, `optimizer` and `scheduler`, as far as they are given.

    Parameters
    ----------
    path : path or binary stream
    model, optimizer, scheduler : optional
        Made as they were when the checkpoint was saved.
    rng : bool
        Also set the random numbers to where they were. False leaves them alone: for a model that is
        only evaluated.

    Returns
    -------
    dict
        ``"epoch"``, and what else was saved.

    Raises
    ------
    FileError
        If the file is damaged or is no checkpoint.
    KeyError
        If it lacks the state of something that is given.
    """
    saved = load(path)
    if not isinstance(saved, dict) or not isinstance(saved.get("extra"), dict):
        raise FileError(f"{name_of(path)} is no checkpoint of save_checkpoint()")
    parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
    for name, part in parts.items():
        if part is not None and name not in saved:
            raise KeyError(f"{name_of(path)} holds no state of the {name}; it has {sorted(saved)}")
    for name, part in parts.items():
        if part is not None:
            part.load_state_dict(saved[name])
    if rng and "rng" in saved:
        default_generator.set_state(saved["rng"])
    return dict(saved["extra"])
