"""numpy's functions on tensors give tensors, with numpy's values and with gradients."""

from __future__ import annotations

import contextlib
import re
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.interop import numpy_ufuncs
from minigrad.interop.numpy_protocol import FUNCTIONS

RNG = np.random.default_rng(3)
ARRAYS = {
    "x": RNG.uniform(0.2, 0.9, (3, 4)),
    "y": RNG.uniform(0.2, 0.9, (3, 4)),
    "v": RNG.uniform(0.2, 0.9, 4),
    "u": RNG.uniform(0.2, 0.9, 3),
    "b": RNG.uniform(0.2, 0.9, (2, 3, 4)),
    "q": RNG.uniform(0.2, 0.9, (3, 3)) + 3 * np.eye(3),
    "i": np.array([2, 0, 1, 2]),
    "j": np.array([5, 3, 9]),
    "m": np.array([True, False, True]),
    "n": np.array([1.0, np.nan, 3.0, -np.inf]),
}

#: Each is computed on arrays by numpy and on tensors by minigrad.
_EXPRESSIONS = """
np.sum(x)  np.sum(x,axis=1)  np.sum(b,(0,2),keepdims=True)  np.sum(i)  np.sum(x,axis=())
np.prod(x,axis=())  np.max(x,axis=())  np.mean(x,axis=())  np.mean(i)  np.take(x,[-1,0],axis=1)
np.take_along_axis(x,i[:3],axis=None)
np.prod(x,0)  np.mean(x)  np.mean(b,axis=-1,keepdims=True)  np.var(x,1)  np.var(x,0,ddof=1)
np.std(x)  np.std(x,axis=0,ddof=1)  np.max(x)  np.max(x,1)  np.amax(x,0)  np.min(x,1)
np.amin(x,axis=0,keepdims=True)  np.all(m)  np.any(x>0.5,axis=0)  np.argmax(x)  np.argmax(x,1)
np.argmin(x,axis=0,keepdims=True)  np.nansum(n)  np.nanmean(x,0)  np.ptp(x,1)
np.count_nonzero(x>0.5,axis=1)  np.average(x,axis=0)  np.average(x,axis=1,weights=v)
np.average(x,weights=y)  np.quantile(x,0.3)  np.quantile(x,[0.1,0.5],axis=1)
np.percentile(v,25)  np.nanquantile(x,0.4,axis=0)  np.nanpercentile(x,40)  np.median(v)
np.median(x,axis=0)  np.nanmedian(x,axis=1)  np.cumsum(x)  np.cumsum(x,1)  np.cumprod(x,0)
np.cumulative_sum(v)  np.cumulative_sum(x,axis=1,include_initial=True)
np.cumulative_prod(x,axis=0)  np.diff(x)  np.diff(x,2,axis=1)  np.diff(v,prepend=u)
np.trapezoid(x)  np.trapezoid(v,dx=0.5)  np.trapezoid(x,y)  np.convolve(v,u)
np.convolve(u,v,'same')  np.convolve(v,u,mode='valid')  np.sort(x)  np.sort(x,axis=None)
np.sort(x,axis=0)  np.argsort(v)  np.argsort(x,axis=None)  np.searchsorted(np.sort(v),u)
np.searchsorted(np.sort(i),i,side='right')  np.digitize(u,np.sort(v))
np.digitize(j,np.array([3,9]),right=True)  np.unique(i)  np.unique(i,return_counts=True)
np.unique(i,return_inverse=True,return_counts=True)  np.nonzero(x>0.5)  np.argwhere(x>0.5)
np.flatnonzero(x>0.5)  np.bincount(i)  np.bincount(i,v,6)  np.histogram(x)
np.histogram(x,4,(0,1))  np.cov(x)  np.cov(x,y)  np.cov(x,rowvar=False,bias=True)
np.corrcoef(x)  np.corrcoef(u,u*u)  np.where(x>0.5,x,y)  np.where(x>0.5,x,0.0)  np.where(m)
np.where(m,1.0,u)  np.clip(x,0.3,0.6)  np.clip(x,v,None)  np.clip(x,max=0.5,min=None)
np.round(x,1)  np.around(x*10)  np.nan_to_num(n,nan=2.0,neginf=-1.0)  np.fix(-x*3)  np.sinc(x)
np.real(x)  np.isneginf(n)  np.isposinf(n)
np.histogram2d(v,v,3)  np.isreal(x)  np.isclose(x,y,rtol=0.5)
np.allclose(x,x)  np.array_equal(x,y)  np.array_equiv(x,x)  np.isin(i,[0,2])
np.isin(i,j,invert=True)  np.shape(x)  np.ndim(b)  np.size(x)  np.size(x,1)  np.can_cast(i,'f8')
np.iscomplexobj(x)  np.isrealobj(x)  np.may_share_memory(x,x)  np.shares_memory(x,y)
np.result_type(x,i)  np.common_type(x)  np.min_scalar_type(x)  np.reshape(x,(2,6))
np.reshape(x,-1)  np.ravel(x)  np.squeeze(x[:1])  np.squeeze(x[:1],0)  np.expand_dims(x,1)
np.expand_dims(x,(0,-1))  np.transpose(b)  np.transpose(b,(1,0,2))  np.matrix_transpose(b)
np.linalg.matrix_transpose(x)  np.swapaxes(b,0,-1)  np.moveaxis(b,0,-1)
np.broadcast_to(v,(2,4))  np.broadcast_arrays(x,v)  np.atleast_1d(v)  np.atleast_2d(v)
np.atleast_3d(x)  np.flip(x)  np.flip(x,0)  np.flip(b,(0,2))  np.fliplr(x)  np.flipud(x)
np.rot90(x)  np.rot90(x,3)  np.roll(x,1)  np.roll(x,1,axis=1)  np.roll(x,1,axis=(0,1))
np.tile(x,2)  np.tile(v,(2,1))  np.repeat(v,2)  np.repeat(x,2,axis=1)  np.repeat(u,[1,0,2])
np.tril(x)  np.triu(x,1)  np.diag(v)  np.diag(x,1)  np.diagflat(u)  np.diagonal(x)
np.diagonal(b,1,0,2)  np.take(x,[1,5])  np.take(x,i,axis=0)  np.take(x,i,axis=-1)
np.take_along_axis(x,np.argsort(x,axis=1),axis=1)  np.compress(m,x,axis=0)  np.extract(m,u)
np.concatenate([x,y])  np.concatenate((x,y),axis=1)  np.concatenate([x,v],axis=None)
np.stack([x,y])  np.stack([x,y],axis=-1)  np.vstack([x,v])  np.hstack([v,u])  np.dstack([x,y])
np.column_stack([v,v])  np.append(v,u)  np.append(x,y,axis=0)  np.array_split(v,3)
np.split(x,2,axis=1)  np.split(v,[1,3])  np.vsplit(x,3)  np.hsplit(x,2)  np.dsplit(b,[1])
np.unstack(x)  np.unstack(x,axis=1)  np.meshgrid(u,v)  np.meshgrid(u,v,indexing='ij')
np.pad(v,2)  np.pad(x,((1,0),(0,2)),constant_values=3.0)  np.pad(x,1,mode='edge')
np.pad(x,((0,0),(2,1)),'reflect')  np.pad(v,(3,2),'wrap')  np.pad(v,2,'symmetric')  np.copy(x)
np.astype(x,np.float32)  np.zeros_like(x)  np.ones_like(i)
np.ones_like(x,shape=(2,),dtype=np.float32)  np.full_like(x,3.0)  np.full_like(x,v)
np.vander(v,3)  np.linspace(u,u+1,5)  np.linspace(u,2*u,4,endpoint=False,axis=1)  np.dot(v,v)
np.dot(x,v)  np.dot(x,b.transpose(0,2,1))  np.dot(v,2)  np.inner(x,y)  np.outer(u,v)
np.linalg.outer(u,v)  np.vdot(x,y)  np.linalg.vecdot(x,y)  np.linalg.matmul(q,x)
np.tensordot(x,y,axes=([0,1],[0,1]))  np.tensordot(b,x,2)  np.linalg.tensordot(b,x)
np.einsum('ij,kj->ik',x,y)  np.einsum('ii',q)  np.einsum(x,[0,1],v,[1],[0])  np.kron(q,x)
np.cross(u,u[::-1])  np.linalg.cross(u,u*u)  np.cross(x[:,:3],q,axis=1)  np.trace(q)
np.trace(b,1,0,2)  np.linalg.trace(q)  np.linalg.diagonal(b)  np.linalg.norm(x)
np.linalg.norm(v,1)  np.linalg.norm(x,axis=1)  np.linalg.norm(x,np.inf)  np.linalg.norm(x,1)
np.linalg.norm(x,-1,axis=(1,0),keepdims=True)  np.linalg.norm(b,3,axis=2)
np.linalg.vector_norm(x)  np.linalg.norm(x,'fro')  np.linalg.vector_norm(x,axis=0,ord=1)
np.linalg.matrix_norm(q)  np.linalg.matrix_norm(b,ord=1,keepdims=True)
np.linalg.multi_dot([x,q.T[:,:1].T.repeat(4,0),q])
"""
EXPRESSIONS = [e for line in _EXPRESSIONS.strip().split("\n") for e in line.split("  ")]

