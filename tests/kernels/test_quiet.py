"""numpy's floating point events: ignored inside, and handled as before whatever happens."""

from __future__ import annotations

import signal
import threading
import time
import warnings
from typing import Any

import numpy as np
import pytest

from minigrad.core import quiet


def test_events_are_ignored_inside_only() -> None:
    zero = np.zeros(3)
    assert np.isnan(quiet.call_quietly(np.divide, zero, zero)).all()
    with np.errstate(all="raise"):
        assert np.isinf(quiet.call_quietly(np.divide, zero + 1, zero)).all()
        with pytest.raises(FloatingPointError):
            np.divide(zero + 1, zero)


def test_an_exception_puts_the_events_back() -> None:
    before = np.geterr()

    def fail() -> None:
        assert np.geterr()["over"] == "ignore"
        raise KeyError

    with pytest.raises(KeyError):
        quiet.call_quietly(fail)
    assert np.geterr() == before


@pytest.mark.slow
def test_an_interrupt_at_any_moment_puts_the_events_back() -> None:
    before, over = np.geterr(), threading.Event()
    main = threading.main_thread().ident
    assert main is not None

    def interrupt() -> None:
        while not over.wait(0.0005):
            signal.pthread_kill(main, signal.SIGINT)

    def nothing(x: Any) -> Any:
        return x

    usual = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job may ignore it
    end = time.monotonic() + 1.5
    wrong = met = 0
    thread = threading.Thread(target=interrupt)
    try:
        thread.start()
        while time.monotonic() < end:
            try:
                for _ in range(100_000):
                    quiet.call_quietly(nothing, 1)
            except KeyboardInterrupt:
                met += 1
                wrong += np.geterr() != before
    except KeyboardInterrupt:
        pass
    finally:
        while thread.is_alive():
            try:
                over.set()
                thread.join()
            except KeyboardInterrupt:
                continue
    signal.signal(signal.SIGINT, usual)
    np.seterr(**before)
    assert met > 10
    assert wrong == 0


def test_only_numpys_own_warnings_are_hidden() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.resetwarnings()
        warnings.filterwarnings(*quiet.HIDDEN)
        for message in ("overflow encountered in exp", "minigrad cannot keep its kernels"):
            warnings.warn_explicit(message, RuntimeWarning, "file", 1, "minigrad.ops.somewhere")
    assert [str(w.message) for w in caught] == ["minigrad cannot keep its kernels"]
