"""The thread pool: every block exactly once, the same bits, and no accident it cannot survive."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigrad.kernels.matmul import blas
from minigrad.kernels.run import atomics, threads
from minigrad.kernels.run import settings as limits
from minigrad.kernels.run.jit import BLOCK, jit, jit_sum
from minigrad.kernels.run.threads import (
    get_num_threads,
    parallel_for,
    pool_address,
    set_num_threads,
)

native = pytest.mark.skipif(not atomics.NATIVE, reason="there is no pool on this platform")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no os.fork here")
ROOT = Path(threads.__file__).resolve().parents[3]


@jit
def _count_blocks(counts, b0, b1):
    for b in range(b0, b1):
        counts[b] += 1


@jit
def count(pool, counts):
    parallel_for(pool, _count_blocks, (counts,), counts.size)


@jit_sum
def _sum_block(x):
    total = x.dtype.type(0)
    for i in range(x.size):
        total += x[i]
    return total


@jit
def _sum_blocks(x, sums, b0, b1):
    for b in range(b0, b1):
        sums[b] = _sum_block(x[b * BLOCK : (b + 1) * BLOCK])


@jit
def sum_all(pool, x):
    sums = np.empty((x.size + BLOCK - 1) // BLOCK)
    parallel_for(pool, _sum_blocks, (x, sums), sums.size)
    total = 0.0
    for b in range(sums.size):
        total += sums[b]
    return total


@jit
def _nested_blocks(pool, counts, b0, b1):
    for b in range(b0, b1):
        count(pool, counts[b])


@jit
def count_nested(pool, counts):
    parallel_for(pool, _nested_blocks, (pool, counts), counts.shape[0])


@jit
def _mixed_blocks(x, scale, flag, shift, nothing, b0, b1):
    for b in range(b0, b1):
        if flag and nothing is None:
            x[b] = scale * b + shift


@jit
def mixed(pool, x, scale):
    parallel_for(pool, _mixed_blocks, (x, scale, True, 3, None), x.size)


@jit
def _no_arguments(b0, b1):
    pass


@jit
def launch_nothing(pool, n):
    parallel_for(pool, _no_arguments, (), n)


@jit
def _raise_blocks(x, b0, b1):
    for b in range(b0, b1):
        if x[b] < 0:
            raise ValueError("a negative number")


@jit
def raise_if_negative(pool, x):
    parallel_for(pool, _raise_blocks, (x,), x.size)


@jit
def _spin_blocks(started, release, b0, b1):
    """Say that this piece has started, then hold on until told to go on."""
    for _ in range(b0, b1):
        atomics.fetch_add(started, 1)
        while atomics.load(release) == 0:
            atomics.pause()


@jit
def hold(pool, started, release, n):
    parallel_for(pool, _spin_blocks, (started, release), n)


@jit
def _count_twice(counts, b0, b1):
    for b in range(b0, b1):
        counts[b] += 2


@jit
def alternate(pool, ones, twos, launches):
    for _ in range(launches):
        parallel_for(pool, _count_blocks, (ones,), ones.size)
        parallel_for(pool, _count_twice, (twos,), twos.size)


@jit
def word(pool, offset):
    return atomics.load(pool + offset)


@pytest.fixture(autouse=True)
def _keep_num_threads() -> Iterator[None]:
    before, before_blas = get_num_threads(), blas.get_blas_threads()
    yield
    set_num_threads(before)
    if before_blas is not None:
        blas.set_blas_threads(before_blas)


def run_python(code: str, before: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `before`, import this file as ``here``, and run `code`, all in a fresh process."""
    found = f"import sys; sys.path[:0] = [{str(ROOT)!r}]"
    here = "import tests.kernels.test_threads as here"
    lines = [textwrap.dedent(before), found, here, textwrap.dedent(code)]
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(lines)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
        check=False,
    )


def wait_until_equal(words: np.ndarray, value: int, seconds: float = 20.0) -> bool:
    """Whether ``words[0]`` has become `value` in time."""
    end = time.monotonic() + seconds
    while words[0] != value and time.monotonic() < end:
        time.sleep(0.001)
    return bool(words[0] == value)


