"""A computation written down, and done again without the code that did it first.

:func:`recording` listens at the doors (`minigrad.core.events`) and keeps what passes: operations,
derivatives, sums of gradients, random draws, writes, updates. :meth:`Recording.replay` does all of
it again, in the same order, on memory of its own. That the same bits come out shows that nothing
goes by the doors: what a listener hears is the whole computation.

Examples
--------
>>> import minigrad as mg
>>> from minigrad import capture
>>> w = mg.tensor([2.0], requires_grad=True)
>>> x = mg.tensor([3.0])
>>> with capture.recording([w, x]) as seen:
...     y = (w * x).sum()
...     y.backward()
>>> [event.op.name for event in seen.events]
['mul', 'sum', 'given', 'sum_backward', 'mul_backward']
>>> again = seen.replay()
>>> again.value(w.grad)
array([3.], dtype=float32)
"""

from minigrad.capture.recorder import Recording, UnknownTensor, recording
from minigrad.capture.replay import Replay

__all__ = ["Recording", "Replay", "UnknownTensor", "recording"]
