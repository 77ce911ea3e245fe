"""Files in torch.save's format, made by hand: the honest are read, the hostile have no effect."""

from __future__ import annotations

import builtins
import contextlib
import io
import os
import pickle
import struct
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad import serialize

FLOATS = np.arange(6, dtype=np.float32)
MAGIC = 0x1950A86A20F9469CFC6C


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def number(value: int) -> bytes:
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def numbers(*values: int) -> bytes:
    return b"(" + b"".join(map(number, values)) + b"t"


def storage(key: str = "0", count: int = 6, kind: str = "torch\nFloatStorage", end: bytes = b"tQ"):
    where = text("storage") + b"c" + kind.encode() + b"\n" + text(key) + text("cpu")
    return b"(" + where + number(count) + end


def tensor(offset: int = 0, size=(2, 3), stride=(3, 1), **kw: Any) -> bytes:
    """The pickle instructions of a tensor."""
    parts = storage(**kw) + number(offset) + numbers(*size) + numbers(*stride) + b"\x89"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + parts + b"ccollections\nOrderedDict\n)RtR"


def archive(body: bytes, method: int = zipfile.ZIP_STORED, **parts: bytes) -> io.BytesIO:
    """A file of torch.save's kind, with these instructions in its pickle."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as z:
        z.writestr("file/data.pkl", b"\x80\x02" + body + b".")
        z.writestr("file/byteorder", parts.pop("byteorder", b"little"))
        for name, content in {"0": FLOATS.tobytes(), **parts}.items():
            z.writestr(f"file/data/{name}", content)
    stream.seek(0)
    return stream


def old_file(body: bytes, storages: dict[str, np.ndarray]) -> bytes:
    """A file as torch.save wrote before it used zip archives."""
    heads = (MAGIC, 1001, {"little_endian": True})
    start = b"".join(pickle.dumps(h, 2) for h in heads)
    data = b"".join(struct.pack("<q", a.size) + a.tobytes() for a in storages.values())
    return start + b"\x80\x02" + body + b"." + pickle.dumps(list(storages), 2) + data


# -- the honest ------------------------------------------------------------------------------------


def test_tensors_and_their_storages(tmp_path: Path) -> None:
    body = b"}(" + text("w") + tensor() + text("t") + tensor(1, (3, 1), (1, 3)) + b"u"
    path = tmp_path / "weights.pt"
    path.write_bytes(archive(body).getvalue())
    for back in (mg.load(path), mg.load(archive(body)), mg.load(path, "cpu", weights_only=False)):
        assert back["w"].tolist() == [[0, 1, 2], [3, 4, 5]]
        assert back["t"].tolist() == [[1], [2], [3]]
        back["w"][0, 1] = 9
        assert back["t"][0, 0].item() == 9  # one storage


def test_they_are_read_without_other_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("safetensors", "safetensors.numpy", "torch"):
        monkeypatch.setitem(sys.modules, name, None)
    assert mg.load(archive(tensor())).tolist() == [[0, 1, 2], [3, 4, 5]]


def test_kinds_of_data() -> None:
    obj = OrderedDict(a=[1, -2, 2.5, None, True, "é", (1, (2,), b"bytes")], b={"s": {1, 2}})
    for protocol in range(2, 6):
        body = pickle.dumps(obj, protocol)[2:-1]
        back = mg.load(archive(body))
        assert back == obj
        assert type(back) is OrderedDict


def test_pickles_of_the_first_protocols() -> None:
    assert mg.load(archive(pickle.dumps([1, 2.5, "a", 10**20, True, {"k": ()}], 0)[:-1])) == [
        1, 2.5, "a", 10**20, True, {"k": ()},
    ]  # fmt: skip


def test_numpy_numbers_and_arrays() -> None:
    obj = {"n": np.float64(2.5), "i": np.int64(3), "a": np.arange(6.0).reshape(2, 3)}
    obj |= {"f": np.asfortranarray(obj["a"]), "e": np.empty((0, 3)), "b": np.array([True])}
    for protocol in (2, 4, 5):
        back = mg.load(archive(pickle.dumps(obj, protocol)[2:-1]))
        for key, value in obj.items():
            assert np.array_equal(back[key], value)
            assert back[key].dtype == value.dtype
    for value in (np.array(["a"]), np.array([None]), np.arange(3).astype(">i4"), np.array([1j])):
        with pytest.raises(serialize.FileError, match="numpy arr"):
            mg.load(archive(pickle.dumps(value, 2)[2:-1]))


def test_the_format_before_zip() -> None:
    body = tensor(1, (2, 2), (2, 1), end=b"NtQ")
    content = old_file(body, {"0": FLOATS})
    assert mg.load(io.BytesIO(content)).tolist() == [[1, 2], [3, 4]]
    for n in range(2, len(content), 7):
        with pytest.raises(serialize.FileError):
            mg.load(io.BytesIO(content[:n]))
    for wrong in ({"1": FLOATS}, {"0": FLOATS[:3]}, {}, {"0": FLOATS, "2": FLOATS}):
        with pytest.raises(serialize.FileError, match="storage"):
            mg.load(io.BytesIO(old_file(body, wrong)))
    with pytest.raises(serialize.FileError, match="longer than the file"):
        mg.load(io.BytesIO(old_file(tensor(count=2**40, end=b"NtQ"), {"0": FLOATS})))


# -- hostile pickles -------------------------------------------------------------------------------

SYSTEM = f"c{os.name}\nsystem\n".encode()
PRINT = b"cbuiltins\nprint\n"
RUN = "__import__('builtins').minigrad_was_here"

ATTACKS = {
    "system": SYSTEM + b"(" + text("true") + b"tR",
    "eval": b"cbuiltins\neval\n(" + text(RUN) + b"tR",
    "exec": b"c__builtin__\nexec\n(" + text(RUN) + b"tR",
    "stack global": text("os") + b"\x8c\x06system\x93" + b"(" + text("true") + b"tR",
    "dotted name": text("collections") + b"\x8c\x15OrderedDict.__class__\x93" + b")R",
    "inst": b"(" + text("true") + b"ios\nsystem\n",
    "obj": b"(" + SYSTEM + text("true") + b"o",
    "newobj": PRINT + text("true") + b"\x85\x81",
    "newobj_ex": PRINT + text("true") + b"\x85}\x92",
    "getattr": b"cbuiltins\ngetattr\n(ctorch._utils\n_rebuild_tensor_v2\n"
               + text("__globals__") + b"tR",
    "import": b"cbuiltins\n__import__\n(" + text("os") + b"tR",
    "extension": b"\x82\x01",
    "next buffer": b"\x97",
    "text persistent id": b"Pos.system\n",
    "name as result": SYSTEM,
    "name within": b"](" + SYSTEM + b"e",
    "name as key": b"}" + SYSTEM + b"Ns",
    "unused name called late": SYSTEM + b"q\x00" + b"0" + b"h\x00(" + text("true") + b"tR",
    "calls a dtype": b"ctorch\nfloat32\n)R",
    "calls the result": b"ccollections\nOrderedDict\n)R)R",
    "whole model": b"ctorch.nn.modules.linear\nLinear\n)\x81}b",
    "build of a function": b"ctorch._utils\n_rebuild_tensor_v2\n}" + text("__code__") + b"Nsb",
    "build of a dict": b"}}" + text("__class__") + b"Nsb",
    "build of an ordered dict": b"ccollections\nOrderedDict\n)R}" + text("__class__") + b"Nsb",
    "build of metadata": b"ccollections\nOrderedDict\n)R}" + text("_metadata") + b"Nsb",
    "build of a tensor": tensor() + b"}" + text("array") + b"Nsb",
    "build of a tensor, by slots": tensor() + b"N}" + text("array") + b"Ns\x86b",
    "build of a dtype": b"cnumpy\ndtype\n(" + text("f8") + b"tR}b",
    "objects": b"cnumpy\ndtype\n(" + text("O") + b"tR",
    "codec": b"c_codecs\nencode\n(" + text("x") + text("rot13") + b"tR",
    "from type": b"ctorch._tensor\n_rebuild_from_type_v2\n(" + SYSTEM + b"ctorch\nTensor\n("
                 + text("true") + b"tNtR",
    "type of its own": b"ctorch._tensor\n_rebuild_from_type_v2\n(ctorch.Size\nx\n"
                       + SYSTEM + b"()tNtR",
    "hooks": tensor().replace(b"ccollections\nOrderedDict\n)R", b"}K\x01" + SYSTEM + b"s"),
    "storage as result": storage(),
    "set of lists": b"\x8f](" + b"]" + b"e\x90",
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_attacks_are_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[Any] = []
    for module, function in ((os, "system"), (builtins, "print"), (builtins, "eval")):
        monkeypatch.setattr(module, function, lambda *a, **k: done.append(a))
    with pytest.raises(serialize.FileError, match="cannot be read"):
        mg.load(archive(ATTACKS[name]))
    with pytest.raises(serialize.FileError, match="cannot be read"):
        mg.load(io.BytesIO(old_file(ATTACKS[name], {})))
    assert not done


def test_the_attacks_would_work_on_python() -> None:
    """The instructions are right: Python's own reader does what they say."""
    called: list[Any] = []

    class Trusting(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            return lambda *a: called.append((module, name, a))

    for name in ("system", "eval", "exec", "stack global", "inst", "obj", "import"):
        called.clear()
        Trusting(io.BytesIO(b"\x80\x02" + ATTACKS[name] + b".")).load()
        assert called, name


def test_whole_models_are_refused_with_advice() -> None:
    with pytest.raises(serialize.FileError, match=r"Linear.*nothing.*torch.save\(model.state_dict"):
        mg.load(archive(ATTACKS["whole model"]))


STORAGE_ATTACKS = {
    "beyond the end": tensor(offset=1),
    "far beyond": tensor(offset=2**62),
    "negative offset": tensor(offset=-1),
    "negative stride": tensor(5, (6,), (-1,)),
    "negative size": tensor(0, (-1, 3), (3, 1)),
    "overflowing stride": tensor(0, (2, 2), (2**63, 2**63)),
    "overflowing sizes": tensor(0, (2**32, 2**32), (0, 0)),
    "huge size": tensor(0, (2**63,), (1,)),
    "empty, far away": tensor(2**60, (0,), (1,)),
    "empty, but huge": tensor(0, (0, 2**62), (1, 1)),
    "too few strides": tensor(0, (2, 3), (1,)),
    "too many dimensions": tensor(0, (1,) * 70, (1,) * 70),
    "storage longer than its bytes": tensor(count=7),
    "huge storage": tensor(count=2**62),
    "negative storage": tensor(count=-1),
    "no such storage": tensor(key="1"),
    "path as key": tensor(key="../data.pkl"),
    "unknown class": tensor(kind="torch\nQInt8Storage"),
    "no class": tensor(kind="os\nsystem"),
    "complex": tensor(kind="torch\nComplexFloatStorage"),
    "no storage": b"(" + text("module") + b"tQ",
    "number as persistent id": number(3) + b"Q",
    "wider type than bytes": tensor(kind="torch\nDoubleStorage"),
}


@pytest.mark.parametrize("name", STORAGE_ATTACKS)
def test_tensors_outside_their_storage_are_refused(name: str) -> None:
    with pytest.raises(serialize.FileError, match="cannot be read"):
        mg.load(archive(STORAGE_ATTACKS[name]))


SHARED = b"](" + b"K\x01" * 1000 + b"eq\x00"

BOMBS = {
    "deep lists": b"]" * 5000 + b"a" * 4999,
    "deep tuples": b")" + b"\x85" * 5000,
    "deep dicts": b"".join([b"}", (b"K\x00}") * 5000, b"s" * 5000]),
    "long text": b"X\xff\xff\xff\x7fa",
    "longer text": b"\x8d" + b"\xff" * 8,
    "long number": b"\x8b\xff\xff\xff\x7f",
    "negative length": b"\x8b\xff\xff\xff\xff",
    "decimal number": b"L" + b"9" * 10_000 + b"L\n",
    "copies of one list": b"](" + SHARED + (b"cbuiltins\nset\nh\x00\x85R") * 200 + b"e",
    "deep tuple as key": b"})" + b"\x85" * 200 + b"Ns",
    "long number as key": b"}\x8b\x00\x01\x00\x00" + b"\x01" * 256 + b"Ns",
    "no such memo": b"j\xff\xff\xff\x7f",
    "empty stack": b"0",
    "nothing": b"",
    "two things": b"NN",
    "no mark": b"t",
    "mark as value": b"(\x85",
    "mark remembered": b"(q\x00",
    "unknown protocol": b"\x80\xff",
    "not utf-8": b"X\x01\x00\x00\x00\xff",
    "append to a tuple": b")Na",
    "odd items": b"}(Nu",
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_and_broken_pickles_are_refused(name: str) -> None:
    with pytest.raises(serialize.FileError, match="cannot be read"):
        mg.load(archive(BOMBS[name]))


def test_a_huge_memo_number_costs_nothing() -> None:
    assert mg.load(archive(b"Nr\xff\xff\xff\x7f")) is None


def test_a_list_that_contains_itself() -> None:
    back = mg.load(archive(b"]q\x00h\x00a"))
    assert back[0] is back


# -- hostile archives ------------------------------------------------------------------------------


def test_compressed_parts_are_refused() -> None:
    bomb = archive(tensor(), zipfile.ZIP_DEFLATED, **{"0": bytes(1_000_000)})
    with pytest.raises(serialize.FileError, match="compressed"):
        mg.load(bomb)


def test_overlapping_parts_are_refused() -> None:
    """Many names for the same bytes would make a small file large in memory."""
    count = 50
    names = [f"s{i:02}" for i in range(count)]
    body = b"](" + b"".join(tensor(key=n) for n in names) + b"e"
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as z:
        z.writestr("file/data.pkl", b"\x80\x02" + body + b".")
        z.writestr("file/data/s00", np.zeros(20_000, np.float32).tobytes())
        one = z.getinfo("file/data/s00")
        for n in names[1:]:
            twin = zipfile.ZipInfo(f"file/data/{n}")
            for field in ("header_offset", "CRC", "compress_size", "file_size"):
                setattr(twin, field, getattr(one, field))
            z.filelist.append(twin)
            z.NameToInfo[twin.filename] = twin
    stream.seek(0)
    with pytest.raises(serialize.FileError, match=r"longer than the file|cannot be read"):
        mg.load(stream)


def test_archives_of_others(tmp_path: Path) -> None:
    with pytest.raises(serialize.FileError, match="big-endian"):
        mg.load(archive(tensor(), byteorder=b"big"))
    np.savez(tmp_path / "a.npz", a=FLOATS)
    with pytest.raises(serialize.FileError, match=r"not one that torch\.save wrote"):
        mg.load(tmp_path / "a.npz")
    script = archive(tensor())
    with zipfile.ZipFile(script, "a") as z:
        z.writestr("file/constants.pkl", b"")
    script.seek(0)
    with pytest.raises(serialize.FileError, match="TorchScript"):
        mg.load(script)
    tar = bytes(257) + b"ustar" + bytes(250)
    with pytest.raises(serialize.FileError, match="tar archive"):
        mg.load(io.BytesIO(tar))
    with pytest.raises(serialize.FileError, match="big-endian"):
        mg.load(io.BytesIO(pickle.dumps(MAGIC, 2) + pickle.dumps(1001, 2) + pickle.dumps({}, 2)))
    changed = bytearray(archive(tensor()).getvalue())
    changed[changed.index(FLOATS.tobytes()) + 6] ^= 1
    with pytest.raises(serialize.FileError, match="checksum"):
        mg.load(io.BytesIO(bytes(changed)))


GOOD = (
    archive(b"}(" + text("w") + tensor() + text("n") + b"K\x01u").getvalue(),
    old_file(tensor(end=b"NtQ"), {"0": FLOATS}),
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    which=st.integers(0, 1),
    changes=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=4),
    cut=st.one_of(st.none(), st.integers(0, 2000)),
)
def test_any_damage_loads_or_is_refused(which: int, changes: Any, cut: int | None) -> None:
    content = bytearray(GOOD[which])
    for place, byte in changes:
        content[place % len(content)] = byte
    with contextlib.suppress(serialize.FileError):
        mg.load(io.BytesIO(bytes(content[:cut])))


@settings(max_examples=300)
@given(st.lists(st.sampled_from([bytes([b]) for b in range(256)] + [tensor(), SYSTEM, b"(K\x01t"])))
def test_random_programs_load_or_are_refused(steps: list[bytes]) -> None:
    with contextlib.suppress(serialize.FileError):
        mg.load(archive(b"".join(steps)))
