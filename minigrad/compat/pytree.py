"""Trees of tuples, lists and dictionaries under the names of ``torch.utils._pytree``.

What :mod:`minigrad.func` takes for a container is one here; all else, None included, is a leaf.

>>> tree_map(lambda x: 2 * x, {"a": 1, "b": (2, [3])})
{'a': 2, 'b': (4, [6])}
>>> leaves, spec = tree_flatten([1, (2, 3)])
>>> leaves, tree_unflatten([4, 5, 6], spec)
([1, 2, 3], [4, (5, 6)])
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from minigrad.func.tree import Spec as TreeSpec
from minigrad.func.tree import flatten, unflatten

__all__ = [
    "PyTree", "TreeSpec", "tree_all", "tree_all_only", "tree_any", "tree_any_only", "tree_flatten",
    "tree_iter", "tree_leaves", "tree_map", "tree_map_", "tree_map_only", "tree_map_only_",
    "tree_structure", "tree_unflatten",
]  # fmt: skip

PyTree = Any
Test = Callable[[Any], bool]


def tree_flatten(tree: PyTree, is_leaf: Test | None = None) -> tuple[list[Any], TreeSpec]:
    """The leaves in order, and how they are nested; `is_leaf` makes leaves of containers, too."""
    return flatten(tree, is_leaf)


def tree_unflatten(leaves: Iterable[Any], treespec: TreeSpec) -> PyTree:
    """The tree of a structure with the given leaves.

    Raises
    ------
    ValueError
        If there are more or fewer than the structure has.
    """
    return unflatten(list(leaves), treespec)


def tree_leaves(tree: PyTree, is_leaf: Test | None = None) -> list[Any]:
    """The leaves in order."""
    return flatten(tree, is_leaf)[0]


def tree_iter(tree: PyTree, is_leaf: Test | None = None) -> Iterator[Any]:
    """The leaves in order."""
    yield from flatten(tree, is_leaf)[0]


def tree_structure(tree: PyTree, is_leaf: Test | None = None) -> TreeSpec:
    """How the leaves are nested."""
    return flatten(tree, is_leaf)[1]


def tree_map(
    func: Callable[..., Any], tree: PyTree, *rests: PyTree, is_leaf: Test | None = None
) -> PyTree:
    """The tree with ``func(leaf, ...)`` in place of each leaf; `rests` are nested the same.

    Raises
    ------
    ValueError
        If one of `rests` is nested in another way.
    """
    leaves, spec = flatten(tree, is_leaf)
    rows = [leaves]
    for rest in rests:
        more, own = flatten(rest, is_leaf)
        if own != spec:
            raise ValueError(f"tree_map: expected the structure {spec!r}, got {own!r}")
        rows.append(more)
    return unflatten([func(*row) for row in zip(*rows, strict=True)], spec)


def tree_map_(
    func: Callable[..., Any], tree: PyTree, *rests: PyTree, is_leaf: Test | None = None
) -> PyTree:
    """Call ``func(leaf, ...)`` for what it does; returns the tree as it is."""
    tree_map(func, tree, *rests, is_leaf=is_leaf)
    return tree


def _test(kinds: Any) -> Test:
    """Types, or a predicate, as a predicate."""
    if isinstance(kinds, type) or not callable(kinds):
        return lambda leaf: isinstance(leaf, kinds)
    test: Test = kinds
    return test


def tree_map_only(
    type_or_types_or_pred: Any, /, func: Callable[[Any], Any], tree: PyTree,
    is_leaf: Test | None = None,
) -> PyTree:  # fmt: skip
    """:func:`tree_map` of the leaves that are of a type, of one of several, or that a test takes.

    >>> tree_map_only(int, lambda n: n + 1, [1, "a", 2.0])
    [2, 'a', 2.0]
    """
    wanted = _test(type_or_types_or_pred)
    return tree_map(lambda leaf: func(leaf) if wanted(leaf) else leaf, tree, is_leaf=is_leaf)


def tree_map_only_(
    type_or_types_or_pred: Any, /, func: Callable[[Any], Any], tree: PyTree,
    is_leaf: Test | None = None,
) -> PyTree:  # fmt: skip
    """:func:`tree_map_only` for what `func` does; returns the tree as it is."""
    tree_map_only(type_or_types_or_pred, func, tree, is_leaf)
    return tree


def tree_all(pred: Test, tree: PyTree, is_leaf: Test | None = None) -> bool:
    """Whether a test holds for all leaves."""
    return all(map(pred, tree_leaves(tree, is_leaf)))


def tree_any(pred: Test, tree: PyTree, is_leaf: Test | None = None) -> bool:
    """Whether a test holds for a leaf."""
    return any(map(pred, tree_leaves(tree, is_leaf)))


def tree_all_only(
    type_or_types: Any, /, pred: Test, tree: PyTree, is_leaf: Test | None = None
) -> bool:
    """Whether a test holds for all leaves of some types."""
    wanted = _test(type_or_types)
    return all(pred(leaf) for leaf in tree_leaves(tree, is_leaf) if wanted(leaf))


def tree_any_only(
    type_or_types: Any, /, pred: Test, tree: PyTree, is_leaf: Test | None = None
) -> bool:
    """Whether a test holds for a leaf of some types."""
    wanted = _test(type_or_types)
    return any(pred(leaf) for leaf in tree_leaves(tree, is_leaf) if wanted(leaf))
