"""The front as files: front.csv, and each winner as a yaml that `search=archs` accepts."""

import re
from pathlib import Path

import pandas as pd

from report.figures import figure
from report.front import Comparison, Network

OURS = re.compile(r"\d+_[0-9a-f]{8}\.yaml")


def write_csv(comparison: Comparison, path: Path) -> None:
    """One line for each winner, best of the first objective first: figures, their change in percent, what was changed."""
    pd.DataFrame([_row(network, comparison) for network in comparison.front]).to_csv(path, index=False)


def write_arches(comparison: Comparison, folder: Path) -> list[Path]:
    """`<rank>_<id>.yaml` for each winner; those of an earlier front are removed first."""
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        if OURS.fullmatch(old.name):
            old.unlink()
    written = []
    for network in comparison.front:
        path = folder / f"{network.rank:02d}_{network.id8}.yaml"
        path.write_text(heading(network, comparison) + network.arch.to_yaml())
        written.append(path)
    return written


def heading(network: Network, comparison: Comparison) -> str:
    """The comment that an architecture's file begins with: where it stands, and what the run measured of it."""
    figures = ", ".join(f"{figure(g.name).label} {figure(g.name).text(network.measurements.get(g.name))}" for g in comparison.goals)
    place = f"Number {network.rank} of the front" if network.rank else "Not on the front"
    return f"# {place}, trial {network.trials[0]}: {figures}. Id {network.arch.id}\n"


def _row(network: Network, comparison: Comparison) -> dict[str, object]:
    names = [name for name, value in network.measurements.items() if value is not None]
    row: dict[str, object] = {"rank": network.rank, "arch_id": network.arch.id}
    row |= {"undominated": round(network.undominated, 3)} if network.undominated is not None else {}
    row |= {"trials": " ".join(map(str, network.trials)), "rung": network.rung}
    row |= {name: network.measurements[name] for name in names}
    told = [*(goal.name for goal in comparison.goals), "params_m", "macs_g", "latency_ms"]
    row |= {f"{name}_change_percent": round(network.gains[name], 3) for name in dict.fromkeys(told) if name in network.gains}
    return row | {"changes": "; ".join(map(str, network.changes))}
