"""Every module of PyTorch against its twin here, over PyTorch's own samples (`module_db`).

Both are made with the same arguments and get the same state; compared are the text, the state, the
results in training and evaluation, all gradients, copies, and what a strict `load_state_dict` takes
from the other side. `MODULE_DB_SAMPLES=0` runs all samples instead of the few that have most of the
arguments between them.
"""

from __future__ import annotations

import copy
import os
import pickle
import warnings
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("expecttest")  # which PyTorch's own tests need

from torch.testing._internal.common_modules import ModuleErrorEnum, module_db  # noqa: E402

import minigrad as mg  # noqa: E402
from tests.torch.twins import Twins, array  # noqa: E402

#: How many samples of a module to take at most, as different ones as there are; 0 for all.
SAMPLES = int(os.environ.get("MODULE_DB_SAMPLES", 8))

#: Modules of ``torch.nn`` that minigrad does not have, and why.
ABSENT = {
    "Container": "deprecated",
    "CrossMapLRN2d": "of Caffe2's days: LocalResponseNorm computes the same",
    "FractionalMaxPool2d": "random windows, not among the operations",
    "FractionalMaxPool3d": "random windows, not among the operations",
}

#: Modules that only hold others; tests/nn/test_containers.py, test_nn_modules.py and
#: tests/test_stand_ins.py have them.
CONTAINERS = {
    "DataParallel", "Module", "ModuleDict", "ModuleList", "ParameterDict", "ParameterList",
    "Sequential",
}  # fmt: skip
#: Not to be made by themselves.
ABSTRACT = {"RNNBase", "RNNCellBase"}

#: Modules that `module_db` has not: arguments, and shapes of inputs ("i": indices below 4).
MORE: dict[str, list[tuple[str, list[Any]]]] = {
    "AdaptiveLogSoftmaxWithLoss": [("8, 12, [4, 8], div_value=2.0", [(5, 8), "i5"])],
    "AlphaDropout": [("0.0", [(3, 4)])],
    "ChannelShuffle": [("2", [(1, 4, 2, 2)])],
    "CosineSimilarity": [("dim=1", [(3, 4), (3, 4)])],
    "Dropout": [("0.0", [(3, 4)])],
    "Dropout1d": [("0.0", [(3, 4, 2)])],
    "Dropout2d": [("0.0", [(2, 3, 2, 2)])],
    "Dropout3d": [("0.0", [(2, 3, 2, 2, 2)])],
    "EmbeddingBag": [("4, 3", ["i2,3"]), ("4, 3, mode='max', padding_idx=1", ["i2,3"])],
    "FeatureAlphaDropout": [("0.0", [(2, 3, 2)])],
    "Flatten": [("", [(2, 3, 4)]), ("0, 1", [(2, 3, 4)])],
    "Fold": [("(4, 5), (2, 2)", [(1, 8, 12)])],
    "Hardsigmoid": [("", [(3, 4)])],
    "Identity": [("3, a=4", [(3, 4)])],
    "LazyBatchNorm1d": [("", [(4, 3)]), ("momentum=None, bias=False", [(4, 3, 2)])],
    "LazyBatchNorm2d": [("", [(4, 3, 2, 2)]), ("affine=False", [(4, 3, 2, 2)])],
    "LazyBatchNorm3d": [("", [(4, 3, 2, 2, 1)])],
    "LazyInstanceNorm1d": [("", [(4, 3, 5)]), ("track_running_stats=False", [(4, 3, 5)])],
    "LazyInstanceNorm2d": [("", [(4, 3, 2, 2)])],
    "LazyInstanceNorm3d": [("", [(4, 3, 2, 2, 1)])],
    "LazyLinear": [("3", [(4, 5)]), ("3, bias=False", [(2, 4, 5)])],
    "MaxUnpool1d": [("2", ["p1"])],
    "MaxUnpool2d": [("2", ["p2"])],
    "MaxUnpool3d": [("2", ["p3"])],
    "NLLLoss2d": [("", [(2, 4, 2, 3), "i2,2,3"])],
    "PairwiseDistance": [("1.0, keepdim=True", [(3, 4), (3, 4)])],
    "PixelShuffle": [("2", [(1, 8, 2, 3)])],
    "PixelUnshuffle": [("2", [(1, 2, 4, 6)])],
    "RReLU": [("0.2, 0.2", [(3, 4)])],
    "SyncBatchNorm": [("3", [(4, 3)]), ("3, momentum=None", [(2, 3, 4, 2)])],
    "TransformerDecoder": [
        (f"nn.TransformerDecoderLayer(4, 2, 8, 0.0, norm_first={first}), 2, {norm}", shapes)
        for first in (False, True)
        for norm in ("None", "nn.LayerNorm(4)")
        for shapes in [[(3, 2, 4), (5, 2, 4)], [(3, 4), (5, 4)]]
    ],
    "TripletMarginLoss": [("", [(3, 4)] * 3), ("swap=True, p=1.0", [(3, 4)] * 3)],
    "TripletMarginWithDistanceLoss": [("margin=0.5, swap=True", [(3, 4)] * 3)],
    "Unflatten": [("1, (2, 3)", [(2, 6)])],
    "Unfold": [("(2, 2), padding=1", [(1, 2, 3, 4)])],
    "Upsample": [("scale_factor=2", [(1, 2, 3, 3)]), ("(5, 5), mode='bilinear'", [(1, 2, 3, 3)])],
    "UpsamplingBilinear2d": [("scale_factor=2", [(1, 2, 3, 3)])],
    "UpsamplingNearest2d": [("(4, 5)", [(1, 2, 3, 3)])],
}  # fmt: skip

