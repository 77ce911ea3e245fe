"""Where type checkers find what tensors and nodes get from outside the core.

At run time these classes are empty: the methods are set on `Tensor` and `Node` themselves, one
declaration each. Type checkers read `methods.pyi`, which ``tools/stubs.py`` writes from them.
"""

__all__ = ["NodeMethods", "TensorMethods"]


class TensorMethods:
    """The methods of tensors."""

    __slots__ = ()


class NodeMethods:
    """The methods of nodes."""

    __slots__ = ()
