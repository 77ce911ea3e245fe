"""Well-known PyTorch programs run unchanged but for their imports, with the same losses.

Each file in `programs` is a script for PyTorch. It is run twice: as it stands, and with ``torch``
in its imports replaced by ``minigrad``. The two libraries draw different random numbers from the
same seed, so both are given the same ones here: weights, noise, dropout masks and samples come from
one stream of numpy's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import minigrad

PROGRAMS = sorted(Path(__file__).with_name("programs").glob("*.py"))


class Draws:
    """The random functions of a library, over one stream of numpy's."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.rng = np.random.default_rng(99)

    def tensor(self, values: Any, dtype: str = "float32") -> Any:
        return self.module.from_numpy(np.asarray(values).astype(dtype))

    def randn(self, *shape: int, **_: Any) -> Any:
        return self.tensor(self.rng.normal(size=shape))

    def randn_like(self, t: Any) -> Any:
        return self.randn(*t.shape)

    def randint(self, high: int, size: tuple[int, ...]) -> Any:
        return self.tensor(self.rng.integers(0, high, size), "int64")

    def multinomial(self, probs: Any, num_samples: int) -> Any:
        rows = np.asarray(probs.detach().tolist(), dtype="float64")
        picked = [self.rng.choice(len(r), num_samples, p=r / r.sum()) for r in rows]
        return self.tensor(picked, "int64")

    def dropout(self, x: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
        if not training or p == 0:
            return x
        return x * self.tensor((self.rng.random(tuple(x.shape)) >= p) / (1 - p))

    def uniform_(self, t: Any, a: float = 0.0, b: float = 1.0, generator: Any = None) -> Any:
        return t.copy_(self.tensor(self.rng.uniform(a, b, tuple(t.shape))))

    def normal_(self, t: Any, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> Any:
        return t.copy_(self.tensor(self.rng.normal(mean, std, tuple(t.shape))))


@contextmanager
def same_draws(module: Any) -> Iterator[None]:
    """Let `module` draw from one stream."""
    draws = Draws(module)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("randn", "randn_like", "randint", "multinomial"):
            patch.setattr(module, name, getattr(draws, name), raising=False)
        for name in ("uniform_", "normal_"):
            function = getattr(draws, name)
            patch.setattr(module.Tensor, name, lambda t, *args, f=function, **kw: f(t, *args, **kw))
        patch.setattr(
            module.nn.Dropout,
            "forward",
            lambda self, x: draws.dropout(x, self.p, self.training, self.inplace),
        )
        yield


def run(program: Path, library: str) -> list[float]:
    """What the program's `main` returns under a library; only import lines are changed."""
    source = program.read_text()
    if library == "minigrad":
        source = re.sub(r"^import torch$", "import minigrad as torch", source, flags=re.M)
        source = re.sub(r"^(import|from) torch\b", r"\1 minigrad", source, flags=re.M)
    names: dict[str, Any] = {"__name__": program.stem, "__file__": str(program)}
    with same_draws({"torch": torch, "minigrad": minigrad}[library]):
        exec(compile(source, str(program), "exec"), names)
        return names["main"]()


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.stem)
def test_a_program_gives_the_same_losses(program: Path) -> None:
    ours, theirs = run(program, "minigrad"), run(program, "torch")
    assert len(ours) >= 20
    np.testing.assert_allclose(ours, theirs, rtol=2e-3, atol=1e-5)
    np.testing.assert_allclose(ours[:10], theirs[:10], rtol=1e-4, atol=1e-6)


def test_the_programs_do_learn() -> None:
    """Equal losses of networks that stand still would prove nothing."""
    for name in ("vae", "gpt", "mnist_cnn"):
        losses = run(Path(__file__).with_name("programs") / f"{name}.py", "minigrad")[:20]
        assert np.mean(losses[15:]) < np.mean(losses[:5])
