"""Write down what users can see: ``python tools/surface.py [--check | --accept]``.

``tests/surface`` gets four tables, one line for one thing, in a stable order:

- ``names.txt``: every public name of every public module, with its parameters and their defaults,
  and the public methods of its classes;
- ``modules.txt``: what every layer is when it is made as `surface_samples` says: its text, its
  attributes, the keys and shapes of its state;
- ``models.txt``: the same of `minigrad.models`, without the text; of factories that make a model at
  its full size, the number of keys and parameters and a checksum of keys and shapes;
- ``optim.txt``: what the states of optimizers and schedulers hold after a step.

What was there stays. A name that vanishes, a parameter that is lost or moved, another default, key
or text is a loss, and is not written: `lost_names` and `lost_blocks` say which. What is new is
written, and ``tests/test_surface.py`` fails until it is. ``--accept`` writes all, for what changes
on purpose; ``--check`` writes nothing, and says in its exit code whether the tables are right.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import inspect
import re
import sys
import types
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import minigrad as mg
from minigrad.nn.fill import skipped

sys.path.insert(0, str(Path(__file__).resolve().parent))

import surface_samples as samples

FOLDER = Path(__file__).resolve().parents[1] / "tests" / "surface"

#: The modules that users import from. Files that only hold the code of these are not listed: they
#: may be renamed.
PLACES = """
nn nn.functional nn.init nn.parameter nn.parallel nn.utils nn.utils.rnn nn.utils.prune
nn.utils.parametrize nn.utils.parametrizations nn.utils.stateless nn.utils.init
nn.utils.memory_format nn.modules nn.modules.activation nn.modules.adaptive nn.modules.batchnorm
nn.modules.channelshuffle nn.modules.container nn.modules.conv nn.modules.distance
nn.modules.dropout nn.modules.flatten nn.modules.fold nn.modules.instancenorm nn.modules.lazy
nn.modules.linear nn.modules.loss nn.modules.module nn.modules.normalization nn.modules.padding
nn.modules.pixelshuffle nn.modules.pooling nn.modules.rnn nn.modules.sparse nn.modules.transformer
nn.modules.upsampling nn.modules.utils
autograd autograd.anomaly autograd.function autograd.functional autograd.gradcheck autograd.graph
autograd.kernel autograd.modelcheck autograd.opcheck autograd.variable
func linalg fft special signal.windows xp xp.linalg
optim optim.lr_scheduler optim.swa_utils optim.optimizer optim.adadelta optim.adagrad optim.adam
optim.adamax optim.adamw optim.asgd optim.lbfgs optim.nadam optim.radam optim.rmsprop optim.rprop
optim.sgd
data data.datasets data.transforms utils.data utils.data.dataloader utils.data.dataset
utils.data.sampler utils.checkpoint
models models.resnet models.vgg models.gpt serialize train viz interop.einops cli
distributions distributions.constraints distributions.kl distributions.normal
accelerator amp backends backends.cuda backends.cudnn backends.mkl backends.mps compiler cuda
cuda.amp cuda.nvtx distributed hub jit mps overrides profiler random types utils._pytree
utils.data.distributed utils.hooks version
""".split()
PLACES.insert(0, "")

#: Private names of PyTorch's that scripts import all the same.
PRIVATE = """
nn.modules.batchnorm._BatchNorm nn.modules.batchnorm._NormBase nn.modules.conv._ConvNd
nn.modules.dropout._DropoutNd nn.modules.instancenorm._InstanceNorm nn.modules.loss._Loss
nn.modules.loss._WeightedLoss nn.modules.pooling._MaxPoolNd nn.modules.utils._list_with_default
nn.modules.utils._ntuple nn.modules.utils._pair nn.modules.utils._quadruple
nn.modules.utils._reverse_repeat_tuple nn.modules.utils._single nn.modules.utils._triple
nn.modules.pooling._AvgPoolNd nn.modules.padding._ConstantPadNd
""".split()

#: Classes whose public methods are listed with them once, not again with everything made from them.
ROOTS = (
    object, tuple, list, dict, BaseException, mg.Tensor, mg.nn.Module, mg.optim.Optimizer,
    mg.optim.lr_scheduler.LRScheduler, mg.data.Dataset, mg.data.Sampler,
    mg.data.transforms.Transform, mg.distributions.Distribution,
)  # fmt: skip


# -- names and signatures -------------------------------------------------------------------------


def default(value: Any) -> str:
    """A default, as an expression that is the same in every process."""
    if isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType)):
        return value.__name__.replace("<", "").replace(">", "")
    if isinstance(value, (tuple, list)):
        inner = ", ".join(default(v) for v in value)
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    text = repr(value)
    return text if " at 0x" not in text and "<" not in text else type(value).__name__


def signature(function: Any, method: bool = False) -> str:
    """The parameters of a function or class, without their types; of a method, without itself."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return "(...)"
    parts: list[str] = []
    starred = False
    for p in parameters[1:] if method and parameters[0].kind < 2 else parameters:
        if p.kind is p.KEYWORD_ONLY and not starred:
            parts.append("*")
        starred = starred or p.kind in (p.KEYWORD_ONLY, p.VAR_POSITIONAL)
        stars = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
        end = "" if p.default is p.empty else f"={default(p.default)}"
        parts.append(stars + p.name + end)
    return f"({', '.join(parts)})"


