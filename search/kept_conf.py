"""config.yaml of a run directory: what was asked for. A run goes on only under the configuration that it began with."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from search.command_line import HOW_LONG, key_of
from space import Space

FREE = ("run", "results", "choices.launch", "launch", *HOW_LONG)
"""Keys that may change when a run goes on: where it lies, what launches it, how long it is."""

TRAINING = ("space", "task", "data", "schedule", "latency", "device", "init")
"""Keys that say how candidates are trained and measured: a recorded table has done that."""


def refuse_training(table: str, overrides: Iterable[str], experiment: Path | None) -> None:
    """ValueError where the command line or an experiment's file says how to train or to time beside a table, which has done so."""
    said = [(item, key_of(item)) for item in overrides]
    if experiment is not None:
        content = yaml.safe_load(experiment.read_text()) or {}
        groups = [key for item in content.get("defaults") or [] if isinstance(item, Mapping) for key in item]
        keys = [*content, *(key.split()[-1].lstrip("/") for key in groups)]
        said += [(f"{key} ({experiment})", key_of(key)) for key in keys]
    for item, key in said:
        if key.split(".")[0] in TRAINING:
            raise ValueError(f"{item}: there is nothing to train or to time beside +table={table}, its trainings are recorded")


def kept(
    values: Mapping[str, Any], choices: Mapping[str, Any], space: Space, *, objectives: Mapping[str, str], numbers: str = ""
) -> dict[str, Any]:
    """Of a configuration in plain values what config.yaml holds: with the option taken of each group and the objectives by their
    measurements' names, without what this run has no use for. A table's choices are written out as a space; `numbers` stands for
    what it records."""
    table = values.get("table")
    unused = {"hydra", "table"} if table is None else {"hydra", *TRAINING}
    taken = {group: name for group, name in choices.items() if group.split("/")[0] not in unused}
    found = {key: value for key, value in values.items() if key not in unused}
    found["search"] = {**found["search"], "objectives": dict(objectives)}
    if table is not None:
        rungs = [{k: v for k, v in rung.items() if k != "loss" or v} for rung in table["rungs"]]  # an older run knew of no losses
        found["table"] = {**table, "rungs": rungs, "file": space.origin[3], "numbers": numbers}
        found["space"] = {"network": space.network, "arch": space.origin[0].arch}
    return {"choices": taken, **found}


def keep_conf(directory: Path, conf: Mapping[str, Any], *, defaults: Mapping[str, Any]) -> None:
    """Write config.yaml, or compare with the one there: ValueError shows each difference and the way out.

    `defaults` has the groups' default values: a key that an older version did not know had its default then.
    """
    file = directory / "config.yaml"
    if file.is_file():
        differences = list(changes(yaml.safe_load(file.read_text()) or {}, conf, defaults=defaults))
        if differences:
            shown = "\n".join(f"  {name}: it began with {before}, now {after}" for name, before, after in differences)
            out = "Give this search a run of its own: run=<other name>"
            raise ValueError(f"{directory} was begun with another configuration:\n{shown}\n{out}")
    part = file.with_suffix(".part")
    part.write_text(yaml.safe_dump(dict(conf), sort_keys=False, width=120))
    part.replace(file)


def changes(before: Mapping[str, Any], after: Mapping[str, Any], *, defaults: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """(dotted key, value before, value after) of every key that differs and is not free to."""
    old, new, unsaid = dict(leaves(before)), dict(leaves(after)), dict(leaves(defaults))
    for name in [*old, *(name for name in new if name not in old)]:
        free = any(name == key or name.startswith(f"{key}.") for key in FREE)
        was, now = old.get(name, unsaid.get(name, "absent")), new.get(name, "absent")
        if not free and was != now:
            yield name, was, now


def leaves(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted key and value of everything that is no mapping; an empty mapping is a value too."""
    if not isinstance(node, Mapping) or not node:
        yield path, node
        return
    for key, value in node.items():
        yield from leaves(value, f"{path}.{key}" if path else str(key))
