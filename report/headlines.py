"""The result in two or three cards: what a reader should take away first."""

from collections.abc import Mapping
from dataclasses import dataclass

from report.cell import cell
from report.figures import figure
from report.front import Comparison, Network


@dataclass(frozen=True)
class Headline:
    """A claim about one network of the front. `claims` are the figures that back it: label, value, change, tone."""

    title: str
    name: str
    network: Network
    claims: tuple[tuple[str, str, str, str], ...]


def headlines(comparison: Comparison, names: Mapping[str, str]) -> tuple[Headline, ...]:
    """Better than the baseline in everything (the largest gain in the last objective), then the best of each objective."""
    baseline = comparison.baseline
    if baseline is None or not comparison.front:
        return ()
    last = comparison.goals[-1]
    chosen: dict[str, tuple[str, Network]] = {}
    better = [network for network in comparison.better() if network.arch.id != baseline.arch.id]
    if better:
        title = "Better in every objective" if len(comparison.goals) > 1 else "Better than the baseline"
        best = min(better, key=lambda n: last.sign * (n.gains.get(last.name) or 0))
        chosen[best.arch.id] = (title, best)
    for goal in comparison.goals:
        best = min(comparison.front, key=lambda n, goal=goal: goal.sign * (goal.value(n.measurements) or 0))
        title = f"{'Highest' if goal.direction == 'max' else 'Lowest'} {_inside(figure(goal.name).label)}"
        chosen.setdefault(best.arch.id, (title, best))
    return tuple(Headline(title, names.get(n.arch.id, n.id8), n, _claims(n, comparison)) for title, n in chosen.values())


def _inside(label: str) -> str:
    """A label within a sentence: `latency`, but `mIoU` and `MACs`."""
    return label.lower() if label[1:].islower() else label


def _claims(network: Network, comparison: Comparison) -> tuple[tuple[str, str, str, str], ...]:
    told = [(goal.name, cell(goal.name, network, comparison)) for goal in comparison.goals]
    return tuple((figure(name).label, c["value"], c["change"], c["tone"]) for name, c in told)
