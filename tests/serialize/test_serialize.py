"""What goes into a file comes out again; what is damaged is refused; nothing is executed."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import pickle
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad import optim, serialize
from minigrad.core.tensor import Tensor

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
    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.trace),)


def test_pickles_are_refused(tmp_path: Path) -> None:
    path, trace = tmp_path / "file", tmp_path / "trace"
    path.write_bytes(pickle.dumps(Evil(trace)))
    with pytest.raises(serialize.FileError, match="looks like a pickle"):
        serialize.load(path)
    assert not trace.exists()
    pickle.loads(path.read_bytes())
    assert trace.exists()  # so the pickle was one that does something
    with pytest.raises(serialize.FileError, match=r"torch\.save, which load\(\) reads"):
        serialize.load_file(io.BytesIO(b"PK\x03\x04" + bytes(50)))
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
    with pytest.raises(ImportError, match="pip install safetensors"):
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


def test_tensors_come_back_as_what_they_were(tmp_path: Path) -> None:
    path = tmp_path / "file"
    w = mg.nn.Parameter(mg.arange(6.0).reshape(2, 3))
    obj = {
        "parameter": w, "again": w, "shared": w.detach(), "view": w.detach()[:, 1:],
        "transposed": w.detach().t(), "frozen": mg.nn.Parameter(mg.ones(1), requires_grad=False),
        "leaf": mg.ones(2, requires_grad=True),
        "buffer": mg.nn.Buffer(mg.ones(1), persistent=False),
        "array": np.arange(3)[::-1], "bytes": b"\x00\xff", "set": {1, "a"}, "size": w.shape,
        "complex": complex(0.1, math.inf), "device": mg.device("cpu"),
        "expanded": mg.ones(1).expand(3),
        "empty": mg.empty(0, 3), "swapped": np.arange(3, dtype=">i4"),
    }  # fmt: skip
    serialize.save(obj, path)
    back = serialize.load(path)
    assert type(back["parameter"]) is mg.nn.Parameter
    assert back["parameter"].requires_grad
    assert back["again"] is back["parameter"]
    assert np.shares_memory(back["shared"].array, back["parameter"].array)
    assert not back["shared"].requires_grad
    assert back["view"].tolist() == [[1, 2], [4, 5]]
    assert back["transposed"].tolist() == w.t().tolist()
    assert type(back["frozen"]) is mg.nn.Parameter
    assert not back["frozen"].requires_grad
    assert back["leaf"].requires_grad
    assert type(back["buffer"]) is mg.nn.Buffer
    assert back["buffer"].persistent is False
    assert back["array"].tolist() == [2, 1, 0]
    assert back["swapped"].tolist() == [0, 1, 2]
    assert back["expanded"].tolist() == [1, 1, 1]
    assert back["empty"].shape == (0, 3)
    for key in ("bytes", "set", "size", "complex", "device"):
        assert back[key] == obj[key]
        assert type(back[key]) is type(obj[key])


def test_state_dicts_keep_order_and_versions(tmp_path: Path) -> None:
    state = mg.nn.BatchNorm1d(2).state_dict()
    serialize.save(state, tmp_path / "file")
    back = serialize.load(tmp_path / "file")
    assert type(back) is type(state)
    assert back._metadata == state._metadata
    assert list(back) == list(state)


def test_tied_weights_are_stored_once_and_stay_tied(tmp_path: Path) -> None:
    path = tmp_path / "file"
    net = mg.nn.Sequential(mg.nn.Linear(300, 300), mg.nn.Linear(300, 300))
    net[1].weight = net[0].weight
    serialize.save(net.state_dict(), path)
    assert path.stat().st_size < 300 * 300 * 4 * 1.2
    state = serialize.load(path)
    assert state["0.weight"] is state["1.weight"]
    assert net.load_state_dict(state) == ([], [])
    serialize.save_file(net.state_dict(), path)
    assert set(serialize.load_file(path)) == set(net.state_dict())


def test_streams_and_arguments_of_torch(tmp_path: Path) -> None:
    stream = io.BytesIO()
    serialize.save({"w": mg.ones(2)}, stream)
    stream.seek(0)
    assert serialize.load(stream)["w"].tolist() == [1, 1]
    path = tmp_path / "weights.pt"
    mg.save([mg.zeros(1)], path)
    for place in ("cpu", mg.device("cpu"), {"cuda:0": "cpu"}, lambda storage, location: storage):
        back = mg.load(path, map_location=place, weights_only=False, mmap=True)
        assert back[0].tolist() == [0]
    with pytest.raises(RuntimeError, match="CPU only"):
        mg.load(path, map_location="cuda")
    with pytest.raises(TypeError, match="path or a binary stream"):
        mg.load(3)  # type: ignore[arg-type]


def test_a_link_keeps_pointing_at_the_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    real, link = tmp_path / "folder" / "file", tmp_path / "link"
    link.symlink_to(real)
    serialize.save(1, link)
    assert link.is_symlink()
    assert serialize.load(real) == 1


def test_what_the_format_reserves_or_has_no_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    obj = {"__metadata__": mg.ones(1), "\ud800": mg.zeros(1), "\x00": "\udfff"}
    serialize.save(obj, path)
    assert same(obj, serialize.load(path))
    content = path.read_bytes()
    with pytest.raises(ValueError, match="cannot be called '__metadata__'"):
        serialize.save_file({"__metadata__": mg.ones(1)}, path)
    monkeypatch.setattr(serialize.files, "_MAX_HEADER", 1000)
    with pytest.raises(ValueError, match="make tensors of long lists"):
        serialize.save(list(range(1000)), path)
    assert path.read_bytes() == content


def test_long_names(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 250)
    serialize.save(1, path)
    assert serialize.load(path) == 1


def test_files_of_newer_versions(tmp_path: Path) -> None:
    text = json.dumps({"version": 99, "object": {"$hologram": 1}})
    with pytest.raises(serialize.FileError, match=r"newer minigrad.*version 99.*--upgrade"):
        serialize.load(described(text, tmp_path))


@pytest.mark.parametrize("length", [19280, 19328, 128, 131])
def test_headers_whose_length_looks_like_a_zip_or_pickle(length: int, tmp_path: Path) -> None:
    """The first bytes of a safetensors file are a number, which can be b"PK" or b"\\x80"."""
    header = b'{"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}'.ljust(length)
    path = tmp_path / "file"
    path.write_bytes(struct.pack("<Q", length) + header + b"\x07")
    assert serialize.load(path)["w"].tolist() == [7]


@pytest.mark.parametrize("length", [2**63, 2**64 - 1, 2**40, 10**8 + 1])
def test_huge_headers_are_refused_at_once(length: int, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(struct.pack("<Q", length) + b"{}" + bytes(100))
    with pytest.raises(serialize.FileError, match="cannot be read"):
        serialize.load(path)


SAVER = """
import sys
import minigrad as mg
from minigrad import serialize

