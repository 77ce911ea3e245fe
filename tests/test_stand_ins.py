"""Names that scripts written for PyTorch use around their models: each does what it says here."""

from __future__ import annotations

import importlib
import pickle
import subprocess
import sys

import numpy as np
import pytest

import minigrad as mg
from minigrad.compat import PLACES


def test_the_class_of_tensors_takes_sizes() -> None:
    assert mg.Tensor(2, 3).shape == (2, 3)
    assert mg.Tensor(4).shape == (4,)
    assert mg.Tensor(mg.ones(2, 3).shape).shape == (2, 3)
    assert mg.Tensor((2, 3)).tolist() == [2.0, 3.0]
    assert mg.Tensor().shape == (0,)
    assert mg.Tensor(np.int64(3)).item() == 3
    assert mg.Tensor(2, 3).dtype == mg.float32


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("Bool", mg.bool), ("Byte", mg.uint8), ("Char", mg.int8), ("Double", mg.float64),
        ("Float", mg.float32), ("Half", mg.float16), ("Int", mg.int32), ("Long", mg.int64),
        ("Short", mg.int16),
    ],
)  # fmt: skip
def test_the_types_of_tensors_are_classes(name: str, dtype: mg.dtype) -> None:
    kind = getattr(mg, f"{name}Tensor")
    x = kind([[0, 1], [1, 0]])
    assert x.dtype == dtype
    assert x.tolist() == [[0, 1], [1, 0]]
    assert kind(2, 3).shape == (2, 3)
    assert kind(2, 3).dtype == dtype
    assert kind(mg.Size([3])).shape == (3,)
    assert kind().shape == (0,)
    assert isinstance(x, kind)
    assert not isinstance(x, mg.FloatTensor if name != "Float" else mg.LongTensor)
    assert mg.ones(2).type(kind).dtype == dtype
    values = np.ones(2, dtype.numpy)
    assert kind(values)[0] == 1
    assert not np.shares_memory(kind(values).numpy(), values)


def test_variables_are_tensors_that_share_memory() -> None:
    x = mg.ones(2)
    v = mg.autograd.Variable(x, requires_grad=True)
    (v * v).sum().backward()
    assert v.grad.tolist() == [2.0, 2.0]
    assert not x.requires_grad
    assert np.shares_memory(v.detach().numpy(), x.numpy())
    assert isinstance(x, mg.autograd.Variable)
    with pytest.raises(TypeError, match="got list"):
        mg.autograd.Variable([1.0])


def test_autocast_casts_nothing() -> None:
    x = mg.ones(2, 2)
    for context in (
        mg.autocast("cpu", dtype=mg.float16),
        mg.amp.autocast(device_type="cuda", enabled=False),
        mg.cuda.amp.autocast(True),
    ):
        with context:
            assert (x @ x).dtype == mg.float32

    @mg.autocast("cpu")
    def double(y: mg.Tensor) -> mg.Tensor:
        return y + y

    assert double(x).dtype == mg.float32
    with pytest.raises(ValueError, match="device_type"):
        mg.autocast(True)


def test_a_scaler_steps_as_without_it() -> None:
    for scaler in (mg.amp.GradScaler("cpu"), mg.cuda.amp.GradScaler(2.0**10)):
        weight = mg.nn.Parameter(mg.ones(2))
        optimizer = mg.optim.SGD([weight], lr=0.5)
        scaler.scale((weight * 3).sum()).backward()
        scaler.unscale_(optimizer)
        assert weight.grad.tolist() == [3.0, 3.0]
        scaler.step(optimizer)
        scaler.update()
        assert weight.tolist() == [-0.5, -0.5]
        assert not scaler.is_enabled()
        assert scaler.get_scale() == 1.0
        scaler.load_state_dict(scaler.state_dict())


def test_custom_functions_can_carry_the_marks_of_amp() -> None:
    class Double(mg.autograd.Function):
        @staticmethod
        @mg.amp.custom_fwd(device_type="cuda")
        def forward(ctx, x):  # type: ignore[no-untyped-def]
            return x * 2

        @staticmethod
        @mg.amp.custom_bwd
        def backward(ctx, g):  # type: ignore[no-untyped-def]
            return g * 2

    x = mg.ones(1, requires_grad=True)
    Double.apply(x).backward()
    assert x.grad.tolist() == [2.0]


