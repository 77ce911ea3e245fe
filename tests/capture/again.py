"""What tests of replays share: recording, and comparing bit by bit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import minigrad as mg
from minigrad import capture


def recorded(known: Any, do: Callable[[], Any]) -> tuple[capture.Recording, Any]:
    """A recording, and what `do` returned; nothing in it depends on values without saying so."""
    with capture.recording(known) as seen:
        result = do()
    for entry in seen.events:
        if entry.op.name != "given":
            assert not list(arrays_in(entry.event.params)), f"{entry.op.name} hides arrays"
    return seen, result


def arrays_in(value: Any) -> Any:
    """Arrays and tensors among parameters, which ought to be inputs."""
    if isinstance(value, (np.ndarray, mg.Tensor)):
        yield value
    elif isinstance(value, (tuple, list)):
        for v in value:
            yield from arrays_in(v)


def tensors(value: Any, name: str = "") -> dict[str, mg.Tensor]:
    """The tensors in nested containers, by where they are."""
    if isinstance(value, mg.Tensor):
        return {name: value}
    if isinstance(value, Mapping):
        value = value.items()
    elif isinstance(value, (tuple, list)):
        value = enumerate(value)
    else:
        return {}
    found: dict[str, mg.Tensor] = {}
    for key, v in value:
        found |= tensors(v, f"{name} {key}")
    return found


def same_bits(again: capture.Replay, expected: Any) -> int:
    """Compare all tensors; how many there were."""
    found = tensors(expected)
    for name, t in found.items():
        np.testing.assert_array_equal(again.value(t), t.array, err_msg=name)
    return len(found)
