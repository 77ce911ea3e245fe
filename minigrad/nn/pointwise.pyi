# Written by tools/stubs.py from the declarations in minigrad/ops; do not edit.

from minigrad.nn.layer import ActivationLayer
from minigrad.core.tensor import Tensor

class CELU(ActivationLayer):
    def __init__(self, alpha: float = ..., inplace: bool = ...) -> None: ...
class ELU(ActivationLayer):
    def __init__(self, alpha: float = ..., inplace: bool = ...) -> None: ...
class Hardshrink(ActivationLayer):
    def __init__(self, lambd: float = ...) -> None: ...
class Hardsigmoid(ActivationLayer):
    def __init__(self, inplace: bool = ...) -> None: ...
class Hardswish(ActivationLayer):
    def __init__(self, inplace: bool = ...) -> None: ...
class LeakyReLU(ActivationLayer):
    def __init__(self, negative_slope: float = ..., inplace: bool = ...) -> None: ...
class LogSigmoid(ActivationLayer):
    def __init__(self) -> None: ...
class Mish(ActivationLayer):
    def __init__(self, inplace: bool = ...) -> None: ...
class ReLU6(ActivationLayer):
    def __init__(self, inplace: bool = ...) -> None: ...
class SELU(ActivationLayer):
    def __init__(self, inplace: bool = ...) -> None: ...
class SiLU(ActivationLayer):
    def __init__(self, inplace: bool = ...) -> None: ...
class Softplus(ActivationLayer):
    def __init__(self, beta: float = ..., threshold: float = ...) -> None: ...
class Softshrink(ActivationLayer):
    def __init__(self, lambd: float = ...) -> None: ...
class Softsign(ActivationLayer):
    def __init__(self) -> None: ...
class Tanhshrink(ActivationLayer):
    def __init__(self) -> None: ...

__all__: list[str] = [
    "CELU",
    "ELU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "LeakyReLU",
    "LogSigmoid",
    "Mish",
    "ReLU6",
    "SELU",
    "SiLU",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanhshrink",
]
