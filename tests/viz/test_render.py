"""Files, notebooks, and machines without Graphviz."""

from __future__ import annotations

import builtins
import sys
import types

import pytest

import minigrad as mg
from minigrad import nn, viz
from minigrad.viz import render as module

from .conftest import GOLDEN

needs_graphviz = pytest.mark.skipif(not module.available(), reason="Graphviz is not installed")


@pytest.fixture
def drawing():
    x = mg.tensor(2.0, requires_grad=True)
    return viz.draw((x * x).tanh(), params={"x": x})


@needs_graphviz
@pytest.mark.parametrize(
    ("suffix", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF"), ("SVG", b"<?x")]
)
def test_save(drawing, tmp_path, suffix, start):
    path = drawing.save(tmp_path / f"graph.{suffix}")
    assert path.read_bytes().startswith(start)


@needs_graphviz
def test_resolution(drawing, tmp_path):
    small, large = (drawing.save(tmp_path / f"{d}.png", dpi=d).read_bytes() for d in (72, 288))
    width = [int.from_bytes(data[16:20], "big") for data in (small, large)]
    assert width[1] == pytest.approx(4 * width[0], rel=0.05)


@needs_graphviz
def test_svg_is_shown_by_notebooks(drawing):
    assert "<svg" in drawing._repr_svg_()
    assert drawing.svg is drawing.svg  # rendered once
    for text in (">x<", ">tanh<", ">loss<"):
        assert text in drawing.svg


@needs_graphviz
@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.dot")), ids=lambda p: p.stem)
def test_golden_drawings_are_accepted(path):
    assert b"<svg" in module.render(path.read_text(encoding="utf-8"), "svg")


def test_text_needs_nothing(drawing, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BACKENDS", {})
    for name in ("graph.dot", "graph.gv"):
        assert drawing.save(tmp_path / name).read_text(encoding="utf-8") == drawing.source
    assert drawing.dot == drawing.source


def test_without_graphviz_both_ways_are_named(drawing, tmp_path, monkeypatch):
    monkeypatch.setattr(module.shutil, "which", lambda name: None)
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "pygraphviz":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    for act in (drawing._repr_svg_, lambda: drawing.save(tmp_path / "a.png")):
        with pytest.raises(
            ImportError, match=r"(?s)minigrad\[draw\].*`dot`.*DOT text needs neither"
        ):
            act()
    assert not (tmp_path / "a.png").exists()


def test_program_is_preferred(drawing, monkeypatch):
    calls = []
    fake = types.ModuleType("graphviz")
    fake.pipe = lambda *args, **kwargs: calls.append(args) or b"<svg/>"
    monkeypatch.setitem(sys.modules, "graphviz", fake)
    monkeypatch.setattr(module.shutil, "which", lambda name: "/usr/bin/dot")
    assert drawing.svg == "<svg/>"
    assert calls[0][:2] == ("dot", "svg")
    assert calls[0][2].decode() == drawing.source


def test_unknown_suffix(drawing, tmp_path):
    with pytest.raises(ValueError, match=r"\.svg, \.png, \.pdf, \.dot, \.gv, got 'a\.jpeg'"):
        drawing.save(tmp_path / "a.jpeg")


@needs_graphviz
def test_awkward_names(tmp_path):
    model = nn.ModuleDict({"a": nn.Linear(2, 2)})
    x = mg.ones(1, 2)
    x.name = 'back\\slash "quote" <tag> & ünïcode'
    viz.draw(model["a"](x).sum(), model).save(tmp_path / "a.svg")
