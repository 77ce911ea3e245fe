"""The command ``steps``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from minigrad.cli import main


def run(capsys: Any, *argv: str) -> tuple[int, str, str]:
    code = main(argv)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_only_written(capsys: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    code, out, _ = run(capsys, "steps", "tanh(w * x + b)", "w=0.5", "x=2", "b=1", "-o", str(path))
    assert code == 0
    assert out == f"steps  {path}\n"
    data = json.loads(path.read_text(encoding="utf-8"))
    assert [n["line"] for n in data["nodes"] if n["kind"] == "op"] == [
        "w * x", "w * x + b", "tanh(w * x + b)",
    ]  # fmt: skip
    assert data["title"] == "tanh(w * x + b)"


def test_opened(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or True)
    code, out, _ = run(capsys, "steps", "x * x", "x=3")
    path = Path(out.removeprefix("steps").strip())
    assert code == 0
    assert opened == [path.as_uri()]
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    path.unlink()
    monkeypatch.setattr("webbrowser.open", lambda address: False)
    code, out, err = run(capsys, "steps", "x * x", "x=3")
    Path(out.removeprefix("steps").strip()).unlink()
    assert code == 1
    assert "no browser was found" in err


def test_an_expression_may_begin_with_a_minus(capsys: Any) -> None:
    code, out, _ = run(capsys, "steps", "-x ** 2", "x=-3", "--text")
    assert code == 0
    assert "L = -v1 = -9" in out
    assert "dL/dx = 6" in out


def test_vectors_are_summed(capsys: Any) -> None:
    code, out, _ = run(capsys, "steps", "softmax(x)[0] * x", "x=[1, 2]", "--text")
    assert code == 0
    assert "gradients start from one number" in out


def test_variables_named_as_the_result(capsys: Any) -> None:
    code, out, _ = run(capsys, "steps", "L * y", "L=2", "y=3", "--text")
    assert code == 0
    assert "df/dL = 3" in out


@pytest.mark.parametrize("command", ["steps", "draw"])
def test_why_a_logarithm_is_none(command: str, capsys: Any, tmp_path: Path) -> None:
    out = tmp_path / ("a.txt" if command == "steps" else "a.dot")
    code, said, _ = run(capsys, command, "log(x) * 2", "x=-1", "-o", str(out))
    text = said + out.read_text(encoding="utf-8")
    assert code == 0
    assert "there is no real logarithm" in text
    assert "its derivative, 1 / x, has a value" in text


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["x^2", "x=1"], r"write x ** 2"),
        (["log(-1)"], "has no variables"),
        (["x * y", "x=1"], "no value: y"),
        (["x", "x=1"], "has no graph"),
    ],
)
def test_refusals(argv: list[str], says: str, capsys: Any) -> None:
    code, _, err = run(capsys, "steps", *argv, "--text")
    assert code == 1
    assert says in err
