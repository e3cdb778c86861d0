"""How many architectures a second are counted by every counter: random members of SegFormer with B2's widths, none seen before.

python benchmarks/cost_rate.py [--members 30] [--space segformer]

Times are of the processor, in one thread: what each of several processes reaches however busy the machine is.
"""

import argparse
import random
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from config import compose, load_space, typed
from evaluators.cost import COUNTERS, measure_cost, on_meta
from evaluators.cost._pass import Counter, run
from evaluators.cost.fvcore import fvcore_itself
from evaluators.cost.ptflops import ptflops_itself
from space import Arch, Space

PROCESSES = 2


def members(name: str, count: int) -> tuple[Space, int, list[Arch]]:
    """The space, the classes of its data, and so many random members of it."""
    overrides = [f"+space={name}"]
    with compose(overrides) as conf:
        space, classes = load_space(conf, name, overrides), typed(conf.data).classes
    draw = random.Random(0)
    return space, classes, [space.sample(draw) for _ in range(count)]


def per_arch_ms(work: Callable[[Any], Any], given: list[Any]) -> float:
    """Processor time for each of `given`."""
    begun = time.process_time()
    for each in given:
        work(each)
    return (time.process_time() - begun) / len(given) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=30)
    parser.add_argument("--space", default="segformer")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    space, classes, archs = members(options.space, options.members)
    sizes = {"input_size": space.input_size, "classes": classes}
    measure_cost(space.baseline, **sizes)  # what is imported and compiled once
    shared = {name: counter for name in COUNTERS if isinstance(counter := COUNTERS[name], Counter)}
    whole = per_arch_ms(lambda arch: measure_cost(arch, **sizes), archs)
    build = per_arch_ms(lambda arch: on_meta(arch, **sizes), archs)
    built = [on_meta(arch, **sizes) for arch in archs]
    lines = {
        "measure_cost, all counters": whole,
        "of it: the network without weights": build,
        "of it: one pass, watched by no counter": per_arch_ms(lambda net: run({}, *net), built),
        **{
            f"a pass for {name} alone": per_arch_ms(lambda net, c=counter: run({"": c}, *net), built)
            for name, counter in shared.items()
        },
        "torch's own pass on the meta device": per_arch_ms(lambda net: plain(*net), built[:6]),
        "fvcore itself": per_arch_ms(lambda net: fvcore_itself(*net), built[:3]),
        "ptflops itself": per_arch_ms(lambda net: ptflops_itself(*net), built[:6]),
    }
    title = f"{options.space}, {len(archs)} members at {space.input_size}, one thread, torch {torch.__version__}"
    table = Table("", "ms of processor time", title=title, title_justify="left")
    for name, milliseconds in lines.items():
        table.add_row(name, f"{milliseconds:.1f}")
    Console(width=110).print(table)
    print(f"{1e3 / whole:.1f} architectures a second on one core, {PROCESSES * 1e3 / whole:.1f} with {PROCESSES} processes")


def plain(model: torch.nn.Module, image: torch.Tensor) -> None:
    with torch.no_grad():
        model(image)


if __name__ == "__main__":
    main()
