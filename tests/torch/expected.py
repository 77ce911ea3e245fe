"""Where PyTorch's samples are meant to come out differently, and how exactly they are compared."""

from __future__ import annotations

from typing import NamedTuple


class Expected(NamedTuple):
    """Failures that are meant: of a kind, with a description that the expression `text` finds."""

    kind: str
    text: str
    reason: str


NUMBERS = "a number is taken where PyTorch wants a tensor"
SHAPES = "losses refuse a target of another shape with ValueError"

#: By name; "*" holds for all.
EXPECTED: dict[str, tuple[Expected, ...]] = {
    "*": (
        Expected("errors", "accepts what PyTorch refuses with TypeError: descriptor", NUMBERS),
        Expected("errors", "accepts what .* must be Tensor, not int", NUMBERS),
        Expected("errors", r"accepts what .* - got \(int, Tensor\)", NUMBERS),
        Expected("errors", "raises ValueError .* RuntimeError: The size of tensor", SHAPES),
    ),
    "__rdiv__": (Expected("errors", "'int' object has no attribute", NUMBERS),),
    "addbmm": (
        Expected("in place", "doesn't match the broadcast shape",
                 "PyTorch's addbmm_ changes the shape of what it writes over"),
    ),
    "nn.functional.batch_norm": (
        Expected("values", "expected at least 2D input", "empty 1-D input is refused, too"),
    ),
    "nn.functional.local_response_norm": (
        Expected("values", "int64.* instead of", "PyTorch rounds the means of integers down"),
    ),
    "histogramdd": (Expected("values", "raises .* increasing", "edges that fall are refused"),),
    "linalg.norm": (
        Expected("second order", "of input 0: 0.0 instead of nan", "derivatives of a norm at 0"),
    ),
}  # fmt: skip

#: Random numbers and what the memory held: only shape and type are compared, but where the
#: arguments leave nothing to chance.
NO_ELEMENTS = frozenset(
    [
        "empty", "empty_like", "new_empty", "normal", "uniform", "exponential", "randn",
        "randn_like", "rand_like", "randint", "randint_like", "multinomial", "bernoulli",
        "nn.functional.dropout", "nn.functional.dropout2d", "nn.functional.dropout3d",
        "nn.functional.alpha_dropout", "nn.functional.feature_alpha_dropout",
        "nn.functional.rrelu",
    ]
)  # fmt: skip
#: Where any of equal elements may be found: which argument is the dimension, and its default.
TIES = {
    "topk": (1, -1), "sort": (0, -1), "argsort": (0, -1), "kthvalue": (1, -1), "mode": (0, -1),
    "median": (0, None), "nanmedian": (0, None),
}  # fmt: skip
#: By what factor the tolerances of float32 are wider than PyTorch's. Compared with float64, it is
#: PyTorch's results that have lost the digits, but for ctc_loss, where both have.
LOOSER: dict[str, float] = {
    "digamma": 50, "polygamma": 50, "special.polygamma": 50, "histogram": 20, "matrix_exp": 300,
    "logcumsumexp": 2000, "nn.functional.ctc_loss": 50,
}  # fmt: skip
