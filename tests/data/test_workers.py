"""Workers that fail, die, hang or are interrupted; processes after kernels ran; seeds."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.data import DataLoader, Dataset, IterableDataset, batch_generator, get_worker_info
from minigrad.ops.random import Generator, manual_seed

fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
#: Python 3.12 and later warn about fork in a process with threads, which is what is tested here.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")


class Calls(Dataset[Any]):
    """What a function makes of each index; with fork it need not be picklable."""

    def __init__(self, function: Callable[[int], Any], n: int = 8) -> None:
        self.function, self.n = function, n

    def __getitem__(self, i: int) -> Any:
        return self.function(i)

    def __len__(self) -> int:
        return self.n


def processes(dataset: Any, batch_size: int | None = 2, **options: Any) -> DataLoader[Any]:
    return DataLoader(dataset, batch_size, num_workers=2, multiprocessing_context="fork", **options)


class Odd(Exception):
    """Cannot be pickled: it is made from two arguments, but remembers one."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__(f"{a} and {b}")


def fail(i: int) -> int:
    if i == 5:
        raise KeyError("sample five")
    if i == 7:
        raise Odd(3, 4)
    return i


@fork
def test_errors_bring_the_workers_traceback() -> None:
    for loader in (DataLoader(Calls(fail), 2, num_workers=2), processes(Calls(fail))):
        with pytest.raises(KeyError, match="sample five") as info:
            list(loader)
        text = "".join(traceback.format_exception(info.value))
        assert 'raise KeyError("sample five")' in text
        assert "(in DataLoader worker 0, batch 2, samples [4, 5])" in text
    with pytest.raises(RuntimeError, match=r"Odd in a DataLoader worker:(.|\n)*3 and 4"):
        list(processes(Calls(fail), batch_size=None, sampler=[7]))


def stop(i: int) -> Any:
    raise OSError("no start")


@fork
def test_errors_of_worker_init_fn() -> None:
    for options in ({}, {"multiprocessing_context": "fork"}):
        loader = DataLoader(Calls(int), 2, num_workers=1, worker_init_fn=stop, **options)
        with pytest.raises(OSError, match="no start"):
            list(loader)


@fork
def test_a_killed_worker_is_an_error_and_no_hang() -> None:
    def die(i: int) -> int:
        if i == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return i

    loader = processes(Calls(die), persistent_workers=True)
    for _ in range(2):  # the second time with new workers
        with pytest.raises(RuntimeError, match="worker exited unexpectedly"):
            list(loader)


@fork
def test_a_hanging_process_is_ended_by_the_timeout() -> None:
    loader = processes(Calls(lambda i: time.sleep(1000)), timeout=0.3)
    begin = time.monotonic()
    with pytest.raises(RuntimeError, match=r"timed out after 0\.3 seconds"):
        list(loader)
    assert time.monotonic() - begin < 60


SCRIPT = """
    import os, signal, sys, time
    from minigrad.data import DataLoader

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it

    class Slow:
        def __getitem__(self, i):
            if i > 3:
                time.sleep(1000)
            return os.getpid()
        def __len__(self):
            return 100

    loader = DataLoader(Slow(), 2, num_workers=2, **{options})
    for batch in loader:
        print(*batch.tolist(), flush=True)
        if "inside" in sys.argv:
            time.sleep(1000)  # in the body of the loop
"""


