"""What goes into a file comes out again; what is damaged is refused; nothing is executed."""

from __future__ import annotations

import contextlib
import json
import math
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad import optim, serialize
from minigrad.tensor import Tensor

pytest.importorskip("safetensors")

SIMPLE = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5),
    st.builds(lambda n, d: Tensor(np.arange(n).astype(d)), st.integers(0, 3),
              st.sampled_from(["float16", "float32", "float64", "int8", "int64", "uint8", "bool"])),
)  # fmt: skip
NESTED = st.recursive(
    SIMPLE,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.dictionaries(st.one_of(st.text(max_size=4), st.integers()), inner, max_size=3),
    ),
    max_leaves=8,
)


def same(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor):
        return isinstance(b, Tensor) and a.dtype is b.dtype and a.tolist() == b.tolist()
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b or (a != a and b != b)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(obj=NESTED)
def test_round_trip(obj: Any, tmp_path: Path) -> None:
    path = tmp_path / "file"
    serialize.save(obj, path)
    assert same(obj, serialize.load(path))


def test_special_values(tmp_path: Path) -> None:
    path = tmp_path / "file"
    obj = {
        "inf": [math.inf, -math.inf, math.nan, -0.0],
        "scalars": (np.float64(0.5), np.int32(3)),
        "a.b": mg.ones(1),
        "a": {"b": mg.zeros(1)},
        "$tensor": "text",
        "dtype": mg.float64,
        "strided": mg.arange(6).reshape(2, 3).t(),
        "zero-dim": mg.tensor(2.5),
        0: "number",
        "0": "text",
    }
    serialize.save(obj, path)
    back = serialize.load(path)
    assert list(back) == list(obj)
    assert math.copysign(1, back["inf"][3]) == -1
    assert back["scalars"] == (0.5, 3)
    assert back["a.b"].item() == 1
    assert back["a"]["b"].item() == 0
    assert back["dtype"] is mg.float64
    assert back["strided"].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert back["zero-dim"].shape == ()
    back["a.b"].add_(1)  # loaded tensors can be written


def test_only_data_is_saved(tmp_path: Path) -> None:
    path = tmp_path / "file"
    deep: Any = 1
    for _ in range(80):
        deep = [deep]
    for obj, error, words in (
        ({"f": {"g": print}}, TypeError, r"cannot save f\.g: .*builtin_function"),
        (object(), TypeError, "the object"),
        ({1.5: 2}, TypeError, "keys must be strings or integers"),
        (deep, ValueError, "levels deep"),
        ({"c": np.ones(1, complex)}, TypeError, "complex"),
    ):
        with pytest.raises(error, match=words):
            serialize.save(obj, path)
    assert not path.exists()
    assert list(tmp_path.iterdir()) == []


