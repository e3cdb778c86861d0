"""What a short training says of a member: its accuracy and its training loss, as one score.

The loss of the batches that a training goes through falls faster in networks that end up better, and after few steps it ranks them
often better than the accuracy on other images does (training speed estimation, Ru et al. 2021). Which of the two tells more hangs
on the task and on how short the training is. So they count alike, until members that were trained to the end tell otherwise.
"""

import numpy as np

from search.surrogate.warp import Warp

FEW = 5  # losses of a rung that tell its scale
ALIKE = np.array([0.5, 0.5])  # weights of accuracy and loss before anything is known
TRUST = 5.0  # members trained to the end that weigh as much as that


def told(
    raw: np.ndarray, losses: np.ndarray, rungs: np.ndarray, rows: np.ndarray, last: int
) -> tuple[tuple[Warp, ...], np.ndarray]:
    """The warps by rung, from 1, that raw accuracies ask for, and what all readings say: `scores` of the warped ones."""
    warps, values = warps_of(raw, rungs, last), np.empty(len(raw))
    for rung, warp in enumerate(warps, start=1):
        values[rungs == rung] = warp(raw[rungs == rung])
    return warps, scores(values, losses, rungs, rows, last)


def warps_of(values: np.ndarray, at: np.ndarray, rungs: int) -> tuple[Warp, ...]:
    """One for each rung; where it has few readings, on the scale of the rung below."""
    found: list[Warp] = []
    for rung in range(1, rungs + 1):
        own = values[at == rung]
        if len(own) >= FEW or not found:
            found.append(Warp.of(own) if len(own) else Warp(0.0, 1.0, 0.0, 1.0))
        elif len(own):
            found.append(Warp.of(own, least=found[-1].scale))
        else:
            found.append(found[-1])
    return tuple(found)


def scores(accuracies: np.ndarray, losses: np.ndarray, rungs: np.ndarray, rows: np.ndarray, last: int) -> np.ndarray:
    """(n,) from readings in any order: warped accuracies, training losses (nan where there was none), rungs and trials, all (n,).
    The last rung's are its accuracies, and so are those of readings without a loss."""
    found = np.array(accuracies, float)
    ends = np.full(rows.max(initial=-1) + 1, np.nan)
    ends[rows[rungs == last]] = found[rungs == last]
    for rung in range(1, last):
        at = np.flatnonzero((rungs == rung) & np.isfinite(losses))
        if len(at) < FEW or np.ptp(losses[at]) == 0:
            continue
        both = np.column_stack([found[at], Warp.of(-losses[at])(-losses[at])])
        mixed = both @ weights(both, ends[rows[at]])
        found[at] = mixed * both.std(0).max() / max(mixed.std(), 1e-9)  # accuracies all at the floor leave it to the loss
    return found


def weights(both: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """How much accuracy and loss (n, 2) say of the accuracies that trainings ended with (n,), nan where they have not ended."""
    whole = ~np.isnan(ends)
    if whole.sum() < 2:
        return ALIKE
    told, come = both[whole] - both[whole].mean(0), ends[whole] - ends[whole].mean()
    found = np.linalg.solve(told.T @ told + TRUST * np.eye(2), told.T @ come + TRUST * ALIKE)
    return np.maximum(found, 0) if (found > 0).any() else ALIKE
