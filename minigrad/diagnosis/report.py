"""What `diagnose` returns: findings and measurements, as text, as a page, as data."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.diagnosis.findings import CLAIMS, Finding
from minigrad.diagnosis.layers import Layer, one_signed
from minigrad.diagnosis.observed import Observed
from minigrad.diagnosis.page import make_page, make_part
from minigrad.diagnosis.table import COLUMNS, cells

__all__ = ["Report"]


class Report:
    """What was found.

    Attributes
    ----------
    findings : list of Finding
        The worst first.
    layers : list of dict
        For each layer in the order of the forward pass: ``layer`` (its path), ``kind``,
        ``activation``, ``mean`` and ``std`` of what leaves it, ``dead`` and ``saturated`` (shares),
        ``gradient`` (the norm of what arrives), ``n Var(w)``, ``update`` (how far a step goes,
        relative to the weights), ``one-signed`` (rows of the gradient).
    loss : float or None
        Where it began.
    chance : float or None
        The loss of the best answer that does not look at the input, where that is known.
    probes : dict of float to list of float
        Losses of short runs, by the factor of the learning rate.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad import nn, optim
    >>> _ = mg.manual_seed(0)
    >>> net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
    >>> batch = mg.randn(32, 4), mg.randint(0, 3, (32,))
    >>> report = mg.diagnose(net, nn.CrossEntropyLoss(), batch, optim.SGD(net.parameters(), lr=0.1))
    >>> report.ok, report.findings
    (True, [])
    """

    def __init__(self, findings: list[Finding], observed: Observed) -> None:
        self.findings = findings
        self.layers = [_row(layer, observed) for layer in observed.first.layers.values()]
        self.loss = observed.loss
        self.chance = observed.chance()
        self.probes = {k: list(v) for k, v in observed.probes.items()}
        self.inputs = [_described(t.array) for t in observed.inputs]
        self.targets = [_described(t.array) for t in observed.targets]

    @property
    def ok(self) -> bool:
        """Whether there is nothing but notes."""
        return all(f.severity == "note" for f in self.findings)

    def named(self, name: str) -> list[Finding]:
        """The findings of one name."""
        return [f for f in self.findings if f.name == name]

    # -- text --------------------------------------------------------------------------------------

    def text(self) -> str:
        """Findings in words, then the table of layers."""
        lines = [self._summary(), ""]
        for f in self.findings:
            lines += [str(f), ""]
        return "\n".join([*lines, *self._table()])

    def _summary(self) -> str:
        counts = {
            s: sum(f.severity == s for f in self.findings) for s in ("error", "warning", "note")
        }
        said = [f"{n} {s}{'s' * (n != 1)}" for s, n in counts.items() if n]
        text = "diagnosis: " + (", ".join(said) if said else "nothing found")
        if self.loss is not None:
            text += f"; loss {self.loss:.4g}"
        if self.chance is not None:
            text += f", {self.chance:.4g} by chance"
        return text

    def _table(self) -> list[str]:
        rows = [[head for _, head, _ in COLUMNS], *map(cells, self.layers)]
        widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
        return ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()
                for row in rows]  # fmt: skip

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        names = ", ".join(f"{f.name} ({f.layer})" for f in self.findings[:4])
        more = ", ..." if len(self.findings) > 4 else ""
        return f"Report({names}{more})"

    # -- data and page -----------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON takes it; what is no finite number is a word."""
        known = {
            "loss": self.loss, "chance": self.chance, "inputs": self.inputs,
            "targets": self.targets, "findings": [_finding(f) for f in self.findings],
            "layers": self.layers, "probes": {f"{k:g}": v for k, v in self.probes.items()},
        }  # fmt: skip
        plain: dict[str, Any] = _plain(known)
        return plain

    def html(self) -> str:
        """One page, without network or scripts: findings, plots over depth, tables."""
        return make_page(self)

    def _repr_html_(self) -> str:
        return make_part(self)

    def save(self, path: str | PathLike[str]) -> Path:
        """Write the report: ``.html`` the page, ``.txt`` the text, ``.json`` the data.

        Raises
        ------
        ValueError
            For any other suffix.
        """
        target = Path(path)
        kinds: dict[str, Callable[[], str]] = {
            ".html": self.html, ".txt": lambda: self.text() + "\n",
            ".json": lambda: json.dumps(self.to_dict(), indent=1, allow_nan=False) + "\n",
        }  # fmt: skip
        make = kinds.get(target.suffix.lower())
        if make is None:
            raise ValueError(
                "Report.save: expected a path that ends in .html, .txt or .json, got "
                f"{target.name!r}"
            )
        target.write_text(make(), encoding="utf-8")
        return target


def _row(layer: Layer, seen: Observed) -> dict[str, Any]:
    """What is measured of a layer."""
    given = [np.asarray(a, np.float64).reshape(-1) for a in layer.shown]
    values = np.concatenate(given) if given else np.zeros(0)
    moved = [seen.first.updated[id(w)] for _, w, _ in layer.weights if id(w) in seen.first.updated]
    return {
        "layer": layer.name, "kind": type(layer.module).__name__, "activation": layer.activation,
        "mean": float(values.mean()) if values.size else None,
        "std": float(values.std()) if values.size else None,
        "dead": layer.dead(), "saturated": layer.saturated(), "gradient": layer.gradient(),
        "n Var(w)": layer.spread(), "update": max(moved) if moved else None,
        "one-signed": _one_signed(layer, seen),
    }  # fmt: skip


def _one_signed(layer: Layer, seen: Observed) -> float | None:
    for _, w, axis in layer.weights:
        g = seen.gradients.get(id(w))
        if g is not None:
            return one_signed(g, axis)
    return None


def _described(a: np.ndarray) -> dict[str, Any]:
    known: dict[str, Any] = {"shape": list(a.shape), "type": str(a.dtype)}
    if a.size and a.dtype.kind in "fiu":
        wide = a.astype(np.float64)
        known |= {
            "mean": float(wide.mean()), "std": float(wide.std()), "min": float(wide.min()),
            "max": float(wide.max()),
        }  # fmt: skip
    return known


def _finding(f: Finding) -> dict[str, Any]:
    known = {
        "name": f.name, "layer": f.layer, "severity": f.severity, "measured": f.measured,
        "why": f.why, "remedy": f.remedy, "claim": f.claim,
    }  # fmt: skip
    return known | ({} if f.claim is None else {"claim text": CLAIMS[f.claim]})


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
