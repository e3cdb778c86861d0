"""Claimed and shipped: what the run measured of a network, and what the network and its files give now, side by side."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from evaluators.api import Measurements
from evaluators.cost import COUNTERS
from evaluators.latency import CannotRun, Paired
from evaluators.latency.torch import Torch
from evaluators.score import score
from report.export.formats import Exported
from report.export.member import Chosen, Member
from report.export.rebuilt import Parts
from report.export.running import FileNetwork, OnnxNetwork, ShippedOnnx, in_batches
from report.figures import figure
from space import build, build_measured

COSTS = ("params_m", "macs_g")
LATENCY = ("latency_ms", "latency_ratio")
LONGEST_S = 10.0
"""Seconds that one timing may take."""


@dataclass(frozen=True)
class Column:
    """What one form of the network gave. `name`: claimed, or which form was measured here; `how`: on what, in words."""

    name: str
    how: str
    measurements: Measurements


@dataclass(frozen=True)
class First:
    """The first `count` images of a split."""

    samples: Any
    count: int

    @property
    def uniform(self) -> bool:
        return self.samples.uniform

    def __len__(self) -> int:
        return min(self.count, len(self.samples))

    def __getitem__(self, index: int) -> Any:
        return self.samples[index]


def costs(module: nn.Module, input_size: tuple[int, int]) -> dict[str, float | None]:
    """Parameters and multiply-adds of the network as it ships, by the counters of the search."""
    there = as_measured(module).to("meta")
    with torch.no_grad():
        return {name: COUNTERS[name](there, torch.empty(1, 3, *input_size, device="meta")) for name in COSTS}


def claimed(picked: Chosen) -> Column:
    """What the run says of the trial; seeds are averaged where the architecture was trained under several."""
    found = picked.network.measurements if picked.network else picked.trial.measurements
    schedule = picked.run.conf.get("schedule") or {}
    how = [timed_on(found)] if "latency_device" in found else []
    seeds = len(picked.network.trials) if picked.network else 1
    how += [f"mean of {seeds} seeds"] if seeds > 1 else []
    how += [f"images of {schedule['image_size']} when scored"] if "image_size" in schedule else []
    how += [f"{schedule['width']:g} of the channels when scored, all of them when timed"] if schedule.get("width", 1) != 1 else []
    return Column("claimed", "; ".join(how), found)


def shipped(
    member: Member,
    parts: Parts,
    exported: Mapping[str, Exported],
    *,
    images: int | None,
    done: Callable[[str, int, int], object],
    notes: list[str],
) -> list[Column]:
    """The network itself and each file that runs, scored on the run's validation split at the file's size and timed beside the
    run's baseline. `images`: only so many of the split. `done` is told (what, image, of how many) as it goes on, `notes` takes what
    could not be measured."""
    settings, size = quickly(parts.latency), member.input_size
    threads, reference = Torch(**settings).resolved_threads, baseline(member)
    judged = split(parts, size, images, notes) if member.trained else None
    eager = {"unfolded": member.before, "eager": member.module} if member.before is not None else {"eager": member.module}
    networks = {**eager, **{name: form.runs(threads) for name, form in exported.items() if form.runs}}
    columns = []
    for name, network in networks.items():
        on_file = isinstance(network, OnnxNetwork)
        timer = (ShippedOnnx if on_file else Torch)(**settings)
        found: dict[str, Any] = dict(costs(network, size)) if name in eager else {}
        if judged is not None:
            found |= scored(
                network,
                parts,
                judged,
                classes=member.classes,
                threads=threads,
                done=lambda n, name=name: done(name, n, len(judged)),
            )
        done(f"{name}: latency", 0, 1)
        try:
            found |= timed(timer, network, reference, size)
        except CannotRun as error:
            notes.append(f"{name}: not timed, {error}")
        columns.append(Column(name, timed_on(found) if "latency_ms" in found else "", found))
    return columns


def timed(timer: Any, network: nn.Module, reference: nn.Module, size: tuple[int, int]) -> Measurements:
    """Its latency beside the baseline's. CannotRun where a file does not take batches such as the run times."""
    takes = network.batch_size if isinstance(network, FileNetwork) else None
    if takes not in (None, timer.batch_size):
        why = f"the file takes {takes} image at a time, the run times batches of {timer.batch_size} (latency.batch_size)"
        raise CannotRun(timer.backend, why)
    return timer.measure(as_measured(network), reference, size)


