"""Who may use a device now. A latency measurement has its device to itself; training steps share it and give way.

Two lock files per device. A measurement takes `gate` exclusively, then `device` exclusively. A training step passes through `gate`
(shared, released at once), then holds `device` shared. A waiting measurement therefore holds the gate shut and waits for the
steps already under way, one of each trainer at most; under a single lock four trainers would starve it.
The kernel drops a dead holder's locks, so nothing has to be cleaned up after a kill.
"""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch


def device_key(device: str) -> str:
    """The physical device behind a torch device: a GPU's UUID (the same whatever CUDA_VISIBLE_DEVICES says), `cpu`, `mps`."""
    if torch.device(device).type != "cuda":
        return torch.device(device).type
    return f"gpu-{torch.cuda.get_device_properties(device).uuid}"


def lock_folder() -> Path:
    """This user's lock files on this host. Not in XDG_RUNTIME_DIR: a logout empties it under a run in the background."""
    folder = Path(tempfile.gettempdir()) / f"paredown-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


@contextmanager
def _held(path: Path, mode: int) -> Iterator[None]:
    """Hold a lock on a file opened here and now. Unlocked before it is closed: a process forked meanwhile shares the open file."""
    with path.open("a") as file:
        fcntl.flock(file, mode)
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)


@dataclass(frozen=True)
class DeviceTurns:
    """Turns on one device among all processes of this user on this host. Picklable. Turns are not nested: no lock is upgraded.

    device: a torch device string. folder: where the lock files are; None is this user's own.
    """

    device: str
    folder: Path | None = None

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """The device to oneself: waits for the steps under way, holds off the next ones and any other measurement."""
        gate, device = self._files()
        with _held(gate, fcntl.LOCK_EX), _held(device, fcntl.LOCK_EX):
            yield

    @contextmanager
    def training_step(self) -> Iterator[None]:
        """One step (of training or scoring) beside those of other trials. Our work on the device is done when the turn ends."""
        gate, device = self._files()
        with _held(gate, fcntl.LOCK_SH):
            pass
        with _held(device, fcntl.LOCK_SH):
            try:
                yield
            finally:
                if torch.device(self.device).type == "cuda":
                    torch.cuda.synchronize(self.device)

    def _files(self) -> tuple[Path, Path]:
        folder = lock_folder() if self.folder is None else self.folder
        key = device_key(self.device)
        return folder / f"{key}.gate", folder / f"{key}.device"
