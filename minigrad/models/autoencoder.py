"""Autoencoders: networks that learn a code by giving back their input."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from minigrad import nn
from minigrad.core.tensor import Tensor
from minigrad.models.mlp import Activation, make_activation
from minigrad.names import rand_like, randn_like
from minigrad.nn import functional as F
from minigrad.nn.linear import TransposedLinear

__all__ = ["Autoencoder", "StackedAutoencoder"]


class Autoencoder(nn.Module):
    """``decode(encode(x))``, close to x through a narrow code (or a noisy input).

    Parameters
    ----------
    sizes : sequence of int
        Of the input, of each hidden layer of the encoder, and of the code, the last one. The
        decoder has the same sizes in reverse.
    activation : str or callable
        Behind every layer of the encoder, and every layer of the decoder but the last one.
    tied : bool
        The weights of the decoder are those of the encoder, transposed: half the parameters.
    noise : str, optional
        ``"masking"`` or ``"gaussian"``: in training, the input is corrupted, and the network must
        give back the clean one (Vincent et al. 2008): it learns what goes with what.
    noise_level : float
        The probability of an input to be zeroed, or the standard deviation of what is added.
    output : str or callable
        The activation at the end; ``"sigmoid"`` for images in [0, 1], ``"identity"`` otherwise.

    References
    ----------
    Hinton and Salakhutdinov, "Reducing the dimensionality of data with neural networks", 2006;
    Vincent et al., "Extracting and composing robust features with denoising autoencoders", 2008.

    Examples
    --------
    >>> import minigrad as mg
    >>> net = Autoencoder([8, 4, 2], tied=True)
    >>> net.encode(mg.ones(3, 8)).shape, net(mg.ones(3, 8)).shape
    (minigrad.Size([3, 2]), minigrad.Size([3, 8]))
    >>> [name for name, _ in net.named_parameters() if "decoder" in name]
    ['decoder.0.bias', 'decoder.2.bias']
    """

    def __init__(
        self, sizes: Sequence[int], activation: Activation = "sigmoid", tied: bool = False,
        noise: str | None = None, noise_level: float = 0.3, output: Activation = "identity",
    ) -> None:  # fmt: skip
        super().__init__()
        if len(sizes) < 2:
            raise ValueError(f"Autoencoder: expected the sizes of input and code, got {sizes}")
        if noise not in (None, "masking", "gaussian"):
            raise ValueError(f"noise must be 'masking', 'gaussian' or None, got {noise!r}")
        self.tied = tied
        self.noise = noise
        self.noise_level = noise_level
        linears = [nn.Linear(a, b) for a, b in pairwise(sizes)]
        self.encoder = nn.Sequential()
        for linear in linears:
            self.encoder.extend([linear, make_activation(activation)])
        self.decoder = nn.Sequential()
        for linear in reversed(linears):
            back = (
                TransposedLinear(linear)
                if tied
                else nn.Linear(linear.out_features, linear.in_features)
            )
            last = linear is linears[0]
            self.decoder.extend([back, make_activation(output if last else activation)])

    def corrupt(self, x: Tensor) -> Tensor:
        """The input with noise, as in training."""
        if self.noise == "masking":
            return x * (rand_like(x) >= self.noise_level).to(x.dtype)
        if self.noise == "gaussian":
            return x + self.noise_level * randn_like(x)
        return x

    def encode(self, x: Tensor) -> Tensor:
        """The code, (..., sizes[-1])."""
        code: Tensor = self.encoder(x)
        return code

    def decode(self, code: Tensor) -> Tensor:
        """The input that a code stands for, (..., sizes[0])."""
        x: Tensor = self.decoder(code)
        return x

    def forward(self, x: Tensor) -> Tensor:
        """The reconstruction; in training, from the corrupted input.

        Parameters
        ----------
        x : Tensor, shape (..., sizes[0])

        Returns
        -------
        Tensor of the same shape
        """
        return self.decode(self.encode(self.corrupt(x) if self.training else x))

    def loss(self, x: Tensor) -> Tensor:
        """The mean squared error between the reconstruction and the clean input."""
        return F.mse_loss(self(x), x)


class StackedAutoencoder(nn.Module):
    """Autoencoders of one layer each, one upon the code of the other: greedy pre-training.

    First train `layers[0]` on the data, then, with that one held, `layers[1]` on its codes, and so
    on; each step is a shallow problem. The encoders one after the other then are the start of a
    deep network, which is fine-tuned as a whole (Bengio et al. 2007). The loop is yours here;
    :func:`minigrad.train.pretrain_layerwise` has it built in, for any stack of linear layers.

    Parameters
    ----------
    sizes : sequence of int
        Of the input and of the codes of all layers.
    activation : str or callable
    tied : bool
    noise : str, optional
    noise_level : float
        As of :class:`Autoencoder`.

    References
    ----------
    Bengio, Lamblin, Popovici and Larochelle, "Greedy layer-wise training of deep networks", 2007.

    Examples
    --------
    >>> import minigrad as mg
    >>> stack, x = StackedAutoencoder([8, 6, 4], tied=True), mg.ones(5, 8)
    >>> for k in range(2):  # each layer by itself
    ...     optimizer = mg.optim.SGD(stack.layers[k].parameters(), lr=0.1)
    ...     stack.pretraining_loss(k, x).backward()
    ...     optimizer.step()
    >>> stack.classifier(3)(x).shape  # then the whole
    minigrad.Size([5, 3])
    """

    def __init__(
        self, sizes: Sequence[int], activation: Activation = "sigmoid", tied: bool = True,
        noise: str | None = None, noise_level: float = 0.3,
    ) -> None:  # fmt: skip
        super().__init__()
        self.layers = nn.ModuleList(
            Autoencoder([a, b], activation, tied, noise, noise_level) for a, b in pairwise(sizes)
        )

    def codes(self, x: Tensor, depth: int | None = None) -> Tensor:
        """The code of the first `depth` layers, or of all: (..., sizes[depth])."""
        for layer in self.layers[:depth]:
            x = layer.encode(x)
        return x

    def pretraining_loss(self, k: int, x: Tensor) -> Tensor:
        """The error of layer `k` on the codes of those below, which get no gradient.

        Parameters
        ----------
        k : int
            From 0.
        x : Tensor, shape (..., sizes[0])
            The data, not codes.
        """
        loss: Tensor = self.layers[k].loss(self.codes(x, k).detach())
        return loss

    def forward(self, x: Tensor) -> Tensor:
        """Up through all encoders and down through all decoders; the shape of the input."""
        code = self.codes(x)
        for layer in reversed(list(self.layers)):
            code = layer.decode(code)
        return code

    def classifier(self, num_classes: int) -> nn.Sequential:
        """The encoders, with a linear layer on top, to fine-tune; the parameters are shared."""
        encoders = [part for layer in self.layers for part in layer.encoder]
        linears = [m for m in encoders if isinstance(m, nn.Linear)]
        return nn.Sequential(*encoders, nn.Linear(linears[-1].out_features, num_classes))
