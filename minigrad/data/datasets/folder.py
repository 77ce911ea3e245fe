"""Where data files lie, and how a missing one is fetched: checked, and whole or not at all."""

from __future__ import annotations

import hashlib
import os
import tempfile
import urllib.request
from pathlib import Path

__all__ = ["data_file", "local_folder"]


def local_folder() -> Path:
    """The folder that downloads go to: ``$XDG_CACHE_HOME/minigrad/data`` or its default."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "minigrad" / "data"


def data_file(
    folder: str, name: str, url: str, sha256: str, root: str | Path | None, download: bool
) -> Path:
    """Path of a data file, which is fetched if it is nowhere.

    Looked for in ``root``, or else in the folder that ``MINIGRAD_DATA`` names, then in that of the
    downloads, each time in its subfolder `folder`.

    Raises
    ------
    FileNotFoundError
        If it is not there and `download` is off, or the network fails.
    RuntimeError
        If what was fetched is not what was expected, by its checksum.
    """
    places = [local_folder()] if root is None else [Path(root)]
    if root is None and os.environ.get("MINIGRAD_DATA"):
        places.insert(0, Path(os.environ["MINIGRAD_DATA"]))
    for place in places:
        path = place / folder / name
        if path.is_file():
            return path
    if not download:
        looked = ", ".join(str(place / folder) for place in places)
        raise FileNotFoundError(
            f"{name} is not in {looked}: put it there, let MINIGRAD_DATA name the folder above, or "
            "allow download=True"
        )
    return _fetch(url, sha256, places[-1] / folder / name)


def _fetch(url: str, sha256: str, path: Path) -> Path:
    if not url.startswith(("https://", "file://")):
        raise ValueError(f"data files are fetched by https only, not from {url}")
    try:
        with urllib.request.urlopen(url, timeout=60) as response:
            content = response.read()
    except OSError as error:
        raise FileNotFoundError(
            f"{path.name} could not be fetched from {url} ({error}); fetch it by hand into "
            f"{path.parent}"
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise RuntimeError(
            f"{url} gave {len(content)} bytes with SHA-256 {found}, expected {sha256}: the file is "
            "damaged or has been replaced; nothing was written"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    os.replace(temporary, path)
    return path
