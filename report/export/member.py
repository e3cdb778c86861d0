"""Which network of a run is exported, and with which weights."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from evaluators.fold import Foldable, Folded, fold
from evaluators.formats.agreement import probe, settled
from registry import nearest
from report.front import Comparison, Network
from report.run import Run, Trial
from search.objectives import Objective, point
from space import Arch, build
from space.weights import Weights, read

NAMED = ("best", "knee", "baseline")
KNEE = """the network of the front that is farthest from the line between the front's ends, towards the better side, each objective
scaled so that the front goes from 0 to 1; of three objectives and more, the one with the smallest sum of them"""


class NoWeights(ValueError):
    """A trial that has none: its architecture can be exported, nothing else."""


@dataclass(frozen=True)
class Chosen:
    """A trial, and the network (its architecture under all seeds) as it stands in the run; None where that is not made of this
    trial, as it failed or was trained less far than another seed: their figures are not its own."""

    run: Run
    comparison: Comparison
    trial: Trial
    network: Network | None

    @property
    def arch(self) -> Arch:
        return self.trial.arch


@dataclass(frozen=True)
class Member:
    """A network ready to be written: in evaluation mode, on the CPU. `width` is the part of the channels that it was trained with;
    `weights` says in words where they come from."""

    chosen: Chosen
    arch: Arch
    module: nn.Module
    classes: int
    input_size: tuple[int, int]
    width: float
    weights: str
    trained: bool
    class_names: tuple[str, ...] = ()
    folded: Folded | None = None
    before: nn.Module | None = None  # the network as it was trained, where it was folded since

    @property
    def pixels(self) -> str:
        return getattr(self.module, "pixels", "imagenet")


def chosen(run: Run, comparison: Comparison, name: str) -> Chosen:
    """The trial that `best`, `knee`, `baseline` or a number names; ValueError where the run has no such trial."""
    if not run.trials:
        raise ValueError(f"{run.directory}: no trials yet; there is nothing to export")
    if name not in NAMED and not name.isdigit():
        raise ValueError(f"--trial: '{name}'; {nearest(name, list(NAMED))} Or a trial's number, 0 to {run.trials[-1].number}")
    if name.isdigit() or name == "baseline":
        number = int(name) if name.isdigit() else run.trials[0].number
        trial = next((trial for trial in run.trials if trial.number == number), None)
        if trial is None:
            raise ValueError(f"--trial: no trial {number} in {run.name}; it has {len(run.trials)}, 0 to {run.trials[-1].number}")
        return Chosen(run, comparison, trial, next((n for n in comparison.networks if trial.number in n.trials), None))
    if not comparison.front:
        raise ValueError(f"--trial {name}: {run.name} has no front yet, as no trial has ended well; allowed now: a trial's number")
    network = comparison.front[0] if name == "best" else knee(comparison.front, run.goals)
    trials = [trial for number in network.trials for trial in run.trials if trial.number == number]
    return Chosen(run, comparison, next((trial for trial in trials if checkpoint(run, trial)), trials[0]), network)


def knee(front: Sequence[Network], goals: Sequence[Objective]) -> Network:
    """KNEE. With two objectives the ends are (0, 1) and (1, 0), so the distance to their line grows as the sum falls."""
    points = [at for network in front if (at := point(network.measurements, goals)) is not None]
    lows, highs = [min(axis) for axis in zip(*points, strict=True)], [max(axis) for axis in zip(*points, strict=True)]
    sums = [sum((x - low) / ((high - low) or 1.0) for x, low, high in zip(at, lows, highs, strict=True)) for at in points]
    return front[sums.index(min(sums))]


def checkpoint(run: Run, trial: Trial) -> Path | None:
    """The file with the weights of a trial's furthest rung; None where it kept none."""
    folder = run.directory / "checkpoints" / str(trial.number)
    return next((file for rung in range(trial.rung, 0, -1) if (file := folder / f"rung_{rung}.pt").is_file()), None)


