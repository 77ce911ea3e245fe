"""The kernel cache: fresh when it must be, used when it can be, and never a reason to fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from minigrad.kernels.run import startup

RUN = Path(startup.__file__).parent

HELPER = """
from minigrad.kernels.run.jit import jit

@jit
def step(x):
    return x + {step}
"""
KERNEL = """
from minigrad.kernels.run.jit import jit
from minigrad.kernels.middle import step

@jit
def walk(x):
    return step(x)
"""
# Another file between the kernel and the helper, with an import over several lines.
MIDDLE = "from minigrad.kernels.helper import (  # noqa\n    step,\n)\n"
USE = """
from minigrad.kernels.walking import walk
print(walk(1), sum(walk._cache_hits.values()) if hasattr(walk, "_cache_hits") else "python")
"""


class Package:
    """A copy of the package with three small modules in it, run in processes of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.cache = folder, folder / "cache"
        self.kernels = folder / "minigrad" / "kernels"
        (self.kernels / "run").mkdir(parents=True)
        for package in (self.kernels / "run", self.kernels, self.kernels.parent):
            (package / "__init__.py").touch()
        for name in ("jit.py", "startup.py"):
            shutil.copy(RUN / name, self.kernels / "run" / name)
        self.write("helper.py", HELPER.format(step=1))
        self.write("middle.py", MIDDLE)
        self.write("walking.py", KERNEL)
        self.write("other.py", "")

    def write(self, name: str, text: str) -> None:
        (self.kernels / name).write_text(text)

    def run(
        self, code: str = USE, warnings: str = "error", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("NUMBA_", "MINIGRAD_"))}
        return subprocess.run(
            [sys.executable, "-W", warnings, "-c", code],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=self.folder,
            env={**kept, "MINIGRAD_CACHE": str(self.cache), **environment},
        )

    def walk(self, **environment: str) -> str:
        """What the kernel returns for 1, and how often it came from the cache."""
        done = self.run(**environment)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@pytest.fixture
def package(tmp_path: Path) -> Package:
    return Package(tmp_path)


def test_a_second_process_uses_the_cache_until_a_source_changes(package: Package) -> None:
    assert package.walk() == "2 0"
    assert package.walk() == "2 1"
    package.write("other.py", "unrelated = True\n")
    assert package.walk() == "2 1"
    package.write("helper.py", HELPER.format(step=100))
    assert package.walk() == "101 0"
    assert package.walk() == "101 1"


def test_damaged_cache_files_are_written_anew(package: Package) -> None:
    assert package.walk() == "2 0"
    files = [f for f in package.cache.rglob("*.nb?") if "walk" in f.name]
    assert {f.suffix for f in files} == {".nbi", ".nbc"}
    for suffix in (".nbi", ".nbc"):
        for file in files:
            if file.suffix == suffix:
                file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        assert package.walk() == "2 0"
        assert package.walk() == "2 1"


def test_a_cache_file_with_the_code_of_other_types_is_written_anew(package: Package) -> None:
    code = "from minigrad.kernels.walking import walk; print(walk(1), walk(1.5))"
    assert package.run(code).stdout.startswith("2 2.5")
    files = sorted(f for f in package.cache.rglob("*.nbc") if "walk" in f.name)
    first, second = (file.read_bytes() for file in files)
    files[0].write_bytes(second)
    files[1].write_bytes(first)
    for _ in range(2):
        done = package.run(code)
        assert done.stdout.startswith("2 2.5"), done.stderr


def test_a_folder_that_cannot_be_written_means_one_line_and_no_cache(package: Package) -> None:
    package.cache.write_text("a file where the folder should be")
    done = package.run(warnings="default")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "2 0"
    lines = [line for line in done.stderr.splitlines() if "minigrad cannot keep" in line]
    assert len(lines) == 1
    assert "RuntimeWarning" in lines[0]
    assert "MINIGRAD_CACHE" in lines[0]
    assert str(package.cache) in lines[0]


def test_a_folder_that_vanishes_or_fills_up_means_one_line(package: Package) -> None:
    code = """
import pathlib, shutil
from minigrad.kernels.walking import walk, step
cache = pathlib.Path("cache")
shutil.rmtree(cache)
cache.touch()
print(walk(1), walk(1.5))
"""
    done = package.run(code, warnings="default")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "2 2.5"
    assert done.stderr.count("minigrad cannot keep") == 1


def test_the_cache_can_be_switched_off(package: Package) -> None:
    assert package.walk(MINIGRAD_CACHE="0") == "2 0"
    assert package.walk(MINIGRAD_CACHE="0") == "2 0"
    assert not list(package.folder.rglob("*.nb?"))