_LINALG = """
np.linalg.cholesky(q@q.T) np.linalg.cond(q) np.linalg.det(q) np.linalg.eigvalsh(q+q.T)
np.linalg.eigh(q+q.T) np.linalg.inv(q) np.linalg.lstsq(q,u[:,None]) np.linalg.matrix_power(q,3)
np.linalg.matrix_rank(q) np.linalg.pinv(x) np.linalg.qr(q) np.linalg.slogdet(q)
np.linalg.solve(q,u[:,None]) np.linalg.svd(x,full_matrices=False) np.linalg.svdvals(x)
"""
LINALG = _LINALG.split()
#: Without a single value to compare: tested below.
ELSEWHERE = {"empty_like", "copyto", "array_repr", "array_str"}


def plain(result: Any) -> Any:
    """Results as nested lists of arrays and Python values."""
    if isinstance(result, (tuple, list)):
        return [plain(r) for r in result]
    return result.detach().numpy() if isinstance(result, mg.Tensor) else result


def tensors(requires_grad: bool = True) -> dict[str, Any]:
    return {
        k: mg.tensor(a, requires_grad=requires_grad and a.dtype.kind == "f")
        for k, a in ARRAYS.items()
    }


def same(ours: Any, theirs: Any, **tolerance: float) -> None:
    if isinstance(theirs, (tuple, list)) and not isinstance(ours, tuple | list):
        pytest.fail(f"{ours} is not a sequence")
    if isinstance(theirs, (tuple, list)):
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            same(a, b, **tolerance)
    elif isinstance(theirs, (np.ndarray, np.floating)):
        assert np.shape(ours) == np.shape(theirs)
        np.testing.assert_allclose(ours, theirs, **({"rtol": 1e-6, "atol": 1e-9} | tolerance))
    else:
        assert ours == theirs


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_values_are_those_of_numpy(expression: str) -> None:
    theirs = eval(expression, {"np": np, **ARRAYS})
    given: dict[str, Any] = {"np": np, **tensors()}
    if "[::-1]" in expression or ".repeat(" in expression or ".transpose(" in expression:
        expression = (
            expression.replace("u[::-1]", "np.flip(u)").replace(".repeat(4,0)", ".expand(4,-1)")
            .replace("b.transpose(0,2,1)", "b.mT")
        )  # fmt: skip
    ours = eval(expression, given)
    assert_tensors(ours, theirs)
    same(plain(ours), plain(theirs))


