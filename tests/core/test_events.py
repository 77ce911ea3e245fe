"""What listeners hear: every door, entries before exits, in the order in which things happen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn, optim
from minigrad.core.events import Event, change, on_arrays
from minigrad.core.modes import current, listen
from minigrad.core.plain import plain, plain_results
from minigrad.core.tensor import Number


class Log:
    """Writes down entries and exits."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.events: list[Event] = []

    def enter(self, event: Event) -> None:
        self.lines.append(f"> {event.op.name}")

    def leave(self, event: Event) -> None:
        self.lines.append(f"< {event.op.name}")
        self.events.append(event)

    def doors(self) -> list[str]:
        return [e.door for e in self.events]

    def names(self, door: str) -> list[str]:
        return [e.op.name for e in self.events if e.door == door]


def test_entries_come_before_exits_and_nest() -> None:
    log = Log()
    x = mg.ones(2, requires_grad=True)
    with listen(log):
        x.roll(1).sum().backward()
    assert log.lines == [
        "> roll", "< roll", "> sum", "< sum", "> given", "< given",
        "> backward",
        "> sum_backward", "< sum_backward",
        "> roll_backward", "> roll", "< roll", "< roll_backward",
        "> accumulate", "> keep_gradient", "< keep_gradient", "< accumulate",
        "< backward",
    ]  # fmt: skip


def test_outputs_are_known_at_the_exit_only() -> None:
    seen: list[int] = []

    class Counting:
        def enter(self, event: Event) -> None:
            seen.append(len(event.outputs))

        def leave(self, event: Event) -> None:
            seen.append(len(event.outputs))

    with listen(Counting()):
        mg.ones(3)
    assert seen == [0, 1]


def test_an_error_ends_an_event() -> None:
    log = Log()
    with listen(log), pytest.raises(RuntimeError, match="must match the size"):
        mg.ones(2) + mg.ones(3)
    assert log.lines[-2:] == ["> add", "< add"]
    assert isinstance(log.events[-1].error, ValueError)
    heard: list[str] = []
    with listen(lambda event: heard.append(event.op.name)), pytest.raises(RuntimeError):
        mg.ones(2) + mg.ones(3)
    assert heard == ["given", "given"]  # functions hear what ended well


def test_nobody_hears_what_a_listener_computes() -> None:
    heard: list[str] = []

    def nosy(event: Event) -> None:
        heard.append(event.op.name)
        (event.outputs[0] * 2).sum()

    with listen(nosy):
        mg.ones(2)
    assert heard == ["given"]


def test_a_listener_that_raises_leaves_no_mode_behind() -> None:
    before = current.get()

    def angry(event: Event) -> None:
        raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"), listen(angry):
        mg.ones(2)
    assert current.get() is before


def test_a_python_number_stays_a_number() -> None:
    log = Log()
    x = mg.ones(2)
    with listen(log):
        x * 3
        2.5 - x
        x.masked_fill(x > 0, -1.0)
    by_name = {e.op.name: e for e in log.events}
    assert isinstance(by_name["mul"].inputs[1], Number)
    assert isinstance(by_name["sub"].inputs[0], Number)
    assert isinstance(by_name["gt"].inputs[1], Number)
    assert by_name["sub"].inputs[0].array == 2.5


def test_a_gradient_that_is_summed_is_an_event_of_its_own() -> None:
    log = Log()
    x = mg.ones(3, requires_grad=True)
    b = mg.ones((), requires_grad=True)
    with listen(log):
        (x * b + x).sum().backward()
        x.sum().backward()
    names = log.names("compute")
    assert names.count("sum_to") == 1  # of b, over the broadcast
    assert names.count("add_gradients") == 2  # the two uses of x; the second pass
    assert log.names("write").count("accumulate") == 3


def test_a_whole_training_step_in_order() -> None:
    mg.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 2))
    optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    x, t = mg.randn(5, 3), mg.randint(0, 2, (5,))
    log = Log()
    with listen(log):
        loss = F.cross_entropy(net(x), t)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        loss.item()
    assert log.names("draw") == ["keep_mask"]
    writes = log.names("write")
    assert writes[:3] == ["increase", "step_towards", "step_towards"]
    assert writes.count("accumulate") == 6
    assert writes.count("shorten") == 6
    assert log.names("update") == ["sgd"]
    assert log.names("read") == ["item"]
    doors = [d for d in log.doors() if d != "span"]
    assert doors.index("draw") < doors.index("update") < doors.index("read")


def test_plain_functions_are_heard_and_pass_no_gradient() -> None:
    @plain
    def _largest(x: Any, count: int) -> Any:
        return np.sort(x)[::-1][:count].copy()

    @plain_results(2)
    def bounds(x: Any) -> Any:
        return x.min(), x.max()

    x = mg.tensor([1.0, 3.0, 2.0], requires_grad=True)
    heard: list[str] = []
    with listen(lambda event: heard.append(event.op.name)):
        y = _largest((x,), 2)
        low, high = bounds((x,))
    assert heard == ["largest", "bounds"]
    assert (y.tolist(), low.item(), high.item()) == ([3.0, 2.0], 1.0, 3.0)
    assert not y.requires_grad
    assert not low.requires_grad


def test_changes_are_writes() -> None:
    @change
    def doubled(target: Any, times: int) -> None:
        target *= times

    x = np.ones(2)
    doubled(x, (), 3)
    assert x.tolist() == [3, 3]
    log = Log()
    with listen(log):
        doubled(x, (), 2)
    assert (log.doors(), log.events[0].outputs[0] is x) == (["write"], True)


def test_operations_on_arrays_are_told() -> None:
    class Half:
        name = "half"

        def forward(self, arrays: Any, params: Any) -> Any:
            return arrays[0] / 2

    log = Log()
    assert on_arrays(Half(), (np.ones(1),)) == 0.5
    with listen(log):
        on_arrays(Half(), (np.ones(1),))
    assert log.lines == ["> half", "< half"]


def test_what_runs_is_the_same_with_and_without_a_listener() -> None:
    def step() -> list[np.ndarray[Any, Any]]:
        mg.manual_seed(3)
        net = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten())
        loss = F.dropout(net(mg.randn(2, 1, 6, 6)), 0.3).square().mean()
        loss.backward()
        optim.Adam(net.parameters()).step()
        return [loss.array, *(t.array for t in (*net.parameters(), *net.buffers()))]

    alone = step()
    with listen(lambda event: None):
        heard = step()
    for a, b in zip(alone, heard, strict=True):
        assert np.array_equal(a, b)
