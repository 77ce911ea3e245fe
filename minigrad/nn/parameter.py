"""Tensors that belong to a module: parameters, which are trained, and buffers, which are not."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from minigrad.core.dtypes import as_dtype, get_default_dtype
from minigrad.core.promotion import as_operand
from minigrad.core.tensor import Tensor, tensor_of
from minigrad.ops.creation import finish
from minigrad.printing import tensor_text

__all__ = ["Buffer", "Parameter", "UninitializedBuffer", "UninitializedParameter", "is_lazy"]


class Parameter(Tensor):
    """A tensor that, set as an attribute of a module, is one of its parameters.

    Parameters
    ----------
    data : Tensor, optional
        The values; the memory is shared. Empty by default.
    requires_grad : bool
        Whether backward passes compute a gradient for it.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.Parameter(mg.ones(2))
    Parameter containing:
    tensor([1., 1.], requires_grad=True)
    """

    __slots__ = ()

    def __init__(self, data: Any = None, requires_grad: bool = True) -> None:
        super().__init__(as_operand(data, "Parameter", 0).array if data is not None else ())
        if requires_grad:
            self.requires_grad_()

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        return "Parameter containing:\n" + tensor_text(self)


class Buffer(Tensor):
    """A tensor that, set as an attribute of a module, is one of its buffers.

    Parameters
    ----------
    data : Tensor
        The values; the memory is shared.
    persistent : bool
        Whether it is part of the module's ``state_dict``.
    """

    __slots__ = ()

    def __init__(self, data: Any = None, *, persistent: bool = True) -> None:
        super().__init__(as_operand(data, "Buffer", 0).array if data is not None else ())
        self.persistent = persistent

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        return "Buffer containing:\n" + tensor_text(self)


#: Where a tensor keeps its array; what is uninitialized hides it.
_slot: Any = Tensor.__dict__["array"]


class UninitializedTensorMixin(Tensor):
    """A tensor of known dtype and unknown shape: all that reads it is an error."""

    __slots__ = ()

    cls_to_become: ClassVar[type[Tensor]] = Tensor

    def __init__(self, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> None:
        kind = (get_default_dtype() if dtype is None else as_dtype(dtype)).numpy
        _slot.__set__(self, finish(np.empty(0, kind), device=device).array)
        self.node, self._requires_grad = None, bool(requires_grad)

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Become an ordinary parameter or buffer of the given shape, whose values are to be set."""
        kind = _slot.__get__(self).dtype if dtype is None else as_dtype(dtype).numpy
        _slot.__set__(self, finish(np.empty(tuple(shape), kind), device=device).array)
        self.__class__ = self.cls_to_become  # type: ignore[assignment]

    @property
    def array(self) -> Any:  # type: ignore[override]
        """Refused."""
        raise ValueError(
            f"Attempted to use an uninitialized parameter or buffer ({type(self).__name__}): its "
            "shape is known after the first call of the lazy module that it belongs to. Call the "
            "model with an example batch first."
        )

    @property
    def shape(self) -> Any:
        """Refused."""
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. This error usually "
            "happens in `load_state_dict` when trying to load an uninitialized parameter into an "
            "initialized one. Call `forward` to initialize the parameters before accessing their "
            "attributes."
        )

    @property
    def dtype(self) -> Any:
        """The dtype it will have."""
        return as_dtype(_slot.__get__(self).dtype)

    @property
    def data(self) -> Tensor:
        """An empty tensor of its dtype."""
        return tensor_of(_slot.__get__(self))

    @data.setter
    def data(self, value: Tensor) -> None:
        _slot.__set__(self, value.array)

    def detach(self) -> Tensor:
        """Itself."""
        return self

    def __reduce_ex__(self, protocol: Any) -> Any:
        return type(self), (self._requires_grad, None, self.dtype)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        y: Tensor = type(self)(self._requires_grad, None, self.dtype)
        memo[id(self)] = y
        return y

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        return f"<{type(self).__name__}>"


class UninitializedParameter(UninitializedTensorMixin, Parameter):  # type: ignore[misc]
    """A parameter whose shape is not known yet, as lazy modules have until they are called.

    Parameters
    ----------
    requires_grad : bool
    device, dtype : optional

    Raises
    ------
    ValueError, RuntimeError
        From whatever reads values or shape, before :meth:`materialize`.

    Examples
    --------
    >>> import minigrad as mg
    >>> p = mg.nn.UninitializedParameter()
    >>> p
    <UninitializedParameter>
    >>> p.materialize((2, 3))
    >>> type(p).__name__, p.shape
    ('Parameter', minigrad.Size([2, 3]))
    """

    __slots__ = ()

    cls_to_become = Parameter


class UninitializedBuffer(UninitializedTensorMixin, Buffer):  # type: ignore[misc]
    """A buffer whose shape is not known yet.

    Parameters
    ----------
    requires_grad : bool
    device, dtype : optional
    persistent : bool
        Whether it is part of the module's ``state_dict``.
    """

    __slots__ = ()

    def __init__(
        self, requires_grad: bool = False, device: Any = None, dtype: Any = None,
        persistent: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(requires_grad, device, dtype)
        self.persistent = persistent


def is_lazy(param: Any) -> bool:
    """Whether something is a parameter or buffer whose shape is not known yet."""
    return isinstance(param, UninitializedTensorMixin)
