"""The programs that learn a text run from their options to their sample."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from tests.examples.test_mnist import program

SMALL = {
    "char_lstm": ["--hidden", "12", "--cell", "gru", "--layers", "2", "--dropout", "0.1"],
    "gpt": ["--width", "8", "--heads", "2", "--layers", "1", "--top-k", "5"],
}
COMMON = ["--batch-size", "2", "--block-size", "8", "--report", "2", "--length", "20"]


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of data with a few lines under the name of the whole text."""
    (tmp_path / "text").mkdir()
    lines = "What's in a name? That which we call a rose\nBy any other name would smell as sweet;\n"
    (tmp_path / "text" / "tinyshakespeare.txt").write_text(lines * 150)
    monkeypatch.setenv("MINIGRAD_DATA", str(tmp_path))


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("name", list(SMALL))
def test_a_short_run(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = [*SMALL[name], *COMMON, "--steps", "4", "--prompt", "rose"]
    loss = program(name).main(options)
    assert 0 < loss < 2 * math.log(30)
    first = capsys.readouterr().out
    assert "step     2" in first
    assert "step     4" in first
    sample = first.partition("-" * 80 + "\n")[2]
    assert sample.startswith("rose")
    assert len(sample) == 4 + 20 + 1
    program(name).main(options)
    again = capsys.readouterr().out
    assert again.partition("-" * 80)[2][1:] == sample  # the seed decides


@pytest.mark.slow
@pytest.mark.skipif("MINIGRAD_DATA" not in os.environ, reason="needs the text")
@pytest.mark.parametrize(("name", "most"), [("char_lstm", 2.5), ("gpt", 2.65)])
def test_it_learns(name: str, most: float) -> None:
    assert program(name).main(["--steps", "120", "--length", "20"]) < most < math.log(65) - 1.5
