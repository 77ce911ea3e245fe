"""The core is a whole autograd library by itself: these files, numpy, and nothing else.

The files of `minigrad.core` are copied into an empty package, and a program runs there with numba
and everything that is not the standard library out of reach. It trains, checks gradients against
finite differences, and differentiates twice.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

CORE = Path(__file__).resolve().parents[2] / "minigrad" / "core"

PROGRAM = '''
import sys
import numpy as np

class Nothing:
    """Refuses to import what the core must not need."""
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in ("numba", "llvmlite", "scipy", "torch", "graphviz", "safetensors"):
            raise ImportError(f"{name} is out of reach")
        if top == "minigrad" and name != "minigrad" and not name.startswith("minigrad.core"):
            raise ImportError(f"{name} is not the core")
sys.meta_path.insert(0, Nothing())

from minigrad.core import ops
from minigrad.core.gradients import grad
from minigrad.core.modes import no_grad
from minigrad.core.ops.elementwise import tanh, sigmoid, log, relu
from minigrad.core.rules import REGISTRY
from minigrad.core.engine import apply
from minigrad.core.tensor import Tensor

rng = np.random.default_rng(0)

def parameters(*sizes):
    made = []
    for n, m in zip(sizes, sizes[1:]):
        made += [Tensor(rng.normal(size=(n, m)) / np.sqrt(n)), Tensor(np.zeros(m))]
    return [p.requires_grad_() for p in made]

def network(weights, x):
    for i in range(0, len(weights), 2):
        x = x @ weights[i] + weights[i + 1]
        x = tanh(x) if i + 2 < len(weights) else sigmoid(x)
    return x

def train(weights, x, t, steps, rate):
    for _ in range(steps):
        p = network(weights, x)
        loss = -(t * log(p) + (1 - t) * log(1 - p)).mean()
        loss.backward()
        with no_grad():
            for w in weights:
                w.array -= rate * w.grad.array
                w.grad = None
    return ((network(weights, x).array > 0.5) == t.array).mean(), loss.item()

# exclusive or
x = Tensor(np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]))
t = Tensor(np.array([[0.0], [1], [1], [0]]))
accuracy, loss = train(parameters(2, 8, 1), x, t, 2000, 0.5)
assert accuracy == 1 and loss < 0.05, (accuracy, loss)
print("xor", loss)

# two moons, in float32
angle = rng.uniform(0, np.pi, 200)
upper = np.stack([np.cos(angle[:100]), np.sin(angle[:100])], 1)
lower = np.stack([1 - np.cos(angle[100:]), 0.5 - np.sin(angle[100:])], 1)
points = (np.concatenate([upper, lower]) + rng.normal(size=(200, 2)) * 0.1).astype(np.float32)
labels = np.repeat([[0.0], [1.0]], 100, 0).astype(np.float32)
weights = parameters(2, 16, 16, 1)
for w in weights:
    w.array = w.array.astype(np.float32)
accuracy, loss = train(weights, Tensor(points), Tensor(labels), 1500, 0.5)
assert accuracy >= 0.98, accuracy
print("moons", accuracy)

# every declared operation against finite differences, on its own samples
def numeric(op, arrays, params, i, flow):
    """The derivative along each element of input i, of the sum of results times `flow`."""
    g = np.zeros(arrays[i].shape)
    for place in np.ndindex(*arrays[i].shape):
        sides = []
        for step in (1e-6, -1e-6):
            moved = [np.array(a) for a in arrays]
            moved[i][place] += step
            out = op.forward(moved, params)
            sides.append((np.asarray(out[0] if isinstance(out, tuple) else out) * flow).sum())
        g[place] = (sides[0] - sides[1]) / 2e-6
    return g

checked = 0
for name, op in REGISTRY.items():
    if not op.differentiable:
        continue
    for sample in op.sample(np.random.default_rng(1)):
        inputs, params = sample[0], tuple(sample[1])
        arrays = [np.asarray(a) for a in inputs]
        leaves = [Tensor(a.copy()) for a in arrays]
        floats = [i for i, a in enumerate(arrays) if a.dtype.kind == "f"]
        for i in floats:
            leaves[i].requires_grad_()
        y = apply(op, tuple(leaves), params)
        flow = np.random.default_rng(2).normal(size=y.shape)
        (y * Tensor(flow)).sum().backward()
        for i in floats:
            if leaves[i].grad is None:
                continue
            found, wanted = leaves[i].grad.array, numeric(op, arrays, params, i, flow)
            assert found.shape == arrays[i].shape, name
            if name == "_cast":
                continue
            assert np.allclose(found, wanted, rtol=1e-4, atol=1e-6), (name, found, wanted)
            checked += 1
print("checked", checked)

# derivatives of derivatives
x = Tensor(np.array(0.5)).requires_grad_()
(first,) = grad(tanh(x * x), x, create_graph=True)
(second,) = grad(first, x)
def exact(v):
    s = 1 / np.cosh(v * v) ** 2
    return 2 * s - 8 * v * v * s * np.tanh(v * v)
assert abs(second.item() - exact(0.5)) < 1e-12
print("second", second.item())
assert not [m for m in sys.modules if m.partition(".")[0] in ("numba", "llvmlite")]
assert all(m.startswith("minigrad.core") or m == "minigrad" for m in sys.modules
           if m.partition(".")[0] == "minigrad")
'''


def test_the_core_is_a_library_on_numpy_alone(tmp_path: Path) -> None:
    package = tmp_path / "minigrad"
    package.mkdir()
    (package / "__init__.py").write_text("")
    shutil.copytree(CORE, package / "core", ignore=shutil.ignore_patterns("__pycache__"))
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    environment = {
        "PATH": os.environ.get("PATH", ""),
        # numpy lies beside what is out of reach; the program refuses the rest by name
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path(np.__file__).parents[1])]),
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", str(program)],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    said = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert int(said["checked"]) > 100
    assert "second" in said
