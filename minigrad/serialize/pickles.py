"""A reader of pickles that executes nothing.

A pickle is a program for a small stack machine. Python's own machine can be told to import and call
anything; this one knows the instructions that build data (numbers, strings, lists, tuples, dicts,
sets), a *name* in place of everything that would be imported, and a table of the calls that it
carries out itself. All else is an error. Every length is compared with what is left of the file
before anything is made of it, and the work is bounded by the size of the file.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable, Mapping
from typing import Any

from minigrad.serialize.errors import FileError

__all__ = ["Named", "Reader", "Unfinished", "check_depth"]

_MAX_DEPTH = 100
#: How often each byte may be copied, as the bytes of an array are that are written as a text.
_COPIES = 4
_MARK = object()


class Unfinished:
    """What stands for something while a pickle is read, and is never part of the result."""

    __slots__ = ()


class Named(Unfinished):
    """What a pickle would import: a name, and nothing behind it."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


class Reader:
    """Reads one pickle after the other from `data`.

    Parameters
    ----------
    data : bytes
    calls : dict
        From names (``"collections.OrderedDict"``) to what is called instead, with the reader and
        the tuple of arguments.
    value_of : callable
        From a name to the value that it stands for; None where it stands for none.
    build : callable
        ``build(reader, object, state)`` puts a state into an object, or raises FileError.
    persistent : callable
        From a persistent id to what it stands for.
    """

    def __init__(
        self,
        data: bytes,
        calls: Mapping[str, Callable[[Reader, tuple[Any, ...]], Any]],
        value_of: Callable[[str], Any],
        build: Callable[[Reader, Any, Any], None],
        persistent: Callable[[Any], Any],
    ) -> None:
        self.data = data
        self.place = 0
        self._calls = calls
        self._value_of = value_of
        self._build = build
        self._persistent = persistent
        self._budget = _COPIES * len(data)
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def read(self) -> Any:
        """The object of the pickle that begins at `place`, which moves behind it.

        Raises
        ------
        FileError
            If the pickle is broken, cut off, or asks for something that is not done.
        """
        self._stack, self._memo = [], {}
        try:
            while True:
                code = self._take(1)
                if code == pickle.STOP:
                    break
                step = _STEPS.get(code)
                if step is None:
                    raise FileError(f"its pickle has an instruction {code!r} that is not allowed")
                step(self)
            (result,) = self._stack
        except FileError:
            raise
        except (ValueError, TypeError, IndexError, KeyError, ArithmeticError) as error:
            raise FileError(f"its pickle is broken ({type(error).__name__}: {error})") from error
        check_depth(result)
        return result

    def spend(self, amount: int) -> None:
        """Count work that depends on more than the instructions read: copies of what exists.

        A short pickle can name the same long list any number of times.
        """
        self._budget -= amount
        if self._budget < 0:
            raise FileError("its pickle copies much more than the file is long")

    # -- parts of the data -----------------------------------------------------------------------

    def _take(self, count: int) -> bytes:
        end = self.place + count
        if count < 0 or end > len(self.data):
            raise FileError("its pickle is cut off")
        part = self.data[self.place : end]
        self.place = end
        return part

    def _number(self, form: str) -> int:
        (value,) = struct.unpack(form, self._take(struct.calcsize(form)))
        return int(value)

    def _line(self) -> bytes:
        end = self.data.find(b"\n", self.place)
        line = self._take((end if end >= 0 else len(self.data)) - self.place)
        self._take(1)
        return line

    # -- the stack -------------------------------------------------------------------------------

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _pop(self) -> Any:
        value = self._stack.pop()
        if value is _MARK:
            raise FileError("its pickle is broken (a mark where an object should be)")
        return value

    def _last(self) -> Any:
        return self._stack[-1]

    def _to_mark(self) -> list[Any]:
        stack = self._stack
        for i in range(len(stack) - 1, -1, -1):
            if stack[i] is _MARK:
                parts = stack[i + 1 :]
                del stack[i:]
                return parts
        raise FileError("its pickle is broken (no mark)")

    def _tuple(self, count: int) -> None:
        parts = [self._pop() for _ in range(count)]
        self._push(tuple(reversed(parts)))

    def _append(self, values: list[Any]) -> None:
        target = self._last()
        if type(target) is not list:
            raise FileError(f"its pickle appends to a {type(target).__name__}")
        target.extend(values)

    def _set_items(self, items: list[Any]) -> None:
        target = self._last()
        if not isinstance(target, dict) or len(items) % 2:
            raise FileError(f"its pickle sets items of a {type(target).__name__}")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[check_key(key)] = value

    # -- instructions that are more than a line ----------------------------------------------------

    def _global(self, module: Any, name: Any) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise FileError("its pickle is broken (a name that is no text)")
        full = f"{module}.{name}"
        value = self._value_of(full)
        self._push(Named(full) if value is None else value)

    def _reduce(self) -> None:
        arguments, function = self._pop(), self._pop()
        self._push(self.call(function, arguments))

    def call(self, function: Any, arguments: Any) -> Any:
        """What a call gives, if it is one of those that are carried out.

        Raises
        ------
        FileError
            If it is not.
        """
        if not isinstance(function, Named) or function.name not in self._calls:
            raise FileError(refusal(function))
        if type(arguments) is not tuple:
            raise FileError(f"its pickle is broken (arguments of {function} that are no tuple)")
        return self._calls[function.name](self, arguments)

    def _put_state(self) -> None:
        state = self._pop()
        self._build(self, self._last(), state)

    def _memoize(self, key: int) -> None:
        if self._last() is _MARK:
            raise FileError("its pickle is broken (a mark where an object should be)")
        self._memo[key] = self._last()