def wait_for_child(child: int, seconds: float = 20.0) -> int:
    """Exit code of a forked child, which is killed if it hangs."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.001)
    os.kill(child, 9)
    os.waitpid(child, 0)
    raise AssertionError("the child process hangs")


# ---------------------------------------------------------------------------------- partition


@settings(deadline=None, max_examples=60)
@given(n=st.integers(0, 300), workers=st.sampled_from([1, 2, 3, 4]))
def test_every_block_runs_exactly_once(n: int, workers: int) -> None:
    set_num_threads(workers)
    counts = np.zeros(n, np.int64)
    for launch in range(1, 4):
        count(pool_address(), counts)
        assert (counts == launch).all()


def test_many_blocks_run_exactly_once() -> None:
    set_num_threads(4)
    counts = np.zeros(1_000_003, np.int64)
    for _ in range(5):
        count(pool_address(), counts)
    assert (counts == 5).all()


@pytest.mark.parametrize("n", [-1, 0, 1, 2, 16])
def test_a_body_without_arguments(n: int) -> None:
    set_num_threads(2)
    launch_nothing(pool_address(), n)
    launch_nothing(0, n)


def test_arguments_of_all_kinds_reach_the_body() -> None:
    set_num_threads(2)
    x = np.zeros(100)
    mixed(pool_address(), x, 0.5)
    np.testing.assert_array_equal(x, 0.5 * np.arange(100) + 3)


def test_plain_python_call_runs_the_body_once() -> None:
    calls: list[tuple[str, int, int]] = []
    parallel_for(0, lambda name, b0, b1: calls.append((name, b0, b1)), ("x",), 7)
    parallel_for(0, lambda name, b0, b1: calls.append((name, b0, b1)), ("y",), 0)
    assert calls == [("x", 0, 7)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1, BLOCK, BLOCK + 1, 1_000_003])
def test_a_sum_has_the_same_bits_for_any_number_of_threads(size: int, dtype: type) -> None:
    x = np.random.default_rng(0).standard_normal(size).astype(dtype)
    expected = sum_all(0, x)
    for workers in (1, 2, 4):
        set_num_threads(workers)
        for _ in range(20):
            assert sum_all(pool_address(), x) == expected
    np.testing.assert_allclose(expected, x.sum(dtype=np.float64), atol=1e-2)


@native
def test_each_job_has_a_ticket_of_its_own() -> None:
    """Else a helper that comes late could claim a piece of a later job with the code of an old."""
    set_num_threads(2)
    counts, tickets = np.zeros(100, np.int64), set()
    for _ in range(10):
        count(pool_address(), counts)
        tickets.add(word(pool_address(), threads.TICKET) >> 32)
    assert len(tickets) == 10


def test_a_late_helper_cannot_mix_two_jobs() -> None:
    """More threads than cores: some lose their core between reading a job and claiming a piece."""
    set_num_threads(4)
    launches, end = 0, time.monotonic() + 1.0
    ones, twos = np.zeros(16, np.int64), np.zeros(3, np.int64)
    while time.monotonic() < end:
        alternate(pool_address(), ones, twos, 1000)
        launches += 1000
        assert (ones == launches).all()
        assert (twos == 2 * launches).all()


def test_a_nested_launch_runs_serially() -> None:
    set_num_threads(2)
    counts = np.zeros((20, 30), np.int64)
    for _ in range(20):
        count_nested(pool_address(), counts)
    assert (counts == 20).all()


# --------------------------------------------------------------------------------- the helpers


@native
def test_helpers_take_part() -> None:
    """With two pieces that wait for each other's release, both threads must be in one at once."""
    set_num_threads(2)
    words = np.zeros(16, np.int64)
    started, release = words.ctypes.data, words.ctypes.data + 64
    hold(0, started, release, 0)  # compile

    launcher = threading.Thread(target=hold, args=(pool_address(), started, release, 2))
    launcher.start()
    both = wait_until_equal(words, 2)
    words[8] = 1
    launcher.join()
    assert both


