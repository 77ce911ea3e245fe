"""Texts and names: vocabularies, blocks, padding, splits."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad.data import DataLoader
from minigrad.data.datasets import (
    CharText,
    Names,
    NamesByLanguage,
    TinyShakespeare,
    Vocabulary,
    read_text,
)

real = pytest.mark.skipif(
    not Path(os.environ.get("MINIGRAD_DATA", "/nowhere"), "text").is_dir(),
    reason="needs the real files",
)


@given(st.text(max_size=30))
def test_vocabularies_are_inverted(text: str) -> None:
    vocabulary = Vocabulary(text)
    assert vocabulary.decode(vocabulary.encode(text)) == text
    assert list(vocabulary.characters) == sorted(set(text))


def test_vocabulary_refuses() -> None:
    vocabulary = Vocabulary("abc", special=["<end>"])
    assert vocabulary.encode("ab").tolist() == [1, 2]
    assert vocabulary.decode(mg.tensor([1, 0])) == "a<end>"
    with pytest.raises(ValueError, match="'x' at place 2 is not among the 4"):
        vocabulary.encode("abx")
    with pytest.raises(IndexError, match="from 0 to 3, got 0 to 4"):
        vocabulary.decode([0, 4])
    with pytest.raises(ValueError, match="are special"):
        Vocabulary("a.b", special=["."])


@given(
    n=st.integers(4, 40), block=st.integers(1, 6), stride=st.integers(1, 7), share=st.floats(0, 1)
)
def test_blocks(n: int, block: int, stride: int, share: float) -> None:
    text = "".join(chr(97 + i % 26) for i in range(n))
    cut = n - round(n * share)
    for train, part in ((None, text), (True, text[:cut]), (False, text[cut:])):
        if len(part) <= block:
            with pytest.raises(ValueError, match="this part of the text"):
                CharText(text, block, train, share, stride)
            continue
        blocks = CharText(text, block, train, share, stride)
        decode = blocks.vocabulary.decode
        assert len(blocks) == len(range(0, len(part) - block, stride))
        for i, (x, y) in enumerate(blocks):
            assert decode(x) == part[i * stride : i * stride + block]
            assert decode(y) == part[i * stride + 1 : i * stride + block + 1]


def test_batches_of_blocks() -> None:
    quick = CharText("the quick brown fox", 5, stride=2)
    slow = CharText("the quick brown fox", 5, stride=2, transform=lambda x: x)
    for a, b in zip(DataLoader(quick, 3), DataLoader(slow, 3), strict=True):
        assert a[0].tolist() == b[0].tolist()
        assert a[1].tolist() == b[1].tolist()
    assert quick[-1][0].tolist() == quick[len(quick) - 1][0].tolist()
    for bad in (len(quick), -len(quick) - 1):
        with pytest.raises(IndexError, match=f"index {bad} is out of range"):
            quick[bad]
        with pytest.raises(IndexError, match=f"index {bad} is out of range"):
            list(DataLoader(quick, batch_sampler=[[0, bad]]))
    x, _ = quick[0]
    x.zero_()
    assert quick.vocabulary.decode(quick[0][0]) == "the q"
    with pytest.raises(ValueError, match="should be positive"):
        CharText("abc", 0)
    with pytest.raises(ValueError, match="share from 0 to 1"):
        CharText("abc", 1, validation=2)


def test_files_of_text(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_bytes("\ufeffäh\r\nja".encode())
    assert read_text(path) == "äh\nja"
    assert CharText.from_file(path, 2).vocabulary.decode(CharText.from_file(path, 2)[1][0]) == "h\n"
    path.write_bytes("äh".encode("latin1"))
    with pytest.raises(ValueError, match="no UTF-8 text: byte 0 is 0xe4"):
        read_text(path)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="is empty"):
        read_text(path)


def test_shakespeare_from_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MINIGRAD_DATA", raising=False)
    with pytest.raises(FileNotFoundError, match=r"tinyshakespeare.txt is not in"):
        TinyShakespeare(tmp_path, download=False)
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "tinyshakespeare.txt").write_text("to be or not to be" * 5)
    train, test = (TinyShakespeare(tmp_path, train, 4) for train in (True, False))
    assert len(train) + len(test) == 90 - 8
    assert train.vocabulary.characters == test.vocabulary.characters


@real
def test_the_real_text() -> None:
    train = TinyShakespeare(train=True, block_size=8, download=False)
    assert (len(train.vocabulary), len(train.ids)) == (65, 1_115_394 - 111_539)
    assert train.vocabulary.decode(train[0][0]) == "First Ci"


# -- names -----------------------------------------------------------------------------------------


@pytest.fixture
def few(tmp_path: Path) -> Path:
    path = tmp_path / "names.txt"
    path.write_text("ada\n\n bo \ncleo\n" + "".join(f"{'abcdeo'[i]}o\n" for i in range(6)))
    return path


def test_names(few: Path) -> None:
    names = Names(few)
    assert names.names[:3] == ["ada", "bo", "cleo"]
    assert names.vocabulary.characters == (".", "a", "b", "c", "d", "e", "l", "o")
    x, y = names[0]
    assert x.tolist() == [0, 1, 4, 1, 0]
    assert y.tolist() == [1, 4, 1, 0, -100]
    (xs, ys), *_ = DataLoader(names, 3)
    assert xs.tolist()[0] == x.tolist()
    assert ys.tolist()[2] == [3, 6, 5, 7, 0]
    assert Names(few, ignore_index=-1)[1][1].tolist() == [2, 7, 0, -1, -1]
    assert Names(few, target_transform=lambda y: y.tolist())[1][1][0] == 2


def test_contexts(few: Path) -> None:
    names = Names(few)
    x, y = names.contexts(3)
    decode = names.vocabulary.decode
    rows = [(decode(a), decode([b])) for a, b in zip(x.tolist(), y.tolist())][:5]
    assert rows == [("...", "a"), ("..a", "d"), (".ad", "a"), ("ada", "."), ("...", "b")]
    assert len(y) == sum(len(n) + 1 for n in names.names)


def test_splits(few: Path) -> None:
    few.write_text("\n".join(f"name{chr(97 + i)}" for i in range(20)))
    parts = {s: Names(few, s) for s in ("train", "val", "test")}
    assert [len(p) for p in parts.values()] == [16, 2, 2]
    together = [name for part in parts.values() for name in part.names]
    assert sorted(together) == Names(few).names
    assert Names(few, "train", seed=1).names != parts["train"].names
    assert len({p.vocabulary.characters for p in parts.values()}) == 1
    with pytest.raises(ValueError, match="split should be"):
        Names(few, "validation")
    few.write_text("a\nb")
    with pytest.raises(ValueError, match="2 names are too few for a 'val' part"):
        Names(few, "val")
    few.write_text("\n\n")
    with pytest.raises(ValueError, match="blank lines only"):
        Names(few)
    few.write_text("a.b")
    with pytest.raises(ValueError, match="special"):
        Names(few)


@real
def test_the_real_names() -> None:
    names = Names(download=False)
    assert (len(names), len(names.vocabulary)) == (32_033, 27)
    assert len(names.contexts()[1]) == 228_146


def test_names_of_languages(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="one file for each language"):
        NamesByLanguage(tmp_path)
    (tmp_path / "Polish.txt").write_text("Ślusàrski\nAdamczak\n", encoding="utf-8")
    (tmp_path / "Irish.txt").write_text("O'Neal\n", encoding="utf-8")
    names = NamesByLanguage(tmp_path)
    assert names.classes == ("Irish", "Polish")
    assert names.names == ["O'Neal", "Slusarski", "Adamczak"]
    assert names.lengths.tolist() == [6, 9, 8]
    assert names[2][1] == 1
    ((x, y),) = DataLoader(names, 5)
    assert np.count_nonzero(x.array, 1).tolist() == [6, 9, 8]
    assert y.tolist() == [0, 1, 1]
    assert "Ślusàrski" in NamesByLanguage(tmp_path, plain=False).names