def test_files_of_others_and_for_others(tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    path = tmp_path / "file"
    save_file({"w": np.ones(2, np.float32)}, path)
    assert serialize.load(path)["w"].tolist() == [1.0, 1.0]
    assert list(serialize.load_file(path)) == ["w"]
    serialize.save({"layer": {"w": mg.zeros(3)}}, path)
    assert load_file(path)["layer.w"].tolist() == [0.0] * 3
    serialize.save_file({"w": mg.arange(4).reshape(2, 2).t()}, path, {"note": "text"})
    assert load_file(path)["w"].tolist() == [[0, 2], [1, 3]]
    with pytest.raises(TypeError, match="'w' is int"):
        serialize.save_file({"w": 3}, path)  # type: ignore[dict-item]


def test_any_truncation_is_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "file"
    serialize.save({"w": mg.arange(5.0), "n": [1, 2]}, path)
    content = path.read_bytes()
    for n in range(len(content)):
        path.write_bytes(content[:n])
        with pytest.raises(serialize.FileError, match="cut off"):
            serialize.load(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(place=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_any_changed_byte_loads_or_is_refused(place: int, byte: int, tmp_path: Path) -> None:
    path = tmp_path / "file"
    serialize.save({"w": mg.arange(3.0), "n": [1, 2.5, "x"]}, path)
    content = bytearray(path.read_bytes())
    content[place % len(content)] = byte
    path.write_bytes(content)
    with contextlib.suppress(serialize.FileError):
        serialize.load(path)


class Evil:
    def __reduce__(self) -> Any:
        return os.system, ("touch /tmp/minigrad-was-here",)


def test_pickles_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(serialize.FileError, match="looks like a pickle"):
        serialize.load(path)
    assert not Path("/tmp/minigrad-was-here").exists()
    with pytest.raises(FileNotFoundError):
        serialize.load(tmp_path / "none")


def described(text: str, tmp_path: Path) -> Path:
    """A safetensors file with this description of its contents."""
    header = json.dumps({"__metadata__": {"minigrad": text}}).encode()
    path = tmp_path / "file"
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    return path


@pytest.mark.parametrize(
    "packed",
    [
        {"$tensor": "w"}, {"$eval": "1"}, {"$list": 3}, {"$dict": [[1]]}, {"$dict": [[None, 1]]},
        {"$float": "1"}, {"$dtype": "object"}, {"a": 1, "b": 2}, {}, [1], {"$tensor": ["w"]},
    ],
)  # fmt: skip
def test_hostile_descriptions(packed: Any, tmp_path: Path) -> None:
    path = described(json.dumps({"version": 1, "object": packed}), tmp_path)
    with pytest.raises(serialize.FileError, match="cannot be read"):
        serialize.load(path)


@pytest.mark.parametrize(
    "text",
    ["", "{", "3", "[]", "{}", '{"version": 2, "object": 1}', "[" * 100_000,
     '{"version": 1, "object": ' + '{"$list": [' * 500 + "]}" * 500 + "}"],
)  # fmt: skip
def test_broken_descriptions(text: str, tmp_path: Path) -> None:
    with pytest.raises(serialize.FileError, match="cannot be read"):
        serialize.load(described(text, tmp_path))


def test_an_interrupted_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    serialize.save({"n": 1}, path)
    path.chmod(0o640)

    def fail(*args: Any) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="full"):
        serialize.save({"n": 2}, path)
    assert serialize.load(path) == {"n": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    monkeypatch.undo()
    serialize.save({"n": 3}, path)
    assert serialize.load(path) == {"n": 3}
    assert path.stat().st_mode & 0o777 == 0o640


def test_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "safetensors.numpy", None)
    with pytest.raises(ImportError, match=r"minigrad\[io\]"):
        serialize.save({}, tmp_path / "file")


class Model:
    """Something with a state."""

    def __init__(self) -> None:
        self.w = mg.zeros(2, dtype=mg.float64, requires_grad=True)

    def state_dict(self) -> dict[str, Tensor]:
        return {"w": self.w.detach()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        with mg.no_grad():
            self.w.copy_(state["w"])


def train(model: Model, opt: Any, schedule: Any, epochs: range) -> None:
    for _ in epochs:
        opt.zero_grad()
        ((model.w - mg.tensor([1.0, 2.0], dtype=mg.float64)) ** 2).sum().backward()
        opt.step()
        schedule.step()


def start() -> tuple[Model, Any, Any]:
    model = Model()
    opt = optim.Adam([model.w], lr=0.1)
    return model, opt, optim.lr_scheduler.MultiStepLR(opt, [3, 6], 0.5)


def test_a_run_continues_bit_for_bit(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    whole = start()
    train(*whole, range(10))
    first = start()
    train(*first, range(4))
    serialize.save_checkpoint(path, *first, epoch=4, best=math.inf)
    second = start()
    extra = serialize.load_checkpoint(path, *second)
    assert extra == {"epoch": 4, "best": math.inf}
    train(*second, range(extra["epoch"], 10))
    assert second[0].w.tolist() == whole[0].w.tolist()
    assert second[2].get_last_lr() == whole[2].get_last_lr()


def test_checkpoints_that_do_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    model, opt, schedule = start()
    serialize.save_checkpoint(path, model, epoch=1)
    with pytest.raises(KeyError, match="no state of the optimizer"):
        serialize.load_checkpoint(path, model, opt, schedule)
    with pytest.raises(TypeError, match="multiple values"):
        serialize.save_checkpoint(path, model, model=3)  # type: ignore[misc]
    serialize.save([1], path)
    with pytest.raises(serialize.FileError, match="no checkpoint"):
        serialize.load_checkpoint(path)
