"""The trained network that candidates learn from, found where `schedule.teacher` says."""

import difflib
import functools
from collections.abc import Callable
from pathlib import Path

from torch import nn

from evaluators.random_state import seeded
from evaluators.schedule import BASELINE
from space import Arch, build
from space.weights import Weights, read, take

RUNG = "rung_*.pt"
BESIDE = 30
"""Files beside one that is missing, of which the nearest is guessed; among more of them a guess says little."""


def located(given: str | None, arch_file: Callable[[str], Path]) -> str | None:
    """`given` with its paths spelled from the root, as a worker's folder may be another; `arch_file` finds that of a named arch.
    ValueError where there is no such teacher."""
    if given in (None, "", BASELINE):
        return given
    arch, at, weights = given.rpartition("@")
    whole = str(Path(weights).expanduser().resolve())
    weights_file(Path(whole))
    if not at:
        return whole
    file = Path(arch) if arch.endswith((".yaml", ".yml")) else arch_file(arch)
    return f"{file.expanduser().resolve()}@{whole}"


def teacher(given: str, *, classes: int, image_size: tuple[int, int]) -> nn.Module:
    """The network in evaluation mode, for images of `image_size`; given as `located` spells it. ValueError where there is none,
    where it is not trained whole, or where it tells other classes apart. It is shared by all who ask in this process."""
    arch, _, weights = given.rpartition("@")
    file = weights_file(Path(weights))
    return _teacher(str(file), file.stat().st_mtime_ns, arch, classes, image_size)


def weights_file(path: Path) -> Path:
    """A file of weights as it is; of a trial's directory the rung that it was trained to last."""
    if path.is_dir():
        rungs = sorted(path.glob(RUNG), key=lambda rung: int(rung.stem.partition("_")[2]))
        if rungs:
            return rungs[-1]
        raise ValueError(
            f"schedule.teacher: {path} has no {RUNG}; allowed: the directory of a trained trial, as in results/.../checkpoints/0"
        )
    if not path.is_file():
        allowed = "baseline, a trial's directory, a checkpoint's file, or <arch>@<checkpoint>"
        raise ValueError(f"schedule.teacher: no file {path}; allowed: {allowed}{guess(path)}")
    return path


def guess(path: Path) -> str:
    """What may have been meant: the one word that is no path, or a file beside the missing one."""
    beside = list(path.parent.iterdir()) if path.parent.is_dir() else []
    known = {BASELINE: BASELINE, **{each.name: str(each) for each in beside if len(beside) <= BESIDE}}
    found = difflib.get_close_matches(path.name, list(known), n=1)
    return f". Did you mean '{known[found[0]]}'?" if found else ""


@functools.lru_cache(maxsize=1)
def _teacher(file: str, _modified: int, arch: str, classes: int, image_size: tuple[int, int]) -> nn.Module:
    """Once in each worker: every candidate has the same one."""
    weights = _read(file)
    if weights.classes != classes:
        raise ValueError(f"schedule.teacher: {file} tells {weights.classes} classes apart; allowed: {classes}, those of the data")
    if weights.missing:
        raise ValueError(
            f"schedule.teacher: {file} is not whole, it lacks {', '.join(weights.missing)}; allowed: a network trained for the task"
        )
    built = Arch.from_yaml(Path(arch)) if arch else weights.arch
    with seeded(0):
        network = build(built, classes, image_size=image_size, width=weights.width)
    taken = take(network, weights)
    if taken.fresh:
        raise ValueError(
            f"schedule.teacher: {file} does not fill its network at {image_size[0]}x{image_size[1]} pixels: {taken.summary}"
        )
    return network.eval()


def _read(file: str) -> Weights:
    try:
        return read(file)
    except ValueError as error:
        raise ValueError(f"schedule.teacher: {error}") from None
