"""The first training step on an empty cache: CPU seconds of a whole process, for each program.

    python tools/bench/cold.py [--functions N] [PROGRAM ...]

Every program runs in a process of its own with a cache folder of its own. With ``--functions`` the
N functions that take numba longest are listed, each without those that it needs in turn. CPU time,
since other processes disturb the other.
"""

from __future__ import annotations

import argparse
import collections
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

#: Kept as text: a process imports what its program needs and nothing else.
HEAD = """
import minigrad as mg
from minigrad import models, nn, optim
import minigrad.nn.functional as F
mg.manual_seed(0)

def train(model, x, classes, optimizer=None):
    optimizer = optimizer or optim.Adam(model.parameters(), lr=1e-3)
    y = model(x)
    y = (y[0] if isinstance(y, tuple) else y).reshape(-1, classes)
    F.cross_entropy(y, mg.randint(0, classes, (y.shape[0],))).backward()
    optimizer.step()
    optimizer.zero_grad()
"""
PROGRAMS = {
    "demo": "from minigrad.cli import main; main(['demo'])",
    "mlp": """
model = nn.Sequential(
    nn.Linear(784, 256), nn.ReLU(), nn.Dropout(0.2), nn.Linear(256, 128), nn.ReLU(),
    nn.Linear(128, 10),
)
train(model, mg.rand(128, 784), 10)
""",
    "lenet": """
model = nn.Sequential(
    nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(),
    nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(),
    nn.Linear(84, 10),
)
train(model, mg.rand(64, 1, 28, 28), 10)
""",
    "resnet20": """
model = models.cifar_resnet20()
sgd = optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
train(model, mg.rand(32, 3, 32, 32), 10, sgd)
""",
    "gpt": """
model = models.GPT(models.GPTConfig(vocab_size=65, block_size=64, n_layer=2, n_head=4, n_embd=128))
train(model, mg.randint(0, 65, (16, 64)), 65, optim.AdamW(model.parameters(), lr=1e-3))
""",
    "unet": """
def block(a, b):
    return nn.Sequential(nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU())
class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down, self.deep = block(3, 16), block(16, 32)
        self.up, self.last = nn.ConvTranspose2d(32, 16, 2, stride=2), block(32, 16)
        self.head = nn.Conv2d(16, 2, 1)
    def forward(self, x):
        first = self.down(x)
        y = self.up(self.deep(F.max_pool2d(first, 2)))
        return self.head(self.last(mg.cat([first, y], 1))).movedim(1, -1)
train(UNet(), mg.rand(4, 3, 64, 64), 2)
""",
    "vit": """
class ViT(nn.Module):
    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 64, 4, stride=4)
        layer = nn.TransformerEncoderLayer(64, 4, 128, batch_first=True, activation='gelu')
        self.encoder, self.head = nn.TransformerEncoder(layer, 2), nn.Linear(64, 10)
    def forward(self, x):
        return self.head(self.encoder(self.patches(x).flatten(2).transpose(1, 2)).mean(1))
train(ViT(), mg.rand(16, 3, 32, 32), 10)
""",
}


class Listener:
    """Time of each function that numba compiles, less that of those it needs."""

    def __init__(self) -> None:
        self.stack: list[list[float]] = []
        self.seconds: collections.Counter[str] = collections.Counter()

    def notify(self, event: Any) -> None:
        if event.is_start:
            self.stack.append([time.process_time(), 0.0])
            return
        start, inside = self.stack.pop()
        elapsed = time.process_time() - start
        function = event.data["dispatcher"].py_func
        self.seconds[f"{function.__module__}.{function.__name__}"] += elapsed - inside
        if self.stack:
            self.stack[-1][1] += elapsed


def child(program: str, functions: int) -> None:
    """Run a program and print what it took."""
    listener = Listener()
    if functions:
        import numba.core.event

        class Ear(numba.core.event.Listener):
            on_start = on_end = staticmethod(listener.notify)

        numba.core.event.register("numba:compile", Ear())
    exec(HEAD + PROGRAMS[program], {})
    for name, seconds in listener.seconds.most_common(functions):
        print(f"    {seconds:6.3f} {name}", file=sys.stderr)
    total = sum(listener.seconds.values())
    if functions:
        print(f"    {total:6.3f} in {len(listener.seconds)} functions", file=sys.stderr)


def cpu_seconds(program: str, functions: int, cache: str) -> float:
    """CPU seconds of a process that runs a program with a cache folder."""
    code = f"import sys; sys.path.insert(0, {os.path.dirname(__file__)!r}); import cold; "
    code += f"cold.child({program!r}, {functions})"
    before = os.times()
    environment = {**os.environ, "MINIGRAD_CACHE": cache}
    done = subprocess.run([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE)
    after = os.times()
    if done.returncode:
        raise SystemExit(f"{program} failed")
    used: Callable[[Any], float] = lambda t: t.children_user + t.children_system
    return used(after) - used(before)


def main() -> None:
    """Run the programs that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("programs", nargs="*", metavar="PROGRAM", help=", ".join(PROGRAMS))
    parser.add_argument("--functions", type=int, default=0, metavar="N")
    asked = parser.parse_args()
    for program in asked.programs or PROGRAMS:
        with tempfile.TemporaryDirectory() as cache:
            cold = cpu_seconds(program, asked.functions, cache)
            warm = cpu_seconds(program, 0, cache)
        print(f"{program:<10} cold {cold:6.2f} s   warm {warm:5.2f} s", flush=True)


if __name__ == "__main__":
    main()
