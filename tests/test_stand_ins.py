"""Names that scripts written for PyTorch use around their models: each does what it says here."""

from __future__ import annotations

import copy
import importlib
import pickle
import re
import subprocess
import sys

import numpy as np
import packaging.version
import pytest

import minigrad as mg
from minigrad.compat import ABSENT, PLACES


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
        if line == "import minigrad":
            assert loaded == {"version"}


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
    for made in (x.to(memory_format=last), x.contiguous(memory_format=last)):
        assert not np.shares_memory(made.numpy(), x.numpy())  # in PyTorch it is a copy, too
    assert x.contiguous(memory_format=mg.contiguous_format) is x
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


def test_types_without_tensors_are_values_and_refused_when_used() -> None:
    assert mg.cfloat is mg.complex64
    assert mg.cdouble is mg.complex128
    assert mg.complex64.is_complex
    assert not mg.complex64.is_floating_point
    assert (mg.complex64.itemsize, mg.complex128.itemsize, mg.float8_e5m2.itemsize) == (8, 16, 1)
    for kind in (mg.complex64, mg.complex128, mg.float8_e4m3fn, mg.quint8):
        assert isinstance(kind, mg.dtype)
        assert mg.ones(1).dtype not in (kind, None)
        assert pickle.loads(pickle.dumps(kind)) is kind
        assert repr(kind) == f"minigrad.{kind.name}"
        for use in (
            lambda: mg.zeros(2, dtype=kind),
            lambda: mg.tensor([1.0], dtype=kind),
            lambda: mg.ones(2).to(kind),
            lambda: mg.rand(2, dtype=kind),
            lambda: mg.ones_like(mg.ones(2), dtype=kind),
            lambda: mg.ones(2).sum(dtype=kind),
            lambda: mg.nn.Linear(1, 1).to(kind),
            lambda: mg.set_default_dtype(kind),
            lambda: mg.serialize.save({"a": kind}, "unused"),
        ):
            with pytest.raises(TypeError):
                use()


def test_functions_of_complex_numbers_can_be_imported_and_say_why_not() -> None:
    from minigrad.fft import fft2, irfft, rfftn

    for function in (fft2, irfft, rfftn, mg.view_as_real, mg.view_as_complex, mg.polar, mg.stft):
        with pytest.raises(RuntimeError, match=f"{function.__name__}: .*complex"):
            function(mg.ones(2, 2))


def test_batch_norm_of_one_process() -> None:
    mg.manual_seed(0)
    net = mg.nn.Sequential(mg.nn.Conv2d(3, 4, 1), mg.nn.BatchNorm2d(4, momentum=None))
    weight, x = net[1].weight, mg.randn(5, 3, 2, 2)
    net(x)
    expected = copy.deepcopy(net)
    sync = mg.nn.SyncBatchNorm.convert_sync_batchnorm(net)
    assert sync is net
    assert type(net[1]) is mg.nn.SyncBatchNorm
    assert net[1].weight is weight
    assert list(net.state_dict()) == list(expected.state_dict())
    for training in (True, False):
        assert (net.train(training)(x) == expected.train(training)(x)).all()
    assert isinstance(net[1], mg.nn.modules.batchnorm._BatchNorm)
    alone = mg.nn.SyncBatchNorm.convert_sync_batchnorm(mg.nn.BatchNorm1d(2, affine=False).eval())
    assert isinstance(alone, mg.nn.SyncBatchNorm)
    assert not alone.training
    assert alone.weight is None
    assert mg.nn.SyncBatchNorm(3)(mg.ones(2, 3, 1, 1, 1, 2)).shape == (2, 3, 1, 1, 1, 2)
    with pytest.raises(ValueError, match="at least 2D"):
        mg.nn.SyncBatchNorm(3)(mg.ones(3))
    with pytest.raises(ValueError, match="non-zero"):
        mg.nn.SyncBatchNorm(0)(mg.ones(2, 0, 3))


def test_attention_is_computed_as_always_whatever_is_asked_for() -> None:
    from minigrad.nn.attention import SDPBackend, sdpa_kernel

    q = mg.rand(1, 3, 4)
    expected = mg.nn.functional.scaled_dot_product_attention(q, q, q)
    with sdpa_kernel([SDPBackend.MATH, SDPBackend.FLASH_ATTENTION]):
        assert (mg.nn.functional.scaled_dot_product_attention(q, q, q) == expected).all()
    with pytest.raises(TypeError, match="SDPBackend"), sdpa_kernel("math"):
        pass
    flags = mg.backends.cuda
    with pytest.warns(FutureWarning, match="sdpa_kernel") as caught:
        context = flags.sdp_kernel(enable_flash=False)
    assert caught[0].filename == __file__
    with context:
        assert not flags.flash_sdp_enabled()
        assert flags.math_sdp_enabled()
    assert flags.flash_sdp_enabled()


