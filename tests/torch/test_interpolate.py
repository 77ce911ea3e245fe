"""Interpolation, sampling on grids and pixel shuffling against PyTorch."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import minigrad as mg  # noqa: E402
from tests.torch.windows import compare, outcomes, repeat  # noqa: E402

#: Expressions over the images ``a`` (3 dimensions), ``b`` (4), ``c`` (5).
RESIZED = """
interpolate(a, 7) | interpolate(a, 3) | interpolate(b, 5) | interpolate(b, (4, 9)) |
interpolate(b, scale_factor=2) | interpolate(b, scale_factor=(2, 3)) |
interpolate(b, scale_factor=0.6) | interpolate(b, scale_factor=1.7) | interpolate(c, (3, 5, 2)) |
interpolate(c, scale_factor=2) | interpolate(b, scale_factor=1.7, recompute_scale_factor=True) |
interpolate(b, 5, mode='nearest-exact') | interpolate(b, scale_factor=2, mode='nearest-exact') |
interpolate(b, scale_factor=1.6, mode='nearest-exact') | interpolate(c, 4, mode='nearest-exact') |
interpolate(a, 3, mode='area') | interpolate(b, (3, 4), mode='area') |
interpolate(b, scale_factor=1.6, mode='area') | interpolate(c, (2, 2, 3), mode='area') |
interpolate(b, 1, mode='area') | interpolate(a, 9, mode='linear') |
interpolate(a, 4, mode='linear', align_corners=True) | interpolate(a, 6, mode='linear') |
interpolate(a, scale_factor=1.5, mode='linear') | interpolate(b, (9, 4), mode='bilinear') |
interpolate(b, (9, 4), mode='bilinear', align_corners=True) | interpolate(b, 1, mode='bilinear') |
interpolate(b, 1, mode='bilinear', align_corners=True) |
interpolate(b, scale_factor=2, mode='bilinear') |
interpolate(b, scale_factor=0.7, mode='bilinear') |
interpolate(b, scale_factor=1.3, mode='bilinear', recompute_scale_factor=True) |
interpolate(b, scale_factor=(2, 1.5), mode='bilinear', align_corners=True) |
interpolate(b, (5, 6), mode='bilinear') | interpolate(b, (9, 4), mode='bicubic') |
interpolate(b, (9, 4), mode='bicubic', align_corners=True) | interpolate(b, 1, mode='bicubic') |
interpolate(b, scale_factor=1.6, mode='bicubic') | interpolate(b, (5, 6), mode='bicubic') |
interpolate(c, (5, 3, 7), mode='trilinear') |
interpolate(c, (2, 6, 3), mode='trilinear', align_corners=True) |
interpolate(b, (3, 2), mode='bilinear', antialias=True) |
interpolate(b, (9, 4), mode='bilinear', antialias=True) |
interpolate(b, (2, 4), mode='bilinear', antialias=True, align_corners=True) |
interpolate(b, scale_factor=0.55, mode='bilinear', antialias=True) |
interpolate(b, (3, 2), mode='bicubic', antialias=True) |
interpolate(b, (9, 4), mode='bicubic', antialias=True) | interpolate(b[:0], 3) |
interpolate(b[:0], 3, mode='bilinear') | interpolate(b.transpose(2, 3), 7, mode='bilinear') |
interpolate(b[:, :, ::2], 7) | upsample(b, 7) | upsample(b, 7, mode='bilinear') |
upsample_nearest(b, scale_factor=2) | upsample_bilinear(b, scale_factor=2)
"""
SAMPLED = [
    f"grid_sample({x}, {grid}, mode='{mode}', padding_mode='{padding}', align_corners={align})"
    for x, grid, modes in (
        ("b", "g2", ("bilinear", "nearest", "bicubic")),
        ("c", "g3", ("bilinear", "nearest")),
    )
    for mode in modes
    for padding in ("zeros", "border", "reflection")
    for align in (True, False)
]
OTHERS = """
grid_sample(b, g2) | grid_sample(b[:, :0], g2) | grid_sample(b[:0], g2[:0]) |
grid_sample(b[:, :, :1], g2, align_corners=True, padding_mode='reflection') |
affine_grid(t2, (2, 3, 4, 5)) | affine_grid(t2, (2, 3, 4, 5), True) |
affine_grid(t3, (2, 3, 4, 5, 6)) | affine_grid(t3, (2, 3, 1, 5, 6), True) |
grid_sample(b, affine_grid(t2, b.shape)) | pixel_shuffle(p, 2) | pixel_shuffle(p[0], 2) |
pixel_shuffle(p[None], 1) | pixel_unshuffle(p, 2) | pixel_unshuffle(p[0], 2) |
channel_shuffle(p, 4) | channel_shuffle(p[0], 2) | channel_shuffle(c, 3)
"""
REFUSED = """
interpolate(b) | interpolate(b, 2, 3.0) | interpolate(b, (2,)) |
interpolate(b, scale_factor=(2,)) | interpolate(b, 0) | interpolate(b, scale_factor=0.1) |
interpolate(b, scale_factor=-1.0) | interpolate(b, 2, recompute_scale_factor=True) |
interpolate(b, 2, align_corners=True) | interpolate(b[:, :0], 2) | interpolate(b[:, :, :0], 2) |
interpolate(b, 2, antialias=True) | interpolate(a, 2, mode='linear', antialias=True) |
interpolate(b[0, 0], 2) | interpolate(b, 2.5) | interpolate(b, scale_factor='a') |
interpolate(b, 2, mode='area', align_corners=False) | interpolate(b, 2, mode='linear') |
interpolate(b, 2, mode='x') | interpolate(a, 2, mode='bilinear') |
interpolate(a, 2, mode='bicubic') | interpolate(c, 2, mode='bicubic') |
interpolate(b, [2, None]) | interpolate(b.long(), 2) | interpolate(b.long(), 2, mode='bilinear') |
pixel_shuffle(p, 3) | pixel_shuffle(p[0, 0], 2) | pixel_shuffle(p, 0) | pixel_shuffle(p, -2) |
pixel_shuffle(p, 2.0) | pixel_unshuffle(p, 3) | pixel_unshuffle(p, 0) | channel_shuffle(p, 3) |
channel_shuffle(p, 0) | channel_shuffle(p[0, 0], 2) |
grid_sample(b, g2.double() if b.dtype == m.float32 else g2.float()) | grid_sample(b, g2[:1]) |
grid_sample(b, g3) | grid_sample(b, g2[0]) | grid_sample(b[0], g2[0]) |
grid_sample(b, g2, mode='x') | grid_sample(b, g2, padding_mode='x') |
grid_sample(c, g3, mode='bicubic') | grid_sample(b[:, :, :0], g2) |
affine_grid(t2, (1, 2, 3, 4)) | affine_grid(t3, (2, 2, 3, 4)) |
affine_grid(t2.long(), (2, 2, 3, 4)) | affine_grid(t2, (2, 2, 3)) | affine_grid(t2, (2, 2, 0, 4))
"""
SHAPES = {
    "a": (2, 3, 6), "b": (2, 3, 5, 6), "c": (2, 3, 4, 5, 3), "g2": (2, 4, 3, 2),
    "g3": (2, 2, 3, 2, 3), "t2": (2, 2, 3), "t3": (2, 3, 4), "p": (2, 8, 4, 6),
}  # fmt: skip


@pytest.mark.parametrize("expression", [*repeat(RESIZED), *SAMPLED, *repeat(OTHERS)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_and_gradients(expression: str, dtype: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compare(expression, SHAPES, dtype)


@pytest.mark.parametrize("expression", repeat(REFUSED))
def test_errors(expression: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs, ours = outcomes(expression, SHAPES, "float32")
    assert isinstance(theirs, Exception)
    assert isinstance(ours, Exception)
    assert isinstance(ours, type(theirs)) or isinstance(theirs, NotImplementedError), ours


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_the_nearest_of_every_size(mode: str, dtype: str) -> None:
    """The rounding of places is PyTorch's, for all pairs of small sizes and some factors."""
    for size in range(1, 40):
        values = np.arange(size).reshape(1, 1, size).astype(dtype)
        kinds: list[dict[str, Any]] = [{"size": out} for out in range(1, 60, 3)]
        kinds += [{"scale_factor": f} for f in (0.3, 0.7, 1.1, 1.9, 2.0, 3.3) if int(size * f)]
        for kind in kinds:
            found = mg.nn.functional.interpolate(mg.from_numpy(values), mode=mode, **kind)
            wanted = torch.nn.functional.interpolate(torch.from_numpy(values), mode=mode, **kind)
            np.testing.assert_array_equal(found.numpy(), wanted.numpy(), str((size, kind)))


@pytest.mark.parametrize("name", ["upsample", "upsample_nearest", "upsample_bilinear"])
def test_old_names_warn(name: str) -> None:
    with pytest.warns(UserWarning, match="deprecated"):
        getattr(mg.nn.functional, name)(mg.ones(1, 1, 2, 2), 4)


def test_half_precision() -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 5, 6)).astype(np.float16)
    for mode in ("nearest", "bilinear", "bicubic", "area"):
        found = mg.nn.functional.interpolate(mg.from_numpy(x), 7, mode=mode)
        wanted = torch.nn.functional.interpolate(torch.from_numpy(x), 7, mode=mode)
        assert found.numpy().dtype == np.float16
        np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=2e-3, atol=2e-3)
