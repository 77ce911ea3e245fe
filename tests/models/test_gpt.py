"""GPT."""

from __future__ import annotations

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import GPT, GPTConfig

SMALL = GPTConfig(block_size=8, vocab_size=11, n_layer=2, n_head=2, n_embd=8)


@pytest.mark.parametrize("bias", [True, False])
def test_parameter_counts(bias):
    config = GPTConfig(block_size=6, vocab_size=13, n_layer=3, n_head=2, n_embd=4, bias=bias)
    assert sum(p.numel() for p in GPT(config).parameters()) == config.num_parameters
    assert GPT(config).get_num_params() == config.num_parameters - 6 * 4


def test_published_sizes():
    sizes = [(12, 12, 768), (24, 16, 1024), (36, 20, 1280), (48, 25, 1600)]
    counts = [GPTConfig(n_layer=n, n_head=h, n_embd=c).num_parameters for n, h, c in sizes]
    assert counts == [124_439_808, 354_823_168, 774_030_080, 1_557_611_200]


def test_keys_are_those_of_gpt_2():
    state = GPT(SMALL).state_dict()
    names = ["ln_1", "attn.c_attn", "attn.c_proj", "ln_2", "mlp.c_fc", "mlp.c_proj"]
    expected = {"transformer.wte.weight", "transformer.wpe.weight", "lm_head.weight"}
    for part in [f"h.{i}.{n}" for i in range(2) for n in names] + ["ln_f"]:
        expected |= {f"transformer.{part}.weight", f"transformer.{part}.bias"}
    assert set(state) == expected
    assert state["transformer.h.0.attn.c_attn.weight"].shape == (24, 8)


def test_it_starts_knowing_nothing_and_sees_only_the_past():
    mg.manual_seed(0)
    net, x = GPT(SMALL), mg.randint(0, 11, (4, 8))
    logits, loss = net(x, x.roll(-1, 1))
    assert loss.item() == pytest.approx(math.log(11), abs=0.1)
    other = x.clone()
    other[:, 5:] = 0
    same = net(other, x)[0]
    assert same[:, :5].allclose(logits[:, :5], atol=1e-6)
    assert not same[:, 5:].allclose(logits[:, 5:], atol=1e-6)
    assert net(x)[0].allclose(logits[:, -1:], atol=1e-6)


def test_the_tied_table_gets_both_gradients():
    mg.manual_seed(0)
    net = GPT(SMALL)
    assert net.lm_head.weight is net.transformer.wte.weight
    net(mg.tensor([[1, 2]]), mg.tensor([[3, 4]]))[1].backward()
    rows = net.transformer.wte.weight.grad.norm(dim=1)
    assert (rows > 0).all().item()  # all rows by the output, 1 and 2 by the input as well
    norms = [p.grad.norm().item() for p in net.parameters()]
    assert np.isfinite(norms).all()
    assert min(norms[1:]) > 0


def test_groups_and_training():
    mg.manual_seed(0)
    net = GPT(GPTConfig(block_size=8, vocab_size=5, n_layer=1, n_head=2, n_embd=16, dropout=0.1))
    optimizer = net.configure_optimizers(0.1, 1e-2)
    decay, rest = optimizer.param_groups
    assert (decay["weight_decay"], rest["weight_decay"]) == (0.1, 0.0)
    assert all(p.ndim == 2 for p in decay["params"])
    assert len(decay["params"]) + len(rest["params"]) == len(list(net.parameters()))
    text = (mg.arange(9) + mg.arange(5).unsqueeze(1)).remainder(5)
    for _ in range(40):
        optimizer.zero_grad()
        loss = net(text[:, :-1], text[:, 1:])[1]
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.3
    written = net.generate(text[:1, :3], 9, temperature=0)  # longer than a block
    assert written[0].tolist() == [i % 5 for i in range(12)]


def test_generation_is_deterministic_under_a_generator():
    mg.manual_seed(0)
    net = GPT(SMALL)

    def write(seed):
        generator = mg.Generator().manual_seed(seed)
        return net.generate(mg.tensor([[1]]), 20, top_k=8, generator=generator).tolist()

    assert write(1) == write(1) != write(2)


def test_targets_of_minus_one_are_left_out():
    net, x = GPT(SMALL), mg.tensor([[1, 2, 3]])
    a = net(x, mg.tensor([[4, -1, -1]]))[1]
    b = net(x[:, :1], mg.tensor([[4]]))[1]
    assert a.item() == pytest.approx(b.item(), rel=1e-5)


def test_errors():
    with pytest.raises(ValueError, match="9 tokens is longer than block_size=8"):
        GPT(SMALL)(mg.zeros(1, 9, dtype=mg.int64))
    with pytest.raises(ValueError, match="multiple of n_head"):
        GPT(GPTConfig(n_layer=1, n_head=3, n_embd=8, vocab_size=5, block_size=4))
