"""What tools write from the declarations is up to date, and what the README shows runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("tool", ["stubs", "docs"])
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


def test_the_readme_opens_with_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text()
    assert re.search(r"```\n(.*?)```", text, re.S)[1].split("\n") == ["make demo", "make test", ""]  # type: ignore[index]
    makefile = (ROOT / "Makefile").read_text()
    for command in re.findall(r"(?:^|`)make ([\w-]+)", text, re.M):
        assert re.search(rf"^{command}:", makefile, re.M), f"make {command} does not exist"
