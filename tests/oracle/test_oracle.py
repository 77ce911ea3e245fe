"""Values and gradients as PyTorch computed them, without PyTorch."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from tests.oracle.programs import rows

VALUES: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "values.json").read_text())
PROGRAMS = rows()


def _compare(ours: Any, theirs: Any, key: str) -> None:
    if isinstance(theirs, dict):
        assert ours.keys() == theirs.keys(), key
        for name in theirs:
            _compare(ours[name], theirs[name], f"{key}: {name}")
    elif isinstance(theirs, list):
        np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=2e-5, err_msg=key)
    else:
        assert ours == theirs, key


@pytest.mark.parametrize("name", PROGRAMS)
def test_as_pytorch(name: str) -> None:
    run, text = PROGRAMS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _compare(run(mg, text), VALUES[name], name)


def test_the_table_is_of_these_programs() -> None:
    """`tools/oracle.py` writes it again."""
    assert list(VALUES) == list(PROGRAMS)