#: PyTorch's gradient of the CTC loss is the one of the softmax before it, not of its argument;
#: tests of nn.functional.ctc_loss compare the gradient through both.
NO_GRADIENTS = {"CTCLoss"}

#: PyTorch divides by 6 in float32 there.
LOOSE = {"Hardsigmoid": 1e-6}

INFOS = {m.module_cls.__name__: m for m in module_db if m.module_cls.__name__ not in ABSENT}
NAMES = sorted([*INFOS, *MORE])


class Sample(NamedTuple):
    """How to make and to call a module, in PyTorch's terms."""

    making: tuple[tuple[Any, ...], dict[str, Any]]
    calling: tuple[tuple[Any, ...], dict[str, Any]]


def seed(name: str) -> None:
    torch.manual_seed(zlib.crc32(name.encode()))


def arguments(shape: Any) -> list[Any]:
    """The inputs that an entry of `MORE` speaks of."""
    if not isinstance(shape, str):
        return [torch.randn(shape, dtype=torch.float64, requires_grad=True)]
    if shape[0] == "i":
        return [torch.randint(4, tuple(int(n) for n in shape[1:].split(",")))]
    n = int(shape[1])
    pool = getattr(torch.nn.functional, f"max_pool{n}d")
    values, places = pool(torch.randn((1, 2) + (4,) * n).double(), 2, return_indices=True)
    return [values.requires_grad_(), places]


def kept(*args: Any, **kwargs: Any) -> Any:
    return args, kwargs


def traits(sample: Sample) -> set[str]:
    """What a sample is there for: its settings, and the shapes of its inputs."""
    (args, settings), (inputs, more) = sample
    found = {f"{i}: {a}" for i, a in enumerate(args)} | {f"{k}={v}" for k, v in settings.items()}
    found |= {f"input {i}: {getattr(x, 'shape', x)}" for i, x in enumerate(inputs)}
    return found | {f"called with {k}: {getattr(v, 'shape', v)}" for k, v in more.items()}


