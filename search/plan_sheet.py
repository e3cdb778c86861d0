"""A plan on paper: the table shown before an ablation runs, and `plan.yaml` in the run directory, which the report reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from search.plans import Arm, Named, Plan
from search.records import TRIALS, Records, read
from search.strategy import Strategy
from search.strategy.ablation import Ablation
from space import Space

PLAN = "plan.yaml"


@dataclass(frozen=True)
class Held:
    """Trainings there are already, by (arch id, seed), and the seconds that each took (None: not told)."""

    finished: Mapping[tuple[str, int], float | None]
    reused: Mapping[tuple[str, int], float | None]

    @property
    def seconds(self) -> list[float]:
        return [s for each in (self.finished, self.reused) for s in each.values() if s is not None]


def announced(run: Any, *, console: Console | None = None) -> bool:
    """Show the plan of an ablation; of other searches nothing. False where that is all that was asked for (search.dry)."""
    strategy = run.strategy
    if isinstance(strategy, Ablation):
        finished = read(run.directory) if (run.directory / TRIALS).is_file() else Records()
        reused = {key: results[-1].measurements.get("train_s") for key, results in getattr(run.evaluation, "found", {}).items()}
        held = Held(seconds_of(finished, strategy.rung), reused)
        show(strategy, run.space, finished, held, console=console or Console())
        return not strategy.dry
    return True


def seconds_of(records: Records, rung: int) -> dict[tuple[str, int], float | None]:
    """Trainings that ended well at a rung, by (arch id, seed), and what they took."""
    ended = [record for record in records.ended if record.ok and record.proposal.rung == rung]
    return {(record.proposal.arch.id, record.proposal.seed): record.measurements.get("train_s") for record in ended}


def keep_plan(directory: Path, strategy: Strategy, space: Space, records: Records) -> None:
    """Write plan.yaml, as far as the trainings decide the plan; nothing where the search has none."""
    if isinstance(strategy, Ablation):
        plan = strategy.planned(space, records)
        part = directory / f"{PLAN}.part"
        part.write_text(yaml.safe_dump(content(strategy, plan), sort_keys=False, width=120, allow_unicode=True))
        part.replace(directory / PLAN)


def content(strategy: Ablation, plan: Plan) -> dict[str, Any]:
    """A plan as plain values."""
    found: dict[str, Any] = {"plan": strategy.plan, "title": plan.title, "reference": _named(plan.reference)}
    if plan.levels:
        found["reference"]["levels"] = _plain(plan.levels)
    if plan.against is not None:
        found["against"] = _named(plan.against)
    found |= {"seeds": list(strategy.seeds), "level": strategy.level, "until": strategy.until}
    found["arms"] = [_arm(arm) for arm in plan.arms]
    if plan.factors:
        found["factors"] = [{"name": each.name, "levels": _plain(each.levels)} for each in plan.factors]
        found |= {"resolution": strategy.resolution, "aliases": list(plan.aliases)}
    found["left_out"] = [{"name": each.name, "why": each.why} for each in plan.left_out]
    return found


def _named(named: Named) -> dict[str, Any]:
    return {"name": named.name, "id": named.arch.id}


def _arm(arm: Arm) -> dict[str, Any]:
    found: dict[str, Any] = {"name": arm.name, "id": arm.arch.id, "changes": list(arm.changes), "why": arm.why}
    found["compared"] = arm.compared
    return found | ({"levels": _plain(arm.levels)} if arm.levels else {})


def _plain(value: Any) -> Any:
    """Tuples and mappings as yaml knows them, nothing shared."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def show(strategy: Ablation, space: Space, records: Records, held: Held, *, console: Console) -> None:
    """The plan as a table, then what it costs."""
    plan = strategy.planned(space, records)
    rows = [*plan.arms, *plan.candidates]
    there = {*held.finished, *held.reused}
    table = Table(title=plan.title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for heading in ("arm", "network", "trained", "what moves together"):
        table.add_column(heading, overflow="fold")
    for name, arch, why in [(plan.reference.name, plan.reference.arch, "the reference"), *((a.name, a.arch, a.why) for a in rows)]:
        had = sum((arch.id, seed) in there for seed in strategy.seeds)
        table.add_row(escape(name), arch.id[:8], f"{had}/{len(strategy.seeds)}", escape(why))
    console.print(table)
    for line in notes(strategy, space, plan, held):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def notes(strategy: Ablation, space: Space, plan: Plan, held: Held) -> Sequence[str]:
    """What is left out and why, what is trained, and how long that may take."""
    lines = [f"left out: {each.name}: {each.why}" for each in plan.left_out]
    lines += [f"alias: {each}" for each in plan.aliases]
    if plan.candidates:
        lines.append("The order is searched: these are the candidates of the next step; the best of them is the step")
    wanted = {(each.arch.id, each.seed) for each in strategy.wanted(space, plan)}
    done, reused = (len(wanted & each) for each in (held.finished.keys(), held.reused.keys() - held.finished.keys()))
    total = strategy.total(space) if plan.candidates else len(wanted)
    left = max(0, total - done - reused)
    had = "".join(f", {count} {what}" for count, what in ((done, "finished"), (reused, "reused")) if count)
    seeds = ", ".join(map(str, strategy.seeds))
    most = "at most " if plan.candidates else ""
    count = len(plan.arms) + len(plan.candidates)
    arms = f"{count} arm{'s' if count > 1 else ''} and the reference"
    lines.append(f"{arms}, seeds {seeds}: {most}{total} trainings{had}")
    if strategy.until is not None:
        width = f"{strategy.until:g}{' points' if strategy.scale == 100 else ''}"
        lines.append(f"then more seeds until every change is known to +-{width}, at most {strategy.most} of an arm")
    elif len(strategy.seeds) == 1:
        lines.append("One seed: no interval is possible, and chance is not told from effect. search.seeds=[0,1,2] gives one")
    lines.append(f"Training time: {estimate(left, held.seconds)}")
    return lines


def estimate(left: int, seconds: Sequence[float]) -> str:
    if not left:
        return "none, all of it is there"
    if not seconds:
        return "unknown before the first trial"
    each = sum(seconds) / len(seconds)
    whole = left * each
    return f"about {_duration(whole)} one after the other ({left} x {_duration(each)}), and the measuring"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
