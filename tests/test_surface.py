"""What users can see stays as `tests/surface` says: names, parameters, keys of states, texts.

If this fails for what is new, run ``python tools/surface.py`` and commit the tables. What vanished
or changed is what users' code would miss: bring it back.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))

import surface  # type: ignore[import-not-found]  # noqa: E402


def test_the_surface_is_as_the_tables_say() -> None:
    # in a process of its own: what other tests import, register or seed does not matter
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "surface.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "new",
    [
        "f(a, b=1, *, c=2)",  # the same
        "f(a, b=1, d=3, *, c=2)",  # one more, after the others
        "f(a, b=1, *, e=3, c=2, **more)",
        "f(a, b=1, c=2)",  # one that may be placed, too
        "f(a=0, b=1, *, c=2)",  # one that may be left out
    ],
)
def test_what_serves_all_old_calls_is_no_loss(new: str) -> None:
    assert surface.lost_names(["f(a, b=1, *, c=2)"], [new, "g(x)"]) == []


@pytest.mark.parametrize(
    "new",
    [
        "g(a, b=1, *, c=2)",  # another name
        "f(a, *, c=2)",  # a parameter less
        "f(b=1, a=0, *, c=2)",  # another order
        "f(a, b=2, *, c=2)",  # another default
        "f(a, b, *, c=2)",  # none
        "f(a, b=1, *, c=3)",
        "f(a, b=1)",
        "f(a, x=0, b=1, *, c=2)",  # one more, before others
        "f(a, b=1, *, c=2, d)",  # one more that has to be given
        "f: module",
    ],
)
def test_what_does_not_is_one(new: str) -> None:
    old = "f(a, b=1, *, c=2)"
    assert surface.lost_names([old], [new]) == [old]


def test_classes_at_two_places_stay_one() -> None:
    assert surface.lost_names(["a.C = b.C"], ["a.C(x)"]) == ["a.C = b.C"]


def test_states_and_texts_stay_line_by_line() -> None:
    old = [
        "nn.A() text: A()",
        "nn.A() attributes: p, q",
        "nn.A() state: weight [2]",
        "nn.A() state: bias [2]",
    ]
    assert surface.lost_blocks(old, old) == []
    assert surface.lost_blocks(old, [*old, "nn.B() text: B()"]) == []
    more = [old[0], "nn.A() attributes: p, q, r", *old[2:]]
    assert surface.lost_blocks(old, more) == []
    assert surface.lost_blocks(old, [old[0], "nn.A() attributes: p", *old[2:]]) == [old[1]]
    assert surface.lost_blocks(old, ["nn.A() text: A(p=2)", *old[1:]]) == [old[0]]
    assert surface.lost_blocks(old, old[:3]) == [old[3]]
    assert surface.lost_blocks(old, [*old[:2], old[3], old[2]]) == old[2:]
    assert surface.lost_blocks(old, [*old, "nn.A() state: more [1]"]) == old[2:]
