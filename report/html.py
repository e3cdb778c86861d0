"""report.html: one file that opens anywhere, offline. Python says what stands on the page; page.jinja, page.css and page.js how."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from plotly.offline import get_plotlyjs

from report.cell import cell
from report.fidelity import ENOUGH, agreements, warning
from report.figures import chance, figure
from report.front import Comparison, Network
from report.headlines import headlines
from report.importance import importances
from report.picture import axes_of
from report.run import Run, Trial
from report.table import columns, standing
from report.verdict import unlearned_text

FOLDER = Path(__file__).parent
REFUSED = ("infeasible", "failed")
DRIFT = 0.1
"""A baseline reading that differs from the run's median by more than this share is marked."""


def write_html(
    run: Run,
    comparison: Comparison,
    path: Path,
    *,
    names: Mapping[str, str],
    ablation: Mapping[str, Any] | None = None,
    drawn: Sequence[Mapping[str, Any]] = (),
) -> Path:
    """Render the page; returns its path. `ablation` is what report/ablation_page.py shows of one, `drawn` the ready pictures of
    report/drawn.py."""
    templates = Environment(
        loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    found = agreements(run)
    page = templates.get_template("page.jinja").render(
        run=run,
        comparison=comparison,
        standing=standing(run, comparison),
        headlines=headlines(comparison, names) if ablation is None else [],
        ablation=ablation,
        importances=[{**asdict(i), "label": figure(i.name).label} for i in importances(run)] if ablation is None else [],
        unlearned=unlearned_text(comparison),
        columns=[(name, figure(name)) for name in columns(comparison)],
        baseline=comparison.baseline and winner(comparison.baseline, comparison, names),
        winners=[winner(network, comparison, names) for network in comparison.front],
        agreements=[{**asdict(a), "label": a.label, "verdict": a.verdict} for a in found],
        doubt=warning(run, found),
        enough=ENOUGH,
        trials=[trial_row(trial, run, comparison, names) for trial in run.trials],
        picture=picture(run, comparison, names),
        drawn=drawn,
        refused=[trial_row(trial, run, comparison, names) for trial in run.trials if trial.kind in REFUSED],
        made=made(run),
        conf=yaml.safe_dump(dict(run.conf), sort_keys=False) if run.conf else "",
        css=(FOLDER / "page.css").read_text(),
        js=(FOLDER / "page.js").read_text(),
        plotly=get_plotlyjs(),
    )
    path.write_text(page, encoding="utf-8")
    return path


def winner(network: Network, comparison: Comparison, names: Mapping[str, str]) -> dict[str, Any]:
    """A network's line of the table of winners."""
    return {
        "rank": network.rank,
        "name": names.get(network.arch.id, network.id8),
        "network": network,
        "undominated": chance(network.undominated),
        "cells": [cell(name, network, comparison) for name in columns(comparison)],
        "file": f"arches/{network.rank:02d}_{network.id8}.yaml" if network.rank else "",
        "yaml": network.arch.to_yaml(),
    }


def trial_row(trial: Trial, run: Run, comparison: Comparison, names: Mapping[str, str]) -> dict[str, Any]:
    """A trial's line: raw values beside the written ones, so that the page can sort."""
    network = next((n for n in comparison.networks if n.arch.id == trial.arch.id), None)
    front = network is not None and network.rank is not None and trial.number in network.trials
    values = [(trial.measurements.get(name), figure(name)) for name in columns(comparison)]
    return {
        "number": trial.number,
        "name": names.get(trial.arch.id, trial.arch.id[:8]),
        "id": trial.arch.id,
        "seed": trial.seed,
        "kind": "front" if front else trial.kind,
        "rung": trial.rung if trial.rung >= 0 else None,
        "values": [("" if value is None else value, known.text(value)) for value, known in values],
        "changes": "; ".join(map(str, network.changes)) if network else "",
        "reason": trial.reason,
        "begun": trial.measurements.get("init", ""),
        "drift": drift(trial, run),
    }


def drift(trial: Trial, run: Run) -> str:
    """A warning where the machine was not itself while this trial was timed; '' where it was."""
    reading = trial.measurements.get("baseline_latency_ms")
    readings = sorted(b for t in run.trials if isinstance(b := t.measurements.get("baseline_latency_ms"), int | float))
    if trial.measurements.get("latency_disturbed"):
        return "the baseline's readings beside it were unsteady"
    if not isinstance(reading, int | float) or not readings:
        return ""
    usual, written = readings[len(readings) // 2], figure("latency_ms").text
    return f"the baseline took {written(reading)} beside it, {written(usual)} as a rule" if abs(reading / usual - 1) > DRIFT else ""


def picture(run: Run, comparison: Comparison, names: Mapping[str, str]) -> dict[str, Any]:
    """What page.js draws: every finished network with its numbers, and which measurements the axes may show."""
    baseline = comparison.baseline.arch.id if comparison.baseline else ""
    points = [
        {
            "id": network.id8,
            "name": names.get(network.arch.id, network.id8),
            "trial": network.trials[0],
            "rung": network.rung,
            "rank": network.rank,
            "baseline": network.arch.id == baseline,
            "changes": [str(change) for change in network.changes],
            "values": {k: v for k, v in network.measurements.items() if isinstance(v, int | float)},
            "deviation": dict(network.deviation),
        }
        for network in comparison.networks
    ]
    across, up = axes_of(comparison)
    goals = [goal.name for goal in comparison.goals]
    return {
        "points": points,
        "axes": axes_offered(comparison),
        "across": across,
        "up": up,
        "rung": comparison.rung,
        "goals": goals,
    }


def axes_offered(comparison: Comparison) -> list[dict[str, str]]:
    """The measurements that the axes may show: the leading ones first, then every other by name."""
    across, up = axes_of(comparison)
    leading = [up, across, *columns(comparison)]
    measured = {name for n in comparison.networks for name, value in n.measurements.items() if isinstance(value, int | float)}
    ordered = dict.fromkeys([*(name for name in leading if name in measured), *sorted(measured)])
    return [{"name": n, "heading": figure(n).heading, "better": comparison.better(n), "unit": figure(n).unit} for n in ordered]


def made(run: Run) -> list[tuple[str, str]]:
    """How the run was made, term and value."""
    facts, search = (run.starts[-1] if run.starts else {}), run.conf.get("search", {})
    seeds = sorted({trial.seed for trial in run.trials})
    limits = (search.get("limits") or {}).items()
    told = {
        "Started": run.started_at() + (f", in {len(run.starts)} parts" if len(run.starts) > 1 else ""),
        "Command": facts.get("command"),
        "Code": facts.get("commit") and f"commit {facts['commit']}",
        "Trained on": "recorded trainings, replayed" if run.conf.get("table") else facts.get("device"),
        "Timed on": timed_on(run),
        "Seeds": f"search {search.get('seed', '-')}; trials {', '.join(map(str, seeds)) or '-'}",
        "Objectives": ", ".join(f"{figure(goal.name).label} ({goal.direction})" for goal in run.goals),
        "Begun with": run.conf.get("init") and f"init={run.conf['init']}",
        "Limits": ", ".join(f"{figure(name).label} at most {figure(name).text(limit)}" for name, limit in limits),
        "System": facts.get("system"),
        "Python": facts.get("python"),
        "Versions": ", ".join(f"{name} {version}" for name, version in facts.get("versions", {}).items()),
    }
    return [(term, str(value)) for term, value in told.items() if value]


def timed_on(run: Run) -> str:
    """Device, backend, precision and threads of the latency measurements; '' where nothing was timed."""
    timed = next((t.measurements for t in run.trials if "latency_device" in t.measurements), {})
    words = {"latency_device": "", "latency_backend": "", "latency_precision": "", "latency_threads": " CPU threads"}
    return ", ".join(f"{timed[name]}{word}" for name, word in words.items() if timed.get(name))
