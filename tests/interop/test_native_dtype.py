"""However an array comes in, the tensor has numpy's own object for its element type.

Kernels are chosen by the identity of that object. One that was unpickled equals it, no more.
"""

from __future__ import annotations

import copy
import io
import multiprocessing
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor, nn

KINDS = ("float32", "float64", "float16", "int64", "bool")


def foreign(kind: str = "float32") -> np.ndarray[Any, Any]:
    """An array as other processes send it."""
    array: np.ndarray[Any, Any] = pickle.loads(pickle.dumps(np.ones((2, 3), kind)))
    assert array.dtype is not np.dtype(kind)
    return array


def tensor(kind: str = "float32") -> Tensor:
    return mg.tensor(np.ones((2, 3), kind))


def saved(t: Any) -> Any:
    file = io.BytesIO()
    mg.save(t, file)
    file.seek(0)
    return mg.load(file)


def numpy_saved(kind: str) -> np.ndarray[Any, Any]:
    file = io.BytesIO()
    np.save(file, np.ones((2, 3), kind))
    file.seek(0)
    return np.load(file)  # type: ignore[no-any-return] # of any file


def echo(pipe: Any) -> None:
    """Run in another process: send back what came."""
    pipe.send(pipe.recv())


def from_another_process(t: Tensor) -> Any:
    ours, theirs = multiprocessing.get_context("fork").Pipe()
    child = multiprocessing.get_context("fork").Process(target=echo, args=(theirs,))
    child.start()
    ours.send(t)
    back = ours.recv()
    child.join()
    return back


def assigned(kind: str) -> Tensor:
    t = mg.zeros(2, 3, dtype=getattr(mg, kind))
    t.data = mg.from_numpy(foreign(kind))
    return t


def long(kind: str) -> Tensor:
    """Integers under the other name that numpy has for 64 bits."""
    return mg.from_numpy(np.ones(3, np.longlong)) if kind == "int64" else tensor(kind)


DOORS: dict[str, Callable[[str], Tensor]] = {
    "tensor": lambda kind: mg.tensor(foreign(kind)),
    "as_tensor": lambda kind: mg.as_tensor(foreign(kind)),
    "asarray": lambda kind: mg.asarray(foreign(kind)),
    "from_numpy": lambda kind: mg.from_numpy(foreign(kind)),
    "Tensor": lambda kind: Tensor(foreign(kind)),
    "Tensor of an element": lambda kind: Tensor(foreign(kind)[0, 0]),
    "from_dlpack": lambda kind: mg.from_dlpack(foreign(kind)),
    "np.load": lambda kind: mg.from_numpy(numpy_saved(kind)),
    "longlong": long,
    "pickle": lambda kind: pickle.loads(pickle.dumps(tensor(kind))),
    "deepcopy": lambda kind: copy.deepcopy(mg.from_numpy(foreign(kind))),
    "copy": lambda kind: copy.copy(tensor(kind)),
    "save": lambda kind: saved(tensor(kind)),
    "save a dictionary": lambda kind: saved({"a": tensor(kind)})["a"],
    "another process": lambda kind: from_another_process(tensor(kind)),
    "data": assigned,
    "to": lambda kind: mg.ones(2, 3, dtype=mg.uint8).to(mg.as_tensor(foreign(kind)).dtype),
    "a factor": lambda kind: foreign(kind) * tensor(kind),
    "an operand": lambda kind: tensor(kind) + foreign(kind),
    "assignment": lambda kind: tensor(kind).index_fill(0, mg.tensor([0]), foreign(kind)[0, 0]),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("door", DOORS)
def test_doors(door: str, kind: str) -> None:
    t = DOORS[door](kind)
    assert t.array.dtype is np.dtype(kind)
    assert t.dtype is getattr(mg, kind)


def test_modules_and_optimizers(tmp_path: Path) -> None:
    """Parameters, buffers, gradients and state, by pickling, copying, loading and assigning."""
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    optimizer = mg.optim.Adam(net.parameters())
    net(mg.ones(5, 3)).sum().backward()
    optimizer.step()
    foreign_state = pickle.loads(pickle.dumps(net.state_dict()))
    other = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    other.load_state_dict(foreign_state, assign=True)
    mg.save(net.state_dict(), tmp_path / "net.pt")
    third = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    third.load_state_dict(mg.load(tmp_path / "net.pt"))
    for module in (other, third, copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        for t in module.state_dict().values():
            assert t.array.dtype is t.dtype.numpy
    for state in (optimizer, copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        for values in state.state.values():
            for t in values.values():
                assert not isinstance(t, Tensor) or t.array.dtype is t.dtype.numpy
    copied = copy.deepcopy(net[0].weight)
    assert copied.grad.array.dtype is np.dtype(np.float32)


class Foreign(mg.utils.data.Dataset[Any]):
    """Items as workers send them."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, i: int) -> Any:
        return foreign(), tensor(), i


@pytest.mark.parametrize("workers", [0, 1])
def test_batches(workers: int) -> None:
    loader = mg.utils.data.DataLoader(Foreign(), batch_size=2, num_workers=workers)
    for batch in loader:
        for t in batch:
            assert t.array.dtype is t.dtype.numpy
