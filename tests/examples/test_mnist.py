"""The MNIST programs reach the accuracy they promise, and go on from their checkpoints."""

from __future__ import annotations

import gzip
import importlib.util
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "examples"
IDX = "{}-{}-idx{}-ubyte"


def program(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.mnist
@pytest.mark.skipif("MINIGRAD_DATA" not in os.environ, reason="needs the MNIST files")
@pytest.mark.parametrize(("name", "least"), [("mnist_mlp", 0.965), ("mnist_cnn", 0.983)])
def test_accuracy(name: str, least: float, capsys: pytest.CaptureFixture[str]) -> None:
    accuracy = program(name).main([])
    assert accuracy >= least
    assert f"{accuracy:.2%}" in capsys.readouterr().out


def write_idx(path: Path, array: np.ndarray[Any, Any]) -> None:
    sizes = b"".join(n.to_bytes(4, "big") for n in array.shape)
    path.write_bytes(bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes())


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of data with a few images of noise under MNIST's names."""
    place = tmp_path / "mnist"
    place.mkdir()
    rng = np.random.default_rng(0)
    for kind, count in (("train", 40), ("t10k", 20)):
        for what, shape in (("images", (count, 28, 28)), ("labels", (count,))):
            path = place / IDX.format(kind, what, len(shape))
            write_idx(path, rng.integers(0, 10, shape))
            path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
    monkeypatch.setenv("MINIGRAD_DATA", str(tmp_path))


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("name", ["mnist_mlp", "mnist_cnn"])
def test_an_interrupted_run_goes_on(name: str, tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    module = program(name)
    common = ["--batch-size", "10", "--epochs", "2"]
    straight, halves = str(tmp_path / "straight"), str(tmp_path / "halves")
    module.main([*common, "--checkpoint", straight])
    kept = module.serialize.save_checkpoint
    saved = []

    def save(*args: Any, **kwargs: Any) -> None:
        kept(*args, **kwargs)
        saved.append(args)
        if len(saved) == 1:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module.serialize, "save_checkpoint", save)
        with pytest.raises(KeyboardInterrupt):
            module.main([*common, "--checkpoint", halves])
        module.main([*common, "--checkpoint", halves, "--resume", "--seed", "5"])
    assert Path(halves).read_bytes() == Path(straight).read_bytes()
    with pytest.raises(SystemExit, match="--checkpoint FILE"):
        module.main([*common, "--resume"])
