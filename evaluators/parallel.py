"""Several processes for one trial: started, listened to and ended by the process that the trial runs in.

That process trains nothing itself, so that it can always end the others, even those that wait on a device for one that is lost.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any

import torch
import torch.distributed as dist

from evaluators.crew import Crew
from evaluators.schedule import Schedule
from evaluators.train import TrialFailed, out_of_memory

Work = Callable[[str, Crew], Iterator[Any]]
"""(device, crew) -> what it yields. Picklable; it calls what `Crew` offers in the same order in every process."""

LONG = timedelta(days=365)
"""Nobody's silence means anything: a process that is lost is seen by its end, and one that scores may take its time."""

GRACE_S = 2.0
"""An error may only follow from the end of another process: it is told when that has been seen."""


def check_parallel(schedule: Schedule, processes: int, device: str) -> None:
    """ValueError where so many processes cannot train one network together."""
    batch = schedule.batch_size
    if batch % processes:
        lower = batch - batch % processes
        near = " or ".join(str(size) for size in (lower, lower + processes) if size)
        raise ValueError(
            f"schedule.batch_size: {batch} given, but {processes} processes train a trial, each on its share; "
            f"allowed: a multiple of {processes}, such as {near}"
        )
    if processes > 1 and device not in ("auto", "cpu", "cuda"):
        raise ValueError(f"device: '{device}' given, but {processes} processes train a trial; allowed: auto, cuda or cpu")


def together(work: Work, *, size: int, device: str) -> Iterator[Any]:
    """Yield what `work` yields in the first of `size` processes, all of which run it. On GPUs each has one of its own.

    No process outlives this generator, nor the process that it runs in. Raises TrialFailed where that is raised in one of them,
    where its memory runs out or it ends by itself; RuntimeError with the traceback of anything else.
    """
    if torch.device(device).type == "cuda" and torch.cuda.device_count() < size:
        seen = torch.cuda.device_count()
        raise ValueError(f"{size} processes train a trial, each on a GPU of its own, but this one was given {seen} GPUs")
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        members = {}
        for rank in range(size):
            member = stack.enter_context(started(rank))
            members[member.line] = member
            own = f"cuda:{rank}" if torch.device(device).type == "cuda" else device
            member.line.send(Orders(work, Crew(rank, size), own, f"file://{folder}/store"))
        while members:
            for line in wait(list(members)):
                kind, what = members[line].said(size)
                if kind == "yielded":
                    yield what
                elif kind == "ended":
                    del members[line]
                else:
                    raise TrialFailed(*what) if kind == "failed" else RuntimeError(what)


@dataclass(frozen=True)
class Orders:
    """What a process is told when it starts; `store` is where it meets the others."""

    work: Work
    crew: Crew
    device: str
    store: str


@dataclass(frozen=True)
class Member:
    """A process of a crew, as seen by the one that started it."""

    rank: int
    process: subprocess.Popen[bytes]
    line: Connection

    def said(self, size: int) -> tuple[str, Any]:
        """The next that it says, once there is something: ("yielded", what), ("ended", None), ("failed", (kind, text)) or
        ("bug", text)."""
        try:
            return self.line.recv()
        except (EOFError, OSError):
            code = self.process.wait()
            how = f"by {signal.Signals(-code).name} (out of memory, or killed)" if code < 0 else f"with exit status {code}"
            return "failed", ("worker lost", f"process {self.rank + 1} of the {size} that train this trial ended {how}")


@contextlib.contextmanager
def started(rank: int) -> Iterator[Member]:
    """A process that waits for its orders. It and what it starts are killed in the end: they may wait for each other for ever."""
    ours, theirs = Pipe()
    loopback = next((name for _, name in socket.if_nameindex() if name.startswith("lo")), "")
    path = os.pathsep.join(entry for entry in sys.path if entry)
    environment = {"GLOO_SOCKET_IFNAME": loopback, **os.environ, "PYTHONPATH": path}
    code = f"from evaluators.parallel import obey; obey({theirs.fileno()})"
    with ours, theirs:
        process = subprocess.Popen(
            [sys.executable, "-c", code], env=environment, pass_fds=[theirs.fileno()], start_new_session=True
        )
        theirs.close()  # so that its end is seen by the end of the line
        try:
            yield Member(rank, process, ours)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # its number is its own until it is waited for
            process.wait()


def obey(handle: int) -> None:
    """The life of such a process. It stays when it is done, until it is ended: others may still need its end of a connection."""
    line = Connection(handle)
    try:
        orders: Orders = line.recv()
        threading.Thread(target=end_with, args=[line], daemon=True).start()
        meet(orders)
        for found in orders.work(orders.device, orders.crew):
            if orders.crew.leads:
                line.send(("yielded", found))
        line.send(("ended", None))
    except TrialFailed as failure:
        line.send(("failed", failure.args))
    except Exception as error:  # whatever else it is reaches the trial as a bug, with its traceback
        if told := out_of_memory(error):
            line.send(("failed", ("out of memory", told)))
        else:
            time.sleep(GRACE_S)
            line.send(("bug", traceback.format_exc()))
    threading.Event().wait()


def meet(orders: Orders) -> None:
    """Connect the processes: on the CPU by gloo, on GPUs by NCCL too."""
    on_gpu = torch.device(orders.device).type == "cuda"
    if on_gpu:
        torch.cuda.set_device(orders.device)
    dist.init_process_group(
        "cpu:gloo,cuda:nccl" if on_gpu else "gloo",
        init_method=orders.store,
        rank=orders.crew.rank,
        world_size=orders.crew.size,
        timeout=LONG,
    )


def end_with(line: Connection) -> None:
    """End this process and what it started as soon as the one that it works for is gone: that says no second word."""
    line.poll(None)
    os.killpg(0, signal.SIGKILL)