def refusal(thing: Any) -> str:
    """Why a call, or a class, is refused, and what to do about it."""
    if isinstance(thing, Named) and thing.name.startswith(("torch.nn.modules.", "__main__.")):
        return (
            f"it holds a whole object of class {thing}, which only code could make again, and "
            "nothing in a file is executed: save the state instead, with "
            "torch.save(model.state_dict(), path)"
        )
    return f"its pickle calls {thing}, which minigrad does not do: nothing in a file is executed"


def check_key(key: Any) -> Any:
    """A key of a dict or an element of a set: one that is hashed quickly."""
    if isinstance(key, (str, bool, float, bytes)) or key is None:
        return key
    if isinstance(key, int) and key.bit_length() <= 64:
        return key
    if type(key) is tuple and len(key) <= 8 and not any(isinstance(k, tuple) for k in key):
        for part in key:
            check_key(part)
        return key
    raise FileError(f"its pickle has a key of type {type(key).__name__}")


def check_depth(value: Any) -> None:
    """Refuse what is nested so deep that nothing could be done with it, and what is unfinished.

    Raises
    ------
    FileError
        Of depths over 100, and if something :class:`Unfinished` is in it.
    """
    seen: set[int] = set()
    level = [value]
    for _ in range(_MAX_DEPTH):
        below: list[Any] = []
        for part in level:
            if isinstance(part, Unfinished):
                raise FileError(refusal(part))
            if not isinstance(part, (list, tuple, dict, set)) or id(part) in seen:
                continue
            seen.add(id(part))
            below.extend(part.values() if isinstance(part, dict) else part)
        if not below:
            return
        level = below
    raise FileError(f"its contents are nested more than {_MAX_DEPTH} levels deep")


def _text(data: bytes) -> str:
    return str(data, "utf-8", "surrogatepass")


def _old_text(data: bytes) -> str:
    return str(data, "latin-1")


def _old_integer(line: bytes) -> Any:
    return {b"00": False, b"01": True}.get(line) if line in (b"00", b"01") else int(line)


def _real(r: Reader) -> float:
    (value,) = struct.unpack(">d", r._take(8))
    return float(value)


def _integer(data: bytes) -> int:
    return int.from_bytes(data, "little", signed=True)


def _protocol(r: Reader) -> None:
    number = r._number("<B")
    if number > pickle.HIGHEST_PROTOCOL:
        raise FileError(f"its pickle has protocol {number}, which is not known")


def _add_items(r: Reader) -> None:
    parts, target = r._to_mark(), r._last()
    if type(target) is not set:
        raise FileError(f"its pickle adds elements to a {type(target).__name__}")
    target.update(map(check_key, parts))


def _dict(r: Reader) -> None:
    items = r._to_mark()
    r._push({})
    r._set_items(items)


def _stack_global(r: Reader) -> None:
    name, module = r._pop(), r._pop()
    r._global(module, name)


def _refuse_new(r: Reader) -> None:
    """The instructions that make objects of any class."""
    name = next((v for v in reversed(r._stack) if isinstance(v, Named)), "a class")
    raise FileError(refusal(name))


