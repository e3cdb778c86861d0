"""A factorial: main effects and two-way interactions of its factors, each with its interval, and what a fraction cannot tell apart.

The model is `value ~ seed + factors + pairs of factors`, the factors coded to sum to zero, so that an effect is against the mean
over all levels of the others. Its error is what seeds leave unexplained, together with interactions of three factors and more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from pathlib import Path
from statistics import fmean

import numpy as np
from matplotlib.figure import Figure

from report.ablation import Ablation
from report.figures import figure
from report.picture import INK
from report.run import Run
from search.effects import DUST, holm_values
from space.places import places

PANELS = 12
"""Interactions drawn; of more, those with the smallest p-values."""


@dataclass(frozen=True)
class Level:
    """What a level is worth against the mean over the factor's levels (of two levels: half their difference)."""

    name: str
    effect: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Term:
    """A factor or a pair of factors. Of two levels each, `effect` is the second level less the first (of a pair: how much more that
    difference is at the second level of the other factor, halved, which is the usual contrast), with low and high; `levels` are a
    factor's; F and p test the whole term. `aliases`: what it cannot be told apart from. `estimable`: False has no numbers."""

    factors: tuple[str, ...]
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    levels: tuple[Level, ...] = ()
    f: float | None = None
    p: float | None = None
    p_holm: float | None = None
    aliases: tuple[str, ...] = ()
    estimable: bool = True

    @property
    def name(self) -> str:
        return " x ".join(self.factors)


@dataclass(frozen=True)
class Factorial:
    """All terms; `cells` as measured: levels -> mean over seeds; values in `unit`."""

    factors: Mapping[str, tuple[str, ...]]
    terms: tuple[Term, ...]
    cells: Mapping[tuple[str, ...], float]
    unit: str
    missing: int
    freedom: int


def factorial_of(found: Ablation, run: Run) -> Factorial | None:
    """The factorial of an ablation; None where it is none, or nothing was trained yet."""
    plan, goal = found.plan, found.goal
    if not plan.factors or goal is None:
        return None
    at = {arm.id: tuple(arm.levels.get(name, "") for name in plan.factors) for arm in plan.arms}
    if plan.reference.id not in at and (cell := _reference_cell(found, run)):
        at[plan.reference.id] = cell
    factor, unit = (100.0, "points") if figure(goal).share else (1.0, figure(goal).unit)
    rows = [(at[key], seed, value * factor) for key, own in found.values[goal].items() if key in at for seed, value in own.items()]
    if not rows:
        return None
    means = {cell: fmean(value for own, _, value in rows if own == cell) for cell in {own for own, _, _ in rows}}
    wanted = len(set(at.values())) * len(plan.seeds)
    terms, freedom = estimate(rows, plan.factors, plan.level)
    return Factorial(plan.factors, terms, means, unit, max(0, wanted - len(rows)), freedom)


def _reference_cell(found: Ablation, run: Run) -> tuple[str, ...] | None:
    """The reference's levels, read off its arch, else the one combination that no arm has."""
    factors = found.plan.factors
    arch = next((trial.arch for trial in run.trials if trial.arch.id == found.plan.reference.id), None)
    own = places(arch.arch) if arch else {}
    cell = tuple(own.get(name, "") for name in factors)
    if all(level in levels for level, levels in zip(cell, factors.values(), strict=True)):
        return cell
    rest = set(product(*factors.values())) - {tuple(arm.levels.get(name, "") for name in factors) for arm in found.plan.arms}
    return rest.pop() if len(rest) == 1 else None


def estimate(
    rows: Sequence[tuple[tuple[str, ...], int, float]], factors: Mapping[str, Sequence[str]], level: float
) -> tuple[tuple[Term, ...], int]:
    """The terms from (levels, seed, value), and the degrees of freedom that are left for the error."""
    from statsmodels.regression.linear_model import OLS

    names, seeds = list(factors), sorted({seed for _, seed, _ in rows})
    coded = {name: _sum_coded([own[n] for own, _, _ in rows], factors[name]) for n, name in enumerate(names)}
    blocks = {(name,): coded[name] for name in names} | {(a, b): _products(coded[a], coded[b]) for a, b in combinations(names, 2)}
    design = np.hstack([np.ones((len(rows), 1)), _sum_coded([seed for _, seed, _ in rows], seeds)])
    kept: dict[tuple[str, ...], slice] = {}
    lost: dict[tuple[str, ...], tuple[str, ...]] = {}
    for term, block in blocks.items():
        wider = np.hstack([design, block])
        if np.linalg.matrix_rank(wider) == wider.shape[1]:
            kept[term] = slice(design.shape[1], wider.shape[1])
            design = wider
        else:
            lost[term] = tuple(" x ".join(other) for other in kept if _overlap(block, blocks[other]))
    fit = OLS(np.array([value for _, _, value in rows]), design).fit()
    tested = fit.df_resid >= 1 and fit.mse_resid > (DUST * max(abs(value) for _, _, value in rows)) ** 2
    terms = [_term(term, place, fit, factors, level if tested else None) for term, place in kept.items()]
    corrected = holm_values({term.factors: term.p for term in terms if term.p is not None})
    with_aliases = {term: tuple(" x ".join(o) for o, others in lost.items() if " x ".join(term) in others) for term in kept}
    told = [replace(term, p_holm=corrected.get(term.factors), aliases=with_aliases[term.factors]) for term in terms]
    return (*told, *(Term(term, aliases=others, estimable=False) for term, others in lost.items())), int(fit.df_resid)


