"""Transforms of batches: what they compute, against one sample after the other."""

from __future__ import annotations

import os
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad.data import DataLoader, Dataset, TensorDataset
from minigrad.data import transforms as T
from minigrad.ops.random import Generator, manual_seed

Array = np.ndarray[Any, Any]


def gen(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def images(*shape: int, kind: Any = np.float32) -> Array:
    return np.random.default_rng(1).random(shape or (6, 3, 8, 7)).astype(kind)


RANDOM: list[Any] = [
    lambda g: T.RandomCrop(6, padding=(1, 2), generator=g),
    lambda g: T.RandomShift(2, generator=g),
    lambda g: T.RandomHorizontalFlip(generator=g),
    lambda g: T.RandomVerticalFlip(generator=g),
    lambda g: T.RandomRotation(30, generator=g),
    lambda g: T.RandomErasing(p=0.7, generator=g),
    lambda g: T.RandomErasing(p=0.7, value="random", generator=g),
    lambda g: T.GaussianNoise(generator=g),
]


def name(make: Any) -> str:
    return repr(make(None))


@pytest.mark.parametrize("make", RANDOM, ids=name)
def test_random_transforms(make: Any) -> None:
    """The same seed draws the same; types and inputs stay; tensors and single images are taken."""
    x = images()
    before = x.copy()
    a, b, c = make(gen(3))(x), make(gen(3))(mg.tensor(x)), make(gen(4))(x)
    assert isinstance(a, np.ndarray)
    assert isinstance(b, mg.Tensor)
    assert np.array_equal(a, b.array)
    assert not np.array_equal(a, c)
    assert np.array_equal(x, before)
    assert make(gen())(images(kind=np.float64)).dtype == np.float64
    assert make(gen())(x[:0]).shape[0] == 0
    assert make(gen())(x[0]).shape == a.shape[1:]
    transform = make(gen(3))
    again = pickle.loads(pickle.dumps(transform))
    assert np.array_equal(transform(x), again(x))
    assert not np.array_equal(transform(x), a)  # it goes on in its stream
    manual_seed(5)
    d = make(None)(x)
    manual_seed(5)
    assert np.array_equal(d, make(None)(x))


class Pictures(Dataset[Any]):
    """Transformed one sample at a time."""

    def __init__(self, transform: Any) -> None:
        self.x, self.transform = images(10, 1, 6, 6), transform

    def __getitem__(self, i: int) -> Any:
        return self.transform(self.x[i]), i

    def __len__(self) -> int:
        return len(self.x)


@pytest.mark.parametrize("generator", [None, gen(8)], ids=["common", "own"])
@pytest.mark.parametrize("by_batch", [True, False])
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_workers_draw_the_same(by_batch: bool, generator: Any) -> None:
    chain = T.Compose([T.RandomShift(2, generator=generator), T.GaussianNoise()])

    def run(**options: Any) -> list[Any]:
        manual_seed(3)
        if by_batch:
            data: Any = TensorDataset(mg.tensor(images(10, 1, 6, 6)), mg.arange(10))
            options["collate_fn"] = T.CollateThen(Augment(chain))
        else:
            data = Pictures(chain)
        loader = DataLoader(data, 3, shuffle=True, **options)
        return [(x.array.copy(), y.tolist()) for _ in range(2) for x, y in loader]

    want = run()
    assert not np.array_equal(want[0][0], want[4][0])
    ways: list[Any] = [{"num_workers": 1}, {"num_workers": 3}]
    if hasattr(os, "fork"):
        ways.append({"num_workers": 2, "multiprocessing_context": "fork"})
    for options in ways:
        for (x, y), (x2, y2) in zip(want, run(**options), strict=True):
            assert y == y2
            assert np.array_equal(x, x2)


class Augment:
    def __init__(self, transform: Any) -> None:
        self.transform = transform

    def __call__(self, x: Any, y: Any) -> Any:
        return self.transform(x), y


# -- where pixels are ------------------------------------------------------------------------------


@settings(max_examples=30)
@given(
    n=st.integers(0, 4), h=st.integers(1, 6), w=st.integers(1, 6), pad=st.integers(0, 2),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_crops_are_windows_of_the_padded_images(
    n: int, h: int, w: int, pad: int, seed: int
) -> None:
    x = np.arange(n * 2 * h * w, dtype=np.float32).reshape(n, 2, h, w) + 1
    size = (max(1, h - 1), w)
    got = T.RandomCrop(size, pad, fill=-1, generator=gen(seed))(x)
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), constant_values=-1)
    for image, whole in zip(got, padded):
        windows = [
            whole[:, i : i + size[0], j : j + size[1]]
            for i in range(h + 2 * pad - size[0] + 1)
            for j in range(w + 2 * pad - size[1] + 1)
        ]
        assert any(np.array_equal(image, window) for window in windows)