def test_the_version_is_minigrads_and_compares_with_releases_of_both() -> None:
    version = mg.__version__
    assert str(version) == f"{version}" == "0.1.0"
    assert version == "0.1.0"
    assert "minigrad " + version == "minigrad 0.1.0"
    assert repr(version) == "'0.1.0'"
    assert {version: 1} == {"0.1.0": 1}
    assert pickle.loads(pickle.dumps(version)) == copy.deepcopy(version) == version != "2.13.0"
    # as scripts cut it up
    assert tuple(map(int, version.split(".")[:2])) == (2, 13)
    assert int(version[0]) >= 2
    assert re.match(r"(\d+)\.(\d+)", version).groups() == ("2", "13")
    parsed = packaging.version.parse(version)
    assert parsed >= packaging.version.parse("2.0")
    assert (parsed.release, parsed.local) == ((2, 13, 0), "minigrad.0.1.0")
    assert packaging.version.parse("1.12") < version
    assert version >= "0.1"
    assert version < "0.2"
    assert not version > "0.1.0"
    for old in ("1.0", "1.13.1+cu117", "2.0.0a0", (1, 10), (2,), "2.13.0", "v2.4"):
        assert version >= old
        assert not version < old
    for new in ("2.14", (3, 0), "10.0"):
        assert version < new
        assert not version >= new

    class Release:
        release = (2, 1)

    assert version > Release()
    assert version <= "2.13"
    with pytest.raises(TypeError):
        version < 2.0
    assert mg.version.cuda is None
    assert mg.version.torch == "2.13.0"


def test_only_inputs_is_taken() -> None:
    x = mg.ones(2, requires_grad=True)
    given = {"create_graph": True, "retain_graph": True, "only_inputs": True}
    (g,) = mg.autograd.grad((x * x).sum(), x, **given)
    assert g.tolist() == [2.0, 2.0]
    with pytest.warns(FutureWarning, match="only_inputs") as caught:
        mg.autograd.grad((x * x).sum(), x, only_inputs=False)
    assert caught[0].filename == __file__


def test_what_there_is_of_a_gpu() -> None:
    cuda = mg.cuda
    assert cuda.memory_allocated() == cuda.max_memory_reserved("cuda:0") == 0
    assert cuda.get_rng_state_all() == []
    assert not isinstance(mg.ones(1), cuda.FloatTensor)
    cuda.reset_peak_memory_stats()
    cuda.set_rng_state_all([])
    with cuda.stream(None), cuda.device(-1), cuda.nvtx.range("a"):
        pass
    for call in (
        cuda.get_device_name, cuda.current_stream, cuda.Event, cuda.Stream, cuda.FloatTensor,
        lambda: cuda.set_device(0), lambda: cuda.device(0).__enter__(),
        lambda: cuda.stream(1).__enter__(), lambda: cuda.set_rng_state_all([1]),
    ):  # fmt: skip
        with pytest.raises(RuntimeError, match=r"cuda\.is_available\(\)"):
            call()
    assert issubclass(mg.OutOfMemoryError, RuntimeError)
    assert not mg.xpu.is_available()


def test_there_is_one_process() -> None:
    assert not mg.distributed.is_available()
    assert not mg.distributed.is_initialized()
    for call in (mg.distributed.get_rank, mg.distributed.barrier):
        with pytest.raises(RuntimeError, match="one process"):
            call()
    with pytest.raises(RuntimeError, match="use the model itself"):
        mg.nn.parallel.DistributedDataParallel(mg.nn.Linear(1, 1))
    from minigrad.utils.data.distributed import DistributedSampler

    data = range(11)
    for drop, size in ((False, 4), (True, 3)):
        parts = [DistributedSampler(data, 3, rank, seed=5, drop_last=drop) for rank in range(3)]
        assert [len(part) for part in parts] == [size] * 3
        seen = [i for part in parts for i in part]
        assert len(seen) == 3 * size
        assert set(seen) == set(data) if not drop else len(set(seen)) == 9
    order = list(parts[0])
    assert order == list(parts[0])
    parts[0].set_epoch(1)
    assert order != list(parts[0])
    with pytest.raises(RuntimeError, match="num_replicas and rank"):
        DistributedSampler(data)
    with pytest.raises(ValueError, match="Invalid rank 3"):
        DistributedSampler(data, 3, 3)


