"""Every layer in training, forward and backward, done again from what was heard.

Once on what it saw, and once on other data: what depends on them without an operation that says so
would be as it was the first time.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from tests.capture.again import recorded, same_bits, tensors
from tools.surface_samples import ABSTRACT, LAYERS

#: No layers to be called.
CONTAINERS = {"Module", "ModuleDict", "ModuleList", "ParameterDict", "ParameterList"}
#: Where values of integers decide what is computed.
DECIDED = {"AdaptiveLogSoftmaxWithLoss", "CTCLoss", "MultiLabelMarginLoss"}
#: How they are made here, where that shows more, or warns of nothing.
MADE = {
    ("AdaptiveLogSoftmaxWithLoss", "8, 12, [4, 8]"): "8, 12, [4, 8], div_value=2.0",
    ("LogSoftmax", ""): "1", ("Softmax", ""): "1", ("Softmin", ""): "1",
    ("Upsample", ""): "scale_factor=3",
    ("TransformerEncoder", LAYERS["TransformerEncoder"][0]): (
        "nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), 2, nn.LayerNorm(4)"
    ),
    ("Transformer", LAYERS["Transformer"][0]): "4, 2, 1, 1, 8, batch_first=True",
}  # fmt: skip

Inputs = tuple[Any, ...]


def _indices(high: int, *shape: int) -> mg.Tensor:
    return mg.randint(0, high, shape)


def _signs(*shape: int) -> mg.Tensor:
    return _indices(2, *shape) * 2 - 1


def _pooled(n: int) -> Inputs:
    """What a maximum pooling gives, to be undone."""
    pool = getattr(nn.functional, f"max_pool{n}d")
    values, places = pool(mg.randn(1, 2, *(4,) * n), 2, return_indices=True)
    return values.detach(), places


def _first(text: str) -> int:
    """The number of channels that the arguments begin with."""
    return int(text.split(",")[0])


#: What a layer is called with, of its arguments; the others get one matrix.
INPUTS: dict[str, Callable[[str], Inputs]] = {
    "AdaptiveLogSoftmaxWithLoss": lambda _: (mg.randn(6, 8), _indices(12, 6)),
    "BCELoss": lambda _: (mg.rand(3, 4), mg.rand(3, 4)),
    "BCEWithLogitsLoss": lambda _: (mg.randn(3, 4), mg.rand(3, 4)),
    "Bilinear": lambda _: (mg.randn(5, 2), mg.randn(5, 3)),
    "CTCLoss": lambda _: (
        mg.randn(6, 2, 4), _indices(3, 2, 3) + 1, mg.tensor([6, 5]), mg.tensor([3, 2])
    ),
    "ChannelShuffle": lambda _: (mg.randn(1, 4, 2, 2),),
    "CosineEmbeddingLoss": lambda _: (mg.randn(3, 4), mg.randn(3, 4), _signs(3)),
    "CosineSimilarity": lambda _: (mg.randn(3, 4), mg.randn(3, 4)),
    "CrossEntropyLoss": lambda _: (mg.randn(5, 3), _indices(3, 5)),
    "DataParallel": lambda _: (mg.randn(5, 2),),
    "Dropout1d": lambda _: (mg.randn(2, 3, 4),),
    "Embedding": lambda _: (_indices(4, 2, 3),),
    "EmbeddingBag": lambda _: (_indices(4, 2, 3),),
    "FeatureAlphaDropout": lambda _: (mg.randn(2, 3, 2),),
    "Flatten": lambda _: (mg.randn(2, 3, 4),),
    "Fold": lambda _: (mg.randn(1, 8, 12),),
    "GRU": lambda _: (mg.randn(4, 3, 2),),
    "GRUCell": lambda _: (mg.randn(4, 2),),
    "GaussianNLLLoss": lambda _: (mg.randn(3, 4), mg.randn(3, 4), mg.rand(3, 4)),
    "GroupNorm": lambda _: (mg.randn(2, 4, 3),),
    "HingeEmbeddingLoss": lambda _: (mg.randn(3, 4), _signs(3, 4)),
    "LSTM": lambda _: (mg.randn(4, 3, 2),),
    "LSTMCell": lambda _: (mg.randn(4, 2),),
    "LayerNorm": lambda text: (mg.randn(2, 3) if "(" in text else mg.randn(2, 4),),
    "LinearCrossEntropyLoss": lambda _: (mg.randn(5, 4), _indices(3, 5)),
    "Linear": lambda _: (mg.randn(5, 2),),
    "LocalResponseNorm": lambda _: (mg.randn(1, 4, 3, 3),),
    "MarginRankingLoss": lambda _: (mg.randn(4), mg.randn(4), _signs(4)),
    "Maxout": lambda _: (mg.randn(5, 2),),
    "MultiLabelMarginLoss": lambda _: (
        mg.randn(2, 4), mg.tensor([[3, 0, -1, 1], [2, -1, 0, 1]])
    ),
    "MultiLabelSoftMarginLoss": lambda _: (mg.randn(3, 4), _indices(2, 3, 4)),
    "MultiMarginLoss": lambda _: (mg.randn(5, 3), _indices(3, 5)),
    "MultiheadAttention": lambda text: (
        mg.randn(3, 2, 4), mg.randn(5, 2, 3 if "kdim" in text else 4),
        mg.randn(5, 2, 5 if "vdim" in text else 4),
    ),
    "NLLLoss": lambda _: (mg.randn(5, 3), _indices(3, 5)),
    "NLLLoss2d": lambda _: (mg.randn(2, 4, 2, 3), _indices(4, 2, 2, 3)),
    "PixelShuffle": lambda _: (mg.randn(1, 8, 2, 3),),
    "PixelUnshuffle": lambda _: (mg.randn(1, 2, 4, 6),),
    "RNN": lambda _: (mg.randn(4, 3, 2),),
    "RNNCell": lambda _: (mg.randn(4, 2),),
    "Sequential": lambda _: (mg.randn(5, 2),),
    "SoftMarginLoss": lambda _: (mg.randn(3, 4), _signs(3, 4)),
    "Softmax2d": lambda _: (mg.randn(2, 3, 2, 2),),
    "SyncBatchNorm": lambda _: (mg.randn(4, 3),),
    "Transformer": lambda _: (mg.randn(2, 5, 4), mg.randn(2, 3, 4)),
    "TransformerDecoder": lambda _: (mg.randn(3, 2, 4), mg.randn(5, 2, 4)),
    "TransformerDecoderLayer": lambda _: (mg.randn(3, 2, 4), mg.randn(5, 2, 4)),
    "TransformerEncoder": lambda _: (mg.randn(3, 2, 4),),
    "TransformerEncoderLayer": lambda _: (mg.randn(3, 2, 4),),
    "TransposedLinear": lambda _: (mg.randn(5, 3),),
    "TripletMarginLoss": lambda _: (mg.randn(3, 4), mg.randn(3, 4), mg.randn(3, 4)),
    "TripletMarginWithDistanceLoss": lambda _: (mg.randn(3, 4), mg.randn(3, 4), mg.randn(3, 4)),
    "Unflatten": lambda _: (mg.randn(2, 6),),
    "Unfold": lambda _: (mg.randn(1, 2, 3, 4),),
    "Upsample": lambda _: (mg.randn(1, 2, 3, 3),),
    "UpsamplingBilinear2d": lambda _: (mg.randn(1, 2, 3, 3),),
    "UpsamplingNearest2d": lambda _: (mg.randn(1, 2, 3, 3),),
}  # fmt: skip
for _name in ("HuberLoss", "KLDivLoss", "L1Loss", "MSELoss", "PairwiseDistance", "PoissonNLLLoss",
              "SmoothL1Loss"):  # fmt: skip
    INPUTS[_name] = lambda _: (mg.randn(3, 4), mg.rand(3, 4))
for _n in (1, 2, 3):

    def _volumes(text: str, n: int = _n) -> Inputs:
        channels = _first(text) if text[:1].isdigit() else 3
        return (mg.randn(2, channels, *(6,) * n),)

    def _three(text: str, n: int = _n) -> Inputs:
        return (mg.randn(2, 3, *(6,) * n),)

    for _name in ("Conv{}d", "ConvTranspose{}d"):
        INPUTS[_name.format(_n)] = _volumes
    for _name in (
        "BatchNorm", "InstanceNorm", "LazyBatchNorm", "LazyInstanceNorm", "LazyConv",
        "LazyConvTranspose", "AdaptiveAvgPool", "AdaptiveMaxPool", "AvgPool", "MaxPool", "LPPool",
        "CircularPad", "ConstantPad", "ReflectionPad", "ReplicationPad", "ZeroPad",
    ):  # fmt: skip
        INPUTS[f"{_name}{_n}d"] = _three
    INPUTS[f"MaxUnpool{_n}d"] = lambda _, n=_n: _pooled(n)  # type: ignore[misc]  # mypy knows no default there
INPUTS["Dropout2d"] = INPUTS["BatchNorm2d"]
INPUTS["Dropout3d"] = INPUTS["BatchNorm3d"]

CASES = [
    (name, text) for name, texts in LAYERS.items() for text in texts
    if name not in CONTAINERS | ABSTRACT and (name, text) != ("Sequential", "")
]  # fmt: skip


def _case(name: str, text: str) -> tuple[Any, Inputs]:
    mg.manual_seed(5)
    layer = eval(f"nn.{name}({MADE.get((name, text), text)})", {"nn": nn, "mg": mg})
    inputs = INPUTS.get(name, lambda _: (mg.randn(3, 4),))(text)
    return layer, inputs


def _run(layer: Any, inputs: Inputs) -> Any:
    """Forward and backward; everything that comes out."""
    # a layer may write into what it gets, but not into leaves
    given = [x.clone() if x.dtype.is_floating_point else x for x in inputs]
    outputs = layer(*given)
    losses = [(y * y).sum() for y in tensors(outputs).values() if y.requires_grad]
    if losses:
        sum(losses[1:], losses[0]).backward()
    state = dict(layer.named_parameters()) | dict(layer.named_buffers())
    leaves = [*inputs, *layer.parameters()]
    return [outputs, state, [x.grad for x in leaves if x.grad is not None]]


def _asked(inputs: Inputs) -> Inputs:
    return tuple(x.requires_grad_() if x.dtype.is_floating_point else x for x in inputs)


def test_every_layer_is_here() -> None:
    layers = {n for n in vars(nn) if isinstance(c := getattr(nn, n), type)
              and issubclass(c, nn.Module)}  # fmt: skip
    assert layers <= set(LAYERS) | ABSTRACT


@pytest.mark.filterwarnings("ignore:`NLLLoss2d` has been deprecated")
@pytest.mark.parametrize(("name", "text"), CASES)
def test_training(name: str, text: str) -> None:
    layer, inputs = _case(name, text)
    if name.startswith("Lazy"):
        layer(*inputs)
    layer.train()
    _, others = _case(name, text)
    mg.manual_seed(7)
    twin = copy.deepcopy(layer)
    changed = {
        x: (o * 1.25 if x.dtype.is_floating_point else o.roll(1, 0)).array
        for x, o in zip(inputs, others, strict=True)
        if x.dtype.is_floating_point or (name not in DECIDED and "Unpool" not in name)
    }
    seen, found = recorded([layer, inputs], lambda: _run(layer, _asked(inputs)))
    assert bool(seen.reads) == (name in DECIDED)
    again = seen.replay()
    assert same_bits(again, found)

    mg.manual_seed(7)
    new = _asked(tuple(mg.tensor(changed[x]) if x in changed else x.detach() for x in inputs))
    expected = tensors(_run(twin, new))
    again = seen.replay(changed)
    for (key, t), e in zip(tensors(found).items(), expected.values(), strict=True):
        np.testing.assert_array_equal(again.value(t), e.array, err_msg=key)
