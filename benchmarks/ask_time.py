"""What asking costs, strategy by strategy, while a search follows its log: beside a training it should be nothing.

    python benchmarks/ask_time.py [--space segformer] [--trials 100 1000 10000] [--asks 20]
        [--strategies paredown,tpe] [--set remember=100 ...]

The trials are made up: random members of the space, each option of each hole with an effect of its own on accuracy and latency, and
noise. Of a strategy that continues trials two in three stand at the first of two rungs. The asks are real; what each proposes is
entered before the next. Milliseconds of this process's computing: the median, then in brackets the first ask, which reads the whole
log as after a resume. `--set` gives the strategies that have such an option another value.
"""

import argparse
import random
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import yaml
from rich.console import Console
from rich.progress import track
from rich.table import Table

from config import compose, load_space
from registry import nearest
from search.launch.driver import next_proposal
from search.records import Ledger, Proposal
from search.strategy import STRATEGIES, Strategy
from space import Arch, Space

EPOCHS = [1, 3]
GIVEN = ("ablation", "archs", "grid")  # what they train is said beforehand


@dataclass(frozen=True, eq=False)
class MadeUp:
    """Measurements that depend on the choices as real ones do, and are more or less noisy."""

    space: Space

    @cached_property
    def effects(self) -> dict[str, list[tuple[float, float]]]:
        """For each option of each hole: on accuracy, on latency. What is dear is a little better."""
        rng, found = random.Random(0), {}
        for hole in self.space.holes():
            dear = [rng.random() for _ in hole.options]
            found[hole.name] = [(0.3 * at + rng.gauss(0, 0.3), at) for at in dear]
        return found

    def __call__(self, arch: Arch, rung: int) -> dict[str, float]:
        options = {hole.name: hole.options for hole in self.space.holes()}
        chosen = self.space.choices(arch)
        parts = [self.effects[name][options[name].index(value)] for name, value in chosen.items()]
        good, dear = (sum(part) for part in zip(*parts, strict=True))
        if rung == 0:
            return {"latency_ms": 10 + dear, "params_m": 3 + 0.1 * dear, "macs_g": 2 + 0.2 * dear}
        noise = random.Random(f"{arch.id}/{rung}").gauss(0, 0.01)
        return {"accuracy": 0.5 + 0.02 * good + 0.03 * rung + noise, "train_s": 1e9}


def enter(ledger: Ledger, proposal: Proposal, measure: MadeUp) -> None:
    """An ask and all that becomes of it."""
    number, arch = len(ledger), proposal.arch
    asked = {"number": number, "continues": proposal.trial, "seed": proposal.seed, "rung": proposal.rung, "ask_s": 0.0}
    ledger.apply({"event": "asked", **asked, "arch": {"network": arch.network, "arch": arch.arch}})
    for rung in range(proposal.rung + 1):
        if not ledger.has(number, rung):
            ledger.apply({"event": "rung", "number": number, "rung": rung, "measurements": measure(arch, rung)})
    ledger.apply({"event": "ended", "number": number, "kind": "ok", "reason": ""})


def history(strategy: Strategy, members: Sequence[Arch], measure: MadeUp) -> Ledger:
    """A log of these members, the baseline and the known ones first."""
    ledger = Ledger()
    for number, arch in enumerate(members):
        rung = 1 if strategy.continues and number % 3 else strategy.rung
        enter(ledger, Proposal(arch, strategy.seed, rung), measure)
    return ledger


def drawn(space: Space, count: int) -> list[Arch]:
    """Different members, the opening first."""
    rng, found = random.Random(0), {arch.id: arch for arch in (space.baseline, *space.known)}
    while len(found) < count:
        arch = space.sample(rng)
        found.setdefault(arch.id, arch)
    return list(found.values())[:count]


def ask_ms(space: Space, strategy: Strategy, ledger: Ledger, measure: MadeUp, asks: int) -> list[float]:
    """Of each ask; the first reads the log."""
    times = []
    for _ in range(1 + asks):
        begun = time.process_time()
        proposal = next_proposal(space, strategy, ledger.records)
        times.append((time.process_time() - begun) * 1e3)
        if proposal is None:
            raise ValueError("it wants nothing more")
        enter(ledger, proposal, measure)
    return times


def made(name: str, options: dict[str, Any]) -> Strategy:
    """With those of the options that it has."""
    known = {field.name for field in fields(STRATEGIES[name])}
    return STRATEGIES[name](**{"trials": 10**6, "rungs": EPOCHS, **{key: value for key, value in options.items() if key in known}})


def contenders(wanted: str) -> list[str]:
    known = [name for name in STRATEGIES if name not in GIVEN]
    for name in (listed := [name for name in wanted.split(",") if name]):
        if name not in known:
            raise ValueError(f"--strategies: unknown strategy '{name}'; {nearest(name, known)}")
    return listed or known


def settings(given: Sequence[str]) -> dict[str, Any]:
    """`key=value`, the value as in yaml."""
    pairs = [text.partition("=") for text in given]
    if wrong := [key for key, equals, _ in pairs if not equals]:
        raise ValueError(f"--set: '{wrong[0]}' given; expected option=value")
    return {key: yaml.safe_load(value) for key, _, value in pairs}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="segformer", help="a space of conf/space")
    parser.add_argument("--trials", type=int, nargs="+", default=[100, 1000, 10000], help="in the log before the first ask")
    parser.add_argument("--asks", type=int, default=20, help="after the first one")
    parser.add_argument("--strategies", default="", help="names, by commas; default: all")
    parser.add_argument("--set", nargs="+", default=[], metavar="OPTION=VALUE", dest="options")
    return parser.parse_args()


def main() -> None:
    given = arguments()
    names, options = contenders(given.strategies), settings(given.options)
    with compose([f"+space={given.space}"]) as conf:
        space = load_space(conf, given.space, [])
    measure, members = MadeUp(space), drawn(space, max(given.trials))
    table = Table("strategy", *(f"after {count:,}, ms" for count in given.trials), title=f"an ask, space {given.space}")
    for name in track(names, description="strategies", transient=True):
        strategy, cells = made(name, options), []
        for count in given.trials:
            first, *others = ask_ms(space, strategy, history(strategy, members[:count], measure), measure, given.asks)
            cells.append(f"{statistics.median(others):.0f} ({first:.0f})")
        table.add_row(name, *cells)
    Console(width=100).print(table)


if __name__ == "__main__":
    try:
        main()
    except ValueError as error:
        sys.exit(f"error: {error}")
