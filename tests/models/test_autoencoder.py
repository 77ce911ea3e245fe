"""Autoencoders: tied weights, noise, stacks."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import Autoencoder, StackedAutoencoder


def data(rows=12, columns=6, seed=0):
    return mg.tensor(np.random.default_rng(seed).random((rows, columns)).astype("float32"))


def test_tied_halves_the_weights():
    def count(net):
        return sum(p.numel() for p in net.parameters())

    biases = 100 + 30 + 784 + 100
    assert count(Autoencoder([784, 100, 30])) == 2 * (784 * 100 + 100 * 30) + biases
    assert count(Autoencoder([784, 100, 30], tied=True)) == 784 * 100 + 100 * 30 + biases


def test_the_tied_gradient_is_the_sum_of_both_uses():
    x = data()
    tied, free = Autoencoder([6, 4, 2], tied=True), Autoencoder([6, 4, 2])
    for part in ("encoder", "decoder"):
        for ours, theirs in zip(getattr(tied, part), getattr(free, part)):
            if hasattr(ours, "weight"):
                weight = ours.weight.T if part == "decoder" else ours.weight
                theirs.weight.data.copy_(weight.detach())
                theirs.bias.data.copy_(ours.bias.detach())
    for net in (tied, free):
        net.loss(x).backward()
    np.testing.assert_allclose(tied(x).tolist(), free(x).tolist(), rtol=1e-6)
    for i, j in ((0, 2), (2, 0)):
        both = free.encoder[i].weight.grad + free.decoder[j].weight.grad.T
        np.testing.assert_allclose(
            tied.encoder[i].weight.grad.tolist(), both.tolist(), rtol=1e-5, atol=1e-8
        )


def test_the_shared_weight_is_one_leaf_of_the_graph():
    net = Autoencoder([6, 2], tied=True)
    picture = mg.viz.draw(net.loss(data()), params=dict(net.named_parameters())).source
    assert picture.count("encoder.0.weight") == 1
    assert "decoder.0.weight" not in picture


def test_tying_survives_loading_and_conversion():
    net = Autoencoder([6, 4, 2], tied=True)
    other = Autoencoder([6, 4, 2], tied=True)
    other.load_state_dict(net.state_dict())
    other.double()
    assert other.decoder[0].weight is other.encoder[2].weight
    np.testing.assert_allclose(other(data().double()).tolist(), net(data()).tolist(), atol=1e-6)


@pytest.mark.parametrize("noise", ["masking", "gaussian"])
def test_noise_is_for_training_only(noise):
    mg.manual_seed(0)
    net, x = Autoencoder([6, 3], noise=noise, noise_level=0.5), data(200)
    assert not mg.equal(net(x), net(x))
    moved = (net.corrupt(x) != x).float().mean().item()
    assert moved == pytest.approx(0.5 if noise == "masking" else 1.0, abs=0.05)
    net.eval()
    assert mg.equal(net(x), net(x))


def test_a_stack_trains_layer_by_layer():
    mg.manual_seed(0)
    stack, x = StackedAutoencoder([6, 5, 4], "sigmoid"), data(64)
    for k in range(2):
        stack.zero_grad()
        first = stack.pretraining_loss(k, x)
        first.backward()
        touched = {n.split(".")[1] for n, p in stack.named_parameters() if p.grad is not None}
        assert touched == {str(k)}  # those below are held
        optimizer = mg.optim.Adam(stack.layers[k].parameters(), lr=0.05)
        for _ in range(60):
            optimizer.zero_grad()
            loss = stack.pretraining_loss(k, x)
            loss.backward()
            optimizer.step()
        assert loss.item() < 0.8 * first.item()
    assert stack(x).shape == x.shape
    assert stack.codes(x).shape == (64, 4)
    classifier = stack.classifier(3)
    assert classifier[0].weight is stack.layers[0].encoder[0].weight
    assert classifier(x).shape == (64, 3)


def test_bad_arguments():
    with pytest.raises(ValueError, match="noise must be"):
        Autoencoder([3, 2], noise="loud")
    with pytest.raises(ValueError, match="sizes of input and code"):
        Autoencoder([3])
