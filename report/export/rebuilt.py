"""The typed parts of a run, from its config.yaml: what its networks were trained on, how, and what timed them."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from evaluators.data import DATA
from evaluators.latency import BACKENDS
from evaluators.schedule import Schedule
from evaluators.task import TASKS
from registry import Registry


@dataclass(frozen=True)
class Parts:
    """Task, data, schedule and latency of a run."""

    task: Any
    data: Any
    schedule: Schedule
    latency: Any


def parts(conf: Mapping[str, Any]) -> Parts:
    """As the run had them; ValueError where config.yaml does not say."""
    if absent := [group for group in ("task", "data", "schedule", "latency") if group not in conf]:
        raise ValueError(f"config.yaml of the run has no {', '.join(absent)}: it is an old one, or its trainings were recorded")
    whole = OmegaConf.create({key: value for key, value in conf.items() if key != "space"})
    whole.latency.also = {}  # one backend tells what a file is worth
    try:
        OmegaConf.resolve(whole)
        task = _made(whole, "task", TASKS)
        data = _made(whole, "data", DATA, target=task.target)
        return Parts(task, data, _typed(Schedule, whole.schedule), _made(whole, "latency", BACKENDS))
    except OmegaConfBaseException as error:
        raise ValueError(f"config.yaml of the run: {str(error).splitlines()[0]}") from None


def _made(whole: Any, group: str, registry: Registry[Any], **having: str) -> Any:
    """An option of a group. A yaml of the user's own has a name that no class bears: its keys, and what the class is `having`, tell
    which one it is."""
    name, keys = (whole.get("choices") or {}).get(group, ""), set(whole[group] or {})
    if name in registry:
        return _typed(registry[name], whole[group])
    fitting = [option for option in registry if {field.name for field in fields(registry[option])} == keys]
    fitting = [option for option in fitting if all(getattr(registry[option], key) == value for key, value in having.items())]
    if len(fitting) != 1:
        raise ValueError(f"config.yaml of the run: {group} '{name}' is of no known kind; known: {', '.join(registry)}")
    return _typed(registry[fitting[0]], whole[group])


def _typed(kind: type, values: Any) -> Any:
    node = OmegaConf.structured(kind)
    for part in fields(kind):
        if not OmegaConf.is_missing(node, part.name) and OmegaConf.is_config(node[part.name]):
            OmegaConf.set_readonly(node[part.name], None)  # a frozen dataclass in a field (schedule.distill) counts as read-only
    return OmegaConf.to_object(OmegaConf.merge(node, values or {}))