def most_different(found: list[Sample]) -> list[Sample]:
    """As few samples as have all traits between them, or the first ones of these."""
    if not SAMPLES:
        return found
    chosen: list[Sample] = []
    seen: set[str] = set()
    while len(chosen) < min(SAMPLES, len(found)):
        best = max(found, key=lambda sample: len(traits(sample) - seen))
        if chosen and not traits(best) - seen:
            break
        chosen.append(best)
        seen |= traits(best)
    return chosen


def samples(name: str, training: bool) -> Iterator[Sample]:
    seed(name)
    if name in MORE:
        for text, shapes in MORE[name]:
            made = eval(f"kept({text})", {"nn": torch.nn, "kept": kept})
            yield Sample(made, ([a for shape in shapes for a in arguments(shape)], {}))  # type: ignore[arg-type]
        return
    info = INFOS[name]
    inputs = info.module_inputs_func(
        info, device="cpu", dtype=torch.float64, requires_grad=True, training=training
    )
    made = [(entry.constructor_input, entry.forward_input) for entry in inputs]
    yield from most_different(
        [Sample((m.args, m.kwargs), (called.args, called.kwargs)) for m, called in made]
    )


def ours_of(value: Any) -> Any:
    """An argument of a constructor in minigrad's terms."""
    if isinstance(value, torch.nn.Module):
        return twin_of(value)
    if isinstance(value, torch.Tensor):
        return Twins(mg)(value)
    if isinstance(value, torch.dtype):
        return getattr(mg, str(value).removeprefix("torch."))
    if callable(value):
        return getattr(mg.nn.functional, value.__name__)
    if isinstance(value, (tuple, list)):
        return type(value)([ours_of(v) for v in value])
    return value


def twin_of(layer: Any) -> Any:
    """The layer that a stack copies, with the settings read from PyTorch's."""
    if isinstance(layer, torch.nn.LayerNorm):
        return mg.nn.LayerNorm(layer.normalized_shape, layer.eps)
    attention = layer.self_attn
    return getattr(mg.nn, type(layer).__name__)(
        attention.embed_dim, attention.num_heads, layer.linear1.out_features, layer.dropout.p,
        ours_of(layer.activation), layer.norm1.eps, attention.batch_first, layer.norm_first,
        layer.linear1.bias is not None,
    )  # fmt: skip


def quiet(function: Any, *args: Any, **kwargs: Any) -> tuple[Any, list[str]]:
    """The result, and the texts of the warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = function(*args, **kwargs)
    return result, [str(w.message) for w in caught]


def build(name: str, sample: Sample) -> tuple[Any, Any]:
    """PyTorch's module in float64 with a state away from special values, and its twin."""
    args, kwargs = sample.making
    seed(name)
    theirs, said = quiet(getattr(torch.nn, name), *args, **kwargs)
    theirs.double()
    if name.startswith("Lazy"):
        theirs(*sample.calling[0], **sample.calling[1])
    with torch.no_grad():
        for key, t in theirs.state_dict(keep_vars=True).items():
            if t.is_floating_point() and name != "CrossEntropyLoss":
                t += torch.randn_like(t) * 0.2
                if key.endswith("running_var"):
                    t.abs_()
    their_args = [ours_of(a) for a in args]
    ours, we_said = quiet(
        getattr(mg.nn, name), *their_args, **{k: ours_of(v) for k, v in kwargs.items()}
    )
    assert type(ours).__name__ == name
    if not name.startswith("Lazy"):  # PyTorch warns of those that they may change
        said = [w.split(" as a drop-in")[0] + "." if "drop-in" in w else w for w in said]
        assert we_said == said
    ours.double()
    return theirs, ours


def flat(value: Any) -> list[Any]:
    """All tensors of a result."""
    if isinstance(value, (tuple, list)):
        return [t for v in value for t in flat(v)]
    return [] if value is None else [value]


