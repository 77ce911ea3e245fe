"""PyTorch's own samples: what docs/pytorch.md says of each name is so.

After a change that mends (or breaks) something, ``python tools/opdb.py`` writes the page anew.
"""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("expecttest")

from tests.torch.opdb import names, run
from tools.opdb import statuses

LISTED = list(dict.fromkeys(name for part in names().values() for name in part))


@pytest.mark.parametrize("name", LISTED)
def test_samples(name: str) -> None:
    report = run(name)
    known = statuses().get(name)
    failures = "\n".join(f"{kind}: {text}" for kind, text in report.failures[:20])
    assert report.status == known, f"docs/pytorch.md says {known!r}\n{report.missing}{failures}"


def test_page_lists_what_is_listed() -> None:
    assert set(statuses()) == set(LISTED)