def test_what_is_scripted_runs_as_python() -> None:
    class Net(mg.nn.Module):
        fused: mg.jit.Final[bool]

        @mg.jit.ignore
        def a(self) -> int:
            return 1

        @mg.jit.ignore()
        def b(self) -> int:
            return 2

        @mg.jit.unused
        def c(self) -> int:
            return 3

        @mg.jit.export
        def d(self) -> int:
            return 4

    net = Net()
    assert mg.jit.script(net) is net
    assert [net.a(), net.b(), net.c(), net.d()] == [1, 2, 3, 4]
    assert mg.jit.annotate(int, 3) == 3
    assert not mg.jit.is_scripting()
    assert not mg.jit.is_tracing()
    with pytest.raises(AttributeError, match=r"save model\.state_dict"):
        mg.jit.trace(net)
    with pytest.raises(AttributeError, match="no attribute 'nosuch'"):
        mg.jit.nosuch


def test_a_model_over_no_gpus_is_the_model() -> None:
    from minigrad.nn.parallel import data_parallel

    layer = mg.nn.Linear(2, 3)
    model = mg.nn.DataParallel(layer, device_ids=[0, 1])
    x = mg.ones(4, 2)
    assert (model(x) == layer(x)).all()
    assert (data_parallel(layer, x) == layer(x)).all()
    assert list(model.state_dict()) == ["module.weight", "module.bias"]
    assert model.module is layer


def test_there_is_no_accelerator() -> None:
    assert not mg.accelerator.is_available()
    assert mg.accelerator.device_count() == 0
    assert mg.accelerator.current_accelerator() is None
    assert not mg.cuda.is_available()
    assert not mg.cuda.is_bf16_supported()
    mg.accelerator.synchronize()
    mg.backends.cuda.matmul.allow_tf32 = False


def test_a_device_is_a_context() -> None:
    with mg.device("cpu") as device:
        assert mg.ones(2).device == device
    assert pickle.loads(pickle.dumps(device)) == device


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("cuda.amp", "GradScaler"), ("amp", "autocast"), ("nn.parallel", "DataParallel"),
        ("utils.data.dataloader", "DataLoader"), ("utils.data.dataset", "Dataset"),
        ("utils.data.sampler", "RandomSampler"), ("distributions.normal", "Normal"),
        ("autograd.variable", "Variable"), ("jit", "script"), ("backends.cudnn", "benchmark"),
    ],
)  # fmt: skip
def test_places_that_scripts_import_from(place: str, name: str) -> None:
    assert hasattr(importlib.import_module(f"minigrad.{place}"), name)


def test_dimensions_can_go_by_numpys_names() -> None:
    x = mg.tensor([[1.0, 2.0], [3.0, 5.0]])
    assert x.sum(axis=0).tolist() == mg.sum(x, axis=0).tolist() == [4.0, 7.0]
    assert x.mean(1, keepdims=True).tolist() == mg.mean(x, axis=1, keepdims=True).tolist()
    assert x.max(axis=1, keepdims=True).values.tolist() == [[2.0], [5.0]]
    assert mg.cat([x, x], axis=1).shape == (2, 4)
    assert mg.allclose(x.softmax(axis=0), x.softmax(0))
    with pytest.raises(TypeError):
        x.sum(axes=0)
    with pytest.raises(TypeError):
        x.sum(axis=0, dim=0)


def test_endless_training_draws_as_it_goes() -> None:
    from itertools import islice

    sampler = mg.data.RandomSampler(range(5), replacement=True, num_samples=10**10)
    assert set(islice(sampler, 200)) == set(range(5))
    loader = mg.data.DataLoader(mg.data.TensorDataset(mg.arange(5)), 4, sampler=sampler)
    assert next(iter(loader))[0].shape == (4,)
    many = mg.data.RandomSampler(range(3), num_samples=7)
    drawn = list(many)
    assert sorted(drawn[:3]) == sorted(drawn[3:6]) == [0, 1, 2]
    assert len(drawn) == 7


def test_stand_ins_are_one_module_at_all_their_places() -> None:
    for place, room in PLACES.items():
        module = importlib.import_module(f"minigrad.{place}")
        assert module is importlib.import_module(f"minigrad.{room}"), place
        found: object = mg
        for name in place.split("."):
            found = getattr(found, name)
        assert found is module, place


