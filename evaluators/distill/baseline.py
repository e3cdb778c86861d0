"""`schedule.teacher=baseline`: one training of the baseline for all candidates of a seed, whichever trial comes to it first."""

import contextlib
import fcntl
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from evaluators.distill.teacher import RUNG
from evaluators.train import TrialFailed


def baseline_directory(trial: Path, seed: int) -> Path:
    """Where the training is, beside the directories of the trials."""
    return trial.parent / f"teacher{seed}"


def trained_once(directory: Path, train: Callable[[], None]) -> None:
    """Train, or find that it was done, while others wait; they find it done, or go on with it if this process dies. TrialFailed
    where it cannot be trained: what ended it once would end it again, so the others are told at once."""
    directory.mkdir(parents=True, exist_ok=True)
    failed = directory / "failed.json"
    with alone(directory / "lock"):
        if failed.is_file():
            raise TrialFailed(*json.loads(failed.read_text()))
        try:
            train()
        except TrialFailed as failure:
            part = failed.with_suffix(".part")
            part.write_text(json.dumps(failure.args))
            part.replace(failed)
            raise


def adopt(directory: Path, trial: Path) -> None:
    """The baseline is a trial itself: what was trained for its pupils is that trial's training."""
    for rung in directory.glob(RUNG):
        if not (trial / rung.name).exists():
            part = trial / f"{rung.name}.part"
            shutil.copyfile(rung, part)
            part.replace(trial / rung.name)


@contextlib.contextmanager
def alone(lock: Path) -> Iterator[None]:
    """One process at a time; the kernel drops a dead holder's lock."""
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)