def assert_tensors(ours: Any, theirs: Any) -> None:
    if isinstance(theirs, (tuple, list)) and not isinstance(theirs, mg.Size):
        if all(isinstance(t, int) for t in theirs):
            return
        for a, b in zip(ours, theirs, strict=True):
            assert_tensors(a, b)
    elif isinstance(theirs, (np.ndarray, np.floating)):
        assert isinstance(ours, mg.Tensor)


@pytest.mark.parametrize("expression", LINALG)
def test_decompositions_are_those_of_minigrad_linalg(expression: str) -> None:
    linalg = pytest.importorskip("minigrad.linalg")
    name = expression.split("(")[0].removeprefix("np.linalg.")
    if not hasattr(linalg, name):
        with pytest.raises(TypeError, match=name):
            eval(expression, {"np": np, **tensors()})
        return
    ours = eval(expression, {"np": np, **tensors()})
    theirs = eval(expression, {"np": np, **ARRAYS})
    if name in ("eigh", "qr", "svd"):  # vectors are found up to their signs
        ours, theirs = ([np.abs(plain(r)) for r in results] for results in (ours, theirs))
    if name == "lstsq":
        ours, theirs = ours[0], theirs[0]
    same(plain(ours), plain(theirs))


def test_every_function_of_the_table_is_tested() -> None:
    used = {e.split("(")[0].removeprefix("np.") for e in [*EXPRESSIONS, *LINALG]}
    assert set(FUNCTIONS) - used - ELSEWHERE == set()
    for name in FUNCTIONS:  # and is one of numpy
        module = np.linalg if name.startswith("linalg.") else np
        assert hasattr(module, name.removeprefix("linalg."))


