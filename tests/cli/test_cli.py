"""The commands, in this process where possible."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import minigrad as mg
from minigrad.autograd import opcheck
from minigrad.cli import COMMANDS, main
from minigrad.cli.tables import Progress, table
from minigrad.core.declare import REGISTRY, elementwise
from minigrad.core.public import PUBLIC
from minigrad.core.samples import span


def run(capsys: Any, *argv: str) -> tuple[int, str, str]:
    code = main(argv)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


# -- help ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("argv", [["--help"], *([c, "--help"] for c in COMMANDS)])
def test_help(argv: list[str], capsys: Any) -> None:
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith("usage: minigrad")
    assert max(map(len, text.splitlines())) <= 110


@pytest.mark.parametrize(
    "argv", [[], ["nothing"], ["demo", "--epochs", "0"], ["demo", "--data", "cats"]]
)
def test_wrong_usage(argv: list[str], capsys: Any) -> None:
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 2
    assert "usage: minigrad" in capsys.readouterr().err


def test_version(capsys: Any) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"minigrad {mg.__version__}\n"


def test_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "minigrad", "draw", "x*x", "x=3"],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert done.stdout.startswith("digraph")


# -- gradcheck -----------------------------------------------------------------------------------


def test_gradcheck_of_some(capsys: Any) -> None:
    code, out, _ = run(capsys, "gradcheck", "add", "sum", "--no-kernels")
    assert code == 0
    lines = out.splitlines()
    assert lines[0].split() == ["operation", "samples", "kernel", "first", "second"]
    assert [line.split()[0] for line in lines[1:3]] == ["add", "sum"]
    assert all(line.endswith("ok") for line in lines[1:3])
    assert lines[-1] == "all right"


def test_gradcheck_finds_what_is_wrong(capsys: Any) -> None:
    elementwise("wrong", lambda x: x * x, vjp=lambda g, x: g * x, sample=span(-3, 3))
    try:
        code, out, _ = run(capsys, "gradcheck", "wrong", "neg", "--no-kernels")
    finally:
        del REGISTRY["wrong"], PUBLIC["wrong"], mg.Tensor.wrong, mg.Tensor.wrong_
    assert code == 1
    assert "1/2 times what it should be" in out
    assert out.splitlines()[-1] == "1 WRONG: wrong"


def test_gradcheck_options(capsys: Any) -> None:
    _, out, _ = run(capsys, "gradcheck", "exp", "--no-second", "--fast", "--no-kernels")
    assert out.splitlines()[1].split() == ["exp", "3", *out.splitlines()[1].split()[2:4], "-", "ok"]
    code, out, _ = run(capsys, "gradcheck", "--list")
    assert code == 0
    assert out.split() == sorted(REGISTRY)


def test_gradcheck_of_a_name_that_is_not_there(capsys: Any) -> None:
    code, _, err = run(capsys, "gradcheck", "tahn")
    assert code == 1
    assert err.startswith(
        "minigrad gradcheck: there is no operation called 'tahn': did you mean tan"
    )


def test_an_error_in_an_operation_is_a_problem_and_not_a_crash() -> None:
    elementwise("broken", lambda x: x * x, vjp=lambda g, x: g.no_such_method(), sample=span(-3, 3))
    try:
        result = opcheck.check_operation(REGISTRY["broken"], kernels=False)
    finally:
        del REGISTRY["broken"], PUBLIC["broken"], mg.Tensor.broken, mg.Tensor.broken_
    assert not result.ok
    assert "AttributeError" in result.problems[0]


# -- doctor --------------------------------------------------------------------------------------


def test_doctor(capsys: Any) -> None:
    code, out, _ = run(capsys, "doctor")
    assert code == 0
    for word in (
        "minigrad",
        "python",
        "numba",
        "processor",
        "threads",
        "blas",
        "kernel cache",
        "drawing",
    ):
        assert word in out


def test_doctor_for_machines(capsys: Any) -> None:
    _, out, _ = run(capsys, "doctor", "--json")
    found = json.loads(out)
    assert found["minigrad"].startswith(str(mg.__version__))
    assert isinstance(found["suggestions"], list)


def test_doctor_gives_advice(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    find = importlib.util.find_spec
    missing = ("pygraphviz", "tqdm")
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda n, *a: None if n in missing else find(n, *a)
    )
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("MINIGRAD_MALLOC", "0")
    _, out, _ = run(capsys, "doctor")
    assert "DOT text only" in out
    assert 'pip install "minigrad[draw]"' in out
    assert 'for tqdm: pip install "minigrad[examples]"' in out
    assert "MINIGRAD_MALLOC=0" in out


def test_doctor_says_what_limits_threads_and_why_there_is_no_cache(
    capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from minigrad.kernels.run import folder, settings

    limit = settings.Limit(settings.num_threads, "cgroup")
    monkeypatch.setattr(settings, "DEFAULT", limit)
    monkeypatch.setattr(folder, "_examined", lambda: (None, "/a: it belongs to user 1"))
    _, out, _ = run(capsys, "doctor")
    assert "because of the quota of this container" in out
    assert "none: /a: it belongs to user 1" in out
    assert "a folder of yours that nobody else can write to" in " ".join(out.split())
    monkeypatch.setattr(settings, "DEFAULT", limit._replace(source="OMP_NUM_THREADS"))
    _, out, _ = run(capsys, "doctor")
    assert "because of OMP_NUM_THREADS" in out


# -- warm ----------------------------------------------------------------------------------------


def test_warm_lists_its_jobs(capsys: Any) -> None:
    code, out, _ = run(capsys, "warm", "--list")
    assert code == 0
    assert "mlp" in out.split()


def test_warm_runs_jobs(capsys: Any) -> None:
    code, out, _ = run(capsys, "warm", "embedding")
    assert code == 0
    assert out.startswith("embedding")
    assert "1 jobs in" in out


def test_warm_names_what_fails(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from minigrad.cli import warm

    def fail() -> None:
        raise RuntimeError("no luck")

    monkeypatch.setattr(warm, "jobs", lambda dtype: {"bad": fail, "good": lambda: None})
    code, out, _ = run(capsys, "warm")
    assert code == 1
    assert "failed: RuntimeError: no luck" in out
    assert "good" in out


@pytest.mark.slow
def test_every_warm_job_runs(capsys: Any) -> None:
    code, out, _ = run(capsys, "warm")
    assert code == 0, out


def test_warm_refuses_unknown_jobs(capsys: Any) -> None:
    code, _, err = run(capsys, "warm", "mpl")
    assert code == 1
    assert "no job 'mpl'" in err


# -- draw ----------------------------------------------------------------------------------------


def test_draw_an_expression(capsys: Any, tmp_path: Path) -> None:
    path = tmp_path / "neuron.dot"
    code, out, _ = run(capsys, "draw", "tanh(w*x + b)", "w=0.5", "x=2", "b=1", "-o", str(path))
    assert code == 0
    assert out.splitlines()[0] == "tanh(w*x + b) = 0.964028"
    assert "d/dw = 0.141302   (w = 0.5)" in out
    dot = path.read_text()
    assert dot.startswith("digraph")
    for word in ("tanh", "mul", "add"):
        assert word in dot


def test_draw_without_a_file_prints_dot(capsys: Any) -> None:
    code, out, _ = run(
        capsys, "draw", "sum((w*x)**2)", "w=[1, 2]", "x=[[3, -4], [5, 6]]", "--no-grad"
    )
    assert code == 0
    assert out.startswith("digraph")


def test_draw_a_network(capsys: Any, tmp_path: Path) -> None:
    code, out, _ = run(capsys, "draw", "-o", str(tmp_path / "net.dot"), "--direction", "LR")
    assert code == 0
    assert "a network of 83 parameters" in out
    assert "Linear" in (tmp_path / "net.dot").read_text()


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["w*x", "w=1"], "these variables have no value: x; add x=1.5"),
        (["w*x", "w=1", "x=2", "y=3"], "not in the expression: y"),
        (["w*x", "w", "x=2"], "expected NAME=VALUE"),
        (["w*x", "w=a", "x=2"], "expected a number or a list of numbers"),
        (["tahn(x)", "x=2"], "there is no function tahn: did you mean tan"),
        (["x +", "x=2"], "cannot read the expression"),
        (["1 + 2"], "has no variables"),
        (["x*x", "x=2", "-o", "x.jpg"], "expected a path that ends in"),
    ],
)
def test_draw_explains_mistakes(argv: list[str], text: str, capsys: Any) -> None:
    code, _, err = run(capsys, "draw", *argv)
    assert code == 1
    assert text in err


# -- demo ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_demo(capsys: Any, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("safetensors")
    out_folder = tmp_path / "out"
    code, out, _ = run(capsys, "demo", "--out", str(out_folder))
    assert code == 0, out
    (line,) = [x for x in out.splitlines() if x.startswith("training")]
    assert float(line.partition("): ")[2].partition("%")[0]) >= 97.5
    assert "BatchNorm1d" in out
    assert "WRONG" not in out
    assert (out_folder / "checkpoint.safetensors").stat().st_size > 10_000
    assert list(out_folder.glob("graph.*"))
    assert (out_folder / "steps.html").stat().st_size > 10_000
    assert "Diagnosis" in (out_folder / "diagnosis.html").read_text()
    assert "nothing found" in out
    code, again, _ = run(
        capsys, "demo", "--out", str(out_folder), "--resume", "--no-draw", "--epochs", "41"
    )
    assert code == 0
    assert "resuming    after epoch 40" in again


def test_demo_cannot_resume_from_nothing(capsys: Any, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    code, _, err = run(capsys, "demo", "--out", str(tmp_path), "--resume")
    assert code == 1
    assert "there is no checkpoint" in err


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_ctrl_c_leaves_a_checkpoint(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("safetensors")
    command = [sys.executable, "-m", "minigrad", "demo", "--epochs", "6000", "--out", str(tmp_path)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(("network", "kernels")):
            time.sleep(1)
            break
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=120)
    assert process.returncode == 130, rest + errors
    assert rest.splitlines()[-1].startswith("interrupted in epoch ")
    assert "--resume" in rest.splitlines()[-1]
    assert "Traceback" not in errors
    state = mg.serialize.load_file(tmp_path / "checkpoint.safetensors")
    assert state


# -- text ----------------------------------------------------------------------------------------


def test_interruption_elsewhere(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from minigrad.cli import doctor

    def interrupted() -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(doctor, "examine", interrupted)
    code, _, err = run(capsys, "doctor")
    assert code == 130
    assert err == "\nminigrad doctor: interrupted\n"


def test_tables_without_rows() -> None:
    assert table(["a", "b"], []) == "a  b"


class Terminal:
    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None: ...

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("tqdm", [True, False])
def test_progress_on_a_terminal(tqdm: bool, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    if tqdm:
        pytest.importorskip("tqdm")
    else:
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Progress(3, "working") as progress:
        progress.step("one")
        progress.note("a line")
        progress.step("two", n=2)
    assert "working" in terminal.text
    assert progress.done == 3
    assert "a line" in capsys.readouterr().out
