# Written by tools/stubs.py from the declarations in minigrad/ops; do not edit.

__all__ = ["NAMES"]

#: By file: functions, methods of tensors, operations.
NAMES = {
    "linear_algebra.triangular": (
        "triangular_solve",
        "triangular_solve",
        "solve_triangular",
    ),
    "linear_algebra.factorizations": (
        "qr svd",
        "qr svd",
        "eigh eigvalsh qr qr_complete svd svdvals",
    ),
    "linear_algebra.cholesky": (
        "cholesky cholesky_inverse cholesky_solve",
        "cholesky cholesky_inverse cholesky_solve",
        "cholesky",
    ),
    "linear_algebra.lu": (
        "lu lu_solve lu_unpack",
        "lu lu_solve",
        "lu_in_order lu_order lu_pivoted",
    ),
    "linear_algebra.solve": (
        "inverse pinverse",
        "inverse pinverse",
        "inv lstsq pinv solve",
    ),
    "linear_algebra.determinant": (
        "det logdet slogdet",
        "det logdet slogdet",
        "cofactor cofactor_slope det slogdet",
    ),
    "linear_algebra.matrix_functions": (
        "chain_matmul geqrf matrix_exp matrix_power orgqr ormqr",
        "geqrf matrix_exp matrix_power orgqr ormqr",
        "matrix_exp",
    ),
    "linear_algebra.matrix_norms": (
        "nuclear_norm",
        "",
        "",
    ),
    "mathematics.polynomials": (
        "",
        "",
        "",
    ),
    "mathematics.special": (
        "acos acosh addcdiv addcmul angle arccos arccosh arcsin arcsinh arctan arctan2 "
        "arctanh asin asinh atan atan2 atanh conj copysign cosh deg2rad digamma erfc erfinv "
        "exp2 float_power fmax fmin frac frexp gcd heaviside hypot lcm ldexp lgamma log10 "
        "log2 logaddexp logaddexp2 logit nan_to_num nextafter polygamma positive rad2deg real "
        "rsub sgn signbit sinc sinh xlogy",
        "acos acos_ acosh acosh_ addcdiv addcdiv_ addcmul addcmul_ angle arccos arccos_ "
        "arccosh arccosh_ arcsin arcsin_ arcsinh arcsinh_ arctan arctan2 arctan2_ arctan_ "
        "arctanh arctanh_ asin asin_ asinh asinh_ atan atan2 atan2_ atan_ atanh atanh_ conj "
        "copysign copysign_ cosh cosh_ deg2rad deg2rad_ digamma digamma_ erfc erfc_ erfinv "
        "erfinv_ exp2 exp2_ float_power float_power_ fmax fmax_ fmin fmin_ frac frac_ frexp "
        "gcd gcd_ heaviside heaviside_ hypot hypot_ lcm lcm_ ldexp ldexp_ lgamma lgamma_ "
        "log10 log10_ log2 log2_ logaddexp logaddexp2 logaddexp2_ logaddexp_ logit logit_ "
        "nan_to_num nan_to_num_ nextafter nextafter_ polygamma polygamma_ positive rad2deg "
        "rad2deg_ real rsub sgn sgn_ signbit sinc sinc_ sinh sinh_ xlogy xlogy_",
        "acos acosh asin asinh atan atan2 atanh copysign cosh digamma erfc erfinv exp2 fmax "
        "fmin frexp hypot lgamma log10 log2 logaddexp logaddexp2 nextafter polygamma sinc "
        "sinh xlogy",
    ),
    "mathematics.transcendental": (
        "i0 igamma igammac mvlgamma",
        "i0 i0_ igamma igamma_ igammac igammac_ mvlgamma mvlgamma_",
        "entr erfcx gammainc gammaincc i0 i0e i1 i1e log_ndtr ndtr ndtri xlog1py zeta",
    ),
    "mathematics.spectral": (
        "bartlett_window blackman_window hamming_window hann_window kaiser_window",
        "",
        "",
    ),
}