def public_names(module: types.ModuleType, place: str) -> list[str]:
    """What a module offers: ``__all__``, or what is not private and not imported from elsewhere."""
    names = getattr(module, "__all__", None)
    if place == "":
        names = [name for name in dir(module) if not name.startswith("_")]
    if names is not None:
        return sorted(set(names))
    return sorted(
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and not isinstance(value, types.ModuleType)
        and (getattr(value, "__module__", "minigrad") or "minigrad").startswith("minigrad")
    )


def described(path: str, value: Any, seen: dict[int, str]) -> Iterator[str]:
    """The lines of one name: a class with its methods, a function, or a value."""
    if isinstance(value, types.ModuleType):
        yield f"{path}: module"
    elif isinstance(value, type):
        if id(value) in seen:
            yield f"{path} = {seen[id(value)]}"
            return
        seen[id(value)] = path
        yield f"{path}{signature(value)}"
        yield from members(path, value)
    elif callable(value) and hasattr(value, "__name__"):
        yield f"{path}{signature(value)}"
    else:
        yield f"{path}: {type(value).__name__}"


def members(path: str, cls: type) -> Iterator[str]:
    """The public methods and properties of a class that its roots do not have already."""
    roots = [root for root in ROOTS if root is not cls and issubclass(cls, root)]
    for name in sorted(dir(cls)):
        if name.startswith("_") and not (cls is mg.Tensor and name.startswith("__")):
            continue
        value = inspect.getattr_static(cls, name)
        if any(inspect.getattr_static(root, name, None) is value for root in roots):
            continue
        bound = isinstance(value, (staticmethod, classmethod))
        value = getattr(cls, name) if bound else value
        if name.startswith("__"):
            yield from [f"{path}.{name}: operator"] if callable(value) else []
        elif callable(value) and not isinstance(value, type):
            yield f"{path}.{name}{signature(value, method=not bound)}"
        else:
            yield f"{path}.{name}: attribute"


def names() -> list[str]:
    """The table of public names."""
    seen: dict[int, str] = {}
    lines = []
    for place in PLACES:
        module = importlib.import_module(f"minigrad.{place}" if place else "minigrad")
        for name in public_names(module, place):
            path = f"{place}.{name}" if place else name
            lines += described(path, getattr(module, name), seen)
    for path in PRIVATE:
        place, _, name = path.rpartition(".")
        value = getattr(importlib.import_module(f"minigrad.{place}"), name)
        lines += list(described(path, value, seen))[:1]
    return lines


# -- layers, models, optimizers -------------------------------------------------------------------


def state(module: mg.nn.Module) -> list[str]:
    """The keys of a state, with shapes and the types that are not float32."""
    lines = []
    for key, value in module.state_dict(keep_vars=True).items():
        if isinstance(value, (mg.nn.UninitializedParameter, mg.nn.UninitializedBuffer)):
            lines.append(f"{key} uninitialized")
        else:
            kind = "" if value.dtype is mg.float32 else f" {value.dtype.name}"
            lines.append(f"{key} {list(value.shape)}{kind}")
    return lines


