"""Memory for time: values of the forward pass that backward needs are computed again, not kept.

Chen et al. 2016, "Training deep nets with sublinear memory cost". What a checkpointed function
would save is thrown away; when backward asks for the first of it, the function runs once more and
what it saves, in the same order, is handed out.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from minigrad.autograd.saved import kept_elsewhere, saved_tensors_hooks
from minigrad.core.modes import current, enable_grad
from minigrad.core.tensor import Tensor
from minigrad.func import tree
from minigrad.ops.random import default_generator

__all__ = ["CheckpointError", "checkpoint", "checkpoint_sequential"]

Contexts = tuple[Any, Any]


class CheckpointError(RuntimeError):
    """A function computed something else when it was run again."""


class _Stop(Exception):  # noqa: N818 - not an error: everything has been computed again
    pass


class _Holder:
    """In the place of a saved tensor: its number, and its value once it was computed again."""

    __slots__ = ("__weakref__", "dtype", "shape", "value")

    def __init__(self, t: Tensor) -> None:
        self.shape, self.dtype = t.array.shape, t.array.dtype
        self.value: Tensor | None = None


class _Frame:
    """One call of a checkpointed function: what is needed to run it again."""

    def __init__(
        self, function: Callable[..., Any], args: Any, kwargs: Any, again: Any, preserve: bool,
        early_stop: bool, check: bool,
    ) -> None:  # fmt: skip
        self.function = function
        leaves, self.spec = tree.flatten((args, kwargs))
        self.inputs = [_Input(t) if isinstance(t, Tensor) else t for t in leaves]
        self.again = again
        self.early_stop, self.check = early_stop, check
        self.random = default_generator.get_state() if preserve else None
        self.holders: list[weakref.ref[_Holder]] = []

    def pack(self, t: Tensor) -> _Holder:
        """Throw a tensor away, but for its number."""
        holder = _Holder(t)
        self.holders.append(weakref.ref(holder))
        return holder

    def unpack(self, holder: _Holder) -> Tensor:
        """The tensor, computed again with all others of the call."""
        if holder.value is None:
            self.recompute()
        found, holder.value = holder.value, None
        if found is None:
            raise CheckpointError(
                "checkpoint: A different number of tensors was saved during the original forward "
                f"and recomputation: {len(self.holders)} the first time. The function must compute "
                "the same each time."
            )
        return found

    def recompute(self) -> None:
        """Run the function again, and put what it saves into the holders."""
        count = 0

        def collect(t: Tensor) -> Tensor:
            nonlocal count
            holder = self.holders[count]() if count < len(self.holders) else None
            t = t.detach()
            if holder is not None:
                if self.check and (holder.shape, holder.dtype) != (t.array.shape, t.array.dtype):
                    raise CheckpointError(
                        "checkpoint: Recomputed values for the following tensors have different "
                        "metadata than during the forward pass.\n"
                        f"tensor at position {count}: saved {holder.dtype} of shape "
                        f"{list(holder.shape)}, recomputed {t.array.dtype} of shape "
                        f"{list(t.array.shape)}"
                    )
                holder.value = t
            count += 1
            if self.early_stop and count == len(self.holders):
                raise _Stop
            return t

        with _random_state(self.random), enable_grad():
            args, kwargs = tree.unflatten(
                [x.tensor() if isinstance(x, _Input) else x for x in self.inputs], self.spec
            )
            hooks = saved_tensors_hooks(collect, lambda t: t)
            with contextlib.suppress(_Stop), self.again, hooks:
                self.function(*args, **kwargs)
        if self.check and count != len(self.holders):
            raise CheckpointError(
                "checkpoint: A different number of tensors was saved during the original forward "
                f"and recomputation.\nNumber of tensors saved during forward: {len(self.holders)}\n"
                f"Number of tensors saved during recomputation: {count}."
            )


class _Input:
    """A tensor that a checkpointed function was called with."""

    def __init__(self, t: Tensor) -> None:
        self.needs = t.requires_grad
        self.writes = t._version
        #: Inside another checkpointed function the tensor is not kept, either.
        self.kept: Any = kept_elsewhere(t)
        self.own = t if self.kept is None else None

    def tensor(self) -> Tensor:
        """A leaf with the same elements, so that the same will be saved."""
        if self.own is None:
            t: Tensor = self.kept.tensor().detach()
        else:
            if self.own._version != self.writes:
                raise RuntimeError(
                    "one of the variables needed for gradient computation has been modified by an "
                    "inplace operation: an argument of checkpoint(), "
                    f"{self.own.dtype} of shape {list(self.own.shape)}, was written to since"
                )
            t = self.own.detach()
        t._requires_grad = self.needs
        return t


@contextlib.contextmanager
def _random_state(state: Tensor | None) -> Iterator[None]:
    """Random numbers as they were in the first run."""
    if state is None:
        yield
        return
    now = default_generator.get_state()
    default_generator.set_state(state)
    try:
        yield
    finally:
        default_generator.set_state(now)


def _no_contexts() -> Contexts:
    return contextlib.nullcontext(), contextlib.nullcontext()


def checkpoint(
    function: Callable[..., Any], *args: Any, use_reentrant: bool | None = None,
    context_fn: Callable[[], Contexts] = _no_contexts, determinism_check: str = "default",
    debug: bool = False, early_stop: bool = True, preserve_rng_state: bool = True, **kwargs: Any,
) -> Any:  # fmt: skip
    """Compute ``function(*args, **kwargs)`` without keeping what its derivative needs.

    Backward runs the function again. It takes about a third more time, and the memory of the
    inputs and results only; nested calls take less still.

    Parameters
    ----------
    function : callable
        Computes the same each time it is called with the same arguments.
    *args, **kwargs
        Its arguments; gradients flow to all tensors, also to those it reads from elsewhere.
    use_reentrant : bool, optional
        Accepted: there is one implementation, that of False. With True keyword arguments are
        refused, as in PyTorch.
    context_fn : callable
        Returns two context managers, for the first run and for the others.
    determinism_check : {"default", "none"}
        Whether to compare shapes and types of what the runs save.
    debug : bool
        Accepted.
    early_stop : bool
        Stop running again when everything that backward needs is known.
    preserve_rng_state : bool
        Draw the same random numbers again: dropout drops the same.

    Raises
    ------
    CheckpointError
        If the function computed something else when it was run again.

    Examples
    --------
    >>> import minigrad as mg
    >>> x = mg.tensor([1.0, 2.0], requires_grad=True)
    >>> checkpoint(lambda x: (x * x).exp().sum(), x, use_reentrant=False).backward()
    >>> x.grad.allclose(2 * x * (x * x).exp())
    True
    """
    if determinism_check not in ("default", "none"):
        raise ValueError(
            f"determinism_check should be one of ['default', 'none'], but got {determinism_check}"
        )
    if use_reentrant and kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    if use_reentrant and (context_fn is not _no_contexts or debug):
        raise ValueError(
            "Passing `context_fn` or `debug` is only supported when use_reentrant=False."
        )
    first, again = context_fn()
    if not current.get().grad:
        with first:
            return function(*args, **kwargs)
    frame = _Frame(
        function, args, kwargs, again, preserve_rng_state, early_stop,
        determinism_check == "default",
    )  # fmt: skip
    with saved_tensors_hooks(frame.pack, frame.unpack), first:
        return function(*args, **kwargs)


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None,
    preserve_rng_state: bool = True,
) -> Any:  # fmt: skip
    """A chain of functions (a `Sequential`, or a list) in checkpointed segments, but for the last.

    Examples
    --------
    >>> import minigrad as mg
    >>> net = mg.nn.Sequential(*[mg.nn.Linear(3, 3) for _ in range(4)])
    >>> x = mg.ones(2, 3)
    >>> checkpoint_sequential(net, 2, x).allclose(net(x))
    True
    """
    steps = list(functions.children()) if hasattr(functions, "children") else list(functions)
    size = len(steps) // segments

    def chain(part: Sequence[Callable[..., Any]]) -> Callable[..., Any]:
        def forward(x: Any) -> Any:
            for step in part:
                x = step(x)
            return x

        return forward

    end = 0
    for start in range(0, size * (segments - 1), size or 1):
        end = start + size
        input = checkpoint(
            chain(steps[start:end]), input, use_reentrant=use_reentrant,
            preserve_rng_state=preserve_rng_state,
        )  # fmt: skip
    return chain(steps[end:])(input)
