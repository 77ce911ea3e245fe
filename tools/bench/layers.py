"""Products, indexing, convolutions, pooling, attention: the parts that networks are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench.cases import CASES, Case, case, forward, forward_backward

# -- products ------------------------------------------------------------------------------------


def _product(*shapes: tuple[int, ...]) -> Case:
    def make(lib: Any) -> Any:
        lib.manual_seed(0)
        a, b = (lib.randn(*shape) for shape in shapes)
        return lambda: a @ b

    return make


for _n in (8, 32, 64, 128, 256, 512, 1024):
    CASES[f"matmul: {_n}x{_n}"] = _product((_n, _n), (_n, _n))
CASES["matmul: 128x784 by 784x512"] = _product((128, 784), (784, 512))
CASES["matmul: 2048x256 by 256x1024"] = _product((2048, 256), (256, 1024))
CASES["matmul: 48 of 64x32 by 32x64"] = _product((48, 64, 32), (48, 32, 64))
CASES["matmul: 48 of 256x64 by 64x256"] = _product((48, 256, 64), (48, 64, 256))


@case("matmul: linear 128x784 to 512, forward and backward")
def _linear(lib: Any) -> Any:
    lib.manual_seed(0)
    layer = lib.nn.Linear(784, 512)
    x, g = lib.randn(128, 784, requires_grad=True), lib.randn(128, 512)

    def run() -> None:
        x.grad = None
        layer.zero_grad()
        layer(x).backward(g)

    return run


# -- indexing ------------------------------------------------------------------------------------


def _indexed(size: int, function: Callable[[Any, Any, Any], Any], backward: bool) -> Case:
    """``function(lib, x, i)`` of a table of 64 columns and as many random rows as it has."""

    def make(lib: Any) -> Any:
        lib.manual_seed(0)
        x = lib.randn(size, 64, requires_grad=backward)
        i = lib.randint(0, size, (size,))
        if not backward:
            return lambda: function(lib, x, i)
        g = lib.randn(*function(lib, x, i).shape)

        def run() -> None:
            x.grad = None
            function(lib, x, i).backward(g)

        return run

    return make


_INDEXING: dict[str, Callable[[Any, Any, Any], Any]] = {
    "x[i]": lambda lib, x, i: x[i],
    "x[x > 0]": lambda lib, x, i: x[x > 0],
    "x[:, ::2]": lambda lib, x, i: x[:, ::2],
    "index_select": lambda lib, x, i: lib.index_select(x, 0, i),
    "gather": lambda lib, x, i: lib.gather(x, 0, i[:, None].expand(-1, 64)),
    "embedding": lambda lib, x, i: lib.nn.functional.embedding(i, x),
    "where": lambda lib, x, i: lib.where(x > 0, x, -x),
    "cat": lambda lib, x, i: lib.cat([x, x], 1),
    "index_add": lambda lib, x, i: lib.zeros(len(x), 64).index_add(0, i, x),
}
for _rows in (100, 10_000):
    for _name, _function in _INDEXING.items():
        CASES[f"index: {_rows:,}x64, {_name}"] = _indexed(_rows, _function, False)
        CASES[f"index: {_rows:,}x64, {_name}, forward and backward"] = _indexed(
            _rows, _function, True
        )
for _name, _sorting in {
    "sort": lambda lib, x: lib.sort(x, 1),
    "topk 8": lambda lib, x: lib.topk(x, 8, 1),
    "cumsum": lambda lib, x: lib.cumsum(x, 1),
    "argmax": lambda lib, x: lib.argmax(x, 1),
}.items():
    CASES[f"index: 1000x1000, {_name}"] = forward((1000, 1000), _sorting)


# -- convolution ---------------------------------------------------------------------------------

#: Batch, channels in and out, height and width, kernel, stride, padding: layers of LeNet, of the
#: usual MNIST network, of ResNets on CIFAR, and the first of a ResNet on ImageNet.
CONVOLUTIONS = {
    "LeNet 1": (64, 1, 6, 28, 5, 1, 2),
    "LeNet 2": (64, 6, 16, 14, 5, 1, 0),
    "MNIST 1": (64, 1, 32, 28, 3, 1, 0),
    "MNIST 2": (32, 32, 64, 26, 3, 1, 0),
    "ResNet 16": (32, 16, 16, 32, 3, 1, 1),
    "ResNet 32": (32, 32, 32, 16, 3, 1, 1),
    "ResNet 64": (32, 64, 64, 8, 3, 1, 1),
    "64 at 16x16": (32, 64, 64, 16, 3, 1, 1),
    "down to 128": (32, 64, 128, 16, 3, 2, 1),
    "1x1": (32, 64, 128, 16, 1, 1, 0),
    "ImageNet 1": (4, 3, 64, 224, 7, 2, 3),
}


def _convolution(name: str, wanted: str) -> Case:
    """One pass alone: gradients are asked for the image or the weight only."""
    n, c, o, size, k, stride, padding = CONVOLUTIONS[name]

    def make(lib: Any) -> Any:
        lib.manual_seed(0)
        x = lib.randn(n, c, size, size, requires_grad=wanted == "x")
        w = lib.randn(o, c, k, k, requires_grad=wanted == "w")
        convolve = lib.nn.functional.conv2d
        if not wanted:
            return lambda: convolve(x, w, None, stride, padding)
        y = convolve(x, w, None, stride, padding)
        g = lib.randn(*y.shape)
        leaf = x if wanted == "x" else w

        def run() -> None:
            leaf.grad = None
            y.backward(g, retain_graph=True)

        return run

    return make


for _name in CONVOLUTIONS:
    CASES[f"conv: {_name}, forward"] = _convolution(_name, "")
    if CONVOLUTIONS[_name][1] > 3:  # first layers pass no gradient to the image
        CASES[f"conv: {_name}, backward to the image"] = _convolution(_name, "x")
    CASES[f"conv: {_name}, backward to the weight"] = _convolution(_name, "w")


@case("conv: depthwise 3x3 of 64 channels at 32x32, forward and backward")
def _depthwise(lib: Any) -> Any:
    lib.manual_seed(0)
    w = lib.randn(64, 1, 3, 3, requires_grad=True)
    return forward_backward(
        (16, 64, 32, 32),
        lambda lib, x: lib.nn.functional.conv2d(x, w, padding=1, groups=64),
    )(lib)


@case("conv: transposed 4x4 stride 2, 64 to 32 at 8x8, forward and backward")
def _transposed(lib: Any) -> Any:
    lib.manual_seed(0)
    w = lib.randn(64, 32, 4, 4, requires_grad=True)
    return forward_backward(
        (32, 64, 8, 8),
        lambda lib, x: lib.nn.functional.conv_transpose2d(x, w, stride=2, padding=1),
    )(lib)


@case("conv: conv1d 64 to 64, kernel 5, length 256, forward and backward")
def _one_dimension(lib: Any) -> Any:
    lib.manual_seed(0)
    w = lib.randn(64, 64, 5, requires_grad=True)
    return forward_backward(
        (16, 64, 256), lambda lib, x: lib.nn.functional.conv1d(x, w, padding=2)
    )(lib)


# -- pooling and resizing ------------------------------------------------------------------------

for _name, _function in {
    "max 2x2": lambda lib, x: lib.nn.functional.max_pool2d(x, 2),
    "max 3x3 stride 2": lambda lib, x: lib.nn.functional.max_pool2d(x, 3, 2, 1),
    "average 2x2": lambda lib, x: lib.nn.functional.avg_pool2d(x, 2),
    "average of all": lambda lib, x: lib.nn.functional.adaptive_avg_pool2d(x, 1),
    "pad 1": lambda lib, x: lib.nn.functional.pad(x, (1, 1, 1, 1)),
    "pad 1, reflect": lambda lib, x: lib.nn.functional.pad(x, (1, 1, 1, 1), mode="reflect"),
    "nearest, twice": lambda lib, x: lib.nn.functional.interpolate(x, scale_factor=2),
    "bilinear, twice": lambda lib, x: lib.nn.functional.interpolate(
        x, scale_factor=2, mode="bilinear"
    ),
    "unfold 3x3": lambda lib, x: lib.nn.functional.unfold(x, 3, padding=1),
}.items():
    CASES[f"pool: 32x32x32x32, {_name}"] = forward((32, 32, 32, 32), _function)
    CASES[f"pool: 32x32x32x32, {_name}, forward and backward"] = forward_backward(
        (32, 32, 32, 32), _function
    )


@case("pool: 32x32x32x32, BatchNorm2d and ReLU, forward and backward")
def _batch_norm(lib: Any) -> Any:
    layer = lib.nn.BatchNorm2d(32)
    return forward_backward((32, 32, 32, 32), lambda lib, x: lib.relu(layer(x)))(lib)


# -- attention -----------------------------------------------------------------------------------


def _attention(shape: tuple[int, ...], causal: bool, backward: bool) -> Case:
    def make(lib: Any) -> Any:
        lib.manual_seed(0)
        q, k, v = (lib.randn(*shape, requires_grad=backward) for _ in range(3))
        g = lib.randn(*shape)
        attend = lib.nn.functional.scaled_dot_product_attention

        def run() -> None:
            y = attend(q, k, v, is_causal=causal)
            if backward:
                q.grad = k.grad = v.grad = None
                y.backward(g)

        return run

    return make


for _shape in ((8, 4, 64, 32), (8, 6, 256, 64), (4, 8, 512, 64)):
    for _causal in (False, True):
        _name = "x".join(map(str, _shape)) + (", causal" if _causal else "")
        CASES[f"attention: {_name}"] = _attention(_shape, _causal, False)
        CASES[f"attention: {_name}, forward and backward"] = _attention(_shape, _causal, True)
