"""The names that every script uses, against PyTorch: values, types, gradients, errors.

Each case is an expression over the tensors of `oracle.inputs`; ``m`` is the module. Most run three
times: in float32 (and where it makes sense on integers and booleans) for values, in float64 for
first and for second order gradients.
"""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

import minigrad as mg  # noqa: E402
from tests.torch.oracle import flat, gradients, inputs, outcome, same, same_or_zero  # noqa: E402

HERE = Path(__file__).parent


def table(name: str) -> list[str]:
    """The lines of a file; ``a b (x | y)`` is short for ``m.a(x)``, ``m.a(y)``, ``m.b(x)``, ..."""
    cases: list[str] = []
    for line in (HERE / name).read_text().splitlines():
        names, _, arguments = line.rpartition(" (")
        if line.startswith("#") or not line:
            continue
        if names and all(n.isidentifier() for n in names.split()):
            choices = arguments.removesuffix(")").split(" | ")
            cases += [f"m.{n}({a})" for n in names.split() for a in choices]
        else:
            cases.append(line)
    return list(dict.fromkeys(cases))


EXPRESSIONS = table("first_list.txt") + table("second_list.txt")

#: Where the gradient is not compared: not differentiable, or of chosen subgradients.
SKIP_GRADIENT = ("nan", "m.nextafter", "m.histc", "m.floor_divide(x, y)", "m.empty", "new_")
#: Where minigrad means to differ: a bound outside of the type is the end of the type, not another
#: number; an empty product of booleans is refused like any other; squares of booleans stay so.
ELSEWHERE = {
    ("m.clamp(x, -1, 1)", "uint8"), ("x.clamp(1, -1)", "uint8"), ("e @ w", "bool"),
    ("x[:, :0] @ w[:0]", "bool"), ("m.square(x)", "bool"),
    ("m.histc(v.detach(), 4, -3, 3)", "uint8"),
    ("m.trapezoid(x)", "uint8"),
    ("m.trapz(x, dx=0.5, dim=0)", "uint8"),
}  # fmt: skip
#: Where PyTorch has no second derivative, or another convention at a tie.
SKIP_SECOND = ("m.nn", "amax(", "amin(", "'amax'", "'amin'")


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_values(expression: str) -> None:
    _compare(expression, "float32")


def _compare(expression: str, dtype: str) -> None:
    if (expression, dtype) in ELSEWHERE:
        return
    theirs = outcome(torch, expression, inputs(torch, dtype))
    ours = outcome(mg, expression, inputs(mg, dtype))
    if isinstance(theirs, Exception):
        message = str(theirs)  # what PyTorch has not written for a type may work here
        if not isinstance(theirs, NotImplementedError) and "support" not in message:
            assert isinstance(ours, Exception), (
                f"{dtype}: PyTorch raises {theirs!r}, we return {ours!r}"
            )
        return
    assert not isinstance(ours, Exception), (
        f"{dtype}: we raise {ours!r}, PyTorch returns {theirs!r}"
    )
    if dtype != "float32" and any(f"{n}(" in expression for n in ("topk", "kthvalue", "median")):
        ours, theirs = flat(ours)[0], flat(theirs)[0]  # which of equal elements is found is open
    try:
        same(ours, theirs, 1e-5)
    except AssertionError as error:
        raise AssertionError(f"{dtype}: {error}") from None


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_integers(expression: str) -> None:
    for dtype in ("int64", "int32", "bool", "uint8"):
        _compare(expression.replace("-x", "x") if dtype == "uint8" else expression, dtype)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_gradients(expression: str) -> None:
    if any(word in expression for word in SKIP_GRADIENT):
        return
    try:
        theirs, theirs_second = gradients(torch, expression, -2.5, 2.5)
    except Exception as error:  # what PyTorch refuses is compared by test_values
        if isinstance(error, AssertionError):
            raise
        return
    ours, ours_second = gradients(mg, expression, -2.5, 2.5)
    same_or_zero(ours, theirs, 1e-9)
    if not any(word in expression for word in SKIP_SECOND):
        same_or_zero(ours_second, theirs_second, 1e-8)


