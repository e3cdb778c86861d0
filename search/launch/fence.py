"""Workers of a killed run may live on for a moment. They must not write beside the workers of the next one.

Every worker holds the fence file shared for as long as its process lives (it opens the file itself: a descriptor would be
inherited by forks). A starting driver takes the file exclusively, so it waits for all of them, and writes its own token into it; a
worker that comes too late finds another token and gives up.
"""

import fcntl
import os
import time
import uuid
from collections.abc import Callable
from pathlib import Path

FENCE = ".workers"
_held: dict[tuple[str, str], int] = {}  # (run directory, token) -> open file of this worker process


def raise_fence(run_dir: Path, notify: Callable[[str], None]) -> str:
    """Wait until no worker of an earlier start is left, then shut out late ones. Returns the token for this start's workers."""
    handle = os.open(run_dir / FENCE, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not _exclusive(handle):
            notify("waiting for the workers of the previous start to end")
            while not _exclusive(handle):
                time.sleep(0.2)
        token = uuid.uuid4().hex
        os.pwrite(handle, token.encode(), 0)
        return token
    finally:
        os.close(handle)


def hold_fence(run_dir: Path, token: str) -> None:
    """Called in a worker before its first trial; the hold ends with the process. RuntimeError where a later start took over."""
    if (str(run_dir), token) in _held:
        return
    handle = os.open(run_dir / FENCE, os.O_RDWR)
    fcntl.flock(handle, fcntl.LOCK_SH)
    if os.pread(handle, 32, 0).decode() != token:
        os.close(handle)
        raise RuntimeError(f"{run_dir}: a later start of this run took over")
    _held[str(run_dir), token] = handle


def _exclusive(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