@native
def test_a_second_launcher_does_not_wait_for_the_first() -> None:
    set_num_threads(2)
    words, counts = np.zeros(16, np.int64), np.zeros(100, np.int64)
    started, release = words.ctypes.data, words.ctypes.data + 64
    hold(0, started, release, 0)
    count(0, counts)

    launcher = threading.Thread(target=hold, args=(pool_address(), started, release, 2))
    launcher.start()
    wait_until_equal(words, 2)
    count(pool_address(), counts)
    still_held = launcher.is_alive()
    words[8] = 1
    launcher.join()
    assert still_held
    assert (counts == 2).all()


@native
def test_sleeping_helpers_are_woken() -> None:
    set_num_threads(3)
    words = np.zeros(16, np.int64)
    hold(0, 0, 0, 0)
    pool = pool_address()
    for _ in range(3):
        end = time.monotonic() + 20
        while word(pool, threads.SLEEPING) < 2 and time.monotonic() < end:
            time.sleep(0.001)
        assert word(pool, threads.SLEEPING) == 2
        words[:] = 0
        args = (pool, words.ctypes.data, words.ctypes.data + 64, 3)
        launcher = threading.Thread(target=hold, args=args)
        launcher.start()
        all_three = wait_until_equal(words, 3)
        words[8] = 1
        launcher.join()
        assert all_three


def test_several_python_threads_launch_at_once() -> None:
    set_num_threads(2)
    x = np.random.default_rng(1).standard_normal(100_000).astype(np.float32)
    expected, failures = sum_all(0, x), []

    def work() -> None:
        counts = np.zeros(50, np.int64)
        for launch in range(1, 301):
            count(pool_address(), counts)
            if sum_all(pool_address(), x) != expected or not (counts == launch).all():
                failures.append(launch)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert failures == []


def test_the_number_of_threads_may_change_while_others_launch() -> None:
    x = np.ones(200_000, np.float32)
    stop, wrong = threading.Event(), []

    def work() -> None:
        while not stop.is_set():
            if sum_all(pool_address(), x) != x.size:
                wrong.append(1)

    sum_all(0, x)
    worker = threading.Thread(target=work)
    worker.start()
    for i in range(60):
        set_num_threads(1 + i % 4)
        assert sum_all(pool_address(), x) == x.size
    stop.set()
    worker.join()
    assert wrong == []


@native
def test_an_old_address_stays_harmless() -> None:
    set_num_threads(2)
    old = pool_address()
    set_num_threads(3)
    assert pool_address() not in (0, old)
    counts = np.zeros(100, np.int64)
    count(old, counts)
    assert (counts == 1).all()


# ---------------------------------------------------------------------------------- exceptions


def test_an_exception_in_a_serial_body_is_passed_on() -> None:
    with pytest.raises(ValueError, match="a negative number"):
        raise_if_negative(0, np.array([1.0, -1.0]))


@native
def test_an_exception_on_the_pool_is_reported() -> None:
    set_num_threads(2)
    x = np.ones(100)
    raise_if_negative(pool_address(), x)
    for where in (0, 99):
        x[:] = 1
        x[where] = -1
        with pytest.raises(RuntimeError, match=r"set_num_threads\(1\)"):
            raise_if_negative(pool_address(), x)
    counts = np.zeros(100, np.int64)
    count(pool_address(), counts)
    assert (counts == 1).all()


# ---------------------------------------------------------------------------------- the settings


