"""What is done to the parameters of a model and their gradients; sequences of different lengths.

`parametrize` and `parametrizations` make parameters functions of others, `prune` sets them to 0 for
good, `rnn` packs sequences.
"""

from minigrad.compat.nn_utils import init, memory_format, stateless
from minigrad.compat.nn_utils.init import skip_init
from minigrad.compat.nn_utils.memory_format import *  # noqa: F403
from minigrad.nn.utils import clip, convert, fusion, parametrizations, parametrize, prune, rnn
from minigrad.nn.utils.clip import *  # noqa: F403
from minigrad.nn.utils.convert import *  # noqa: F403
from minigrad.nn.utils.fusion import *  # noqa: F403
from minigrad.nn.utils.spectral_norm import remove_spectral_norm, spectral_norm
from minigrad.nn.utils.weight_norm import remove_weight_norm, weight_norm

__all__ = [
    "init", "memory_format", "parametrizations", "parametrize", "prune", "remove_spectral_norm",
    "remove_weight_norm", "rnn", "skip_init", "spectral_norm", "stateless", "weight_norm",
    *clip.__all__, *convert.__all__, *fusion.__all__, *memory_format.__all__,
]  # fmt: skip
