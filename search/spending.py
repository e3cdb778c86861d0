"""What a search costs: training epochs charged, and the budget that bounds them.

Rung 0 (cost and latency) is never charged; a training is charged from the moment it is asked for, so that workers in parallel
cannot overdraw a budget together.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from registry import nearest
from search.asks import Proposal, Records

UNITS = ("epochs", "full", "trials", "hours")
"""full: trainings to the last rung; trials: members trained; hours: of the run, all its starts together."""


def horizon(rungs: Sequence[int], rung: int) -> float:
    """Epochs of the schedule up to a rung; none at rung 0."""
    return float(rungs[rung - 1]) if rung > 0 else 0.0


def epochs(records: Records, rungs: Sequence[int], separate: bool = False) -> float:
    """Training epochs charged: for every ask that trains, those of its rung, less those that the trial it continues had (nothing
    less where rungs are `separate` trainings). Running asks are charged too; what ended before training began is not."""
    paid = records.index.paid.items()
    return sum(count * _between(rungs, before, rung, separate) for (before, rung), count in paid if count)


def price(records: Records, proposal: Proposal, rungs: Sequence[int], separate: bool = False) -> float:
    """Epochs that a proposal would be charged."""
    before = 0 if proposal.trial is None else records.index.reached(records[proposal.trial].trial)
    return _between(rungs, before, proposal.rung, separate)


def _between(rungs: Sequence[int], before: int, rung: int, separate: bool) -> float:
    return horizon(rungs, rung) - (0.0 if separate or rung == 0 else horizon(rungs, min(before, rung)))


@dataclass(frozen=True)
class Budget:
    """So much of a unit. What is spent and left is told in that unit. `seed`: count its members only, where trials are counted."""

    amount: float
    unit: str
    seed: int | None = None

    @classmethod
    def parse(cls, text: str, seed: int | None = None) -> "Budget":
        """As in "40 epochs", "25 full", "12 trials" or "1.5 hours"; ValueError where it is none of these."""
        number, _, unit = text.strip().partition(" ")
        where = f"search.budget: '{text}' given"
        allowed = "allowed: a number above 0 and its unit, as in '40 epochs', '25 full', '12 trials' or '1.5 hours'"
        try:
            amount = float(number)
        except ValueError:
            raise ValueError(f"{where}; {allowed}") from None
        if not (amount > 0 and math.isfinite(amount)):
            raise ValueError(f"{where}; {allowed}")
        if (unit := unit.strip()) not in UNITS:
            raise ValueError(f"{where}: unknown unit '{unit}'; {nearest(unit, list(UNITS))}; {allowed}")
        return cls(amount, unit, seed)

    def spent(self, records: Records, rungs: Sequence[int], separate: bool = False) -> float:
        if self.unit == "hours":
            return records.elapsed_s / 3600
        if self.unit == "trials":
            return float(records.trained(len(rungs), self.seed))
        return epochs(records, rungs, separate) / self._size(rungs)

    def cost(self, records: Records, proposal: Proposal, rungs: Sequence[int], separate: bool = False) -> float:
        """What a proposal would take. How long it goes on is not known before: of hours it takes nothing."""
        if self.unit == "hours":
            return 0.0
        if self.unit == "trials":
            least, known = min(1, len(rungs)), self.seed in (None, proposal.seed)
            begun = proposal.trial is not None and records[proposal.trial].proposal.rung >= least
            return float(known and not begun and proposal.rung >= least)
        return price(records, proposal, rungs, separate) / self._size(rungs)

    def pays(self, records: Records, proposals: Iterable[Proposal], rungs: Sequence[int], separate: bool = False) -> bool:
        """Whether what is left pays for all these. Hours pay for anything until they are over."""
        left = self.amount - self.spent(records, rungs, separate)
        if self.unit == "hours":
            return left > 0
        costs = sum(self.cost(records, proposal, rungs, separate) for proposal in proposals)
        return costs == 0 or costs <= left + 1e-9 * self.amount  # what is spent is a sum of fractions

    def _size(self, rungs: Sequence[int]) -> float:
        """Epochs to one of the unit."""
        if not rungs:
            raise ValueError(f"search.budget: {self} given, but nothing is trained here; allowed: trials or hours")
        return float(rungs[-1]) if self.unit == "full" else 1.0

    def __str__(self) -> str:
        return f"{self.amount:g} {self.unit}"
