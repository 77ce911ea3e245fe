"""Make the pictures of the pages by the code beside them: ``python tools/pictures.py [PAGE ...]``.

The code of each page runs in an empty folder; what it writes and the page shows, as
``![...](pictures/NAME)``, is kept in ``docs/pictures``. The tests run the code, too, and look
whether each picture was written.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
PAGES = ROOT / "docs"
PICTURES = PAGES / "pictures"


def run(page: Path) -> None:
    """Run the blocks of a page in order, in the present folder."""
    text = page.read_text()
    names: dict[str, object] = {"__name__": "__page__"}
    for block in re.finditer(r"```python\n(.*?)```", text, re.DOTALL):
        line = text[: block.start()].count("\n") + 1
        code = "\n" * line + block[1]  # so that a traceback shows the line of the page
        exec(compile(code, str(page), "exec"), names)


def shown(page: Path) -> list[str]:
    """The pictures that a page shows, without those that another page makes."""
    return re.findall(r"!\[[^]]*\]\(pictures/([\w.-]+)\)", page.read_text())


def main(wanted: list[str]) -> None:
    PICTURES.mkdir(exist_ok=True)
    for page in sorted(PAGES.glob("*.md")):
        names = shown(page)
        if not names or (wanted and page.stem not in wanted):
            continue
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            run(page)
            for name in names:
                shutil.copyfile(name, PICTURES / name)
                print(f"{page.name}: {name}")


if __name__ == "__main__":
    main(sys.argv[1:])
