"""The steps as pictures for slides: one file per step, or one animation."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from minigrad.viz.render import render
from minigrad.viz.stepping.picture import graph_dot

__all__ = ["animate", "write_frames"]


def write_frames(data: dict[str, Any], folder: Path, kind: str, dpi: int) -> list[Path]:
    """``step-00.svg`` and so on, all of one size."""
    folder.mkdir(parents=True, exist_ok=True)
    count = len(data["steps"])
    paths = []
    for i in range(count):
        path = folder / f"step-{i:0{len(str(count - 1))}}.{kind}"
        path.write_bytes(render(graph_dot(data, i), kind, dpi))
        paths.append(path)
    return paths


def animate(data: dict[str, Any], path: Path, seconds: float, dpi: int) -> None:
    """An animated GIF, WebP or PNG, by Pillow.

    Raises
    ------
    ImportError
        If there is no Pillow.
    """
    try:
        from PIL import Image
    except ImportError:
        raise ImportError(
            f'{path.suffix} needs Pillow: pip install "minigrad[animate]"; single pictures need no '
            'more than Graphviz: steps.save("frames/")'
        ) from None
    frames = []
    for i in range(len(data["steps"])):
        picture = render(graph_dot(data, i), "png", dpi)
        with Image.open(io.BytesIO(picture)) as opened:
            frames.append(opened.convert("RGB"))
    width, height = (max(f.size[axis] for f in frames) for axis in (0, 1))
    pages = []
    for frame in frames:
        page = Image.new("RGB", (width, height), "white")
        page.paste(frame)
        pages.append(page)
    pages[0].save(
        path, save_all=True, append_images=pages[1:], duration=int(seconds * 1000), loop=0
    )
