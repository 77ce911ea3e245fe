"""Nested tuples, lists, dictionaries and named tuples as a flat list of leaves, and back.

Everything else, None included, is a leaf.

>>> leaves, spec = flatten({"a": 1, "b": (2, [3])})
>>> leaves
[1, 2, 3]
>>> unflatten([10, 20, 30], spec)
{'a': 10, 'b': (20, [30])}
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

__all__ = ["Spec", "broadcast", "flatten", "leaves_of", "tree_map", "unflatten"]

_DICTS = (dict, OrderedDict, defaultdict)


class Spec:
    """How leaves are nested.

    Attributes
    ----------
    kind : type or None
        The container; None for a leaf.
    context : object
        What the container needs to be made again: the keys of a dictionary.
    children : tuple of Spec
    count : int
        How many leaves there are.
    """

    __slots__ = ("children", "context", "count", "kind")

    def __init__(self, kind: type | None, context: Any, children: tuple[Spec, ...]) -> None:
        self.kind = kind
        self.context = context
        self.children = children
        self.count: int = 1 if kind is None else sum(c.count for c in children)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Spec)
            and self.kind is other.kind
            and self.context == other.context
            and self.children == other.children
        )

    def __hash__(self) -> int:
        return hash((self.kind, self.count))

    def __repr__(self) -> str:
        return repr(unflatten([_Star()] * self.count, self))


class _Star:
    """A leaf in the text of a structure."""

    def __repr__(self) -> str:
        return "*"


_LEAF = Spec(None, None, ())


def _is_named(kind: type) -> bool:
    return issubclass(kind, tuple) and hasattr(kind, "_fields")


def _parts(tree: Any) -> tuple[Any, Sequence[Any]] | None:
    """What a container needs to be made again, and what it holds; None for a leaf."""
    kind = type(tree)
    if kind in (tuple, list) or _is_named(kind):
        return None, tree
    if kind in _DICTS:
        factory = tree.default_factory if kind is defaultdict else None
        return (factory, tuple(tree)), list(tree.values())
    if kind is deque:
        return tree.maxlen, list(tree)
    return None


def flatten(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> tuple[list[Any], Spec]:
    """The leaves of a tree in order, and its structure; `is_leaf` makes leaves of containers."""
    found = None if is_leaf is not None and is_leaf(tree) else _parts(tree)
    if found is None:
        return [tree], _LEAF
    context, children = found
    leaves: list[Any] = []
    specs = []
    for child in children:
        below, spec = flatten(child, is_leaf)
        leaves += below
        specs.append(spec)
    return leaves, Spec(type(tree), context, tuple(specs))


def leaves_of(tree: Any) -> list[Any]:
    """The leaves of a tree in order."""
    return flatten(tree)[0]


def unflatten(leaves: Sequence[Any], spec: Spec) -> Any:
    """The tree of a structure with the given leaves."""
    if len(leaves) != spec.count:
        raise ValueError(f"expected {spec.count} leaves for {spec!r}, got {len(leaves)}")
    return _build(iter(leaves), spec)


def _build(leaves: Iterator[Any], spec: Spec) -> Any:
    if spec.kind is None:
        return next(leaves)
    children = [_build(leaves, c) for c in spec.children]
    if spec.kind in _DICTS:
        factory, keys = spec.context
        pairs = zip(keys, children, strict=True)
        made: Any = spec.kind
        return made(factory, pairs) if made is defaultdict else made(pairs)
    if spec.kind is deque:
        return deque(children, spec.context)
    return spec.kind(*children) if _is_named(spec.kind) else spec.kind(children)


def tree_map(function: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """The tree with ``function(leaf, ...)`` in place of each leaf; `others` have its structure."""
    leaves, spec = flatten(tree)
    rows = [leaves]
    for other in others:
        more, own = flatten(other)
        if own != spec:
            raise ValueError(f"expected the structure {spec!r}, got {own!r}")
        rows.append(more)
    return unflatten([function(*row) for row in zip(*rows, strict=True)], spec)


def broadcast(prefix: Any, spec: Spec) -> list[Any] | None:
    """A leaf of `prefix` for each leaf of a structure; None if they do not fit together.

    >>> broadcast((0, None), flatten((1, [2, 3]))[1])
    [0, None, None]
    """
    if spec.kind is None:
        return None if _parts(prefix) is not None else [prefix]
    found = _parts(prefix)
    if found is None:
        return [prefix] * spec.count
    context, children = found
    if type(prefix) is not spec.kind or len(children) != len(spec.children):
        return None
    if spec.kind in _DICTS:
        if set(context[1]) != set(spec.context[1]):
            return None
        named: Any = prefix
        children = [named[key] for key in spec.context[1]]
    flat: list[Any] = []
    for child, below in zip(children, spec.children, strict=True):
        part = broadcast(child, below)
        if part is None:
            return None
        flat += part
    return flat