# -- mixtures of types -----------------------------------------------------------------------------

OPERANDS = ["b", "i", "u", "h", "f", "d", "b0", "i0", "f0", "d0", "2", "2.5", "True"]
MIXED = """
a + c | a - c | a * c | a / c | a // c | a % c | a ** c | a == c | a < c | a & c | a ^ c |
m.add(a, c) | m.maximum(a, c) | m.div(a, c, rounding_mode='trunc') | m.fmod(a, c) |
m.where(w, a, c) | m.logical_and(a, c) | m.result_type(a, c)
"""


def _operands(module: object) -> dict[str, object]:
    """Vectors and 0-dim tensors of each type."""
    t = module.tensor  # type: ignore[attr-defined]
    kinds = {"b": "bool", "i": "int64", "u": "uint8", "h": "int16", "f": "float32", "d": "float64"}
    tensors: dict[str, object] = {}
    for name, kind in kinds.items():
        dtype = getattr(module, kind)
        tensors[name] = t([1, 3, 2, 1], dtype=dtype)
        tensors[f"{name}0"] = t(2, dtype=dtype)
    tensors["w"] = t([True, False, True, False])
    return tensors


@pytest.mark.parametrize("expression", [e.strip() for e in MIXED.replace("\n", " ").split("|")])
def test_mixed_types(expression: str) -> None:
    for first in OPERANDS:
        for second in OPERANDS:
            if first[0] in "2T" and second[0] in "2T":
                continue
            words = (
                expression.replace("a ", f"{first} ")
                .replace("(a,", f"({first},")
                .replace(", a,", f", {first},")
            )
            words = words.replace(" c", f" {second}")
            theirs = outcome(torch, words, _operands(torch))
            ours = outcome(mg, words, _operands(mg))
            if isinstance(theirs, Exception):
                allowed = isinstance(theirs, (NotImplementedError, TypeError)) or "support" in str(
                    theirs
                )
                assert allowed or isinstance(ours, Exception), (
                    f"{words}: PyTorch raises {theirs!r}, we return {ours!r}"
                )
                continue
            assert not isinstance(ours, Exception), f"{words}: {ours!r}"
            try:
                same(ours, theirs, 1e-3)
            except AssertionError as error:
                raise AssertionError(f"{words}: {error}") from None


# -- writing in place ------------------------------------------------------------------------------


@pytest.mark.parametrize("program", table("in_place.txt"))
def test_in_place(program: str) -> None:
    _compare(program, "float32")
    _gradients_of_program(program)


def _gradients_of_program(program: str) -> None:
    """In programs the names are copies, so that they may be written."""
    try:
        theirs, theirs_second = gradients(torch, f"{COPIES}; {program}", -2.5, 2.5)
    except Exception as error:
        if "not implemented" not in str(error) and "invalid gradient" not in str(error):
            with pytest.raises(type(error)):
                gradients(mg, f"{COPIES}; {program}", -2.5, 2.5)
        return
    ours, ours_second = gradients(mg, f"{COPIES}; {program}", -2.5, 2.5)
    same_or_zero(ours, theirs, 1e-9)
    same_or_zero(ours_second, theirs_second, 1e-8)


COPIES = "; ".join(f"{name} = {name} * 1" for name in "xyvhusbcq")

# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize("program", table("refused.txt"))
def test_refused(program: str) -> None:
    program += "\nout = None" if "=" in program or ";" in program else ""
    theirs = outcome(torch, program, inputs(torch, "float32"))
    ours = outcome(mg, program, inputs(mg, "float32"))
    assert isinstance(theirs, Exception)
    assert isinstance(ours, Exception), f"PyTorch raises {theirs!r}"
    kind = (RuntimeError, TypeError) if isinstance(theirs, NotImplementedError) else type(theirs)
    assert isinstance(ours, kind), f"PyTorch raises {theirs!r}, we {ours!r}"
