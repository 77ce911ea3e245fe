"""A small GPT on the text of Shakespeare, character by character.

    python examples/gpt.py
    python examples/gpt.py --layers 4 --heads 4 --width 128 --block-size 128 --steps 3000
    python examples/gpt.py --prompt "ROMEO:" --temperature 0.7 --top-k 20

The text is read from the folder `MINIGRAD_DATA` names (`text/tinyshakespeare.txt`), or fetched once
(1 MB). The learning rate rises over the first steps and falls along a cosine; matrices decay, norms
and biases do not; gradients are clipped: what GPT-2 and nanoGPT do, at a size for a laptop.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Sequence

import minigrad as mg
from minigrad import nn
from minigrad.data import DataLoader, RandomSampler
from minigrad.data.datasets import TinyShakespeare
from minigrad.models import GPT, GPTConfig


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train a small GPT on Shakespeare.")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--block-size", type=int, default=64, help="characters it looks back on")
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--width", type=int, default=96)
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--lr", type=float, default=2e-3, help="the largest learning rate")
    parser.add_argument("--weight-decay", type=float, default=0.1)
    parser.add_argument("--report", type=int, default=250, help="steps between two lines")
    parser.add_argument("--prompt", default="\n", help="what the sample begins with")
    parser.add_argument("--length", type=int, default=400, help="characters of the sample")
    parser.add_argument("--temperature", type=float, default=0.8)
    parser.add_argument("--top-k", type=int, default=None)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(argv)


def rate_factor(step: int, steps: int, warmup: int = 50) -> float:
    """Of the largest learning rate: up linearly, then down along a cosine to a tenth."""
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    return 0.1 + 0.45 * (1 + math.cos(math.pi * min(1.0, done)))


def held_out_loss(model: GPT, data: TinyShakespeare, batches: int = 10) -> float:
    """The mean loss on text that was not trained on."""
    model.eval()
    total = 0.0
    with mg.no_grad():
        for _, (x, y) in zip(range(batches), DataLoader(data, batch_size=32)):
            total += model(x, y)[1].item()
    model.train()
    return total / batches


def main(argv: Sequence[str] | None = None) -> float:
    args = arguments(argv)
    mg.manual_seed(args.seed)
    train = TinyShakespeare(train=True, block_size=args.block_size)
    held_out = TinyShakespeare(train=False, block_size=args.block_size, stride=args.block_size)
    vocabulary = train.vocabulary
    config = GPTConfig(
        block_size=args.block_size, vocab_size=len(vocabulary), n_layer=args.layers,
        n_head=args.heads, n_embd=args.width, dropout=args.dropout,
    )  # fmt: skip
    model = GPT(config)
    print(
        f"{len(train.ids):,} characters, {len(vocabulary)} different; "
        f"{config.num_parameters:,} parameters"
    )
    print(f"guessing gives a loss of ln {len(vocabulary)} = {math.log(len(vocabulary)):.3f}")

    optimizer = model.configure_optimizers(args.weight_decay, args.lr)
    scheduler = mg.optim.lr_scheduler.LambdaLR(optimizer, lambda s: rate_factor(s, args.steps))
    sampler = RandomSampler(train, replacement=True, num_samples=args.steps * args.batch_size)
    loss, began = math.nan, time.perf_counter()
    for step, (x, y) in enumerate(DataLoader(train, args.batch_size, sampler=sampler), 1):
        optimizer.zero_grad()
        _, error = model(x, y)
        error.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        loss = error.item()
        if step % args.report == 0 or step == args.steps:
            rate = step * x.numel() / (time.perf_counter() - began)
            now = held_out_loss(model, held_out)
            print(
                f"step {step:>5}   loss {loss:.4f}   held-out loss {now:.4f}   "
                f"{rate:,.0f} characters/s",
                flush=True,
            )
    generator = mg.Generator().manual_seed(args.seed)
    prompt = vocabulary.encode(args.prompt).unsqueeze(0)
    written = model.generate(prompt, args.length, args.temperature, args.top_k, generator)
    print("-" * 80, vocabulary.decode(written[0]), sep="\n")
    return loss


if __name__ == "__main__":
    main()
