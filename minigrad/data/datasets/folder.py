"""Where data files lie: in a folder of the user, or fetched into the cache."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from minigrad.data.datasets.download import download as fetch

__all__ = ["data_file", "find", "local_folder", "places"]


def local_folder() -> Path:
    """The folder that downloads go to: ``$XDG_CACHE_HOME/minigrad/data`` or its default."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "minigrad" / "data"


def places(root: str | Path | None) -> list[Path]:
    """Where to look, in order: `root`, the folder that ``MINIGRAD_DATA`` names, the cache.

    Downloads go to the last: to `root`, if that is given, or else to the cache.
    """
    named = os.environ.get("MINIGRAD_DATA")
    found = [] if root is None else [Path(root)]
    if named and Path(named) not in found:
        found.append(Path(named))
    return found if root is not None else [*found, local_folder()]


def find(root: str | Path | None, folders: Iterable[str], names: Iterable[str]) -> Path | None:
    """The first file of one of these names, in one of these subfolders of the `places`."""
    folders, names = list(folders), list(names)
    for place in places(root):
        for folder in folders:
            for name in names:
                path = place / folder / name
                if path.is_file():
                    return path
    return None


def data_file(
    folders: Sequence[str],
    names: Sequence[str],
    urls: Sequence[str],
    checksum: str | None,
    root: str | Path | None,
    download: bool,
) -> Path:
    """Path of a data file, which is fetched if it is nowhere.

    Looked for in the subfolders `folders` of `root`, of the folder that ``MINIGRAD_DATA`` names,
    and (without `root`) of that of the downloads, under each of its `names`. What is fetched goes
    to the first subfolder under the first name.

    Raises
    ------
    FileNotFoundError
        If it is not there and `download` is off, or the network fails.
    RuntimeError
        If what was fetched is not what was expected, by its checksum.
    """
    path = find(root, folders, names)
    if path is not None:
        return path
    looked = ", ".join(str(place / folders[0]) for place in places(root))
    if not download:
        raise FileNotFoundError(
            f"{names[0]} is not in {looked}: put it there, let MINIGRAD_DATA name the folder "
            f"above, or allow download=True (from {urls[0]})"
        )
    target = (local_folder() if root is None else Path(root)) / folders[0] / names[0]
    return fetch(urls, target, checksum)