def test_crops_reach_every_place() -> None:
    x = np.tile(np.arange(16, dtype=np.uint8).reshape(1, 1, 4, 4), (400, 1, 1, 1))
    corners = T.RandomCrop(2, generator=gen())(x)[:, 0, 0, 0]
    counts = np.bincount(corners, minlength=16).reshape(4, 4)
    assert (counts[:3, :3] > 20).all()
    assert counts[3].sum() == counts[:, 3].sum() == 0
    reflected = T.RandomCrop(6, 1, padding_mode="reflect", generator=gen())(x[:1])
    assert reflected.ravel()[:3].tolist() == [5, 4, 5]
    with pytest.raises(ValueError, match=r"crop size \(5, 5\) is larger"):
        T.RandomCrop(5)(x)
    with pytest.raises(ValueError, match=r"crop size \(5, 5\) is larger"):
        T.CenterCrop(5)(x)
    with pytest.raises(ValueError, match="padding_mode"):
        T.RandomCrop(5, padding_mode="wrap")
    with pytest.raises(ValueError, match="one or two numbers"):
        T.RandomCrop((1, 2, 3))
    with pytest.raises(ValueError, match=r"got shape \(4,\)"):
        T.RandomCrop(2)(np.zeros(4))
    with pytest.raises(TypeError, match="takes a tensor or a numpy array, got list"):
        T.RandomCrop(2)([1])


def test_shifts_move_whole_images() -> None:
    x = images(150, 1, 6, 5) + 1
    moved = T.RandomShift((2, 1), generator=gen())(x)
    seen = set()
    for a, b in zip(x, moved):
        for i in range(-2, 3):
            for j in range(-1, 2):
                want = np.zeros_like(a)
                want[:, max(0, i) : 6 + min(0, i), max(0, j) : 5 + min(0, j)] = a[
                    :, max(0, -i) : 6 - max(0, i), max(0, -j) : 5 - max(0, j)
                ]
                if np.array_equal(b, want):
                    seen.add((i, j))
    assert len(seen) == 15


