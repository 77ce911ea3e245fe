"""The command line: ``python -m minigrad demo | doctor | warm | gradcheck | draw | steps``."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from importlib import import_module

__all__ = ["main", "make_parser"]

#: Each is a module of this package with ``add_arguments(parser)`` and ``run(args) -> exit code``.
COMMANDS = {
    "demo": ("demo", "train on handwritten digits, check the gradients, draw graph and curves"),
    "doctor": ("doctor", "say what this installation can do, and what would make it better"),
    "warm": ("warm", "compile the kernels that training needs, so that nothing waits later"),
    "gradcheck": ("check", "check every operation against finite differences"),
    "draw": ("draw", "draw an expression, or a small network"),
    "steps": ("steps", "step through an expression and its gradients, in the browser"),
}

#: Commands that take an expression, which may begin with a minus sign.
_EXPRESSIONS = ("draw", "steps")
_OPTION = re.compile(r"--[a-z][a-z-]*(=.*)?|-h|-o([\w./~\\: -]+)?")


def protect(text: str) -> str:
    """An argument such as ``-x**2`` with a blank before it, so that it is not taken as an option.

    >>> [protect(text) for text in ("-x**2", "-o", "--direction=LR", "x")]
    [' -x**2', '-o', '--direction=LR', 'x']
    """
    return f" {text}" if text.startswith("-") and not _OPTION.fullmatch(text) else text


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    from minigrad import __version__

    parser = argparse.ArgumentParser(
        prog="minigrad",
        description="minigrad: an autograd engine in Python, numpy and numba.",
        epilog="Each command has its own help: minigrad COMMAND --help",
    )
    parser.add_argument("--version", action="version", version=f"minigrad {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (module, text) in COMMANDS.items():
        part = import_module(f"{__name__}.{module}")
        command = commands.add_parser(
            name, help=text, description=part.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip
        part.add_arguments(command)
        command.set_defaults(run=part.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code (0 fine, 1 failed, 2 wrong usage, 130 interrupted)."""
    given = list(sys.argv[1:] if argv is None else argv)
    if given and given[0] in _EXPRESSIONS:
        given[1:] = [protect(text) for text in given[1:]]
    args = make_parser().parse_args(given)
    try:
        code: int = args.run(args)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print(f"\nminigrad {args.command}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of a pipe has left: nobody to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ImportError, FileNotFoundError, PermissionError, ValueError, KeyError) as error:
        text = error.args[0] if isinstance(error, KeyError) and error.args else error
        print(f"minigrad {args.command}: {text}", file=sys.stderr)
        return 1
