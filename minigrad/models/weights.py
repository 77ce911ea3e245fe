"""Trained weights, read from a file."""

from __future__ import annotations

import os
from typing import Any, TypeVar

from minigrad import nn

__all__ = ["load_weights"]

M = TypeVar("M", bound=nn.Module)


def load_weights(model: M, weights: Any, without: tuple[str, ...] = ()) -> M:
    """Load the parameters and buffers of a model from a file, if one is given.

    Parameters
    ----------
    model : Module
    weights : path or None
        A file that ``minigrad.load`` reads, with the keys of ``model.state_dict()``: one of
        safetensors, or a state dict that PyTorch saved (``.pth``). None leaves the model as it is.
    without : tuple of str
        Parts of the file that the model was made without, such as auxiliary heads: keys that begin
        with one of these are left out.

    Returns
    -------
    Module
        The model.

    Raises
    ------
    ValueError
        If `weights` is neither None nor a path, or there is no such file.
    FileError
        If the file cannot be read.
    RuntimeError
        If its keys or shapes are not those of the model.

    Examples
    --------
    >>> from minigrad import nn
    >>> load_weights(nn.Linear(2, 1), "IMAGENET1K_V1")
    Traceback (most recent call last):
    ...
    ValueError: weights='IMAGENET1K_V1' names no file: no trained weights come with minigrad, and
    it downloads none; give None or the path of a file (.safetensors, .pth) with the keys of
    Linear.state_dict()
    """
    if weights is None:
        return model
    if not isinstance(weights, (str, os.PathLike)) or not os.path.isfile(weights):
        raise ValueError(
            f"weights={weights!r} names no file: no trained weights come with minigrad, and it "
            "downloads none; give None or the path of a file (.safetensors, .pth) with the keys of "
            f"{type(model).__name__}.state_dict()"
        )
    from minigrad.serialize import load

    state = load(weights)
    if not isinstance(state, dict):
        raise RuntimeError(
            f"{os.fspath(weights)} holds {type(state).__name__} and not the state_dict() of a model"
        )
    if without:
        state = {k: v for k, v in state.items() if not k.startswith(without)}
    model.load_state_dict(state)
    return model
