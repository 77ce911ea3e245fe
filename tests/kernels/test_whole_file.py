"""Files are written whole, and what killed writers left behind goes, but nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from minigrad.kernels.run import whole_file
from minigrad.kernels.run.whole_file import remove_stale, write_whole

ROOT = Path(whole_file.__file__).resolve().parents[3]

# Writes a file and stops just before its name is given to it: "kill" ends the process there.
WRITER = """
import os, pathlib, signal, sys
from minigrad.kernels.run import whole_file
def stop(*args):
    print("here", flush=True)
    sys.stdin.readline()
    os.kill(os.getpid(), signal.SIGKILL)
os.fsync = stop
whole_file.write_whole(pathlib.Path(sys.argv[1]), b"new", flush=True)
"""


def writer(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    return process


def test_a_file_is_replaced_with_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for content, mode in ((b"one", 0o600), (b"two", 0o640)):
        write_whole(path, content, mode)
        assert path.read_bytes() == content
        if os.name == "posix":
            assert path.stat().st_mode & 0o777 == mode
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_whole(path, b"old")

    def refuse(*args: object) -> None:
        raise OSError("no")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="no"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(whole_file.fcntl is None, reason="no locks on files here")
def test_only_what_is_old_and_belongs_to_nobody_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    process = writer(path)
    (unfinished,) = tmp_path.iterdir()
    os.utime(unfinished, (0, 0))
    remove_stale(tmp_path)
    assert unfinished.exists(), "its writer is alive"
    process.communicate("kill\n")
    os.utime(unfinished)
    remove_stale(tmp_path)
    assert unfinished.exists(), "it may have been made just now"
    os.utime(unfinished, (0, 0))
    other = tmp_path / ".file.tmp"
    other.touch()
    os.utime(other, (0, 0))
    write_whole(tmp_path / "another", b"")
    assert sorted(p.name for p in tmp_path.iterdir()) == [".file.tmp", "another"]