def test_trees_under_pytorchs_names() -> None:
    from minigrad.utils import _pytree as pytree

    tree = {"a": mg.ones(1), "b": [1, (2.5, None)]}
    leaves, spec = pytree.tree_flatten(tree)
    assert leaves[1:] == [1, 2.5, None]
    assert pytree.tree_unflatten(iter(leaves), spec) == tree
    assert pytree.tree_structure(tree) == spec
    assert pytree.tree_map_only(mg.Tensor, lambda t: t.tolist(), tree)["a"] == [1.0]
    assert pytree.tree_map_only((int, float), lambda n: -n, tree)["b"] == [-1, (-2.5, None)]
    assert pytree.tree_map(lambda a, b: a + b, [1, (2,)], [3, (4,)]) == [4, (6,)]
    assert pytree.tree_map(len, [(1, 2), (3,)], is_leaf=lambda t: isinstance(t, tuple)) == [2, 1]
    assert pytree.tree_any(lambda leaf: leaf is None, tree)
    assert pytree.tree_all_only(int, lambda n: n == 1, tree)
    with pytest.raises(ValueError, match="expected the structure"):
        pytree.tree_map(max, [1], [1, 2])


def test_modules_that_are_not_here_say_what_to_do() -> None:
    for name in ABSENT:
        with pytest.raises(ModuleNotFoundError, match=re.escape(ABSENT[name])):
            importlib.import_module(f"minigrad.{name}")
    with pytest.raises(AttributeError, match="nothing traces"):
        mg.export
    with pytest.raises(RuntimeError, match="downloads no weights"):
        mg.hub.load_state_dict_from_url("https://example.org/a.pth")


def test_settings_and_marks() -> None:
    mg.set_default_tensor_type("torch.DoubleTensor")
    try:
        assert mg.ones(1).dtype == mg.float64
    finally:
        mg.set_default_tensor_type(mg.FloatTensor)
    assert mg.ones(1).dtype == mg.float32
    for wrong in ("torch.cuda.FloatTensor", "float", mg.LongTensor, int, mg.cuda.FloatTensor):
        with pytest.raises(TypeError):
            mg.set_default_tensor_type(wrong)
    with pytest.raises(AssertionError, match="sizes"):
        mg._assert(False, "sizes")
    assert not mg.is_autocast_enabled()
    assert not mg.compiler.is_compiling()
    assert mg._dynamo.disable()(abs) is mg._dynamo.disable(abs) is abs
    mg._dynamo.config.suppress_errors = True
    with mg.autograd.profiler.record_function("a"):
        pass
    mg.manual_seed(1)
    with mg.random.fork_rng():
        first = mg.rand(2)
    assert (mg.rand(2) == first).all()
    assert mg.optim.lr_scheduler._LRScheduler is mg.optim.lr_scheduler.LRScheduler


def test_small_things_of_the_files_of_layers() -> None:
    from minigrad.nn.modules.linear import NonDynamicallyQuantizableLinear
    from minigrad.nn.modules.module import _addindent
    from minigrad.nn.modules.transformer import _get_activation_fn, _get_clones

    layer = mg.nn.Linear(2, 2)
    clones = _get_clones(layer, 2)
    assert len(clones) == 2
    assert clones[0].weight is not layer.weight
    assert (clones[1].weight == layer.weight).all()
    assert _get_activation_fn("gelu") is mg.nn.functional.gelu
    with pytest.raises(RuntimeError, match="relu/gelu"):
        _get_activation_fn("tanh")
    assert _addindent("a\nb", 2) == "a\n  b"
    assert NonDynamicallyQuantizableLinear(2, 3)(mg.ones(1, 2)).shape == (1, 3)


def test_processes_of_python() -> None:
    mp = mg.multiprocessing
    mp.spawn(sys.exit, nprocs=1)
    with pytest.raises(RuntimeError, match=r"\[1, 2\] failed"):
        mp.spawn(sys.exit, nprocs=3)
    assert mp.cpu_count() >= 1


def test_formulas_and_the_mark_of_the_tracer_share_a_name() -> None:
    import minigrad.fx as fx

    from minigrad.core import expr

    assert fx is mg.fx
    assert fx.exp is expr.exp
    assert fx.wrap("a_name") == "a_name"
