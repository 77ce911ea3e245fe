"""Layers as functions, under PyTorch's names and signatures; usually imported as ``F``.

The functions are in `nn.functions`, in files by family.
"""

from minigrad.nn.functions.activation import *  # noqa: F403
from minigrad.nn.functions.attention import *  # noqa: F403
from minigrad.nn.functions.bag import *  # noqa: F403
from minigrad.nn.functions.conv import *  # noqa: F403
from minigrad.nn.functions.dropout import *  # noqa: F403
from minigrad.nn.functions.likelihood_loss import *  # noqa: F403
from minigrad.nn.functions.loss import *  # noqa: F403
from minigrad.nn.functions.margin_loss import *  # noqa: F403
from minigrad.nn.functions.normalization import *  # noqa: F403
from minigrad.nn.functions.padding import *  # noqa: F403
from minigrad.nn.functions.pointwise import *  # noqa: F403
from minigrad.nn.functions.pooling import *  # noqa: F403
from minigrad.nn.functions.sparse import *  # noqa: F403
from minigrad.nn.functions.vision import *  # noqa: F403