def test_num_threads_defaults_to_the_usable_cores() -> None:
    done = run_python(
        """
        import os
        from minigrad.kernels.run.settings import DEFAULT
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        assert here.get_num_threads() == DEFAULT.threads, here.get_num_threads()
        assert DEFAULT.threads == cores or DEFAULT.source != "cores"
        """
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("environment", "threads"),
    [
        ({"OMP_NUM_THREADS": "3"}, 3),
        ({"OMP_NUM_THREADS": "5,2"}, 5),
        ({"OMP_NUM_THREADS": "3", "NUMBA_NUM_THREADS": "4"}, 4),
        ({"OMP_NUM_THREADS": "many"}, None),
        ({"OMP_NUM_THREADS": "0"}, None),
    ],
)
def test_the_environment_may_say_how_many_threads(
    environment: dict[str, str], threads: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = limits.default_limit()
    assert found.source in (environment if threads else ("cores", "cgroup"))
    assert threads in (None, found.threads)


@pytest.mark.parametrize(
    ("groups", "files", "cores"),
    [
        ("0::/\n", {"cpu.max": "max 100000\n"}, None),
        ("0::/\n", {"cpu.max": "250000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "50000 100000\n"}, 1),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "300000 100000\n"}, 3),
        ("0::/not/seen/here\n", {"cpu.max": "400000 100000\n"}, 4),
        (
            "5:memory:/x\n4:cpu,cpuacct:/docker/1\n0::/\n",
            {
                "cpu,cpuacct/docker/1/cpu.cfs_quota_us": "200000\n",
                "cpu,cpuacct/docker/1/cpu.cfs_period_us": "100000\n",
                "cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
                "cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            },
            2,
        ),
        ("4:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ("0::/\n", {"cpu.max": "nonsense"}, None),
        (None, {}, None),
    ],
)
def test_the_quota_of_a_container_is_respected(
    groups: str | None, files: dict[str, str], cores: int | None, tmp_path: Path
) -> None:
    if groups is not None:
        (tmp_path / "proc/self").mkdir(parents=True)
        (tmp_path / "proc/self/cgroup").write_text(groups)
    for name, text in files.items():
        path = tmp_path / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    found = limits._quota(tmp_path)
    assert (None if found is None else found.threads) == cores


def test_a_quota_counts_only_where_it_is_less_than_the_cores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(limits, "_usable_cores", lambda: limits.Limit(4, "cores"))
    for quota, least in ((1, 1), (4, 4), (9, 4)):
        monkeypatch.setattr(limits, "_quota", lambda n=quota: limits.Limit(n, "cgroup"))
        assert limits.default_limit().threads == least


def test_set_num_threads_holds_for_the_pool_and_for_blas() -> None:
    for n in (1, 3, 2):
        set_num_threads(np.int64(n))  # type: ignore[arg-type]
        assert get_num_threads() == n
        assert (pool_address() == 0) == (n == 1 or not atomics.NATIVE)
        assert sum(t.name.startswith("minigrad-") for t in threading.enumerate()) == (
            n - 1 if atomics.NATIVE else 0
        )
        assert blas.get_blas_threads() in (None, n)


@pytest.mark.parametrize(
    ("n", "error", "message"),
    [
        (0, ValueError, "got 0"),
        (-2, ValueError, "got -2"),
        (2.0, TypeError, "got float"),
        ("2", TypeError, "got str"),
        (True, TypeError, "got a bool"),
        (None, TypeError, "got NoneType"),
    ],
)
def test_set_num_threads_rejects(n: object, error: type[Exception], message: str) -> None:
    before = get_num_threads()
    with pytest.raises(error, match=message):
        set_num_threads(n)  # type: ignore[arg-type]
    assert get_num_threads() == before


def test_blas_is_left_alone_where_it_is_not_openblas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blas, "_functions", lambda: None)
    assert blas.set_blas_threads(2) is False
    assert blas.get_blas_threads() is None
    set_num_threads(2)
    assert get_num_threads() == 2


def test_settings_need_no_numba() -> None:
    code = "import sys; sys.path[:0] = [%r]; import minigrad.kernels.run.settings as s; %s"
    use = "s.set_num_threads(2); assert 'numba' not in sys.modules"
    subprocess.run([sys.executable, "-c", code % (str(ROOT), use)], check=True, timeout=60)


def test_without_jit_kernels_run_as_python() -> None:
    done = run_python(
        """
        import numpy as np
        counts = np.zeros(20, np.int64)
        here.set_num_threads(2)
        assert here.pool_address() == 0
        here.count(here.pool_address(), counts)
        assert (counts == 1).all()
        """,
        NUMBA_DISABLE_JIT="1",
    )
    assert done.returncode == 0, done.stderr


@native
def test_no_more_threads_than_the_system_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    set_num_threads(1)
    pool_address()
    monkeypatch.setattr(threading.Thread, "start", refuse)
    set_num_threads(3)
    counts = np.zeros(100, np.int64)
    count(pool_address(), counts)
    assert (counts == 1).all()


# ------------------------------------------------------------------------------- fork and exit


def fork_and_use(times: int = 1) -> None:
    """Fork; the child launches kernels on a pool of its own and reports by its exit code."""
    x = np.ones(100_000, np.float32)
    old = pool_address()
    sum_all(old, x)
    for _ in range(times):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                new = pool_address()
                own = not atomics.NATIVE or (new != old and new != 0)
                right = all(sum_all(pool_address(), x) == x.size for _ in range(20))
                code = 0 if own and right and sum_all(old, x) == x.size else 1
            finally:
                os._exit(code)
        assert wait_for_child(child) == 0
        assert pool_address() == old
        assert sum_all(old, x) == x.size


# Python 3.12 warns of any fork in a process that has threads.
ignore_fork_warning = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@needs_fork
@ignore_fork_warning
def test_a_forked_child_has_a_pool_of_its_own() -> None:
    set_num_threads(2)
    fork_and_use(5)


@needs_fork
@ignore_fork_warning
def test_fork_while_another_thread_is_launching() -> None:
    set_num_threads(2)
    x, stop = np.ones(1_000_000, np.float32), threading.Event()
    sum_all(pool_address(), x)

    def work() -> None:
        while not stop.is_set():
            sum_all(pool_address(), x)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        fork_and_use(20)
    finally:
        stop.set()
        worker.join()


@needs_fork
@pytest.mark.slow
def test_a_forked_child_may_exit_as_usual() -> None:
    done = run_python(
        """
        import os, warnings
        import numpy as np
        warnings.simplefilter("ignore", DeprecationWarning)
        here.set_num_threads(2)
        x = np.ones(100_000, np.float32)
        here.sum_all(here.pool_address(), x)
        child = os.fork()
        here.sum_all(here.pool_address(), x)
        if child == 0:
            sys.exit(7)
        assert here.wait_for_child(child) == 7
        """
    )
    assert done.returncode == 0, done.stderr


EXITS = {
    "while the helper spins": """
        for _ in range(100): here.sum_all(here.pool_address(), x)
        """,
    "while the helper sleeps": """
        here.sum_all(here.pool_address(), x)
        time.sleep(0.05)
        """,
    "with a pool that nobody has used": """
        here.pool_address()
        """,
    "while a daemon thread launches": """
        def work():
            while True: here.sum_all(here.pool_address(), x)
        threading.Thread(target=work, daemon=True).start()
        time.sleep(0.02)
        """,
    "with a launch in an exit handler": """
        atexit.register(lambda: print(here.sum_all(here.pool_address(), x)))
        here.sum_all(here.pool_address(), x)
        """,
}


@pytest.mark.slow
@pytest.mark.parametrize("how", EXITS)
def test_exit(how: str) -> None:
    code = """
        import atexit, threading, time
        import numpy as np
        here.set_num_threads(3)
        x = np.ones(1_000_000, np.float32)
        """
    for _ in range(3):
        done = run_python(textwrap.dedent(code) + textwrap.dedent(EXITS[how]))
        assert done.returncode == 0, done.stderr


@native
@pytest.mark.slow
def test_no_helper_is_left_when_the_interpreter_goes() -> None:
    """Handlers run last in, first out: this one comes after the pool's own."""
    done = run_python(
        """
        import numpy as np
        here.set_num_threads(3)
        here.count(here.pool_address(), np.zeros(100, np.int64))
        print(names())
        """,
        before="""
        import atexit, threading
        names = lambda: sorted(t.name for t in threading.enumerate() if "minigrad" in t.name)
        atexit.register(lambda: print(names()))
        """,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["['minigrad-1', 'minigrad-2']", "[]"]


@native
@pytest.mark.slow
def test_keyboard_interrupt_leaves_the_pool_usable() -> None:
    done = run_python(
        """
        import os, signal, threading, time
        import numpy as np
        here.set_num_threads(2)
        x = np.ones(1_000_000, np.float32)
        here.sum_all(here.pool_address(), x)
        # A shell starts background jobs with the interrupt ignored, and Python leaves it so.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        main = threading.main_thread().ident
        for i in range(20):
            timer = threading.Timer(0.01, signal.pthread_kill, (main, signal.SIGINT))
            try:
                timer.start()
                while True:
                    here.sum_all(here.pool_address(), x)
            except KeyboardInterrupt:
                pass
            timer.join()
            assert here.sum_all(here.pool_address(), x) == x.size
        """
    )
    assert done.returncode == 0, done.stderr
