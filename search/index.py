"""What asks want to know of the records, kept up from one ask to the next instead of being counted again.

A record is never changed, only replaced. So comparing a log's records with those of the ask before, by identity, says what is
new, and an index that is brought up to date answers what one made afresh would. Nothing is known here that the records do not say.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from search.objectives import Objective, point
from search.pareto import dominates, ranks

if TYPE_CHECKING:
    from search.asks import Record

KEPT = 6
"""Logs followed at a time: one run's own, seen with a lag, and as its proposer sees it; and those of a few others."""
BULK = 64
"""So many new records at once are sorted together."""


class Index:
    """Counts over `items`. Its sets and lists are its own: read them, do not keep them over the next ask."""

    def __init__(self) -> None:
        self.items: tuple[Record, ...] = ()
        self.keys: set[tuple[str, int]] = set()  # (arch id, seed) of every ask
        self.running: dict[int, Record] = {}  # by number, in order of the numbers
        self.ended: list[Record] = []  # in the order in which they ended
        self.ok: list[Record] = []  # as they were found to be
        self.paid: Counter[tuple[int, int]] = Counter()  # (rung continued from, rung) -> asks that train
        self._members: Counter[tuple[int, int, int]] = Counter()  # (trial, seed, least rung) -> asks that count
        self._trained: Counter[tuple[int | None, int]] = Counter()  # (seed or all, least rung) -> trials that count
        self._reached: dict[int, int] = {}  # trial -> the furthest rung asked of it
        self._from: dict[int, int] = {}  # number -> the rung that its trial had reached before
        self._fronts: dict[tuple[tuple[Objective, ...], int | None], Front] = {}

    def follow(self, items: tuple[Record, ...]) -> bool:
        """Bring it up to `items`; False, and nothing done, where these are no continuation of what it has seen."""
        if len(items) < len(self.items):
            return False
        changed = [n for n, (old, new) in enumerate(zip(self.items, items, strict=False)) if old is not new]
        if not all(_goes_on(self.items[n], items[n]) for n in changed):
            return False
        fresh = len(self.items)
        for n in changed:
            self._replace(self.items[n], items[n])
        for record in items[fresh:]:
            self._add(record)
        self.items = items
        return True

    def trained(self, least: int, seed: int | None) -> int:
        return self._trained[seed, least]

    def reached(self, trial: int) -> int:
        """The furthest rung asked of a trial."""
        return self._reached.get(trial, 0)

    def front(self, goals: tuple[Objective, ...], rung: int | None) -> list[Record]:
        """The front of the ok records that stand at `rung` (None: wherever each trial stands)."""
        keeper = self._fronts.setdefault((goals, rung), Front(goals, rung))
        keeper.follow(self.ok)
        return keeper.records

    def _add(self, record: Record) -> None:
        proposal = record.proposal
        self.keys.add((proposal.arch.id, proposal.seed))
        before = self._reached.get(record.trial, 0)
        self._from[record.number], self._reached[record.trial] = before, max(before, proposal.rung)
        self._count(record, 1)
        if record.outcome is None:
            self.running[record.number] = record
        else:
            self._end(record)

    def _replace(self, old: Record, new: Record) -> None:
        self._count(old, -1)
        self._count(new, 1)
        if new.outcome is None:
            self.running[new.number] = new
        else:
            del self.running[new.number]
            self._end(new)

    def _end(self, record: Record) -> None:
        if record.ended_at is not None:
            insort(self.ended, record, key=lambda each: each.ended_at)
        if record.ok:
            self.ok.append(record)

    def _count(self, record: Record, by: int) -> None:
        rung, seed = record.proposal.rung, record.proposal.seed
        if rung > 0 and not record.untrained:
            self.paid[self._from[record.number], rung] += by
        for least in (0, 1):
            if rung >= least and not record.infeasible:
                member = (record.trial, seed, least)
                self._members[member] += by
                if self._members[member] == (1 if by > 0 else 0):  # its first ask that counts, or no more
                    self._trained[seed, least] += by
                    self._trained[None, least] += by


def _goes_on(old: Record, new: Record) -> bool:
    """Whether `new` may be what became of `old`."""
    return old.outcome is None and (old.number, old.trial, old.proposal) == (new.number, new.trial, new.proposal)


class Front:
    """The front of one set of objectives, brought up to date by what ended since."""

    def __init__(self, goals: tuple[Objective, ...], rung: int | None):
        self.goals, self.rung = goals, rung
        self._seen = 0
        self._latest: dict[int, tuple[Any, Record]] = {}  # trial -> point (None: an objective is absent) and record
        self._best: dict[int, tuple[Any, Record]] = {}  # the undominated of them

    @property
    def records(self) -> list[Record]:
        """Best of the first objective first."""
        return [record for _, record in sorted(self._best.values(), key=lambda entry: (entry[0], entry[1].number))]

    def follow(self, ok: list[Record]) -> None:
        new = [r for r in ok[self._seen :] if self.rung is None or r.proposal.rung == self.rung]
        self._seen = len(ok)
        if len(new) > BULK or self._moved(new):
            self._latest |= self._entries(new)
            self._sort()
        else:
            for trial, entry in self._entries(new).items():
                self._latest[trial] = entry
                self._insert(trial, entry)

    def _entries(self, new: Iterable[Record]) -> dict[int, tuple[Any, Record]]:
        newest: dict[int, Record] = {}
        for record in new:
            known = newest.get(record.trial) or self._latest.get(record.trial, (None, None))[1]
            if known is None or record.number > known.number:
                newest[record.trial] = record
        return {trial: (point(record.measurements, self.goals), record) for trial, record in newest.items()}

    def _moved(self, new: Iterable[Record]) -> bool:
        """Whether a member of the front stands elsewhere now: what it dominated may surface."""
        return any(record.trial in self._best for record in new)

    def _insert(self, trial: int, entry: tuple[Any, Record]) -> None:
        at = entry[0]
        if at is None or any(dominates(other, at) for other, _ in self._best.values()):
            return
        self._best = {key: kept for key, kept in self._best.items() if not dominates(at, kept[0])}
        self._best[trial] = entry

    def _sort(self) -> None:
        valued = [(trial, entry) for trial, entry in self._latest.items() if entry[0] is not None]
        levels = ranks([entry[0] for _, entry in valued])
        self._best = {trial: entry for (trial, entry), level in zip(valued, levels, strict=True) if level == 0}


_recent: list[Index] = []


def index(items: tuple[Record, ...]) -> Index:
    """The index of these records: one that has followed their log so far, else a new one."""
    for known in _recent:
        if known.items is items:
            return known
    for n, known in enumerate(_recent):
        if known.items and known.follow(items):
            _recent.insert(0, _recent.pop(n))
            return known
    made = Index()
    made.follow(items)
    _recent.insert(0, made)
    del _recent[KEPT:]
    return made
