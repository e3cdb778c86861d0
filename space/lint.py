"""Looks a whole space over before any time is spent on it: does every member build and run, and can every option occur?"""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from space.arch import Arch, build_measured
from space.members import Space
from space.size import Size

BREAKS = (RuntimeError, ValueError, TypeError, AssertionError, LookupError, ArithmeticError, AttributeError)
"""What a block that cannot take its place raises while it is built or run."""

ENOUGH = 100  # allowed samples per option of a hole, before an option that none of them took counts as dead


@dataclass(frozen=True)
class LintReport:
    """What lint found. Costs are of the members it looked at; `shapes` counts them by the shape of their output."""

    space: str
    size: Size
    holes: int
    looked_at: int
    costs: dict[str, tuple[float, float, float]]
    """Measurement (params_m; macs_g where it was asked for) -> lowest, baseline's, highest."""
    shapes: dict[str, int]
    broken: tuple[tuple[str, str], ...]
    """(which member, what it raised)."""
    dead: tuple[str, ...]
    left_out: tuple[str, ...]

    @property
    def healthy(self) -> bool:
        return not (self.empty or self.broken or self.dead)

    @property
    def empty(self) -> bool:
        """Whether the rules leave no member at all."""
        return self.size.exact and not self.size.count

    def text(self) -> str:
        """The report for a console."""
        lines = [f"{self.space}: {self.size}, {self.holes} holes; looked at {self.looked_at} of them on the meta device"]
        lines += [f"  {name}: {low:.4g} to {high:.4g} (baseline {base:.4g})" for name, (low, base, high) in self.costs.items()]
        lines += [f"  output {shape}: {count} members" for shape, count in self.shapes.items()]
        lines += [f"  outside this narrowed space: {name}" for name in self.left_out]
        lines += ["  empty: the rules leave no member"] if self.empty else []
        lines += [f"  dead choice: {choice}" for choice in self.dead]
        lines += [f"  broken: {member}: {error}" for member, error in self.broken]
        return "\n".join(
            [*lines, "  healthy" if self.healthy else f"  {len(self.dead)} dead choices, {len(self.broken)} broken members"]
        )


def lint(
    space: Space,
    *,
    classes: int,
    samples: int = 32,
    seed: int = 0,
    macs: Callable[[Arch], float] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> LintReport:
    """Build and run (shapes only, meta device, batch 1, eval) the baseline, its one-step changes and `samples` random members.

    `macs` gives an architecture's multiply-adds in G; `progress` is told (done, of how many).
    """
    members = dict(_members(space, samples, random.Random(seed)))
    costs: dict[str, dict[str, float]] = {"params_m": {}} | ({"macs_g": {}} if macs else {})
    shapes: Counter[str] = Counter()
    broken = []
    for done, (label, arch) in enumerate(members.items(), 1):
        try:
            params_m, shape = _run(arch, classes, space.input_size)
            costs["params_m"][label] = params_m
            shapes[shape] += 1
            if macs:
                costs["macs_g"][label] = macs(arch)
        except BREAKS as error:
            broken.append((label, f"{type(error).__name__}: {error}"))
        if progress:
            progress(done, len(members))
    ranges = {name: (min(of.values()), of.get("baseline", float("nan")), max(of.values())) for name, of in costs.items() if of}
    found = tuple(broken), tuple(_dead(space)), space.left_out
    return LintReport(space.name, space.size(), len(space.holes()), len(members), ranges, dict(shapes), *found)


def _members(space: Space, samples: int, rng: random.Random) -> Iterator[tuple[str, Arch]]:
    yield "baseline", space.baseline
    size = space.size()
    if size.exact and not size.count:
        return
    start = space.baseline
    if not space.baseline_inside:
        start = space.sample(rng)
        yield "start of the changes (the baseline is outside)", start
    for change in space.changes(start):
        yield f"{change.name}: {change.before} -> {change.after}", change.arch
    for n in range(1, samples + 1):
        arch = space.sample(rng)
        yield f"random member {n} ({arch.id[:8]})", arch


def _run(arch: Arch, classes: int, input_size: tuple[int, int]) -> tuple[float, str]:
    """Parameters in M and the output's shape."""
    with torch.device("meta"), torch.no_grad():
        network = build_measured(arch, classes, image_size=input_size).eval()
        output = network(torch.empty(1, 3, *input_size))
    return sum(p.numel() for p in network.parameters()) / 1e6, _shape(output)


def _shape(output: object) -> str:
    if isinstance(output, torch.Tensor):
        return str(tuple(output.shape))
    items = output.values() if isinstance(output, dict) else output if isinstance(output, list | tuple) else ()
    return f"[{', '.join(map(_shape, items))}]"


def _dead(space: Space) -> Iterator[str]:
    """Options that the rules let no member take; of rules too many to list, those that enough samples never took."""
    joints = {name: joint for joint in space.joints for name in joint.holes}
    closed: list[str] = []  # beginnings of the names of holes that only a dead option opens
    for hole in space.holes():
        if hole.name not in joints or hole.name.startswith(tuple(closed)):
            continue
        joint = joints[hole.name]
        unseen = [option for option in hole.options if (hole.name, str(option)) not in joint.seen]
        if joint.exact or joint.hits >= ENOUGH * len(hole.options):
            closed += [f"{hole.name}.{option}." for option in unseen]
            yield from (
                f"{hole.name}: {option} ({'by the rules' if joint.exact else 'in no sample of its rules'})" for option in unseen
            )
