"""What notebooks show: of tensors, and of modules."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.core.modes import listen
from minigrad.notebook import heat_map

CASES = [
    mg.tensor(2.5), mg.tensor(3), mg.tensor(True), mg.zeros(0, 3), mg.arange(5), mg.randn(4),
    mg.randn(3, 4), mg.randn(100, 7), mg.randn(2, 3, 70, 90), mg.rand(9, 9) > 0.5,
    mg.tensor([[float("nan"), float("inf")]]), mg.full((20, 20), float("nan")),
    mg.ones(2, dtype=mg.bfloat16), mg.ones(3, requires_grad=True) * 2,
]  # fmt: skip


class _Balanced(HTMLParser):
    """Every element that opens must close."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("t", CASES, ids=lambda t: f"{t.dtype}{list(t.shape)}")
def test_tensors_show_themselves(t: mg.Tensor) -> None:
    html = t._repr_html_()
    parser = _Balanced()
    parser.feed(html)
    assert parser.open == []
    assert t.dtype.name in html
    assert len(html) < 600_000


def test_small_matrices_are_tables_and_large_ones_pictures() -> None:
    table = mg.tensor([[1.5, -2.0], [0.25, 4.0]])._repr_html_()
    assert re.findall(r">([-\d.]+)</td>", table) == ["1.5", "-2", "0.25", "4"]
    picture = mg.randn(30, 40)._repr_html_()
    assert "<table" not in picture
    assert "mean" in picture
    assert picture.count("<rect") == 1200


def test_a_heat_map_shows_means_of_blocks() -> None:
    matrix = np.zeros((640, 64))
    matrix[:10] = 1.0
    cells = re.findall(r'y="(\d+)"[^>]*fill="([^"]*)"', heat_map(matrix))
    assert {y for y, _ in cells} == {"0"}  # one row of blocks, the others are 0 and not drawn
    assert len(cells) == 64


def test_names_are_escaped_and_facts_are_told() -> None:
    t = mg.ones(2, requires_grad=True)
    t.name = "<w>"
    html = t._repr_html_()
    assert "&lt;w&gt;" in html
    assert "requires grad" in html
    assert "made by mul" in (t * 2)._repr_html_()


def test_showing_reads() -> None:
    heard: list[str] = []
    t = mg.ones(2)
    with listen(lambda event: heard.append(event.door)):
        t._repr_html_()
    assert heard == ["read"]


def test_modules_show_a_tree_with_their_parameters() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Sequential(nn.Conv2d(1, 2, 3)))
    net[0].bias.requires_grad_(False)
    html = net._repr_html_()
    parser = _Balanced()
    parser.feed(html)
    assert parser.open == []
    for text in ("36 parameters", "<b>Linear</b>", "4 × 3", "4 (frozen)", "2 × 1 × 3 × 3"):
        assert text in html
