"""The model card: one README.md for everything that was exported of a network."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from report.export.formats import Exported
from report.export.formats.safetensors import loader
from report.export.measured import Column, rows
from report.export.member import Chosen, Member
from report.names import arch_names
from report.retrain import to_train

PIPELINES = {
    "segmentation": "image-segmentation",
    "classification": "image-classification",
    "detection": "object-detection",
    "counting": "other",
}
PIXELS = {
    "imagenet": "RGB, values 0 to 1, minus (0.485, 0.456, 0.406), divided by (0.229, 0.224, 0.225)",
    "bgr": "channels in the order blue, green, red, values 0 to 255",
}
PUBLISHED = ("full", "ade20k", "imagenet", "voc", "shanghaitech")
"""Schedules that are whole recipes."""

EMBEDDED = ("scenes", "garments", "scene_boxes", "scene_points")


def write_card(
    found: Chosen,
    member: Member | None,
    exported: Mapping[str, Exported],
    columns: Sequence[Column],
    *,
    folder: Path,
    refused: Mapping[str, str],
    notes: Sequence[str],
    metrics: Mapping[str, str],
    command: str,
) -> list[Path]:
    """README.md in `folder`, and in every folder of an export that has a card of its own."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    run, conf = found.run, found.run.conf
    choices = conf.get("choices") or {}
    text = environment.get_template("card.jinja").render(
        arch=found.arch,
        title=f"{arch_names(conf).get(found.arch.id, found.arch.id[:8])} ({found.arch.network})",
        pipeline=PIPELINES.get(str(choices.get("task")), "other"),
        what=_what(found, member),
        columns=columns,
        rows=rows(list(columns), metrics),
        notes=notes,
        files=_files(exported, refused, folder),
        size=" x ".join(map(str, member.input_size if member else conf.get("space", {}).get("input_size", []))),
        pixels=PIXELS.get(member.pixels if member else "imagenet", ""),
        loader=loader(member) if member and "safetensors" in exported else "",
        data=_data(conf),
        schedule=_schedule(conf, found),
        seeds=_seeds(found),
        command=run.command,
        facts=_facts(run.starts[-1] if run.starts else {}),
        again=to_train(run, folder / "arch.yaml"),
        exported_with=command,
        limits=list(_limits(found, member, choices)),
    )
    paths = [folder / "README.md", *(form.card / "README.md" for form in exported.values() if form.card)]
    for path in paths:
        path.write_text(text)
    return paths


def _what(found: Chosen, member: Member | None) -> str:
    place = f"number {found.network.rank} of its front" if found.network and found.network.rank else "not on its front"
    told = f"Trial {found.trial.number} of the run {found.run.name}, {place}; architecture {found.arch.id}."
    if member is None:
        return f"{told} Architecture only."
    folded = [f"{what} ({places})" for what, places in (member.folded.done if member.folded else {}).items()]
    names = f": {', '.join(member.class_names)}" if member.class_names else ""
    told += f" Weights: {member.weights}; {member.classes} classes{names}."
    apart = f"{member.folded.apart:.1g} of the largest output away" if member.folded else ""
    return told + (f" Folded, outputs {apart}: {'; '.join(folded)}." if folded else "")


def _files(exported: Mapping[str, Exported], refused: Mapping[str, str], folder: Path) -> list[str]:
    lines = []
    for name, form in exported.items():
        names = ", ".join(f"`{file.relative_to(folder)}`" for file in form.files)
        checks = ", ".join(f"{what}: {apart:.1g}" for what, apart in form.apart.items())
        told = f" Outputs against the eager network's, as a share of the largest: {checks}." if checks else ""
        lines.append(f"{name}: {names}.{told}{f' {form.note}.' if form.note else ''}")
    return [*lines, *(f"{name}: not written. {why}" for name, why in refused.items())]


def _data(conf: Mapping[str, Any]) -> str:
    name, data = str((conf.get("choices") or {}).get("data", "the run does not say")), conf.get("data") or {}
    plain = {key: value for key, value in data.items() if isinstance(value, str | int) and not isinstance(value, bool)}
    told = ", ".join(f"{key} {value}" for key, value in plain.items())
    return f"{name}{f' ({told})' if told else ''}"


def _schedule(conf: Mapping[str, Any], found: Chosen) -> str:
    recipe, rung = conf.get("schedule") or {}, found.trial.rung
    rungs = recipe.get("rungs") or []
    epochs = rungs[rung - 1] if 0 < rung <= len(rungs) else 0
    names = ("image_size", "width", "sample_fraction", "batch_size", "optimizer", "lr", "lr_schedule", "weight_decay", "ema")
    told = ", ".join(f"{name} {recipe[name]}" for name in names if name in recipe)
    kept = found.trial.measurements.get("best_epoch")
    best = f" (the weights are of epoch {kept}, the best)" if kept else ""
    name = (conf.get("choices") or {}).get("schedule", "of the run")
    return f"{name}, {epochs} epochs of {rungs[-1] if rungs else 0}{best}; {told}"


def _seeds(found: Chosen) -> str:
    numbers = found.network.trials if found.network else (found.trial.number,)
    seeds = [trial.seed for trial in found.run.trials if trial.number in numbers]
    spread = found.network.deviation if found.network else {}
    told = [f"{goal.name} {spread[goal.name]:.2g}" for goal in found.run.goals if goal.name in spread]
    of_one, of_several = "one, so the spread between seeds is not known", "the claimed figures are their mean"
    deviation = f"; standard deviation {', '.join(told)}" if told else ""
    return f"{', '.join(map(str, seeds))} ({of_one if len(seeds) == 1 else of_several}{deviation})"


def _facts(start: Mapping[str, Any]) -> str:
    """Commit, device and versions of the newest start."""
    commit = [f"commit {start['commit']}"] if start.get("commit") else []
    device = [str(start["device"])] if start.get("device") else []
    return ", ".join([*commit, *device, *(f"{name} {version}" for name, version in (start.get("versions") or {}).items())])


def _limits(found: Chosen, member: Member | None, choices: Mapping[str, Any]) -> list[str]:
    conf, lines = found.run.conf, []
    recipe = conf.get("schedule") or {}
    if member is None or not member.trained:
        lines.append("No trained weights: nothing that it answers means anything.")
    if choices.get("schedule") not in PUBLISHED:
        lines.append("A short schedule ranks candidates. What the network reaches when trained in full is not known from it.")
    if member and member.width != 1.0:
        thin = f"The weights are of the thin network that was trained: {member.width:g} of the channels."
        lines.append(f"{thin} The run's cost and latency are of the full one; train that by itself before you ship it.")
    trained_at = recipe.get("image_size")
    if member and trained_at and tuple(member.input_size) != (trained_at, trained_at):
        size = " x ".join(map(str, member.input_size))
        lines.append(f"It has only seen images of {trained_at} x {trained_at}; its files take {size}.")
    if choices.get("data") in EMBEDDED:
        lines.append("The embedded data are real pixels in a generated layout: they tell architectures apart, no more.")
    lines.append("Latency is of one device, runtime and input size; measure on yours.")
    return lines
