"""How long each strategy takes to ask, after so many trials: beside a training it should be nothing.

    python benchmarks/ask_time.py [--trials 10 50 100 200]

The trials are made up (random members of the segformer space, random scores), the asks are real. Medians of three, in milliseconds.
"""

import argparse
import random
import statistics
import time

from rich.console import Console
from rich.progress import track
from rich.table import Table

from config import compose, load_space
from evaluators.api import Outcome, RungResult
from search.records import Proposal, Record, Records
from search.strategy import STRATEGIES, trial_rng
from space import Space

REPEATS = 3


def made_up(space: Space, count: int) -> Records:
    """Ended trials of random members."""
    rng = random.Random(count)
    opening = [space.baseline, *space.known]  # asked first by every strategy, without a thought
    arches = [*opening, *(space.sample(rng) for _ in range(count - len(opening)))]
    records = []
    for number, arch in enumerate(arches):
        scores = {"accuracy": rng.random(), "latency_ms": rng.uniform(100, 1000), "train_s": 1e9}
        results = (RungResult(1, scores),)
        proposal = Proposal(arch, 0, 1)
        ended = {"outcome": Outcome("ok"), "ended_at": number}
        records.append(Record(number, proposal, number, results=results, measurements=scores, **ended))
    return Records(tuple(records))


def ask_ms(name: str, space: Space, records: Records) -> float:
    strategy = STRATEGIES[name](trials=10**6, rungs=[1])
    times = []
    for repeat in range(REPEATS):
        start = time.perf_counter()
        strategy.ask(space, records, trial_rng(repeat, len(records)))
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, nargs="+", default=[10, 50, 100, 200])
    counts = parser.parse_args().trials
    with compose(["+space=segformer"]) as conf:
        space = load_space(conf, "segformer", [])
    histories = [made_up(space, count) for count in counts]
    table = Table("strategy", *(f"after {count}, ms" for count in counts))
    names = [name for name in STRATEGIES if name not in ("archs", "grid")]
    for name in track(names, description="strategies", transient=True):
        table.add_row(name, *(f"{ask_ms(name, space, records):.0f}" for records in histories))
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
