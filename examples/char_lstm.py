"""A character-level LSTM that learns to write like Shakespeare.

    python examples/char_lstm.py
    python examples/char_lstm.py --cell gru --hidden 256 --layers 2 --dropout 0.2 --steps 3000
    python examples/char_lstm.py --prompt "ROMEO:" --temperature 0.5

The text is read from the folder `MINIGRAD_DATA` names (`text/tinyshakespeare.txt`), or fetched once
(1 MB). Each row of a batch goes on where it ended in the batch before, and so does the state of the
network ("truncated backpropagation through time"): gradients reach back over one block only, but
what the state remembers is older.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator, Sequence
from typing import Any

import minigrad as mg
from minigrad import nn, optim
from minigrad.data.datasets import TinyShakespeare
from minigrad.models import CharRNN
from minigrad.nn import functional as F


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train a character-level RNN on Shakespeare.")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--block-size", type=int, default=64, help="characters per step")
    parser.add_argument("--cell", choices=["rnn", "lstm", "gru"], default="lstm")
    parser.add_argument("--hidden", type=int, default=192)
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--tie", action="store_true", help="tie the output to the embedding")
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--report", type=int, default=250, help="steps between two lines")
    parser.add_argument("--prompt", default="\n", help="what the sample begins with")
    parser.add_argument("--length", type=int, default=400, help="characters of the sample")
    parser.add_argument("--temperature", type=float, default=0.8)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(argv)


def rows(ids: mg.Tensor, batch_size: int, block_size: int) -> Iterator[tuple[mg.Tensor, mg.Tensor]]:
    """The text as so many long rows, read block by block; (inputs, what comes next), for ever."""
    length = (len(ids) - 1) // batch_size
    x = ids[: batch_size * length].view(batch_size, length)
    y = ids[1 : batch_size * length + 1].view(batch_size, length)
    while True:
        for t in range(0, length - block_size + 1, block_size):
            yield x[:, t : t + block_size], y[:, t : t + block_size]


def detached(state: Any) -> Any:
    """The state as a start: no gradient goes back beyond it."""
    return tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()


def cross_entropy(logits: mg.Tensor, targets: mg.Tensor) -> mg.Tensor:
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def held_out_loss(model: CharRNN, ids: mg.Tensor, blocks: int = 20) -> float:
    """The mean loss on text that was not trained on."""
    model.eval()
    state, total = None, 0.0
    batches = rows(ids, 8, 128)
    with mg.no_grad():
        for _, (x, y) in zip(range(blocks), batches):
            logits, state = model(x, state)
            total += cross_entropy(logits, y).item()
    model.train()
    return total / blocks


def main(argv: Sequence[str] | None = None) -> float:
    args = arguments(argv)
    mg.manual_seed(args.seed)
    train = TinyShakespeare(train=True, block_size=args.block_size)
    held_out = TinyShakespeare(train=False)
    vocabulary = train.vocabulary
    model = CharRNN(
        len(vocabulary), args.hidden, num_layers=args.layers, cell=args.cell,
        dropout=args.dropout, tie_weights=args.tie,
    )  # fmt: skip
    count = sum(p.numel() for p in model.parameters())
    print(f"{len(train.ids):,} characters, {len(vocabulary)} different; {count:,} parameters")
    print(f"guessing gives a loss of ln {len(vocabulary)} = {math.log(len(vocabulary)):.3f}")

    optimizer = optim.Adam(model.parameters(), lr=args.lr)
    scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, args.steps))
    batches = rows(train.ids, args.batch_size, args.block_size)
    state, loss, began = None, math.nan, time.perf_counter()
    for step in range(1, args.steps + 1):
        x, y = next(batches)
        optimizer.zero_grad()
        logits, state = model(x, state)
        error = cross_entropy(logits, y)
        error.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        state, loss = detached(state), error.item()
        if step % args.report == 0 or step == args.steps:
            rate = step * x.numel() / (time.perf_counter() - began)
            now = held_out_loss(model, held_out.ids)
            print(
                f"step {step:>5}   loss {loss:.4f}   held-out loss {now:.4f}"
                f"   {rate:,.0f} characters/s",
                flush=True,
            )
    generator = mg.Generator().manual_seed(args.seed)
    prompt = vocabulary.encode(args.prompt)
    written = model.generate(prompt, args.length, args.temperature, generator)
    print("-" * 80, vocabulary.decode(written), sep="\n")
    return loss


if __name__ == "__main__":
    main()
