"""Fetching a file: checked by its checksum, resumed where it broke off, and whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

__all__ = ["check", "download"]

_ALGORITHMS = {32: "md5", 40: "sha1", 64: "sha256"}
_PIECE = 1 << 16
_ATTEMPTS = 3  # per mirror, as long as each one brings something


def download(
    urls: str | Sequence[str],
    path: str | Path,
    checksum: str | None = None,
    timeout: float = 30.0,
    progress: bool = True,
) -> Path:
    """Fetch a file, from the first of several places that has it.

    What has arrived is kept in ``<name>.part``, so that an interrupted download goes on where it
    broke off (by the Range header of HTTP), also in another run of the program. Only a whole file
    with the right checksum gets its name, by an atomic rename.

    Parameters
    ----------
    urls : str or sequence of str
        Where the same file lies; tried in order. ``http`` only together with a checksum.
    path : path
        The file to write; its folder is made.
    checksum : str, optional
        MD5, SHA-1 or SHA-256 in hexadecimal digits. Without one, nothing is resumed from an earlier
        run, as the file may have changed in between.
    timeout : float
        Seconds without an answer after which an attempt has failed.
    progress : bool
        Show a bar in a terminal, if tqdm is installed.

    Returns
    -------
    pathlib.Path
        `path`.

    Raises
    ------
    FileNotFoundError
        If no place gives the file; says what each one answered.
    RuntimeError
        If what was fetched has another checksum; nothing is kept of it.
    """
    urls = [urls] if isinstance(urls, str) else list(urls)
    for url in urls:
        _check_scheme(url, checksum)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    failures: list[Exception | str] = []
    with _alone_in(path.parent):
        if path.is_file():  # another process fetched it while this one waited
            return path
        if checksum is None:
            part.unlink(missing_ok=True)
        for url in urls:
            failure = _fetch_from(url, part, checksum, timeout, progress)
            if failure is None:
                os.replace(part, path)
                return path
            failures.append(failure)
    if all(isinstance(failure, RuntimeError) for failure in failures):
        raise RuntimeError("; ".join(map(str, failures)))
    message = "; ".join(
        str(failure) if isinstance(failure, RuntimeError) else f"{url}: {failure}"
        for url, failure in zip(urls, failures)
    )
    kept = f" ({part.stat().st_size} bytes are kept for the next attempt)" if part.exists() else ""
    raise FileNotFoundError(
        f"{path.name} could not be fetched: {message}{kept}. Without a network, fetch it by hand "
        f"into {path.parent}"
    )


def check(path: Path, checksum: str) -> str | None:
    """None if a file has this checksum; otherwise the one it has."""
    name = _ALGORITHMS.get(len(checksum))
    if name is None:
        raise ValueError(
            f"a checksum has 32 (MD5), 40 (SHA-1) or 64 (SHA-256) digits, got {checksum!r}"
        )
    with path.open("rb") as file:
        found = hashlib.file_digest(file, name).hexdigest()
    return None if found == checksum.lower() else found


def _check_scheme(url: str, checksum: str | None) -> None:
    scheme = urlsplit(url).scheme
    if scheme in ("https", "file") or (scheme == "http" and checksum is not None):
        return
    raise ValueError(
        f"data files are fetched by https only, or by http with a checksum, not from {url}"
    )


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Let one process at a time fetch into a folder, where the system can lock one."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network file systems have no locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _fetch_from(
    url: str, part: Path, checksum: str | None, timeout: float, progress: bool
) -> Exception | str | None:
    """Fetch from one place into `part`; what went wrong, or None."""
    resumed = part.exists() and part.stat().st_size > 0
    failure = _attempts(url, part, timeout, progress)
    if failure is not None:
        return failure
    wrong = None if checksum is None else check(part, checksum)
    if wrong is not None and resumed:  # the beginning may have come from elsewhere: once more
        part.unlink()
        failure = _attempts(url, part, timeout, progress)
        if failure is not None:
            return failure
        wrong = check(part, checksum or "")
    if wrong is None:
        return None
    size = part.stat().st_size
    part.unlink()
    kind = _ALGORITHMS[len(checksum or "")].upper().replace("SHA", "SHA-")
    return RuntimeError(
        f"{url} gave {size} bytes with {kind} {wrong}, expected {checksum}: the file is damaged or "
        "has been replaced; nothing was written"
    )


def _attempts(url: str, part: Path, timeout: float, progress: bool) -> str | None:
    """Ask until everything is there, or several times in a row nothing came."""
    left, best = _ATTEMPTS, part.stat().st_size if part.exists() else 0
    validator: str | None = None
    while True:
        try:
            missing, validator = _transfer(url, part, validator, timeout, progress)
            failure = f"the connection broke off, {missing} bytes were missing"
            if missing == 0:
                return None
            if missing < 0:
                continue
        except urllib.error.HTTPError as error:
            error.close()
            return f"HTTP status {error.code} {error.reason}"
        except (OSError, HTTPException) as error:
            failure = str(getattr(error, "reason", None) or error or type(error).__name__)
        after = part.stat().st_size if part.exists() else 0
        left = _ATTEMPTS if after > best else left - 1
        best = max(after, best)
        if left <= 0 or after == 0:
            return failure


def _transfer(
    url: str, part: Path, validator: str | None, timeout: float, progress: bool
) -> tuple[int, str | None]:
    """One request. Returns what identifies the version, and before it how many bytes are missing.

    A negative number tells to ask again from the beginning.
    """
    have = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "minigrad", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if validator is not None:
            headers["If-Range"] = validator
    try:
        answer = urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=timeout
        )
    except urllib.error.HTTPError as error:
        if error.code != 416:  # "range not satisfiable": all is there already, or too much
            raise
        error.close()
        if error.headers.get("Content-Range", "").endswith(f"/{have}"):
            return 0, validator
        part.unlink()
        return -1, validator
    with answer:
        goes_on = have > 0 and answer.status == 206 and _starts_at(answer, have)
        length = answer.headers.get("Content-Length")
        end = None if length is None else int(length) + (have if goes_on else 0)
        with part.open("ab" if goes_on else "wb") as file, _bar(part, file, end, progress) as bar:
            while piece := answer.read1(_PIECE):  # what is there, without waiting for more
                file.write(piece)
                bar.update(len(piece))
        etag = answer.headers.get("ETag")
        if etag is not None and etag.startswith("W/"):
            etag = None
        return 0 if end is None else end - part.stat().st_size, (
            etag or answer.headers.get("Last-Modified")
        )


def _starts_at(answer: Any, start: int) -> bool:
    """Whether a partial answer begins where it was asked to."""
    return str(answer.headers.get("Content-Range", "")).startswith(f"bytes {start}-")


class _NoBar:
    """What stands for a progress bar where none is shown."""

    def __enter__(self) -> _NoBar:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def update(self, n: int) -> None:
        """Nothing to show."""


def _bar(part: Path, file: Any, end: int | None, progress: bool) -> Any:
    if not progress:
        return _NoBar()
    try:
        from tqdm import tqdm
    except ImportError:
        return _NoBar()
    name = part.name.removesuffix(".part")
    return tqdm(  # `disable=None`: only in a terminal
        total=end, initial=file.tell(), unit="B", unit_scale=True, desc=name, disable=None
    )