def loaded(found: Chosen, *, input_size: tuple[int, int], source: str = "trained", classes: int | None = None) -> Member:
    """The network of a trial for images of `input_size`. `source`: `trained` (its checkpoint), `none` (fresh ones) or a file.
    NoWeights where the trial kept none, ValueError where a file is of another network. `classes`: of a fresh one."""
    if source == "none":
        if classes is None:
            raise ValueError("--weights none: the run does not say how many classes its data have; give --classes")
        module = settled(_built(found.arch, classes, input_size, 1.0), probe(input_size))  # else any two forms of it would agree
        return Member(found, found.arch, module, classes, input_size, 1.0, "none: untrained", trained=False)
    file = checkpoint(found.run, found.trial) if source == "trained" else Path(source)
    if file is None:
        which = f"trial {found.trial.number} of {found.run.name}"
        raise NoWeights(f"{which} {_why(found.trial)}: only its architecture can be exported")
    weights = read(file)
    if weights.arch != found.arch:
        raise ValueError(f"--weights: {file} is of {weights.arch}, but trial {found.trial.number} is {found.arch}")
    if weights.missing:
        raise ValueError(f"--weights: {file} lacks {', '.join(weights.missing)}: train with init={file} first")
    words = f"{file.name} of trial {found.trial.number} (seed {found.trial.seed})" if source == "trained" else str(file)
    member = Member(found, found.arch, nn.Identity(), weights.classes, input_size, weights.width, words, trained=True)
    return replace(member, module=_filled(weights, input_size))


def check_size(member: Member) -> None:
    """ValueError where the network does not take images of the member's size; only shapes are computed."""
    height, width = member.input_size
    image = torch.empty(1, 3, height, width, device="meta")
    try:
        with torch.no_grad():
            copy.deepcopy(member.module).to("meta")(image)
    except NotImplementedError:
        return  # a network that looks at values (PET) has no shapes without them
    except (ValueError, RuntimeError) as error:
        given = f"--size: {height} x {width}; the network does not take it: {str(error).splitlines()[0]}"
        raise ValueError(f"{given}. Nothing was written") from None


def folded(member: Member) -> Member:
    """The same with every reparametrisation that applies; ValueError where one changes the outputs."""
    done = fold(Foldable(member.module, member.arch, member.classes, member.input_size, member.width))
    return replace(member, arch=done.result.arch, module=done.result.network, folded=done, before=member.module)


def _filled(weights: Weights, input_size: tuple[int, int]) -> nn.Module:
    """The checkpoint's tensors in a network for images of that size."""
    if tuple(weights.image_size) == tuple(input_size):
        return copy.deepcopy(weights.network())
    module = _built(weights.arch, weights.classes, input_size, weights.width)
    wanted = module.state_dict()
    unfit = [name for name, tensor in weights.state.items() if name not in wanted or wanted[name].shape != tensor.shape]
    if unfit:
        sizes = [" ".join(map(str, size)) for size in (weights.image_size, input_size)]
        given = f"'{unfit[0]}' was trained for images of {sizes[0]} and does not fit {sizes[1]}"
        raise ValueError(f"{given}; export with --size {sizes[0]}")
    module.load_state_dict(weights.state, strict=False)
    return module


def _built(arch: Arch, classes: int, input_size: tuple[int, int], width: float) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build(arch, classes, image_size=input_size, width=width).eval()


def _why(trial: Trial) -> str:
    """Why a trial has no weights, and what would have given it some."""
    if trial.kind in ("infeasible", "failed", "measured", "open"):
        told = {"measured": "was not trained", "open": "has not ended", "infeasible": "was over a limit", "failed": "failed"}
        return f"has no weights ({told[trial.kind]}{f': {trial.reason}' if trial.reason else ''})"
    return "kept no checkpoint (a search keeps them with search.keep=true; search=archs always does)"