def test_flips() -> None:
    x = images(200, 1, 3, 4)
    for flip, axis in ((T.RandomHorizontalFlip, 3), (T.RandomVerticalFlip, 2)):
        y = flip(0.3, generator=gen())(x)
        turned = np.flip(x, axis)
        which = np.array([np.array_equal(a, b) for a, b in zip(y, turned)])
        assert all(np.array_equal(a, b) for a, b in zip(y[~which], x[~which]))
        assert 40 < which.sum() < 80
        with pytest.raises(ValueError, match="probability"):
            flip(1.5)


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_right_angles_are_exact(degrees: int) -> None:
    x = images(2, 3, 5, 5)
    y = T.RandomRotation((degrees, degrees))(x)
    assert np.allclose(y, np.rot90(x, degrees // 90, (2, 3)), atol=1e-6)
    levels = (x * 255).astype(np.uint8)
    assert np.array_equal(
        T.RandomRotation((degrees, degrees))(levels), np.rot90(levels, degrees // 90, (2, 3))
    )


def test_rotation_interpolates() -> None:
    """Against the definition, pixel by pixel."""
    x, angle = images(1, 1, 6, 5, kind=np.float64), np.deg2rad(25.0)
    got = T.RandomRotation((25, 25), fill=0.5)(x)[0, 0]
    framed = np.full((10, 9), 0.5)
    framed[2:-2, 2:-2] = x[0, 0]
    want = np.empty((6, 5))
    for i in range(6):
        for j in range(5):
            di, dj = i - 2.5, j - 2.0
            r = np.cos(angle) * di + np.sin(angle) * dj + 4.5
            c = -np.sin(angle) * di + np.cos(angle) * dj + 4.0
            a, b = int(np.floor(r)), int(np.floor(c))
            if not (0 <= a < 9 and 0 <= b < 8):
                want[i, j] = 0.5
                continue
            u, v = r - a, c - b
            want[i, j] = (1 - u) * ((1 - v) * framed[a, b] + v * framed[a, b + 1]) + u * (
                (1 - v) * framed[a + 1, b] + v * framed[a + 1, b + 1]
            )
    assert np.allclose(got, want, atol=1e-5)
    for bad in (-1, (3, 2)):
        with pytest.raises(ValueError, match="degrees"):
            T.RandomRotation(bad)


# -- what pixels are worth -------------------------------------------------------------------------


def test_erased_rectangles() -> None:
    x = np.ones((300, 2, 20, 16), np.float32)
    y = T.RandomErasing(0.8, scale=(0.05, 0.2), value=0.0, generator=gen())(x)
    gone = y == 0
    assert np.array_equal(gone[:, 0], gone[:, 1])
    area = gone[:, 0].sum((1, 2))
    assert 200 < (area > 0).sum() < 270
    share = area[area > 0] / 320
    assert 0.03 < share.min() < 0.08
    assert 0.15 < share.max() < 0.23
    for mask in gone[area > 0, 0]:
        rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
        assert mask.sum() == np.ptp(rows) * np.ptp(columns) + np.ptp(rows) + np.ptp(columns) + 1
    with pytest.raises(TypeError, match="needs floats"):
        T.RandomErasing(value="random")(x.astype(np.uint8))
    tiny = T.RandomErasing(1.0, scale=(1.0, 1.0), ratio=(1.0, 1.0))(x)
    assert np.array_equal(tiny, x)  # nothing fits
    for options in ({"scale": (0.5, 0.1)}, {"ratio": (0, 1)}, {"value": "x"}, {"p": -1}):
        with pytest.raises(ValueError):
            T.RandomErasing(**options)  # type: ignore[arg-type]


def test_noise() -> None:
    y = T.GaussianNoise(1.0, 0.5, generator=gen())(np.zeros((100, 100)))
    assert (round(y.mean(), 1), round(y.std(), 1)) == (1.0, 0.5)
    assert T.GaussianNoise(sigma=5, clip=True)(images()).max() == 1.0
    with pytest.raises(TypeError, match="needs floats, got uint8"):
        T.GaussianNoise()(np.zeros((2, 2), np.uint8))
    with pytest.raises(ValueError, match="negative"):
        T.GaussianNoise(sigma=-1)


def test_mixup() -> None:
    x, labels = images(5, 2, 3), mg.arange(5)
    y, targets = T.MixUp(0.4, num_classes=5, generator=gen(1))(mg.tensor(x), labels)
    weights = targets.array
    assert np.allclose(weights.sum(1), 1)
    assert np.allclose(y.array, np.einsum("ij,jab->iab", weights, x), atol=1e-6)
    loss = mg.nn.functional.cross_entropy(mg.zeros(5, 5), targets)
    assert np.isclose(loss.item(), np.log(5))
    soft, _ = T.MixUp(generator=gen(1))(x, np.eye(5, dtype=np.float32))
    assert np.isfinite(soft).all()
    for mix in (T.MixUp, T.CutMix):
        for y_bad, words in (
            (np.arange(5), "num_classes is needed"),
            (np.zeros((5, 1), int), "takes labels"),
        ):
            with pytest.raises(ValueError, match=words):
                mix()(x, y_bad)
        with pytest.raises(IndexError, match="labels should be from 0 to 2, got 0 to 4"):
            mix(num_classes=3)(x, labels.array)
        with pytest.raises(ValueError, match="got 5 and 4"):
            mix(num_classes=5)(x[:4], labels.array)
        with pytest.raises(ValueError, match="alpha"):
            mix(0.0)
        with pytest.raises(TypeError, match="takes tensors"):
            mix(num_classes=5)(x, [0])


def test_cutmix() -> None:
    n = 40
    x = np.broadcast_to(np.arange(n, dtype=np.float32)[:, None, None, None], (n, 2, 8, 6))
    y, targets = T.CutMix(num_classes=n, generator=gen())(np.array(x), np.arange(n))
    shares = np.stack([(y[:, 0] == i).mean((1, 2)) for i in range(n)], 1)
    assert np.allclose(shares, targets, atol=1e-6)
    assert (shares.max(1) < 1).sum() > 5
    with pytest.raises(ValueError, match="CutMix takes images"):
        T.CutMix(num_classes=n)(x[:, 0], np.arange(n))


def test_label_noise() -> None:
    y = mg.zeros(4000, dtype=mg.int64)
    noisy = T.LabelNoise(0.5, 10, generator=gen())(y)
    assert noisy.dtype is mg.int64
    assert 0.47 < np.count_nonzero(noisy.array) / 4000 < 0.53
    assert set(noisy.tolist()) == set(range(10))
    with pytest.raises(TypeError, match="class numbers"):
        T.LabelNoise(0.5, 10)(mg.ones(3))


# -- centre and scale ------------------------------------------------------------------------------

FITTED: list[Any] = [
    T.MeanImage, T.Standardize, T.PerChannelMean, T.PerChannelStandardize, T.PCA, T.Whitening,
    lambda: T.Whitening("zca", eps=1e-8),
]  # fmt: skip


@pytest.mark.parametrize("make", FITTED)
def test_fitted_transforms(make: Any) -> None:
    x = images(300, 2, 3, 4) * 3 + 1
    transform = make()
    with pytest.raises(RuntimeError, match=r"has not learnt anything yet: call fit"):
        transform(x)
    y = transform.fit(mg.tensor(x))(x)
    assert y.dtype == np.float32
    assert abs(y.mean()) < 1e-4
    assert np.allclose(transform.inverse(y), x, atol=1e-3)
    back = transform.inverse(transform(mg.tensor(x)))
    assert np.allclose(back.array, x, atol=1e-3)
    assert np.allclose(transform(x[5]), y[5], atol=1e-5)  # one sample
    assert np.array_equal(pickle.loads(pickle.dumps(transform))(x), y)
    with pytest.raises(ValueError, match="has learnt from samples of"):
        transform(x[:, :, :2].repeat(3, 1))
    with pytest.raises(TypeError, match="needs floats, got uint8"):
        make().fit(x.astype(np.uint8))
    with pytest.raises(ValueError, match="at least one sample"):
        make().fit(x[:0])


def test_what_they_learn() -> None:
    x = images(50, 3, 4, 5, kind=np.float64)
    assert np.allclose(T.MeanImage().fit(x)(x), x - x.mean(0))
    assert np.allclose(T.PerChannelMean().fit(x)(x), x - x.mean((0, 2, 3))[:, None, None])
    y = T.PerChannelStandardize().fit(x)(x)
    assert np.allclose(y.std((0, 2, 3)), 1)
    assert np.allclose(y.mean((0, 2, 3)), 0)
    flat = x.reshape(50, -1)
    assert np.allclose(T.Standardize().fit(flat)(flat).std(0), 1)
    flat[:, 3] = 0.1  # its mean is not exactly that
    assert np.allclose(T.Standardize().fit(flat)(flat)[:, 3], np.zeros(50))
    with pytest.raises(ValueError, match=r"learns from images \(N, channels"):
        T.PerChannelMean().fit(flat)


def test_normalize() -> None:
    x = images()
    y = T.Normalize([0.1, 0.2, 0.3], (0.5, 0.25, 1.0))(mg.tensor(x))
    want = (x - np.array([0.1, 0.2, 0.3])[:, None, None]) / np.array([0.5, 0.25, 1])[:, None, None]
    assert np.allclose(y.array, want, atol=1e-6)
    assert "mean=[0.1, 0.2, 0.3]" in repr(T.Normalize([0.1, 0.2, 0.3], [1, 1, 1]))
    with pytest.raises(ValueError, match="division by zero"):
        T.Normalize([0.0], [0.0])
    with pytest.raises(ValueError, match="same length"):
        T.Normalize([0.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="has learnt from samples of"):
        T.Normalize([0.0, 1.0], [1.0, 1.0])(x)
    with pytest.raises(TypeError, match="needs floats"):
        T.Normalize([0.0], [1.0])(np.zeros((1, 1, 2, 2), np.uint8))


def test_unit_norm() -> None:
    x = images()
    y = T.UnitNorm()(x)
    assert np.allclose((y**2).sum((1, 2, 3)), 1, atol=1e-5)
    assert np.allclose(T.UnitNorm()(x[0]), y[0])
    assert np.array_equal(T.UnitNorm()(np.zeros((2, 3))), np.zeros((2, 3)))


def test_to_tensor() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    tensor = T.ToTensor()(picture)
    assert np.allclose(tensor.array, picture.transpose(2, 0, 1) / 255)
    assert tensor.array.dtype == np.float32
    assert tuple(T.ToTensor()(picture[:, :, 0]).shape) == (1, 4, 5)
    scaled = mg.rand(1, 3, 3)
    assert np.array_equal(T.ToTensor()(scaled).array, scaled.array)
    with pytest.raises(TypeError, match="a picture as an array"):
        T.ToTensor()("picture")


@pytest.mark.parametrize("kind", ["pca", "zca"])
def test_whitening(kind: str) -> None:
    mixing = np.random.default_rng(2).normal(size=(5, 5))
    x = np.random.default_rng(3).normal(size=(2000, 5)) @ mixing + 3
    white = T.Whitening(kind, eps=0).fit(x)
    y = white(x)
    assert np.allclose(np.cov(y.T), np.eye(5), atol=1e-8)
    assert np.allclose(white.inverse(y), x)
    if kind == "zca":
        assert np.allclose(white._matrix, white._matrix.T)  # no rotation
    with pytest.raises(ValueError, match="nothing varies"):
        T.Whitening(kind, eps=0).fit(np.ones((5, 3)))
    with pytest.raises(ValueError, match="'pca' or 'zca'"):
        T.Whitening("x")


def test_pca() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 4)) * [1, 10, 0.1, 3]
    pca = T.PCA(2).fit(x)
    assert np.abs(pca.components).argmax(1).tolist() == [1, 3]
    assert np.allclose(pca.components @ pca.components.T, np.eye(2))
    assert np.allclose(np.var(pca(x), 0, ddof=1), pca.explained_variance)
    assert 0.98 < pca.explained_variance_ratio.sum() < 1
    assert np.allclose(pca.inverse(pca(x))[:, 1], x[:, 1], atol=1)
    with pytest.raises(ValueError, match="more than the 4 features"):
        T.PCA(5).fit(x)
    with pytest.raises(ValueError, match="should be positive"):
        T.PCA(0)
    with pytest.raises(ValueError, match="at least two samples"):
        T.PCA().fit(x[:1])


# -- chains ----------------------------------------------------------------------------------------


def test_compose() -> None:
    x = images() * 5
    chain = T.Compose([T.MeanImage(), T.Standardize(), T.Lambda(lambda x: x * 2)])
    y = chain.fit(x)(x)
    assert np.allclose(y.std(0), 2, atol=1e-4)
    assert not chain.batched
    assert T.Compose([T.MeanImage(), T.Lambda(abs, batched=True)]).batched
    assert not T.Compose([T.MeanImage(), abs]).batched
    text = repr(T.Compose([T.RandomCrop(4, 2), T.ToTensor()]))
    assert (
        "    RandomCrop(size=(4, 4), padding=(2, 2), fill=0.0, padding_mode='constant')\n" in text
    )
    assert "    ToTensor()\n" in text
    with pytest.raises(TypeError, match="callable"):
        T.Lambda(3)  # type: ignore[arg-type]


def test_collate_then() -> None:
    pairs = TensorDataset(mg.arange(8.0).reshape(4, 2), mg.arange(4))
    quick = list(DataLoader(pairs, 2, collate_fn=T.CollateThen(lambda x, y: (x + 1, y))))
    slow = list(DataLoader(list(pairs), 2, collate_fn=T.CollateThen(lambda x, y: (x + 1, y))))
    for a, b in zip(quick, slow, strict=True):
        assert a[0].tolist() == b[0].tolist()
        assert a[1].tolist() == b[1].tolist()
    single = DataLoader(list(range(4)), 2, collate_fn=T.CollateThen(lambda x: x * 2))
    assert [x.tolist() for x in single] == [[0, 2], [4, 6]]