@fork
@pytest.mark.parametrize(
    ("options", "number"),
    [({}, signal.SIGINT), ({"multiprocessing_context": "fork"}, signal.SIGINT),
     ({"multiprocessing_context": "fork"}, signal.SIGKILL)],
)  # fmt: skip
@pytest.mark.parametrize("where", ["waiting", "inside"])
def test_no_process_survives_an_interrupt(options: Any, number: int, where: str) -> None:
    code = textwrap.dedent(SCRIPT).replace("{options}", repr(options))
    main = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code, where],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert main.stdout is not None
    assert main.stderr is not None
    lines = 2 if where == "waiting" else 1
    pids = {int(p) for _ in range(lines) for p in main.stdout.readline().split()}
    time.sleep(0.2)
    main.send_signal(number)
    try:
        main.wait(60)
        errors = main.stderr.read()
    finally:
        main.kill()
        main.wait()
        main.stdout.close()
        main.stderr.close()
    assert main.returncode != 0
    assert ("KeyboardInterrupt" in errors) == (number == signal.SIGINT)
    # CPython's own: its last look at a pool of processes may meet a pipe that was just closed.
    errors, _, exiting = errors.partition("Exception ignored in: <module 'threading'")
    assert not exiting or "in _python_exit" in exiting
    assert errors.count("Traceback") <= 1, errors  # none of the workers'
    until = time.monotonic() + 30
    while any(map(alive, pids)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(map(alive, pids))


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def computed(i: int) -> Any:
    x = mg.full((200_000,), float(i + 1))  # long enough for the threads
    return mg.get_num_threads(), x.exp()[-1].item()


@fork
def test_kernels_run_in_processes_forked_after_kernels() -> None:
    before = mg.get_num_threads()
    mg.set_num_threads(2)
    try:
        want = computed(3)[1]  # starts the helper threads
        threads, values = processes(Calls(computed), 8).__iter__().__next__()
        assert threads.tolist() == [1] * 8
        assert np.isclose(values.tolist()[3], want)
        assert mg.get_num_threads() == 2
    finally:
        mg.set_num_threads(before)


def draw(i: int) -> Any:
    info = get_worker_info()
    assert info is not None
    return [info.seed, mg.randint(0, 2**60, ()).item(), random.random(), np.random.rand()]


@fork
def test_processes_have_seeds_of_their_own() -> None:
    def run(**options: Any) -> list[Any]:
        manual_seed(1)
        loader = processes(Calls(draw, 4), 1, **options)
        return [[x.item() for x in batch] for _ in range(2) for batch in loader]

    first = run()
    assert first == run() == run(persistent_workers=True)
    for column in zip(*first):
        assert len(set(column[:2] + column[4:6])) == 4  # two workers, two passes


def test_batches_that_are_ready_come_first() -> None:
    begin = threading.Event()

    def slow(i: int) -> int:
        if i == 0:
            begin.wait(60)
        return i

    loader = DataLoader(Calls(slow, 6), 1, num_workers=2, in_order=False)
    got = []
    for batch in loader:
        got.append(batch.item())
        if len(got) == 3:
            begin.set()
    assert sorted(got) == list(range(6))
    assert 0 not in got[:3]


class Draws(IterableDataset[Any]):
    def __iter__(self) -> Any:
        info = get_worker_info()
        for i in range(3):
            yield (0 if info is None else info.id), i, mg.rand((), generator=batch_generator())


def test_streams_draw_by_worker_and_batch() -> None:
    def run(workers: int) -> list[Any]:
        seed = Generator().manual_seed(2)
        loader = DataLoader(Draws(), None, num_workers=workers, generator=seed)
        return [(w, i, x.item()) for _ in range(2) for w, i, x in loader]

    assert run(0) == run(1)
    assert run(2) == run(2)
    assert len({x for _, _, x in run(2)}) == 12


def test_batch_generator_outside_of_a_loader() -> None:
    own = Generator()
    assert batch_generator(own) is own
    manual_seed(3)
    a = mg.rand(1, generator=batch_generator())
    manual_seed(3)
    assert a.item() == mg.rand(1).item()


class Nested(Dataset[Any]):
    """Runs a loader of its own inside of a batch."""

    def __getitem__(self, i: int) -> Any:
        a = mg.rand((), generator=batch_generator())
        list(DataLoader(range(3), 1))
        return mg.stack([a, mg.rand((), generator=batch_generator())])

    def __len__(self) -> int:
        return 1


def test_a_loader_inside_of_a_loader_leaves_the_stream_alone() -> None:
    seed = Generator().manual_seed(4)
    (batch,) = DataLoader(Nested(), 1, generator=seed)
    assert batch[0, 0].item() != batch[0, 1].item()


def test_hanging_threads_do_not_keep_the_interpreter() -> None:
    code = textwrap.dedent(SCRIPT).replace("{options}", "{'timeout': 0.2}")
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert "timed out after 0.2 seconds" in done.stderr
    assert done.returncode == 1
