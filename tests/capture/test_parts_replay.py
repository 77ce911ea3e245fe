"""Distributions, packed sequences and sampling from models, done again from what was heard."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import distributions, models, nn
from minigrad.nn.utils import rnn
from tests.capture.again import recorded, same_bits

DISTRIBUTIONS = {
    "Normal": "Normal(a, b)",
    "Uniform": "Uniform(a, a + b)",
    "Bernoulli": "Bernoulli(logits=a)",
    "Categorical": "Categorical(probs=p)",
    "OneHotCategorical": "OneHotCategorical(probs=p)",
    "OneHotCategoricalStraightThrough": "OneHotCategoricalStraightThrough(logits=a)",
    "MultivariateNormal": "MultivariateNormal(a, mg.eye(3))",
    "Independent": "Independent(d.Normal(a, b), 1)",
}


def test_every_distribution_is_here() -> None:
    names = {n for n in distributions.__all__ if n[0].isupper()} - {"Distribution"}
    assert names == set(DISTRIBUTIONS)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_distributions(name: str) -> None:
    def draw() -> Any:
        a, b = mg.randn(3), mg.rand(3) + 0.5
        known = {"a": a, "b": b, "p": b / 5, "mg": mg, "d": distributions}
        law = eval(f"d.{DISTRIBUTIONS[name]}", known)
        sample = law.sample((2,))
        found = [sample, law.log_prob(sample), law.entropy()]
        return [*found, law.rsample()] if law.has_rsample else found

    seen, found = recorded([], draw)
    assert same_bits(seen.replay(), found) == len(found)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("batch_first", [False, True])
def test_packed_sequences(kind: str, batch_first: bool) -> None:
    """The lengths decide how much is computed; the values may be others."""
    layer = getattr(nn, kind)(2, 3, batch_first=batch_first)
    x = mg.randn(3, 3, 2)
    lengths = mg.tensor([2, 3, 1])

    def run(x: mg.Tensor) -> Any:
        packed = rnn.pack_padded_sequence(x, lengths, batch_first, enforce_sorted=False)
        padded, sizes = rnn.pad_packed_sequence(layer(packed)[0], batch_first, 0.5, total_length=4)
        whole = rnn.pad_sequence(rnn.unpad_sequence(padded, sizes, batch_first), batch_first)
        return padded, sizes, whole, packed.sorted_indices

    seen, found = recorded([layer, x, lengths], lambda: run(x))
    assert seen.reads
    assert same_bits(seen.replay(), found) == 4
    other = mg.randn(3, 3, 2)
    again = seen.replay({x: other.array})
    for t, e in zip(found, run(other), strict=True):
        np.testing.assert_array_equal(again.value(t), e.array)


def test_a_model_that_writes() -> None:
    mg.manual_seed(0)
    model = models.CharRNN(7, 6, 5, 1, "gru")
    prompt = mg.tensor([1, 2, 3])
    seen, text = recorded([model, prompt], lambda: model.generate(prompt, 5, top_k=3))
    assert seen.replay().value(text).tolist() == text.tolist()
