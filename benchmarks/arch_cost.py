"""What the engine pays for an architecture before any training: to hash it, build it and count its cost.

python benchmarks/arch_cost.py [--input 512] [--threads 2]
"""

import argparse
import warnings
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch.utils.benchmark import Timer

from evaluators.cost import measure_cost
from space import Arch, build

ARCHES = Path(__file__).parents[1] / "conf" / "arch"
NAMES = ("segformer_b0", "segformer_b2", "boostformer")
CLASSES = 150


def on_meta(arch: Arch) -> torch.nn.Module:
    with torch.device("meta"):
        return build(arch, CLASSES).eval()


def median_ms(statement: str, threads: int, **names: object) -> float:
    """Median over at least half a second, warmed up by torch's timer."""
    return Timer(statement, globals=names, num_threads=threads).blocked_autorange(min_run_time=0.5).median * 1e3


def row(name: str, side: int, threads: int) -> list[str]:
    arch = Arch.from_yaml(ARCHES / f"{name}.yaml")
    times = [
        median_ms("Arch(arch.network, arch.arch).id", threads, Arch=Arch, arch=arch),
        median_ms("on_meta(arch)", threads, on_meta=on_meta, arch=arch),
        median_ms("build(arch, classes)", threads, build=build, arch=arch, classes=CLASSES),
        median_ms(
            "count(arch, input_size=size, classes=classes)",
            threads,
            count=measure_cost,
            arch=arch,
            size=(side, side),
            classes=CLASSES,
        ),
    ]
    return [name, *(f"{time:.1f}" for time in times)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", type=int, default=512, help="side of the square input that costs are counted at")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    title = f"ms (median), input {options.input} x {options.input}, {options.threads} threads, torch {torch.__version__}"
    table = Table("arch", "id", "build (meta)", "build (CPU)", "all costs", title=title)
    for name in NAMES:
        with torch.no_grad():
            table.add_row(*row(name, options.input, options.threads))
    Console().print(table)


if __name__ == "__main__":
    main()
