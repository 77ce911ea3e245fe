"""CIFAR files in the official formats, made here: binary, in the archive, and pickled."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minigrad.data import DataLoader
from minigrad.data.datasets import CIFAR10, CIFAR100, folder
from minigrad.data.datasets.pickled import load_batch

N = 4


@pytest.fixture(autouse=True)
def _no_other_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MINIGRAD_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def records(part: int, *kinds: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Pixels and labels of one file."""
    rng = np.random.default_rng(part)
    pixels = rng.integers(0, 256, (N, 3072), dtype=np.uint8)
    return pixels, [rng.integers(0, k, N).astype(np.uint8) for k in kinds]


def binary(part: int, *kinds: int) -> bytes:
    pixels, labels = records(part, *kinds)
    return np.concatenate([*[y[:, None] for y in labels], pixels], 1).tobytes()


def files10() -> dict[str, bytes]:
    names = [*[f"data_batch_{i}.bin" for i in range(1, 6)], "test_batch.bin"]
    return {f"cifar-10-batches-bin/{name}": binary(i, 10) for i, name in enumerate(names)}


def archive(path: Path, files: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def unpacked(root: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def check10(train: CIFAR10, test: CIFAR10) -> None:
    assert (len(train), len(test)) == (5 * N, N)
    pixels, (labels,) = records(5, 10)
    assert np.array_equal(test.data.array, pixels.reshape(N, 3, 32, 32))
    assert test.targets.tolist() == labels.tolist()
    image, label = train[2 * N + 1]
    pixels, (labels,) = records(2, 10)
    assert tuple(image.shape) == (3, 32, 32)
    assert image.array.dtype == np.float32
    assert np.allclose(image.array[2, 0, 5] * 255, pixels[1, 2 * 1024 + 5])  # blue comes last
    assert label == labels[1]


def test_binary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unpacked(tmp_path / "cifar10", files10())
    check10(CIFAR10(tmp_path), CIFAR10(tmp_path, train=False))
    monkeypatch.setenv("MINIGRAD_DATA", str(tmp_path))
    train = CIFAR10(download=False)
    (x, y), *_ = DataLoader(train, 3)
    assert tuple(x.shape) == (3, 3, 32, 32)
    assert np.array_equal(x.array[1], train[1][0].array)
    assert y.tolist() == train.targets.tolist()[:3]


def test_the_archive(tmp_path: Path) -> None:
    archive(tmp_path / "cifar-10-binary.tar.gz", files10())
    check10(CIFAR10(tmp_path), CIFAR10(tmp_path, train=False))


def test_cifar100(tmp_path: Path) -> None:
    fine = "\n".join(f"fine{i}" for i in range(100))
    files = {
        "cifar-100-binary/train.bin": binary(0, 20, 100),
        "cifar-100-binary/test.bin": binary(1, 20, 100),
        "cifar-100-binary/fine_label_names.txt": fine.encode(),
        "cifar-100-binary/coarse_label_names.txt": b"a\nb\n",
    }
    archive(tmp_path / "cifar100" / "cifar-100-binary.tar.gz", files)
    unpacked(tmp_path / "folder", files)
    assert CIFAR100(tmp_path / "folder").classes[1] == "fine1"
    _, (coarse, fine_labels) = records(1, 20, 100)
    test = CIFAR100(tmp_path, train=False)
    assert test.targets.tolist() == fine_labels.tolist()
    assert test.classes[:2] == ("fine0", "fine1")
    groups = CIFAR100(tmp_path, train=False, coarse=True)
    assert groups.targets.tolist() == coarse.tolist()
    assert groups.classes == ("a", "b")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c[:-1], r"has 12291 bytes, expected a multiple of 3073"),
        (lambda c: b"", "has 0 bytes"),
        (lambda c: b"\x0b" + c[1:], "labels up to 11, expected 0 to 9"),
    ],
)
def test_damaged_records(tmp_path: Path, change: Any, words: str) -> None:
    files = files10()
    name = "cifar-10-batches-bin/test_batch.bin"
    files[name] = change(files[name])
    unpacked(tmp_path, files)
    with pytest.raises(ValueError, match=words):
        CIFAR10(tmp_path, train=False)


