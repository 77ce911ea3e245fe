"""Where type checkers find the methods that operations put on tensors.

At run time this class is empty: `ops` sets the methods on `Tensor` itself, one declaration each.
Type checkers read `methods.pyi`, which ``tools/stubs.py`` writes from those declarations.
"""

__all__ = ["TensorMethods"]


class TensorMethods:
    """The methods that `ops` gives to tensors."""

    __slots__ = ()