_UNARY = """
absolute arccos arcsin arctan arctanh ceil conjugate cos cosh deg2rad degrees exp exp2 expm1
fabs floor isfinite isinf isnan log log10 log1p log2 logical_not modf negative positive rad2deg
radians reciprocal rint sign signbit sin sinh sqrt square tan tanh trunc arcsinh
"""
UNARY = _UNARY.split()
_BINARY = """
add arctan2 copysign divide divmod equal float_power floor_divide fmax fmin fmod greater
greater_equal hypot less less_equal logaddexp logaddexp2 logical_and logical_or logical_xor
maximum minimum multiply nextafter not_equal power remainder subtract vecdot heaviside
"""
BINARY = _BINARY.split()
_INTEGER = """
bitwise_and bitwise_or bitwise_xor gcd lcm left_shift right_shift
"""
INTEGER = _INTEGER.split()


@pytest.mark.parametrize("name", UNARY)
def test_unary_ufuncs(name: str) -> None:
    x = ARRAYS["x"]
    ours = getattr(np, name)(mg.tensor(x, requires_grad=True))
    same(plain(ours), plain(getattr(np, name)(x)))
    assert name in ("modf",) or isinstance(ours, mg.Tensor)


@pytest.mark.parametrize("name", BINARY)
def test_binary_ufuncs_of_tensors_arrays_and_numbers(name: str) -> None:
    ufunc = getattr(np, name)
    x, y = ARRAYS["x"], ARRAYS["y"]
    t, u = mg.tensor(x, requires_grad=True), mg.tensor(y)
    for ours, theirs in (
        (ufunc(t, u), ufunc(x, y)), (ufunc(t, y), ufunc(x, y)), (ufunc(y, t), ufunc(y, x)),
        (ufunc(t, 0.5), ufunc(x, 0.5)) if name != "vecdot" else (0, 0),
        (ufunc(0.5, t), ufunc(0.5, x)) if name != "vecdot" else (0, 0),
        (ufunc(t, y.tolist()), ufunc(x, y)),
    ):  # fmt: skip
        same(plain(ours), plain(theirs))


@pytest.mark.parametrize("name", INTEGER)
def test_integer_ufuncs(name: str) -> None:
    a, b = np.array([6, 3, 8]), np.array([2, 1, 3])
    same(plain(getattr(np, name)(mg.tensor(a), b)), getattr(np, name)(a, b))
    same(plain(np.invert(mg.tensor(a))), np.invert(a))


def test_matrix_ufuncs() -> None:
    x, v, u = (ARRAYS[k] for k in "xvu")
    t = mg.tensor(x, requires_grad=True)
    same(plain(np.matmul(t, v)), x @ v)
    same(plain(v @ np.transpose(t)), v @ x.T)
    same(plain(np.matvec(t, v)), np.matvec(x, v))
    same(plain(np.vecmat(mg.tensor(u), t)), np.vecmat(u, x))
    for ours, theirs in zip(np.frexp(t), np.frexp(x), strict=True):
        same(plain(ours), theirs)
    same(plain(np.ldexp(t, mg.tensor([1, 2, 3, 4]))), np.ldexp(x, [1, 2, 3, 4]))
    same(plain(np.arccosh(1 + t)), np.arccosh(1 + x))


def test_every_ufunc_of_the_tables_exists() -> None:
    known = set()
    for ufunc in {f for f in vars(np).values() if isinstance(f, np.ufunc)}:
        with contextlib.suppress(TypeError):
            numpy_ufuncs._function(ufunc)
            known.add(ufunc.__name__)
    for name in (*numpy_ufuncs._RENAMED, *numpy_ufuncs._COMPOSED):
        assert isinstance(getattr(np, name), np.ufunc)
    tested = {*UNARY, *BINARY, *INTEGER, "invert", "matmul", "matvec", "vecmat", "ldexp", "arccosh",
              "frexp"}  # fmt: skip
    assert known == tested


