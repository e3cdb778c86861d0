"""The result in two or three cards: what a reader should take away first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from report.cell import cell
from report.figures import chance, figure
from report.front import Comparison, Network
from report.verdict import TIMED, difference, gained, tone, unlearned
from search.objectives import Objective


@dataclass(frozen=True)
class Headline:
    """A claim about one network of the front. `claims` are the figures that back it: label, value, change, tone."""

    title: str
    name: str
    network: Network
    claims: tuple[tuple[str, str, str, str], ...]

    @property
    def place(self) -> str:
        """Where it stands, and how sure that is."""
        sure = self.network.undominated
        return f"number {self.network.rank} of the front" + (f", undominated with {chance(sure)}" if sure is not None else "")


def headlines(comparison: Comparison, names: Mapping[str, str]) -> tuple[Headline, ...]:
    """Better than the baseline in everything, or no worse anywhere, then the best of each objective. Of objectives that nothing was
    learned in, and of a latency that may as well be the baseline's, nothing is claimed."""
    baseline = comparison.baseline
    if baseline is None or not comparison.front:
        return ()
    chosen: dict[str, tuple[str, Network]] = {}
    if (best := _leader(comparison)) is not None:
        chosen[best.arch.id] = (_lead(gained(best, comparison), comparison), best)
    for goal in comparison.goals:
        best = min(comparison.front, key=lambda n, goal=goal: goal.sign * (goal.value(n.measurements) or 0))
        slower = best.arch.id != baseline.arch.id and tone(goal.name, best, comparison) != "good"
        if goal.name not in unlearned(comparison) and not (goal.name in TIMED and slower):
            title = f"{'Highest' if goal.direction == 'max' else 'Lowest'} {_inside(figure(goal.name).label)}"
            chosen.setdefault(best.arch.id, (title, best))
    return tuple(Headline(title, names.get(n.arch.id, n.id8), n, _claims(n, comparison)) for title, n in chosen.values())


def _leader(comparison: Comparison) -> Network | None:
    """Of the networks that beat the baseline in most objectives and lose in none: the largest gain in the last objective."""
    last = comparison.goals[-1]
    better = [network for network in comparison.front if gained(network, comparison)]
    gain = {n.arch.id: last.sign * (difference(last.name, n, comparison) or 0) for n in better}
    return min(better, key=lambda n: (-len(gained(n, comparison)), gain[n.arch.id]), default=None)


def _lead(goals: Sequence[Objective], comparison: Comparison) -> str:
    if len(goals) == len(comparison.goals):
        return "Better in every objective" if len(goals) > 1 else "Better than the baseline"
    told = [f"{'higher' if goal.direction == 'max' else 'lower'} {_inside(figure(goal.name).label)}" for goal in goals]
    return f"No worse anywhere, {' and '.join(told)}"


def _inside(label: str) -> str:
    """A label within a sentence: `latency`, but `mIoU` and `MACs`."""
    return label.lower() if label[1:].islower() else label


def _claims(network: Network, comparison: Comparison) -> tuple[tuple[str, str, str, str], ...]:
    told = [(goal.name, cell(goal.name, network, comparison)) for goal in comparison.goals]
    return tuple((figure(name).label, c["value"], c["change"], c["tone"]) for name, c in told)