def attributes(module: mg.nn.Module) -> str:
    """The public attributes of a layer that are not parameters, buffers, or layers."""
    own = {name for name in vars(module) if not name.startswith("_")}
    return ", ".join(sorted(own - {"training"}))


def modules() -> list[str]:
    """The table of layers."""
    classes = {
        name
        for name in public_names(mg.nn, "nn")
        if isinstance(getattr(mg.nn, name), type) and issubclass(getattr(mg.nn, name), mg.nn.Module)
    }
    given = samples.LAYERS
    missing = classes - set(given) - samples.ABSTRACT
    if missing:
        raise SystemExit(f"tools/surface_samples.py does not say how to make {sorted(missing)}")
    lines = []
    for name in sorted(given):
        for arguments in given[name]:
            made = eval(f"nn.{name}({arguments})", {"nn": mg.nn, "mg": mg})
            start = f"nn.{name}({arguments})"
            lines += [f"{start} text: {line}" for line in repr(made).split("\n")]
            lines += [f"{start} attributes: {attributes(made)}"]
            lines += [f"{start} state: {line}" for line in state(made)]
    return lines


def models() -> list[str]:
    """The table of models."""
    scope = {"mg": mg, "nn": mg.nn, "models": mg.models}
    lines = []
    with skipped():
        for text in samples.MODELS:
            made = eval(f"models.{text}", scope)
            lines += [f"models.{text} state: {line}" for line in state(made)]
        for text in samples.FACTORIES:
            keys = state(eval(f"models.{text}", scope))
            check = hashlib.sha256("\n".join(keys).encode()).hexdigest()[:16]
            lines.append(f"models.{text}: {len(keys)} keys, checksum {check}")
    return lines


