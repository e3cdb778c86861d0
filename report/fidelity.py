"""How well a short training ranks networks: the correlation between the orders that an early rung and the last one put them in."""

from dataclasses import dataclass

from scipy.stats import kendalltau, spearmanr

from report.run import Run

ENOUGH = 5
"""Fewer networks than this say nothing about a ranking."""


@dataclass(frozen=True)
class Agreement:
    """Rank correlation of one measurement between a rung and the last: Kendall's tau, Spearman's rho, over `count` trials."""

    measurement: str
    rung: int
    last: int
    count: int
    tau: float
    rho: float

    @property
    def verdict(self) -> str:
        if self.tau >= 0.7:
            return "ranks networks nearly as the last rung does"
        return "tells good networks from bad ones, not close ones apart" if self.tau >= 0.4 else "does not rank networks reliably"


def agreements(run: Run) -> tuple[Agreement, ...]:
    """For every trained objective and each rung before the last; none where fewer than ENOUGH trials reached both."""
    last = max((trial.rung for trial in run.trials if trial.kind == "ok"), default=0)
    found = [_agreement(run, goal.name, rung, last) for goal in run.goals for rung in range(1, last)]
    return tuple(agreement for agreement in found if agreement is not None)


def _agreement(run: Run, name: str, rung: int, last: int) -> Agreement | None:
    pairs = [(t.rungs.get(rung, {}).get(name), t.rungs.get(last, {}).get(name)) for t in run.trials if t.kind == "ok"]
    whole = [(early, late) for early, late in pairs if isinstance(early, int | float) and isinstance(late, int | float)]
    early, late = zip(*whole, strict=True) if whole else ((), ())
    if len(whole) < ENOUGH or len(set(early)) == 1 or len(set(late)) == 1:
        return None
    tau, rho = kendalltau(early, late).statistic, spearmanr(early, late).statistic
    return Agreement(name, rung, last, len(whole), float(tau), float(rho))