def equal(ours: Any, theirs: Any, what: str, tolerance: float = 1e-9) -> None:
    if ours is None or theirs is None:  # one side may say None where the other says zeros
        rest = theirs if ours is None else ours
        assert rest is None or not array(rest).any(), what
        return
    p, q = array(ours), array(theirs)
    assert p.dtype == q.dtype, what
    assert p.shape == q.shape, what
    np.testing.assert_allclose(p, q, rtol=tolerance, atol=tolerance, err_msg=what)


def same_state(ours: Any, theirs: Any) -> None:
    a, b = ours.state_dict(), theirs.state_dict()
    assert list(a) == list(b)
    for key in b:
        equal(a[key], b[key], key)


def gradients(module: Any, outputs: list[Any], leaves: list[Any]) -> list[Any]:
    """Of all leaves, for flows that are the same on both sides."""
    rng = np.random.default_rng(3)
    flows = [module.tensor(rng.normal(size=tuple(y.shape))) for y in outputs]
    pairs = [(y, g) for y, g in zip(outputs, flows, strict=True) if y.requires_grad]
    if not pairs or not leaves:
        return []
    outputs, flows = ([pair[i] for pair in pairs] for i in (0, 1))
    return list(module.autograd.grad(outputs, leaves, flows, allow_unused=True))


def compare(name: str, sample: Sample, training: bool) -> None:
    theirs, ours = build(name, sample)
    state = {k: mg.from_numpy(array(v).copy()) for k, v in theirs.state_dict().items()}
    assert ours.load_state_dict(state, strict=True) == ([], [])
    theirs.train(training)
    ours.train(training)
    args, kwargs = sample.calling
    made = {}
    for module in (torch, mg):
        twins = Twins(module)
        made[module] = twins(list(args)), twins(kwargs), twins.leaves
    results = {}
    for module, net in ((torch, theirs), (mg, ours)):
        a, k, inputs = made[module]
        result, _ = quiet(net, *a, **k)
        outputs = flat(result)
        leaves = [] if name in NO_GRADIENTS else [*inputs, *net.parameters()]
        results[module] = outputs, gradients(module, outputs, leaves)
    assert len(results[mg][0]) == len(results[torch][0])
    for i, (p, q) in enumerate(zip(results[mg][0], results[torch][0], strict=True)):
        equal(p, q, f"output {i}")
    for i, (p, q) in enumerate(zip(results[mg][1], results[torch][1], strict=True)):
        equal(p, q, f"gradient {i}", LOOSE.get(name, 1e-8))
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]
    same_state(ours, theirs)
    # a Linear that PyTorch's tools for quantization leave alone
    assert repr(ours) == repr(theirs).replace("NonDynamicallyQuantizable", "")
    theirs.load_state_dict(
        {k: torch.from_numpy(array(v).copy()) for k, v in ours.state_dict().items()}, strict=True
    )
    for other in (copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))):
        assert repr(other) == repr(ours)
        assert other.training == ours.training
        same_state(other, theirs)
        if not training:
            a, k, _ = made[mg]
            for p, q in zip(flat(quiet(other, *a, **k)[0]), results[mg][0], strict=True):
                assert np.array_equal(array(p), array(q), equal_nan=True)


@pytest.mark.parametrize("name", NAMES)
def test_module(name: str) -> None:
    differs = name not in INFOS or INFOS[name].train_and_eval_differ
    for training in (True, False) if differs else (True,):
        for i, sample in enumerate(samples(name, training)):
            try:
                compare(name, sample, training)
            except Exception as error:
                error.add_note(f"{name}, sample {i}, training={training}: {sample.making}")
                raise


REFUSING = [name for name, info in INFOS.items() if info.module_error_inputs_func]


