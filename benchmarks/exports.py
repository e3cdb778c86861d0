"""Every named architecture in every export format: what is written and checked, and which operator stands in the way elsewhere.

    python benchmarks/exports.py [pattern ...] [--size 64] [--fold] [--to arch,onnx,torch,safetensors,hf]

Untrained networks whose batch norms have seen noise, for small images: whether an operator exports does not depend on either.
Prints a line for each of conf/arch whose name matches (default: all), as markdown. A minute or less for each small network.
"""

import argparse
import tempfile
import time
from fnmatch import fnmatch
from pathlib import Path

import torch

from evaluators.formats.agreement import probe, settled
from report.export.formats import EXPORTS
from report.export.member import Chosen, Member, folded
from report.front import Comparison
from report.run import Run, Trial
from space import Arch, build

ARCHES = Path(__file__).parents[1] / "conf" / "arch"
CLASSES = {"pet": 1}  # what is counted; of all others 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("patterns", nargs="*", default=["*"])
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--fold", action="store_true")
    parser.add_argument("--to", default=",".join(EXPORTS))
    given = parser.parse_args()
    names = [name for name in EXPORTS if name in given.to.split(",")]
    print(f"| architecture | {' | '.join(names)} | {'folded | ' if given.fold else ''}s |")
    print(f"|---|{'---|' * (len(names) + given.fold + 1)}", flush=True)
    files = sorted(ARCHES.glob("*.yaml"), key=lambda file: file.stem)
    for file in (file for file in files if any(fnmatch(file.stem, pattern) for pattern in given.patterns)):
        start = time.perf_counter()
        cells = tried(Arch.from_yaml(file), names, size=given.size, fold=given.fold)
        print(f"| {file.stem} | {' | '.join(cells)} | {time.perf_counter() - start:.0f} |", flush=True)


def tried(arch: Arch, names: list[str], *, size: int, fold: bool) -> list[str]:
    """What each format says of a network."""
    classes = CLASSES.get(arch.network, 5)
    trial = Trial(0, arch, 0, 0, "ok", "", {})
    found = Chosen(Run(Path(), {}, (trial,), (), None, ()), Comparison((), 0, None, ()), trial, None)
    try:
        torch.manual_seed(0)
        module = settled(build(arch, classes, image_size=(size, size)), probe((size, size)))
        member = Member(found, arch, module, classes, (size, size), 1.0, "none", trained=False)
    except ValueError as error:
        return [f"cannot be built for this size: {one_line(error)}"] * (len(names) + fold)
    changes, cells = "-", []
    try:
        member = folded(member) if fold else member
        changes = "; ".join(f"{what}: {places}" for what, places in member.folded.done.items()) if member.folded else ""
    except ValueError as error:
        changes = one_line(error)
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            try:
                written = EXPORTS[name]().write(found, member, Path(folder))
                cells.append(f"{max(written.apart.values(), default=0.0):.1g}{', one image' if written.note else ''}")
            except ValueError as error:
                cells.append(f"no: {one_line(error)}")
    return [*cells, *([changes or "-"] if fold else [])]


def one_line(error: Exception) -> str:
    return str(error).splitlines()[0].replace("|", "/")


if __name__ == "__main__":
    main()
