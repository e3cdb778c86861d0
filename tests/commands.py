"""Commands of this project, each in a process of its own which begins at once: it is forked from one that has imported everything.

Importing torch, Ray and what else a command needs takes seconds of CPU time; a test that starts five commands would spend most of
its time there. What a command does is the same but for that; tests of how it starts use `subprocess`.
"""

import atexit
import contextlib
import functools
import multiprocessing
import os
import runpy
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["run_search", "report.__main__", "search.launch.ray"])


@functools.cache
def own_folder() -> Path:
    """Where the commands of this test process keep their locks, so that they wait for no measurement of another run."""
    folder = tempfile.TemporaryDirectory(prefix="pd-")  # not below pytest's: Ray's sockets allow no long paths
    atexit.register(folder.cleanup)
    return Path(folder.name)


def surroundings() -> dict[str, str]:
    """What a command finds in its environment. Ray's workers would run at the lowest priority: on a busy machine they starve."""
    threads = {"OMP_NUM_THREADS": "1", "RAY_worker_niceness": "0"}
    return {"PYTHONPATH": str(ROOT), "TMPDIR": str(own_folder()), "RAY_TMPDIR": tempfile.gettempdir(), **threads}


class Command(contextlib.AbstractContextManager):
    """`python -m module ...`, or of a file `python file.py ...`, begun in `folder`. At the end of its `with` it is no more."""

    def __init__(self, program: str, *arguments: str, folder: Path = ROOT, **environment: str):
        handle, self._said = tempfile.mkstemp(prefix="said-", dir=own_folder())
        os.close(handle)
        given = (program, arguments, str(folder), {**surroundings(), **environment}, self._said)
        self._process = SERVER.Process(target=_become, args=given)
        self._process.start()

    def __exit__(self, *error: object) -> None:
        if self.running:
            self._process.kill()
        self._process.join()

    @property
    def running(self) -> bool:
        return self._process.is_alive()

    def send(self, number: signal.Signals) -> None:
        os.kill(self._process.pid, number)

    def until(self, condition: Callable[[], bool], *, seconds: float = 600) -> None:
        """Wait for it to have done something."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.running, f"it ended before\n{self.said()}"
            assert time.monotonic() < deadline, f"waited in vain\n{self.said()}"
            time.sleep(0.01)

    def said(self) -> str:
        return Path(self._said).read_text()

    def finish(self, *, code: int = 0, seconds: float = 600) -> str:
        """What it said, once it has ended with this code."""
        self._process.join(seconds)
        assert self._process.exitcode == code, f"{self._process.exitcode}\n{self.said()}"
        return self.said()


def finished(program: str, *arguments: str, code: int = 0, folder: Path = ROOT, **environment: str) -> str:
    """What a command said that ended with this code."""
    with Command(program, *arguments, folder=folder, **environment) as command:
        return command.finish(code=code)


def _become(program: str, arguments: tuple[str, ...], folder: str, environment: dict[str, str], said: str) -> None:
    """In the forked process: what the interpreter does before and while it runs a program."""
    os.environ.update(environment)
    tempfile.tempdir = None  # to be found again, in this environment
    os.chdir(folder)
    with open(said, "ab", buffering=0) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.stdout.reconfigure(line_buffering=True)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    is_file = program.endswith(".py")
    sys.argv = [program, *arguments]
    sys.orig_argv = [sys.executable, *([] if is_file else ["-m"]), *sys.argv]
    sys.path.insert(0, str(Path(program).parent) if is_file else folder)
    if is_file:
        runpy.run_path(program, run_name="__main__")
    else:
        runpy.run_module(program, run_name="__main__", alter_sys=True)
