"""MNIST files (made here, and the real ones where they are), and the digits."""

from __future__ import annotations

import gzip
import hashlib
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minigrad.data import DataLoader
from minigrad.data.datasets import MNIST, Digits, FashionMNIST, folder, read_idx
from minigrad.data.transforms import Compose, Normalize, RandomShift, ToTensor


def idx(array: Any) -> bytes:
    head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(np.uint8).tobytes()


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with seven images, named by the environment."""
    rng = np.random.default_rng(0)
    place = tmp_path / "mnist"
    place.mkdir()
    for kind in ("train", "t10k"):
        images = idx(rng.integers(0, 256, (7, 28, 28)))
        (place / f"{kind}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
        (place / f"{kind}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.arange(7))))
    monkeypatch.setenv("MINIGRAD_DATA", str(tmp_path))
    return tmp_path


def test_mnist_reads_what_is_there(files: Path) -> None:
    for train in (True, False):
        digits = MNIST(train=train)
        assert len(digits) == 7
        image, label = digits[3]
        assert tuple(image.shape) == (1, 28, 28)
        assert image.array.dtype == np.float32
        assert np.allclose(image.array[0] * 255, digits.data.array[3])
        assert label == 3
    assert len(MNIST(root=files)) == 7
    assert repr(digits) == "MNIST(7 images of 1 x 28 x 28, 10 classes)"


def test_quick_batches_equal_single_images(files: Path) -> None:
    plain, changed = MNIST(), MNIST(transform=lambda x: x, target_transform=lambda y: y)
    for a, b in zip(DataLoader(plain, 3), DataLoader(changed, 3), strict=True):
        assert np.array_equal(a[0].array, b[0].array)
        assert a[1].tolist() == b[1].tolist()
    images, labels = plain.tensors()
    assert tuple(images.shape) == (7, 1, 28, 28)
    assert labels.tolist() == list(range(7))
    labels.zero_()
    assert plain.targets.tolist() == list(range(7))
    doubled = MNIST(transform=lambda x: x * 2, target_transform=lambda y: -y)
    assert doubled[2][1] == -2
    assert np.allclose(doubled[2][0].array, 2 * plain[2][0].array)


def test_damaged_files(tmp_path: Path) -> None:
    good = idx(np.zeros((2, 3)))
    path = tmp_path / "file"
    packed = gzip.compress(good)
    bad: dict[str, bytes] = {
        "is no IDX file": b"hello",
        "begins with nothing": b"",
        r"begins with 00000d01": b"\0\0\x0d\x01" + bytes(8),
        r"header says \[\]": b"\0\0\x08\x02" + bytes(4),
        "6 bytes|14 bytes|has 17": good[:-1],
        "has 19": good + b"x",
        "damaged": packed[:-9],
        "is damaged": packed[:10] + b"\xff" * 30,
    }
    for words, content in bad.items():
        path.write_bytes(content)
        with pytest.raises(ValueError, match=words):
            read_idx(path)
    path.write_bytes(b"\0\0\x08\x02" + struct.pack(">2I", 2**31, 2**31))  # claims 2**62 bytes
    with pytest.raises(ValueError, match="but it has 12"):
        read_idx(path)
    path.write_bytes(good)
    assert read_idx(path).shape == (2, 3)


def test_labels_must_match(files: Path) -> None:
    labels = gzip.compress(idx(np.arange(5)))
    (files / "mnist" / "train-labels-idx1-ubyte.gz").write_bytes(labels)
    with pytest.raises(ValueError, match=r"\(7, 28, 28\) and \(5,\)"):
        MNIST()


def test_missing_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MINIGRAD_DATA", raising=False)
    with pytest.raises(FileNotFoundError, match=r"MINIGRAD_DATA.*download=True.*https://ossci"):
        MNIST(root=tmp_path, download=False)


def test_where_files_are_looked_for(files: Path, tmp_path: Path) -> None:
    """A root of the user's first, then the folder of the environment; torchvision's layout, too."""
    empty = tmp_path / "empty"
    assert len(MNIST(root=empty, download=False)) == 7
    raw = tmp_path / "own" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    (raw / "train-images-idx3-ubyte").write_bytes(idx(np.zeros((2, 28, 28))))
    (raw / "train-labels-idx1-ubyte").write_bytes(idx(np.arange(2)))
    assert len(MNIST(root=tmp_path / "own", download=False)) == 2
    assert not empty.exists()


def test_fashion_mnist(files: Path) -> None:
    (files / "mnist").rename(files / "fashion-mnist")
    clothes = FashionMNIST(files, train=False, download=False)
    assert len(clothes.classes) == 10
    assert clothes.classes[clothes[6][1]] == "Shirt"
    assert set(FashionMNIST.checksums) == set(MNIST.checksums)
    with pytest.raises(FileNotFoundError, match="t10k-images"):
        MNIST(files, train=False, download=False)


def test_labels_of_another_dataset(files: Path) -> None:
    labels = gzip.compress(idx(np.arange(7) + 20))
    (files / "mnist" / "train-labels-idx1-ubyte.gz").write_bytes(labels)
    with pytest.raises(ValueError, match="labels 0 to 9, got 26"):
        MNIST()


def test_transforms_of_batches_are_used_as_such(files: Path) -> None:
    chain = Compose([ToTensor(), Normalize((0.1307,), (0.3081,))])
    quick, slow = MNIST(transform=chain), MNIST(transform=lambda x: chain(x))
    assert quick._batch(np.arange(2)) is not None
    assert slow._batch(np.arange(2)) is None
    for a, b in zip(DataLoader(quick, 3), DataLoader(slow, 3), strict=True):
        assert np.allclose(a[0].array, b[0].array)
    one, _ = MNIST(transform=RandomShift(2))[0]
    assert tuple(one.shape) == (1, 28, 28)


def test_download_once_and_checked(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = files / "mnist"
    monkeypatch.delenv("MINIGRAD_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(MNIST, "mirrors", (f"file://{place}/",))
    target = folder.local_folder() / "mnist"
    with pytest.raises(RuntimeError, match="SHA-256"):
        MNIST()
    assert list(target.iterdir()) == []
    sums = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in place.iterdir()}
    monkeypatch.setattr(MNIST, "checksums", sums)
    assert len(MNIST()) == 7
    assert sorted(p.name for p in target.iterdir()) == sorted(n for n in sums if "train" in n)
    monkeypatch.setattr(MNIST, "mirrors", ("file:///nowhere/",))
    assert len(MNIST()) == 7
    with pytest.raises(FileNotFoundError, match="could not be fetched"):
        MNIST(train=False)
    monkeypatch.setattr(MNIST, "mirrors", (f"file://{place}/",))
    assert len(MNIST(tmp_path / "mine", train=False)) == 7
    assert len(list((tmp_path / "mine" / "mnist").iterdir())) == 2


@pytest.mark.mnist
@pytest.mark.skipif("MINIGRAD_DATA" not in os.environ, reason="needs the real files")
def test_the_real_test_set() -> None:
    test = MNIST(train=False, download=False)
    assert len(test) == 10_000
    assert test.targets.tolist()[:5] == [7, 2, 1, 0, 4]
    assert np.bincount(test.targets.array).tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009,
    ]  # fmt: skip


def test_digits() -> None:
    pytest.importorskip("sklearn")
    whole, train, test = Digits(), Digits(train=True), Digits(train=False)
    assert (len(whole), len(train), len(test)) == (1797, 1437, 360)
    image, label = whole[0]
    assert tuple(image.shape) == (1, 8, 8)
    assert (image.array.min(), image.array.max(), label) == (0.0, 15 / 16, 0)
    assert test[0][1] == whole[1437][1]


def test_digits_name_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match=r"minigrad\[examples\]"):
        Digits()
