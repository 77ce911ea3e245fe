"""The page of a report: HTML with pictures of its own, no scripts, light and dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from minigrad.diagnosis.findings import CLAIMS, Finding
from minigrad.diagnosis.table import COLUMNS, cells

if TYPE_CHECKING:
    from minigrad.diagnosis.report import Report

__all__ = ["make_page", "make_part"]

#: Where findings are that no layer is to blame for.
OUTSIDE = ("input", "target", "loss", "optimizer")


def make_page(report: Report) -> str:
    """The page as HTML text."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>diagnosis</title>\n</head>\n<body>\n{make_part(report)}\n</body>\n</html>\n"
    )


def make_part(report: Report) -> str:
    """What a notebook shows: the same, to stand in another page."""
    style = files("minigrad.diagnosis").joinpath("page.css").read_text(encoding="utf-8")
    return (
        f'<style>{style}</style>\n<div class="diagnosis">\n<h1>Diagnosis</h1>\n{_head(report)}\n'
        f"{_plots(report)}\n{''.join(map(_card, report.findings))}\n{_layers(report)}\n"
        f"{_data(report)}\n</div>"
    )


def _head(report: Report) -> str:
    loss = "" if report.loss is None else f"The loss is <b>{_number(report.loss)}</b>"
    if loss and report.chance is not None:
        loss += f"; the best answer without looking would have {_number(report.chance)}"
    found = (
        "Nothing is wrong that could be seen." if report.ok and not report.findings
        else "Nothing but notes." if report.ok
        else f"{sum(f.severity != 'note' for f in report.findings)} things are wrong."
    )  # fmt: skip
    return f"<p><b>{found}</b> {loss}{'.' if loss else ''}</p>"


def _card(f: Finding) -> str:
    numbers = ", ".join(
        f"{escape(str(k))} <b>{escape(_number(v))}</b>" for k, v in f.measured.items()
    )
    claim = (
        "" if f.claim is None else f"<p class=claim>Claim {f.claim}: {escape(CLAIMS[f.claim])}</p>"
    )
    name, layer = escape(f.name.replace("_", " ")), escape(f.layer or "the network")
    where = "" if f.layer in OUTSIDE or not f.layer else "layer "
    return (
        f'<section class="{f.severity}"><h2><span>{f.severity}</span> {name} in {where}'
        f"<code>{layer}</code></h2>"
        f"<p>{numbers}</p><p>{_sentence(f.why)}</p><p><b>What helps:</b> {_sentence(f.remedy)}</p>"
        f"{claim}</section>"
    )


def _sentence(text: str) -> str:
    """With a capital and a full stop; what begins with code stays as it is."""
    first = text.split(" ", 1)[0]
    capital = text[:1].upper() if first.isalpha() else text[:1]
    return escape(capital + text[1:]) + ("." if text and text[-1] not in ".:" else "")


