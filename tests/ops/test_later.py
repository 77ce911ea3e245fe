"""What is loaded when asked for: it is not there before, and is found by every road."""

from __future__ import annotations

import subprocess
import sys

import pytest

from minigrad.ops import PUBLIC, REGISTRY
from minigrad.ops.later import FILES
from minigrad.ops.later_names import NAMES

LOADED = "[m for m in sys.modules if m.removeprefix('minigrad.ops.') in FILES]"


def run(text: str) -> None:
    """In a process of its own: here everything is loaded."""
    head = "import sys, minigrad as mg\nfrom minigrad.ops.later import FILES\n"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", head + text],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_importing_loads_none_of_it() -> None:
    run(
        "from minigrad import nn, optim, data\n"
        "x = mg.randn(4, 4, requires_grad=True)\n"
        "(x @ x).norm().backward()\n"
        f"assert {LOADED} == [], {LOADED}\n"
        "assert 'cholesky' in dir(mg) and 'cholesky' in mg.__all__\n"
    )


@pytest.mark.parametrize(
    "road",
    [
        "mg.det(mg.eye(2))", "from minigrad import det; det(mg.eye(2))", "mg.eye(2).det()",
        "mg.Tensor.det(mg.eye(2))", "mg.linalg.det(mg.eye(2))", "mg.ops.PUBLIC['det']",
        "import numpy as np; np.linalg.det(mg.eye(2))", "mg.ops.REGISTRY['cofactor']",
        "mg.func.vmap(mg.linalg.det)(mg.ones(3, 2, 2))",
    ],
)  # fmt: skip
def test_every_road_leads_there(road: str) -> None:
    run(
        f"{road}\nassert 'minigrad.ops.linear_algebra.determinant' in sys.modules\n"
        "assert 'minigrad.ops.mathematics.spectral' not in sys.modules\n"
    )


def test_methods_that_write_and_names_that_are_not_there() -> None:
    run(
        "x = mg.tensor([4.0])\nassert x.lgamma_() is x and hasattr(x, 'erfinv_')\n"
        "assert not hasattr(x, 'choleski')\n"
        "try:\n    mg.choleski\n"
        "except AttributeError as error:\n    assert \"did you mean 'cholesky'\" in str(error)\n"
    )


def test_the_table_is_what_the_files_declare() -> None:
    assert tuple(NAMES) == FILES
    for functions, _, operations in NAMES.values():
        assert set(functions.split()) <= set(PUBLIC)
        assert set(operations.split()) <= set(REGISTRY)
    with pytest.raises(KeyError, match="nothing"):
        PUBLIC["nothing"]
