"""What tools write from the declarations is up to date, and what the README shows runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from minigrad.viz.render import available

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("tool", ["stubs", "docs", "plants"])
def test_generated_files_are_up_to_date(tool: str) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / f"{tool}.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_readme_trains() -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    scope: dict[str, object] = {}
    exec(blocks[0].replace("range(100)", "range(3)"), scope)
    assert scope["loss"].item() > 0  # type: ignore[attr-defined]


def test_the_readme_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its training, with what that left behind."""
    if not available():
        pytest.skip("drawing needs Graphviz: neither the program nor the library is here")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    scope: dict[str, object] = {}
    exec(blocks[0].replace("range(100)", "range(3)"), scope)
    (block,) = [b for b in blocks if "viz.draw" in b]
    exec(block, scope)
    assert {p.name for p in tmp_path.iterdir()} == {"step.svg", "steps.html"}


def test_the_readme_diagnoses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    scope: dict[str, object] = {}
    exec(blocks[0].replace("range(100)", "range(3)"), scope)
    (block,) = [b for b in blocks if "mg.diagnose" in b]
    exec(block, scope)
    assert (tmp_path / "training.png").exists()
    assert len(scope["seen"].records) == 10  # type: ignore[arg-type,attr-defined]


def test_the_readme_opens_with_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text()
    assert re.search(r"```\n(.*?)```", text, re.S)[1].split("\n") == ["make demo", "make test", ""]  # type: ignore[index]
    makefile = (ROOT / "Makefile").read_text()
    for command in re.findall(r"(?:^|`)make ([\w-]+)", text, re.M):
        assert re.search(rf"^{command}:", makefile, re.M), f"make {command} does not exist"


def run(text: str) -> None:
    """Run a program in a process of its own: what it declares stays there."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", text],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_readme_declares_an_operation() -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    (block,) = [b for b in blocks if "elementwise(" in b]
    run(
        f"{block}\nimport minigrad as mg\n"
        "assert repr(nn.Squareplus(2.0)) == 'Squareplus(b=2.0)'\n"
        "assert mg.tensor([0.0]).squareplus().item() == mg.squareplus(mg.zeros(1)).item() == 1\n"
    )


def test_contributing_declares_an_activation_with_its_module() -> None:
    """The text itself, in the place it is for: operation, function, module and row follow."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.S)
    (block,) = [b for b in blocks if "@activation(" in b]
    run(
        "import sys; sys.path.insert(0, 'tools')\n"
        "import numpy as np, minigrad as mg\n"
        "from minigrad import nn\n"
        "from minigrad.autograd.opcheck import check_operation\n"
        "from minigrad.ops import activations\n"
        f"exec({block!r}, vars(activations))\n"
        "assert repr(nn.Squareplus(1.0, inplace=True)) == 'Squareplus(b=1.0, inplace=True)'\n"
        "x = mg.zeros(3)\n"
        "assert nn.Squareplus(inplace=True)(x) is x and (x == 1).all()\n"
        "assert nn.functional.squareplus(mg.zeros(1), b=16.0).item() == 2\n"
        "assert 'Barron' in nn.Squareplus.__doc__ and 'b : float' in nn.Squareplus.__doc__\n"
        "assert not check_operation(activations.squareplus.op).problems\n"
        "import docs\n"
        "assert '| `squareplus(x, b)` |' in docs.page()\n"
    )


def test_contributing_declares_an_optimizer() -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.S)
    kernel, optimizer = [b for b in blocks if "signsgd" in b]
    run(
        "import os; os.environ['NUMBA_DISABLE_JIT'] = '1'\n"  # the kernel is in no file
        "import minigrad as mg\n"
        "from minigrad.kernels import optim as kernels\n"
        "from minigrad.optim import sgd\n"
        f"exec({kernel!r}, vars(kernels))\n"
        f"exec({optimizer!r}, vars(sgd))\n"
        "w = mg.tensor([1.0, -2.0, 0.0], requires_grad=True)\n"
        "w.grad = mg.tensor([3.0, -0.5, 0.0])\n"
        "sgd.SignSGD([w], lr=0.5).step()\n"
        "assert w.tolist() == [0.5, -1.5, 0.0]\n"
    )


def test_docs_plot_operations() -> None:
    sys.path.insert(0, str(ROOT / "tools"))
    import docs  # type: ignore[import-not-found]
    from minigrad.core.declare import REGISTRY

    bars = docs.plot(REGISTRY["relu"], width=8).split()[0]
    assert bars[:4] == "▁▁▁▁"
    assert list(bars) == sorted(bars)
    assert bars[-1] == "█"
    assert docs.plot(REGISTRY["mul"]) == ""
