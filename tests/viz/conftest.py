"""Golden drawings: DOT text that was looked at once, and is compared from then on.

After a change that is meant to change pictures, write them anew, look at them, and commit::

    MINIGRAD_OVERWRITE=1 pytest tests/viz
    git diff tests/viz/golden
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from minigrad.viz import Drawing

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def golden() -> Callable[[str, Drawing], None]:
    """``golden(name, drawing)`` compares with ``golden/name.dot``."""

    def compare(name: str, drawing: Drawing) -> None:
        path = GOLDEN / f"{name}.dot"
        if os.environ.get("MINIGRAD_OVERWRITE"):
            drawing.save(path)
        assert drawing.source == path.read_text(encoding="utf-8"), (
            f"the drawing differs from {path.name}; if it should, see tests/viz/conftest.py"
        )

    return compare