def _term(term: tuple[str, ...], place: slice, fit, factors: Mapping[str, Sequence[str]], level: float | None) -> Term:
    """A term's numbers out of the fit; without `level` no intervals, as nothing is left to tell the error."""
    width = place.stop - place.start
    contrasts = np.zeros((width, len(fit.params)))
    contrasts[:, place] = np.eye(width)
    f, p = (None, None)
    if level is not None:
        test = fit.f_test(contrasts)
        f, p = float(np.squeeze(test.fvalue)), float(np.squeeze(test.pvalue))
    effect = low = high = None
    if width == 1 and all(len(factors[name]) == 2 for name in term):
        # the second level has code -1: a factor's difference is -2 coefficients, a pair's halved difference of differences +2
        (effect, low, high), *_ = _contrasts(fit, contrasts * (2 if len(term) > 1 else -2), level)
    levels: tuple[Level, ...] = ()
    if len(term) == 1:
        every = np.vstack([contrasts, -contrasts.sum(axis=0)])  # the last level is what the others leave to zero
        levels = tuple(Level(n, *found) for n, found in zip(factors[term[0]], _contrasts(fit, every, level), strict=True))
    return Term(term, effect, low, high, levels, f, p)


def _contrasts(fit, contrasts: np.ndarray, level: float | None) -> list[tuple[float, float | None, float | None]]:
    values = contrasts @ fit.params
    if level is None:
        return [(float(value), None, None) for value in values]
    ends = fit.t_test(contrasts).conf_int(alpha=1 - level)
    return [(float(value), float(low), float(high)) for value, (low, high) in zip(values, ends, strict=True)]


def _sum_coded(own: Sequence, levels: Sequence) -> np.ndarray:
    """A column for every level but the last: 1 at the level, -1 at the last one, 0 elsewhere."""
    coded = np.zeros((len(own), len(levels) - 1))
    for row, level in enumerate(own):
        place = list(levels).index(level)
        coded[row] = -1.0 if place == len(levels) - 1 else np.eye(len(levels) - 1)[place]
    return coded


def _products(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.einsum("ra,rb->rab", one, other).reshape(len(one), -1)


def _overlap(block: np.ndarray, other: np.ndarray) -> bool:
    both = np.hstack([block - block.mean(axis=0), other - other.mean(axis=0)])
    return bool(np.linalg.matrix_rank(both) < np.linalg.matrix_rank(both[:, : block.shape[1]]) + other.shape[1])


def draw(found: Factorial, path: Path, *, label: str) -> None:
    """interactions.png: a panel for each pair of factors, a line for each level of the second; parallel is no interaction."""
    pairs = sorted((t for t in found.terms if len(t.factors) == 2), key=lambda t: 1.0 if t.p is None else t.p)[:PANELS]
    names, wide = list(found.factors), min(3, max(1, len(pairs)))
    picture = Figure(figsize=(4.2 * wide, 3.3 * -(-max(1, len(pairs)) // wide)), dpi=140, facecolor="white", layout="constrained")
    grid = picture.subplots(-(-max(1, len(pairs)) // wide), wide, squeeze=False, sharey=True)
    for axes in list(grid.flat)[len(pairs) :]:
        axes.set_visible(False)
    for axes, term in zip(grid.flat, pairs, strict=False):
        a, b = (names.index(name) for name in term.factors)
        for level in found.factors[names[b]]:
            points = [
                (n, fmean(own))
                for n, other in enumerate(found.factors[names[a]])
                if (own := [value for cell, value in found.cells.items() if cell[a] == other and cell[b] == level])
            ]
            axes.plot(*zip(*points, strict=True), marker="o", label=level) if points else None
        axes.set_xticks(range(len(found.factors[names[a]])), found.factors[names[a]], fontsize=8)
        axes.set_xlabel(names[a], fontsize=9, color=INK)
        p = (
            f"p (Holm) {term.p_holm:.3f}"
            if term.p_holm is not None
            else ""
            if term.estimable
            else "not to be told apart from others"
        )
        axes.set_title(p, fontsize=9, color=INK, loc="left")
        axes.legend(title=names[b], fontsize=7.5, title_fontsize=8, frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0.15)
    for row in grid:
        row[0].set_ylabel(f"{label} ({found.unit})" if found.unit else label, fontsize=9, color=INK)
    picture.savefig(path)
