"""Downloads from a server on the loopback: whole or not at all, whatever happens."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from minigrad.data.datasets import download
from minigrad.data.datasets.download import check
from tests.data.server import Server, serving

CONTENT = np.random.default_rng(0).bytes(50_000)
SHA = hashlib.sha256(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(CONTENT) as running:
        yield running


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


@pytest.mark.parametrize("checksum", [SHA, MD5, MD5.upper()])
def test_a_whole_file(server: Server, tmp_path: Path, checksum: str) -> None:
    path = download(server.url, tmp_path / "new" / "file.bin", checksum)
    assert path.read_bytes() == CONTENT
    assert names(path.parent) == ["file.bin"]
    assert len(server.asked) == 1
    assert download(server.url, path, checksum) == path
    assert len(server.asked) == 1


def test_what_breaks_off_goes_on(server: Server, tmp_path: Path) -> None:
    server.breaks = [10_240, 20_480]
    assert download(server.url, tmp_path / "f", SHA).read_bytes() == CONTENT
    assert [r for _, r in server.asked] == [None, "bytes=10240-", "bytes=30720-"]
    assert names(tmp_path) == ["f"]


def test_the_next_run_goes_on(server: Server, tmp_path: Path) -> None:
    server.breaks = [10_240, 0, 0, 0]
    with pytest.raises(FileNotFoundError, match=r"39760 bytes were missing.*10240 bytes are kept"):
        download(server.url, tmp_path / "f", SHA)
    assert names(tmp_path) == ["f.part"]
    assert download(server.url, tmp_path / "f", SHA).read_bytes() == CONTENT
    assert server.asked[-1][1] == "bytes=10240-"


def test_a_server_that_cannot_go_on(server: Server, tmp_path: Path) -> None:
    server.ranges = False
    server.breaks = [10_240]
    assert download(server.url, tmp_path / "f", SHA).read_bytes() == CONTENT
    server.breaks = [5_120, 6_144] * 20
    with pytest.raises(FileNotFoundError, match="broke off"):
        download(server.url, tmp_path / "g", SHA)
    assert len(server.asked) < 12


def test_a_file_that_changed_in_between(server: Server, tmp_path: Path) -> None:
    """Within one run the version is compared, between runs the checksum decides."""
    (tmp_path / "f.part").write_bytes(b"x" * 10_000)
    assert download(server.url, tmp_path / "f", SHA).read_bytes() == CONTENT
    assert [r for _, r in server.asked] == ["bytes=10000-", None]
    (tmp_path / "g.part").write_bytes(CONTENT)
    assert download(server.url, tmp_path / "g", SHA).read_bytes() == CONTENT
    (tmp_path / "h.part").write_bytes(CONTENT + b"more")
    assert download(server.url, tmp_path / "h", SHA).read_bytes() == CONTENT
    (tmp_path / "i.part").write_bytes(b"old")
    file_url = (tmp_path / "f").as_uri()
    assert download(file_url, tmp_path / "i").read_bytes() == CONTENT


def test_wrong_checksum(server: Server, tmp_path: Path) -> None:
    for checksum, kind in ((SHA[::-1], "SHA-256"), (MD5[::-1], "MD5")):
        with pytest.raises(RuntimeError, match=f"50000 bytes with {kind} .*, expected {checksum}"):
            download(server.url, tmp_path / "f", checksum)
        assert names(tmp_path) == []
    with pytest.raises(ValueError, match=r"32 .*40 .*64"):
        check(Path(__file__), "abc")


def test_mirrors(server: Server, tmp_path: Path) -> None:
    with serving(b"something else") as wrong, serving(b"") as missing:
        missing.status = 404
        urls = [missing.url, wrong.url, server.url]
        assert download(urls, tmp_path / "f", SHA).read_bytes() == CONTENT
        assert len(missing.asked) == len(wrong.asked) == 1
        with pytest.raises(FileNotFoundError, match=r"404 Not Found; .*with SHA-256") as info:
            download(urls[:2], tmp_path / "g", SHA)
    assert "by hand into" in str(info.value)


def test_offline(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/f"
    with pytest.raises(FileNotFoundError, match=r"f could not be fetched: .*refused"):
        download(url, tmp_path / "f", SHA)
    assert names(tmp_path) == []


def test_silence_ends_by_the_timeout(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/f"
        with pytest.raises(FileNotFoundError, match="timed out"):
            download(url, tmp_path / "f", SHA, timeout=0.1)


def test_only_what_can_be_trusted(tmp_path: Path) -> None:
    for url in ("http://127.0.0.1/f", "ftp://127.0.0.1/f"):
        with pytest.raises(ValueError, match="https only"):
            download(url, tmp_path / "f")


def test_two_at_once_fetch_once(server: Server, tmp_path: Path) -> None:
    server.pause = 0.002
    threads = [
        threading.Thread(target=download, args=(server.url, tmp_path / "f", SHA)) for _ in range(3)
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert len(server.asked) == 1


def test_killed_midway(server: Server, tmp_path: Path) -> None:
    server.pause = 0.02
    code = "import sys; from minigrad.data.datasets import download; download(*sys.argv[1:])"
    part = tmp_path / "f.part"
    with subprocess.Popen([sys.executable, "-c", code, server.url, str(tmp_path / "f"), SHA]) as p:
        stop = time.monotonic() + 60
        while not (part.exists() and part.stat().st_size) and time.monotonic() < stop:
            time.sleep(0.01)
        os.kill(p.pid, signal.SIGKILL)
    assert names(tmp_path) == ["f.part"]
    assert 0 < part.stat().st_size < len(CONTENT)
    server.pause = 0
    assert download(server.url, tmp_path / "f", SHA).read_bytes() == CONTENT
    assert server.asked[-1][1] is not None