def structure(value: Any) -> str:
    """A value of a state: its keys, kinds and shapes, not its numbers."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {structure(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        inner = ", ".join(dict.fromkeys(structure(v) for v in value))
        return f"[{inner}]" if isinstance(value, list) else f"({inner})"
    if isinstance(value, mg.Tensor):
        return f"{value.dtype.name}{list(value.shape)}"
    return repr(value) if isinstance(value, (bool, int, float, str)) else type(value).__name__


def optim() -> list[str]:
    """The table of optimizers and schedulers."""
    lines = []
    for text in samples.OPTIMIZERS:
        w = mg.nn.Parameter(mg.ones(2, 3))
        optimizer = eval(f"mg.optim.{text}", {"mg": mg, "w": w})

        def closure(w: mg.nn.Parameter = w, optimizer: Any = optimizer) -> mg.Tensor:
            optimizer.zero_grad()
            loss = (w * w).sum()
            loss.backward()
            return loss

        optimizer.step(closure)
        lines.append(f"optim.{text}: {type(optimizer).__name__}")
        lines += [f"optim.{text} text: {line}" for line in repr(optimizer).split("\n")]
        given = optimizer.state_dict()
        lines.append(f"optim.{text} keys: {', '.join(given)}")
        for group in given["param_groups"]:
            lines += [f"optim.{text} group: {k} = {structure(v)}" for k, v in group.items()]
        for of in given["state"].values():
            kinds = {k: type(v).__name__ if isinstance(v, float) else v for k, v in of.items()}
            lines += [f"optim.{text} state: {k} = {structure(v)}" for k, v in kinds.items()]
    for text in samples.SCHEDULERS:
        optimizer = mg.optim.SGD([mg.nn.Parameter(mg.ones(2))], lr=0.5, momentum=0.9)
        scheduler = eval(text, {**vars(mg.optim.lr_scheduler), "optimizer": optimizer})
        lines.append(f"optim.lr_scheduler.{text} keys: {', '.join(scheduler.state_dict())}")
    return lines


TABLES = {"names": names, "modules": modules, "models": models, "optim": optim}


# -- what was lost --------------------------------------------------------------------------------


def _head(line: str) -> str:
    """What a line is about: its path without the parameters."""
    return line.split("(")[0].split(":")[0].split(" = ")[0]


def _parameters(line: str) -> tuple[list[tuple[str, str | None]], dict[str, str | None], str, str]:
    """Of a line with parameters: those by place, those by name only, and the names of the stars."""
    text = line[line.index("(") :]
    args = ast.parse(f"def f{text}: pass").body[0].args  # type: ignore[attr-defined]
    placed = [a.arg for a in [*args.posonlyargs, *args.args]]
    ends = [None] * (len(placed) - len(args.defaults)) + [ast.unparse(d) for d in args.defaults]
    keyed = {
        a.arg: None if d is None else ast.unparse(d)
        for a, d in zip(args.kwonlyargs, args.kw_defaults, strict=True)
    }
    stars = (args.vararg.arg if args.vararg else "", args.kwarg.arg if args.kwarg else "")
    return list(zip(placed, ends, strict=True)), keyed, *stars


def serves(new: str, old: str) -> bool:
    """Whether every call that the old parameters allowed is one of the new ones, with its meaning.

    >>> serves("f(a, b=1, c=2)", "f(a, b=1)"), serves("f(b=1, a=2)", "f(a, b=1)")
    (True, False)
    """
    if new == old or old.endswith("(...)"):
        return True
    if "(" not in old or "(" not in new or new.endswith("(...)"):
        return False
    placed, keyed, star, stars = _parameters(new)
    old_placed, old_keyed, old_star, old_stars = _parameters(old)
    generic = bool(old_star and old_stars)  # the parameters were not told: telling them is no loss
    by_name = dict(placed) | keyed
    if not generic and ((old_star and not star) or (old_stars and not stars)):
        return False
    for i, (name, value) in enumerate(old_placed):
        if i >= len(placed) or placed[i][0] != name or value not in (None, placed[i][1]):
            return False
    for name, value in old_keyed.items():
        if name not in by_name or value not in (None, by_name[name]):
            return False
    added = [*placed[len(old_placed) :], *((k, v) for k, v in keyed.items() if k not in old_keyed)]
    return generic or all(value is not None or name in old_keyed for name, value in added)


def lost_names(old: list[str], new: list[str]) -> list[str]:
    """The lines of a table of names that another does not keep."""
    by_head: dict[str, list[str]] = {}
    for line in new:
        by_head.setdefault(_head(line), []).append(line)
    return [line for line in old if not any(_keeps(n, line) for n in by_head.get(_head(line), []))]


def _keeps(new: str, old: str) -> bool:
    return new == old or ("(" in old and "(" in new and serves(new, old))


def lost_blocks(old: list[str], new: list[str]) -> list[str]:
    """The lines of a table of objects that another does not keep: all that is told of one.

    Attributes may be added; text and state are as they were, line by line.
    """
    there = _blocks(new)
    lost: list[str] = []
    for start, lines in _blocks(old).items():
        now = there.get(start, [])
        if start.endswith(" attributes"):
            words = {word for line in now for word in line.split(": ", 1)[1].split(", ")}
            kept = all(set(line.split(": ", 1)[1].split(", ")) <= words for line in lines)
        else:
            kept = lines == now
        lost += [] if kept else [line for line in lines if line not in now] or lines
    return lost


def _blocks(lines: list[str]) -> dict[str, list[str]]:
    blocks: dict[str, list[str]] = {}
    for line in lines:
        found = re.match(r".*? (text|attributes|state|keys|group)(?=: )", line)
        blocks.setdefault(found[0] if found else line, []).append(line)
    return blocks


def main() -> int:
    """Write the tables, or compare them."""
    failed = False
    warnings.simplefilter("ignore")  # of samples that are made oddly on purpose
    for name, table in TABLES.items():
        path = FOLDER / f"{name}.txt"
        new = table()
        old = path.read_text().splitlines() if path.exists() else []
        lost = lost_names(old, new) if name == "names" else lost_blocks(old, new)
        if lost and "--accept" not in sys.argv:
            failed = True
            print(f"tests/surface/{name}.txt has what is not there any more, or is another:")
            print(*(f"  - {line}" for line in lost), sep="\n")
            heads, were = {_head(line) for line in lost}, set(old)
            print(*(f"  + {x}" for x in new if _head(x) in heads and x not in were), sep="\n")
        elif new != old and "--check" in sys.argv:
            failed = True
            more = [line for line in new if line not in set(old)]
            print(f"tests/surface/{name}.txt does not have all: run python tools/surface.py")
            print(*(f"  + {line}" for line in more[:20]), sep="\n")
        elif new != old:
            path.write_text("\n".join(new) + "\n")
            print(f"tests/surface/{name}.txt: written")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