def test_stand_ins_are_found_from_nothing_and_loaded_when_asked_for() -> None:
    # each in a process that has imported nothing before
    code = """
import sys
{}
loaded = {{m for m in sys.modules if m.startswith("minigrad.compat.")}}
print(*sorted(loaded))
"""
    for line, expected in (
        ("import minigrad", set()),
        ("import minigrad.cuda.amp", {"cuda", "cuda.amp", "amp"}),
        ("from minigrad.utils.data.dataloader import DataLoader", set()),
        ("from minigrad.nn.modules.utils import _pair; assert _pair(3) == (3, 3)", {"nn_modules"}),
        ("from minigrad.backends.cudnn import benchmark", {"backends", "backends.cudnn"}),
    ):
        done = subprocess.run(
            [sys.executable, "-c", code.format(line)], capture_output=True, text=True, check=True
        )
        loaded = {m.removeprefix("minigrad.compat.") for m in done.stdout.split()}
        assert expected <= loaded, line
        if not expected:
            assert not loaded - {"parallel", "nn_utils"}, line


def test_devices_are_values_and_refused_where_something_is_put() -> None:
    for name in ("cuda", "cuda:1", "mps", "meta", "xpu:0"):
        place = mg.device(name)
        assert str(place) == name
        assert mg.device(place) == place == pickle.loads(pickle.dumps(place))
        assert place != mg.device("cpu")
        for put in (
            lambda: mg.zeros(2, device=place),
            lambda: mg.tensor(1.0, device=name),
            lambda: mg.rand(2, device=place),
            lambda: mg.zeros_like(mg.ones(2), device=place),
            lambda: mg.ones(2).to(place),
            lambda: mg.ones(2).to(device=name),
            lambda: mg.nn.Linear(1, 1).to(place),
            lambda: mg.nn.Linear(1, 1, device=place),
            lambda: mg.Generator(device=name),
            lambda: mg.set_default_device(place),
            lambda: place.__enter__(),
        ):
            with pytest.raises(RuntimeError, match="the CPU only"):
                put()
    assert mg.device("cuda", 1) == mg.device("cuda:1") != mg.device("cuda")
    assert repr(mg.device("cuda", 1)) == "device(type='cuda', index=1)"
    assert len({mg.device("cpu"), mg.device("cpu"), mg.device("cuda")}) == 2
    assert mg.ones(2, device="cpu:0").to("cpu:0").device == mg.device("cpu")
    for wrong, error in (("gpu", RuntimeError), ("cuda:-1", RuntimeError), (0, RuntimeError)):
        with pytest.raises(error):
            mg.device(wrong)
    with pytest.raises(TypeError, match="NoneType"):
        mg.device(None)


def test_asking_for_the_gpu_says_what_to_write() -> None:
    for call in (mg.ones(1).cuda, mg.nn.Linear(1, 1).cuda):
        with pytest.raises(RuntimeError, match=r"cuda\.is_available\(\) else 'cpu'"):
            call()


def test_memory_formats_are_taken_and_mean_rows() -> None:
    last, x = mg.channels_last, mg.rand(2, 3, 4, 5)
    across = x.permute(0, 2, 3, 1)
    for made in (
        x.to(memory_format=last),
        across.contiguous(memory_format=last),
        across.clone(memory_format=last),
        across.to(memory_format=last),
        x.double(memory_format=last),
        mg.empty_like(across, memory_format=last),
        mg.randn_like(x, memory_format=last),
        mg.empty(2, 3, 4, 5, memory_format=last, layout=mg.strided, pin_memory=False),
    ):
        assert made.is_contiguous()
        assert not made.is_contiguous(memory_format=last)
    assert (across.to(memory_format=last) == across).all()
    assert x.permute(0, 3, 1, 2).is_contiguous(memory_format=last)
    assert mg.ones(1, 2, 3, 4, 5).contiguous(memory_format=mg.channels_last_3d).is_contiguous()
    net = mg.nn.Sequential(mg.nn.Conv2d(3, 4, 3), mg.nn.Flatten(), mg.nn.Linear(24, 2))
    assert net.to(memory_format=last) is net
    mg.nn.utils.convert_conv2d_weight_memory_format(net, last)
    assert net(x.to(memory_format=last)).shape == (2, 2)
    for call in (x[0].contiguous, x[0].to, x[0].clone):
        with pytest.raises(RuntimeError, match="required rank 4 tensor"):
            call(memory_format=last)
    with pytest.raises(TypeError, match="memory_format"):
        x.contiguous(memory_format="channels_last")
    assert pickle.loads(pickle.dumps(last)) is last
    assert x.layout is mg.strided