n = 0
while True:
    n += 1
    serialize.save({"n": n, "w": mg.full((20_000,), float(n))}, sys.argv[1])
    if n == 1:
        print("saved", flush=True)
"""


def test_kill_leaves_the_old_or_the_new_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    last = 0
    for seconds in (0.0, 0.01, 0.023, 0.05):
        with subprocess.Popen(
            [sys.executable, "-c", SAVER, str(path)], stdout=subprocess.PIPE
        ) as child:
            assert child.stdout is not None
            child.stdout.readline()
            time.sleep(seconds)
            child.kill()
        back = serialize.load(path)
        assert back["w"].shape == (20_000,)
        assert set(back["w"].tolist()) == {float(back["n"])}
        last = max(last, back["n"])
    assert last > 1  # at least one was killed while it wrote over a file
    unfinished = [p for p in tmp_path.iterdir() if p != path]
    assert all(p.suffix == ".minigrad-tmp" for p in unfinished)
    for left in unfinished:
        os.utime(left, (0, 0))
    serialize.save({"n": 1}, path)
    assert list(tmp_path.iterdir()) == [path]


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


def test_where_to_save(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="path or a binary stream to write to, got NoneType"):
        mg.save({}, None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="got dict: what is saved comes first"):
        mg.save("file.mg", {})  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError, match=r"no folder to save in: .*missing"):
        mg.save({}, tmp_path / "missing" / "file.mg")
    for wrong, words in (([mg.ones(2)], "takes a dict"), ({3: mg.ones(2)}, "must be strings")):
        with pytest.raises(TypeError, match=words):
            serialize.save_file(wrong, tmp_path / "file")  # type: ignore[arg-type]


@pytest.mark.parametrize("values", [mg.ones(100), mg.ones(3, 0), mg.tensor(2.5), mg.ones(2) > 0])
def test_changed_numbers_are_noticed(values: Tensor, tmp_path: Path) -> None:
    path = tmp_path / "file"
    mg.save({"w": values, "n": 3}, path)
    assert mg.equal(mg.load(path)["w"], values)
    content = bytearray(path.read_bytes())
    content[-1] ^= 0x40
    path.write_bytes(content)
    if values.numel():
        with pytest.raises(serialize.FileError, match="is damaged"):
            mg.load(path)