def test_kernels_work_without_jit(package: Package) -> None:
    assert package.walk(NUMBA_DISABLE_JIT="1") == "2 python"


def test_a_users_own_functions_keep_their_cache(package: Package) -> None:
    (package.folder / "mine.py").write_text(
        "import numba\n@numba.njit(cache=True)\ndef mine(x):\n    return x + 1\n"
    )
    done = package.run(USE + "\nfrom mine import mine\nmine(1)\n")
    assert done.returncode == 0, done.stderr
    assert [f.parent.name for f in package.folder.rglob("mine*.nbi")] == ["__pycache__"]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"MINIGRAD_CACHE": "/a", "NUMBA_CACHE_DIR": "/b", "XDG_CACHE_HOME": "/c"}, "/a"),
        ({"NUMBA_CACHE_DIR": "/b", "XDG_CACHE_HOME": "/c"}, "/b"),
        ({"XDG_CACHE_HOME": "/c"}, "/c/minigrad"),
        ({"HOME": "/d"}, "/d/.cache/minigrad"),
        ({"MINIGRAD_CACHE": "0", "NUMBA_CACHE_DIR": "/b"}, None),
    ],
)
def test_the_environment_chooses_the_folder(
    environment: dict[str, str], expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MINIGRAD_CACHE", "NUMBA_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert startup._wanted_folder() == (None if expected is None else Path(expected))


def test_imports_are_found_however_they_are_written() -> None:
    text = """
import minigrad.a
from minigrad.b import (
    one,
    two,
)
from minigrad import c, d
if True:
    from minigrad.e.f import g  # a comment
import numpy
# from other.minigrad import h
"""
    found = startup._imports(text)
    assert {"minigrad.a", "minigrad.b", "minigrad.c", "minigrad.d", "minigrad.e.f"} <= found
    assert not {name for name in found if not name.startswith("minigrad")}


def test_numba_does_not_import_scipy_linalg_but_np_dot_still_works() -> None:
    pytest.importorskip("scipy")
    code = """
import sys
import numba, numpy as np
from minigrad.kernels.run import jit
assert jit.jit(lambda x: x + 1)(1) == 2
assert "scipy.linalg" not in sys.modules
a = np.eye(3)
assert (numba.njit(lambda a: np.dot(a, a))(a) == a).all()
assert "scipy.linalg" in sys.modules
"""
    environment = {**os.environ, "PYTHONPATH": str(RUN.parents[2])}
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, env=environment)


FIRST_STEP = """
import numba.core.event as event
import minigrad as mg
from minigrad import nn
model = nn.Sequential(
    nn.Linear(64, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(128, 10)
)
optimizer = mg.optim.Adam(model.parameters(), lr=1e-3)
with event.install_recorder("numba:compile") as record:
    nn.CrossEntropyLoss()(model(mg.randn(64, 64)), mg.randint(0, 10, (64,))).backward()
    optimizer.step()
from minigrad.kernels.run import threads
print(sum(event.is_start for _, event in record.buffer), threads._pool.threads)
"""


def test_a_first_small_training_step_compiles_little_and_starts_no_thread(tmp_path: Path) -> None:
    """Some 25 functions, 0.1 s each. With the kernels for large arrays they would be 85."""
    done = subprocess.run(
        [sys.executable, "-c", FIRST_STEP],
        capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "MINIGRAD_CACHE": str(tmp_path), "PYTHONPATH": str(RUN.parents[2])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    functions, threads = map(int, done.stdout.split())
    assert 0 < functions <= 28
    assert threads == 0


EIGHT = """
import threading, traceback
import minigrad as mg
import minigrad.nn.functional as F

x, image, weight = mg.rand(64, 1024), mg.rand(2, 4, 16, 16), mg.rand(8, 4, 3, 3)
together, failures = threading.Barrier(8), []

def work():
    for call in (x.exp, lambda: F.conv2d(image, weight, padding=1)):
        together.wait()
        try:
            call()
        except BaseException:
            failures.append(traceback.format_exc())

threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(failures[0] if failures else "fine")
"""


@pytest.mark.slow
def test_eight_threads_may_be_the_first_to_call_an_operation(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", EIGHT],
        capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, "MINIGRAD_CACHE": str(tmp_path), "PYTHONPATH": str(RUN.parents[2])},
    )  # fmt: skip
    assert done.stdout == "fine\n", done.stdout + done.stderr
