"""Modules that are told once: their fields are arguments, attributes and text at the same time.

    class Dropout(UnaryLayer, function=F.dropout):
        p: float = 0.5
        inplace: bool = False

From these lines come ``Dropout(p=0.5, inplace=False)``, the attributes ``p`` and ``inplace``, the
text ``Dropout(p=0.5, inplace=False)``, and a ``forward`` that calls ``F.dropout``, whose arguments
of these names (and ``training``) are taken from the module. Type checkers see the same, as they do
of a dataclass.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable
from inspect import Parameter
from typing import Any, ClassVar, dataclass_transform

from minigrad.core.tensor import Tensor
from minigrad.nn.module import Module

__all__ = ["Layer", "spread"]


def spread(value: Any, n: int) -> tuple[Any, ...]:
    """A number as a tuple of `n` of them; of numbers, their tuple."""
    return (value,) * n if isinstance(value, int) else tuple(value)


@dataclass_transform(eq_default=False)
class Layer(Module):
    """A module of a function and the fields it takes from the module.

    Fields are annotations of the class, with defaults or without, those of its bases first. One
    that is annotated as a tensor becomes a buffer; those behind ``_: KW_ONLY`` are given by name.
    ``__post_init__`` runs when all are set, and gets those annotated ``InitVar[...]``, which are
    no attributes.

    Parameters of the class statement
    ---------------------------------
    function : callable, optional
        What ``forward`` computes, from the inputs and then what the module has of its arguments.
    shown : str, optional
        The text between the parentheses of the repr: ``{eps}`` stands for a value and ``eps=`` for
        ``eps={eps}``. By default ``name=`` for each field.
    others : optional
        ``dims=2`` is the class's attribute ``_dims``.
    """

    _function: ClassVar[Callable[..., Any]]
    _shown: ClassVar[str | None] = None
    _fields: ClassVar[dict[str, Parameter]] = {}
    _only_given: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **settings: Any) -> None:
        ours = cls.__module__.startswith("minigrad.")
        noted = inspect.get_annotations(cls) if ours else {}
        own = {name: text for name, text in noted.items() if "ClassVar" not in text}
        if own:
            cls._add_fields(own)
            if "__init__" not in cls.__dict__:
                cls.__init__ = _constructor(cls)  # type: ignore[method-assign]
        if "shown" in settings:
            settings["shown"] = re.sub(r"(\w+)=(?=,|$)", r"\1={\1}", settings["shown"])
        if "function" in settings:
            settings["function"] = staticmethod(settings["function"])
            settings["computed"] = Layer._computed  # not what a base wrote out for its own
        for name, value in settings.items():
            setattr(cls, f"_{name}", value)
        super().__init_subclass__()

    @classmethod
    def _add_fields(cls, own: dict[str, Any]) -> None:
        fields = dict(cls._fields)
        by_name = False
        for name, annotation in own.items():
            if annotation == "KW_ONLY":
                by_name = True
                continue
            if annotation.startswith("InitVar["):
                annotation = annotation[len("InitVar[") : -1]
                cls._only_given = tuple(dict.fromkeys((*cls._only_given, name)))
            default = cls.__dict__.get(name, Parameter.empty)
            if default is not Parameter.empty:
                delattr(cls, name)  # it belongs to the modules, not to the class
            kind = Parameter.KEYWORD_ONLY if by_name else Parameter.POSITIONAL_OR_KEYWORD
            fields[name] = Parameter(name, kind, default=default, annotation=annotation)
        cls._fields = fields

    def _begin(self) -> None:
        Module.__init__(self)

    def __post_init__(self, *only_given: Any) -> None:
        """What remains to do or to check when all fields are set."""

    def _computed(self, *inputs: Any) -> Any:
        """The function of the inputs, and of what the module has of its other arguments.

        The first call of a class writes the call out, which the next ones find in its place.
        """
        cls = type(self)
        cls._computed = _call(cls, len(inputs))  # type: ignore[method-assign]
        return cls._computed(self, *inputs)

    def extra_repr(self) -> str:
        """The values of the fields."""
        if self._shown is None:
            return ", ".join(f"{name}={getattr(self, name)}" for name in self._fields)
        return self._shown.format_map(_Shown(self))


class UnaryLayer(Layer):
    """A layer of one input."""

    def forward(self, input: Tensor) -> Tensor:
        """What the function of this layer gives."""
        result: Tensor = self._computed(input)
        return result


class ActivationLayer(UnaryLayer):
    """An activation; its text names the parameters, and says so if it writes over its input."""

    def extra_repr(self) -> str:
        """The parameters."""
        if self._shown is not None:
            return super().extra_repr()
        shown = [f"{n}={getattr(self, n)!r}" for n in self._fields if n != "inplace"]
        return ", ".join(shown + ["inplace=True"] * bool(self.__dict__.get("inplace")))


class _Shown(dict[str, Any]):
    """The attributes of a module, for a text; of a tensor, whether it is there."""

    def __init__(self, module: Module) -> None:
        self.module = module

    def __missing__(self, name: str) -> Any:
        if name in self.module._parameters:
            return self.module._parameters[name] is not None
        value = getattr(self.module, name)
        return True if isinstance(value, Tensor) else value  # a parametrized one


def _constructor(cls: type[Layer]) -> Callable[..., None]:
    """``__init__`` as it would be written out, so that errors and tools see the usual function."""
    scope: dict[str, Any] = {}
    head, body = ["self"], ["self._begin()"]
    for name, field in cls._fields.items():
        if field.kind is field.KEYWORD_ONLY and "*" not in head:
            head.append("*")
        default = ""
        if field.default is not field.empty:
            scope[f"_{name}"] = field.default
            default = f"=_{name}"
        head.append(name + default)
        if name in cls._only_given:
            continue
        is_buffer = str(field.annotation).startswith("Tensor")
        body.append(
            f"self.register_buffer({name!r}, {name})" if is_buffer else f"self.{name} = {name}"
        )
    end = f"self.__post_init__({', '.join(cls._only_given)})"
    exec(
        "\n ".join([f"def __init__({', '.join(head)}):", *body, end]),
        vars(sys.modules[cls.__module__]),
        scope,
    )
    init: Any = scope["__init__"]
    init.__module__, init.__qualname__ = cls.__module__, f"{cls.__qualname__}.__init__"
    init.__annotations__ = {n: f.annotation for n, f in cls._fields.items()} | {"return": "None"}
    return init  # type: ignore[no-any-return]


def _call(cls: type[Layer], count: int) -> Callable[..., Any]:
    """``lambda self, input: function(input, self.p, self.training)``, after `count` inputs."""
    names = [f"input{i}" for i in range(count)]
    given = list(names)
    known, row = {*cls._fields, "training"} - {*cls._only_given}, True
    for p in list(inspect.signature(cls._function).parameters.values())[count:]:
        row = row and p.name in known and p.kind is p.POSITIONAL_OR_KEYWORD
        if p.name in known:
            given.append(f"self.{p.name}" if row else f"{p.name}=self.{p.name}")
    text = f"lambda self, {', '.join(names)}: function({', '.join(given)})"
    scope = {
        "function": cls._function,
        "__name__": __name__,
    }  # frames of this package, for warnings
    return eval(text, scope)  # type: ignore[no-any-return]