def test_methods_of_ufuncs() -> None:
    x = ARRAYS["x"]
    t = mg.tensor(x, requires_grad=True)
    for name in ("add", "multiply", "maximum", "minimum"):
        ufunc = getattr(np, name)
        same(plain(ufunc.reduce(t)), ufunc.reduce(x))
        same(plain(ufunc.reduce(t, axis=(0, 1))), ufunc.reduce(x, axis=(0, 1)))
        same(plain(ufunc.reduce(t, axis=1, keepdims=True)), ufunc.reduce(x, axis=1, keepdims=True))
        same(plain(ufunc.accumulate(t, axis=1)), ufunc.accumulate(x, axis=1))
        same(plain(ufunc.outer(t, x)), ufunc.outer(x, x))
    same(plain(np.logical_and.reduce(t > 0.3)), np.logical_and.reduce(x > 0.3))
    same(plain(np.add.reduce(t, axis=())), x)
    same(plain(np.greater.outer(x, t)), np.greater.outer(x, x))
    w = mg.zeros(4)
    np.add.at(w, [1, 1, 2], mg.tensor([1.0, 2.0, 3.0]))
    np.subtract.at(w, mg.tensor([0]), 5)
    assert w.tolist() == [-5, 3, 3, 0]
    assert w._version == 2


def test_gradients_flow() -> None:
    t = mg.tensor([1.0, 2.0, 3.0], requires_grad=True, dtype=mg.float64)
    np.sum(np.exp(t) * np.ones(3) + np.concatenate([t, t])[:3]).backward()
    np.testing.assert_allclose(t.grad.numpy(), np.exp([1, 2, 3]) + 1)
    (g,) = mg.autograd.grad(np.linalg.norm(t), t)
    np.testing.assert_allclose(g.numpy(), np.array([1, 2, 3]) / np.sqrt(14))
    (g,) = mg.autograd.grad(np.where(t > 1.5, t * t, 0).sum(), t)
    assert g.tolist() == [0, 4, 6]
    (g,) = mg.autograd.grad(np.pad(t, 1, mode="edge").sum(), t)
    assert g.tolist() == [2, 1, 2]


def test_types_are_those_of_minigrad() -> None:
    t = mg.ones(3)
    assert (t + np.float64(1)).dtype is mg.float32  # a numpy number is a 0-dim tensor
    assert (np.ones(3) + t).dtype is mg.float64
    assert np.exp(mg.tensor([1, 2])).dtype is mg.float32
    assert np.add(t, 1, dtype=np.float64).dtype is mg.float64
    assert np.mean(mg.tensor([1, 2])).item() == 1.5


REFUSED = [
    ("np.cbrt(t)", "numpy.cbrt.*detach"), ("np.gradient(t)", "numpy.gradient.*detach"),
    ("np.add(t, 1, out=np.ones(3))", "numpy.add: out="),
    ("np.sum(t, out=np.ones(()))", "numpy.sum: out="),
    ("np.add(t, 1, where=np.array([True, False, True]))", "where="),
    ("np.sum(t, where=np.array([True, False, True]))", "numpy.sum.*where"),
    ("np.sum(t, initial=3)", "initial"), ("np.prod(t, initial=3)", "prod: initial"),
    ("np.take(t, 0, mode='wrap')", "take: mode"), ("np.mean(t, 0, None, np.ones(()))", "out"),
    ("np.add.reduce(t, initial=3)", "initial"),
    ("np.add.reduceat(t, [0])", "reduceat"), ("np.exp.at(t, [0])", "exp.at"),
    ("np.subtract.reduce(t)", "subtract.reduce"), ("np.add.at(np.ones(3), [0], t)", "add.at"),
    ("np.divide.accumulate(t)", "divide.accumulate"), ("np.exp(t, casting='unsafe')", "casting"),
    ("np.copyto(np.ones(3), t)", "copyto"), ("np.save('file', t)", "numpy.save"),
    ("np.unique(t, return_index=True)", "return_index"), ("np.add(t, object())", "object"),
    ("np.linalg.tensorinv(t)", "linalg.tensorinv"), ("np.add.reduce(t, out=np.ones(()))", "out="),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "words"), REFUSED)
