"""The code in the pages of the documentation runs, in order, and makes the pictures they show."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))
WITH_CODE = [p for p in PAGES if "```python" in p.read_text()]


def _tool() -> Any:
    spec = importlib.util.spec_from_file_location("pictures", ROOT / "tools" / "pictures.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tool = _tool()


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda p: p.stem)
def test_the_code_of_a_page_runs(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tool.run(page)
    missing = [name for name in tool.shown(page) if not (tmp_path / name).exists()]
    assert not missing, f"the page shows what its code does not make: {missing}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_pictures_are_there_and_no_others(page: Path) -> None:
    for name in tool.shown(page):
        assert (ROOT / "docs" / "pictures" / name).exists(), "run tools/pictures.py"
    used = {name for p in PAGES for name in tool.shown(p)}
    assert {p.name for p in (ROOT / "docs" / "pictures").glob("*")} <= used