@pytest.mark.parametrize("name", REFUSING)
def test_module_refuses(name: str) -> None:
    """What PyTorch's modules refuse is refused with the same type of error."""
    seed(name)
    info = INFOS[name]
    wrong = info.module_error_inputs_func(
        info, device="cpu", dtype=torch.float64, requires_grad=False, training=True
    )
    for entry in wrong:
        made, called = entry.module_error_input.constructor_input, entry.module_error_input
        kwargs = {k: ours_of(v) for k, v in made.kwargs.items()}
        if entry.error_on is ModuleErrorEnum.CONSTRUCTION_ERROR:
            with pytest.raises(entry.error_type):
                getattr(mg.nn, name)(*[ours_of(a) for a in made.args], **kwargs)
            continue
        net = getattr(mg.nn, name)(*[ours_of(a) for a in made.args], **kwargs)
        twins = Twins(mg)
        with pytest.raises(entry.error_type):
            net(*twins(list(called.forward_input.args)), **twins(called.forward_input.kwargs))


def test_every_module_is_compared() -> None:
    """All modules of ``torch.nn`` are here and compared, or absent for a reason."""
    theirs = {
        n
        for n, c in vars(torch.nn).items()
        if isinstance(c, type) and issubclass(c, torch.nn.Module)
    }
    assert {n for n in theirs if hasattr(mg.nn, n)} == theirs - set(ABSENT)
    assert theirs == {*NAMES, *ABSENT, *CONTAINERS, *ABSTRACT}
    assert not set(INFOS) & set(MORE)


#: Modules with random parameters, large enough to see their distribution.
RANDOM = [
    "AdaptiveLogSoftmaxWithLoss(64, 200, [100], div_value=2.0)",
    "Bilinear(20, 10, 30)",
    "Conv1d(40, 30, 3)",
    "Conv2d(20, 30, 3, groups=2)",
    "Conv3d(10, 12, 3)",
    "ConvTranspose1d(40, 30, 3)",
    "ConvTranspose2d(20, 30, 3, groups=2)",
    "ConvTranspose3d(10, 12, 3)",
    "Embedding(50, 40, padding_idx=3)",
    "EmbeddingBag(50, 40)",
    "GRU(40, 40, 2, bidirectional=True)",
    "GRUCell(40, 40)",
    "LSTM(40, 40, proj_size=30)",
    "LSTMCell(40, 40)",
    "Linear(100, 80)",
    "MultiheadAttention(60, 4, add_bias_kv=True)",
    "MultiheadAttention(60, 4, kdim=30, vdim=20, bias=False)",
    "PReLU(5, 0.3)",
    "RNN(40, 40)",
    "RNNCell(40, 40)",
    "Transformer(40, 4, 1, 1, 100)",
    "TransformerDecoderLayer(40, 4, 100)",
    "TransformerEncoderLayer(40, 4, 100)",
]


@pytest.mark.parametrize("expression", RANDOM)
def test_parameters_start_from_the_same_distribution(expression: str) -> None:
    """Mean, spread, extremes and quartiles of many draws of each parameter."""
    draws: dict[Any, dict[str, list[Any]]] = {}
    for module in (torch, mg):
        module.manual_seed(0)
        drawn = draws[module] = {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for _ in range(8):
                net = eval(f"nn.{expression}", {"nn": module.nn})
                for key, p in net.named_parameters():
                    drawn.setdefault(key, []).append(array(p))
    assert list(draws[mg]) == list(draws[torch])
    for key, ours in draws[mg].items():
        p, q = np.stack(ours), np.stack(draws[torch][key])
        assert p.shape == q.shape, key
        if q.std() == 0:
            assert np.array_equal(p, q), key
            continue
        few = 6 / np.sqrt(p.size)  # six standard errors of the mean, in units of the spread
        assert abs(p.mean() - q.mean()) < few * q.std(), key
        assert abs(p.std() / q.std() - 1) < few, key
        assert abs(np.abs(p).max() / np.abs(q).max() - 1) < 0.3, key
        assert abs(np.abs(np.quantile(p, 0.25) / np.quantile(q, 0.25)) - 1) < 3 * few, key
