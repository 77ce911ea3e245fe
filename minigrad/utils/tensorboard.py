"""Event files for TensorBoard, under PyTorch's names, written by the library tensorboardX.

>>> import tempfile
>>> import minigrad as mg
>>> from minigrad.utils.tensorboard import SummaryWriter
>>> with tempfile.TemporaryDirectory() as folder, SummaryWriter(folder) as writer:
...     for step in range(3):
...         writer.add_scalar("loss", mg.tensor(1.0 / (step + 1)), step)
...     writer.add_histogram("weights", mg.randn(100), 2)
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from minigrad.core.modes import listen, no_grad
from minigrad.core.tensor import Tensor

__all__ = ["SummaryWriter"]

#: What takes tensors and goes on to the library as it is.
_CALLS = (
    "add_scalar", "add_scalars", "add_histogram", "add_histogram_raw", "add_image", "add_images",
    "add_image_with_boxes", "add_figure", "add_video", "add_audio", "add_text", "add_embedding",
    "add_pr_curve", "add_pr_curve_raw", "add_custom_scalars", "add_custom_scalars_marginchart",
    "add_custom_scalars_multilinechart", "add_mesh", "add_hparams", "flush", "close",
)  # fmt: skip


def _writer() -> Any:
    try:
        from tensorboardX import SummaryWriter as Writer
    except ImportError as error:
        raise ImportError(
            'SummaryWriter needs tensorboardX: pip install "minigrad[tensorboard]"'
        ) from error
    return Writer


def _plain(value: Any) -> Any:
    """Tensors as arrays, at any depth; plots as figures."""
    if isinstance(value, Tensor):
        array = value.detach().numpy()
        return array.item() if array.ndim == 0 else array
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_plain(v) for v in value)
    return getattr(value, "figure", value) if type(value).__name__ == "Plot" else value


class SummaryWriter:
    """Writes what TensorBoard shows: scalars, histograms, images, texts, graphs, ...

    Parameters
    ----------
    log_dir : str, optional
        The folder; by default ``runs/`` with date, time and machine.
    comment : str
        Appended to that default.
    purge_step, max_queue, flush_secs, filename_suffix
        As in PyTorch.

    Raises
    ------
    ImportError
        Without the extra ``tensorboard``, which names what to install.
    """

    def __init__(
        self, log_dir: str | None = None, comment: str = "", purge_step: int | None = None,
        max_queue: int = 10, flush_secs: int = 120, filename_suffix: str = "",
    ) -> None:  # fmt: skip
        self._writer = _writer()(
            logdir=None if log_dir is None else str(log_dir), comment=comment,
            purge_step=purge_step, max_queue=max_queue, flush_secs=flush_secs,
            filename_suffix=filename_suffix,
        )  # fmt: skip

    @property
    def log_dir(self) -> str:
        """Where the files are."""
        return str(self._writer.logdir)

    def get_logdir(self) -> str:
        """Where the files are."""
        return self.log_dir

    def __enter__(self) -> SummaryWriter:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in _CALLS:
            raise AttributeError(f"SummaryWriter has no {name!r}; it has {', '.join(_CALLS)}")
        call = getattr(self._writer, name)

        @functools.wraps(call)
        def plain(*args: Any, **kwargs: Any) -> Any:
            return call(*_plain(args), **_plain(kwargs))

        return plain

    def add_graph(
        self, model: Any, input_to_model: Any = None, verbose: bool = False,
        use_strict_trace: bool = True,
    ) -> None:  # fmt: skip
        """The operations of one call of `model`, in boxes of its modules.

        Parameters
        ----------
        model : Module
        input_to_model : Tensor or sequence of Tensor
        verbose : bool
            Print the operations, too.
        use_strict_trace : bool
            Accepted.
        """
        if input_to_model is None:
            raise ValueError("add_graph: pass an input, add_graph(model, x): the model is called")
        given = input_to_model if isinstance(input_to_model, (tuple, list)) else (input_to_model,)
        nodes = _operations(model, tuple(given))
        if verbose:
            print("\n".join(f"{name} = {op}({', '.join(read)})" for name, op, read, _ in nodes))
        self._writer.file_writer.add_onnx_graph(_graph(nodes))  # any graph


#: Name, operation, names of what it reads, shape.
_Operation = tuple[str, str, list[str], tuple[int, ...]]


def _operations(model: Any, inputs: tuple[Any, ...]) -> list[_Operation]:
    """The operations of a call, named by the modules they ran in."""
    paths = {id(m): path.replace(".", "/") for path, m in model.named_modules()}
    made: dict[int, tuple[Any, str]] = {}
    found: list[_Operation] = []
    stack: list[str] = []

    def name_of(t: Any) -> str:
        if id(t) not in made:
            owner = next((n for n, p in model.named_parameters() if p is t), f"input_{len(made)}")
            made[id(t)] = t, owner.replace(".", "/")
            found.append((made[id(t)][1], "parameter", [], tuple(t.shape)))
        return made[id(t)][1]

    class Ear:
        def enter(self, event: Any) -> None:
            if event.door == "span":
                stack.append(paths.get(id(event.op.owner), ""))

        def leave(self, event: Any) -> None:
            if event.door == "span":
                stack.pop()
            elif event.door == "compute":
                read = [name_of(t) for t in event.inputs if isinstance(t, Tensor)]
                for y in event.outputs:
                    if isinstance(y, Tensor):
                        where = f"{stack[-1]}/" if stack and stack[-1] else ""
                        made[id(y)] = y, f"{where}{event.op.name}_{len(found)}"
                        found.append((made[id(y)][1], event.op.name, read, tuple(y.shape)))

    for i, t in enumerate(inputs):
        made[id(t)] = t, f"input/{i}"
        found.append((f"input/{i}", "input", [], tuple(t.shape)))
    with no_grad(), listen(Ear()):
        model(*inputs)
    return found


def _graph(nodes: list[_Operation]) -> Any:
    """As TensorFlow's description of a graph."""
    from tensorboardX.proto.attr_value_pb2 import AttrValue
    from tensorboardX.proto.graph_pb2 import GraphDef
    from tensorboardX.proto.node_def_pb2 import NodeDef
    from tensorboardX.proto.tensor_shape_pb2 import TensorShapeProto
    from tensorboardX.proto.versions_pb2 import VersionDef

    made = []
    for name, op, read, shape in nodes:
        sizes = TensorShapeProto(dim=[TensorShapeProto.Dim(size=n) for n in shape])
        listed = AttrValue(list=AttrValue.ListValue(shape=[sizes]))
        made.append(NodeDef(name=name, op=op, input=read, attr={"_output_shapes": listed}))
    return GraphDef(node=made, versions=VersionDef(producer=22))
