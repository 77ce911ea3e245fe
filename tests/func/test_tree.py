"""Trees of tensors."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque, namedtuple
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigrad.func import tree

Point = namedtuple("Point", "x y")

TREES = st.recursive(
    st.integers() | st.none(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=2), inner, max_size=3)
        | st.tuples(inner, inner).map(lambda p: Point(*p))
        | st.lists(inner, max_size=2).map(deque)
    ),
    max_leaves=12,
)


@given(TREES)
def test_there_and_back(value: Any) -> None:
    leaves, spec = tree.flatten(value)
    again = tree.unflatten(leaves, spec)
    assert again == value
    assert type(again) is type(value)
    assert tree.flatten(again)[1] == spec
    assert spec.count == len(leaves)


@given(TREES)
def test_a_leaf_is_broadcast_to_all(value: Any) -> None:
    spec = tree.flatten(value)[1]
    assert tree.broadcast(7, spec) == [7] * spec.count


def test_dictionaries_of_all_kinds() -> None:
    d = defaultdict(list, a=1)
    found = tree.tree_map(lambda x: x + 1, {"d": d, "o": OrderedDict(b=2)})
    assert found == {"d": {"a": 2}, "o": {"b": 3}}
    assert found["d"].default_factory is list


def test_prefixes() -> None:
    spec = tree.flatten(({"a": 1, "b": (2, 3)}, [4]))[1]
    assert tree.broadcast((0, 1), spec) == [0, 0, 0, 1]
    assert tree.broadcast(({"b": (1, 2), "a": 0}, None), spec) == [0, 1, 2, None]
    for wrong in ((0,), (0, (1,)), ({"a": 0}, 1), ({"a": (0,), "b": 1}, 1)):
        assert tree.broadcast(wrong, spec) is None


def test_structures_must_agree() -> None:
    with pytest.raises(ValueError, match="expected the structure"):
        tree.tree_map(lambda a, b: a, (1, 2), [1, 2])
    with pytest.raises(ValueError, match="expected 2 leaves"):
        tree.unflatten([1], tree.flatten((1, 2))[1])


def test_the_text_shows_the_structure() -> None:
    assert repr(tree.flatten({"a": (1, 2)})[1]) == "{'a': (*, *)}"
