"""The report as text, data and page."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import minigrad as mg
from minigrad.diagnosis.findings import SEVERITIES

from .sick import PLANTS
from .test_diagnosis import diagnosed


@pytest.fixture(scope="module")
def report() -> Any:
    mg.manual_seed(0)
    return diagnosed(PLANTS["weights_too_large"]("mlp")[0])


def test_text_says_findings_and_then_layers(report: Any) -> None:
    text = str(report)
    assert text.startswith("diagnosis: ")
    assert "weights_too_large in 2 (n Var(w) " in text
    assert "remedy  nn.init.xavier_normal_" in text
    rows = text.splitlines()[-len(report.layers) :]
    assert [row.split()[0] for row in rows] == [layer["layer"] for layer in report.layers]
    assert "weights_too_large (2)" in repr(report) or "..." in repr(report)


def test_the_worst_comes_first(report: Any) -> None:
    ranks = [SEVERITIES.index(f.severity) for f in report.findings]
    assert ranks == sorted(ranks, reverse=True)
    assert not report.ok


def test_data_is_json(report: Any, tmp_path: Path) -> None:
    known = json.loads(report.save(tmp_path / "r.json").read_text())
    assert known == json.loads(json.dumps(report.to_dict()))
    assert {f["name"] for f in known["findings"]} == {f.name for f in report.findings}
    first = known["findings"][0]
    assert {"layer", "severity", "measured", "why", "remedy", "claim"} <= set(first)
    assert known["layers"][0]["layer"] == "0"
    assert known["probes"]["0"][0] == pytest.approx(report.loss)


class Page(HTMLParser):
    """Whether every tag is closed, and what the page refers to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "br", "line", "rect", "polyline"):
            self.open.append(tag)
        self.links += [v for k, v in attrs if k in ("src", "href") and v]

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("line", "rect", "polyline") or tag in self.open[-1:]:
            assert self.open.pop() == tag


def test_the_page_stands_alone(report: Any, tmp_path: Path) -> None:
    text = report.save(tmp_path / "r.html").read_text()
    assert text == report.html()
    page = Page(text)
    assert page.open == []
    assert page.links == []
    assert "<script" not in text
    assert text.count("<figure>") == 3
    assert "weights too large in layer <code>2</code>" in text
    assert report._repr_html_() in text


def test_names_cannot_break_the_page() -> None:
    net = mg.nn.Sequential()
    net.add_module("<b>", mg.nn.Linear(2, 2))
    with mg.no_grad():
        net[0].weight.fill_(float("nan"))
    batch = mg.randn(8, 2), mg.randint(0, 2, (8,))
    text = diagnosed({"model": net, "loss_fn": mg.nn.CrossEntropyLoss(), "batch": batch}).html()
    assert "<code>&lt;b&gt;</code>" in text


def test_other_suffixes_are_refused(report: Any, tmp_path: Path) -> None:
    assert report.save(tmp_path / "r.txt").read_text() == f"{report}\n"
    with pytest.raises(ValueError, match=r"ends in .html, .txt or .json, got 'r.pdf'"):
        report.save(tmp_path / "r.pdf")
