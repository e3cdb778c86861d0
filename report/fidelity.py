"""How well a short training ranks networks: the correlation between the orders that an early rung and the last one put them in.

By its own objective, and by its training loss, which early on often says more of how a training ends."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import kendalltau, spearmanr

from evaluators.api import TRAIN_LOSS
from report.figures import figure
from report.run import Run
from search.objectives import Objective

ENOUGH = 5
"""Fewer networks than this say nothing about a ranking."""
RESAMPLES = 1000
MOST = 1000
"""Trials that an interval is taken from: of more, so many drawn at random, which makes it wider rather than narrower."""


@dataclass(frozen=True)
class Agreement:
    """Rank correlation of one measurement between a rung and the last: Kendall's tau with its 95 % interval, Spearman's rho, over
    the `count` trials that have both. `stopped`: trials that ended at an earlier rung, as a search that promotes has them.
    `by_loss`: beside the measurement stands the early rung's training loss, 1 being that the lower one always ends up better."""

    measurement: str
    rung: int
    last: int
    count: int
    tau: float
    rho: float
    low: float
    high: float
    stopped: int = 0
    by_loss: bool = False

    @property
    def label(self) -> str:
        label = figure(self.measurement).label
        return f"Training loss, for {label}" if self.by_loss else label

    @property
    def reliable(self) -> bool:
        return self.tau >= 0.4 and self.low >= 0.2

    @property
    def verdict(self) -> str:
        if not self.reliable:
            return "does not rank networks reliably"
        if self.tau >= 0.7:
            return "ranks networks nearly as the last rung does"
        return "tells good networks from bad ones, not close ones apart"


def agreements(run: Run) -> tuple[Agreement, ...]:
    """For every trained objective and each rung before the last, and then for the training losses of those rungs; none where fewer
    than ENOUGH trials reached both."""
    last = last_rung(run)
    found = [
        _agreement(run, goal, rung, last, by_loss=by_loss)
        for by_loss in (False, True)
        for goal in run.goals
        for rung in range(1, last)
        if not (by_loss and goal.name == TRAIN_LOSS)
    ]
    return tuple(agreement for agreement in found if agreement is not None)


def warning(run: Run, found: tuple[Agreement, ...]) -> str:
    """What to be told where the first rung cannot be relied on; '' where it can, or where nothing depends on it."""
    own = [a for a in found if not a.by_loss]
    first = min((a.rung for a in own), default=1)
    bad = [a for a in own if a.rung == first and not a.reliable]
    if bad:
        told = "; ".join(map(_told, bad))
        kept = " The trials behind this are those that were promoted: alike by selection, they rank worse than all would."
        by_loss = {a.measurement: a for a in found if a.by_loss and a.rung == first and a.reliable}
        if all(a.measurement in by_loss for a in bad):
            better = "; ".join(_told(by_loss[a.measurement]) for a in bad)
            advice = f"Its training loss does, which search=paredown and search=promote go by as well. {better}"
        else:
            advice = "Do not stop networks there: train the first rung longer (schedule.rungs)"
        return f"Rung {bad[0].rung} does not rank networks reliably. {told}.{kept if bad[0].stopped else ''} {advice}."
    early = stopped(run)
    if early and not own:
        few = f"fewer than {ENOUGH} trials went on to the last"
        return f"Rung 1 decided on {early} networks, and how well it ranks is not known: {few}, too few to say."
    return ""


def _told(a: Agreement) -> str:
    interval = f"95 % interval {a.low:.2f} to {a.high:.2f}, {a.count} trials"
    return f"{a.label}: tau {a.tau:.2f} with rung {a.last} ({interval})"


def last_rung(run: Run) -> int:
    return max((trial.rung for trial in run.trials if trial.kind == "ok"), default=0)


def stopped(run: Run) -> int:
    """Trials that ended well before the last rung."""
    last = last_rung(run)
    return sum(trial.kind == "ok" and 0 < trial.rung < last for trial in run.trials)


def _agreement(run: Run, goal: Objective, rung: int, last: int, *, by_loss: bool) -> Agreement | None:
    """None where too few trials have both, or all have the same."""
    name, told = goal.name, TRAIN_LOSS if by_loss else goal.name
    pairs = [(t.rungs.get(rung, {}).get(told), t.rungs.get(last, {}).get(name)) for t in run.trials if t.kind == "ok"]
    whole = [(early, late) for early, late in pairs if isinstance(early, int | float) and isinstance(late, int | float)]
    early, late = zip(*whole, strict=True) if whole else ((), ())
    if len(whole) < ENOUGH or len(set(early)) == 1 or len(set(late)) == 1:
        return None
    early = [goal.sign * value for value in early] if by_loss else early  # the way in which the objective gets better
    tau, rho = kendalltau(early, late).statistic, spearmanr(early, late).statistic
    low, high = interval(np.array(early), np.array(late))
    return Agreement(name, rung, last, len(whole), float(tau), float(rho), low, high, stopped(run), by_loss)


def interval(early: np.ndarray, late: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of Kendall's tau-b, by bootstrap over trials.

    A resample is how often each trial is drawn; with the signs of all pairs as matrices, the taus of all are three products.
    """
    rng = np.random.default_rng(0)  # a second writing of a report is the same
    if len(early) > MOST:
        chosen = rng.choice(len(early), MOST, replace=False)
        early, late = early[chosen], late[chosen]
    a, b = (np.sign(values[:, None] - values[None, :]).astype(np.float32) for values in (early, late))
    count = len(early)
    drawn = rng.multinomial(count, np.full(count, 1 / count), size=RESAMPLES).astype(np.float32)
    together, first, second = (((drawn @ pairs) * drawn).sum(axis=1) for pairs in (a * b, a * a, b * b))
    told = (first > 0) & (second > 0)  # a resample of equals only has no order
    taus = together[told] / np.sqrt(first[told] * second[told])
    low, high = np.quantile(taus, [0.025, 0.975])
    return float(low), float(high)
