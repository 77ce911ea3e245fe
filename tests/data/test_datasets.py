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
from minigrad.data.datasets import MNIST, Digits, folder, mnist, read_idx


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
        "begins with": b"",
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


def test_missing_files(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="MINIGRAD_DATA"):
        MNIST(root=tmp_path, download=False)


def test_download_once_and_checked(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = files / "mnist"
    monkeypatch.delenv("MINIGRAD_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(mnist, "_MIRROR", f"file://{place}/")
    target = folder.local_folder() / "mnist"
    with pytest.raises(RuntimeError, match="SHA-256"):
        MNIST()
    assert not target.exists()
    sums = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in place.iterdir()}
    monkeypatch.setattr(mnist, "_SHA256", sums)
    assert len(MNIST()) == 7
    assert sorted(p.name for p in target.iterdir()) == sorted(n for n in sums if "train" in n)
    monkeypatch.setattr(mnist, "_MIRROR", "file:///nowhere/")
    assert len(MNIST()) == 7
    with pytest.raises(FileNotFoundError, match="could not be fetched"):
        MNIST(train=False)
    monkeypatch.setattr(mnist, "_MIRROR", "http://example.org/")
    with pytest.raises(ValueError, match="https only"):
        MNIST(train=False)


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
