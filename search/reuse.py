"""Trainings of earlier runs, taken over where all that shapes a result was the same.

They enter a run as if they had just been trained, in the order in which it asks for them, so its log, its way of going on and its
report are those of any run; the measurement `reused_from` says where each came from.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from evaluators.api import Evaluate, Job, Outcome, RungResult
from search.kept_conf import changes
from search.records import read

Key = tuple[str, int]
"""(arch id, seed)."""

INDIFFERENT = ("run", "results", "launch", "search", "plugins", "experiment", "choices.space", "choices.schedule")
"""Groups and keys of config.yaml that shape no training and no measurement; names of files whose values are compared anyway."""
OF_THE_SPACE = ("space.network", "space.input_size", "space.baseline")
"""What of a space does: its holes and rules say only what may be asked for."""
SOURCE = "reused_from"


@dataclass(frozen=True)
class Reusing:
    """An evaluation that hands out what is found instead of training it again."""

    evaluation: Any
    found: Mapping[Key, Sequence[RungResult]]

    def __call__(self, job: Job) -> Iterator[RungResult | Outcome]:
        results = self.found.get((job.arch.id, job.seed), ())
        if not any(result.rung == job.rung for result in results):
            yield from self.evaluation(job)
            return
        yield from (result for result in results if result.rung <= job.rung)
        yield Outcome("ok")

    def defaults(self) -> dict[str, dict[str, Any]]:
        return self.evaluation.defaults()


def reusing(evaluation: Evaluate, runs: Sequence[str], conf: Mapping[str, Any], defaults: Mapping[str, Any]) -> Evaluate:
    """The evaluation with the trainings of these run directories at hand. ValueError where one of them was another training."""
    found: dict[Key, Sequence[RungResult]] = {}
    for directory in map(Path, runs):
        _check(directory, conf, defaults)
        for key, results in trainings(directory).items():
            found.setdefault(key, results)
    return Reusing(evaluation, found) if runs else evaluation


def trainings(directory: Path) -> dict[Key, Sequence[RungResult]]:
    """Every trial of a run that ended well, with all its rungs, by (arch id, seed)."""
    records = read(directory)
    rungs: dict[int, dict[int, RungResult]] = {}
    for record in records:
        rungs.setdefault(record.trial, {}).update({result.rung: result for result in record.results})
    found = {}
    for record in records.ended:
        if record.ok and record.proposal.rung > 0:
            results = [rungs[record.trial][n] for n in sorted(rungs[record.trial]) if n <= record.proposal.rung]
            source = f"{directory.parent.name}/{directory.name} trial {record.trial}"
            first = RungResult(results[0].rung, {**results[0].measurements, SOURCE: source})
            found[record.proposal.arch.id, record.proposal.seed] = (first, *results[1:])
    return found


def _check(directory: Path, conf: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    file = directory / "config.yaml"
    if not file.is_file():
        raise ValueError(f"search.reuse: {directory} has no config.yaml; allowed: the directory of a run, results/<space>/<run>")
    before = yaml.safe_load(file.read_text()) or {}
    if "parent" in (before.get("init"), conf.get("init")):
        raise ValueError(f"search.reuse: {directory}: with init=parent a training depends on those before it; it cannot be reused")
    found = [each for each in changes(before, conf, defaults=defaults) if _matters(each[0])]
    if found:
        shown = "\n".join(f"  {name}: there {was}, here {now}" for name, was, now in found)
        out = "Give this run the same settings, or leave that one out of search.reuse"
        raise ValueError(f"search.reuse: the trainings of {directory} were other ones:\n{shown}\n{out}")


def _matters(name: str) -> bool:
    if name.startswith("space."):
        return name.startswith(OF_THE_SPACE)
    return not any(name in (key, f"choices.{key}") or name.startswith(f"{key}.") for key in INDIFFERENT)