#: What each instruction does.
_STEPS: dict[bytes, Callable[[Reader], Any]] = {
    pickle.PROTO: _protocol,
    pickle.FRAME: lambda r: r._take(8),
    pickle.MARK: lambda r: r._push(_MARK),
    pickle.POP: lambda r: r._stack.pop(),
    pickle.POP_MARK: lambda r: r._to_mark(),
    pickle.NONE: lambda r: r._push(None),
    pickle.NEWTRUE: lambda r: r._push(True),
    pickle.NEWFALSE: lambda r: r._push(False),
    pickle.INT: lambda r: r._push(_old_integer(r._line())),
    pickle.BININT: lambda r: r._push(r._number("<i")),
    pickle.BININT1: lambda r: r._push(r._number("<B")),
    pickle.BININT2: lambda r: r._push(r._number("<H")),
    pickle.LONG: lambda r: r._push(int(r._line().rstrip(b"L"))),
    pickle.LONG1: lambda r: r._push(_integer(r._take(r._number("<B")))),
    pickle.LONG4: lambda r: r._push(_integer(r._take(r._number("<i")))),
    pickle.FLOAT: lambda r: r._push(float(r._line())),
    pickle.BINFLOAT: lambda r: r._push(_real(r)),
    pickle.UNICODE: lambda r: r._push(str(r._line(), "raw-unicode-escape")),
    pickle.BINUNICODE: lambda r: r._push(_text(r._take(r._number("<I")))),
    pickle.SHORT_BINUNICODE: lambda r: r._push(_text(r._take(r._number("<B")))),
    pickle.BINUNICODE8: lambda r: r._push(_text(r._take(r._number("<Q")))),
    pickle.BINSTRING: lambda r: r._push(_old_text(r._take(r._number("<i")))),
    pickle.SHORT_BINSTRING: lambda r: r._push(_old_text(r._take(r._number("<B")))),
    pickle.BINBYTES: lambda r: r._push(r._take(r._number("<I"))),
    pickle.SHORT_BINBYTES: lambda r: r._push(r._take(r._number("<B"))),
    pickle.BINBYTES8: lambda r: r._push(r._take(r._number("<Q"))),
    pickle.BYTEARRAY8: lambda r: r._push(r._take(r._number("<Q"))),
    pickle.EMPTY_LIST: lambda r: r._push([]),
    pickle.LIST: lambda r: r._push(r._to_mark()),
    pickle.APPEND: lambda r: r._append([r._pop()]),
    pickle.APPENDS: lambda r: r._append(r._to_mark()),
    pickle.EMPTY_TUPLE: lambda r: r._push(()),
    pickle.TUPLE: lambda r: r._push(tuple(r._to_mark())),
    pickle.TUPLE1: lambda r: r._tuple(1),
    pickle.TUPLE2: lambda r: r._tuple(2),
    pickle.TUPLE3: lambda r: r._tuple(3),
    pickle.EMPTY_DICT: lambda r: r._push({}),
    pickle.DICT: _dict,
    pickle.SETITEM: lambda r: r._set_items([r._pop(), r._pop()][::-1]),
    pickle.SETITEMS: lambda r: r._set_items(r._to_mark()),
    pickle.EMPTY_SET: lambda r: r._push(set()),
    pickle.ADDITEMS: _add_items,
    pickle.GLOBAL: lambda r: r._global(_text(r._line()), _text(r._line())),
    pickle.STACK_GLOBAL: _stack_global,
    pickle.REDUCE: lambda r: r._reduce(),
    pickle.NEWOBJ: _refuse_new,
    pickle.NEWOBJ_EX: _refuse_new,
    pickle.OBJ: _refuse_new,
    pickle.BUILD: lambda r: r._put_state(),
    pickle.BINPERSID: lambda r: r._push(r._persistent(r._pop())),
    pickle.GET: lambda r: r._push(r._memo[int(r._line())]),
    pickle.BINGET: lambda r: r._push(r._memo[r._number("<B")]),
    pickle.LONG_BINGET: lambda r: r._push(r._memo[r._number("<I")]),
    pickle.PUT: lambda r: r._memoize(int(r._line())),
    pickle.BINPUT: lambda r: r._memoize(r._number("<B")),
    pickle.LONG_BINPUT: lambda r: r._memoize(r._number("<I")),
    pickle.MEMOIZE: lambda r: r._memoize(len(r._memo)),
}
