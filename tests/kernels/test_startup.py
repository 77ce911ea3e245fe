"""The kernel cache: fresh when it must be, used when it can be, and never a reason to fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from minigrad.kernels.run import folder, startup

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
        for name in (
            "jit.py",
            "sizes.py",
            "startup.py",
            "folder.py",
            "making.py",
            "progress.py",
            "whole_file.py",
        ):
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


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no owners of files here")
@pytest.mark.parametrize("mode", [0o777, 0o770])
def test_a_folder_that_others_may_write_to_is_refused(package: Package, mode: int) -> None:
    assert package.walk() == "2 0"
    assert package.cache.stat().st_mode & 0o777 == 0o700
    assert {f.stat().st_mode & 0o077 for f in package.cache.rglob("*")} == {0}
    package.cache.chmod(mode)
    done = package.run(warnings="default")
    assert done.stdout.strip() == "2 0", "the cache was used"
    lines = [line for line in done.stderr.splitlines() if "does not trust" in line]
    assert len(lines) == 1
    assert f"its mode is {mode:o}: chmod go-w {package.cache}" in lines[0]
    package.cache.chmod(0o700)
    assert package.walk() == "2 1"


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no owners of files here")
def test_a_folder_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(folder.DistrustError, match="it belongs to user"):
        folder._distrust(tmp_path)


def test_a_bit_that_has_flipped_is_noticed(package: Package) -> None:
    assert package.walk() == "2 0"
    for file in (f for f in package.cache.rglob("*.nb?") if "walk" in f.name):
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
        assert package.walk() == "2 0"
        assert package.walk() == "2 1"


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
    assert folder._wanted_folder() == (None if expected is None else Path(expected))


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
    assert 0 < functions <= 31
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
    done = run_whole(tmp_path, EIGHT)
    assert done.stdout == "fine\n", done.stdout + done.stderr


# ------------------------------------------------------------------ the whole package, processes


def run_whole(cache: Path | str, code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, timeout=300, check=False,
        env={
            **os.environ, "MINIGRAD_CACHE": str(cache), "PYTHONPATH": str(RUN.parents[2]),
            **environment,
        },
    )  # fmt: skip


EXP = """
import minigrad as mg
x = mg.ones(10_000)
assert abs(x.exp().sum().item() / 10_000 - 2.718281828) < 1e-5
print("fine")
"""
LGAMMA = """
import minigrad as mg
x = mg.full((10_000,), 3.0)
assert abs(x.lgamma().sum().item() / 10_000 - 0.69314718) < 1e-5
print("fine")
"""


@pytest.mark.parametrize("place", ["folder", "generated", "objects"])
def test_a_file_in_the_way_means_one_line(tmp_path: Path, place: str) -> None:
    cache = tmp_path / "cache"
    if place == "folder":
        cache.touch()
    else:
        cache.mkdir(mode=0o700)
        (cache / place).touch()
    done = run_whole(cache, LGAMMA if place == "generated" else EXP)
    assert done.stdout == "fine\n", done.stderr
    assert done.stderr.count("minigrad cannot keep its compiled kernels") == 1


def test_a_generated_file_that_is_no_text_is_written_anew(tmp_path: Path) -> None:
    assert run_whole(tmp_path, LGAMMA).stdout == "fine\n"
    sources = list(tmp_path.glob("generated/*.py"))
    assert sources
    for source in sources:
        source.write_bytes(b"\xff\xfe\x00")
    done = run_whole(tmp_path, LGAMMA)
    assert (done.stdout, done.stderr) == ("fine\n", "")
    assert all(b"\xff" not in source.read_bytes() for source in sources)


def test_a_disk_without_room_means_one_line(tmp_path: Path) -> None:
    full = """
import errno, os
real = os.open
def refuse(path, flags, *args, **kwargs):
    if flags & os.O_CREAT and "minigrad-tmp" in str(path):
        raise OSError(errno.ENOSPC, "No space left on device")
    return real(path, flags, *args, **kwargs)
os.open = refuse
"""
    done = run_whole(tmp_path, full + EXP)
    assert done.stdout == "fine\n", done.stderr
    assert done.stderr.count("No space left on device") == 1
    assert not [f for f in tmp_path.rglob("*") if f.is_file()]


INTERRUPTED = """
import os, signal, sys, threading, time
import minigrad as mg
signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs in the background ignore it
x = mg.ones(10_000)
def interrupt():
    time.sleep({delay})
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt).start()
try:
    for _ in range(1_000_000):
        x.exp(), x.tanh()
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0.05, 0.4, 0.7, 1.0, 1.3, 1.6])
def test_an_interrupt_leaves_kernels_whole(tmp_path: Path, delay: float) -> None:
    done = run_whole(tmp_path, INTERRUPTED.format(delay=delay) + EXP + "x.tanh()\n")
    assert done.stdout == "interrupted\nfine\n", done.stderr


LITTLE_MEMORY = """
import resource
import minigrad as mg
x = mg.ones(10_000)
x.exp()
now = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (now + (1 << 20), resource.RLIM_INFINITY))
try:
    x.tanh()
except (MemoryError, RuntimeError) as error:
    print(error)
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert x.tanh().sum().item() > 0
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory hold on Linux")
def test_no_memory_for_a_kernel_is_an_error_and_not_the_end(tmp_path: Path) -> None:
    for _ in range(2):  # to compile it, and to load it
        done = run_whole(tmp_path, LITTLE_MEMORY)
        assert done.returncode == 0, done.stderr
        assert "MB to be compiled or loaded" in done.stdout