def as_measured(network: nn.Module) -> nn.Module:
    """A copy as cost and latency are taken of it, where a network's work depends on what it sees (see build_measured)."""
    copied = copy.deepcopy(network)
    return copied.for_measuring() if hasattr(copied, "for_measuring") else copied


def scored(
    network: nn.Module, parts: Parts, judged: Any, *, classes: int, threads: int, done: Callable[[int], object]
) -> dict[str, float]:
    """The task's metrics on the CPU, in fp32."""
    device, before, seen = torch.device("cpu"), torch.get_num_threads(), 0

    def counted(images: int) -> None:
        nonlocal seen
        seen += images
        done(seen)

    torch.set_num_threads(threads)
    try:
        scorer = parts.task.scorer(classes, device)
        return score(network, scorer, judged, in_batches(parts.schedule, network), device=device, done=counted)[0]
    finally:
        torch.set_num_threads(before)


def split(parts: Parts, size: tuple[int, int], images: int | None, notes: list[str]) -> Any:
    """The validation images at the file's size; None, and a note, where the data are not here or cannot be brought to it."""
    if size[0] != size[1]:
        notes.append(f"Not scored: data are brought to squares, the files take {size[0]} x {size[1]}")
        return None
    try:
        samples = parts.data.val_set(size[0])
    except (ValueError, OSError) as error:
        notes.append(f"Not scored: {error}")
        return None
    if not samples.uniform:
        notes.append("Not scored: the validation images keep sizes of their own, the files have one")
        return None
    if images and images < len(samples):
        notes.append(f"Scored on the first {images} of {len(samples)} validation images, the claim on all of them")
        return First(samples, images)
    return samples


def quickly(latency: Paired) -> dict[str, Any]:
    """The run's own settings, as far as every backend understands them, on the CPU, with the time that a check may take."""
    names = ("batch_size", "warmup", "warmup_s", "min_pairs", "max_pairs", "width", "disturbed", "threads")
    known = {name: getattr(latency, name) for name in names if hasattr(latency, name)}
    return {**known, "device": "cpu", "max_s": min(latency.max_s, LONGEST_S)}


def baseline(member: Member) -> nn.Module:
    """The run's baseline, as wide as the network that ships: a thin one beside a whole one would look better than it is."""
    arch, size = member.chosen.run.trials[0].arch, member.input_size
    if member.width == 1.0:
        return build_measured(arch, member.classes, image_size=size).eval()
    return build(arch, member.classes, image_size=size, width=member.width).eval()


def timed_on(found: Measurements) -> str:
    """Device, runtime, precision, threads and input of a latency, as far as they were noted."""
    names = ("latency_device", "latency_runtime", "latency_precision", "latency_threads", "latency_input_size")
    device, runtime, precision, threads, size = (found.get(name, "") for name in names)
    told = f"{device}, {runtime or found.get('latency_backend')}, {precision}, {threads} threads"
    told += f", images of {size}" if size else ""
    return f"{told}; other load disturbed the timing" if found.get("latency_disturbed") else told


def rows(columns: list[Column], metrics: Mapping[str, str]) -> list[tuple[str, list[str]]]:
    """The table: a line for each metric, latency and cost that any column has, as text."""
    names = dict.fromkeys([*metrics, *LATENCY, *COSTS])
    shown = [name for name in names if any(isinstance(column.measurements.get(name), int | float) for column in columns)]
    return [(figure(name).label, [text(name, column.measurements.get(name)) for column in columns]) for name in shown]


def text(name: str, value: Any) -> str:
    """As the report writes it; of a thin network's costs the leading digits."""
    small = name in COSTS and isinstance(value, float) and 0 < value < 0.1
    return f"{value:.2g} {figure(name).unit}" if small else figure(name).text(value)
