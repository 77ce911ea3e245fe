"""What the tests of the models share."""

from __future__ import annotations

from typing import Any

import pytest

from minigrad.nn import init


@pytest.fixture
def undrawn_init(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models of any size in no time: memory that nobody writes to is not even there."""

    def leave(tensor: Any, *args: Any, **kwargs: Any) -> Any:
        return tensor

    for name in ("uniform_", "normal_", "trunc_normal_"):
        monkeypatch.setattr(init, name, leave)
