"""Convolutions against PyTorch: values, gradients of first and second order, modules, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

import minigrad as mg  # noqa: E402
from tests.torch.oracle import ERRORS, array  # noqa: E402

#: PyTorch remarks that it has to copy.
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even")
TOLERANCE = {"float32": 3e-4, "float64": 1e-9, "int64": 0.0}

#: Function, shape of the input, shape of the weight, other arguments.
CASES: list[tuple[str, tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ("conv1d", (2, 3, 7), (4, 3, 3), {}),
    ("conv1d", (3, 7), (4, 3, 3), {"padding": 1}),
    ("conv1d", (2, 4, 9), (6, 2, 3), {"stride": 2, "padding": 1, "dilation": 2, "groups": 2}),
    ("conv1d", (1, 1, 5000), (2, 1, 9), {"padding": "same"}),
    ("conv1d", (2, 3, 7), (4, 3, 4), {"padding": "same", "dilation": (3,)}),
    ("conv2d", (2, 3, 5, 6), (4, 3, 3, 3), {}),
    ("conv2d", (3, 5, 6), (4, 3, 3, 3), {"padding": 1}),
    ("conv2d", (2, 3, 5, 6), (4, 3, 1, 1), {}),
    ("conv2d", (2, 3, 5, 6), (4, 3, 1, 1), {"stride": 2}),
    ("conv2d", (2, 3, 10, 11), (4, 3, 1, 1), {"padding": 1}),
    ("conv2d", (1, 8, 12, 12), (5, 8, 1, 1), {}),
    ("conv2d", (2, 3, 5, 6), (4, 3, 5, 6), {}),
    ("conv2d", (2, 3, 8, 9), (4, 3, 3, 2), {"stride": (2, 3), "padding": [1, 0]}),
    ("conv2d", (2, 4, 8, 9), (6, 2, 3, 3), {"groups": 2, "dilation": (2, 1), "padding": (2, 3)}),
    ("conv2d", (2, 6, 7, 7), (6, 1, 3, 3), {"groups": 6, "padding": 1}),
    ("conv2d", (2, 3, 7, 7), (6, 1, 3, 3), {"groups": 3, "stride": 2}),
    ("conv2d", (2, 3, 5, 6), (4, 3, 2, 4), {"padding": "same"}),
    ("conv2d", (3, 5, 6), (4, 3, 4, 3), {"padding": "same", "dilation": (1, 2)}),
    ("conv2d", (2, 3, 5, 6), (4, 3, 3, 3), {"padding": "valid", "stride": 2}),
    ("conv2d", (1, 16, 16, 16), (24, 16, 3, 3), {"padding": 1}),
    ("conv2d", (5, 8, 4, 4), (8, 8, 3, 3), {"padding": 1}),
    ("conv2d", (40, 2, 3, 3), (3, 2, 3, 3), {}),
    ("conv2d", (1, 2, 40, 45), (3, 2, 7, 7), {"stride": 2, "padding": 3}),
    ("conv2d", (2, 2, 1, 9), (3, 2, 3, 3), {"padding": 2}),
    ("conv2d", (2, 2, 6, 6), (3, 2, 2, 2), {"stride": 5}),
    ("conv2d", (2, 2, 3, 3), (3, 2, 2, 2), {"padding": 4, "stride": 3}),
    ("conv2d", (0, 3, 5, 6), (4, 3, 3, 3), {}),
    ("conv3d", (2, 3, 4, 5, 3), (4, 3, 2, 3, 2), {}),
    ("conv3d", (2, 4, 5, 4), (2, 2, 3, 2, 2), {"stride": (2, 1, 2), "padding": 1}),
    ("conv3d", (1, 4, 4, 5, 6), (4, 2, 3, 3, 3), {"groups": 2, "padding": "same"}),
    ("conv3d", (1, 2, 6, 5, 7), (3, 2, 2, 2, 2), {"dilation": (2, 1, 3), "padding": (1, 0, 1)}),
    ("conv_transpose1d", (2, 3, 5), (3, 4, 3), {}),
    ("conv_transpose1d", (3, 5), (3, 2, 4), {"stride": 3, "padding": 2, "output_padding": 2}),
    ("conv_transpose2d", (2, 3, 4, 5), (3, 4, 3, 3), {}),
    ("conv_transpose2d", (3, 4, 5), (3, 4, 3, 3), {"stride": 2, "padding": 1}),
    ("conv_transpose2d", (2, 4, 4, 5), (4, 3, 3, 2), {"stride": (2, 3), "output_padding": (1, 2)}),
    ("conv_transpose2d", (2, 4, 4, 5), (4, 3, 3, 3), {"groups": 2, "dilation": 2, "padding": 2}),
    ("conv_transpose2d", (2, 3, 5, 5), (3, 2, 1, 1), {}),
    ("conv_transpose2d", (1, 3, 9, 9), (3, 2, 1, 1), {}),
    ("conv_transpose2d", (2, 3, 1, 1), (3, 2, 4, 4), {}),
    ("conv_transpose2d", (9, 4, 3, 3), (4, 4, 4, 4), {"stride": 2, "padding": 1}),
    ("conv_transpose2d", (2, 4, 3, 3), (4, 1, 3, 3), {"groups": 4, "stride": 2}),
    ("conv_transpose3d", (2, 3, 2, 3, 4), (3, 2, 2, 3, 2), {"stride": 2, "padding": (0, 1, 0)}),
    ("conv_transpose3d", (4, 2, 3, 2), (4, 2, 2, 2, 2), {"groups": 2, "stride": 3}),
]  # fmt: skip


def _channels(name: str, w: tuple[int, ...], kwargs: dict[str, Any]) -> int:
    return w[1] * kwargs.get("groups", 1) if "transpose" in name else w[0]


def _tensors(module: Any, arrays: list[np.ndarray[Any, Any]], dtype: str) -> list[Any]:
    made = [module.tensor(a.astype(dtype)) for a in arrays]
    return made if dtype == "int64" else [t.requires_grad_() for t in made]


def _results(module: Any, name: str, arrays: Any, kwargs: dict[str, Any], dtype: str) -> list[Any]:
    """The value, and all gradients up to the second order."""
    leaves = _tensors(module, arrays, dtype)
    y = getattr(module.nn.functional, name)(*leaves, **kwargs)
    results = [y]
    if dtype != "int64":
        rng = np.random.default_rng(1)
        flow = module.tensor(rng.normal(size=tuple(y.shape)).astype(dtype)).requires_grad_()
        first = module.autograd.grad(y, leaves, flow, create_graph=True)
        total = sum((g * g * (1 + i)).sum() for i, g in enumerate(first))
        results += [*first, *module.autograd.grad(total, [*leaves[:2], flow], allow_unused=True)]
    return results


def _compare(name: str, x: Any, w: Any, kwargs: dict[str, Any], dtype: str, bias: bool) -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=s) for s in (x, w, (_channels(name, w, kwargs),))]
    if dtype == "int64":
        arrays = [(a * 5).round() for a in arrays]
    if not bias:
        arrays.pop()
    theirs = _results(torch, name, arrays, kwargs, dtype)
    ours = _results(mg, name, arrays, kwargs, dtype)
    for a, b in zip(ours, theirs, strict=True):
        if b is None:
            assert a is None or not array(a).any()
            continue
        p, q = array(a), array(b)
        assert p.dtype == q.dtype
        assert p.shape == q.shape
        scale = max(1.0, float(np.abs(q).max(initial=0)))
        np.testing.assert_allclose(p, q, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] * scale)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
@pytest.mark.parametrize(("name", "x", "w", "kwargs"), CASES)
def test_values_and_gradients(name: str, x: Any, w: Any, kwargs: Any, dtype: str) -> None:
    _compare(name, x, w, kwargs, dtype, bias=sum(x) % 2 == 0)
    if dtype == "float64":
        _compare(name, x, w, kwargs, dtype, bias=sum(x) % 2 == 1)


@st.composite
def convolutions(draw: Any) -> tuple[str, tuple[int, ...], tuple[int, ...], dict[str, Any]]:
    """Any geometry in which the kernel fits."""
    n = draw(st.integers(1, 3))
    transposed = draw(st.booleans())
    groups, c, o = (draw(st.integers(1, 3)) for _ in range(3))

    def numbers(low: int, high: int) -> tuple[int, ...]:
        return tuple(draw(st.integers(low, high)) for _ in range(n))

    kernel, stride, dilation, padding = numbers(1, 3), numbers(1, 3), numbers(1, 2), numbers(0, 2)
    more = numbers(0, 5)
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel)]
    kwargs: dict[str, Any] = {
        "stride": stride, "padding": padding, "dilation": dilation, "groups": groups,
    }  # fmt: skip
    batch = (draw(st.integers(1, 3)), c * groups)
    if transposed:
        sizes = tuple(1 + m + 2 * p for m, p in zip(more, padding))
        kwargs["output_padding"] = tuple(draw(st.integers(0, s - 1)) for s in stride)
        return f"conv_transpose{n}d", (*batch, *sizes), (c * groups, o, *kernel), kwargs
    sizes = tuple(max(1, r - 2 * p) + m for r, p, m in zip(reach, padding, more))
    return f"conv{n}d", (*batch, *sizes), (o * groups, c, *kernel), kwargs


@settings(max_examples=80, deadline=None, derandomize=True)
@given(convolutions(), st.booleans())
def test_any_geometry(case: Any, bias: bool) -> None:
    name, x, w, kwargs = case
    _compare(name, x, w, kwargs, "float64", bias)


def test_output_padding_beyond_a_stride() -> None:
    """Where the dilation allows it; PyTorch has the value, but no gradient of it."""
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=s) for s in ((2, 3, 4, 5), (3, 2, 3, 3), (2,))]
    kwargs = {"dilation": 3, "output_padding": (2, 1), "stride": (1, 2), "padding": 1}
    ours, theirs = (
        m.conv_transpose2d(*[m.tensor(a) for a in arrays], **kwargs) for m in (mg, torch)
    )
    np.testing.assert_allclose(array(ours), array(theirs), rtol=1e-10)
    leaves = [mg.tensor(a, requires_grad=True) for a in arrays]
    assert mg.autograd.gradcheck(lambda *t: mg.conv_transpose2d(*t, **kwargs), leaves)


@pytest.mark.parametrize("expression", [
    "conv2d(x[..., 1:], w)", "conv2d(x.transpose(2, 3), w)", "conv2d(x, w.transpose(0, 1)[:, :3])",
    "conv2d(x, w, c[::2])", "conv_transpose2d(x.flip(0), w.transpose(0, 1))",
    "conv1d(x[0, :, :3], w[:, :, 0])",
])  # fmt: skip
def test_any_layout(expression: str) -> None:
    results = []
    for module in (torch, mg):
        rng = np.random.default_rng(0)
        names = {
            "x": module.tensor(rng.normal(size=(3, 3, 6, 6))),
            "w": module.tensor(rng.normal(size=(3, 3, 3, 3))),
            "c": module.tensor(rng.normal(size=6)),
        }
        leaves = [t.requires_grad_() for t in names.values()]
        y = eval(f"f.{expression}", {"f": module.nn.functional, **names})
        results.append([y, *module.autograd.grad((y * y).sum(), leaves, allow_unused=True)])
    for a, b in zip(*results, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_allclose(array(a), array(b), rtol=1e-9, atol=1e-9)


# -- windows -------------------------------------------------------------------------------------

WINDOWS = [
    "unfold(x, 3)", "unfold(x[0], (2, 3))", "unfold(x, (3, 2), 2, (1, 0), (1, 2))",
    "unfold(x, 2, stride=2)", "unfold(x, (5, 6))", "unfold(x[:0], 3)", "unfold(x, 1)",
    "fold(c, (5, 6), 3)", "fold(c[0], (5, 6), 3)", "fold(c, [14, 3], (3, 3), padding=(0, 0))",
    "fold(c, (2, 4), 3, padding=(1, 2), stride=(1, 1))", "fold(c[:, :, :2], (3, 6), 3, stride=3)",
    "fold(unfold(x, 3, 1, 1, 2), (5, 6), 3, 1, 1, 2)",
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("expression", WINDOWS)
def test_windows(expression: str, dtype: str) -> None:
    results = []
    for module in (torch, mg):
        rng = np.random.default_rng(0)
        names = {
            k: module.tensor(rng.normal(size=s).astype(dtype)).requires_grad_()
            for k, s in {"x": (2, 3, 5, 6), "c": (2, 27, 12)}.items()
        }
        f = module.nn.functional
        y = eval(expression, {"fold": f.fold, "unfold": f.unfold, **names})
        flow = module.tensor(rng.normal(size=tuple(y.shape)).astype(dtype)).requires_grad_()
        leaf = [names["x" if "x" in expression else "c"]]
        first = module.autograd.grad(y, leaf, flow, create_graph=True)
        second = module.autograd.grad((first[0] ** 2).sum(), [flow])
        results.append([y, *first, *second])
    for a, b in zip(*results, strict=True):
        assert a.shape == tuple(b.shape)
        np.testing.assert_allclose(array(a), array(b), rtol=1e-5, atol=1e-5)


# -- errors --------------------------------------------------------------------------------------

#: What is refused, and words that both messages have.
REFUSED = [
    ("conv2d(x, ones(4, 2, 3, 3))", "expected input[2, 3, 5, 6] to have 2 channels, but got 3"),
    ("conv2d(x[0], ones(4, 2, 3, 3))", "expected input[1, 3, 5, 6] to have 2 channels"),
    ("conv2d(x, ones(4, 3, 6, 3))", "Kernel size: (6 x 3). Kernel size can't be greater than"),
    ("conv2d(x, w, dilation=3)", "input size per channel: (5 x 6). Kernel size: (7 x 7)"),
    ("conv2d(x, w[0])", "expected"),
    ("conv2d(x[0, 0], w)", "Expected 3D (unbatched) or 4D (batched) input to conv2d, but got"),
    ("conv2d(x[None], w)", "Expected 3D (unbatched) or 4D (batched) input to conv2d, but got"),
    ("conv2d(x, w, ones(5))", "expected bias to be 1-dimensional with 4 elements, but got bias"),
    ("conv2d(x, w, ones(4, 1))", "but got bias of size [4, 1] instead"),
    ("conv2d(x, w, stride=0)", "non-positive stride is not supported"),
    ("conv2d(x, w, stride=(1, -1))", "non-positive stride is not supported"),
    ("conv2d(x, w, padding=-1)", "negative padding is not supported"),
    ("conv2d(x, w, dilation=0)", "non-positive dilation is not supported"),
    ("conv2d(x, w, groups=0)", "non-positive groups is not supported"),
    ("conv2d(x, w, groups=2)", "to have 6 channels, but got 3 channels"),
    ("conv2d(x, w, groups=3)", "expected weight to be divisible by 3 at dimension 0"),
    ("conv2d(x, w, groups=5)", "expected weight to be at least 5 at dimension 0"),
    ("conv2d(x, w[:0])", "expected weight to be at least 1 at dimension 0"),
    ("conv2d(x, w, padding='same', stride=2)", "not supported for strided convolutions"),
    ("conv2d(x, w, padding='foo')", "Invalid padding string: 'foo'"),
    ("conv2d(x, w, stride=(1, 2, 3))", "expected stride to be a single integer value or a list of"),
    ("conv2d(x, w, stride=())", "expected stride to be a single integer value or a list of 2"),
    ("conv2d(x, w, stride=1.5)", ""),
    ("conv2d(x, w, stride=True)", ""),
    ("conv2d(x.double(), w)", ""),
    ("conv2d(x, w, ones(4).double())", "should be the same"),
    ("conv2d(x.bool(), w.bool())", "not implemented for 'Bool'"),
    ("conv2d(1, w)", ""),
    ("conv2d(x, 1)", ""),
    ("conv2d(x, w, 1)", ""),
    ("conv2d(ones(2, 3, 0, 5), w)", "Calculated padded input size per channel: (0 x 5)"),
    ("conv2d(ones(2, 3, 0, 5), w, padding=2)", "Only zero batch or zero channel inputs are"),
    ("conv2d(x, ones(4, 3, 0, 3))", ""),
    ("conv1d(x, w[0])", "Expected 2D (unbatched) or 3D (batched) input to conv1d"),
    ("conv3d(x, w)", ""),
    ("conv_transpose2d(x, w)", "expected input[2, 3, 5, 6] to have 4 channels, but got 3"),
    ("conv_transpose2d(x, v, ones(3))", "expected bias to be 1-dimensional with 4 elements"),
    ("conv_transpose2d(x, v, output_padding=1)", "output padding must be smaller than either"),
    ("conv_transpose2d(x, v, output_padding=-1)", "negative output_padding is not supported"),
    ("conv_transpose2d(x, v, padding=5)", ""),
    ("conv_transpose2d(x, v, padding='same')", ""),
    ("conv_transpose2d(x, v, stride=0)", "non-positive stride is not supported"),
    ("conv_transpose2d(x, v, groups=2)", "expected weight to be divisible by 2 at dimension 0"),
    ("conv_transpose2d(ones(2, 3, 0, 4), v)", "Only zero batch or zero channel inputs are"),
    ("conv_transpose2d(x.double(), v)", ""),
    ("conv_transpose2d(x, v[0])", ""),
    ("unfold(x, 7)", "calculated shape of the array of sliding blocks as (-1, 0)"),
    ("unfold(x, 0)", "should be greater than zero"),
    ("unfold(x, 3, padding=-1)", "padding should be non-negative"),
    ("unfold(x, 3, stride=0)", "stride should be greater than zero"),
    ("unfold(x, 3, dilation=0)", "dilation should be greater than zero"),
    ("unfold(x, (1, 2, 3))", "It is expected kernel_size equals to 2, but got size 3"),
    ("unfold(x[:, :0], 3)", "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size"),
    ("unfold(x[None], 3)", "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size"),
    ("fold(ones(2, 27, 12), 5, 3)", "match the calculated number of sliding blocks 3 * 3 = 9"),
    ("fold(ones(2, 26, 12), (5, 6), 3)", "to be divisible by the product of kernel_size"),
    ("fold(ones(2, 27, 12, 1), (5, 6), 3)", "Expected 2D or 3D (batch mode) tensor"),
    ("fold(ones(2, 27, 12), (2, 6), 3)", "sliding blocks 0 * 4 = 0"),
    ("fold(ones(2, 27, 12), (5, 6), 3, padding=-1)", "padding should be non-negative"),
]


def _refusal(module: Any, expression: str) -> Exception:
    f, ones = module.nn.functional, module.ones
    names = {"x": ones(2, 3, 5, 6), "w": ones(4, 3, 3, 3), "v": ones(3, 4, 3, 3), "ones": ones}
    with pytest.raises(ERRORS) as info:
        eval(f"f.{expression}", {"f": f, **names})
    return info.value


@pytest.mark.parametrize(("expression", "words"), REFUSED)
def test_errors(expression: str, words: str) -> None:
    theirs, ours = _refusal(torch, expression), _refusal(mg, expression)
    assert words in str(theirs)
    assert words in str(ours)
    assert isinstance(ours, type(theirs)) or isinstance(theirs, RuntimeError), ours


# -- modules -------------------------------------------------------------------------------------

MODULES = [
    ("nn.Conv1d(4, 6, 3)", (2, 4, 7)),
    ("nn.Conv1d(4, 6, 3, 2, 1, 2, 2, False)", (2, 4, 9)),
    ("nn.Conv1d(4, 6, (4,), padding='same', padding_mode='circular')", (2, 4, 9)),
    ("nn.Conv2d(3, 4, 3)", (2, 3, 6, 5)),
    ("nn.Conv2d(3, 4, 3, padding=1)", (3, 6, 5)),
    ("nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0), groups=2, bias=False)", (2, 4, 6, 5)),
    ("nn.Conv2d(3, 4, 3, padding='same', dilation=2)", (2, 3, 6, 5)),
    ("nn.Conv2d(3, 4, 3, padding='valid')", (2, 3, 6, 5)),
    ("nn.Conv2d(3, 4, (3, 4), padding=(1, 2), padding_mode='reflect')", (2, 3, 6, 5)),
    ("nn.Conv2d(3, 4, 4, padding='same', padding_mode='replicate')", (2, 3, 6, 5)),
    ("nn.Conv2d(3, 4, 3, padding=2, padding_mode='circular', stride=2)", (2, 3, 6, 5)),
    ("nn.Conv2d(3, 4, 3, padding='valid', padding_mode='circular')", (2, 3, 6, 5)),
    ("nn.Conv3d(2, 4, 2)", (2, 2, 3, 4, 3)),
    ("nn.Conv3d(2, 4, (1, 2, 3), padding=1, groups=2, padding_mode='replicate')", (2, 2, 3, 4, 3)),
    ("nn.ConvTranspose1d(4, 6, 3)", (2, 4, 7)),
    ("nn.ConvTranspose2d(4, 6, 3, 2, 1, 1, 2, False, 2)", (2, 4, 5, 4)),
    ("nn.ConvTranspose2d(4, 6, 3, stride=2, output_padding=1)", (4, 5, 4)),
    ("nn.ConvTranspose3d(2, 3, 2, stride=2)", (2, 2, 2, 3, 2)),
    ("nn.Unfold(3, padding=1)", (2, 3, 6, 5)),
    ("nn.Unfold((2, 3), stride=(2, 1))", (2, 3, 6, 5)),
    ("nn.Fold((4, 5), (2, 2), dilation=(1, 1))", (2, 12, 12)),
    (
        "nn.Sequential(nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.Conv2d(6, 4, 3, stride=2), "
        "nn.Flatten(), nn.Linear(36, 3))",
        (2, 1, 8, 8),
    ),
]


@pytest.mark.parametrize(("expression", "shape"), MODULES)
def test_modules(expression: str, shape: tuple[int, ...]) -> None:
    theirs, ours = (eval(expression, {"nn": m.nn}).double() for m in (torch, mg))
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict({k: mg.tensor(array(v)) for k, v in theirs.state_dict().items()})
    theirs.load_state_dict({k: torch.tensor(array(v)) for k, v in ours.state_dict().items()})
    rng = np.random.default_rng(0)
    x = rng.normal(size=shape)
    results = []
    for module, net in ((mg, ours), (torch, theirs)):
        t = module.tensor(x).requires_grad_()
        y = net(t)
        (y * y).sum().backward()
        results.append([y, t.grad, *[p.grad for p in net.parameters()]])
    for a, b in zip(*results, strict=True):
        assert tuple(a.shape) == tuple(b.shape)
        np.testing.assert_allclose(array(a), array(b), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("size", [(9, 7), (10, 8), (2, 6, 10, 7)])
def test_transposed_convolution_to_a_size(size: Any) -> None:
    expression = "nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1)"
    theirs, ours = (eval(expression, {"nn": m.nn}) for m in (torch, mg))
    ours.load_state_dict({k: mg.tensor(array(v)) for k, v in theirs.state_dict().items()})
    x = np.random.default_rng(0).normal(size=(2, 4, 5, 4)).astype("float32")
    a, b = ours(mg.tensor(x), size), theirs(torch.tensor(x), size)
    assert tuple(a.shape) == tuple(b.shape)
    np.testing.assert_allclose(array(a), array(b), rtol=1e-5, atol=1e-5)
    for wrong in [(11, 7), (9,), (8, 7)]:
        for net, t in ((ours, mg.tensor(x)), (theirs, torch.tensor(x))):
            with pytest.raises(ValueError, match=r"output_size must have|valid sizes range from"):
                net(t, wrong)


REFUSED_MODULES = [
    "Conv2d(3, 4, 3, groups=2)", "Conv2d(4, 3, 3, groups=2)", "Conv2d(4, 4, 3, groups=0)",
    "Conv2d(4, 4, 3, padding='x')", "Conv2d(4, 4, 3, padding='same', stride=2)",
    "Conv2d(4, 4, 3, padding_mode='x')", "ConvTranspose2d(4, 4, 3, padding_mode='reflect')",
]  # fmt: skip


@pytest.mark.parametrize("expression", REFUSED_MODULES)
def test_modules_refuse(expression: str) -> None:
    for module in (torch, mg):
        with pytest.raises(ValueError):
            eval(f"nn.{expression}", {"nn": module.nn})


@pytest.mark.parametrize("expression", [
    "Conv1d(40, 80, 5)", "Conv2d(16, 64, 3, groups=4)", "Conv3d(8, 32, 3)",
    "ConvTranspose2d(32, 16, 4, groups=2)",
])  # fmt: skip
def test_parameters_start_in_the_same_range(expression: str) -> None:
    """The bounds of the uniform draw, seen in the extremes of 200 layers: a bias has 16 values."""
    drawn: dict[Any, dict[str, list[Any]]] = {torch: {}, mg: {}}
    for m, found in drawn.items():
        m.manual_seed(0)
        for _ in range(200 if "3d" not in expression else 20):
            for name, p in eval(f"nn.{expression}", {"nn": m.nn}).named_parameters():
                found.setdefault(name, []).append(array(p))
    assert list(drawn[mg]) == list(drawn[torch])
    for name, ours in drawn[mg].items():
        p, q = np.stack(ours), np.stack(drawn[torch][name])
        assert (p.dtype, p.shape) == (q.dtype, q.shape)
        assert abs(p.std() / q.std() - 1) < 0.1, name
        assert abs(np.abs(p).max() / np.abs(q).max() - 1) < 0.02, name