def test_what_has_no_counterpart_says_so(expression: str, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        eval(expression, {"np": np, "t": mg.ones(3)})


@pytest.mark.parametrize(
    "expression",
    ["np.reshape(t, 3, order='F')", "np.split(t, 2)",
     "np.squeeze(t, 0)", "np.pad(t, 1, mode='mean')", "np.meshgrid(t, sparse=True)",
     "np.digitize(t, np.array([2, 1]))", "np.linalg.norm(mg.ones(2, 2), 7)",
     "np.cumulative_sum(mg.ones(2, 2))"],
)  # fmt: skip
def test_values_that_the_counterpart_does_not_take(expression: str) -> None:
    with pytest.raises(ValueError, match=re.compile("tensors|division|axis|order", re.I)):
        eval(expression, {"np": np, "mg": mg, "t": mg.ones(3)})


def test_into_an_array_in_place_is_refused() -> None:
    a = np.ones(3)
    with pytest.raises(TypeError, match="out="):
        a += mg.ones(3)


def test_broadcasting_with_what_is_no_number() -> None:
    t, none = np.broadcast_arrays(mg.ones(3), None)
    assert isinstance(t, mg.Tensor)
    assert none.tolist() == [None] * 3


def test_foreign_arrays_decide_for_themselves() -> None:
    class Other:
        def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> str:
            return "other"

    assert np.concatenate([mg.ones(3), Other()]) == "other"


def test_text_copies_and_makers() -> None:
    t = mg.tensor([1.0, 2.0], requires_grad=True)
    assert np.array_repr(t) == repr(t)
    assert np.array_str(t) == repr(t)
    assert np.empty_like(t).shape == (2,)
    w = mg.zeros(2)
    np.copyto(w, [3, 4])
    assert w.tolist() == [3, 4]
    c = np.copy(t)
    assert isinstance(c, mg.Tensor)
    assert c.requires_grad
    assert c.data_ptr() != t.data_ptr()


def test_asarray_shares_the_memory_or_refuses() -> None:
    t = mg.ones(3)
    a = np.asarray(t)
    assert a is t.array or np.shares_memory(a, t.array)
    a[0] = 5
    assert t[0].item() == 5
    assert not np.shares_memory(np.array(t), t.array)
    assert np.asarray(t, np.float64).dtype == np.float64
    with pytest.raises(ValueError, match="copy"):
        np.asarray(t, np.float64, copy=False)
    with pytest.raises(RuntimeError, match=r"Can't call numpy\(\) on Tensor that requires grad"):
        np.asarray(mg.ones(3, requires_grad=True))


def test_sequences_of_tensors_become_arrays() -> None:
    assert np.array([mg.tensor(1.0), mg.tensor(2.0)]).tolist() == [1, 2]
    assert np.asarray([mg.ones(2), mg.ones(2)]).shape == (2, 2)


OPERATORS = ["+", "-", "*", "/", "//", "%", "**", "==", "!=", "<", "<=", ">", ">="]


@pytest.mark.parametrize("symbol", [*OPERATORS, "&", "|", "^", "<<", ">>", "@"])
def test_operators_of_arrays_and_tensors(symbol: str) -> None:
    kind = float if symbol in OPERATORS or symbol == "@" else np.int64
    a, b = np.array([5, 6, 7], kind), np.array([1, 2, 3], kind)
    scope: dict[str, Any] = {"a": a, "b": b, "t": mg.tensor(a), "u": mg.tensor(b)}
    expected = eval(f"a {symbol} b", scope)
    for form in (f"t {symbol} b", f"a {symbol} u", f"t {symbol} u"):
        found = eval(form, scope)
        assert isinstance(found, mg.Tensor)
        same(plain(found), expected)
    if symbol != "@":
        for one in (b[1], int(b[1])):  # numbers of numpy and of Python
            scope["one"] = one
            same(plain(eval(f"t {symbol} one", scope)), eval(f"a {symbol} one", scope))
            same(plain(eval(f"one {symbol} t", scope)), eval(f"one {symbol} a", scope))
    if symbol in ("+", "-", "*", "**", "&", "|", "^", "<<", ">>", "//", "%"):
        exec(f"t {symbol}= b", scope)
        same(plain(scope["t"]), expected)


def test_under_vmap() -> None:
    x = mg.arange(12.0).reshape(3, 4)
    assert mg.vmap(lambda v: v + np.ndim(v) + np.shape(v)[0] + np.size(v))(x).equal(x + 9)
    for function in (np.mean, np.max, np.argmax, np.prod, np.count_nonzero):
        for t in (x, x.long()):
            found = mg.vmap(function)(t)
            np.testing.assert_allclose(found.numpy(), function(t.numpy(), axis=1))
