"""Architectures that a network writes: the controller of neural architecture search.

An LSTM makes one decision after the other (which operation, on which map), and sees in each step
what it decided before. What it wrote is built, trained for a moment, and rewarded with its accuracy
on held-out data; the policy gradient (:class:`minigrad.train.Reinforce`) makes decisions likelier
that were rewarded more than usual.

- Zoph and Le 2017, "Neural architecture search with reinforcement learning" (arXiv:1611.01578)
- Zoph et al. 2018, "Learning transferable architectures" (arXiv:1707.07012): the search for a cell
- Pham et al. 2018, "Efficient neural architecture search" (arXiv:1802.03268): the embedding of
  decisions, and the limits of the scores (temperature, tanh) that keep the controller curious
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from minigrad import nn
from minigrad.core.tensor import Tensor
from minigrad.models.nasnet import Table
from minigrad.names import multinomial, stack, zeros

__all__ = ["CellSpace", "Controller", "Sampled"]

#: What a cell may compute, for a search in minutes; all that :class:`.nasnet.Cell` knows will do.
OPERATIONS = ("sep 3x3", "sep 5x5", "avg 3x3", "max 3x3", "identity")


class Sampled(NamedTuple):
    """What a controller wrote.

    Attributes
    ----------
    decisions : Tensor of int64, shape (N, decisions)
    log_prob : Tensor, shape (N,)
        The logarithm of the probability of all of them together, with a graph.
    entropy : Tensor, shape (N,)
        How undecided it was, summed over the decisions, with a graph.
    """

    decisions: Tensor
    log_prob: Tensor
    entropy: Tensor


class Controller(nn.Module):
    r"""A policy over sequences of decisions, :math:`\pi(a) = \prod_t \pi(a_t | a_1 \dots a_{t-1})`.

    Parameters
    ----------
    choices : sequence of int
        How many options each decision has.
    hidden : int
        Of the LSTM.
    temperature : float
        Scores are divided by it: above 1 for a more curious controller.

    Raises
    ------
    ValueError
        If there are no decisions, or one without options.

    Examples
    --------
    >>> import minigrad as mg
    >>> _ = mg.manual_seed(0)
    >>> written = Controller([3, 2, 5]).sample(4)
    >>> written.decisions.shape, written.log_prob.shape
    (minigrad.Size([4, 3]), minigrad.Size([4]))
    """

    def __init__(
        self, choices: Sequence[int], hidden: int = 32, temperature: float = 1.0
    ) -> None:  # fmt: skip
        super().__init__()
        if not choices or min(choices) < 1:
            raise ValueError(f"each decision needs an option at least, got choices={choices!r}")
        self.choices = tuple(choices)
        self.temperature = temperature
        self.start = nn.Parameter(zeros(hidden))
        self.cell = nn.LSTMCell(hidden, hidden)
        self.embeddings = nn.ModuleList(nn.Embedding(n, hidden) for n in self.choices[:-1])
        self.heads = nn.ModuleList(nn.Linear(hidden, n) for n in self.choices)
        for p in self.parameters():  # at first all options are about equally likely
            nn.init.uniform_(p, -0.1, 0.1)

    def sample(self, count: int = 1) -> Sampled:
        """Write `count` sequences."""
        return self._run(None, count)

    def log_prob(self, decisions: Tensor) -> Sampled:
        """How likely given sequences are, shape (N, decisions)."""
        return self._run(decisions, len(decisions))

    def forward(self, count: int = 1) -> Sampled:
        """As :meth:`sample`."""
        return self.sample(count)

    def _run(self, given: Tensor | None, count: int) -> Sampled:
        x = self.start.expand(count, -1)
        state: tuple[Tensor, Tensor] | None = None
        decisions: list[Tensor] = []
        log_probs: list[Tensor] = []
        entropies: list[Tensor] = []
        for t, head in enumerate(self.heads):
            if t:
                x = self.embeddings[t - 1](decisions[-1])
            state = self.cell(x, state)
            logs = (head(state[0]) / self.temperature).log_softmax(-1)
            if given is None:
                chosen = multinomial(logs.detach().exp(), 1)
            else:
                chosen = given[:, t : t + 1]
            decisions.append(chosen[:, 0])
            log_probs.append(logs.gather(1, chosen)[:, 0])
            entropies.append(-(logs.exp() * logs).sum(-1))
        return Sampled(stack(decisions, 1), stack(log_probs, 1).sum(1), stack(entropies, 1).sum(1))


class CellSpace(NamedTuple):
    """The cells of so many rows, as sequences of decisions.

    A row adds two maps, each after an operation: four decisions, source and operation twice. The
    sources are the two inputs of the cell and the rows above; what no row reads is concatenated to
    the output (Zoph et al. 2018, section 3).

    Attributes
    ----------
    rows : int
    operations : tuple of str
        As :class:`.nasnet.Cell` knows them.

    Examples
    --------
    >>> space = CellSpace(rows=1)
    >>> space.choices
    (2, 5, 2, 5)
    >>> space.table([0, 0, 1, 4])
    Table(pairs=((('sep 3x3', 0), ('identity', 1)),), outputs=(2,), stride=1)
    """

    rows: int = 2
    operations: tuple[str, ...] = OPERATIONS

    @property
    def choices(self) -> tuple[int, ...]:
        """The options of each decision, for :class:`Controller`."""
        kinds = len(self.operations)
        return tuple(n for row in range(self.rows) for n in (row + 2, kinds) * 2)

    @property
    def size(self) -> int:
        """How many sequences there are."""
        product = 1
        for n in self.choices:
            product *= n
        return product

    def table(self, decisions: Sequence[int], stride: int = 1) -> Table:
        """The cell that a sequence of decisions describes.

        Raises
        ------
        ValueError
            If there are too few or too many decisions, or one has no such option.
        """
        if len(decisions) != len(self.choices) or any(
            not 0 <= d < n for d, n in zip(decisions, self.choices, strict=False)
        ):
            raise ValueError(
                f"expected {len(self.choices)} decisions below {self.choices}, got "
                f"{list(decisions)}"
            )
        halves = [
            (self.operations[decisions[i + 1]], int(decisions[i]))
            for i in range(0, len(decisions), 2)
        ]
        pairs = tuple(zip(halves[::2], halves[1::2], strict=True))
        read = {source for _, source in halves}
        outputs = tuple(n for n in range(2, self.rows + 2) if n not in read)
        return Table(pairs, outputs, stride)