def _number(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if math.isfinite(value) else str(value)
    return str(value)


# -- pictures --------------------------------------------------------------------------------------


def _plots(report: Report) -> str:
    names = [row["layer"] or "network" for row in report.layers]
    pictures = []
    if len(names) > 1:
        std = [row["std"] for row in report.layers]
        gradient = [row["gradient"] for row in report.layers]
        pictures += [
            _bars("Signals over depth", "standard deviation of what leaves a layer", names, std),
            _bars("Gradients over depth", "norm of what arrives at a layer", names, gradient),
        ]
    if report.probes:
        pictures.append(_curves(report.probes))
    return f'<div class="plots">{"".join(pictures)}</div>'


_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 420, 200, 52, 34


def _figure(title: str, text: str, body: str) -> str:
    return (
        f"<figure><figcaption><b>{title}</b><br>{text}</figcaption>"
        f'<svg role="img" aria-label="{title}: {text}" viewBox="0 0 {_WIDTH} {_HEIGHT}">'
        f"{body}</svg></figure>"
    )


def _bars(title: str, text: str, names: Sequence[str], values: Sequence[float | None]) -> str:
    """Bars on a log scale: what is lost with depth is seen by eye."""
    good = [v for v in values if v is not None and math.isfinite(v) and v > 0]
    if not good:
        return ""
    high = math.ceil(math.log10(max(good)) + 1e-9)
    low = min(math.floor(math.log10(min(good)) - 1e-9), high - 2)
    width = (_WIDTH - _LEFT - 8) / len(names)
    rows = _HEIGHT - _BOTTOM - 8

    def y(value: float) -> float:
        return 8 + rows * (high - math.log10(value)) / (high - low)

    parts = [_line(y(10.0**e), f"1e{e}") for e in _ticks(low, high)]
    for i, (name, v) in enumerate(zip(names, values, strict=True)):
        x = _LEFT + i * width
        if v is not None and math.isfinite(v) and v > 0:
            top = y(v)
            tall = max(_HEIGHT - _BOTTOM - top, 1)
            parts.append(
                f'<rect x="{x + width * 0.12:.1f}" y="{top:.1f}" width="{width * 0.76:.1f}" '
                f'height="{tall:.1f}"><title>{escape(name)}: {v:.3g}</title></rect>'
            )
        if len(names) <= 12 or i % (len(names) // 8) == 0:
            short = name if len(name) <= 9 else "…" + name[-8:]
            parts.append(
                f'<text class="name" x="{x + width / 2:.1f}" y="{_HEIGHT - 18}">'
                f"{escape(short)}</text>"
            )
    return _figure(title, text, "".join(parts))


def _ticks(low: int, high: int) -> list[int]:
    step = max(1, (high - low) // 4)
    return list(range(high, low - 1, -step))


def _line(y: float, label: str) -> str:
    return (
        f'<line x1="{_LEFT}" x2="{_WIDTH - 8}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="tick" x="{_LEFT - 6}" y="{y + 4:.1f}">{label}</text>'
    )


def _curves(probes: dict[float, list[float]]) -> str:
    """The loss of short runs, by learning rate."""
    shown = {k: [v for v in run if math.isfinite(v)] for k, run in probes.items()}
    start = next((run[0] for run in shown.values() if run), None)
    if start is None:
        return ""
    everything = [min(v, 3 * abs(start) + 1e-9) for run in shown.values() for v in run]
    low, high = min(everything), max(everything)
    high = high if high > low else low + 1
    steps = max(len(run) for run in probes.values())
    rows = _HEIGHT - _BOTTOM - 8

    def y(value: float) -> float:
        return 8 + rows * (high - min(value, high)) / (high - low)

    def x(step: int) -> float:
        return _LEFT + step * (_WIDTH - _LEFT - 70) / max(1, steps - 1)

    parts = [_line(y(v), _number(v)) for v in (low, (low + high) / 2, high)]
    for i, (factor, run) in enumerate(shown.items()):
        points = " ".join(f"{x(k):.1f},{y(v):.1f}" for k, v in enumerate(run))
        if run:
            parts.append(f'<polyline class="curve{i}" points="{points}"/>')
            parts.append(
                f'<text class="curve{i}" x="{x(len(run) - 1) + 5:.1f}" y="{y(run[-1]) + 4:.1f}">'
                f"lr × {factor:g}</text>"
            )
    parts.append(
        f'<text class="name" x="{(_WIDTH + _LEFT) / 2 - 30}" y="{_HEIGHT - 14}">step</text>'
    )
    return _figure("Learning rate", "the loss of short runs on this batch", "".join(parts))


# -- tables ----------------------------------------------------------------------------------------


def _layers(report: Report) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for _, text, _ in COLUMNS)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells(row)) + "</tr>"
        for row in report.layers
    )
    return (
        f'<h2>Layers</h2><div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}'
        "</tbody></table></div>"
    )


def _data(report: Report) -> str:
    rows = []
    for name, described in (("input", report.inputs), ("target", report.targets)):
        for d in described:
            shape = " × ".join(map(str, d["shape"])) or "number"
            spread = (
                f"mean {d['mean']:.3g}, deviation {d['std']:.3g}, from {d['min']:.3g} to "
                f"{d['max']:.3g}"
                if "mean" in d else ""
            )  # fmt: skip
            rows.append(f"<tr><td>{name}</td><td>{shape} {d['type']}</td><td>{spread}</td></tr>")
    if not rows:
        return ""
    return f'<h2>Data</h2><div class="wide"><table><tbody>{"".join(rows)}</tbody></table></div>'
