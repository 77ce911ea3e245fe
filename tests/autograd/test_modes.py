"""no_grad, enable_grad, set_grad_enabled, inference_mode; threads and generators."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

import minigrad as mg
from minigrad.core.modes import current, listen


@pytest.fixture(autouse=True)
def unchanged() -> Iterator[None]:
    """Whatever a test does, the mode is back afterwards."""
    before = current.get()
    yield
    after = current.get()
    current.set(before)
    assert after.grad == before.grad
    assert after.listeners == before.listeners


def recorded() -> bool:
    x = mg.ones(2, requires_grad=True)
    return (x * 2).requires_grad


def test_no_grad() -> None:
    assert recorded()
    with mg.no_grad():
        assert not recorded()
        assert not mg.is_grad_enabled()
        with mg.enable_grad():
            assert recorded()
            assert mg.is_grad_enabled()
        assert not recorded()
    assert recorded()


def test_leaves_made_under_no_grad_may_require_grad() -> None:
    with mg.no_grad():
        x = mg.ones(2, requires_grad=True)
    assert (x * 2).requires_grad


def test_the_mode_comes_back_after_an_error() -> None:
    with pytest.raises(ValueError, match="no"), mg.no_grad():
        raise ValueError("no")
    assert recorded()


def test_one_object_may_be_nested_and_reused() -> None:
    off = mg.no_grad()
    with off:
        with off:
            assert not recorded()
        assert not recorded()
    assert recorded()
    with off:
        assert not recorded()


@pytest.mark.parametrize("decorate", [mg.no_grad(), mg.no_grad])
def test_no_grad_as_decorator(decorate: object) -> None:
    @decorate  # type: ignore[operator]
    def inside(n: int) -> bool:
        """Its text."""
        return inside(n - 1) if n else recorded()

    assert inside.__doc__ == "Its text."
    assert inside.__name__ == "inside"
    assert inside(3) is False
    assert recorded()


def test_enable_grad_as_decorator() -> None:
    @mg.enable_grad()
    def inside() -> bool:
        return recorded()

    with mg.no_grad():
        assert inside()
        assert not recorded()


def test_a_decorated_generator_is_off_only_while_it_runs() -> None:
    @mg.no_grad()
    def steps() -> Iterator[bool]:
        for _ in range(3):
            yield recorded()

    found = []
    for inside in steps():
        found.append((inside, recorded()))
    assert found == [(False, True)] * 3


def test_a_decorated_generator_passes_values_and_errors_through() -> None:
    closed = []

    @mg.no_grad()
    def steps() -> Iterator[object]:
        try:
            got = yield recorded()
            yield got, recorded()
        except KeyError:
            yield "caught"
        finally:
            closed.append(recorded())

    running = steps()
    assert next(running) is False
    assert running.send(5) == (5, False)  # type: ignore[attr-defined]
    assert running.throw(KeyError("x")) == "caught"  # type: ignore[attr-defined]
    running.close()  # type: ignore[attr-defined]
    assert closed == [False]
    assert recorded()


def test_set_grad_enabled_works_at_once() -> None:
    mg.set_grad_enabled(False)
    assert not recorded()
    mg.set_grad_enabled(True)
    assert recorded()


def test_set_grad_enabled_in_a_with() -> None:
    with mg.set_grad_enabled(False):
        assert not recorded()
        with mg.set_grad_enabled(True):
            assert recorded()
        assert not recorded()
    assert recorded()


def test_set_grad_enabled_as_decorator() -> None:
    @mg.set_grad_enabled(False)
    def inside() -> bool:
        return recorded()

    assert recorded()  # decorating is no call
    assert not inside()
    assert recorded()


def test_inference_mode() -> None:
    with mg.inference_mode():
        assert not recorded()
        assert mg.is_inference_mode_enabled()
    with mg.inference_mode(False):
        assert recorded()
    assert not mg.is_inference_mode_enabled()


def test_inference_mode_as_decorator() -> None:
    @mg.inference_mode()
    def inside() -> bool:
        return recorded()

    @mg.inference_mode
    def plain() -> bool:
        return recorded()

    assert not inside()
    assert not plain()


def test_threads_have_their_own_mode() -> None:
    found: list[bool] = []

    def work() -> None:
        found.append(recorded())
        with mg.no_grad():
            found.append(recorded())

    with mg.no_grad():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert not recorded()
    assert found == [True, False]


def test_listeners_hear_what_runs() -> None:
    heard: list[str] = []
    x = mg.ones(2, requires_grad=True)
    with listen(lambda event: heard.append(event.op.name)):
        with mg.no_grad():
            (x * 3).exp()
        x.sum()
    x.sum()
    assert heard == ["mul", "exp", "sum"]


def test_two_listeners() -> None:
    first: list[str] = []
    second: list[str] = []
    x = mg.ones(2)
    with listen(lambda event: first.append(event.op.name)):
        x.exp()
        with listen(lambda event: second.append(event.op.name)):
            x.log()
        x.sin()
    assert (first, second) == (["exp", "log", "sin"], ["log"])


def test_asking_a_result_for_a_gradient_it_does_not_keep_warns() -> None:
    w = mg.ones(2, requires_grad=True)
    y = w * 2
    with pytest.warns(UserWarning, match="not a leaf Tensor is being accessed.*MulBackward"):
        assert y.grad is None
    kept = w * 3
    kept.retain_grad()
    assert kept.grad is None  # nothing has run yet, and that is known
    (kept.sum() + y.sum()).backward()
    assert kept.grad.tolist() == [1.0, 1.0]
    assert w.grad.tolist() == [5.0, 5.0]
    assert mg.ones(2).grad is None
