"""Doing again what was written down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.capture.memory import Place, array_at
from minigrad.core.modes import no_grad
from minigrad.core.tensor import Tensor

if TYPE_CHECKING:
    from minigrad.capture.recorder import Recorded, Recording

__all__ = ["Replay"]

#: What fresh memory holds: nobody may read it before it is written.
_GARBAGE = 0xA5


class Replay:
    """A recording, done again.

    Parameters
    ----------
    recording : Recording
    values : dict of Tensor to array
        What tensors that were known hold this time.
    """

    def __init__(self, recording: Recording, values: Mapping[Tensor, Any]) -> None:
        self._recording = recording
        self._buffers = [_fresh(block) for block in recording.memory.blocks]
        for x, new in values.items():
            self.value(x)[...] = new
        self._sources = {key: _again(*known) for key, known in recording.sources.items()}
        with no_grad():
            for recorded in recording.events:
                self._do(recorded)

    def value(self, x: Any) -> Any:
        """What came out for a tensor or an array of the first time.

        Raises
        ------
        KeyError
            If it lies in memory that the recording does not know.
        """
        array = x.array if isinstance(x, Tensor) else x
        place = self._recording.memory.place(array)
        if place is None:
            raise KeyError(f"{array.dtype} of shape {list(array.shape)} was not recorded")
        return self._at(place)

    def _at(self, value: Any) -> Any:
        """The arrays at places, in nested sequences."""
        if isinstance(value, Place):
            return array_at(self._buffers, value)
        if isinstance(value, list):
            return [self._at(v) for v in value]
        return tuple([self._at(v) for v in value]) if isinstance(value, tuple) else value

    def _do(self, recorded: Recorded) -> None:
        event, arrays = recorded.event, self._at(recorded.inputs)
        if event.op.name == "given":
            return  # its memory was filled at once
        if event.source is not None:
            made = event.op.forward(arrays, event.params, self._sources[id(event.source)])
        else:
            made = event.op.forward(arrays, event.params)
        if made is None:
            return  # it changed what it was given
        results = made if isinstance(made, tuple) else (made,)
        count = len(recorded.outputs)
        self._keep(recorded.outputs, results[:count])
        self._keep(recorded.residuals, results[count:])

    def _keep(self, places: Any, made: Any) -> None:
        """Put results where they were the first time; views of known memory are there already."""
        if isinstance(places, Place):
            target, value = array_at(self._buffers, places), np.asarray(made)
            if target.__array_interface__["data"] != value.__array_interface__["data"]:
                np.copyto(target, value)
        elif isinstance(places, (list, tuple)):
            for place, value in zip(places, made, strict=False):
                self._keep(place, value)


def _fresh(block: Any) -> Any:
    """Memory of its own, in elements of the type of its owner: views with any strides look there
    for elements that they do not begin at.
    """
    kind = block.owner.dtype
    buffer = np.empty(block.size // kind.itemsize, kind)
    held = _GARBAGE if block.before is None else np.frombuffer(block.before, np.uint8)
    buffer.view(np.uint8)[:] = held
    return buffer


def _again(source: Any, state: Any) -> Any:
    """A generator at the same place of the same stream."""
    return type(source)().set_state(Tensor(state))
