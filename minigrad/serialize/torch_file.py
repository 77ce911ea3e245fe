"""Files of ``torch.save``, read without torch and without executing anything.

Since PyTorch 1.6 such a file is a zip archive with one folder: ``data.pkl``, a pickle of what was
saved in which a tensor is a view of a *storage*; ``data/0``, ``data/1``, ..., the bytes of the
storages; ``byteorder``. Before, it was several pickles, followed by the storages. Both are read.
"""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from typing import IO, Any

import numpy as np

from minigrad.serialize.errors import FileError
from minigrad.serialize.pickles import Reader
from minigrad.serialize.torch_objects import CALLS, Storage, build, value_of

__all__ = ["is_torch_file", "read_torch"]

Array = np.ndarray[Any, Any]
_MAGIC = 0x1950A86A20F9469CFC6C  # what the pickles of old files begin with
_ADVICE = (
    "; save it anew in PyTorch: torch.save(torch.load(old, map_location='cpu'), new), or "
    "safetensors.torch.save_file(state_dict, new)"
)


def is_torch_file(file: IO[bytes]) -> bool:
    """Whether a file looks like one of torch, or another pickle, zip or tar archive.

    A safetensors file may begin with the same bytes, which count its header; that begins with a
    brace, at byte 8.
    """
    start = file.tell()
    head = file.read(262)
    file.seek(start)
    if len(head) < 9 or head[8:9] == b"{":
        return False
    return head[:2] == b"PK" or head[:1] == b"\x80" or head[257:262] == b"ustar"


def read_torch(file: IO[bytes], name: str) -> Any:
    """What ``torch.save`` put into `file`; `name` is what messages call it.

    Raises
    ------
    FileError
        If the file is damaged, of another kind, or holds more than data.
    """
    head = file.read(2)
    file.seek(-len(head), os.SEEK_CUR)
    try:
        if head == b"PK":
            return _Archive(file).load()
        if head[:1] == b"\x80":
            return _Pickles(file.read()).load()
        raise FileError("it is a tar archive, as PyTorch wrote before version 0.1.10" + _ADVICE)
    except (FileError, ValueError, TypeError, RuntimeError, ArithmeticError, OSError) as error:
        raise FileError(f"{name} cannot be read: {error}") from error


def _storage_parts(identity: Any, length: int) -> tuple[Any, str, int]:
    """The type, the key and the count of elements of a storage, from its persistent id."""
    if type(identity) is not tuple or len(identity) != length or identity[0] != "storage":
        raise FileError("its pickle has a persistent id that is no storage")
    _, kind, key, _, count = identity[:5]
    if not isinstance(key, str) or type(count) is not int or count < 0:
        raise FileError("its pickle has a storage without a key or with a wrong size")
    return kind, key, count


class _Archive:
    """The zip archive."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        try:
            self._zip = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, NotImplementedError, ArithmeticError, struct.error) as error:
            raise FileError(f"it is a damaged or cut off zip archive ({error})") from error
        self._size = file.seek(0, os.SEEK_END)
        self._left = self._size  # no more bytes are read than there are: parts do not overlap
        names = [i.filename for i in self._zip.infolist()]
        roots = [n[: -len("data.pkl")] for n in names if n.endswith("/data.pkl")]
        if len(roots) != 1 or len(names) != len(set(names)):
            raise FileError("it is a zip archive, but not one that torch.save wrote")
        self._root = roots[0]
        if self._root + "constants.pkl" in names:
            raise FileError("it is a TorchScript program, not weights; save its state_dict()")
        self._known: dict[str, Storage] = {}

    def load(self) -> Any:
        if self._has("byteorder") and self._record("byteorder").tobytes() != b"little":
            raise FileError("its numbers are big-endian; save it on a little-endian machine")
        data = self._record("data.pkl").tobytes()
        return Reader(data, CALLS, value_of, build, self._storage).read()

    def _has(self, name: str) -> bool:
        return self._root + name in self._zip.NameToInfo

    def _record(self, name: str) -> Array:
        """The bytes of a part of the archive."""
        if not self._has(name):
            raise FileError(f"it lacks the part {name!r}")
        info = self._zip.getinfo(self._root + name)
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
            raise FileError(f"its part {name!r} is compressed, which torch.save does not do")
        self._left -= info.file_size
        if self._left < 0:
            raise FileError("its parts are longer than the file")
        self._file.seek(info.header_offset)
        head = self._file.read(30)
        if head[:4] != b"PK\x03\x04" or len(head) < 30:
            raise FileError(f"its part {name!r} is not where the archive says")
        self._file.seek(sum(np.frombuffer(head, "<u2", 2, 26).tolist()), os.SEEK_CUR)
        content = np.frombuffer(bytearray(self._file.read(info.file_size)), np.uint8)
        if content.size != info.file_size:
            raise FileError(f"its part {name!r} is cut off")
        if info.CRC not in (0, zlib.crc32(content.data)):  # 0: torch was told to leave it out
            raise FileError(f"its part {name!r} is damaged (wrong checksum)")
        return content

    def _storage(self, identity: Any) -> Storage:
        kind, key, count = _storage_parts(identity, 5)
        if key not in self._known:
            self._known[key] = Storage(kind, self._record(f"data/{key}"))
        return self._known[key].seen_as(kind, count)


class _Pickles:
    """The old format: magic number, version, machine, the object, the keys, and the storages."""

    def __init__(self, data: bytes) -> None:
        self._reader = Reader(data, CALLS, value_of, build, self._storage)
        self._left = len(data)
        self._known: dict[str, Storage] = {}

    def load(self) -> Any:
        reader = self._reader
        if not self._begins_well():
            raise FileError(
                "it looks like a pickle, but not like one of torch.save. Loading a pickle would "
                "run whatever code it contains; save the data with minigrad.save, torch.save or "
                "safetensors"
            )
        reader.read()
        machine = reader.read()
        if not isinstance(machine, dict) or machine.get("little_endian") is not True:
            raise FileError("its numbers are big-endian; save it on a little-endian machine")
        result, keys = reader.read(), reader.read()
        if not isinstance(keys, list) or {k for k in keys if isinstance(k, str)} != set(
            self._known
        ):
            raise FileError("its list of storages is not that of its tensors")
        for key in keys:
            self._fill(self._known[key])
        return result

    def _begins_well(self) -> bool:
        try:
            return bool(self._reader.read() == _MAGIC)
        except FileError:
            return False

    def _storage(self, identity: Any) -> Storage:
        """A storage that is filled later: its bytes come at the end of the file."""
        kind, key, count = _storage_parts(identity, 6)
        if identity[5] is not None:
            raise FileError("it has views of storages, as PyTorch wrote before 0.4" + _ADVICE)
        if key not in self._known:
            size = count * Storage.itemsize_of(kind)
            self._left -= size
            if self._left < 0:
                raise FileError("its storages are longer than the file")
            self._known[key] = Storage(kind, np.zeros(size, np.uint8))
        return self._known[key].seen_as(kind, count)

    def _fill(self, storage: Storage) -> None:
        reader, target = self._reader, storage.content
        count = int.from_bytes(reader._take(8), "little")
        if count * storage.itemsize != target.size:
            raise FileError("one of its storages has another size than its tensors say")
        target[:] = np.frombuffer(reader._take(target.size), np.uint8)
