"""minigrad."""
from minigrad.tensor import Tensor
from minigrad import ops, autograd
from minigrad.autograd.graph import grad, backward
from minigrad.dtypes import *
globals().update(ops.PUBLIC)
autograd.grad=grad
