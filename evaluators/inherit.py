"""Trained weights as the start of a candidate: a published checkpoint, or what another trial of the run left behind."""

import functools
import hashlib
from pathlib import Path

import torch
from torch import nn

from evaluators.api import Measurements
from space.weights import Taken, Weights, read, take

PARENT = "parent"
"""`init=parent`: each candidate begins with the weights of the nearest trained one."""

LEFT = "weights.pt"
"""What a trial leaves in its directory for others to begin with: its weights alone, without the optimizer's state."""


def inherit(network: nn.Module, file: Path) -> Measurements:
    """Bring whatever fits from a checkpoint into a freshly built network; what was taken, as measurements.

    `init_percent` is the part of the parameters that was taken, `inherited_epochs` how long they had been trained in trials of
    Paredown (0 for a published file), `init` says in words what was taken, converted and left fresh.
    """
    taken: Taken = take(network, weights_of(file))
    return {"init_percent": 100 * taken.part, "inherited_epochs": epochs_of(file), "init": taken.summary}


def weights_of(file: Path) -> Weights:
    """The checkpoint in a file; ValueError where `init` names none."""
    if not file.is_file():
        raise ValueError(f"init: no file {file}; allowed: a checkpoint's file, or '{PARENT}'")
    return _read(str(file), file.stat().st_mtime_ns)


@functools.lru_cache(maxsize=2)
def _read(file: str, _modified: int) -> Weights:
    """A checkpoint is read once in each worker: every candidate begins with the same one, or with one of a few parents."""
    return read(Path(file))


def leave(directory: Path, rung: int, *, epochs: int) -> None:
    """Keep the weights of a finished rung (and their moving average where there is one) for later candidates. What this training
    left once stays, however far it goes on: others may have begun with it, and must find it again when they are continued."""
    content = torch.load(directory / f"rung_{rung}.pt", map_location="cpu", weights_only=True, mmap=True)
    kept = directory / LEFT
    if kept.is_file() and torch.load(kept, map_location="cpu", weights_only=True, mmap=True)["key"] == content["key"]:
        return
    state = {name: content["state"][name] for name in ("network", "average")}
    part = kept.with_suffix(".part")
    torch.save({**content, "state": state, "made": {**content["made"], "epochs": epochs}}, part)
    part.replace(kept)


def epochs_of(file: Path) -> int:
    """Epochs behind the weights that a trial left; 0 where the file does not say."""
    if file.name != LEFT:
        return 0
    return int(torch.load(file, map_location="cpu", weights_only=True, mmap=True)["made"].get("epochs", 0))


def digest(network: nn.Module) -> str:
    """A hash of every value of a network: what a training that began with them depends on."""
    hashed = hashlib.sha1()
    for name, tensor in network.state_dict().items():
        hashed.update(name.encode())
        hashed.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return hashed.hexdigest()
