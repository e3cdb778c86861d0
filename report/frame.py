"""A run as pandas frames, for notebooks and for whoever draws pictures of their own."""

from typing import Any

import pandas as pd

from report.figures import figure
from report.front import compare
from report.names import arch_names
from report.run import Run, Trial
from space.places import places


def trials_frame(run: Run) -> pd.DataFrame:
    """A line for each trial, by its number: how it stands, its measurements, and its choices by dotted place (`stage1.mixer`)."""
    lines = [_line(trial) for trial in run.trials]
    return pd.DataFrame(lines).set_index("trial") if lines else pd.DataFrame()


def front_frame(run: Run) -> pd.DataFrame:
    """A line for each network of the front, by its rank: measurements, standard deviations over seeds (`miou_sd`), and changes
    against the baseline in percent (`latency_ms_change_percent`)."""
    comparison, names = compare(run), arch_names(run.conf)
    lines: list[dict[str, Any]] = []
    for network in comparison.front:
        line = {"rank": network.rank, "name": names.get(network.arch.id, network.id8), "trial": network.trials[0]}
        line |= dict(network.measurements)
        line |= {f"{name}_sd": value for name, value in network.deviation.items()}
        line |= {f"{name}_change_percent": value for name, value in network.gains.items() if figure(name).compared}
        lines.append(line | {"changes": "; ".join(map(str, network.changes)), "arch": network.arch})
    return pd.DataFrame(lines).set_index("rank") if lines else pd.DataFrame()


def curves_frame(run: Run) -> pd.DataFrame:
    """A line for each trained rung of each trial, by trial and epochs."""
    lines = [
        {"trial": trial.number, "epochs": run.epochs(rung), **found}
        for trial in run.trials
        for rung, found in sorted(trial.rungs.items())
        if rung > 0
    ]
    return pd.DataFrame(lines).set_index(["trial", "epochs"]) if lines else pd.DataFrame()


def _line(trial: Trial) -> dict[str, Any]:
    facts = {"trial": trial.number, "arch_id": trial.arch.id, "seed": trial.seed, "kind": trial.kind, "rung": trial.rung}
    return facts | {"reason": trial.reason} | dict(trial.measurements) | dict(places(trial.arch.arch))
