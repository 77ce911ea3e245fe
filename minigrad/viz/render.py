"""Back ends that turn DOT into pictures: Graphviz's program where there is one, or its library.

The program ``dot`` is found on PATH and called through the package graphviz. Without it, the
package pygraphviz brings Graphviz as a library inside of its wheels, so that nothing has to be
installed outside of Python.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from threading import Lock

__all__ = ["BACKENDS", "available", "render"]

_lock = Lock()  # the Graphviz library may be called by one thread at a time


def _by_program(source: str, kind: str) -> bytes | None:
    if shutil.which("dot") is None:
        return None
    import graphviz

    return bytes(graphviz.pipe("dot", kind, source.encode(), quiet=True))


@contextlib.contextmanager
def _without_font_remarks() -> Iterator[None]:
    """Fontconfig writes about the system's font files to file descriptor 2, from C.

    They are caught there; any other line is written after all.
    """
    with tempfile.TemporaryFile() as caught:
        screen = os.dup(2)
        os.dup2(caught.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(screen, 2)
            os.close(screen)
            caught.seek(0)
            for line in caught:
                if not line.startswith(b"Fontconfig"):
                    os.write(2, line)


def _by_library(source: str, kind: str) -> bytes | None:
    with warnings.catch_warnings():  # its remarks about fonts are no business of the caller's
        warnings.simplefilter("ignore")
        try:
            import pygraphviz
        except ImportError:
            return None
        with _lock, _without_font_remarks(), contextlib.redirect_stderr(io.StringIO()):
            picture = pygraphviz.AGraph(string=source).draw(format=kind, prog="dot")
    assert isinstance(picture, bytes)
    return picture


#: Tried in this order; each returns None where it is not installed.
BACKENDS: dict[str, Callable[[str, str], bytes | None]] = {
    "dot": _by_program,
    "pygraphviz": _by_library,
}


def available() -> bool:
    """Whether pictures can be made here; DOT text always can."""
    if shutil.which("dot") is not None:
        return True
    from importlib.util import find_spec

    return find_spec("pygraphviz") is not None


def render(source: str, kind: str, dpi: int = 144) -> bytes:
    """A picture of the graph that `source` describes.

    Parameters
    ----------
    source : str
        DOT text.
    kind : {"svg", "png", "pdf"}
        The format.
    dpi : int
        Pixels per inch, for PNG.

    Raises
    ------
    ImportError
        If neither the program nor the library is there.
    """
    if kind == "png":
        source = source.replace("{\n", f"{{\n  dpi={dpi};\n", 1)
    for backend in BACKENDS.values():
        picture = backend(source, kind)
        if picture is not None:
            return picture
    raise ImportError(
        f"rendering {kind.upper()} needs Graphviz, and there is none here. Either install the "
        'library: pip install "minigrad[draw]" (which brings pygraphviz); or install the program '
        "`dot` (apt install graphviz, brew install graphviz, https://graphviz.org/download). The "
        "DOT text needs neither: drawing.source, or drawing.save('graph.dot')"
    )
