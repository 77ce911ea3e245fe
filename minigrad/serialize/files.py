"""Safetensors files: written whole or not at all, and read with nothing trusted.

A safetensors file is the length of its header, the header (JSON: names, types, shapes, places, and
text that the writer adds), and the bytes of the tensors. Nothing in it is ever executed.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from minigrad.core import dtypes
from minigrad.kernels.run.whole_file import write_whole
from minigrad.serialize.errors import FileError

__all__ = [
    "RESERVED", "Array", "FileLike", "PathLike", "name_of", "opened", "read", "read_content",
    "write",
]  # fmt: skip

Array = np.ndarray[Any, Any]
PathLike = str | os.PathLike[str]
FileLike = str | os.PathLike[str] | IO[bytes]

#: The one name in a header that is no tensor's.
RESERVED = "__metadata__"
#: Longer headers are refused by the library when it reads, though not when it writes.
_MAX_HEADER = 100_000_000

#: The types of the format that tensors hold.
_KINDS = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64",
    "I32": "int32", "I16": "int16", "I8": "int8", "U64": "uint64", "U32": "uint32",
    "U16": "uint16", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip


def _library() -> Any:
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ImportError(
            "saving and loading needs safetensors, which is installed with minigrad but is "
            "missing here: pip install safetensors"
        ) from error
    return safetensors


def name_of(f: FileLike) -> str:
    """What messages call a file."""
    return os.fspath(f) if isinstance(f, (str, os.PathLike)) else "the stream"


# -- writing ---------------------------------------------------------------------------------------


def write(f: FileLike, tensors: dict[str, Array], metadata: dict[str, str] | None) -> None:
    """Write a safetensors file, whole or not at all.

    The file is written under another name in the same folder, flushed to the disk, and renamed; the
    folder is flushed as well. Whatever stops it in between, a crash or a power failure, leaves the
    old file as it was. A stream is simply written to.

    Raises
    ------
    ValueError
        For what the format has no room for: a header that is too long, a name that it reserves.
    ImportError
        Without safetensors.
    """
    if isinstance(f, (str, os.PathLike)):
        folder = Path(os.path.realpath(f)).parent
        if not folder.is_dir():
            raise FileNotFoundError(errno.ENOENT, "There is no folder to save in", str(folder))
    elif not hasattr(f, "write"):
        raise TypeError(
            f"expected a path or a binary stream to write to, got {type(f).__name__}: what is "
            "saved comes first, where to comes second"
        )
    if RESERVED in tensors:
        raise ValueError(f"a tensor in a safetensors file cannot be called {RESERVED!r}")
    content = _library().numpy.save(tensors, metadata)
    (header,) = struct.unpack("<Q", content[:8])
    if header > _MAX_HEADER:
        raise ValueError(
            f"names, numbers and strings take {header:,} bytes, and a safetensors file has room "
            f"for {_MAX_HEADER:,}: make tensors of long lists of numbers"
        )
    if not isinstance(f, (str, os.PathLike)):
        f.write(content)
        return
    target = Path(os.path.realpath(f))
    write_whole(target, content, _usual_mode(target), flush=True)


def _usual_mode(path: Path) -> int:
    """The permissions of the file that is replaced, or of a new one."""
    try:
        return path.stat().st_mode & 0o777
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask


# -- reading ---------------------------------------------------------------------------------------


@contextlib.contextmanager
def opened(f: FileLike) -> Iterator[IO[bytes]]:
    """A file to read from: the path opened, or the stream as it is."""
    if isinstance(f, (str, os.PathLike)):
        with open(f, "rb") as file:
            yield file
    elif hasattr(f, "read") and hasattr(f, "seek"):
        yield f
    else:
        raise TypeError(f"expected a path or a binary stream that can seek, got {type(f).__name__}")


def read(f: FileLike) -> tuple[dict[str, Array], dict[str, str]]:
    """The tensors of a safetensors file, and its metadata.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FileError
        If it is no safetensors file, is damaged or cut off, or holds types that tensors do not.
    ImportError
        If it holds bfloat16, and ml_dtypes is not installed.
    """
    with opened(f) as file:
        return read_content(file.read(), name_of(f))


def _hint(content: bytes) -> str:
    torchs = content[:4] == b"PK\x03\x04" or content[:2] == b"\x80\x02"
    return "; it looks like one of torch.save, which load() reads" if torchs else ""


def read_content(content: bytes, name: str) -> tuple[dict[str, Array], dict[str, str]]:
    """:func:`read` of what is in memory; `name` is what messages call it."""
    library = _library()
    try:
        parts = library.deserialize(content)
        (length,) = struct.unpack("<Q", content[:8])
        metadata = json.loads(content[8 : 8 + length]).get(RESERVED, {})
    except Exception as error:  # whatever a damaged file brings about
        raise FileError(
            f"{name} cannot be read as a safetensors file ({error}): it is damaged, cut off, or of "
            "another kind" + _hint(content)
        ) from error
    tensors = {}
    for key, part in parts:
        kind = _KINDS.get(part["dtype"])
        if kind is None:
            raise FileError(
                f"{name}: '{key}' has elements of type {part['dtype']}, which tensors of minigrad "
                "do not hold"
            )
        numpy = dtypes.as_dtype(kind).numpy
        tensors[key] = np.frombuffer(part["data"], numpy).reshape(part["shape"])
    return tensors, metadata
