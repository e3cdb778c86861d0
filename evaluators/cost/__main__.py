"""What an architecture costs by every counter: `python -m evaluators.cost +space=segformer [--arch boostformer] [overrides]`."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from config import compose, find_member, load_space, typed, user_errors
from evaluators.cost import COUNTERS, measure_cost, on_meta
from evaluators.cost.explained import ABOUT
from search.command_line import Parser, space_named
from space import Arch

WIDTH = 150
"""Columns of the table: the explanations take two lines each."""


@user_errors
def main() -> None:
    """Parse the command line, count, print."""
    parser = Parser(prog="python -m evaluators.cost", description="What an architecture costs; nothing is trained.")
    parser.add_argument(
        "overrides", nargs="*", help="as for run_search.py: +space=segformer data=ade20k space.input_size=[1024,1024]"
    )
    parser.add_argument("--arch", action="append", help="a name of conf/arch or a file; several stand side by side "
                        "(default: the space's baseline and known members)")  # fmt: skip
    parser.add_argument("--libraries", action="store_true", help="run fvcore and ptflops themselves too, which takes seconds")
    parser.add_argument("--config-dir", type=Path, help="a project's own conf folder")
    given = parser.parse_intermixed_args()
    name = space_named(given.overrides)
    with compose(given.overrides, config_dir=given.config_dir) as conf:
        space, classes = load_space(conf, name, given.overrides), typed(conf.data).classes
        called = given.arch or [typed(conf.space).baseline, *typed(conf.space).known]
        archs = {Path(key).stem: find_member("--arch", key, space.network) for key in called}
    read = {key: readings(arch, space.input_size, classes, libraries=given.libraries) for key, arch in archs.items()}
    size = " x ".join(map(str, space.input_size))
    Console(width=WIDTH).print(table(read, title=f"{name}: one image of {size}, {classes} classes"))


def readings(arch: Arch, input_size: tuple[int, int], classes: int, *, libraries: bool) -> dict[str, float | None]:
    """Every counter's, and what two libraries say where they run by themselves."""
    read = measure_cost(arch, input_size=input_size, classes=classes)
    if libraries:
        from evaluators.cost.fvcore import fvcore_itself
        from evaluators.cost.ptflops import ptflops_itself

        model, image = on_meta(arch, input_size=input_size, classes=classes)
        read |= {"fvcore itself": fvcore_itself(model, image), "ptflops itself": ptflops_itself(model, image)}
    return read


def table(read: dict[str, dict[str, float | None]], *, title: str) -> Table:
    """A line for each counter, a column for each architecture, and why the counters differ."""
    drawn = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
    drawn.add_column("counter", no_wrap=True)
    for key in read:
        drawn.add_column(key, justify="right", no_wrap=True)
    drawn.add_column("what it counts", style="dim", overflow="fold")
    names = [*ABOUT, *(name for name in COUNTERS if name not in ABOUT)]
    names += [name for name in next(iter(read.values())) if name not in names]
    for name in names:
        said = ABOUT.get(name) or " ".join((getattr(COUNTERS[name], "__doc__", "") if name in COUNTERS else LIBRARY).split())
        drawn.add_row(name, *(written(of[name]) for of in read.values()), said)
    return drawn


LIBRARY = "the library's own pass, with a rule for fused attention (1e9)"


def written(value: float | None) -> str:
    return "-" if value is None else f"{value:,.6f}".rstrip("0").rstrip(".")


if __name__ == "__main__":
    main()