def test_damaged_and_missing_files(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"cifar-10-binary.tar.gz is not in .*cifar10"):
        CIFAR10(tmp_path, download=False)
    path = archive(tmp_path / "cifar-10-binary.tar.gz", files10())
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"no archive", b""):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="is damaged"):
            CIFAR10(tmp_path)
    archive(path, {"other": b""})
    with pytest.raises(ValueError, match=r"has no file cifar-10-batches-bin/data_batch_1.bin"):
        CIFAR10(tmp_path)
    files = files10()
    del files["cifar-10-batches-bin/data_batch_3.bin"]
    unpacked(tmp_path, files)
    with pytest.raises(FileNotFoundError, match=r"data_batch_3.bin is missing"):
        CIFAR10(tmp_path)


def test_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive(tmp_path / "server" / "cifar-10-binary.tar.gz", files10())
    monkeypatch.setattr(CIFAR10, "mirrors", (path.parent.as_uri() + "/",))
    with pytest.raises(RuntimeError, match="MD5"):
        CIFAR10()
    monkeypatch.setattr(CIFAR10, "checksum", hashlib.md5(path.read_bytes()).hexdigest())
    check10(CIFAR10(), CIFAR10(train=False))
    assert (folder.local_folder() / "cifar10" / path.name).is_file()


# -- the Python version ----------------------------------------------------------------------------


def pickled(part: int, protocol: int = 2) -> bytes:
    pixels, (labels,) = records(part, 10)
    batch = {"data": pixels, "labels": labels.tolist(), "filenames": ["a.png"] * N}
    return pickle.dumps(batch, protocol)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_pickled_files(tmp_path: Path, protocol: int) -> None:
    names = [*[f"data_batch_{i}" for i in range(1, 6)], "test_batch"]
    unpacked(
        tmp_path / "cifar10",
        {f"cifar-10-batches-py/{n}": pickled(i, protocol) for i, n in enumerate(names)},
    )
    check10(CIFAR10(tmp_path), CIFAR10(tmp_path, train=False))


def of_python_2(array: np.ndarray[Any, Any], labels: list[int]) -> bytes:
    """A batch as Python 2 pickled the official files: its texts and its bytes are of one type."""

    def text(words: bytes) -> bytes:
        return b"T" + len(words).to_bytes(4, "little") + words

    dtype = b"cnumpy\ndtype\n(" + text(b"u1") + b"K\x00K\x01tR"
    dtype += b"(K\x03" + text(b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    data = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00t" + text(b"b") + b"tR"
    shape = b"(" + b"".join(b"M" + n.to_bytes(2, "little") for n in array.shape) + b"t"
    data += b"(K\x01" + shape + dtype + b"\x89" + text(array.tobytes()) + b"tb"
    numbers = b"](" + b"".join(b"K" + bytes([n]) for n in labels) + b"e"
    return b"\x80\x02}(" + text(b"data") + data + text(b"labels") + numbers + b"u."


def test_files_that_python_2_pickled(tmp_path: Path) -> None:
    pixels, (labels,) = records(0, 10)
    path = tmp_path / "test_batch"
    path.write_bytes(of_python_2(pixels, labels.tolist()))
    images, found = load_batch(path, {"labels": 10})
    assert np.array_equal(images.reshape(pixels.shape), pixels)
    assert np.array_equal(found["labels"], labels)


class Evil:
    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> Any:
        return self.call


def test_pickles_that_want_more(tmp_path: Path) -> None:
    path = tmp_path / "cifar-10-batches-py" / "test_batch"
    path.parent.mkdir()
    witness = tmp_path / "witness"
    bad: dict[str, Any] = {
        "posix.mkdir": Evil(os.mkdir, (str(witness),)),
        "builtins.eval": Evil(eval, ("1",)),
        "numpy.load": Evil(np.load, ("x",)),
        "elements of type 'O8'": {"data": np.array([{}], object), "labels": [1]},
        "lacks 'labels'": {"data": np.zeros((1, 3072), np.uint8)},
        "expected bytes of shape": {"data": np.zeros((1, 3)), "labels": [1]},
        "expected 1 labels from 0 to 9": {"data": np.zeros((1, 3072), np.uint8), "labels": [10]},
        "no batch": [1],
    }
    for words, content in bad.items():
        path.write_bytes(pickle.dumps(content))
        with pytest.raises(ValueError, match=words):
            CIFAR10(tmp_path, train=False)
    path.write_bytes(b"hello")
    with pytest.raises(ValueError, match="binary version"):
        CIFAR10(tmp_path, train=False)
    assert not witness.exists()
