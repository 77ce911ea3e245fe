"""Compile the kernels that training needs, ahead of time, and keep them in the cache.

What :mod:`minigrad.cli.jobs` lists is trained for a moment. The next process that trains starts in
a fraction of a second.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from functools import partial

from minigrad.cli.tables import Progress, seconds_text

__all__ = ["add_arguments", "jobs", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument(
        "names", nargs="*", metavar="JOB", help="only these (see --list; default: all of them)"
    )
    parser.add_argument("--list", action="store_true", help="only list the jobs")
    parser.add_argument(
        "--dtype", choices=("float32", "float64"), default="float32", help="default: float32"
    )


def run(args: argparse.Namespace) -> int:
    """Run the jobs one after the other."""
    from minigrad.kernels.run.folder import cache_folder

    wanted = jobs(args.dtype)
    if args.list:
        print("\n".join(wanted))
        return 0
    unknown = [n for n in args.names if n not in wanted]
    if unknown:
        raise ValueError(f"there is no job {unknown[0]!r}; known: {', '.join(wanted)}")
    chosen = {name: job for name, job in wanted.items() if not args.names or name in args.names}
    start, failed = time.perf_counter(), []
    with Progress(len(chosen), "compiling", "job") as progress:
        for name, job in chosen.items():
            began = time.perf_counter()
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    job()
                text = seconds_text(time.perf_counter() - began)
            except Exception as error:
                failed.append(name)
                text = f"failed: {type(error).__name__}: {error}"
            progress.step(name)
            progress.note(f"{name:<16} {text}")
    folder = cache_folder()
    kept = f"kept in {folder}" if folder is not None else "not kept: there is no cache (see doctor)"
    print(f"{len(chosen)} jobs in {seconds_text(time.perf_counter() - start)}; kernels are {kept}")
    return 1 if failed else 0


def jobs(dtype: str = "float32") -> dict[str, Callable[[], None]]:
    """What there is to warm, by name."""
    from minigrad.cli.jobs import JOBS

    return {name: partial(job, dtype) for name, job in JOBS.items()}
